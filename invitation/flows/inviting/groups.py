"""Groups that an inviter may give, and that the accepting account joins."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.exceptions import FieldDoesNotExist
from django.db.models import QuerySet

from invitation.conf import conf
from invitation.exceptions import GroupRefused
from invitation.models import InvitationKey, managers


def has_groups(user: Any) -> bool:
    """Return whether this account or user model can have groups."""
    try:
        return user._meta.get_field("groups").related_model is Group
    except FieldDoesNotExist:
        return False


def grantable_groups(user: Any) -> QuerySet[Group]:
    """Return the groups that this member may give to invited people.

    INVITATION_GRANTABLE_GROUPS names them. Without this setting, staff who may change groups may
    give the groups that they are in. Other members may give none, and cause no query.
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
    """Raise ``GroupRefused`` if this member may not give one of the groups."""
    wanted = {group.pk for group in groups}
    if wanted and wanted - set(grantable_groups(inviter).values_list("pk", flat=True)):
        raise GroupRefused()


def set_groups(invitation: InvitationKey, inviter: Any, groups: Collection[Group]) -> None:
    """Set the groups of an invitation. Raise ``GroupRefused`` if the inviter may not give one.

    An invitation from the site may give every group.
    """
    if not invitation.from_site:
        check_groups(inviter, groups)
    invitation.groups.set(groups)


def groups_to_join(invitation: InvitationKey) -> list[Group]:
    """Return the groups of an invitation that its inviter may still give, by name.

    The site may give every group. An inviter whose account is gone may give none.

    Runs no query for an opened invitation without groups.
    """
    if not (getattr(invitation, "carries_groups", True) and has_groups(get_user_model())):
        return []
    carried = list(invitation.groups.order_by("name"))
    if invitation.from_site:
        return carried
    if not carried or invitation.from_user_id is None:
        return []
    # Read again, because the inviter may have lost this right since the invitation was opened.
    inviters = managers.from_writer(get_user_model()._base_manager.all())
    inviter = inviters.filter(pk=invitation.from_user_id).first()
    allowed = set(grantable_groups(inviter).values_list("pk", flat=True))
    return [group for group in carried if group.pk in allowed]


def groups_to_join_of(invitations: Iterable[InvitationKey]) -> dict[int, list[Group]]:
    """Return the groups to join of many invitations, by their primary keys.

    Load the invitations with their inviters and groups. Then it runs one query for each inviter who
    gives groups.
    """
    allowed: dict[int | None, set[int]] = {}
    found: dict[int, list[Group]] = {}
    for invitation in invitations:
        groups = sorted(invitation.groups.all(), key=lambda group: group.name)
        if invitation.from_site:
            found[invitation.pk] = groups
            continue
        inviter = invitation.from_user_id
        if groups and inviter not in allowed:
            grantable = grantable_groups(invitation.from_user)
            allowed[inviter] = set(grantable.values_list("pk", flat=True))
        found[invitation.pk] = [group for group in groups if group.pk in allowed[inviter]]
    return found


def join_groups(invitation: InvitationKey, user: Any) -> list[Group]:
    """Add an account to the groups that the inviter may still give, and return these groups."""
    groups = groups_to_join(invitation)
    if groups:
        user.groups.add(*groups)
    return groups
