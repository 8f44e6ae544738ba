"""Functions that walk the site's URLs and find the view that answers at one of them."""

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

#: Sample values for a URL parameter. They are unlikely to be the fixed text of another URL.
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
#: Maximum number of combinations of samples that are tried for one pattern.
ATTEMPTS = 1000

#: End of the hint about a missing page.
ELSEWHERE = (
    "If something else than ROOT_URLCONF serves the page, such as a static front end, silence this "
    "check."
)


@dataclass(frozen=True)
class Route:
    """URL of the site: its patterns from the root on, and its view."""

    patterns: tuple[Any, ...]
    callback: Callable[..., Any]
    arguments: dict[str, Any]
    name: str | None
    namespaced: bool

    def __str__(self) -> str:
        return "".join(str(pattern) for pattern in self.patterns[1:])

    @property
    def regexes(self) -> list[str]:
        """Regular expressions of the patterns, in order."""
        return [pattern.regex.pattern for pattern in self.patterns]

    def samples(self) -> list[str]:
        """Return paths that match the patterns; an empty list if none can be made."""
        pieces = [_samples(pattern) for pattern in self.patterns]
        return ["".join(chosen) for chosen in islice(product(*pieces), ATTEMPTS)]


def answers(route: Route, routes: Iterable[Route]) -> bool:
    """Return whether requests reach this URL, and not an earlier one of the site.

    An earlier URL with the same patterns takes all requests. Otherwise sample paths are tried. If
    no sample path can be made, the answer is ``True``: nothing shows that an earlier URL takes
    requests.
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
    """Return every URL of the site, or an empty list and what ROOT_URLCONF raised.

    Django's own checks report the exception.
    """
    try:
        return list(_walk(get_resolver(), (), False)), None
    except Exception as error:  # noqa: BLE001 (a URLconf of the site may raise anything)
        return [], error


def find_names() -> set[str]:
    """Return the names of all URLs that can be used without a namespace."""
    routes, _failure = find_routes()
    return {route.name for route in routes if route.name and not route.namespaced}


def script_prefix() -> str:
    """Return the path at which the site begins, with a slash at its end.

    ``get_script_prefix()`` ignores FORCE_SCRIPT_NAME in a new thread. The checks of runserver run
    in such a thread.
    """
    name = settings.FORCE_SCRIPT_NAME
    return f"{name.rstrip('/')}/" if name else get_script_prefix()


@contextmanager
def prefixed() -> Iterator[None]:
    """Make URLs in the block begin with ``script_prefix()``, as in a request."""
    before = get_script_prefix()
    set_script_prefix(script_prefix())
    try:
        yield
    finally:
        set_script_prefix(before)


def why_nowhere(target: Any) -> str:
    """Return why a redirect to this URL, path or name finds no page.

    Return an empty string if it finds a page. A page on another host cannot be checked and counts
    as found. So does a path that Django redirects to a page: one without its last slash, or without
    the language prefix.
    """
    prefix = script_prefix()
    try:
        with prefixed():
            parts = urlsplit(resolve_url(target))
    except NoReverseMatch as error:
        return str(error)
    if parts.netloc:
        return ""
    # Some versions of Python lose the first slash if the path goes up too far.
    path = "/" + unquote(urljoin(prefix, parts.path)).lstrip("/")
    if f"{path}/".startswith(prefix) and _is_page(f"/{path[len(prefix) :]}"):
        return ""
    return f'no page of the site is at "{path}".'


def _is_page(path: str) -> bool:
    """Return whether a view answers at a path, relative to where the site begins."""
    language = translation.get_language_from_path(path)
    paths = [path]
    if settings.APPEND_SLASH and not path.endswith("/"):
        paths.append(f"{path}/")
    # A pattern may differ from language to language.
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
        return True  # A view may still be there.
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
    """Return texts that match one pattern as a whole, one for each form of it."""
    found = []
    for form, names in normalize(pattern.regex.pattern):
        for values in islice(product(SAMPLES, repeat=len(names)), ATTEMPTS):
            text = form % dict(zip(names, values, strict=True))
            matched = pattern.match(text)
            if matched is not None and matched[0] == "":
                found.append(text)
                break
    return found
