"""Emails that tell inviters what happened to their invitations, if the site and they want it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import DatabaseError
from django.db.models import Q

from invitation import signals
from invitation.conf import conf
from invitation.flows import quota
from invitation.flows.after_commit import retrying, writing
from invitation.flows.mail.queueing import queue as queue_mail
from invitation.flows.mail.stop_reasons import wants_news
from invitation.models import Acceptance, InvitationEmail, InvitationKey
from invitation.models.moments import latest, since
from invitation.models.querysets import InvitationKeyQuerySet

logger = logging.getLogger(__name__)

#: Values that INVITATION_NOTIFY_INVITER may contain.
NEWS = (
    InvitationEmail.Kind.ACCEPTED.value,
    InvitationEmail.Kind.DECLINED.value,
    InvitationEmail.Kind.EXPIRED.value,
)
#: An inviter and a site: each site has its own emails.
Party = tuple[Any, int]
#: Least time between two emails about expired invitations; each email names all of them.
NEWS_PAUSE = timedelta(days=1)
#: How long expired invitations are kept for an email that has not left yet.
NEWS_KEPT = timedelta(days=7)
#: States of an email that is still to be written.
WAITING = (InvitationEmail.State.QUEUED, InvitationEmail.State.SENDING)


def connect() -> None:
    """Connect the receivers; ``apps.RECEIVERS`` names this module."""
    signals.invitation_activated.connect(_receive_activated, dispatch_uid="invitation.news")
    signals.invitation_accepted.connect(_receive_accepted, dispatch_uid="invitation.news")
    signals.invitation_declined.connect(_receive_declined, dispatch_uid="invitation.news")


# -- accepted and declined ----------------------------------------------------------------------


@retrying
def tell_of_answer(invitation: InvitationKey, kind: InvitationEmail.Kind) -> None:
    """Queue the email that tells an inviter that their invitation was accepted or declined.

    Call it after the commit, as for rewards: a failed email must not stop a person from answering.
    The owner of a shared link gets none. Many people use the link, and its page lists them.
    """
    if hears_of(invitation, kind):
        with writing():
            queue_mail(invitation, kind)


def hears_of(invitation: InvitationKey, kind: InvitationEmail.Kind) -> bool:
    """Return whether the inviter gets an email when this invitation is accepted or declined."""
    if not conf.INVITATION_NOTIFY_INVITER or invitation.shared:
        return False
    return _wants_news(invitation.from_user, kind)


def _wants_news(inviter: Any, kind: InvitationEmail.Kind) -> bool:
    try:
        return wants_news(inviter, kind)
    except DatabaseError:
        raise
    except Exception:  # a rule of the site: the person or cleanup must go on
        logger.exception("INVITATION_NOTIFY_INVITER has failed.")
        return False


def _receive_activated(sender: Any, invitation: InvitationKey, **kwargs: Any) -> None:
    tell_of_answer(invitation, InvitationEmail.Kind.ACCEPTED)


def _receive_declined(sender: Any, invitation: InvitationKey, **kwargs: Any) -> None:
    tell_of_answer(invitation, InvitationEmail.Kind.DECLINED)


def _receive_accepted(
    sender: Any, invitation: InvitationKey, acceptance: Acceptance, **kwargs: Any
) -> None:
    # A new account gets no email before it is active. Most spam accounts never become active.
    if not acceptance.new_account:
        tell_of_answer(invitation, InvitationEmail.Kind.ACCEPTED)


# -- expired ------------------------------------------------------------------------------------


def news_of_expiry(now: datetime, batch_size: int) -> Iterator[Callable[[], None]]:
    """Yield one callable for each email that tells an inviter which invitations expired lately.

    There is one email for each inviter, at least a day after the one before. Its text is written
    when it leaves. It names all invitations that expired since the first one not yet named.

    Run each callable in its own transaction, not in the one that marks the invitations as expired.
    Counting emails for many inviters there could deadlock with others that count for one of them.
    After a crash, the next run queues the missing emails, for up to a day.
    """
    if not conf.INVITATION_NOTIFY_INVITER:
        return
    recent = InvitationKey.objects.get_queryset().newsworthy()
    recent = recent.filter(since("ended_at", now - NEWS_PAUSE, now))
    inviters = recent.order_by("from_user_id").values_list("from_user_id", flat=True).distinct()
    last = None
    while batch := list((inviters.filter(from_user__gt=last) if last else inviters)[:batch_size]):
        last = batch[-1]
        rows = recent.filter(from_user__in=batch).order_by("from_user_id", "site_id")
        parties = list(rows.values_list("from_user_id", "site_id").distinct())
        # The last email of each party wins: they come in the order of their requests.
        before = {_party(mail.invitation): mail for mail in _news_to(parties, now)}
        for party in parties:
            first = _first_untold(recent, party, before.get(party))
            if first is not None and _wants_news(first.from_user, InvitationEmail.Kind.EXPIRED):
                yield partial(_tell_of_expiry, first, before.get(party), now)


def _first_untold(
    recent: InvitationKeyQuerySet, party: Party, mail: InvitationEmail | None
) -> InvitationKey | None:
    """Return the first of an inviter's expired invitations that no email names."""
    inviter, site_id = party
    rows = recent.filter(from_user=inviter, site_id=site_id)
    if mail is not None and mail.state in WAITING:
        return None
    if mail is not None:
        rows = rows.filter(ended_at__gt=mail.sent_at or mail.not_before)
    return rows.select_related("from_user").order_by("ended_at", "pk").first()


