"""Say which groups an inviter may give, and let who accepts join them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.exceptions import FieldDoesNotExist
from django.db.models import QuerySet

from invitation.conf import conf
from invitation.exceptions import GroupRefused
from invitation.models import InvitationKey


def has_groups(user: Any) -> bool:
    """Tell whether an account, or those of a model, can be in groups: not every model's can."""
    try:
        return user._meta.get_field("groups").related_model is Group
    except FieldDoesNotExist:
        return False


def grantable_groups(user: Any) -> QuerySet[Group]:
    """Return the groups that this member may give to whom he invites.

    What INVITATION_GRANTABLE_GROUPS says; without it none, and to staff who may change groups
    those that they are in. Costs a member who is not of the staff no query.
    """
    if user is None or not user.is_active:
        return Group.objects.none()
    rule = conf.grantable_groups
    if rule is not None:
        return Group.objects.filter(pk__in=[group.pk for group in rule(user)])
    may = getattr(user, "is_staff", False) and has_groups(user)
    if not (may and user.has_perm("auth.change_group")):
        return Group.objects.none()
    groups: QuerySet[Group] = user.groups.all()
    return groups


def check_groups(inviter: Any, groups: Collection[Group]) -> None:
    """Raise ``GroupRefused`` if one of the groups is not for this member to give."""
    wanted = {group.pk for group in groups}
    if wanted and wanted - set(grantable_groups(inviter).values_list("pk", flat=True)):
        raise GroupRefused()


def set_groups(invitation: InvitationKey, inviter: Any, groups: Collection[Group]) -> None:
    """Let an invitation carry these groups. Raises ``GroupRefused`` for one he may not give."""
    check_groups(inviter, groups)
    invitation.groups.set(groups)


def groups_to_join(invitation: InvitationKey) -> list[Group]:
    """Return the groups of an invitation that its inviter may still give, by name.

    No query for one that was opened and carries none.
    """
    if not (getattr(invitation, "carries_groups", True) and has_groups(get_user_model())):
        return []
    carried = list(invitation.groups.order_by("name"))
    if not carried or invitation.from_user_id is None:
        return []
    # Read anew: since the invitation was opened he may have lost what he could give.
    inviter = get_user_model()._base_manager.filter(pk=invitation.from_user_id).first()
    allowed = set(grantable_groups(inviter).values_list("pk", flat=True))
    return [group for group in carried if group.pk in allowed]


def groups_to_join_of(invitations: Iterable[InvitationKey]) -> dict[int, list[Group]]:
    """Return the same for many invitations, by their keys: a query for each inviter of groups.

    They should come with their inviters and groups.
    """
    allowed: dict[int | None, set[int]] = {}
    found: dict[int, list[Group]] = {}
    for invitation in invitations:
        groups = sorted(invitation.groups.all(), key=lambda group: group.name)
        inviter = invitation.from_user_id
        if groups and inviter not in allowed:
            grantable = grantable_groups(invitation.from_user)
            allowed[inviter] = set(grantable.values_list("pk", flat=True))
        found[invitation.pk] = [group for group in groups if group.pk in allowed[inviter]]
    return found


def join_groups(invitation: InvitationKey, user: Any) -> list[Group]:
    """Add an account to the groups of the invitation that its inviter may still give.

    Returns these groups.
    """
    groups = groups_to_join(invitation)
    if groups:
        user.groups.add(*groups)
    return groups
