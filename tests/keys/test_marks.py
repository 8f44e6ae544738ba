"""Secrets with marks inside that show nothing are cut out, however a program writes the marks."""

from __future__ import annotations

import json
import logging
import re
from html import unescape
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invitation.keys import marks, masking
from invitation.keys.masked_errors import conceal_data
from invitation.keys.written import Secret, conceal
from tests.keys.test_written import CODE, KEY, LOCATOR, TOKEN

#: One of each kind: zero-width, soft hyphen, joiner, bidi, variation selector, BOM, tag, others.
MARKS = "\u200b\u00ad\u034f\u200c\u200d\u061c\u180e\u200f\u202e\u2060\u2069\ufe0f\ufeff\U000e0041"
SIGNATURE = KEY.partition(".")[2]

WAYS = {
    "as it is": str,
    "repr": repr,
    "ascii": ascii,
    "repr twice": lambda text: ascii(repr(text)),
    "JSON": json.dumps,
    "JSON in capitals": lambda text: re.sub(
        r"(?<=\\u)\w{4}", lambda found: found[0].upper(), json.dumps(text)
    ),
    "percent": lambda text: quote(text, safe="/.=:' "),
    "percent, small": lambda text: quote(text, safe="/.=:' ").lower().replace("%2e", "."),
    "percent twice": lambda text: quote(quote(text, safe="/.=:' "), safe="/.=:' "),
    "bytes": lambda text: repr(text.encode()),
    "HTML": lambda text: text.encode("ascii", "xmlcharrefreplace").decode(),
    "HTML twice": lambda text: (
        text.encode("ascii", "xmlcharrefreplace").decode().replace("&", "&amp;")
    ),
    "hex in HTML": lambda text: "".join(
        char if char.isascii() else f"&#x{ord(char):X};" for char in text
    ),
    "JavaScript": lambda text: "".join(
        char if char.isascii() else f"\\u{{{ord(char):x}}}" for char in text
    ),
}
SMALL = ("percent, small",)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("mark", MARKS, ids=ascii)
def test_a_key_with_a_mark_inside_is_cut(way: str, mark: str) -> None:
    for key in (KEY, TOKEN):
        if way in SMALL:
            key = key.lower()
        for place in (3, 10, 22, 23, 40, len(key) - 3):
            text = WAYS[way](f"x/invited/{key[:place]}{mark}{key[place:]}/ y")
            safe = conceal(text)
            assert key[-30:-3] not in safe, safe
            assert key[25:35] not in safe, safe
            assert (safe.strip("'b\"")[:10], safe.rstrip("'\"")[-2:]) == ("x/invited/", " y")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("mark", MARKS, ids=ascii)
def test_a_code_with_marks_inside_is_cut(way: str, mark: str) -> None:
    marked = CODE.replace("-", f"{mark}-{mark}")
    if way not in SMALL:
        assert "9XA" not in conceal(WAYS[way](f"It is {marked}."))
    assert "9xa" not in conceal(WAYS[way](f"code={marked}")).lower()
    every = mark.join(CODE)
    assert "TRB" not in re.sub("[^A-Z]", "", conceal(WAYS[way](f"/join/{every}/")).upper()[7:])


@pytest.mark.parametrize("way", [way for way in WAYS if way not in SMALL])
def test_a_mark_between_every_two_characters_helps_nobody(way: str) -> None:
    for mark in MARKS:
        assert SIGNATURE[5:] not in unmarked(conceal(WAYS[way](mark.join(KEY))))
    several = "\u200b\u200d\ufeff"
    assert SIGNATURE[5:] not in unmarked(conceal(WAYS[way](several.join(KEY))))


def unmarked(text: str) -> str:
    """Return what a person has who takes the marks out by hand."""
    return marks.without_marks(unescape(text))[0]


def test_a_name_of_html_is_a_mark() -> None:
    for name in ("&shy;", "&zwnj;", "&ZeroWidthSpace;", "&amp;zwj;", "&lrm"):
        text = f"{LOCATOR}.{SIGNATURE[:9]}{name}{SIGNATURE[9:]}"
        assert SIGNATURE[9:] not in conceal(text)


def test_a_surrogate_pair_of_json_is_a_mark() -> None:
    text = json.dumps(f"{KEY[:30]}\U000e0020{KEY[30:]}")
    assert "\\udb40" in text
    assert KEY[30:] not in conceal(text)


@pytest.mark.parametrize(
    "text",
    [
        "Straße \\u00fc \\xfc %C3%BC &#252; &#xfc; &uuml; \\U0001f600 %F0%9F%98%80 \\x41 Ã¼",
        "\u200b only marks \\u200b, and no secret \\xad &shy; %E2%80%8B here",
        "\\u20 \\U00 &#xFFFFF; &#999999; %E2%80 \\xe2\\x80 \\u{110000}",
        "C:\\xampp\\users\\u2\\x4",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert conceal(text) == text
    assert conceal(text * 9) == text * 9


@given(st.text(alphabet="abZ09._-%\\xuU{}&#;25E8Be\u200b\u00adâ\x80\x8b ", max_size=60))
def test_each_character_left_keeps_its_place(text: str) -> None:
    bare, places = marks.without_marks(text)
    if places:
        assert bare == "".join(text[place] for place in places)
        assert places == sorted(set(places))
    else:
        assert bare == "" or bare == text


def test_what_stands_beside_a_mark_is_found_as_before() -> None:
    assert conceal(f"X\u200b{CODE}\u200bX") == "X\u200b****-****-****\u200bX"
    assert SIGNATURE not in conceal(f"a\u200bb {KEY}")


def test_logs_and_reports_go_by_it(caplog: pytest.LogCaptureFixture) -> None:
    marked = f"{KEY[:30]}\u200b{KEY[30:]}"
    logger = logging.getLogger("tests.marks")
    logger.addFilter(masking.KeyFilter())
    logger.warning("Refused %r at %s", marked, [marked])
    assert KEY[30:] not in caplog.text
    assert KEY[30:] not in repr(Secret(marked))
    data = {"path": f"/invited/{marked}/", "body": marked.encode(), "error": ValueError(marked)}
    assert KEY[30:] not in repr(conceal_data(data))
