"""Functions that find the key of a request, and open its invitation or explain the refusal.

The app's own views and every registration backend share this code.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import Any
from urllib.parse import quote, urlsplit

from django.conf import global_settings, settings
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.core.exceptions import ObjectDoesNotExist, RequestDataTooBig
from django.http import HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.http.request import RawPostDataException
from django.shortcuts import render, resolve_url
from django.urls import (
    NoReverseMatch,
    URLPattern,
    URLResolver,
    get_script_prefix,
    is_valid_path,
    reverse,
)
from django.utils.translation import get_language

from invitation import keys
from invitation.conf import conf
from invitation.exceptions import (
    AddressMismatch,
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
from invitation.flows import arriving
from invitation.gate import visitor
from invitation.gate.atomic_requests import answering
from invitation.gate.keeping_guests import bound_key
from invitation.gate.protecting import protect
from invitation.keys import masking, sites

logger = logging.getLogger(__name__)

#: Names of the POST or GET parameters that may contain a key.
PARAMETERS = ("invitation_key", "registration_key")
#: Header that may contain a key, as Django names it: ``X-Invitation-Key``.
HEADER = masking.KEY_HEADER

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
ADDRESS_TEMPLATE = "invitation/wrong_address.html"
NO_SITE_TEMPLATE = "invitation/no_site.html"

#: Name of the sign-up page in the includes of this app.
SIGNUP = "registration_register"

View = Callable[..., HttpResponseBase]


def given_key(request: HttpRequest) -> str:
    """Return the key from the parameters, the header or the JSON body, or an empty string."""
    for parameters in (request.POST, request.GET):
        for name in PARAMETERS:
            if key := parameters.get(name):
                return keys.trim(key)
    return keys.trim(request.META.get(HEADER) or _key_in_json(request))


def _key_in_json(request: HttpRequest) -> str:
    """Return the key from the body of a request to an API, or an empty string.

    A framework that has read the body has it in ``data``.
    """
    if request.content_type != "application/json":
        return ""
    try:
        data = request.data if hasattr(request, "data") else json.loads(request.body)
    except (ValueError, RecursionError, RawPostDataException, RequestDataTooBig):
        return ""
    key = data.get(PARAMETERS[0]) if isinstance(data, Mapping) else None
    return key if isinstance(key, str) else ""


def carried_key(request: HttpRequest) -> str:
    """Return the key of a request, from its parameters or from an opened link."""
    return given_key(request) or visitor.recall(request.COOKIES)


def ended_key(request: HttpRequest) -> str:
    """Return the key of the last link that opened nothing, or an empty string."""
    key = visitor.recall_ended(request.COOKIES)
    return "" if key == visitor.NO_KEY else key


def open_carried(request: HttpRequest, given: str = "") -> arriving.Opened:
    """Return the invitation that the request's key opens.

    It makes one query and changes nothing. If the key opens nothing, the invitation counts that a
    guest came with. Without a key, it uses the key of the last link that opened nothing. That key
    tells the reason, or works by now. ``given`` is a key that was found in the request before.

    Raises ``NoKey`` without any key. Otherwise it raises the ``KeyRefused`` with the reason why the
    key opens nothing.
    """
    masking.conceal_request(request)
    key = given or carried_key(request)
    if not key:
        key = bound_key(request) or ended_key(request)
    if not key:
        raise NoKey()
    may_lag, site_id = request.method in ("GET", "HEAD"), sites.current_site_id(request)
    try:
        return arriving.open_invitation(key, site_id, may_lag=may_lag)
    except KeyRefused:
        bound = bound_key(request)
        if not bound or bound == key:
            raise
        return arriving.open_invitation(bound, site_id, may_lag=may_lag)


def refuse(
    request: HttpRequest, refusal: KeyRefused, *, status: int | None = None, key: str | None = None
) -> HttpResponse:
    """Return the page that explains the refusal, with a flag for the template.

    The flag has the name of the reason's code. The visitor keeps the key, so that they can ask for
    a new link. ``key`` is for a page with the key in its address. By default it is the key of the
    request.
    """
    context: dict[str, Any] = {known.code: False for known in REFUSALS}
    # An error class of the site's own has no flag.
    context[refusal.code if refusal.code in context else KeyNotFound.code] = True
    context |= {
        "reason": refusal.code,
        "message": str(refusal),
        "shared": refusal.shared,
        "expired_at": getattr(refusal, "expired_at", None),
        **sites.describe_current(request),
        "login_url": login_url(),
        "signed_up": visitor.has_signed_up(request.COOKIES),
        # The token of a form would write a session row, and GET must not.
        "code_form": not settings.CSRF_USE_SESSIONS,
    }
    response = render(request, REFUSAL_TEMPLATE, context, status=status or refusal.status)
    if not isinstance(refusal, NoKey):
        ended = carried_key(request) or ended_key(request) if key is None else key
        visitor.remember_ended(response, ended, secure=request.is_secure())
    protect(response)
    return response


def refuse_address(request: HttpRequest, error: AddressMismatch) -> HttpResponse:
    """Return the page that says which address the invitation is for; the visitor keeps the key."""
    context = {
        "message": str(error),
        **sites.describe_current(request),
        "login_url": login_url(),
    }
    response = render(request, ADDRESS_TEMPLATE, context, status=403)
    protect(response)
    return response


def login_url(back: str = "") -> str:
    """Return the address of the login page, or an empty string if LOGIN_URL names no page.

    A check reports such a LOGIN_URL. ``back`` is the path to which the member returns after the
    login.
    """
    try:
        url = page_url(settings.LOGIN_URL)
    except NoReverseMatch:
        return ""
    if not (url and back):
        return url
    if "?" not in url and "#" not in url:
        return f"{url}?{REDIRECT_FIELD_NAME}={quote(back)}"
    parts = urlsplit(url)
    query = QueryDict(parts.query, mutable=True)
    query[REDIRECT_FIELD_NAME] = back
    return parts._replace(query=query.urlencode(safe="/")).geturl()


def signup_url() -> str:
    """Return the URL of the sign-up page, or an empty string if none is known.

    A check reports an INVITATION_SIGNUP_URL that names no page.
    """
    named = conf.INVITATION_SIGNUP_URL
    try:
        return reverse(SIGNUP) if named is None else page_url(named)
    except NoReverseMatch:
        return ""


def page_url(to: Any) -> str:
    """Return the URL of a page from its path or name, as ``resolve_url`` does.

    Django looks for a page that has the path as its name, and that takes time on every page.
    """
    return to if type(to) is str and to.startswith("/") else resolve_url(to)


def finish(request: HttpRequest, response: HttpResponseBase) -> None:
    """Replace the key in the visitor's cookie by the fact that they have signed up."""
    visitor.finish(response, secure=request.is_secure())


