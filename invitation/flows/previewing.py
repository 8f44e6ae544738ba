"""Show what a mail will look like, before anything is written or sent."""

from __future__ import annotations

import logging
import traceback
from typing import Any

from invitation import addresses, keys, sites
from invitation.delivery.base import MailPreview, get_delivery
from invitation.exceptions import NoPreview
from invitation.flows.inviting import KEPT, Days, checked_fields
from invitation.flows.languages import language_for
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
    """Return the mail that ``invite`` would send, with a link that opens nothing.

    With what an open invitation to the address keeps where nothing is given.

    Writes no row and spends nothing, so it does not matter what is left of the quota. Raises
    ``NoPreview`` if the site's delivery shows none or a template fails, and what ``invite`` raises
    for the same address, texts and choices.
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
        # Whatever a template or a delivery of the site raises: the member has a form to go on
        # with, and the same error waits for whoever looks into the log.
        logger.error("The mail has no preview:\n%s", keys.conceal(traceback.format_exc()))  # noqa: TRY400
        raise NoPreview() from error
    if mail is None:
        raise NoPreview()
    return mail


def _keep(invitation: InvitationKey) -> None:
    """Fill in what the invitation keeps that would be renewed."""
    left_out = [name for name in KEPT if not getattr(invitation, name)]
    if left_out:
        renewed = InvitationKey.objects.filter(pending_slot=invitation.slot())
        for name, value in (renewed.values(*left_out).first() or {}).items():
            setattr(invitation, name, value)
