"""Tell clients apart, and let none of them measure what is done for another.

A page that anybody may ask for an email must not say whose address it knows, neither in words nor
by the time that it takes. So the answer is sent first, and everything that depends on the address
comes after it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from ipaddress import AddressValueError, IPv4Address, IPv6Address, IPv6Network

from django.http import HttpRequest, HttpResponseBase
from django.utils import translation

from invitation.conf import conf
from invitation.exceptions import MailLimitReached
from invitation.flows import pacing

logger = logging.getLogger(__name__)


def client_address(request: HttpRequest) -> str:
    """Return what tells clients apart: the address of the connection, unless the site knows better.

    What a header such as X-Forwarded-For says is the client's to choose. Only a site that knows its
    proxy can go by it: see INVITATION_CLIENT_ADDRESS.
    """
    rule = conf.client_address
    return str((rule(request) if rule else request.META.get("REMOTE_ADDR")) or "")


def networks_of(request: HttpRequest) -> tuple[str, ...]:
    """Return the networks of the client, the narrowest first; none where nothing is known of it."""
    address = client_address(request)
    return tuple(dict.fromkeys((network(address), network(address, 48)))) if address else ()


def network(address: str, bits: int = 64) -> str:
    """Return the network that one client has: an IPv4 address, or so many bits of an IPv6 one."""
    try:
        client = IPv6Address(address)
    except AddressValueError:
        return address
    mapped: IPv4Address | None = client.ipv4_mapped
    return str(mapped or IPv6Network((int(client) >> (128 - bits) << (128 - bits), bits)))


def afterwards(response: HttpResponseBase, step: Callable[[], bool]) -> None:
    """Do a step when the client has the whole answer: as the server closes it.

    The step tells whether it has sent an email. If not, time passes as if it had: else the
    connection, or the next request that this process takes, would tell. Whatever it raises is
    logged. A client over its limit knows that, and waits for nothing.
    """
    language, close = translation.get_language(), response.close

    def close_at_last() -> None:
        # The server may close it once more.
        vars(response)["close"] = close
        try:
            with translation.override(language):
                _take(step)
        finally:
            close()

    vars(response)["close"] = close_at_last


def _take(step: Callable[[], bool]) -> None:
    begun = time.monotonic()
    sent = False
    try:
        sent = step()
    except MailLimitReached as error:
        if error.code == "client_limit_reached":
            return
    except Exception:  # the visitor has gone, and nobody else is to see it
        logger.exception("An email that a visitor asked for was not sent.")
        return
    if sent:
        pacing.note(time.monotonic() - begun)
    else:
        pacing.pass_time(begun)
