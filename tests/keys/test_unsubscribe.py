"""What stands for an address that wants no more invitations, and the token in the link."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invitation import keys
from invitation.keys import unsubscribing
from tests.factories import ADDRESS

OLD, NEW = "o" * 50, "n" * 50
GARBAGE = {
    "empty": "",
    "blank": " ",
    "short": "x",
    "right length": "x" * unsubscribing.TOKEN_LENGTH,
    "right shape": f"{'x' * unsubscribing.DIGEST_LENGTH}.{'x' * unsubscribing.SIGNATURE_LENGTH}",
    "huge": "x" * 100_000,
    "NUL": "\0" * unsubscribing.TOKEN_LENGTH,
    "Unicode": "ä" * unsubscribing.TOKEN_LENGTH,
    "Unicode digits": f"{'١' * unsubscribing.DIGEST_LENGTH}.{'١' * unsubscribing.SIGNATURE_LENGTH}",
    "line break": (
        f"{'x' * unsubscribing.DIGEST_LENGTH}.{'x' * (unsubscribing.SIGNATURE_LENGTH - 1)}\n"
    ),
    "surrogate": "\ud800" * unsubscribing.TOKEN_LENGTH,
}


@pytest.fixture
def token() -> str:
    return unsubscribing.make_token(ADDRESS)


def digest(email: str = ADDRESS) -> bytes:
    return unsubscribing.digests(email)[0].digest


def test_the_token_leads_to_what_stands_for_the_address(token: str) -> None:
    assert unsubscribing.resolve(token) == unsubscribing.digests(ADDRESS)[0]


def test_it_is_short_and_safe_in_an_address(token: str) -> None:
    assert len(token) == unsubscribing.TOKEN_LENGTH == 66
    assert re.fullmatch(r"[A-Za-z0-9_.-]+", token)


def test_it_is_the_same_in_every_mail(token: str) -> None:
    assert unsubscribing.make_token(ADDRESS) == token


def test_a_digest_is_keyed(settings: Any) -> None:
    plain = hashlib.sha256(ADDRESS.encode()).digest()
    assert len(digest()) == 32
    assert digest() != plain
    before = digest()
    settings.INVITATION_SIGNING_KEYS = [NEW]
    assert digest() != before


def test_the_address_is_in_none_of_them(token: str) -> None:
    for half in token.split("."):
        raw = base64.urlsafe_b64decode(half + "=" * (-len(half) % 4))
        assert b"bob" not in raw
    assert "bob" not in token + repr(unsubscribing.digests(ADDRESS))


def test_the_key_is_not_told(settings: Any) -> None:
    settings.INVITATION_SIGNING_KEYS = [NEW, OLD]
    first, second = unsubscribing.key_ids()
    assert first != second
    for told in (first, second):
        assert re.fullmatch("[0-9a-f]{16}", told)
        assert told not in hashlib.sha256(NEW.encode()).hexdigest()


@pytest.mark.parametrize(
    "spelling",
    ["Bob@example.org", "BOB@EXAMPLE.ORG", " bob@example.org ", "bob@ExAmple.org"],
)
def test_letters_of_any_case_are_one_address(spelling: str) -> None:
    assert digest(spelling) == digest()


def test_a_domain_is_one_in_each_of_its_forms() -> None:
    assert digest("ann@münchen.de") == digest("Ann@XN--MNCHEN-3YA.de")


def test_domains_that_only_look_alike_have_two_owners() -> None:
    assert digest("ann@straße.de") != digest("ann@strasse.de")


@pytest.mark.parametrize("other", ["bob+club@example.org", "b.ob@example.org", "bob@mail.org"])
def test_a_tag_or_a_dot_makes_another_mailbox(other: str) -> None:
    assert digest(other) != digest()


@pytest.mark.parametrize("email", ["", "bob", "a,b@example.org", "x" * 300, "a\0b@x"])
def test_what_nobody_could_invite_stands_for_itself(email: str) -> None:
    assert unsubscribing.resolve(unsubscribing.make_token(email)) == unsubscribing.digests(email)[0]
    assert "\0" not in unsubscribing.comparable(email)


@pytest.mark.parametrize("text", GARBAGE.values(), ids=GARBAGE)
def test_garbage_is_nothing(text: str) -> None:
    assert unsubscribing.resolve(text) is None


@pytest.mark.parametrize("thing", [None, 1, b"x" * 66, ["x"], ADDRESS])
def test_nor_is_another_thing(thing: object) -> None:
    assert unsubscribing.resolve(thing) is None


@given(place=st.integers(0, unsubscribing.TOKEN_LENGTH - 1), letter=st.sampled_from("aZ09-_.x"))
def test_with_another_letter_it_is_nothing(place: int, letter: str) -> None:
    token = unsubscribing.make_token(ADDRESS)
    changed = token[:place] + letter + token[place + 1 :]
    assert (unsubscribing.resolve(changed) is None) is (changed != token)


@given(st.text())
def test_no_text_is_a_token_by_chance(text: str) -> None:
    assert unsubscribing.resolve(text) is None


def test_a_digest_from_the_table_makes_no_token(token: str) -> None:
    """A copy of the database opts nobody out."""
    bare = base64.urlsafe_b64encode(digest()).rstrip(b"=").decode()
    assert token.startswith(bare)
    key = keys.make("x" * keys.LOCATOR_LENGTH, keys.MAIL, 1)
    forged = f"{bare}.{key.split('.')[1][: unsubscribing.SIGNATURE_LENGTH]}"
    assert unsubscribing.resolve(forged) is None


def test_the_key_of_an_invitation_is_none_and_it_is_none_of_these(token: str) -> None:
    key = keys.make("x" * keys.LOCATOR_LENGTH, keys.MAIL, 1)
    assert len(key) == len(token)
    assert unsubscribing.resolve(key) is None
    assert not keys.PATTERN.search(token)


def test_it_is_good_while_its_key_is_listed(settings: Any) -> None:
    settings.INVITATION_SIGNING_KEYS = [OLD]
    token = unsubscribing.make_token(ADDRESS)
    settings.INVITATION_SIGNING_KEYS = [NEW, OLD]
    found = unsubscribing.resolve(token)
    assert found == unsubscribing.digests(ADDRESS)[1]
    assert unsubscribing.make_token(ADDRESS) != token
    settings.INVITATION_SIGNING_KEYS = [NEW]
    assert unsubscribing.resolve(token) is None


def test_that_of_a_site_with_another_key_is_none(settings: Any) -> None:
    settings.SECRET_KEY = "another site's"
    token = unsubscribing.make_token(ADDRESS)
    settings.SECRET_KEY = "only for tests"
    assert unsubscribing.resolve(token) is None


def test_it_is_good_on_every_site_that_shares_keys_and_table(settings: Any, token: str) -> None:
    settings.SITE_ID = 2
    assert unsubscribing.resolve(token) is not None


@pytest.mark.parametrize("written", ["{}", "/accounts/unsubscribe/{}/", "'{}'"])
def test_logs_get_a_few_letters_of_it(token: str, written: str) -> None:
    line = keys.conceal(written.format(token))
    assert line == written.format(f"{token[:6]}…")
    assert keys.conceal(written.format(token.replace(".", "%2E"))) == line


def test_every_key_is_tried_whichever_fits(
    settings: Any, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    compared: list[str] = []

    def compare(a: str, b: str) -> bool:
        compared.append(b)
        return a == b

    monkeypatch.setattr(unsubscribing, "constant_time_compare", compare)
    settings.SECRET_KEY_FALLBACKS = [OLD, NEW]
    assert unsubscribing.resolve(token) is not None
    assert len(compared) == 3
