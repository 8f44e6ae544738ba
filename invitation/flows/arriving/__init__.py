"""Open an invitation, and let people accept or decline it."""

from invitation.flows.arriving.accepting import (
    accept,
    find_accepted,
    proven_addresses,
    received_invitations,
    refusal_to_accept,
)
from invitation.flows.arriving.claims import Claim, claim, claiming
from invitation.flows.arriving.disowning import disown
from invitation.flows.arriving.opening import (
    Opened,
    activate,
    decline,
    destination_of,
    lock_account,
    open_invitation,
    refusal_to_open,
    release,
    was_activated,
)
from invitation.flows.arriving.proofs import drop_outdated_proofs, has_proven, own_address, prove

__all__ = [
    "Claim",
    "Opened",
    "accept",
    "activate",
    "claim",
    "claiming",
    "decline",
    "destination_of",
    "disown",
    "drop_outdated_proofs",
    "find_accepted",
    "has_proven",
    "lock_account",
    "open_invitation",
    "own_address",
    "prove",
    "proven_addresses",
    "received_invitations",
    "refusal_to_accept",
    "refusal_to_open",
    "release",
    "was_activated",
]
