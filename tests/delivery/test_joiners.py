"""Joiners and selectors stay where a script or an emoji needs them, and nowhere else."""

from __future__ import annotations

import pytest

from invitation.delivery import texts
from invitation.exceptions import TextRefused

NEEDED = [
    "می\u200cخواهم",  # Persian: two parts of a word
    "ශ්\u200dරී ලංකා",  # Sinhala: Sri Lanka
    "क्\u200dष",  # Devanagari: half a letter
    "র\u200d্যাব",  # Bengali
    "\U0001f468\u200d\U0001f469\u200d\U0001f467",  # a family
    "\U0001f3f3\ufe0f\u200d\U0001f308",  # the rainbow flag
    "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",  # Scotland
    "\u2764\ufe0f",  # a red heart
    "1\ufe0f\u20e3",  # a keycap
    "葛\U000e0100飾",  # a form of a letter in a name
    "\U0001f44b\U0001f3fd",  # a skin tone
]


@pytest.mark.parametrize("text", NEEDED)
def test_they_stay_where_they_are_needed(text: str) -> None:
    assert texts.plain_name(text) == text
    assert texts.check_text(f"Hello {text} there") == f"Hello {text} there"


@pytest.mark.parametrize(
    "mark", ["\u200c", "\u200d", "\ufe0f", "\ufe00", "\U000e0100", "\U000e0061", "\u200c\u200d"]
)
def test_beside_latin_letters_they_are_dropped(mark: str) -> None:
    for text in ("A{}nn", "Ann{}", "{}Ann", "А{}нна", "9{}9", "م{}Ann", "Ann{}می", "a{}.b"):
        assert mark not in texts.plain_name(text.format(mark))
        assert texts.plain_name(text.format(mark)) == texts.plain_name(text.format(""))


@pytest.mark.parametrize(
    "text",
    [
        "می\u200c\u200cخواهم",
        "\u200cمی\u200c",
        "\U0001f3f4\U000e0067\U000e0062",  # not ended
        "\U0001f3f4" + "\U000e0061" * 40 + "\U000e007f",  # a text that nobody sees
        "\U0001f468\u200d",
        "\U000e0067\U000e007f",
    ],
)
def test_what_could_hide_a_text_is_dropped(text: str) -> None:
    name = texts.plain_name(text)
    assert not set(name) & {"\u200c", "\u200d", "\U000e0061", "\U000e0067", "\U000e007f"}


@pytest.mark.parametrize("text", ["مثال.ا\u200cیران", "مثال\u200cها.ایران", "a.c\u200dom"])
def test_no_link_hides_behind_one(text: str) -> None:
    with pytest.raises(TextRefused):
        texts.check_text(text)


@pytest.mark.parametrize("text", NEEDED)
@pytest.mark.parametrize("limit", range(1, 12))
def test_a_cut_leaves_no_mark_at_the_end(text: str, limit: int) -> None:
    name = texts.plain_name(f"Ann {text}", limit)
    assert not name.endswith(("\u200d", "\u200c"))
    assert texts.plain_name(name, limit) == name
