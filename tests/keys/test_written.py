"""Secrets are found by their signs as the one pattern of all of them finds them."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from invitation.keys import written
from invitation.keys.written import conceal

LOCATOR = "abcdefghijklmnopqrstuv"
SIGNATURE = "Q" * 20 + "-w_e" + "7" * 19
KEY = f"{LOCATOR}.{SIGNATURE}"
TOKEN = f"{SIGNATURE}.{LOCATOR}"
CODE = "7QK2-M9XA-4TRB"
ACTIVATION = "b95c42" + 34 * "a"

#: Secrets, and what looks like a part of one.
PIECES = [
    KEY,
    TOKEN,
    quote(quote(KEY.replace(".", "%2E"))),
    LOCATOR,
    SIGNATURE,
    CODE,
    CODE.lower(),
    CODE.replace("-", " "),
    "7QK2M9XA4TRB",
    "4TRB",
    f"/join/{CODE}/",
    "%2Fjoin%2F",
    "%252Fjoin%252F",
    "code=",
    "'code': ['",
    "word",
    f"/activate/{ACTIVATION}/",
    "%2Factivate%2F",
    "activation_key: ",
    "activation_key=",
    "'activation_key': ['",
    ACTIVATION,
    "<svg ",
    'class="segno">',
    "</svg>",
    "F",
    "25",
    "%",
    "%2F",
    "%2E",
    ".",
    "-",
    "_",
    "x",
    " ",
    "\n",
    "ä",
]
texts = st.lists(
    st.one_of(st.sampled_from(PIECES), st.text(alphabet="abCF25%.-_/= '<", max_size=8)),
    max_size=10,
).map("".join)


def by_the_pattern(text: str) -> str:
    return written._pattern().sub(written._cut, text)


@given(texts)
@example(f"x{KEY}x{KEY}")
@example(f"{SIGNATURE}.{SIGNATURE}")
@example(f"{KEY}-code={CODE}")
@example(f"{LOCATOR}.{'y' * 38}-code=7qk2m9xa4trb ")
@example(f"<svg segno>{KEY}</svg>{KEY}")
@example(f"<svg segno>{KEY}")
@example(f"code={CODE}-{CODE}")
@example(f"/activate/{LOCATOR}.{SIGNATURE}%2E{LOCATOR}")
@example(f"%2Fjoin%2F{CODE}")
@example("join/code")
@example("Fjoin/7QK2M9XA4TRB")
def test_what_is_found_by_signs_is_what_the_pattern_finds(text: str) -> None:
    assert conceal(text) == by_the_pattern(text)


@pytest.mark.exhaustive
@pytest.mark.parametrize("between", ["", ".", "-", "%", "x", " ", "/", "=", "%2F", "'"])
@pytest.mark.parametrize("piece", PIECES)
def test_any_three_pieces_are_cut_as_the_pattern_cuts_them(piece: str, between: str) -> None:
    for first in PIECES:
        for last in PIECES:
            text = between.join([first, piece, last])
            assert conceal(text) == by_the_pattern(text)


def test_a_long_text_is_not_searched_with_the_pattern(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(written, "_pattern", None)
    text = "An ordinary page: e.g. a-b, 50%, 1.5, v2.0, <b>, example.com/path/. " * 100
    assert conceal(text) == text
