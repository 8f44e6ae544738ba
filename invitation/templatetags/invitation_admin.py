"""Give the pages of the admin that are not ours the way to those that are.

A library of its own, so that nothing of it is loaded where no admin is installed.
"""

from __future__ import annotations

from typing import Any

from django import template
from django.contrib.admin.utils import quote
from django.contrib.auth import get_user_model
from django.urls import NoReverseMatch, reverse

register = template.Library()

#: Either lets Django's admin show a row.
SEEING = ("invitation.view_acceptance", "invitation.change_acceptance")


@register.simple_tag(takes_context=True)
def invitation_tree_url(context: template.Context) -> str:
    """Return where it says who invited this account: ``{% invitation_tree_url as tree_url %}``.

    Empty on the page of anything else than an account, for who may not see it, and in an admin
    that does not show acceptances.
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
