"""Find the key that a request carries, open the invitation with it, or show why it stays shut.

What every page of a key has in common, shared by the app's own views and every registration
backend: there is one gate, and the hosts only translate.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.core.exceptions import ObjectDoesNotExist
from django.db import connections
from django.http import HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import render, resolve_url
from django.urls import NoReverseMatch, URLPattern, URLResolver
from django.utils.cache import patch_cache_control

from invitation import flows, masking, sites, visitor
from invitation.exceptions import (
    CodeNotFound,
    InviterInactive,
    KeyDeclined,
    KeyExpired,
    KeyNotFound,
    KeyPaused,
    KeyRefused,
    KeyRevoked,
    KeyUsedUp,
    NoKey,
)

logger = logging.getLogger(__name__)

#: The names by which a key may be given as a parameter, by POST or GET.
PARAMETERS = ("invitation_key", "registration_key")

REFUSALS: tuple[type[KeyRefused], ...] = (
    NoKey,
    KeyNotFound,
    KeyExpired,
    KeyUsedUp,
    KeyRevoked,
    KeyDeclined,
    KeyPaused,
    CodeNotFound,
    InviterInactive,
)
REFUSAL_TEMPLATE = "invitation/wrong_invitation_key.html"
NO_SITE_TEMPLATE = "invitation/no_site.html"

View = Callable[..., HttpResponseBase]


def given_key(request: HttpRequest) -> str:
    """Return the key that is given as a parameter, or an empty string."""
    for parameters in (request.POST, request.GET):
        for name in PARAMETERS:
            if key := parameters.get(name):
                return key
    return ""


def carried_key(request: HttpRequest) -> str:
    """Return the key that comes with a request, as a parameter or from an opened link."""
    return given_key(request) or visitor.recall(request.COOKIES)


def ended_key(request: HttpRequest) -> str:
    """Return the key of the last link that has opened nothing, or an empty string."""
    key = visitor.recall_ended(request.COOKIES)
    return "" if key == visitor.NO_KEY else key


def open_carried(request: HttpRequest) -> flows.Opened:
    """Return the invitation that the carried key opens; one query, nothing is changed.

    Without a key, that of the last link that opened nothing: it still says why, or opens by now.

    Raises ``NoKey`` without any, else the ``KeyRefused`` that says why it opens nothing.
    """
    masking.conceal_request(request)
    key = carried_key(request) or ended_key(request)
    if not key:
        raise NoKey()
    return flows.open_invitation(key, sites.current_site_id(request))


def refuse(
    request: HttpRequest, refusal: KeyRefused, *, status: int | None = None, key: str | None = None
) -> HttpResponse:
    """Return the page that says why, with a flag of the reason's code for the template.

    The visitor carries the key on, to ask for a new one with it. ``key`` is for a page that has it
    in its address; by default it is the one that comes with the request.
    """
    context: dict[str, Any] = {known.code: refusal.code == known.code for known in REFUSALS}
    context |= {
        "reason": refusal.code,
        "message": str(refusal),
        "shared": refusal.shared,
        "site": sites.get_site(sites.current_site_id(request)),
        "login_url": login_url(),
    }
    response = render(request, REFUSAL_TEMPLATE, context, status=status or refusal.status)
    if not isinstance(refusal, NoKey):
        ended = carried_key(request) or ended_key(request) if key is None else key
        visitor.remember_ended(response, ended, secure=request.is_secure())
    protect(response)
    return response


def login_url(back: str = "") -> str:
    """Return where to log in, or nothing where LOGIN_URL names no page (a check says so).

    ``back`` is the path of ours where who has logged in goes on.
    """
    try:
        url = resolve_url(settings.LOGIN_URL)
    except NoReverseMatch:
        return ""
    if not (url and back):
        return url
    parts = urlsplit(url)
    query = QueryDict(parts.query, mutable=True)
    query[REDIRECT_FIELD_NAME] = back
    return parts._replace(query=query.urlencode(safe="/")).geturl()


def remember(request: HttpRequest, response: HttpResponseBase, key: str) -> None:
    """Let the visitor carry a key that has just opened an invitation."""
    visitor.remember(response, key, secure=request.is_secure())


def protect(response: HttpResponseBase, referrer_policy: str = "same-origin") -> None:
    """Keep a page of a key out of caches, search engines and foreign Referer headers.

    ``same-origin`` and not ``no-referrer`` wherever a page may hold a form: with the latter,
    browsers post it with ``Origin: null``, which Django's CSRF protection refuses.
    """
    patch_cache_control(response, no_store=True, private=True)
    response["Referrer-Policy"] = referrer_policy
    response["X-Robots-Tag"] = "noindex"


# -- hosts without a site --------------------------------------------------------------------


def on_a_site(view: View) -> View:
    """Return the view with a page in place of the error where the request belongs to no Site.

    That is a host that no Site has, where SITE_ID is not set, or a SITE_ID that no Site has. What
    the view has written by then is rolled back where the request is one transaction.
    """

    @wraps(view)
    def page(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return view(request, *args, **kwargs)
        except ObjectDoesNotExist as error:
            if not sites.is_missing(error):
                raise
            response = _show_no_site(request)
            for connection in connections.all(initialized_only=True):
                if connection.settings_dict["ATOMIC_REQUESTS"] and connection.in_atomic_block:
                    connection.set_rollback(True)
            return response

    return page


def _show_no_site(request: HttpRequest) -> HttpResponse:
    """Return the page that says so, and tell those who run the site what to do."""
    by_host = not getattr(settings, "SITE_ID", None)
    if by_host:
        logger.error("No Site has the domain %s: add one, or set SITE_ID.", request.get_host())
    else:
        logger.error("SITE_ID is %s, and no Site has this id.", settings.SITE_ID)
    response = render(
        request, NO_SITE_TEMPLATE, {"by_host": by_host}, status=404 if by_host else 503
    )
    protect(response)
    return response


def all_on_a_site(patterns: Iterable[URLPattern | URLResolver]) -> list[URLPattern | URLResolver]:
    """Return these addresses with ``on_a_site`` around each view; theirs are left as they are."""
    return [
        URLResolver(
            pattern.pattern,
            all_on_a_site(pattern.url_patterns),
            pattern.default_kwargs,
            pattern.app_name,
            pattern.namespace,
        )
        if isinstance(pattern, URLResolver)
        else URLPattern(
            pattern.pattern, on_a_site(pattern.callback), pattern.default_args, pattern.name
        )
        for pattern in patterns
    ]


class ProtectedMixin:
    """A view whose every answer stays out of caches: it shows other people's addresses."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer, and say to caches and search engines that they must not keep it."""
        response: HttpResponseBase = super().dispatch(request, *args, **kwargs)  # type: ignore[misc]
        protect(response)
        return response