def home_url() -> str:
    """Return the page after a login: LOGIN_REDIRECT_URL, else the front page.

    The front page also replaces Django's default value, which few sites have a page for.
    """
    target: Any = settings.LOGIN_REDIRECT_URL
    default = type(target) is str and target == global_settings.LOGIN_REDIRECT_URL
    if default and not is_valid_path(target):
        target = None
    try:
        return page_url(target) if target else front_page()
    except NoReverseMatch:
        return front_page()


def front_page() -> str:
    """Return the first page of the site, or the page to invite if the site has no first page."""
    root = get_script_prefix()
    # With ``i18n_patterns``, Django redirects the root to the page of a language.
    if is_valid_path("/") or is_valid_path(f"/{get_language()}/"):
        return root
    try:
        return reverse("invitation_invite")
    except NoReverseMatch:
        return root


def remember(request: HttpRequest, response: HttpResponseBase, key: str) -> None:
    """Store a key that has just opened an invitation in the visitor's cookie."""
    visitor.remember(response, key, secure=request.is_secure())


# -- hosts without a site --------------------------------------------------------------------


def on_a_site(view: View) -> View:
    """Return the view, with a page in place of the error if the request has no Site.

    This happens if SITE_ID is not set and no Site has the host. It also happens if no Site has the
    id in SITE_ID. There is also a page for a request that the database undid (see ``answering``).
    """
    answered = answering(view)

    @wraps(answered)
    def page(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            response: HttpResponseBase = answered(request, *args, **kwargs)
        except ObjectDoesNotExist as error:
            if not sites.is_missing(error):
                raise
            response = _show_no_site(request)
        return response

    return page


def _show_no_site(request: HttpRequest) -> HttpResponse:
    """Return the page about the missing Site, and log an error for the administrators."""
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
    """Return these URL patterns with ``on_a_site`` around each view.

    The given patterns are not changed.
    """
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
