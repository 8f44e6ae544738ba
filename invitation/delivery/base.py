"""Say what a delivery is, and find the one that the site has chosen."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from inspect import isabstract
from math import inf
from types import TracebackType
from typing import TYPE_CHECKING

from django.core.checks import CheckMessage
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from invitation.conf import conf
from invitation.delivery.members import MemberKnowledge
from invitation.models import InvitationEmail, InvitationKey

if TYPE_CHECKING:
    from typing import Self


@dataclass(frozen=True)
class MailPreview:
    """Hold what the recipient of an invitation would see."""

    subject: str
    sender: str
    recipient: str
    text: str
    #: Empty if there is none.
    html: str = ""
    #: Empty if a reply goes to the sender.
    reply_to: str = ""


class BaseDelivery(ABC, MemberKnowledge):
    """Send the mails of the outbox by one way out of the house.

    A delivery only sends. Taking a row of the outbox, noting what became of it and telling
    the rest of the site is the business of ``flows``. It is a context manager over a batch of
    mails: ``with get_delivery() as delivery:`` and then ``delivery.send(mail)`` for each.
    """

    #: Whether a mail is sent in the process that asked for it, right after the commit. With
    #: ``False`` the row waits in the outbox for who is told of it by ``hand_over``, or for
    #: ``sendinvitations``.
    immediate: bool = True
    #: When ``send`` must be over, as ``time.monotonic()`` counts: set by who sends in a request.
    deadline: float = inf

    def __enter__(self) -> Self:
        """Begin a batch; whatever it needs is opened by the first ``send``."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the batch and close what it has opened; hides no error and raises none."""

    def prepare(self, emails: Sequence[str]) -> None:
        """Look up at once what the mails to these addresses need, at the beginning of a batch."""

    @abstractmethod
    def send(self, mail: InvitationEmail) -> None:
        """Send this mail in bounded time, or raise ``DeliveryFailed`` and say why.

        ``DeliveryUnavailable`` says that no mail at all can leave at the moment. After any
        error, the next mail of the batch is tried as if it were the first.
        """

    def rehearse(self, mail: InvitationEmail) -> bool:
        """Do all that ``send`` does before the email is handed over; raise what that would raise.

        Called for an email that its recipient does not want, so that its inviter sees the same as
        for any other. Returns whether a mail server has answered.
        """
        return False

    def reach(self) -> None:
        """Find out whether an email could leave now; raise ``DeliveryUnavailable`` if none can.

        Called for an account's email that is not sent, so that a visitor sees no difference.
        """

    def hand_over(self, pks: Sequence[int], not_before: datetime | None = None) -> None:
        """Tell who sends that these rows wait, from ``not_before`` on, where that is not us.

        Called after the commit where ``immediate`` is ``False``: for rows just queued, and for one
        that is to be tried again. Must not raise: what nobody was told of is found by
        ``sendinvitations``.
        """

    def preview(self, invitation: InvitationKey) -> MailPreview | None:
        """Return what would be sent for an invitation that is not saved and has no key yet.

        ``None`` if that cannot be shown, as is so for a delivery that does not say.
        """
        return None

    def check(self) -> list[CheckMessage]:
        """Return what is wrong with this delivery's own set-up, as system check messages."""
        return []


def get_delivery() -> BaseDelivery:
    """Return the delivery that INVITATION_DELIVERY names.

    Raises ``ImproperlyConfigured`` where it names none.
    """
    path = conf.INVITATION_DELIVERY
    if not isinstance(path, str):
        raise ImproperlyConfigured(f"INVITATION_DELIVERY is {path!r}, which is no dotted path.")
    try:
        delivery = import_string(path)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise ImproperlyConfigured(
            f"INVITATION_DELIVERY is {path!r}, which cannot be imported: {error}"
        ) from error
    if not (isinstance(delivery, type) and issubclass(delivery, BaseDelivery)):
        raise ImproperlyConfigured(
            f"INVITATION_DELIVERY is {path!r}, which is no subclass of BaseDelivery."
        )
    if isabstract(delivery):
        raise ImproperlyConfigured(f"INVITATION_DELIVERY is {path!r}, which defines no send().")
    return delivery()
