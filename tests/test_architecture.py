"""Check the rules of the architecture that import-linter cannot see.

Those that it can see are in pyproject.toml.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "invitation"

#: Hosts of registration: only their own backend may import them.
HOSTS = {"registration", "allauth", "django_registration", "anymail"}
OUR_SETTINGS = re.compile(r"^(INVITATION|INVITE|ACCOUNT_INVITATION)S?_")
BELOW_HTTP = ("flows", "delivery", "models", "managers", "keys", "addresses", "texts", "exceptions")
LONGEST_MODULE = 400


def modules(*below: str) -> list[Path]:
    """Return the package's modules, or those of some of its rooms."""
    rooms = [PACKAGE / room for room in below] or [PACKAGE]
    found = [file for room in rooms for file in room.rglob("*.py")]
    found += [file for room in rooms if (file := room.with_suffix(".py")).exists()]
    return sorted(file for file in found if "migrations" not in file.parts)


def name(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def parse(file: Path) -> ast.Module:
    return ast.parse(file.read_text("utf-8"), filename=str(file))


def imports(tree: ast.Module) -> Iterator[str]:
    """Yield the dotted name of everything that a module imports, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def broken(
    rule: Callable[[ast.Module], Iterable[str]], files: Iterable[Path]
) -> dict[str, list[str]]:
    """Return what breaks a rule, by module."""
    found = {name(file): list(rule(parse(file))) for file in files}
    return {module: offences for module, offences in found.items() if offences}


# Who may know what


def settings_read(tree: ast.Module) -> Iterator[str]:
    """Yield what is read from Django: ``settings.X`` and ``getattr(settings, "X")``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.value.id == "settings":
                yield node.attr
        elif isinstance(node, ast.Call) and len(node.args) > 1:
            called, thing, setting = (ast.unparse(x) for x in (node.func, *node.args[:2]))
            if called in ("getattr", "hasattr") and thing == "settings":
                # A name that only the run knows may be one of ours.
                yield setting.strip("'") if setting.startswith("'") else "INVITATION_?"


@pytest.mark.parametrize(
    "source",
    [
        "settings.INVITE_MODE",
        "settings.INVITATIONS_PER_USER",
        "getattr(settings, 'ACCOUNT_INVITATION_DAYS', 7)",
        "hasattr(settings, 'INVITATION_DELIVERY')",
        "getattr(settings, name)",
    ],
)
def test_a_read_of_our_settings_is_seen(source: str) -> None:
    assert any(OUR_SETTINGS.match(setting) for setting in settings_read(ast.parse(source)))


def test_only_conf_reads_our_settings() -> None:
    others = [file for file in modules() if file != PACKAGE / "conf.py"]
    assert broken(lambda tree: filter(OUR_SETTINGS.match, settings_read(tree)), others) == {}


def test_only_a_backend_imports_its_host() -> None:
    others = [file for file in modules() if PACKAGE / "backends" not in file.parents]
    assert broken(lambda tree: (x for x in imports(tree) if x.split(".")[0] in HOSTS), others) == {}


def test_only_delivery_builds_mail() -> None:
    others = [file for file in modules() if PACKAGE / "delivery" not in file.parents]
    mail = "django.core.mail"
    assert broken(lambda tree: (x for x in imports(tree) if x.startswith(mail)), others) == {}


def cookies_set(tree: ast.Module) -> Iterator[str]:
    calls = {"set_cookie", "set_signed_cookie", "delete_cookie"}
    return (x.attr for x in ast.walk(tree) if isinstance(x, ast.Attribute) and x.attr in calls)


def test_only_visitor_sets_cookies() -> None:
    others = [file for file in modules() if file != PACKAGE / "visitor.py"]
    assert broken(cookies_set, others) == {}


def requests_taken(tree: ast.Module) -> Iterator[str]:
    yield from (x.arg for x in ast.walk(tree) if isinstance(x, ast.arg) and x.arg == "request")
    yield from (x for x in imports(tree) if x.startswith("django.http"))


def test_no_request_goes_below_the_views() -> None:
    assert broken(requests_taken, modules(*BELOW_HTTP)) == {}


# Importing does nothing


def does_something(node: ast.stmt) -> bool:
    """Tell whether a statement of a module's top level acts instead of naming something."""
    if isinstance(node, ast.Expr):
        return not isinstance(node.value, ast.Constant)  # else a docstring
    if isinstance(node, ast.If):
        return any(does_something(x) for x in [*node.body, *node.orelse])
    if isinstance(node, ast.Try):
        handlers = [x for handler in node.handlers for x in handler.body]
        return any(
            does_something(x) for x in [*node.body, *handlers, *node.orelse, *node.finalbody]
        )
    if isinstance(node, ast.FunctionDef):
        # @receiver(signal) connects; @admin.register and @register.filter are Django's idiom.
        return any("receiver" in ast.unparse(decorator) for decorator in node.decorator_list)
    names = (
        ast.Import,
        ast.ImportFrom,
        ast.Assign,
        ast.AnnAssign,
        ast.ClassDef,
        ast.AsyncFunctionDef,
    )
    return not isinstance(node, names)


@pytest.mark.parametrize(
    "source",
    [
        "signal.connect(receiver)",
        "@receiver(post_save)\ndef handle(**kwargs): ...",
        "if DEBUG:\n    register(check)",
        "for model in models:\n    admin.site.register(model)",
        "del name",
    ],
)
def test_work_at_import_is_seen(source: str) -> None:
    assert does_something(ast.parse(source).body[0])


def test_a_module_only_names_things() -> None:
    assert broken(lambda tree: map(ast.unparse, filter(does_something, tree.body)), modules()) == {}


IMPORT_THEM_ALL = """
import importlib, sys
from pathlib import Path
import django
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.signals import ModelSignal
from django.dispatch import Signal

package = Path("invitation").resolve()

def ours(frame):
    return package in Path(frame.f_code.co_filename).resolve().parents

def watch(cls, method, asked_by_us):
    original = getattr(cls, method)
    def watched(*args, **kwargs):
        frames = [sys._getframe(1)]
        while frames[-1].f_back:
            frames.append(frames[-1].f_back)
        # Connecting may pass through django.dispatch.receiver; what Django connects is its affair.
        by_us = any(map(ours, frames[:2])) if asked_by_us else True
        if by_us and any(ours(frame) and frame.f_code.co_name == "<module>" for frame in frames):
            raise AssertionError(f"{cls.__name__}.{method} when a module is imported")
        return original(*args, **kwargs)
    setattr(cls, method, watched)

watch(Signal, "connect", asked_by_us=True)
watch(ModelSignal, "connect", asked_by_us=True)
watch(BaseDatabaseWrapper, "connect", asked_by_us=False)
django.setup()
for name in sys.argv[1:]:
    importlib.import_module(name)
"""


def test_importing_the_modules_neither_connects_nor_queries() -> None:
    names = [name(file)[: -len(".py")].replace("/", ".") for file in modules()]
    names = [x.removesuffix(".__init__") for x in names]
    run = subprocess.run(
        [sys.executable, "-c", IMPORT_THEM_ALL, *names],
        cwd=ROOT,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr


# Rooms


def test_every_module_has_a_noun_for_a_name() -> None:
    no_room = {"utils", "util", "helpers", "helper", "misc", "common"}
    assert [name(file) for file in modules() if file.stem in no_room] == []


def test_no_module_is_too_long() -> None:
    lengths = {name(file): len(file.read_text("utf-8").splitlines()) for file in modules()}
    assert {module: length for module, length in lengths.items() if length > LONGEST_MODULE} == {}


# Pages

TEMPLATES = sorted(
    file
    for folder in ("invitation", "example")
    for file in (ROOT / folder).rglob("templates/**/*.html")
    if "email" not in file.name  # a mail has no style sheet beside it
)
STYLES = sorted(
    file
    for folder in ("invitation", "example")
    for file in (ROOT / folder).rglob("static/**/*.css")
)
COMMENT = re.compile(r"\{#.*?#\}|\{% comment.*?endcomment %\}|<!--.*?-->", re.DOTALL)
INLINE = {
    "a script in the page": re.compile(r"<script(?![^>]*\ssrc=)", re.IGNORECASE),
    "a style sheet in the page": re.compile(r"<style", re.IGNORECASE),
    "a style attribute": re.compile(r"<[^>]*\sstyle\s*=", re.IGNORECASE),
    "an event handler": re.compile(r"<[^>]*\son[a-z]+\s*=", re.IGNORECASE),
    "a script as an address": re.compile(r"javascript:", re.IGNORECASE),
}
#: What a browser fetches by itself; a link that a person may follow is another matter.
FETCHED = re.compile(
    r"""(?:\s(?:src|srcset|poster|data)\s*=|<link\b[^>]*\shref\s*=|@import|url\()\s*["']?\s*(?:https?:)?//""",
    re.IGNORECASE,
)


@pytest.mark.parametrize(
    "page",
    [
        "<script>x()</script>",
        "<style>b{}</style>",
        '<p class="a" style="color:red">',
        '<a href="/" onclick="x()">',
        '<a href="javascript:x()">',
    ],
)
def test_what_a_strict_content_security_policy_blocks_is_seen(page: str) -> None:
    assert any(pattern.search(page) for pattern in INLINE.values())


@pytest.mark.parametrize(
    "page",
    [
        '<img src="https://cdn.example/x.png">',
        "<script src='//cdn.example/x.js'></script>",
        '<link rel="stylesheet" href="https://cdn.example/x.css">',
        "body { background: url(https://cdn.example/x.png) }",
        '@import "https://cdn.example/x.css"',
    ],
)
def test_an_asset_from_elsewhere_is_seen(page: str) -> None:
    assert FETCHED.search(page)


@pytest.mark.parametrize("file", TEMPLATES, ids=name)
def test_a_page_works_under_a_strict_content_security_policy(file: Path) -> None:
    page = COMMENT.sub("", file.read_text("utf-8"))
    assert [what for what, pattern in INLINE.items() if pattern.search(page)] == []


@pytest.mark.parametrize(
    "file",
    [*TEMPLATES, *STYLES],
    ids=name,
)
def test_a_page_fetches_nothing_from_elsewhere(file: Path) -> None:
    text = COMMENT.sub("", file.read_text("utf-8"))
    assert FETCHED.findall(text) == []
