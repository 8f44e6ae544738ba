"""Say which groups an inviter may give, and let who accepts join them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.contrib.auth.models import Group
from django.db.models import QuerySet

from invitation.conf import conf
from invitation.exceptions import GroupRefused
from invitation.models import InvitationKey


def grantable_groups(user: Any) -> QuerySet[Group]:
    """Return the groups that this member may give to whom he invites.

    What INVITATION_GRANTABLE_GROUPS says; without it none, and to staff who may change groups
    those that they are in.
    """
    if user is None or not user.is_active:
        return Group.objects.none()
    rule = conf.grantable_groups
    if rule is not None:
        return Group.objects.filter(pk__in=[group.pk for group in rule(user)])
    may = getattr(user, "is_staff", False) and hasattr(user, "groups")
    if not (may and user.has_perm("auth.change_group")):
        return Group.objects.none()
    groups: QuerySet[Group] = user.groups.all()
    return groups


def set_groups(invitation: InvitationKey, inviter: Any, groups: Collection[Group]) -> None:
    """Let an invitation carry these groups. Raises ``GroupRefused`` for one he may not give."""
    if groups:
        wanted = {group.pk for group in groups}
        if wanted - set(grantable_groups(inviter).values_list("pk", flat=True)):
            raise GroupRefused()
    invitation.groups.set(groups)


def join_groups(invitation: InvitationKey, user: Any) -> None:
    """Add an account to the groups of the invitation that its inviter may still give."""
    if not hasattr(user, "groups"):
        return
    carried = invitation.groups.all()
    if carried:
        allowed = grantable_groups(invitation.from_user).values_list("pk", flat=True)
        user.groups.add(*(group for group in carried if group.pk in set(allowed)))
