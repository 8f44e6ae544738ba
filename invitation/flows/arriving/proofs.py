"""Records of the email addresses that accounts have proven."""

from __future__ import annotations

from typing import Any

from invitation import addresses
from invitation.exceptions import AddressRefused
from invitation.models import ProvenAddress


def prove(user: Any) -> None:
    """Record that the holder of an account can read its present email address.

    Call it at the moment of the proof. Proofs are a key from the invitation email, the link in an
    activation email, or the site's own check. The proof outlives the invitation. It ends when the
    account gets another address. Does nothing for an account without a valid address.
    """
    email = _comparable(user)
    if email:
        ProvenAddress.objects.add(user, email)


def has_proven(user: Any) -> bool:
    """Return whether this account has proven its present address; one query."""
    email = _comparable(user)
    return bool(email) and ProvenAddress.objects.of_address(email).filter(user=user).exists()


def drop_outdated_proofs(user: Any) -> None:
    """Delete the account's proofs of all addresses but its present one; one statement."""
    ProvenAddress.objects.of_others(user, own_address(user)).delete()


def own_address(user: Any) -> str:
    """Return the account's address, proven or not, or an empty string."""
    return getattr(user, user.get_email_field_name(), "") or ""


def _comparable(user: Any) -> str:
    """Return the account's address in its canonical form, or an empty string."""
    try:
        return addresses.canonical(own_address(user))
    except AddressRefused:
        return ""
