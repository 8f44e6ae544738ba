"""Tell which addresses an account has proven: rules for INVITATION_VERIFIED_ADDRESSES."""

from __future__ import annotations

from typing import Any

from invitation import flows


def activated_address(user: Any) -> list[str]:
    """Return the account's address if it is recorded that its holder has proven it; one query.

    ``flows.prove`` records it when the link in an activation email is followed, and when a key
    from an invitation email is used. Nothing is inferred from what is not recorded: an account
    of the time before this app, or one that staff have activated, has proven no address.
    """
    return [flows.own_address(user)] if flows.has_proven(user) else []


def invited_address(user: Any) -> list[str]:
    """Return the same as ``activated_address``: the proofs of both kinds are kept in one place."""
    return activated_address(user)
