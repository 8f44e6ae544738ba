"""Base class of all deliveries, and the function that returns the site's own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime
from inspect import isabstract
from math import inf
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple

from django.core.checks import CheckMessage
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from invitation.conf import conf
from invitation.delivery.members import MemberKnowledge
from invitation.models import InvitationEmail, InvitationKey

if TYPE_CHECKING:
    from typing import Self


class MailPreview(NamedTuple):
    """Email about an invitation, as its recipient would see it."""

    subject: str
    sender: str
    recipient: str
    text: str
    #: HTML part, empty if there is none.
    html: str = ""
    #: Empty if a reply goes to the sender.
    reply_to: str = ""


class BaseDelivery(ABC, MemberKnowledge):
    """Base class of a way to send the emails of the outbox.

    A delivery only sends. ``flows`` takes a row from the outbox, stores the result and informs the
    rest of the site. A delivery is a context manager over a batch of emails:
    ``with get_delivery() as delivery:`` and then ``delivery.send(mail)`` for each.
    """

    #: Whether an email is sent right after the commit, in the process that requested it. With
    #: ``False``, the row waits in the outbox. ``hand_over`` or ``sendinvitations`` then gets it
    #: sent.
    immediate: bool = True
    #: Time by which ``send`` must end, by ``time.monotonic()``. Code that sends in a request sets
    #: it.
    deadline: float = inf

    def __enter__(self) -> Self:
        """Begin a batch; the first ``send`` opens the connections that it needs."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the batch and close its connections; this hides no error and raises none."""

    def prepare(self, emails: Sequence[str]) -> None:
        """Look up what the emails to these addresses need. A batch may call it several times."""

    @abstractmethod
    def send(self, mail: InvitationEmail) -> None:
        """Send this email in a limited time, or raise ``DeliveryFailed`` with the reason.

        ``DeliveryUnavailable`` means that no email at all can be sent at the moment. After any
        error, the next email of the batch is tried as if it were the first.
        """

    def rehearse(self, mail: InvitationEmail) -> bool:
        """Do everything that ``send`` does before the email is handed over.

        It raises what ``send`` would raise before this point. It is called for an email that its
        recipient does not want. So the inviter sees the same as for any other email. Returns
        whether a mail server has answered.
        """
        return False

    def reach(self) -> None:
        """Raise ``DeliveryUnavailable`` if no email could be sent now.

        It is called for an account's email that is not sent. So a visitor sees no difference.
        """

    def hand_over(self, pks: Sequence[int], not_before: datetime | None = None) -> None:
        """Tell another process that these rows wait, and may be sent from ``not_before`` on.

        It is called after the commit if ``immediate`` is ``False``. The rows are new in the outbox,
        or one row is to be tried again. It must not raise. ``sendinvitations`` finds every row that
        no process was told about.
        """

    def preview(self, invitation: InvitationKey) -> MailPreview | None:
        """Return the email for an invitation that is not saved and has no key yet.

        The result is ``None`` if the email cannot be shown. That is the default.
        """
        return None

    def check(self) -> list[CheckMessage]:
        """Return system check messages about faults in this delivery's set-up."""
        return []


def get_delivery() -> BaseDelivery:
    """Return the delivery that INVITATION_DELIVERY names.

    Raises ``ImproperlyConfigured`` if it does not name one.
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
