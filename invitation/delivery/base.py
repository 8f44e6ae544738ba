"""Say what a delivery is, and find the one that the site has chosen."""

from __future__ import annotations

from abc import ABC, abstractmethod
from inspect import isabstract

from django.core.checks import CheckMessage
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from invitation.conf import conf
from invitation.models import InvitationEmail


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
