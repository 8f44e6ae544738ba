"""Keep headers whole whose value is one address: a mail program has to find it as it was written.

Python folds a line of more than 78 characters, though RFC 5322 (2.1.1) allows 998. Its newer way of
doing so, which Django has from 6.0 on, makes encoded words of an address that is too long for one
line, which RFC 2047 does not allow there, and which no mail program decodes in List-Unsubscribe.
"""

from __future__ import annotations

from email.header import Header
from email.headerregistry import HeaderRegistry, UnstructuredHeader
from email.message import Message
from email.policy import EmailPolicy, Policy
from typing import Any

#: The headers that are never folded.
WHOLE = ("List-Unsubscribe",)


class _WholeHeader(UnstructuredHeader):
    """Be a header of Django 6 that stays in one line."""

    def fold(self, *, policy: Policy) -> str:
        """Return the line as it is."""
        name: str = self.name  # type: ignore[attr-defined]  # of the class that this is mixed into
        return f"{name}: {self}{policy.linesep}"


class _WholeText(Header):
    """Be the value of a header of Django 5 that stays in one line."""

    def encode(self, *args: Any, **kwargs: Any) -> str:
        """Return the value as it is."""
        return str(self)


def whole(policy: EmailPolicy) -> EmailPolicy:
    """Return a policy by which these headers are not folded."""
    registry = HeaderRegistry()
    for name in WHOLE:
        registry.map_to_type(name.lower(), _WholeHeader)  # type: ignore[arg-type]
    return policy.clone(header_factory=registry)


def keep_whole(message: Message) -> None:
    """Let a message stay unfolded at these headers that was made by none of the newer policies."""
    for name in WHOLE:
        value = message[name]
        if value is not None and not hasattr(value, "fold"):
            message.replace_header(name, _WholeText(str(value)))  # type: ignore[arg-type]
