"""The network address of a visitor, and work that is done after the answer.

A page can send an email to an address that anybody enters. It must not show whether it knows that
address, neither by its words nor by its time. So the answer is sent first. All work that depends on
the address comes afterwards.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase
from django.utils import translation

from invitation.addresses.networks import network
from invitation.conf import conf
from invitation.exceptions import MailLimitReached
from invitation.flows import mail

logger = logging.getLogger(__name__)

#: How many seconds the latest steps took that asked for an email, also where it could not leave.
_LATEST: deque[float] = deque(maxlen=10)


def client_address(request: HttpRequest) -> str:
    """Return the text that identifies a client, by default the address of the connection.

    A client can write anything into a header such as X-Forwarded-For. Only a site that knows its
    proxy can use it: see INVITATION_CLIENT_ADDRESS.
    """
    rule = conf.client_address
    return str((rule(request) if rule else request.META.get("REMOTE_ADDR")) or "")


def networks_of(request: HttpRequest) -> tuple[str, ...]:
    """Return the networks of the client, the smallest first.

    The result is empty if the address of the client is not known.
    """
    address = client_address(request)
    return tuple(dict.fromkeys((network(address), network(address, 48)))) if address else ()


def afterwards(response: HttpResponseBase, step: Callable[[], bool]) -> None:
    """Run a step after the client has received the whole answer, when the server closes it.

    The step returns whether it has sent an email. If not, this function waits as long as an email
    takes, or as long as a failure takes. Otherwise the time of the connection, or of the next
    request to this process, would show it. Exceptions of the step are logged. A client over its
    limit knows that already, so nothing waits for it.
    """
    language, close = translation.get_language(), response.close

    def close_at_last() -> None:
        # The server may call it a second time.
        vars(response)["close"] = close
        try:
            with translation.override(language):
                _take(step)
        finally:
            close()

    vars(response)["close"] = close_at_last


def _take(step: Callable[[], bool]) -> None:
    begun = time.monotonic()
    asked = False
    try:
        asked = step()
    except MailLimitReached as error:
        if error.code == "client_limit_reached":
            return
    except Exception:  # the answer is sent, so nobody can be told
        logger.exception("An email that a visitor asked for was not sent.")
        asked = True
    spent = time.monotonic() - begun
    if asked:
        _LATEST.append(spent)
    else:
        mail.wait(spent, like=_LATEST)
