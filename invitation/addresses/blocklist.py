"""The addresses that nobody may invite: INVITATION_BLOCKED_RECIPIENTS.

An entry of the list is

- a domain: ``example.com`` or ``@example.com``, without its subdomains
- a domain with a wildcard: ``*.example.com``, all of its subdomains
- an address: ``ann@example.com``
- an address with a wildcard: ``noreply@*``

``*`` stands for any characters. No other character has a special meaning. Upper and lower case are
the same. A domain may be in its own script or in its ASCII form.

The setting can also be a callable, or its dotted path. The callable takes an address and returns
whether it is blocked.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from fnmatch import translate
from functools import lru_cache
from typing import NamedTuple

from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from invitation.addresses import cleaning
from invitation.conf import conf
from invitation.exceptions import AddressBlocked

#: Characters of an entry, after its domain was changed to the ASCII form.
_DOMAIN = re.compile(r"[a-z0-9_*-]+(\.[a-z0-9_*-]+)*")
_LOCAL_PART = re.compile(r"[\x21-\x3f\x41-\x7e]+")


class Blocklist(NamedTuple):
    """Entries of the setting, sorted by how an address is compared with them."""

    #: Domains and addresses without a wildcard.
    plain: frozenset[str]
    domains: tuple[re.Pattern[str], ...]
    addresses: tuple[re.Pattern[str], ...]

    def holds(self, address: str) -> bool:
        """Return whether an address in its canonical form is on the list."""
        domain = address.rpartition("@")[2]
        if address in self.plain or domain in self.plain:
            return True
        if any(pattern.match(domain) for pattern in self.domains):
            return True
        return any(pattern.match(address) for pattern in self.addresses)


def check(email: str) -> None:
    """Raise ``AddressBlocked`` for an address that nobody may invite."""
    check_key(cleaning.canonical(email))


def check_key(email_key: str) -> None:
    """Raise ``AddressBlocked`` for a blocked address that is canonical already."""
    is_blocked = get_rule()
    if is_blocked(email_key):
        raise AddressBlocked()


def get_rule() -> Callable[[str], object]:
    """Return the callable that decides whether an address in its canonical form is blocked.

    Raises ``ImproperlyConfigured`` for a bad entry. Errors of the import are not caught.
    """
    blocked = conf.INVITATION_BLOCKED_RECIPIENTS
    if isinstance(blocked, str):
        rule: Callable[[str], object] = import_string(blocked)
        return rule
    return blocked if callable(blocked) else compile_entries(tuple(blocked)).holds


@lru_cache(maxsize=8)
def compile_entries(entries: tuple[str, ...]) -> Blocklist:
    """Return the ``Blocklist`` of these entries.

    Raises ``ImproperlyConfigured`` for a bad entry.
    """
    plain: set[str] = set()
    wild: dict[bool, list[re.Pattern[str]]] = {True: [], False: []}
    for entry in entries:
        canonical = _canonical(entry)
        if "*" not in canonical:
            plain.add(canonical)
        else:
            literal = canonical.replace("[", "[[]").replace("?", "[?]")
            wild["@" in canonical].append(re.compile(translate(literal)))
    return Blocklist(frozenset(plain), tuple(wild[False]), tuple(wild[True]))


def _canonical(entry: object) -> str:
    """Return an entry in the form of ``addresses.canonical``; a domain without its @.

    Raises ``ImproperlyConfigured`` for a bad entry.
    """
    bad = f"INVITATION_BLOCKED_RECIPIENTS holds {entry!r}, which is no address and no domain."
    if not isinstance(entry, str):
        raise ImproperlyConfigured(bad)
    local, at, domain = entry.rpartition("@")
    try:
        domain = ".".join(_ascii(label) for label in domain.split("."))
    except UnicodeError as error:  # idna.IDNAError is a subclass
        raise ImproperlyConfigured(bad) from error
    # A name without a dot is not a domain of the internet. It would block nothing.
    if not _DOMAIN.fullmatch(domain) or not ("." in domain or "*" in domain):
        raise ImproperlyConfigured(bad)
    if not local:
        return domain
    if not _LOCAL_PART.fullmatch(local):
        raise ImproperlyConfigured(bad)
    return f"{local}{at}{domain}".lower()


def _ascii(label: str) -> str:
    """Return a label of a domain in its ASCII form (IDNA 2008), in lower case."""
    if label.isascii():
        return label.lower()
    import idna  # large tables

    # Each letter is lowered alone, as in ``addresses``: a final sigma is a different letter.
    lowered = unicodedata.normalize("NFC", "".join(char.lower() for char in label))
    return idna.encode(lowered).decode()
