"""Members without a session: it has ended, or their browser withholds it from another site.

A browser sends a ``SameSite=Strict`` cookie only with a request that a page of the same site began
(RFC 6265bis, 5.2). A link in webmail begins on another site, and so do all redirects after it. So a
member who is logged in looks like a stranger. A page of ours that navigates by itself begins a
request of the same site: the browser then sends the cookie.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.mixins import AccessMixin
from django.contrib.auth.mixins import LoginRequiredMixin as LoggedInMixin
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import redirect, render, resolve_url
from django.utils.translation import gettext as _

#: Parameter of the URL to which a member returns who was logged out while they typed.
UNSENT = "unsent"

GOING_ON_TEMPLATE = "invitation/going_on.html"


def withholds_session(request: HttpRequest, *, unknown: bool = False) -> bool:
    """Return whether a browser may have a session cookie that it did not send.

    ``unknown`` is the answer for a browser that does not say where its request began. All browsers
    since 2023 say it (Fetch Metadata). An answer that leads to the same address must be ``False``
    then: it would lead there again and again.
    """
    if str(settings.SESSION_COOKIE_SAMESITE).lower() != "strict":
        return False
    if settings.SESSION_COOKIE_NAME in request.COOKIES:
        return False
    began = request.headers.get("Sec-Fetch-Site")
    return unknown if began is None else began == "cross-site"


def go_on(request: HttpRequest, to: str) -> HttpResponse:
    """Redirect, or return a page that navigates there, where the session may be withheld."""
    if withholds_session(request, unknown=True):
        return going_on(request, to)
    return redirect(to)


def going_on(request: HttpRequest, to: str) -> HttpResponse:
    """Return a page that navigates to another one at once, without any script."""
    url = resolve_url(to)
    response = render(request, GOING_ON_TEMPLATE, {"next_url": url})
    response["Refresh"] = f"0; url={url}"
    return response


class KnownAgainMixin(AccessMixin):
    """Mixin for a member's pages, to which emails lead: it asks for the session once more.

    Django's ``LoginRequiredMiddleware`` leaves the login of these pages to them.
    """

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Callable[..., HttpResponseBase]:
        """Return the view, for which the middleware asks for no login."""
        # type: ignore: the view that it is mixed into has the method.
        return login_not_required(super().as_view(**initkwargs))  # type: ignore[misc, no-any-return]

    def handle_no_permission(self) -> HttpResponseRedirect:
        """Lead to the login, or here once more if the browser has withheld the session.

        A member whose session has ended while they typed is told that nothing was sent.
        """
        request: HttpRequest = self.request  # type: ignore[attr-defined]  # of the view
        if request.method == "GET" and withholds_session(request):
            return going_on(request, request.get_full_path())  # type: ignore[return-value]
        if request.method == "POST" and not request.user.is_authenticated:
            message = _("You were logged out. We have not sent or changed anything yet.")
            messages.warning(request, message, fail_silently=True)
            request.META["QUERY_STRING"] = f"{UNSENT}=1"  # of the page to return to
        return super().handle_no_permission()


class LoginRequiredMixin(KnownAgainMixin, LoggedInMixin):
    """Mixin for a page that needs a login."""
