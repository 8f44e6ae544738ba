"""Tell inviters what became of their invitations, where the site and they want it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q

from invitation import signals
from invitation.conf import conf
from invitation.flows.mailing import queue_mail
from invitation.flows.objections import wants_news
from invitation.models import Acceptance, InvitationEmail, InvitationKey

#: Inviter and site: the mails of each site are its own.
Party = tuple[Any, int]
#: An inviter gets one mail about expired invitations within this time, which names them all.
NEWS_PAUSE = timedelta(days=1)
#: How long what has expired is kept for a mail that does not leave.
NEWS_KEPT = timedelta(days=7)


def connect() -> None:
    """Connect the receivers; ``apps.py`` calls this."""
    signals.invitation_activated.connect(_receive_activated, dispatch_uid="invitation.news")
    signals.invitation_accepted.connect(_receive_accepted, dispatch_uid="invitation.news")


# -- accepted -----------------------------------------------------------------------------------


def tell_of_acceptance(invitation: InvitationKey) -> None:
    """Ask for the mail that says to an inviter that his invitation was accepted.

    After the commit, as rewards are given: a courtesy must not keep anybody from registering. A
    shared link's owner is spared: it is for many, and its page lists who came.
    """
    if not conf.INVITATION_NOTIFY_INVITER or invitation.shared:
        return
    if wants_news(invitation.from_user, InvitationEmail.Kind.ACCEPTED):
        with transaction.atomic():
            queue_mail(invitation, InvitationEmail.Kind.ACCEPTED)


def _receive_activated(sender: Any, invitation: InvitationKey, **kwargs: Any) -> None:
    tell_of_acceptance(invitation)


def _receive_accepted(
    sender: Any, invitation: InvitationKey, acceptance: Acceptance, **kwargs: Any
) -> None:
    # A new account is not worth a mail before it can be used, which most spam accounts never can.
    if not acceptance.new_account:
        tell_of_acceptance(invitation)


# -- expired ------------------------------------------------------------------------------------


def tell_of_expiry(expired: Collection[int], now: datetime) -> None:
    """Ask for the mails that say to inviters which invitations have expired just now.

    In the transaction that has marked them at this very moment. One mail for each inviter, a day
    at least after the one before: it is written when it leaves, and then names all that expired
    since it was asked for. Two cleanups at the same moment may ask for two.
    """
    if not conf.INVITATION_NOTIFY_INVITER:
        return
    rows = InvitationKey.objects.get_queryset().newsworthy().filter(pk__in=expired)
    first: dict[Party, InvitationKey] = {}
    for row in rows.select_related("from_user").order_by("pk"):
        first.setdefault(_party(row), row)
    kind = InvitationEmail.Kind.EXPIRED
    first = {party: row for party, row in first.items() if wants_news(row.from_user, kind)}
    # The latest one, as they are in the order in which they were asked for.
    before = {_party(mail.invitation): mail for mail in _news_to(first, now)}
    for party, row in first.items():
        mail = before.get(party)
        if mail is None or mail.state != InvitationEmail.State.QUEUED:
            not_before = now if mail is None else max(now, mail.created_at + NEWS_PAUSE)
            queue_mail(row, kind, now=now, not_before=not_before)


def _party(invitation: InvitationKey) -> Party:
    return invitation.from_user_id, invitation.site_id


def _news_to(parties: Collection[Party], now: datetime) -> list[InvitationEmail]:
    """Return the mails about expired invitations that these wait for or have got of late."""
    state, inviters = InvitationEmail.State, {inviter for inviter, _site in parties}
    waiting = Q(state__in=(state.QUEUED, state.SENDING), created_at__gt=now - NEWS_KEPT)
    mails = InvitationEmail.objects.filter(waiting | Q(created_at__gt=now - NEWS_PAUSE))
    mails = mails.filter(kind=InvitationEmail.Kind.EXPIRED, invitation__from_user__in=inviters)
    return list(mails.select_related("invitation").order_by("created_at", "pk"))


def awaiting_news(batch: Collection[int], now: datetime) -> set[int]:
    """Return which of these invitations a mail to their inviter has still to name.

    And the one by which it is remembered for a day that there was such a mail. Two queries, and
    none where nobody is told.
    """
    if not conf.INVITATION_NOTIFY_INVITER:
        return set()
    rows = list(InvitationKey.objects.get_queryset().newsworthy().filter(pk__in=batch))
    mails = _news_to({_party(row) for row in rows}, now)
    since: dict[Party, datetime] = {}
    for mail in mails:
        if mail.state in (InvitationEmail.State.QUEUED, InvitationEmail.State.SENDING):
            since.setdefault(_party(mail.invitation), mail.created_at)
    remembered = {mail.invitation_id for mail in mails}
    for row in rows:
        begin = since.get(_party(row))
        if begin is not None and row.ended_at is not None and row.ended_at >= begin:
            remembered.add(row.pk)
    return remembered