def _tell_of_expiry(first: InvitationKey, before: InvitationEmail | None, now: datetime) -> None:
    # Lock the row before any counter of emails. Of two cleanups, the second one waits here.
    InvitationKey.objects.lock([first.pk])
    quota.await_turn(f"expired:{first.from_user_id}:{first.site_id}")
    ended: Any = first.ended_at
    kind = InvitationEmail.Kind.EXPIRED
    own = InvitationEmail.objects.filter(invitation__from_user=first.from_user, kind=kind)
    told = own.filter(invitation__site_id=first.site_id, created_at__gte=ended)
    if told.filter(created_at__lte=latest(now)).exists():
        return
    not_before = now if before is None else max(now, before.created_at + NEWS_PAUSE)
    queue_mail(first, kind, now=ended, not_before=not_before)


def _party(invitation: InvitationKey) -> Party:
    return invitation.from_user_id, invitation.site_id


def _news_to(parties: Collection[Party], now: datetime) -> list[InvitationEmail]:
    """Return the emails about expired invitations that these parties wait for or got lately."""
    inviters = {inviter for inviter, _site in parties}
    waiting = Q(state__in=WAITING) & since("created_at", now - NEWS_KEPT, now)
    mails = InvitationEmail.objects.filter(waiting | since("created_at", now - NEWS_PAUSE, now))
    mails = mails.filter(kind=InvitationEmail.Kind.EXPIRED, invitation__from_user__in=inviters)
    return list(mails.select_related("invitation").order_by("created_at", "pk"))


def awaiting_news(batch: Collection[int], now: datetime) -> set[int]:
    """Return which of these invitations an email to their inviter must still name.

    Also return the invitation that records for a day that there was such an email. Runs two
    queries, and none if the site sends no such emails.
    """
    if not conf.INVITATION_NOTIFY_INVITER:
        return set()
    rows = list(InvitationKey.objects.get_queryset().newsworthy().filter(pk__in=batch))
    mails = _news_to({_party(row) for row in rows}, now)
    begins: dict[Party, datetime] = {}
    for mail in mails:
        if mail.state in WAITING:
            begins.setdefault(_party(mail.invitation), mail.created_at)
    remembered = {mail.invitation_id for mail in mails}
    for row in rows:
        begin = begins.get(_party(row))
        if begin is not None and row.ended_at is not None and row.ended_at >= begin:
            remembered.add(row.pk)
    return remembered
