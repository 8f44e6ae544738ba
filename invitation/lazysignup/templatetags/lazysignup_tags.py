"""Filter that says whether an account is that of a guest."""

from __future__ import annotations

from django import template

from invitation.lazysignup.guests import is_lazy_user

register = template.Library()
#: The filter under both of its names.
is_guest = register.filter("is_lazy_user", is_lazy_user)
is_guest_user = register.filter("is_guest_user", is_lazy_user)
