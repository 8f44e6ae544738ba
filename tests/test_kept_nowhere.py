"""No cache keeps a page of ours: nearly all of them show somebody's address or name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings as site
from django.contrib import admin
from django.http import HttpResponse
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from invitation import routes
from invitation.addresses.recipients import Recipient
from invitation.flows import lists, sharing
from invitation.keys import unsubscribing
from invitation.models import InvitationKey
from tests import scenes

pytestmark = [pytest.mark.django_db, pytest.mark.anywhere]

URLCONFS = (
    "tests.urls",
    "tests.urls_simple",
    "tests.urls_verified",
    "tests.urls_admin_approval",
    "invitation.backends.classic.urls",
)
SHARED = {pattern.name for pattern in routes.urlpatterns}
#: Django's own pages around accounts, which show nobody but who is looking at them.
DJANGOS = re.compile(r"auth_|password_|login$|logout$")


def named(patterns: list[Any]) -> Iterator[URLPattern]:
    """Yield every page that is not Django's own, however deep it is included."""
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            if pattern.namespace != "admin":
                yield from named(pattern.url_patterns)
        elif pattern.name and pattern.name != "home" and not DJANGOS.match(pattern.name):
            yield pattern


def own(urlconf: str) -> Iterator[URLPattern]:
    """Yield the pages of a URLconf; of all but the first only those that not all of them share."""
    for pattern in named(get_resolver(urlconf).url_patterns):
        if urlconf == URLCONFS[0] or pattern.name not in SHARED:
            yield pattern


@pytest.fixture
def stage(member: Any, member_client: Client, commit: Callable[..., Any]) -> dict[str, Any]:
    """Return what stands in the addresses of the pages: rows of the member's."""
    with commit():
        personal = scenes.invite(member, "ann@example.com")
        shared = sharing.share(
            scenes.may_share(member), label="", max_uses=3, expires_at=None, word="seeds"
        )
        batch = lists.invite_many(member, [Recipient(1, "bob@example.com")])
    return {
        "pk": personal.pk,
        "shared": shared.pk,
        "batch": batch.id,
        "token": unsubscribing.make_token("ann@example.com"),
        "word": "seeds",
        "invitation_key": personal.mail_key,
        "activation_key": "0" * 64,
        "profile_id": 1,
    }


def address(pattern: URLPattern, stage: dict[str, Any]) -> str:
    """Return the address of a page; a page with a new kind of argument needs an entry above."""
    values = stage | ({"pk": stage["shared"]} if "shared" in str(pattern.name) else {})
    kwargs = {name: values[name] for name in pattern.pattern.regex.groupindex}
    return reverse(str(pattern.name), kwargs=kwargs)


def sent_away(response: HttpResponse) -> bool:
    """Tell whether Django's middleware has answered: the visitor has to log in first."""
    asks = any("LoginRequiredMiddleware" in name for name in site.MIDDLEWARE)
    return asks and response.status_code == 302 and site.LOGIN_URL in response["Location"]


def kept_nowhere(response: HttpResponse) -> bool:
    said = {part.strip() for part in response.headers.get("Cache-Control", "").split(",")}
    return {"no-store", "private"} <= said


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("urlconf", URLCONFS)
def test_every_answer_of_every_page_says_so(
    settings: Any, stage: dict[str, Any], member: Any, urlconf: str, method: str
) -> None:
    settings.ROOT_URLCONF = urlconf
    pages = list(own(urlconf))
    people = list(visitors(member, stage["invitation_key"]))
    answered = set()
    for pattern in pages:
        for visitor in people:
            response = getattr(visitor, method)(address(pattern, stage))
            if response.status_code not in (404, 405):
                answered.add(pattern.name)
                kept = kept_nowhere(response) or sent_away(response)
                assert kept, (pattern.name, response.status_code)
    assert answered
    if method == "get":
        assert {pattern.name for pattern in pages} == answered


def visitors(member: Any, key: str) -> Iterator[Client]:
    """Yield a stranger, an invited person, the member, and one of the staff."""
    yield Client()
    invited = Client()
    invited.cookies["invitation_key"] = invited.cookies["invitation_ended_key"] = key
    yield invited
    signed_in, boss = Client(), Client()
    signed_in.force_login(member)
    yield signed_in
    boss.force_login(scenes.make_user("boss", is_superuser=True))
    yield boss


def test_nor_is_any_page_of_the_admin_kept(stage: dict[str, Any]) -> None:
    boss = Client()
    boss.force_login(scenes.make_user("boss", is_staff=True, is_superuser=True))
    inviter = InvitationKey.objects.first().from_user_id  # type: ignore[union-attr]
    pages = [reverse("admin:invitation_acceptance_tree", args=[inviter])]
    for model in admin.site._registry:
        if model._meta.app_label == "invitation":
            name = f"admin:invitation_{model._meta.model_name}"
            pages.append(reverse(f"{name}_changelist"))
            row = model._default_manager.first()
            if row is not None:
                pages += [
                    reverse(f"{name}_{page}", args=[row.pk]) for page in ("change", "history")
                ]
    assert len(pages) > 5
    for page in pages:
        response = boss.get(page)
        assert kept_nowhere(response), page


def test_nor_is_a_table_of_the_admin(stage: dict[str, Any]) -> None:
    boss = Client()
    boss.force_login(scenes.make_user("boss", is_staff=True, is_superuser=True))
    chosen = [InvitationKey.objects.first().pk]  # type: ignore[union-attr]
    picked = {"action": "export", "_selected_action": chosen}
    response = boss.post(reverse("admin:invitation_invitationkey_changelist"), picked)
    assert "text/csv" in response["Content-Type"]
    assert kept_nowhere(response)
