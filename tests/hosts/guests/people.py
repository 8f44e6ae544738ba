"""What guests of these tests do, and what is left of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib.auth import get_user_model
from django.db import OperationalError
from django.db.models.signals import post_save
from django.test import Client

from invitation.lazysignup.models import LazyUser
from invitation.models import Acceptance, InvitationKey
from tests.lazysignup.shop.models import Item


def follow(client: Client, invitation: InvitationKey, channel: str = "mail_key") -> None:
    """Follow the link of an invitation."""
    client.get(f"/accounts/invited/{getattr(invitation, channel)}/")


def stays_a_guest(client: Client) -> bool:
    """Return whether nothing has changed for the only guest."""
    user = LazyUser.objects.get().user
    return (
        client.get("/who/").content.decode() == user.get_username()
        and Item.objects.get().owner == user
        and client.session["basket"] == ["seed"]
        and not Acceptance.objects.exists()
    )


@contextmanager
def undone_once() -> Iterator[list[tuple[Any, Any]]]:
    """Have the database undo the first sign-up; give each try with the key of its account."""
    tries: list[tuple[Any, Any]] = []

    def fail(instance: Any, **_: Any) -> None:
        if instance.username == "newcomer":
            tries.append((instance, instance.pk))
            if len(tries) == 1:
                raise OperationalError("database is locked")

    post_save.connect(fail, sender=get_user_model())
    try:
        yield tries
    finally:
        post_save.disconnect(fail, sender=get_user_model())
