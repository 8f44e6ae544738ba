"""Guests who are about to sign up, for the hosts that have any."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from tests.lazysignup.people import PERSON


@pytest.fixture
def guest(db: None) -> Client:
    """Browser of a guest who has put a seed into their basket."""
    client = Client(headers=PERSON)
    client.get("/remember/")
    client.post("/put/", {"name": "seed"})
    return client


@pytest.fixture
def account(guest: Client) -> Any:
    """Account of the guest."""
    from invitation.lazysignup.models import LazyUser

    return LazyUser.objects.get().user
