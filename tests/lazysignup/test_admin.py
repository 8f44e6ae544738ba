"""Guests in the admin."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client

from invitation.lazysignup.models import LazyUser
from tests.lazysignup.people import NAME_FIELD, PASSWORD
from tests.lazysignup.shop.models import Item, Order
from tests.lazysignup.test_cleaning import age

pytestmark = pytest.mark.django_db
User = get_user_model()
LIST = "/admin/lazysignup/lazyuser/"


@pytest.fixture
def staff(db: None) -> Client:
    fields = {NAME_FIELD: "staff@example.com", "email": "staff@example.com"}
    client = Client()
    client.force_login(User._default_manager.create_superuser(**fields, password=PASSWORD))
    return client


@pytest.fixture
def guests(db: None) -> list[Any]:
    return [LazyUser.objects.create_guest_user() for _ in range(3)]


def act(staff: Client, action: str, *rows: Any) -> str:
    data = {"action": action, "_selected_action": [row.pk for row in rows], "post": "yes"}
    return staff.post(LIST, data, follow=True).content.decode()


def test_the_list_shows_guests_with_few_queries(
    staff: Client, guests: Any, django_assert_max_num_queries: Any
) -> None:
    with django_assert_max_num_queries(5):
        page = staff.get(LIST).content.decode()
    for guest in guests:
        assert guest.get_username() in page
    assert "Expires" in page


def test_staff_search_by_name_and_address(staff: Client, guests: Any) -> None:
    guests[0].email = "one@example.com"
    guests[0].save()
    for word in (guests[0].get_username(), "one@example.com"):
        page = staff.get(LIST, {"q": word}).content.decode()
        assert guests[0].get_username() in page
        assert guests[1].get_username() not in page


def test_nobody_adds_or_changes_a_guest(staff: Client, guests: Any) -> None:
    row = LazyUser.objects.first()
    assert staff.get(f"{LIST}add/").status_code == 403
    page = staff.get(f"{LIST}{row.pk}/change/")
    assert page.status_code == 200
    assert 'name="_save"' not in page.content.decode()


def test_staff_make_regular_users_of_guests(staff: Client, guests: Any) -> None:
    first, second, _ = LazyUser.objects.order_by("pk")
    page = act(staff, "convert", first, second)
    assert "2 guests converted." in page
    assert LazyUser.objects.count() == 1
    assert User._default_manager.count() == 4
    assert "1 guest converted." in act(staff, "convert", LazyUser.objects.get())


def test_a_guest_who_signs_up_at_this_moment_is_left_out(
    staff: Client, guests: Any, monkeypatch: Any
) -> None:
    convert = LazyUser.objects.__class__.convert_account

    def late(manager: Any, user: Any) -> None:
        LazyUser.objects.filter(user=user).delete()
        convert(manager, user)

    monkeypatch.setattr(LazyUser.objects.__class__, "convert_account", late)
    assert "0 guests converted." in act(staff, "convert", LazyUser.objects.first())


def test_staff_delete_expired_guests(staff: Client, guests: Any) -> None:
    age()
    LazyUser.objects.filter(user=guests[0]).update(last_seen=LazyUser.objects.first().created)
    assert "2 guests deleted." in act(staff, "delete_expired", LazyUser.objects.first())
    assert LazyUser.objects.get().user == guests[0]


def test_who_deletes_a_guest_deletes_the_account(staff: Client, guests: Any) -> None:
    Item.objects.create(owner=guests[0], name="seed")
    one, *others = LazyUser.objects.order_by("pk")
    staff.post(f"{LIST}{one.pk}/delete/", {"post": "yes"})
    assert not User._default_manager.filter(pk=guests[0].pk).exists()
    assert not Item.objects.exists()
    act(staff, "delete_selected", *others)
    assert User._default_manager.count() == 1


def test_staff_read_what_a_deletion_takes_along(staff: Client, guests: Any) -> None:
    item = Item.objects.create(owner=guests[0], name="rare seed")
    one, *_ = LazyUser.objects.order_by("pk")
    choice = {"action": "delete_selected", "_selected_action": [one.pk]}
    for page in (staff.get(f"{LIST}{one.pk}/delete/"), staff.post(LIST, choice)):
        text = page.content.decode()
        assert str(guests[0]) in text
        assert str(item) in text


def test_staff_cannot_delete_a_guest_whom_a_protected_row_needs(staff: Client, guests: Any) -> None:
    Order.objects.create(owner=guests[0])
    one, *_ = LazyUser.objects.order_by("pk")
    page = staff.post(f"{LIST}{one.pk}/delete/", {"post": "yes"})
    assert (page.status_code, bool(page.context["protected"])) == (200, True)
    act(staff, "delete_selected", one)
    assert LazyUser.objects.filter(user=guests[0]).exists()


@pytest.mark.skipif(not hasattr(User, "user_permissions"), reason="a model without permissions")
def test_staff_need_no_permission_but_to_delete_guests(staff: Client, guests: Any) -> None:
    User._default_manager.filter(is_superuser=True).update(is_superuser=False)
    user = User._default_manager.get(email="staff@example.com")
    user.user_permissions.set(Permission.objects.filter(codename__endswith="_lazyuser"))
    act(staff, "delete_selected", *LazyUser.objects.all())
    assert User._default_manager.get() == user


def test_without_permission_nobody_acts(guests: Any, staff: Client) -> None:
    User._default_manager.filter(is_superuser=True).update(is_superuser=False)
    assert staff.get(LIST).status_code in (302, 403)
