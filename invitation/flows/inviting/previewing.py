"""Preview of an email, before anything is written or sent."""

from __future__ import annotations

import logging
import traceback
from typing import Any

from invitation import addresses, keys
from invitation.delivery.base import MailPreview, get_delivery
from invitation.exceptions import NoPreview
from invitation.flows.inviting.creating import KEPT, Days, checked_fields
from invitation.flows.inviting.languages import language_for
from invitation.keys import sites
from invitation.models import InvitationKey

logger = logging.getLogger(__name__)


def preview(
    inviter: Any,
    email: str,
    *,
    recipient_name: str = "",
    note: str = "",
    language: str = "",
    site_id: int | None = None,
    days: Days = "default",
    destination: str | None = None,
) -> MailPreview:
    """Return the email that ``invite`` would send, with a link that opens nothing.

    Fields that are not given come from the pending invitation to the address, if there is one.

    Writes no row and spends nothing, so the number of invitations left does not matter. Raises
    ``NoPreview`` if the site's delivery has no preview or a template fails. Raises what ``invite``
    raises for the same address, texts and choices.
    """
    fields = checked_fields(
        inviter,
        email,
        recipient_name=recipient_name,
        note=note,
        days=days,
        destination=destination,
    )
    site_id = sites.current_site_id() if site_id is None else site_id
    invitation = InvitationKey(
        from_user=inviter,
        from_site=inviter is None,
        site_id=site_id,
        email_key=addresses.canonical(fields["email"]),
        language=language,
        **fields,
    )
    _keep(invitation)
    try:
        invitation.language = language_for(inviter, invitation.language)
        mail = get_delivery().preview(invitation)
    except Exception as error:
        # A template or a delivery of the site may raise anything. The member can still go on with
        # the form, and the log has the error.
        logger.error("The email has no preview:\n%s", keys.conceal(traceback.format_exc()))  # noqa: TRY400
        raise NoPreview() from error
    if mail is None:
        raise NoPreview()
    return mail


def _keep(invitation: InvitationKey) -> None:
    """Fill the empty fields from the pending invitation that would be renewed."""
    left_out = [name for name in KEPT if not getattr(invitation, name)]
    if left_out:
        renewed = InvitationKey.objects.filter(pending_slot=invitation.slot())
        for name, value in (renewed.values(*left_out).first() or {}).items():
            setattr(invitation, name, value)
