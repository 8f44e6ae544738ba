"""The documentation: its lists are those of the source, and what it shows runs."""

from __future__ import annotations

import ast
import re
import unittest
from collections.abc import Iterable, Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import django
import pytest
from django.db import connection
from django.dispatch import Signal
from django.urls import URLPattern, URLResolver, include, path
from registration.forms import RegistrationForm

import invitation
from docs import readability
from invitation import routes, signals
from invitation.addresses import cleaning
from invitation.conf import Conf
from invitation.testing import invitation_link, make_invitation
from tests.documented import DOCS, code_blocks
from tests.processes import run_in

PACKAGE = Path(invitation.__file__).parent
BACKENDS = ["default", "simple", "admin_approval", "verified", "classic"]


def text_of(page: str) -> str:
    return (DOCS / f"{page}.rst").read_text("utf-8")


def first_column(page: str) -> list[str]:
    """Return what stands, as code, in the first column of a page's tables."""
    return re.findall(r"(?m)^   ``(\S+)``; ", text_of(page))


def codes_in(source: str) -> Iterator[str]:
    """Return the codes that are passed to errors, and those of their classes."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.keyword):
            name: str | None = node.arg
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
            name = ast.unparse(target)
        else:
            continue
        if name == "code" and isinstance(node.value, ast.Constant) and node.value.value:
            yield str(node.value.value)


def test_every_error_code_is_listed_once_and_no_other() -> None:
    codes = {code for _, code, _ in cleaning._FORBIDDEN}
    for file in PACKAGE.rglob("*.py"):
        codes.update(codes_in(file.read_text("utf-8")))
    assert len(codes) > 30
    assert sorted(first_column("reference/errors")) == sorted(codes)


def test_every_check_is_listed_once() -> None:
    listed = first_column("reference/checks")
    assert len(listed) == len(set(listed)) > 60


def named(patterns: Iterable[URLPattern | URLResolver]) -> Iterator[tuple[str, str]]:
    """Return the names of these addresses and their paths, as people write them."""
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from named(pattern.url_patterns)
        else:
            readably = re.sub(
                r"^\^|\\Z$|<(?:int|uuid):|\(\?P<(\w+)>[^)]*\)", readable, str(pattern.pattern)
            )
            yield str(pattern.name), readably


def readable(found: re.Match[str]) -> str:
    if found[0] in ("<int:", "<uuid:"):
        return "<"
    return f"<{found[1]}>" if found[1] else ""


def test_every_address_of_inviting_is_listed() -> None:
    assert dict(named(routes.urlpatterns)).keys() <= set(first_column("reference/urls"))


def test_every_address_of_the_includes_is_listed_with_its_path_and_no_other() -> None:
    there: dict[str, str] = {}
    for backend in BACKENDS:
        there |= named(import_module(f"invitation.backends.{backend}.urls").urlpatterns)
    rows = re.findall(r"(?m)^   ``(\S+)``; ``(\S+)``; ", text_of("reference/urls"))
    assert dict(rows) == there
    assert len(rows) == len(there)


def test_every_setting_is_listed_once_with_its_default() -> None:
    ours = [name for name in vars(Conf) if name.isupper()]
    listed = re.findall(
        r"(?m)^``(INVIT\w+|ACCOUNT_INVITATION\w+)``: ``", text_of("reference/settings")
    )
    assert sorted(listed) == sorted(ours)


def test_every_signal_is_listed_once() -> None:
    ours = [name for name, found in vars(signals).items() if isinstance(found, Signal)]
    assert sorted(first_column("reference/signals")) == sorted(ours)


def test_every_command_is_listed() -> None:
    ours = {file.stem for file in PACKAGE.rglob("management/commands/[a-z]*.py")}
    page = text_of("reference/commands")
    assert {name for name in ours if f"``{name}``" not in page} == set()


def test_every_page_and_email_that_a_site_can_override_is_listed() -> None:
    page = text_of("reference/templates")
    files = (PACKAGE / "templates" / "invitation").glob("*.*")
    names = {re.sub(r"(_email)(_subject)?\.(txt|html)$", r"\1", file.name) for file in files}
    assert len(names) > 30
    assert {name for name in names if f"``{name}``" not in page} == {"email_base.html"}
    assert "``invitation/email_base.html``" in page


def test_every_block_of_a_page_is_listed() -> None:
    page = text_of("reference/templates")
    rooms = [PACKAGE / "templates" / room for room in ("invitation", "registration")]
    files = [file for room in rooms for file in room.glob("*.html")]
    names = {
        name for file in files for name in re.findall(r"{% block (\w+)", file.read_text("utf-8"))
    }
    assert len(names) > 20
    assert {name for name in names if f"``{name}``" not in page} == set()


def test_every_row_of_a_table_has_as_many_cells_as_its_first_one() -> None:
    """A semicolon inside a cell would begin another one, without a warning."""
    wrong = []
    for page in DOCS.rglob("*.rst"):
        for table in re.findall(
            r"(?m)^\.\. csv-table::\n((?:(?:   .*)?\n)+)", page.read_text("utf-8")
        ):
            rows = [row for row in table.splitlines() if row.strip() and ":delim:" not in row]
            wrong += [row for row in rows if row.count(";") != rows[0].count(";")]
    assert wrong == []


PAGES = {file.relative_to(DOCS).with_suffix("").as_posix() for file in DOCS.rglob("*.rst")}


def test_every_page_is_in_the_table_of_contents() -> None:
    named = re.findall(r"(?m)^   ([a-z0-9_/]+)$", text_of("index"))
    assert sorted(named) == sorted(PAGES - {"index"})


def test_the_pages_are_short_and_easy_to_read() -> None:
    found = readability.pages()
    assert len(found) == len(PAGES - {"changelog"})
    assert list(readability.complaints(found)) == []


def test_long_words_and_long_pages_are_complained_of() -> None:
    hard = "Organizational heterogeneity necessitates standardization. "
    pages = [
        readability.Page("howto/a.rst", 401, readability.grade(hard)),
        readability.Page("tutorial.rst", 16_000, readability.grade("Type it, and send it. " * 3)),
    ]
    assert [line.split(":")[0] for line in readability.complaints(pages)] == [
        "All pages",
        "howto/a.rst",
        "howto/a.rst",
    ]
    assert readability.long_sentences(f"{'word ' * 19}``CODE``. {'word ' * 21}.") == (
        f"{'word ' * 21}.",
    )


def test_only_sentences_are_graded() -> None:
    page = "Title\n=====\n\nShort ``LIMITS`` text. And more.\n\n.. code-block:: x\n\n   y = 1\n"
    assert list(readability.sentences(page)) == ["Short ``LIMITS`` text.", "And more."]


# The code in it


#: Pages about other hosts, and about guests: their own tests run their code.
OF_HOSTS = {f"howto/{page}" for page in ("allauth", "apis", "guests", "own_view", "registration5")}


def samples() -> Iterator[Any]:
    pages = [DOCS / f"{page}.rst" for page in sorted(PAGES - OF_HOSTS)]
    for page in [PACKAGE.parent / "README.rst", *pages]:
        for number, (_, code) in enumerate(code_blocks(page), start=1):
            yield pytest.param(code, id=f"{page.stem}-{number}")


def test_there_is_code_to_run() -> None:
    assert len(list(samples())) > 12


@pytest.mark.django_db
@pytest.mark.parametrize("code", list(samples()))
def test_the_code_runs(code: str, member: Any) -> None:
    known = {
        "INSTALLED_APPS": [],
        "urlpatterns": [],
        "OurForm": RegistrationForm,
        "address": "newcomer@example.org",
        "member": member,
        "include": include,
        "path": path,
    }
    exec(compile(code, "documentation", "exec"), known)  # noqa: S102


@pytest.mark.django_db
@pytest.mark.skipif(
    connection.vendor != "sqlite", reason="a test case within a test closes the connection"
)
def test_the_tests_that_a_site_is_shown_pass(client: Any) -> None:
    known: dict[str, Any] = {"__name__": __name__}
    for _, code in code_blocks(DOCS / "howto/testing.rst")[:3]:
        exec(compile(code, "documentation", "exec"), known)  # noqa: S102
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(known["SignUpTests"]).run(result)
    assert (result.testsRun, result.errors, result.failures) == (2, [], [])
    known["test_sign_up"](client, make_invitation, invitation_link)


STORY = """
import re
from django.contrib.auth import get_user_model
from django.test import Client

