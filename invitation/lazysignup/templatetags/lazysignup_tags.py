"""Filter that says whether an account is that of a guest."""

from __future__ import annotations

from typing import Any

from django import template

from invitation.lazysignup.guests import is_lazy_user

register = template.Library()


@register.filter("is_guest_user")
@register.filter("is_lazy_user")
def is_guest(user: Any) -> bool:
    """Return whether an account is that of a guest; also as ``is_guest_user``."""
    return is_lazy_user(user)
