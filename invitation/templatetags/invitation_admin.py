"""Template tags for admin pages that this app does not own, with links to its own pages.

This is a separate library, so that nothing of it is loaded without the admin.
"""

from __future__ import annotations

from typing import Any

from django import template
from django.contrib.admin.utils import quote
from django.contrib.auth import get_user_model
from django.urls import NoReverseMatch, reverse

register = template.Library()

#: Permissions to see acceptances. With any one of them, Django's admin shows a row.
SEEING = ("invitation.view_acceptance", "invitation.change_acceptance")


@register.simple_tag(takes_context=True)
def invitation_tree_url(context: template.Context) -> str:
    """Return the URL of the page that shows who invited this account.

    Use it as ``{% invitation_tree_url as tree_url %}``. The result is empty if the page is not
    about an account, or if the reader may not see acceptances. It is also empty in an admin that
    does not show acceptances.
    """
    account, request = context.get("original"), context.get("request")
    reader: Any = getattr(request, "user", None)
    if reader is None or not isinstance(account, get_user_model()):
        return ""
    if not any(reader.has_perm(permission) for permission in SEEING):
        return ""
    site = getattr(request, "current_app", None)
    try:
        return reverse(
            "admin:invitation_acceptance_tree", args=[quote(account.pk)], current_app=site
        )
    except NoReverseMatch:
        return ""
