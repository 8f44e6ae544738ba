"""What happens to the basket of a guest who logs in to an account they have."""

from __future__ import annotations

from typing import Any

from invitation.lazysignup import late_login
from seedlibrary.models import Reservation


@late_login.register
def move_reservations(guest: Any, user: Any) -> list[str]:
    """Move the packets of a guest into the basket of the account. Return what has moved."""
    has = Reservation.objects.filter(person=user).values("packet")
    moving = Reservation.objects.filter(person=guest).exclude(packet__in=has)
    names = [str(reservation) for reservation in moving.select_related("packet")]
    moving.update(person=user)
    return names
