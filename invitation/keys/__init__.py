"""Know what opens an invitation: keys and codes, and the links that carry them."""

from invitation.keys.links import (
    CHANNELS,
    COPY,
    KEY_LENGTH,
    MAIL,
    Resolved,
    Row,
    channel_of,
    make,
    new_locator,
    resolve,
)
from invitation.keys.written import (
    ACTIVATION,
    LOCATOR_BYTES,
    LOCATOR_LENGTH,
    PATTERN,
    SIGNATURE_LENGTH,
    Secret,
    SecretMarkup,
    conceal,
    mask,
    trim,
)

__all__ = [
    "ACTIVATION",
    "CHANNELS",
    "COPY",
    "KEY_LENGTH",
    "LOCATOR_BYTES",
    "LOCATOR_LENGTH",
    "MAIL",
    "PATTERN",
    "SIGNATURE_LENGTH",
    "Resolved",
    "Row",
    "Secret",
    "SecretMarkup",
    "channel_of",
    "conceal",
    "make",
    "mask",
    "new_locator",
    "resolve",
    "trim",
]
