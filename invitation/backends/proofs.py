"""Proven addresses of an account: rules for INVITATION_VERIFIED_ADDRESSES."""

from __future__ import annotations

from typing import Any

from invitation.flows import arriving


def activated_address(user: Any) -> list[str]:
    """Return the account's address if a record says that its holder has proven it; one query.

    ``arriving.prove`` records a proof when the link in an activation email is followed. It also
    records one when a key from an invitation email is used. Nothing else counts as a proof. An
    account that is older than this app has proven no address. An account that staff activated has
    proven none either.
    """
    return [arriving.own_address(user)] if arriving.has_proven(user) else []


def invited_address(user: Any) -> list[str]:
    """Return the same as ``activated_address``: both kinds of proof are stored in one place."""
    return activated_address(user)
