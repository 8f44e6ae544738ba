"""Statement that spends from a member's quota."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import F, Q
from django.db.models.lookups import LessThanOrEqual

from invitation.models.statements import MemberField, Update

if TYPE_CHECKING:
    from invitation.models import InvitationQuota


def _spending(
    rows: models.QuerySet[InvitationQuota],
    limited: bool,
    in_period: bool,
    at_slot: bool,
    asked: bool,
    **of: Any,
) -> tuple[models.QuerySet[InvitationQuota], dict[str, Any]]:
    """Return a member's quota if enough is left, and what spending changes in it."""
    rows = rows.filter(inviter=of["inviter"])
    if limited:
        # Only add: MySQL's unsigned columns raise an error for a difference below zero.
        enough = LessThanOrEqual(F("spent") + of["amount"], F("granted") + of["limit"])
        rows = rows.filter(Q(unlimited=True) | enough)
    if in_period:
        rows = rows.filter(period_start__gt=of["begin"], period_start__lte=of["latest"])
    if at_slot:
        invitations: Any = rows.model._meta.apps.get_model("invitation", "InvitationKey").objects
        rows = rows.filter(~invitations.open_for("inviter", of["slot"]))
        if asked:
            refused = invitations.declined_for("inviter", of["email_key"], of["site_id"])
            rows = rows.filter(~refused)
    return rows, {"spent": F("spent") + of["amount"]}


SPENDING = Update(
    _spending,
    inviter=MemberField(),
    amount=models.IntegerField(),
    limit=models.IntegerField(),
    begin=models.DateTimeField(),
    latest=models.DateTimeField(),
    slot=models.BinaryField(),
    email_key=models.CharField(),
    site_id=models.IntegerField(),
)
