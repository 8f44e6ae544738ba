"""Keep the addresses that get no more invitations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models

if TYPE_CHECKING:
    from invitation.models import SuppressedAddress  # noqa: F401 (named in a text)


class SuppressedAddressManager(models.Manager["SuppressedAddress"]):
    """Write one row for each address, however often it is suppressed."""
