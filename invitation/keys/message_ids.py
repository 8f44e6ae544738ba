"""Message-IDs of emails: how they are made and read.

    id = "<" number of the row in base 36 "." MAC "@" host of the site ">"
    MAC = HMAC-SHA256 of the number, with the invitation's locator as its key

An email has the same id in all attempts, without a column for it. Nobody can guess the id of an
email about another invitation. The ids do not depend on the signing keys, which may change between
two attempts. They change with the link: a mail program that knows the old email must show the new
one.
"""

from __future__ import annotations

import base64
import re
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured, ObjectDoesNotExist
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.http import base36_to_int, int_to_base36

from invitation.keys import sites

_SALT = "invitation:message id"
#: 128 bits in base32, in lower case.
MAC_LENGTH = 26
#: A row number has at most 13 digits in base 36.
_LOCAL_PART = re.compile(rf"([0-9a-z]{{1,13}})\.([a-z2-7]{{{MAC_LENGTH}}})@[^@]*")
_TEXT_LENGTH_MAX = 320
_PK_MAX = 2**63 - 1


def make(pk: int, locator: str, site_id: int) -> str:
    """Return the Message-ID of the email in this row, for the invitation with this locator."""
    return f"<{int_to_base36(pk)}.{_mac(pk, locator)}@{_host(site_id)}>"


def read(text: str) -> tuple[int, str] | None:
    """Return the row and the MAC in a Message-ID, with or without brackets, or ``None``.

    Anybody may have made it up: compare it with ``is_of``.
    """
    bare = text.strip().strip("<>").lower()
    found = _LOCAL_PART.fullmatch(bare) if len(bare) <= _TEXT_LENGTH_MAX else None
    if found is None:
        return None
    pk = base36_to_int(found[1])
    return (pk, found[2]) if pk <= _PK_MAX else None


def is_of(pk: int, locator: str, mac: str) -> bool:
    """Return whether this MAC was made for this row and locator."""
    return constant_time_compare(mac, _mac(pk, locator))


def _host(site_id: int) -> str:
    try:
        # A Message-ID is ASCII (RFC 5322, 3.6.4), as the links of a site are.
        host = urlsplit(sites.base_url(site_id)).hostname or ""
        return host.encode("idna").decode()
    except (ImproperlyConfigured, ObjectDoesNotExist):
        return "localhost"  # The site or its host is gone: its email fails when it is written.
    except UnicodeError:
        return "localhost"  # It is no host name: the system checks report it.


def _mac(pk: int, locator: str) -> str:
    mac = salted_hmac(_SALT, str(pk), secret=locator, algorithm="sha256").digest()
    return base64.b32encode(mac[:16]).decode().rstrip("=").lower()
