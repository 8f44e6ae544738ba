"""Codes that are said aloud, and words in their place."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invitation import keys
from invitation.exceptions import WordRefused
from invitation.keys import codes

LOCATOR = "Ab3_-0123456789abcdefg"
FIRST, SECOND = "first signing key of thirty-two letters", "second signing key of thirty-two chars"


def code_of(locator: str = LOCATOR, site_id: int = 1) -> str:
    return codes.show(locator, site_id, codes.new_digest(locator, site_id))


def test_a_code_has_twelve_symbols_in_three_groups() -> None:
    assert re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{4}(-[0-9A-HJKMNP-TV-Z]{4}){2}", code_of())


def test_there_are_sixty_bits_in_it() -> None:
    assert len(set(codes.SYMBOLS)) == 32
    assert set(codes.SYMBOLS).isdisjoint("ILOU")
    assert 32**codes.LENGTH == 2**60
    # Every symbol stands in every place, if one looks at enough of them.
    shown = [code_of(keys.new_locator()).replace("-", "") for _ in range(2000)]
    for place in range(codes.LENGTH):
        assert {code[place] for code in shown} == set(codes.SYMBOLS)


def test_it_is_the_same_each_time_and_another_for_each_link_and_site() -> None:
    assert code_of() == code_of()
    assert len({code_of(), code_of(keys.new_locator()), code_of(site_id=2)}) == 3


def test_it_says_nothing_of_the_key_and_the_row_nothing_of_it() -> None:
    code = codes.normalise(code_of())
    assert code is not None
    digest = codes.new_digest(LOCATOR, 1)
    assert len(digest) == 32
    assert code.encode() not in digest
    assert code not in keys.make(LOCATOR, keys.COPY, 1).upper()


def test_a_code_is_found_by_its_digest_alone() -> None:
    code = codes.normalise(code_of())
    assert code is not None
    assert codes.digests(code, 1) == [codes.new_digest(LOCATOR, 1)]
    assert codes.new_digest(LOCATOR, 1) not in codes.digests(code, 2)
    assert codes.new_digest(LOCATOR, 1) not in codes.digests("0" * 12, 1)


@pytest.mark.parametrize(
    "change",
    [
        str,
        str.lower,
        lambda code: code.replace("-", ""),
        lambda code: code.replace("-", " "),
        lambda code: f"  {' '.join(code)}\t",
        lambda code: code.replace("-", "\u2013"),
        lambda code: "".join(chr(ord(char) + 0xFEE0) for char in code),
        lambda code: "".join(chr(ord(char) + 0xFEE0) for char in code.lower()),
        lambda code: code.replace("-", "\u30fc"),
        lambda code: code.replace("-", "\uff70"),
        lambda code: code.replace("-", "\u3000"),
        lambda code: "\ufeff\u200b" + "\u200d".join(code) + "\u2060\u200e\ufe0f",
        lambda code: code.replace("-", "\u00ad-"),
        lambda code: f"“{code}”.",
        lambda code: f"「{code}」。",
        lambda code: code.replace("0", "O").replace("1", "I"),
        lambda code: code.replace("0", "o").replace("1", "l"),
    ],
)
def test_it_may_be_typed_in_many_ways(change: Any) -> None:
    assert codes.normalise(change("7Q01-M9XA-0TR1")) == "7Q01M9XA0TR1"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "7QK2-M9XA-4TR",
        "7QK2-M9XA-4TRBB",
        "7QK2-M9XA-4TRU",
        "7QK2_M9XA_4TRB",
        "7QK2-M9XA-4TR\0",
        "7QK2-M9XA-4TR\u0661",
        "\u212a" * 12,
        "ß" * 6,
        " " * 99,
        "7 " * 12 + " " * 60,
        None,
        7,
        b"7" * 12,
    ],
)
def test_anything_else_is_no_code(text: Any) -> None:
    assert codes.normalise(text) is None


@given(st.text(max_size=70))
def test_whatever_is_a_code_is_stable(text: str) -> None:
    code = codes.normalise(text)
    assert code is None or codes.normalise(code) == code


class TestRotation:
    def test_a_code_that_is_out_works_and_is_shown_with_a_new_first_key(
        self, settings: Any
    ) -> None:
        settings.INVITATION_SIGNING_KEYS = [FIRST]
        digest, shown = codes.new_digest(LOCATOR, 1), code_of()
        settings.INVITATION_SIGNING_KEYS = [SECOND, FIRST]
        assert codes.show(LOCATOR, 1, digest) == shown
        code = codes.normalise(shown)
        assert code is not None
        assert digest in codes.digests(code, 1)
        assert len(codes.digests(code, 1)) == 2
        assert code_of() != shown

    def test_with_a_lost_key_there_is_nothing_to_show(self, settings: Any) -> None:
        settings.INVITATION_SIGNING_KEYS = [FIRST]
        digest = codes.new_digest(LOCATOR, 1)
        settings.INVITATION_SIGNING_KEYS = [SECOND]
        assert codes.show(LOCATOR, 1, digest) == ""

    @pytest.mark.parametrize("digest", [None, b""])
    def test_nor_for_a_row_without_one(self, digest: str | None) -> None:
        assert codes.show(LOCATOR, 1, digest) == ""


class TestWords:
    @pytest.mark.parametrize(
        ("typed", "kept"),
        [
            ("Spring-Fair", "spring-fair"),
            ("  fair2026 ", "fair2026"),
            ("STRASSE", "strasse"),
            ("Straße", "strasse"),
            ("ﬁn", "fin"),
            ("a\u200dbc\ufeff", "abc"),
            ("ｆａｉｒ　２０２６", "fair-2026"),
            ("“fair”.", "fair"),
            ("می\u200cروم", "میروم"),
            ("ラーメン", "ラーメン"),
            ("हिन्दी", "हिन्दी"),
            ("مرحبا", "مرحبا"),
            ("sunflowerday", "sunflowerday"),
            ("a" * 64, "a" * 64),
        ],
    )
    def test_it_is_kept_in_small_letters(self, typed: str, kept: str) -> None:
        assert codes.check_word(typed) == kept
        assert codes.check_word(kept) == kept
        assert codes.plain_word(typed) == kept

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "ab",
            "a" * 65,
            "a b!c",
            "a/b/c",
            "a.b.c",
            "a_b_c",
            "-abc",
            "abc-",
            "abc\0",
            "abc%",
            "\u0301abc\u0301\u202e",
            "ß" * 33 + "x" * 31,
            "½½½",
            None,
            3,
        ],
    )
    def test_what_is_none_is_refused(self, text: Any) -> None:
        assert codes.plain_word(text) is None
        with pytest.raises(WordRefused) as refused:
            codes.check_word(text)
        assert refused.value.code == "invalid_word"

    @pytest.mark.parametrize("text", ["7QK2-M9XA-4TRB", "greatdinners", "ooooiiiillll"])
    def test_what_could_be_a_code_is_refused(self, text: str) -> None:
        with pytest.raises(WordRefused) as refused:
            codes.check_word(text)
        assert refused.value.code == "word_like_code"

    @given(st.text(max_size=70))
    def test_it_is_stable(self, text: str) -> None:
        word = codes.plain_word(text)
        assert word is None or codes.plain_word(word) == word
