"""The translations that come with the app: whole, sound and compiled."""

from __future__ import annotations

import gettext
import html
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po
from django.core import mail
from django.test import Client

import invitation
from tests import scenes
from tests.scenes import INVITE, NEWCOMER

PACKAGE = Path(invitation.__file__).parent
#: The app for guests works alone, so it has its own.
GUESTS = PACKAGE / "lazysignup"
LOCALES = sorted(file.parent.parent.name for file in PACKAGE.glob("locale/*/LC_MESSAGES/*.po"))

each_locale = pytest.mark.parametrize("locale", LOCALES)


each_app = pytest.mark.parametrize("app", [PACKAGE, GUESTS], ids=["trunk", "guests"])


def po_file(locale: str, app: Path = PACKAGE) -> Path:
    return app / "locale" / locale / "LC_MESSAGES" / "django.po"


def read(locale: str, app: Path = PACKAGE) -> Catalog:
    with po_file(locale, app).open("rb") as file:
        return read_po(file, locale=locale, abort_invalid=True)


def messages(catalog: Catalog) -> dict[Any, Message]:
    """Return the messages by their context and text; what is read of plurals may be a list.

    And a context that is read from a compiled catalogue may be bytes.
    """
    found: dict[Any, Message] = {}
    for message in filter(lambda message: message.id, catalog):
        context: Any = message.context
        context = context.decode() if isinstance(context, bytes) else context
        text = message.id if isinstance(message.id, str) else tuple(message.id)
        found[context, text] = message
    return found


def forms(message: Message) -> list[str]:
    return [message.string] if isinstance(message.string, str) else list(message.string)


def pairs(message: Message) -> list[tuple[str, str]]:
    """Return each form of a message beside its translation."""
    if isinstance(message.id, str):
        return [(message.id, message.string)]
    return [(message.id[1], form) for form in message.string]


def test_there_are_some() -> None:
    assert {"de", "es", "fr"} <= set(LOCALES)
    assert {file.name for file in GUESTS.glob("locale/*") if file.is_dir()} == set(LOCALES)


@each_app
@each_locale
def test_nothing_is_left_untranslated_unsure_or_over(locale: str, app: Path) -> None:
    catalog = read(locale, app)
    assert not catalog.obsolete
    for message in messages(catalog).values():
        assert not message.fuzzy, message.id
        for _, form in pairs(message):
            assert form.strip(), message.id


@each_app
@each_locale
def test_placeholders_and_markup_are_those_of_the_original(locale: str, app: Path) -> None:
    catalog = read(locale, app)
    for message in messages(catalog).values():
        assert not list(message.check(catalog)), message.id
        for original, translated in pairs(message):
            for sign in (r"%\(\w+\)[sd]", r"</?\w[^>]*>", r"\{\w*\}"):
                assert sorted(re.findall(sign, original)) == sorted(re.findall(sign, translated)), (
                    message.id
                )
            # What surrounds it in the template goes on.
            assert original[:1].isspace() == translated[:1].isspace(), message.id
            assert original.endswith(":") == translated.rstrip("\u00a0 ").endswith(":"), message.id


@each_app
@each_locale
def test_what_is_compiled_is_what_is_written(locale: str, app: Path) -> None:
    with po_file(locale, app).with_suffix(".mo").open("rb") as file:
        compiled = messages(read_mo(file))
    written = messages(read(locale, app))
    assert {key: forms(message) for key, message in compiled.items()} == {
        key: forms(message) for key, message in written.items()
    }


@each_locale
def test_django_reads_it(locale: str) -> None:
    with po_file(locale).with_suffix(".mo").open("rb") as file:
        assert gettext.GNUTranslations(file).gettext("Log in") != "Log in"


@pytest.fixture(scope="session")
def strings_of_the_source(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, set[Any]]:
    """Return the messages that the source of each app has now."""
    if shutil.which("xgettext") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("the check of the translations needs xgettext (Debian: gettext)")
        pytest.skip("the check of the translations needs xgettext (Debian: gettext)")
    copy = tmp_path_factory.mktemp("source") / "invitation"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("locale", "__pycache__"))
    found = {PACKAGE: copy / "locale", GUESTS: copy / "lazysignup" / "locale"}
    for folder in found.values():
        folder.mkdir()
    collect = [sys.executable, "-m", "django", "makemessages", "-l", "de", "-v0"]
    environment = {name: text for name, text in os.environ.items() if "DJANGO" not in name}
    subprocess.run(collect, cwd=copy, env=environment, check=True)
    strings: dict[Path, set[Any]] = {}
    for app, folder in found.items():
        with (folder / "de/LC_MESSAGES/django.po").open("rb") as file:
            strings[app] = set(messages(read_po(file)))
    return strings


@each_app
@each_locale
def test_every_text_of_the_app_has_its_place_in_it(
    locale: str, app: Path, strings_of_the_source: dict[Path, set[Any]]
) -> None:
    """Run ``make messages`` if this fails, and translate what is new."""
    assert set(messages(read(locale, app))) == strings_of_the_source[app]


@pytest.mark.django_db
@each_locale
def test_mail_and_pages_are_in_the_languages_of_their_readers(
    locale: str, member_client: Client, django_capture_on_commit_callbacks: Any, settings: Any
) -> None:
    settings.LANGUAGES = [("en", "English"), (locale, locale)]
    english = member_client.get(INVITE).content.decode()
    headers = {"accept-language": locale}
    with django_capture_on_commit_callbacks(execute=True):
        member_client.post(INVITE, {"email": NEWCOMER}, headers=headers)
    [sent] = mail.outbox
    with (po_file(locale).with_suffix(".mo")).open("rb") as file:
        said = gettext.GNUTranslations(file).gettext
    assert said("Accept invitation:") in str(sent.body)
    assert "invites you" not in sent.subject + str(sent.body)
    page = member_client.get(INVITE, headers=headers).content.decode()
    assert f'lang="{locale}"' in page
    assert "Personal note" in english
    assert "Personal note" not in page
    link = scenes.path_in(sent, part="/invited/")
    newcomer = Client(headers=headers)
    landing = newcomer.get(link, follow=True)
    assert landing.status_code == 200
    assert said("Create account") in html.unescape(landing.content.decode())


def test_what_users_read_can_be_translated_alone() -> None:
    """Run the filter that ``docs/howto/translate.rst`` names."""
    if shutil.which("msggrep") is None:
        pytest.skip("msggrep is not installed (Debian: gettext)")
    [command] = re.findall(
        r"\$ (msggrep .*) \$texts", (PACKAGE.parent / "docs/howto/translate.rst").read_text()
    )
    found = subprocess.run(
        [*shlex.split(command), str(PACKAGE / "locale/django.pot")],
        capture_output=True,
        check=True,
    )
    texts = found.stdout.decode()
    assert 'msgid "Send invitation"' in texts
    assert "granted − %(spent)s" not in texts
