"""Know what an address is, and read and write lists of them."""

from invitation.addresses.cleaning import (
    LENGTH_MAX,
    LOCAL_LENGTH_MAX,
    canonical,
    clean,
    clean_domain,
    display,
    domain_of,
    mailbox,
    of_member,
    same,
    to_ascii,
    to_unicode,
)

__all__ = [
    "LENGTH_MAX",
    "LOCAL_LENGTH_MAX",
    "canonical",
    "clean",
    "clean_domain",
    "display",
    "domain_of",
    "mailbox",
    "of_member",
    "same",
    "to_ascii",
    "to_unicode",
]
