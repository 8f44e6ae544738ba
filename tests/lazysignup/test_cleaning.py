"""Guests who have not been here for long are deleted, and nobody else."""

from __future__ import annotations

import logging
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connection
from django.db.models.signals import post_delete, pre_delete
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from invitation.lazysignup import emptying
from invitation.lazysignup.management.commands.remove_expired_users import Command
from invitation.lazysignup.models import GuestCounter, LazyUser
from tests.lazysignup.people import answers, make_member
from tests.lazysignup.shop.models import Item, Order

pytestmark = pytest.mark.django_db
User = get_user_model()
LONG = timedelta(days=99)


def age(by: timedelta = LONG) -> None:
    """Let everybody have been here so long ago."""
    LazyUser.objects.update(last_seen=timezone.now() - by)


def make_guests(number: int) -> None:
    """Make guests who have expired, each with a thing."""
    name, start = User.USERNAME_FIELD, User._default_manager.count()
    rows = []
    for number_of_guest in range(start, start + number):
        address = f"g{number_of_guest}@guest.invalid"
        rows.append(User(**({"email": address} | {name: address}), password="!" + address))
    users = User._default_manager.bulk_create(rows)
    users = [
        row if row.pk else User._default_manager.get(**{name: getattr(row, name)}) for row in users
    ]
    LazyUser.objects.bulk_create([LazyUser(user=x, last_seen=timezone.now() - LONG) for x in users])
    Item.objects.bulk_create([Item(owner=user, name="seed") for user in users])


def test_who_has_not_been_here_is_deleted_with_everything(guest: Client) -> None:
    assert LazyUser.objects.delete_expired() == 0
    age()
    make_member()
    assert LazyUser.objects.delete_expired() == 1
    assert [user.has_usable_password() for user in User._default_manager.all()] == [True]
    assert not Item.objects.exists()


def test_activity_counts_and_not_the_age_of_the_guest(guest: Client) -> None:
    LazyUser.objects.update(created=timezone.now() - LONG)
    User._default_manager.update(last_login=timezone.now() - LONG)
    assert LazyUser.objects.delete_expired() == 0


def test_nobody_is_deleted_too_early(guest: Client, settings: Any) -> None:
    settings.LAZYSIGNUP_DAYS = 2
    # What is recorded may be an hour older than the last visit.
    for hours, number in ((48, 0), (48.9, 0), (49.1, 1)):
        age(timedelta(hours=hours))
        assert LazyUser.objects.expired().count() == number
    settings.LAZYSIGNUP_DAYS = None  # as long as a session
    age(timedelta(days=13))
    assert LazyUser.objects.expired().count() == 0
    age(timedelta(days=15))
    assert LazyUser.objects.expired().count() == 1


def test_who_comes_back_is_not_deleted(guest: Client) -> None:
    age()
    session = guest.session
    session["lazysignup_seen"] -= 7200
    session.save()
    guest.get("/who/")
    assert LazyUser.objects.delete_expired() == 0


def test_activity_is_written_once_an_hour(guest: Client) -> None:
    with CaptureQueriesContext(
        connection,
    ) as queries:
        for _ in range(5):
            guest.get("/who/")
    assert [q for q in queries if "UPDATE" in q["sql"]] == []
    session = guest.session
    session["lazysignup_seen"] -= 3700
    session.save()
    with CaptureQueriesContext(connection) as queries:
        for _ in range(5):
            guest.get("/who/")
    updates = [q["sql"] for q in queries if q["sql"].startswith("UPDATE")]
    assert [sql for sql in updates if "lazysignup_lazyuser" in sql] == updates[:1]


def test_a_clock_that_was_wrong_does_not_stop_the_records(guest: Client) -> None:
    session = guest.session
    session["lazysignup_seen"] += 10**9
    session.save()
    age()
    guest.get("/who/")
    assert LazyUser.objects.expired().count() == 0


