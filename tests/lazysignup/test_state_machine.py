"""Guests do anything in any order: no row of a person who has signed up is ever lost."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import time_machine
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import transaction
from django.test import Client
from django.utils import timezone as clock
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from invitation.lazysignup import late_login
from invitation.lazysignup.models import LazyUser
from tests.examples import examples
from tests.lazysignup.people import NAME_FIELD, PASSWORD, PERSON, answers
from tests.lazysignup.shop.models import Item

User = get_user_model()
NOON = datetime(2026, 3, 29, 12, tzinfo=timezone.utc)
BROWSERS = range(3)
browsers = st.sampled_from(BROWSERS)
#: Hours between two visits: often few, sometimes more than a guest or a session lives.
HOURS = st.sampled_from([0.1, 0.9, 1.1, 30, 24 * 7, 24 * 13.9, 24 * 14.1, 24 * 20])


def move(guest: Any, user: Any) -> list[str]:
    return ["item"] * Item.objects.filter(owner=guest).update(owner=user)


class Visitors(RuleBasedStateMachine):
    """A few browsers, a few people, and a model of what each of them owns."""

    @initialize(moves=st.booleans())
    def begin(self, moves: bool) -> None:
        self.atomic = transaction.atomic()
        self.atomic.__enter__()
        self.travel = time_machine.travel(NOON, tick=False)
        self.now = self.travel.start()
        self.clients = [Client(headers=PERSON) for _ in BROWSERS]
        #: Who is logged in where, and when they were last there, by browser.
        self.who: dict[int, int] = {}
        self.members: set[int] = set()
        self.owners: dict[int, int] = {}
        self.seen: dict[int, datetime] = {}
        self.names = 0
        self.moves = moves
        late_login._handlers.clear()
        if moves:
            late_login.register(move)

    def teardown(self) -> None:
        if hasattr(self, "travel"):
            late_login._handlers.clear()
            self.travel.stop()
            transaction.set_rollback(True)
            self.atomic.__exit__(None, None, None)

    def account_in(self, browser: int) -> int | None:
        key = self.clients[browser].session.get("_auth_user_id")
        return int(key) if key and User._default_manager.filter(pk=key).exists() else None

    def look_around(self, browser: int) -> None:
        """Note who is there, and that they are."""
        account = self.account_in(browser)
        if account is None:
            self.who.pop(browser, None)
        else:
            self.who[browser] = account
            self.seen[account] = clock.now()

    @rule(browser=browsers)
    def visit(self, browser: int) -> None:
        self.clients[browser].get("/who/")
        self.look_around(browser)

    @rule(browser=browsers)
    def act(self, browser: int) -> None:
        """Put something into the basket, as a guest or as a member."""
        before = set(Item.objects.values_list("pk", flat=True))
        assert self.clients[browser].post("/put/", {"name": "seed"}).status_code == 200
        self.look_around(browser)
        [made] = set(Item.objects.values_list("pk", flat=True)) - before
        self.owners[made] = self.who[browser]

    @rule(browser=browsers, other=browsers)
    def use_two_browsers(self, browser: int, other: int) -> None:
        """Let another browser be logged in to the same account."""
        account = self.account_in(browser)
        if account is not None and account == self.who.get(browser):
            self.clients[other].force_login(User._default_manager.get(pk=account))
            self.clients[other].get("/who/")
            self.look_around(other)

    @rule(browser=browsers)
    def convert(self, browser: int) -> None:
        self.names += 1
        name = f"p{self.names}@example.com"
        given = answers(**({"email": name} | {NAME_FIELD: name}))
        guest = self.account_in(browser)
        response = self.clients[browser].post("/convert/", given)
        assert response.status_code == (403 if guest is None else 302)
        if guest is not None and guest not in self.members:
            account = User._default_manager.get(pk=guest)
            assert account.check_password(PASSWORD)
            assert self.account_in(browser) == guest
            self.members.add(guest)
            # Other browsers of the same guest are logged out.
            for other in BROWSERS:
                if other != browser and self.who.get(other) == guest:
                    assert self.clients[other].get("/who/").content == b"nobody"
        self.look_around(browser)

    @rule(browser=browsers, other=browsers)
    def log_in_elsewhere(self, browser: int, other: int) -> None:
        """Log in to the account of somebody who has signed up."""
        if not self.members:
            return
        member = sorted(self.members)[other % len(self.members)]
        guest = self.account_in(browser)
        name = User._default_manager.get(pk=member).get_username()
        self.clients[browser].get("/remember/")
        response = self.clients[browser].post(
            "/accounts/login/", {"username": name, "password": PASSWORD}
        )
        assert response.status_code == 302
        self.look_around(browser)
        assert self.who[browser] == member
        if guest is None or guest not in self.members:
            assert self.clients[browser].session["basket"] == ["seed"]
        if guest is not None and guest not in self.members and self.moves:
            for item, owner in self.owners.items():
                if owner == guest:
                    self.owners[item] = member

    @rule(browser=browsers)
    def log_out(self, browser: int) -> None:
        self.clients[browser].post("/accounts/logout/")
        self.who.pop(browser, None)

    @rule(hours=HOURS)
    def time_passes(self, hours: float) -> None:
        self.now.shift(timedelta(hours=hours))

    @rule(size=st.integers(1, 3), dry_run=st.booleans())
    def clean_up(self, size: int, dry_run: bool) -> None:
        before = set(User._default_manager.values_list("pk", flat=True))
        call_command("remove_expired_users", batch_size=size, dry_run=dry_run, verbosity=0)
        gone = before - set(User._default_manager.values_list("pk", flat=True))
        assert not (dry_run and gone)
        assert not gone & self.members
        for account in gone:
            assert clock.now() - self.seen[account] > timedelta(days=14)
        self.owners = {item: owner for item, owner in self.owners.items() if owner not in gone}

    @invariant()
    def no_row_is_lost(self) -> None:
        if not hasattr(self, "owners"):
            return
        assert dict(Item.objects.values_list("pk", "owner")) == self.owners
        kept = User._default_manager.filter(pk__in=self.members)
        assert kept.count() == len(self.members)
        assert not LazyUser.objects.filter(user__in=self.members).exists()
        guests = User._default_manager.exclude(pk__in=self.members)
        assert LazyUser.objects.filter(user__in=guests).count() == guests.count()


@pytest.mark.django_db
def test_no_row_of_a_person_who_has_signed_up_is_lost() -> None:
    steps = hypothesis_settings(max_examples=examples(50), stateful_step_count=25)
    run_state_machine_as_test(Visitors, settings=steps)
