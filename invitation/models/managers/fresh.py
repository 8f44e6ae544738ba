"""One look at an email and an invitation that this process has just written."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import Exists

from invitation.conf import conf
from invitation.models.querysets import inviter_there
from invitation.models.statements import Select

if TYPE_CHECKING:
    from invitation.models import InvitationEmail

    Mails = models.Manager[InvitationEmail]
else:
    Mails = object

#: Fields of an invitation that its email shows or depends on, and that others may change.
SHOWN = ("locator", "status", "email", "recipient_name", "note", "language")


class MailFreshMixin(Mails):
    """Method that looks at an email whose row and invitation are still in memory."""

    def look_again(self, mail: InvitationEmail, digests: Sequence[bytes]) -> bool | None:
        """Return whether the recipient of an email is suppressed; one query.

        The email and its invitation were written by this process, a moment ago. Return ``None`` if
        another process has changed either of them since, or if the delivery is paused.
        """
        about = mail.invitation
        options = (about.expires_at is not None, conf.INVITATION_REQUIRE_ACTIVE_INVITER)
        found = looking(len(digests)).first(
            type(about)._default_manager,
            *options,
            mail=mail.pk,
            lease_until=mail.lease_until,
            pk=about.pk,
            expires_at=about.expires_at,
            **{name: getattr(about, name) for name in SHOWN},
            **{f"digest{place}": digest for place, digest in enumerate(digests)},
        )
        return None if found is None else bool(found[0])


@cache
def looking(number: int) -> Select:
    """Return the statement for an address with this number of digests."""
    names = [f"digest{place}" for place in range(number)]

    def look(rows: Any, expires: bool, active_inviter: bool, **of: Any) -> Any:
        get_model: Any = rows.model._meta.apps.get_model
        mails = get_model("invitation", "InvitationEmail")
        pauses = get_model("invitation", "DeliveryPause").objects.closed()
        suppressed = get_model("invitation", "SuppressedAddress").objects
        end = {"expires_at": of["expires_at"]} if expires else {"expires_at": None}
        rows = rows.filter(
            inviter_there(rows.model),
            ~Exists(pauses),
            pk=of["pk"],
            uses=0,
            paused_at=None,
            forgotten_at=None,
            mails__pk=of["mail"],
            mails__lease_until=of["lease_until"],
            mails__state=mails.State.SENDING,
            **end,
            **{name: of[name] for name in SHOWN},
        )
        known = Exists(suppressed.known([of[name] for name in names]))
        return rows.order_by().values_list(known)

    fields: dict[str, Any] = {
        "mail": models.BigIntegerField(),
        "lease_until": models.DateTimeField(),
        "pk": models.BigIntegerField(),
        "expires_at": models.DateTimeField(),
        **{name: models.CharField() for name in SHOWN},
        **{name: models.BinaryField() for name in names},
    }
    return Select(look, **fields)
