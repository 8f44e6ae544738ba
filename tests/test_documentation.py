"""The documentation: it lists every error code and every address that there is, and no other."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path

import pytest
from django.urls import URLPattern, URLResolver

import invitation
from invitation import addresses, routes

PACKAGE = Path(invitation.__file__).parent
DOCS = PACKAGE.parent / "docs"
BACKENDS = ["default", "simple", "admin_approval", "verified", "classic"]


def first_column(page: str) -> list[str]:
    """Return what stands, as code, in the first column of a page's tables."""
    return re.findall(r"(?m)^   \* - ``(\S+)``$", (DOCS / page).read_text("utf-8"))


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
        if name == "code" and isinstance(node.value, ast.Constant):
            yield str(node.value.value)


def test_every_error_code_is_listed_once_and_no_other() -> None:
    codes = {code for _, code, _ in addresses._FORBIDDEN}
    for path in PACKAGE.rglob("*.py"):
        codes.update(codes_in(path.read_text("utf-8")))
    assert len(codes) > 30
    assert sorted(first_column("errors.rst")) == sorted(codes)


def named(patterns: Iterable[URLPattern | URLResolver]) -> Iterator[tuple[str, str]]:
    """Return the names of these addresses and their paths, as people write them."""
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from named(pattern.url_patterns)
        else:
            path = re.sub(r"^\^|\\Z$|<int:|\(\?P<(\w+)>[^)]*\)", readable, str(pattern.pattern))
            yield str(pattern.name), path


def readable(found: re.Match[str]) -> str:
    if found[0] == "<int:":
        return "<"
    return f"<{found[1]}>" if found[1] else ""


def test_every_address_of_inviting_is_listed() -> None:
    assert dict(named(routes.urlpatterns)).keys() <= set(first_column("urls.rst"))


def test_every_address_of_the_includes_is_listed_with_its_path_and_no_other() -> None:
    there: dict[str, str] = {}
    for backend in BACKENDS:
        there |= named(import_module(f"invitation.backends.{backend}.urls").urlpatterns)
    rows = re.findall(
        r"(?m)^   \* - ``(\S+)``\n     - ``(\S+)``$", (DOCS / "urls.rst").read_text("utf-8")
    )
    assert dict(rows) == there
    assert len(rows) == len(there)


@pytest.mark.parametrize("page", [path.stem for path in DOCS.glob("*.rst")])
def test_every_page_is_in_the_table_of_contents(page: str) -> None:
    index = (DOCS / "index.rst").read_text("utf-8")
    assert page == "index" or re.search(rf"(?m)^   {page}$", index)
