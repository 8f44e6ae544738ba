"""Login of a guest to an account that they have already: nothing is lost."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib import messages
from django.contrib.auth import get_user_model
from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import gettext as _

from invitation.lazysignup import signals
from invitation.lazysignup.guests import FLAG, OWN, is_lazy_user
from invitation.lazysignup.models import LazyUser

logger = logging.getLogger(__name__)

#: Function of an app that moves what a guest has to an account. It returns a text for each thing
#: that it moves.
Handler = Callable[[Any, Any], "Iterable[str] | None"]
_handlers: dict[str, Handler] = {}
#: Attribute of a request: the id of the guest whose session has ended, and what was in the session.
LEFT = "_lazysignup_left"


def register(handler: Handler) -> Handler:
    """Register a function that moves what a guest has in one app; also a decorator.

    It gets the guest and the account, and runs in the transaction of all handlers.
    """
    _handlers[f"{handler.__module__}.{handler.__qualname__}"] = handler
    return handler


def merge(guest: Any, user: Any, *, dry_run: bool = False) -> list[str]:
    """Move what a guest has to an account with all handlers, in one transaction.

    Returns the texts of the handlers: what has moved. With ``dry_run``, everything is rolled back,
    and they say what would move. The guest stays until it expires.
    """
    moved: list[str] = []
    with transaction.atomic():
        LazyUser.objects.hold(guest)
        for handler in _handlers.values():
            moved.extend(handler(guest, user) or ())
        if dry_run:
            transaction.set_rollback(True)
        else:
            send = partial(signals.merged.send_robust, sender=merge, guest_id=guest.pk)
            transaction.on_commit(partial(send, user=user, moved=moved))
    return moved


def watch(request: HttpRequest) -> None:
    """Keep what is in the session of a guest, if a login to another account ends that session."""
    session: Any = request.session
    flush, aflush = session.flush, session.aflush

    def keep() -> None:
        if FLAG in session:
            kept = {key: value for key, value in session.items() if key not in OWN}
            vars(request)[LEFT] = (session[FLAG], kept)

    def flush_and_keep() -> None:
        keep()
        flush()

    async def aflush_and_keep() -> None:
        await sync_to_async(keep)()
        await aflush()

    vars(session).update(flush=flush_and_keep, aflush=aflush_and_keep)


def settle(sender: Any, request: Any, user: Any, **kwargs: Any) -> None:
    """Give the session back what it held, and move what the guest has to the account.

    It receives all logins. The session then knows whether the account that has come is a guest.
    """
    request = getattr(request, "_request", request)  # that of an API framework wraps Django's
    if not hasattr(request, "session"):
        return
    guest_id, kept = vars(request).pop(LEFT, (None, {}))
    for key, value in kept.items():
        request.session.setdefault(key, value)
    if is_lazy_user(user):
        request.session[FLAG] = str(user.pk)
    if guest_id is None or guest_id == str(user.pk):
        return
    guest = get_user_model()._default_manager.filter(pk=guest_id).first()
    if guest is None or not guest.is_active or not is_lazy_user(guest):
        return
    text = _("What you did as a guest did not move to your account. It is kept for a while.")
    if _handlers:
        try:
            merge(guest, user)
        except Exception:
            # The person is logged in already, and nothing has moved. An error page would hide both.
            logger.exception("What guest %s has did not move to account %s.", guest.pk, user.pk)
        else:
            text = _("What you did as a guest is in your account now.")
    messages.info(request, text, fail_silently=True)
