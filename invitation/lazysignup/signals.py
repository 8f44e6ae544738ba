"""Signals of this app, sent after the commit."""

from __future__ import annotations

from django.dispatch import Signal

#: A visitor has become a guest. Arguments: ``user``, ``request`` (or ``None``).
guest_created = Signal()
#: A guest has become a regular user. Argument: ``user``.
converted = Signal()
#: A guest has logged in to another account, and what could move has moved. Arguments: ``guest_id``,
#: ``user``, ``moved`` (a list of texts).
merged = Signal()
