"""Shared links: creating, changing, pausing and revoking them, and finding them by code."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from django.contrib.auth.models import Group
from django.db import IntegrityError
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

from invitation import addresses, keys, signals
from invitation.exceptions import (
    AlreadyShared,
    CodeNotFound,
    GuestForbidden,
    InvitingForbidden,
    NotPending,
    SharingForbidden,
    TooFewUses,
    TooManyAttempts,
    WordRefused,
)
from invitation.flows import quota
from invitation.flows.after_commit import announce, retrying, writing
from invitation.flows.arriving import Opened
from invitation.flows.inviting import end_shared, inviting_refusal, locked_link, set_groups
from invitation.keys import codes, sites
from invitation.models import InvitationKey
from invitation.models.managers import Held

CREATE = "invitation.create_shared_link"
UNLIMITED = "invitation.unlimited_shared_link"


def may_share(user: Any) -> bool:
    """Return whether this person may create shared links; their quota is not checked."""
    return sharing_refusal(user) is None


def sharing_refusal(user: Any) -> InvitingForbidden | None:
    """Return why this person may not create shared links, or ``None``; ignore their quota."""
    if quota.is_guest(user):
        return GuestForbidden()
    if not (user.is_authenticated and user.is_active and _has_perm(user, CREATE)):
        return SharingForbidden()
    return inviting_refusal(user)


def may_share_unlimited(user: Any) -> bool:
    """Return whether this person may create shared links for any number of people."""
    return may_share(user) and _has_perm(user, UNLIMITED)


def _has_perm(user: Any, permission: str) -> bool:
    # A custom user model may have no permissions.
    return bool(hasattr(user, "has_perm") and user.has_perm(permission))


@retrying
def share(
    inviter: Any,
    *,
    label: str,
    max_uses: int | None,
    expires_at: datetime | None,
    allowed_domains: Iterable[str] = (),
    groups: Collection[Group] = (),
    word: str = "",
    site_id: int | None = None,
    once: str = "",
) -> InvitationKey:
    """Create a shared link and spend its uses, in one transaction.

    ``max_uses=None`` allows any number of people and costs nothing. ``expires_at=None`` is for
    ever. If ``allowed_domains`` is not empty, only addresses at these domains can sign up. ``word``
    is the custom code. ``once`` is a text that a form carries. The same text creates no second
    link.

    Raises ``AlreadyShared``, ``SharingForbidden``, ``QuotaExceeded``, ``GroupRefused``,
    ``WordRefused``, and ``AddressRefused`` for a domain. After an error nothing has changed.
    """
    _check_may(inviter, max_uses)
    site_id = sites.current_site_id() if site_id is None else site_id
    # Fail early if the site has no URL for the link: nobody could see the link.
    sites.absolute(reverse("invitation_invited", args=["key"]), site_id)
    terms = _terms(label, max_uses, expires_at, allowed_domains, word)
    invitation = InvitationKey(from_user=inviter, site_id=site_id, shared=True, **terms)
    invitation.quota_held = max_uses or 0
    invitation.code_digest = codes.new_digest(invitation.locator, site_id)
    limits = [quota.Limit(f"share:{inviter.pk}:{once}", 1, quota.WINDOW_MAX)]
    try:
        # Before the transaction: SQLite may refuse a write after a read in the same transaction.
        _check_word_free(invitation)
    except WordRefused as error:
        # The first click on this form has already created the link.
        raise AlreadyShared() if once and quota.is_full(limits[0]) else error from None
    try:
        with writing():
            if once:
                quota.attempt(limits)
            if max_uses is not None:
                quota.spend(inviter, max_uses)
            invitation.save(force_insert=True)
            if max_uses is not None:
                quota.write_entry(inviter, -max_uses, quota.Reason.SHARED, invitation)
            set_groups(invitation, inviter, groups)
            announce(signals.invitation_created, invitation=invitation)
    except TooManyAttempts as error:
        raise AlreadyShared() from error
    except IntegrityError as error:
        raise _taken() from error
    return invitation


@retrying
def edit_shared(
    invitation: InvitationKey,
    *,
    label: str,
    max_uses: int | None,
    expires_at: datetime | None,
    allowed_domains: Iterable[str] = (),
    groups: Collection[Group] | None = None,
    word: str = "",
) -> None:
    """Change a pending shared link; spend more uses, or give back those that are removed.

    ``groups=None`` leaves the groups unchanged. Raises ``NotPending`` if the link has ended or
    expired, ``TooFewUses``, and what ``share`` raises. After an error nothing has changed.
    """
    terms = _terms(label, max_uses, expires_at, allowed_domains, word)
    try:
        with writing():
            # Lock the row before the quota, as in cleanup. The number of uses then stays until the
            # commit.
            row = locked_link(invitation)
            if row is None or row.status != row.Status.PENDING or row.key_expired():
                raise NotPending()
            _edit(row, terms, groups)
    except IntegrityError as error:
        raise _taken() from error
    invitation.refresh_from_db()


def _edit(row: InvitationKey, terms: dict[str, Any], groups: Collection[Group] | None) -> None:
    max_uses = terms["max_uses"]
    if max_uses is None and row.max_uses is not None:
        _check_may(row.from_user, None)
    if max_uses is not None and max_uses < row.uses:
        raise TooFewUses()
    row.word = terms["word"]
    _check_word_free(row)
    terms["quota_held"] = _pay(row, max_uses)
    if max_uses is not None and max_uses == row.uses:
        # No use is left, and no later sign-up will set the status.
        terms |= {"status": row.Status.ACCEPTED, "ended_at": timezone.now()}
    InvitationKey.objects.renew(row.pk, **terms)
    if groups is not None:
        set_groups(row, row.from_user, groups)


def _pay(row: InvitationKey, max_uses: int | None) -> int:
    """Spend or give back the difference for the free uses; return what the row then holds.

    The row is locked. Uses that are taken keep their price.
    """
    free = 0 if max_uses is None else max_uses - row.uses
    missing = free - row.given_back().amount
    if row.from_user is None or not missing:
        return row.quota_held
    if missing > 0:
        quota.spend(row.from_user, missing)
        quota.write_entry(row.from_user, -missing, quota.Reason.SHARED, row)
    else:
        held = Held(row.pk, row.from_user.pk, -missing, row.date_invited)
        quota.give_back([held], quota.Reason.RETURNED)
    return row.quota_held + missing


@retrying
def pause(invitation: InvitationKey) -> None:
    """Pause a shared link until ``resume``. Raises ``NotPending`` if it has ended."""
    with writing():
        if not InvitationKey.objects.pause(invitation.pk, timezone.now()):
            raise NotPending()
        invitation.refresh_from_db()


@retrying
def resume(invitation: InvitationKey) -> None:
    """Let a paused shared link work again. Raises ``NotPending`` if it has ended."""
    with writing():
        if not InvitationKey.objects.resume(invitation.pk, timezone.now()):
            raise NotPending()
        invitation.refresh_from_db()


def close(invitation: InvitationKey) -> None:
    """Revoke a shared link, and give back the uses that are left.

    Raises ``NotPending`` if it has ended.
    """
    end_shared(invitation)


@sensitive_variables("text", "code")
def open_code(text: object, site_id: int | None = None) -> Opened:
    """Return the shared link that a code or a custom code opens now.

    Runs one query, and none for any other text. Raises ``CodeNotFound``, or the ``KeyRefused`` that
    says why the link opens nothing. For attempts of strangers, use ``join``, which limits them.
    """
    site_id = sites.current_site_id() if site_id is None else site_id
    code = codes.normalise(text)
    if code is None:
        return open_word(text, site_id)
    found = InvitationKey.objects.filter(code_digest__in=codes.digests(code, site_id))
    return _open(found.on_site(site_id).select_related("from_user").first())


def open_word(text: object, site_id: int | None = None) -> Opened:
    """Return the shared link that a custom code opens now.

    Runs one query, and none for a text that cannot be a custom code. Raises ``CodeNotFound``, or
    the ``KeyRefused`` that says why the link opens nothing.
    """
    site_id = sites.current_site_id() if site_id is None else site_id
    word = codes.plain_word(text)
    if word is None:
        raise CodeNotFound()
    row = (
        InvitationKey.objects.on_site(site_id).filter(word=word).select_related("from_user").first()
    )
    # MariaDB treats letters with and without accents as equal.
    return _open(row if row is not None and row.word == word else None)


@sensitive_variables("text")
def join(text: object, limits: Sequence[quota.Limit], site_id: int | None = None) -> Opened:
    """Open a shared link with the text that a stranger typed, within these limits.

    Only wrong attempts are counted, also of simultaneous ones: many people in one room may use the
    same code. A text that cannot be a code costs no query. Raises ``TooManyAttempts``, and what
    ``open_code`` raises.
    """
    if codes.normalise(text) is None and codes.plain_word(text) is None:
        raise CodeNotFound()
    return quota.counting_refusals(limits, lambda: open_code(text, site_id))


def _open(row: InvitationKey | None) -> Opened:
    if row is None:
        raise CodeNotFound()
    refusal = row.refusal()
    if refusal is not None:
        raise refusal
    return Opened(row, keys.COPY, row.key)


def _check_may(inviter: Any, max_uses: int | None) -> None:
    # The member of this link was deleted, so there are no permissions to check.
    if inviter is None:
        raise SharingForbidden()
    refusal = sharing_refusal(inviter)
    if refusal is not None:
        raise refusal
    if max_uses is None and not may_share_unlimited(inviter):
        message = _("You may not create links for any number of people.")
        raise SharingForbidden(message)


def _terms(
    label: str,
    max_uses: int | None,
    expires_at: datetime | None,
    allowed_domains: Iterable[str],
    word: str,
) -> dict[str, Any]:
    """Return the fields that owners choose, each in its stored form."""
    if max_uses is not None and max_uses < 1:
        raise ValueError("A shared link is for at least one person.")
    return {
        "label": " ".join(label.split()),
        "max_uses": max_uses,
        "expires_at": expires_at,
        "allowed_domains": sorted({addresses.clean_domain(domain) for domain in allowed_domains}),
        "word": codes.check_word(word) if word else None,
    }


def _check_word_free(row: InvitationKey) -> None:
    """Raise ``WordRefused`` if another row has the custom code.

    Without this check, the failing write would lock the other row.
    """
    if row.word is not None:
        others = InvitationKey.objects.on_site(row.site_id).exclude(pk=row.pk)
        if others.filter(word=row.word).exists():
            raise _taken()


def _taken() -> WordRefused:
    return WordRefused(_("This custom code is taken. Choose another one."), code="word_taken")
