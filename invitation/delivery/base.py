"""Say what a delivery is, and find the one that the site has chosen."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from inspect import isabstract

from django.core.checks import CheckMessage
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from invitation.conf import conf
from invitation.models import InvitationEmail, InvitationKey


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


class BaseDelivery(ABC):
    """Send the mails of the outbox by one way out of the house.

    A delivery only sends. Taking a row of the outbox, noting what became of it and telling
    the rest of the site is the business of ``flows``.
    """

    #: Whether a mail is sent in the process that asked for it, right after the commit. With
    #: ``False`` the row waits in the outbox for ``sendinvitations``.
    immediate: bool = True

    @abstractmethod
    def send(self, mail: InvitationEmail) -> None:
        """Send this mail in bounded time, or raise ``DeliveryFailed`` and say why."""

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