def path_in(text, part):
    return re.search(r"http://localhost:8000(/\\S*" + part + r"\\S*)", text)[1]

def post(client, path, **typed):
    response = client.post(path, typed, headers={"host": "localhost"})
    assert response.status_code == 302, response.content.decode()
    return response

def get(client, path):
    return client.get(path, headers={"host": "localhost"}, follow=True)

boss = Client()
assert get(boss, "/accounts/invite/").redirect_chain[-1][0].startswith("/accounts/login/")
post(boss, "/accounts/login/", username="boss", password="correct-horse")
assert get(boss, "/accounts/invite/").status_code == 200
with printed() as invitation:
    post(boss, "/accounts/invite/", email="new@example.org")
link = path_in(invitation.getvalue(), "/invited/")

newcomer = Client()
assert get(newcomer, "/accounts/register/").status_code == 403
assert get(newcomer, link).status_code == 200
password = "battery-staple"
account = {"username": "newcomer", "email": "new@example.org"}
landed = post(newcomer, "/accounts/register/", password1=password, password2=password, **account)
assert landed["Location"] == "/accounts/invite/"
assert b"<strong>10</strong> invitations" in get(newcomer, landed["Location"]).content
assert get(Client(), link).status_code == 410
assert get(boss, "/admin/invitation/invitationkey/").status_code == 200
print("told")
"""


@pytest.mark.long
def test_the_tutorial_leads_where_it_says(tmp_path: Path) -> None:
    """Do what it says, in a new project and processes of its own."""

    run = partial(run_in, tmp_path)

    run("-m", "django", "startproject", "club", ".")
    for caption, code in code_blocks(DOCS / "tutorial.rst"):
        name, _, condition = caption.partition(", ")
        if condition and django.VERSION >= (6, 1):
            continue
        with (tmp_path / name).open("a" if name.endswith("settings.py") else "w") as file:
            file.write(code)
    run("manage.py", "migrate", "-v0")
    boss = {"DJANGO_SUPERUSER_USERNAME": "boss", "DJANGO_SUPERUSER_PASSWORD": "correct-horse"}
    email = {"DJANGO_SUPERUSER_EMAIL": "boss@example.org"}
    run("manage.py", "createsuperuser", "--noinput", **boss, **email)
    run("manage.py", "check", "--fail-level", "WARNING", "--database", "default")
    prints = "import contextlib, io\n"
    prints += "printed = lambda: contextlib.redirect_stdout(io.StringIO())\n"
    (tmp_path / "story.py").write_text(prints + STORY)
    assert run("manage.py", "shell", "-c", "exec(open('story.py').read(), {})").endswith("told\n")
