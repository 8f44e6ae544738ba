"""Headers that stay in one line, so that email programs find the address in them.

Python folds a line of more than 78 characters. RFC 5322 (2.1.1) allows 998. Django uses Python's
newer policy from 6.0 on. This policy turns a long address into encoded words. RFC 2047 does not
allow them there, and no email program decodes them in List-Unsubscribe.
"""

from __future__ import annotations

from email.header import Header
from email.headerregistry import HeaderRegistry, UnstructuredHeader
from email.message import Message
from email.policy import EmailPolicy, Policy
from typing import Any

#: Headers that are never folded.
WHOLE = ("List-Unsubscribe",)


class _WholeHeader(UnstructuredHeader):
    """Header that stays in one line, for Django 6."""

    def fold(self, *, policy: Policy) -> str:
        """Return the unfolded line."""
        name: str = self.name  # type: ignore[attr-defined]  # of the class that mixes this in
        return f"{name}: {self}{policy.linesep}"


class _WholeText(Header):
    """Header value that stays in one line, for Django 5."""

    def encode(self, *args: Any, **kwargs: Any) -> str:
        """Return the unchanged value."""
        return str(self)


def whole(policy: EmailPolicy) -> EmailPolicy:
    """Return a policy that does not fold these headers."""
    registry = HeaderRegistry()
    for name in WHOLE:
        registry.map_to_type(name.lower(), _WholeHeader)  # type: ignore[arg-type]
    return policy.clone(header_factory=registry)


def keep_whole(message: Message) -> None:
    """Keep these headers unfolded in a message that an older policy made."""
    for name in WHOLE:
        value = message[name]
        if value is not None and not hasattr(value, "fold"):
            message.replace_header(name, _WholeText(str(value)))  # type: ignore[arg-type]
