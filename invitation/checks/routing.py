"""Walk the site's URLs, and find out which view really answers at one of them, and if any does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice, product, takewhile
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

from django.conf import settings
from django.shortcuts import resolve_url
from django.urls import (
    LocalePrefixPattern,
    NoReverseMatch,
    Resolver404,
    URLResolver,
    get_resolver,
    get_script_prefix,
    resolve,
    set_script_prefix,
)
from django.utils import translation
from django.utils.regex_helper import normalize

#: What may stand for a parameter; unlikely to be the fixed text of some other URL.
SAMPLES = (
    "73",
    "zq",
    "zq-73",
    "ZQX",
    "2073",
    "2073-07-13",
    "7c7a3b9e-6b1d-4c1e-9d3a-0f5b7e2c4d61",
    "en",
    "7.3",
)
#: How many combinations of them are tried for one pattern.
ATTEMPTS = 1000

#: What completes the hint where a page is missing.
ELSEWHERE = (
    "If something else than ROOT_URLCONF serves the page, such as a static front end, silence this "
    "check."
)


@dataclass(frozen=True)
class Route:
    """Hold one URL of the site: its patterns from the root on, and its view."""

    patterns: tuple[Any, ...]
    callback: Callable[..., Any]
    arguments: dict[str, Any]
    name: str | None
    namespaced: bool

    def __str__(self) -> str:
        return "".join(str(pattern) for pattern in self.patterns[1:])

    @property
    def regexes(self) -> list[str]:
        """Give what the patterns match, one after the other."""
        return [pattern.regex.pattern for pattern in self.patterns]

    def samples(self) -> list[str]:
        """Return paths that fit the patterns; none if the patterns are beyond guessing."""
        pieces = [_samples(pattern) for pattern in self.patterns]
        return ["".join(chosen) for chosen in islice(product(*pieces), ATTEMPTS)]


def answers(route: Route, routes: Iterable[Route]) -> bool:
    """Tell whether requests get to this one of the site's URLs, and not to an earlier one.

    An earlier one with the same patterns takes them all. Else made-up paths are tried. Where
    none can be made up, the answer is yes: nothing shows that anything stands before it.
    """
    for earlier in takewhile(lambda other: other is not route, routes):
        if earlier.regexes == route.regexes:
            return False
    try:
        found = [get_resolver().resolve(path).func for path in route.samples()]
    except Exception:  # noqa: BLE001 (a path converter of the site may raise anything)
        return True
    return not found or any(callback is route.callback for callback in found)


def find_routes() -> tuple[list[Route], Exception | None]:
    """Return every URL of the site, or none and what ROOT_URLCONF raised.

    That it raises is for Django's own checks to say.
    """
    try:
        return list(_walk(get_resolver(), (), False)), None
    except Exception as error:  # noqa: BLE001 (a URLconf of the site may raise anything)
        return [], error


def find_names() -> set[str]:
    """Return the names of all URLs of the site that can be used without a namespace."""
    routes, _failure = find_routes()
    return {route.name for route in routes if route.name and not route.namespaced}


def script_prefix() -> str:
    """Return the path at which the site begins, with a slash at its end.

    ``get_script_prefix()`` knows nothing of FORCE_SCRIPT_NAME in a thread of its own, such as the
    one in which runserver checks.
    """
    name = settings.FORCE_SCRIPT_NAME
    return f"{name.rstrip('/')}/" if name else get_script_prefix()


@contextmanager
def prefixed() -> Iterator[None]:
    """Let addresses be made as in a request, below ``script_prefix()``."""
    before = get_script_prefix()
    set_script_prefix(script_prefix())
    try:
        yield
    finally:
        set_script_prefix(before)


def why_nowhere(target: Any) -> str:
    """Say why a redirect to this URL, path or name finds no page, or return an empty text.

    What another host has is not known, and counts as found. So does what Django leads to a page:
    a path without its last slash, or without the language that the site's paths begin with.
    """
    prefix = script_prefix()
    try:
        with prefixed():
            parts = urlsplit(resolve_url(target))
    except NoReverseMatch as error:
        return str(error)
    if parts.netloc:
        return ""
    # Some Pythons lose the first slash where the path goes up too far.
    path = "/" + unquote(urljoin(prefix, parts.path)).lstrip("/")
    if f"{path}/".startswith(prefix) and _is_page(f"/{path[len(prefix) :]}"):
        return ""
    return f'no page of the site is at "{path}".'


def _is_page(path: str) -> bool:
    """Tell whether a view answers at a path, which is seen from where the site begins."""
    language = translation.get_language_from_path(path)
    paths = [path]
    if settings.APPEND_SLASH and not path.endswith("/"):
        paths.append(f"{path}/")
    # A pattern may be in another form for each language.
    with translation.override(language or settings.LANGUAGE_CODE):
        if language is None and _has_languages():
            paths += [f"/{translation.get_language()}{tried}" for tried in paths]
        return any(_resolves(tried) for tried in paths)


def _has_languages() -> bool:
    entries = get_resolver().url_patterns
    return any(isinstance(entry.pattern, LocalePrefixPattern) for entry in entries)


def _resolves(path: str) -> bool:
    try:
        resolve(path)
    except Resolver404:
        return False
    except Exception:  # noqa: BLE001 (a path converter of the site may raise anything)
        return True  # Nothing shows that no view is there.
    return True


def _walk(resolver: URLResolver, patterns: tuple[Any, ...], namespaced: bool) -> Iterator[Route]:
    patterns = (*patterns, resolver.pattern)
    namespaced = namespaced or resolver.namespace is not None
    for entry in resolver.url_patterns:
        if isinstance(entry, URLResolver):
            yield from _walk(entry, patterns, namespaced)
        else:
            yield Route(
                patterns=(*patterns, entry.pattern),
                callback=entry.callback,
                arguments=entry.default_args,
                name=entry.name,
                namespaced=namespaced,
            )


def _samples(pattern: Any) -> list[str]:
    """Return texts that one pattern takes as a whole, one for each form that it may have."""
    found = []
    for form, names in normalize(pattern.regex.pattern):
        for values in islice(product(SAMPLES, repeat=len(names)), ATTEMPTS):
            text = form % dict(zip(names, values, strict=True))
            matched = pattern.match(text)
            if matched is not None and matched[0] == "":
                found.append(text)
                break
    return found