def test_who_has_signed_up_is_never_deleted(guest: Client, account: Any) -> None:
    guest.post("/convert/", answers())
    age()
    User._default_manager.update(last_login=timezone.now() - LONG)
    assert LazyUser.objects.delete_expired() == 0
    assert User._default_manager.get() == account


def test_an_account_with_a_password_is_never_deleted(account: Any) -> None:
    account.set_password("given by staff")
    account.save()
    age()
    assert LazyUser.objects.delete_expired() == 0


def test_django_tells_what_is_deleted(account: Any) -> None:
    age()
    calls: list[Any] = []

    def hear(sender: Any, instance: Any, signal: Any, **_: Any) -> None:
        exists = User._default_manager.filter(pk=account.pk).exists()
        calls.append((signal is pre_delete, instance.pk, exists))

    for signal in (pre_delete, post_delete):
        signal.connect(hear, sender=User)
    try:
        LazyUser.objects.delete_expired()
    finally:
        for signal in (pre_delete, post_delete):
            signal.disconnect(hear, sender=User)
    assert calls == [(True, account.pk, True), (False, account.pk, False)]


def test_a_protected_guest_stays_and_all_others_go(caplog: Any) -> None:
    make_guests(9)
    keeper: Any = LazyUser.objects.order_by("pk")[4].user
    Order.objects.create(owner=keeper)
    with caplog.at_level(logging.WARNING, "invitation.lazysignup"):
        assert LazyUser.objects.delete_expired(batch_size=6) == 8
    assert [row.user for row in LazyUser.objects.all()] == [keeper]
    assert Item.objects.get().owner == keeper
    assert f"Guest {keeper.pk} stays" in caplog.text


def test_batches_delete_all() -> None:
    make_guests(7)
    assert LazyUser.objects.delete_expired(batch_size=3) == 7
    assert not LazyUser.objects.exists()


#: Statements of a table that the site, or Django, has beside guests and accounts.
OF_THE_SITE = ("shop_", "django_admin_log", "_groups", "_user_permissions")


@pytest.mark.parametrize("batches", [1, pytest.param(3, marks=pytest.mark.long)])
def test_a_thousand_guests_take_ten_queries(batches: int) -> None:
    def own(number: int) -> int:
        make_guests(number)
        with CaptureQueriesContext(connection) as queries:
            assert LazyUser.objects.delete_expired() == number
        told = [q["sql"] for q in queries]
        return sum(not any(table in sql for table in OF_THE_SITE) for sql in told)

    fixed = own(1)
    assert own(1000 * batches) - fixed <= 10 * batches
    assert own(1000) <= 10


def test_a_user_model_on_top_of_another_is_left_to_django(account: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(User._meta, "parents", {User: None})
    emptying.delete_accounts([account], "default")
    assert not User._default_manager.exists()


def test_old_counters_go_as_well(guest: Client) -> None:
    LazyUser.objects.delete_expired()
    assert GuestCounter.objects.exists()
    LazyUser.objects.delete_expired(timezone.now() + timedelta(hours=2))
    assert not GuestCounter.objects.exists()


# The command


@pytest.mark.parametrize("name", ["remove_expired_users", "delete_expired_users"])
def test_the_command_deletes_and_says_how_many(guest: Client, name: str) -> None:
    age()
    output = StringIO()
    call_command(name, dry_run=True, stdout=output)
    assert User._default_manager.exists()
    call_command(name, stdout=output)
    assert not User._default_manager.exists()
    call_command(name, verbosity=0, stdout=output)
    assert output.getvalue() == "Guests that would be deleted: 1\nGuests deleted: 1\n"


class OldestCommand(Command):
    """A subclass as the sites of lazysignup have it."""

    def to_delete(self) -> Any:
        return LazyUser.objects.filter(created__lte=timezone.now() - LONG)


def test_a_subclass_chooses_whom_to_delete(guest: Client) -> None:
    call_command(OldestCommand(), verbosity=0)
    assert LazyUser.objects.exists()
    LazyUser.objects.update(created=timezone.now() - 2 * LONG)
    call_command(OldestCommand(), batch_size=5, verbosity=0)
    assert not User._default_manager.exists()
