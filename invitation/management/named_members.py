"""Members that an administrator names on the command line."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError
from django.db.models import Q
from django.db.models.functions import Lower


def find_members(names: list[str]) -> list[Any]:
    """Return the members with these login names or email addresses, in the same order.

    Runs one query. Raises ``CommandError`` for a name that matches no member or several members.
    """
    model: Any = get_user_model()
    login, email = model.USERNAME_FIELD, model.get_email_field_name()
    condition = Q(**{f"{login}__in": names})
    fields = {field.name for field in model._meta.get_fields()}
    users = model._default_manager.all()
    if email in fields:
        users = users.annotate(lower_email=Lower(email))
        condition |= Q(lower_email__in=[name.lower() for name in names])
    rows = list(users.filter(condition).distinct())
    members = []
    for name in names:
        found = [user for user in rows if user.get_username() == name]
        if name and not found and email in fields:
            found = [user for user in rows if getattr(user, email).lower() == name.lower()]
        if not found:
            raise CommandError(
                f'There is no member "{name}". Use a login name or an email address.'
            )
        if len(found) > 1:
            raise CommandError(f'Several members have the address "{name}". Use a login name.')
        members.append(found[0])
    return members
