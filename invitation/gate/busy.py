"""What a request does when the database undoes its changes because of others."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from django.db import DatabaseError, OperationalError, connections
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render

from invitation.exceptions import Busy
from invitation.flows.after_commit import is_unavailable, repeat
from invitation.gate.keeping_guests import innermost, renew_guest
from invitation.gate.protecting import protect

logger = logging.getLogger(__name__)

BUSY_TEMPLATE = "invitation/busy.html"
#: HTTP status of the page, and the seconds after which a program may try again.
STATUS, RETRY_AFTER = 503, 5
PLAIN = "text/plain; charset=utf-8"

T = TypeVar("T")
View = Callable[..., HttpResponseBase]


def answering_busy(view: View) -> View:
    """Return the view, with a page in place of the error if the database undid its changes.

    A transaction of the site around the view is rolled back.
    """

    @wraps(view)
    def page(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return view(request, *args, **kwargs)
        except Busy as error:
            return answer_busy(request, error)
        except OperationalError as error:
            if not is_unavailable(error):
                raise
            response = answer_busy(request, error)
            for connection in connections.all(initialized_only=True):
                if connection.in_atomic_block:
                    connection.set_rollback(True)
            return response

    return page


def answer_busy(request: HttpRequest, error: Exception) -> HttpResponse:
    """Return the page that asks the visitor to try again."""
    note_busy(error)
    try:
        response = render(request, BUSY_TEMPLATE)
    except DatabaseError:
        # The header of the page asks the database who is logged in.
        response = HttpResponse(str(Busy()), content_type=PLAIN)
    ask_again_later(response)
    protect(response)
    return response


def note_busy(error: Exception) -> None:
    """Log that a visitor is asked to try again, so that the administrators can count it."""
    cause = error.__cause__ or error
    logger.warning("A request was not carried out, because the database undid it: %s", cause)


def ask_again_later(response: HttpResponseBase) -> None:
    """Set the status and the header that tell a program when to try again."""
    response.status_code = STATUS
    response["Retry-After"] = str(RETRY_AFTER)


class Visit:
    """State of a request that a view may change before a rollback: session, user and messages."""

    def __init__(self, request: HttpRequest) -> None:
        self._request = request
        self._user = vars(request).get("user")
        holders = (vars(request).get(name) for name in ("session", "_messages"))
        self._kept = [(holder, _copied(vars(holder))) for holder in holders if holder is not None]

    def restore(self) -> None:
        """Restore the state that the request had in the beginning."""
        if self._user is not None:
            self._request.user = self._user
        for holder, kept in self._kept:
            key = getattr(holder, "session_key", None)
            vars(holder).clear()
            # Copied again: the next try changes these, too.
            vars(holder).update(_copied(kept))
            own = getattr(holder, "session_key", None)
            lost = own not in (None, key) and "_session_cache" in kept and not holder.exists(own)
            if lost:
                # A login has deleted the old session where no rollback brings it back.
                holder.save(must_create=True)


def _copied(attributes: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes of an object, with copies of its lists and of a session's data."""
    return {name: _copy(value) for name, value in attributes.items()}


def _copy(value: Any) -> Any:
    if isinstance(value, list):
        return list(value)  # Not deeper: the storages of messages know the request.
    return copy.deepcopy(value) if isinstance(value, dict) else value


def repeat_visit(
    request: HttpRequest, attempt: Callable[[], T], renew: Callable[[], None] | None = None
) -> T:
    """Call a function, and call it again if the database undoes its transaction; see ``repeat``.

    Each try begins with the session, the user and the messages that the request had before.
    ``renew`` is called before another try, and makes new what the function has saved. After an
    error, the session is as it was before.
    """
    visit = Visit(request)
    tried = 0

    def again() -> T:
        nonlocal tried
        tried += 1
        if tried > 1:
            renew_guest(innermost(request))
            if renew is not None:
                renew()
        try:
            return attempt()
        except Exception:
            visit.restore()
            raise

    return repeat(again)
