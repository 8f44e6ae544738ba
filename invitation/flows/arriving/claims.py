"""Claims: an invitation is used for a new account, both or neither."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any, TypeVar

from django.contrib.auth.base_user import AbstractBaseUser
from django.utils import timezone

from invitation import signals
from invitation.flows.after_commit import announce, on_commit, writing
from invitation.flows.arriving.opening import Opened, refusal_now
from invitation.flows.arriving.proofs import own_address, prove
from invitation.flows.inviting import join_groups
from invitation.models import Acceptance, InvitationKey
from invitation.models.statements import write_new

User = TypeVar("User", bound=AbstractBaseUser)


class Claim:
    """Claim under way. Its block sets ``user`` to the new account."""

    def __init__(self, opened: Opened | None) -> None:
        #: Invitation that is used; ``None`` where none is needed.
        self.opened = opened
        #: New account.
        self.user: Any = None
        #: Whether the account can be used at once; ``None`` for its ``is_active``.
        self.usable: bool | None = None


@contextmanager
def claiming(opened: Opened, *, email: str = "") -> Iterator[Claim]:
    """Use an invitation for the account that the block creates: both succeed, or neither.

    The block sets ``user`` of the claim to the new account. The use of an invitation for one person
    is taken first. If two people have its key, the second one is refused before the block runs. The
    use of a shared link is taken after the block: many people may wait for its row, so it is locked
    for a moment only. Then the last use may be gone, and the account is rolled back. An error in
    the block takes no use. ``email`` is the address of the new account. Do slow work before, such
    as hashing a password.

    Raises ``AddressMismatch``, or the ``KeyRefused`` that says why the key no longer opens the
    invitation. Raises ``ValueError`` if the block sets no account.
    """
    invitation = opened.invitation
    if not opened.admits(email):
        raise opened.mismatch()
    with writing():
        now = timezone.now()
        if not invitation.shared:
            _take_use(invitation, now)
        claim = Claim(opened)
        # Registered before the callbacks of the site, because one of them may raise after the
        # commit.
        made: list[Acceptance] = []
        on_commit(lambda: _announce_claim(opened, email, made[0], claim.user))
        yield claim
        user = claim.user
        if user is None:
            raise ValueError("The block that claims an invitation must set the claim's user.")
        join_groups(invitation, user)
        if opened.proves(own_address(user)):
            prove(user)
        if invitation.shared:
            _take_use(invitation, now)
        usable = user.is_active if claim.usable is None else claim.usable
        acceptance = Acceptance(
            invitation=invitation,
            user=user,
            claimed_at=now,
            activated_at=now if usable else None,
            by_mail=opened.proves(email),
        )
        # After the use: on MySQL, the row of the link is locked here, too, and less strongly.
        write_new(acceptance)
        made.append(acceptance)


def claim(opened: Opened, create: Callable[[], User], *, email: str = "") -> User:
    """Use an invitation for the account that ``create`` makes, as ``claiming`` does; return it."""
    with claiming(opened, email=email) as under_way:
        under_way.user = user = create()
    return user


def _take_use(invitation: InvitationKey, now: datetime) -> None:
    """Take one use of an invitation. Raises the ``KeyRefused`` that says why there is none."""
    if not InvitationKey.objects.claim_use(invitation.pk, invitation.locator, now):
        raise refusal_now(invitation)


def _announce_claim(opened: Opened, email: str, acceptance: Acceptance, user: Any) -> None:
    invitation = opened.invitation
    # Update the object in memory for the receivers, without another query.
    invitation.uses += 1
    if invitation.shared:
        # Others may have used the link since it was opened. Its row may be gone.
        with suppress(InvitationKey.DoesNotExist):
            invitation.refresh_from_db(fields=["uses", "status", "ended_at"])
    elif invitation.max_uses is not None and invitation.uses >= invitation.max_uses:
        invitation.status = InvitationKey.Status.ACCEPTED
        invitation.pending_slot = None
        invitation.ended_at = acceptance.claimed_at
    parties = {"invitation": invitation, "acceptance": acceptance, "user": user}
    proven = opened.proves(email)
    announce(signals.invitation_accepted, **parties, address_proven=proven)
    if acceptance.activated_at is not None:
        announce(signals.invitation_activated, **parties)
