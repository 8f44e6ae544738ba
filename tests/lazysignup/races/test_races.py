"""Cleanup against conversion and activity, and limits: nothing is lost, and no limit is passed."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone

from invitation.lazysignup import guests, late_login
from invitation.lazysignup.exceptions import NotLazyError, TooManyGuests
from invitation.lazysignup.forms import ConvertForm
from invitation.lazysignup.models import GuestCounter, LazyUser
from tests.lazysignup.people import NAME_FIELD, answers
from tests.lazysignup.shop.models import Item
from tests.races.arena import Arena

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.row_locks]
User = get_user_model()
LONG = timedelta(days=99)
numbers = count()


def make_expired(number: int) -> list[Any]:
    """Return guests who have expired, each with a thing in the basket."""
    made = []
    for _ in range(number):
        address = f"g{next(numbers)}@guest.invalid"
        made.append(User(**({"email": address} | {NAME_FIELD: address}), password="!" + address))
    User._default_manager.bulk_create(made)
    guests = list(User._default_manager.filter(email__in=[user.email for user in made]))
    seen = timezone.now() - LONG
    LazyUser.objects.bulk_create([LazyUser(user=user, last_seen=seen) for user in guests])
    Item.objects.bulk_create([Item(owner=user, name="seed") for user in guests])
    return guests


def empty() -> None:
    """Delete everybody."""
    Item.objects.all().delete()
    LazyUser.objects.all().delete()
    User._default_manager.all().delete()


def clean(guests: list[Any], number: int) -> str:
    return f"cleaned {LazyUser.objects.delete_expired(batch_size=2)}"


def convert(guests: list[Any], number: int) -> Any:
    """Sign up as one of the guests, as the page does."""
    guest = guests[number % len(guests)]
    name = f"n{next(numbers)}@example.com"
    form = ConvertForm(answers(**({"email": name} | {NAME_FIELD: name})), instance=guest)
    assert form.is_valid(), form.errors
    try:
        return ("converted", LazyUser.objects.convert(form).pk)
    except NotLazyError:
        return ("too late", guest.pk)


def come_back(guests: list[Any], number: int) -> Any:
    """Visit the site, as the middleware records it."""
    guest = guests[number % len(guests)]
    return ("back" if LazyUser.objects.seen(guest.pk, timezone.now()) else "gone", guest.pk)


def told(outcomes: list[Any], word: str) -> set[Any]:
    return {one[1] for one in outcomes if isinstance(one, tuple) and one[0] == word}


def deleted(outcomes: list[Any]) -> int:
    return sum(int(one.split()[1]) for one in outcomes if isinstance(one, str))


def test_no_converted_guest_loses_a_row(arena: Arena) -> None:
    rounds = Counter[str]()

    def after(guests: list[Any], outcomes: list[Any]) -> None:
        saved = told(outcomes, "converted")
        for pk in saved:
            assert User._default_manager.get(pk=pk).has_usable_password()
            assert Item.objects.filter(owner=pk).count() == 1
        left = set(User._default_manager.values_list("pk", flat=True))
        assert saved <= left
        assert len(left) + deleted(outcomes) == len(guests)
        # What nobody has saved has gone, or was locked by somebody who came too late.
        assert LazyUser.objects.filter(user__in=saved).count() == 0
        rounds["converted"] += len(saved)
        rounds["deleted"] += deleted(outcomes)
        empty()

    arena.race([clean, convert, convert], before=lambda _: make_expired(4), after=after)
    if arena.rounds >= 50:
        assert rounds["converted"] >= 10
        assert rounds["deleted"] >= 10


def test_no_guest_who_has_come_back_loses_a_row(arena: Arena) -> None:
    rounds = Counter[str]()

    def after(guests: list[Any], outcomes: list[Any]) -> None:
        back = told(outcomes, "back")
        for pk in back:
            assert LazyUser.objects.filter(user=pk).exists()
            assert Item.objects.filter(owner=pk).count() == 1
        for pk in told(outcomes, "gone"):
            assert not User._default_manager.filter(pk=pk).exists()
        rounds["back"] += len(back)
        rounds["deleted"] += deleted(outcomes)
        empty()

    arena.race([clean, come_back, come_back], before=lambda _: make_expired(4), after=after)
    if arena.rounds >= 50:
        assert rounds["back"] >= 10
        assert rounds["deleted"] >= 10


def test_cleanups_at_once_delete_each_guest_once(arena: Arena) -> None:
    def after(guests: list[Any], outcomes: list[Any]) -> None:
        left = User._default_manager.count()
        assert deleted(outcomes) + left == len(guests)
        # What all of them found locked by the others is left to the next cleanup.
        assert deleted(outcomes) > 0
        assert LazyUser.objects.delete_expired() == left
        assert not User._default_manager.exists()

    arena.race([clean], before=lambda _: make_expired(9), after=after)


def test_a_guest_signs_up_once_in_many_tabs(arena: Arena) -> None:
    def after(guests: list[Any], outcomes: list[Any]) -> None:
        assert [one[0] for one in outcomes].count("converted") == 1
        assert Item.objects.count() == 1
        empty()

    arena.race([convert], before=lambda _: make_expired(1), after=after)


def test_what_a_guest_has_moves_to_one_account(arena: Arena, monkeypatch: Any) -> None:
    """A late login beside the sign-up of the same guest: the thing is with one of the two."""

    def move(guest: Any, user: Any) -> list[str]:
        return ["moved"] * Item.objects.filter(owner=guest).update(owner=user)

    monkeypatch.setattr(late_login, "_handlers", {"move": move})

    def before(number: int) -> list[Any]:
        [guest] = make_expired(1)
        name = f"m{number}@example.com"
        member = User._default_manager.create_user(**({"email": name} | {NAME_FIELD: name}))
        return [guest, member]

    def merge(pair: list[Any], number: int) -> Any:
        try:
            return ("merged", len(late_login.merge(*pair)))
        except NotLazyError:
            return ("too late", 0)

    def after(pair: list[Any], outcomes: list[Any]) -> None:
        guest, member = pair
        moved = sum(told([one for one in outcomes if one[0] == "merged"], "merged"))
        converted = told(outcomes, "converted")
        owner = Item.objects.get().owner
        assert owner == (member if moved else guest)
        assert moved or converted == {guest.pk}
        empty()

    def sign_up(pair: list[Any], number: int) -> Any:
        return convert(pair[:1], number)

    arena.race([merge, sign_up], before=before, after=after)


@pytest.mark.parametrize("limit", [1, 5])
def test_no_limit_is_passed(arena: Arena, settings: Any, limit: int) -> None:
    settings.LAZYSIGNUP_LIMIT_PER_CLIENT, settings.LAZYSIGNUP_LIMIT = limit, None
    request = SimpleNamespace(META={"REMOTE_ADDR": "192.0.2.1"})

    def ask(stage: None, number: int) -> int:
        made = 0
        for _ in range(3):
            try:
                guests.count(request)
            except TooManyGuests:
                continue
            made += 1
        return made

    def after(stage: None, outcomes: list[Any]) -> None:
        assert sum(outcomes) == limit
        assert GuestCounter.objects.get().number == limit
        GuestCounter.objects.all().delete()

    arena.race([ask], before=lambda _: None, after=after)


def test_an_hour_begins_once(arena: Arena) -> None:
    """All of them find that the hour is over: it begins again, and the limit holds."""

    def before(number: int) -> None:
        old = timezone.now() - timedelta(hours=2)
        GuestCounter.objects.create(scope="x", begun=old, number=3)

    def after(stage: None, outcomes: list[Any]) -> None:
        assert outcomes.count(True) == 3
        GuestCounter.objects.all().delete()

    def take(stage: None, number: int) -> bool:
        try:
            GuestCounter.objects.take("x", 3)
        except TooManyGuests:
            return False
        return True

    arena.race([take], before=before, after=after)
