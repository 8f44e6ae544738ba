"""The example site: its own tests pass, and it speaks the languages of the package."""

from __future__ import annotations

import gettext
import re
from pathlib import Path
from typing import Any

import pytest
from babel.messages.pofile import read_po

from tests.test_testing import run

EXAMPLE = Path(__file__).parents[1] / "example"
LANGUAGES = ("de", "es", "fr")
#: Texts in templates: those of a tag, and those of a block until its plural.
MARKED = re.compile(
    r'{% translate (?:"([^"]*)"|\'([^\']*)\')|{% blocktranslate[^%]*%}(.*?){% (?:endblock|plural)'
)


@pytest.mark.long
@pytest.mark.parametrize("host", ["redux", "allauth"])
def test_the_tests_of_the_example_pass(tmp_path: Path, host: str) -> None:
    """With Django's own runner, and without pytest."""
    program = "import sys; sys.modules['pytest'] = None; sys.argv[0] = 'manage.py'\n"
    program += "sys.path.insert(0, 'example')\nimport manage; manage.main()"
    said = run(
        *("-W", "error", "-c", program, "test", "seedlibrary"),
        SEEDLIBRARY_VAR=str(tmp_path),
        SEEDLIBRARY_HOST=host,
    )
    assert "Ran 9 tests" in said
    assert "OK (skipped=2)" in said


def catalog(language: str) -> dict[str, Any]:
    path = EXAMPLE / "locale" / language / "LC_MESSAGES" / "django.po"
    with path.open("rb") as file:
        messages = [message for message in read_po(file, locale=language) if message.id]
    return {
        message.id if isinstance(message.id, str) else message.id[0]: message.string
        for message in messages
    }


def texts_of_templates() -> set[str]:
    found: set[str] = set()
    for file in EXAMPLE.rglob("*.html"):
        for marked in MARKED.finditer(file.read_text("utf-8")):
            text = next(filter(None, marked.groups()))
            found.add(re.sub(r"{{ (\w+) }}", r"%(\1)s", text))
    return found


def test_the_texts_of_templates_are_found() -> None:
    found = texts_of_templates()
    assert {"Guided story", "About this demo", "Log in as %(name)s"} <= found
    assert len(found) > 80


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_of_the_example_is_translated(language: str) -> None:
    known = catalog(language)
    assert texts_of_templates() - known.keys() == set()
    assert [text for text, translation in known.items() if not all(as_list(translation))] == []
    assert known.keys() == catalog("de").keys()


def as_list(translation: Any) -> list[str]:
    return [translation] if isinstance(translation, str) else list(translation)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_translation_keeps_what_is_filled_in(language: str) -> None:
    placed = re.compile(r"%\(\w+\)s|</?\w+")
    for text, translation in catalog(language).items():
        for one in as_list(translation):
            assert sorted(placed.findall(one)) == sorted(placed.findall(text)), text


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_compiled_is_what_is_written(language: str) -> None:
    path = EXAMPLE / "locale" / language / "LC_MESSAGES" / "django.mo"
    with path.open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    for text, translation in catalog(language).items():
        if isinstance(translation, str):
            assert compiled.gettext(text) == translation
