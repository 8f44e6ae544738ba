"""Page that asks before an action that cannot be undone, and the way back from an action."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.http import url_has_allowed_host_and_scheme

from invitation.models import InvitationKey

CONFIRM_TEMPLATE = "invitation/invitation_confirm.html"


def way_back(request: HttpRequest, default: str) -> str:
    """Return the page of this site that ``next`` names, else ``default``."""
    named: str = request.POST.get("next") or request.GET.get("next") or ""
    hosts, secure = {request.get_host()}, request.is_secure()
    safe = url_has_allowed_host_and_scheme(named, allowed_hosts=hosts, require_https=secure)
    return named if safe else default


def ask_first(
    request: HttpRequest,
    template: str,
    invitation: InvitationKey,
    action: str,
    default: str,
    **context: Any,
) -> HttpResponse:
    """Return the page that asks whether to do an action, which its form posts to its own URL.

    "Cancel" leads to the page that ``next`` names, else to ``default``. ``context`` is for the
    template as well.
    """
    context |= {
        "invitation": invitation,
        "action": action,
        "next": way_back(request, ""),
        "cancel_url": way_back(request, default),
    }
    return render(request, template, context)
