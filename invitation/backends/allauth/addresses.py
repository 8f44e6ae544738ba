"""Rule for INVITATION_VERIFIED_ADDRESSES: the addresses that allauth knows as verified."""

from __future__ import annotations

from typing import Any

from allauth.account.models import EmailAddress


def verified_addresses(user: Any) -> list[str]:
    """Return the verified addresses of an account; one query."""
    rows = EmailAddress.objects.filter(user=user, verified=True).order_by("pk")
    return list(rows.values_list("email", flat=True))
