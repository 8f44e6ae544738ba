"""The admin shows of each model only what its reader may see of that model."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.test import Client, RequestFactory
from django.urls import reverse

from invitation.admin.exporting import ExportMixin
from invitation.models import (
    Acceptance,
    InvitationEmail,
    InvitationKey,
    InvitationQuota,
    QuotaEntry,
)
from tests.factories import make_invitation, make_mail, make_user
from tests.staff import act, note, staff, text_of

pytestmark = [pytest.mark.django_db, pytest.mark.each_case]

INVITER, NEWCOMER, ADDRESS, GROUP = "inviter-name", "newcomer-name", "secret@example.org", "Board"
#: Which permission shows each of them.
OPENERS = {
    INVITER: "view_user",
    "inviter-name@example.com": "view_user",
    NEWCOMER: "view_user",
    ADDRESS: "view_invitationkey",
    GROUP: "view_group",
}
MODELS = [Acceptance, InvitationKey, InvitationEmail, InvitationQuota, QuotaEntry]


@pytest.fixture(autouse=True)
def rows() -> dict[Any, Any]:
    """Return a row of each model that leads to the others."""
    inviter = make_user(INVITER)
    invitation = make_invitation(inviter, ADDRESS, status="accepted", uses=1)
    invitation.groups.add(Group.objects.create(name=GROUP))
    made: dict[Any, Any] = {
        InvitationKey: invitation,
        Acceptance: Acceptance.objects.create(invitation=invitation, user=make_user(NEWCOMER)),
        InvitationQuota: InvitationQuota.objects.create(inviter=inviter, granted=7, spent=2),
        QuotaEntry: note(inviter, 5, invitation=invitation),
        InvitationEmail: make_mail(invitation, last_error=f"550 <{ADDRESS}> is unknown"),
    }
    make_mail(invitation, kind=InvitationEmail.Kind.ACCEPTED)
    return made


def own(model: Any, verb: str = "view") -> str:
    return f"{verb}_{model._meta.model_name}"


def list_of(model: Any) -> str:
    return reverse(f"admin:invitation_{model._meta.model_name}_changelist")


def pages(client: Client, row: Any) -> str:
    """Return all that this reader finds about a row: list, page, tree, file."""
    name = f"admin:invitation_{row._meta.model_name}"
    addresses = [list_of(row), reverse(f"{name}_change", args=[row.pk])]
    if isinstance(row, Acceptance):
        accounts = (row.user_id, row.invitation.from_user_id)
        addresses += [reverse(f"{name}_tree", args=[account]) for account in accounts]
    texts = [text_of(client.get(address)) for address in addresses]
    if hasattr(admin.site._registry[type(row)], "export"):
        answer = act(client, list_of(row), "export", row)
        texts.append(b"".join(answer.streaming_content).decode())
    return "\n".join(texts)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("verb", ["view", "change"])
def test_one_permission_shows_nothing_of_other_models(
    rows: dict[Any, Any], model: Any, verb: str
) -> None:
    text = pages(staff(own(model, verb)), rows[model])
    others = [secret for secret, opener in OPENERS.items() if opener != own(model)]
    assert [secret for secret in others if secret in text] == []


@pytest.mark.parametrize("model", MODELS)
def test_with_the_others_it_shows_what_they_allow(rows: dict[Any, Any], model: Any) -> None:
    client = staff(*{own(model), "view_user", "view_invitationkey", "view_group"})
    text = pages(client, rows[model])
    assert INVITER in text
    assert (ADDRESS in text) is (model is not InvitationQuota)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("secret", [INVITER, NEWCOMER, ADDRESS])
def test_a_search_does_not_tell_what_the_list_hides(model: Any, secret: str) -> None:
    client = staff(own(model))
    found = client.get(list_of(model), {"q": secret}).context["cl"].result_count
    other = client.get(list_of(model), {"q": "nobody-at-all"}).context["cl"].result_count
    assert found == other or OPENERS[secret] == own(model)


@pytest.mark.parametrize(
    ("model", "lookup"),
    [
        (Acceptance, "user__username__startswith"),
        (Acceptance, "invitation__email__startswith"),
        (InvitationKey, "from_user__username__startswith"),
        (InvitationEmail, "invitation__email__startswith"),
        (InvitationQuota, "inviter__email__startswith"),
        (QuotaEntry, "inviter__username__startswith"),
    ],
)
def test_a_handmade_filter_does_not_tell_it_either(model: Any, lookup: str) -> None:
    client = staff(own(model))
    for value in ("i", "zzz"):
        assert client.get(list_of(model), {lookup: value}).status_code in (302, 400)


@pytest.mark.parametrize("order", ["1", "2", "3", "-2"])
@pytest.mark.parametrize("model", MODELS)
def test_what_is_hidden_sorts_nothing(model: Any, order: str) -> None:
    page = staff(own(model)).get(list_of(model), {"o": order})
    sorted_by = str(page.context["cl"].queryset.query.order_by)
    assert "user" not in sorted_by
    assert "inviter" not in sorted_by
    assert "invitation" not in sorted_by


def test_the_form_for_a_quota_names_nobody(rows: dict[Any, Any]) -> None:
    client = staff("add_invitationquota", "view_invitationquota")
    typed = {"inviter": rows[InvitationQuota].inviter_id, "granted": "-1"}
    text = text_of(client.post(reverse("admin:invitation_invitationquota_add"), typed))
    assert INVITER not in text
    assert f'name="inviter" value="{typed["inviter"]}"' in text


def test_a_quota_is_made_for_a_member_whose_name_is_hidden(rows: dict[Any, Any]) -> None:
    client = staff("add_invitationquota", "view_invitationquota")
    other = make_user("other-name")
    typed = {"inviter": other.pk, "granted": "3"}
    response = client.post(reverse("admin:invitation_invitationquota_add"), typed, follow=True)
    assert InvitationQuota.objects.get(inviter=other).granted == 3
    assert "other-name" not in text_of(response)


def test_the_accounts_below_an_invitation_are_numbers(rows: dict[Any, Any]) -> None:
    client = staff("view_invitationkey", "view_acceptance")
    address = reverse("admin:invitation_invitationkey_change", args=[rows[InvitationKey].pk])
    text = text_of(client.get(address))
    assert f"#{rows[Acceptance].user_id}" in text
    assert NEWCOMER not in text


def test_what_is_exported_is_all_unless_it_is_guarded() -> None:
    class Plain(ExportMixin, admin.ModelAdmin):  # type: ignore[type-arg]
        export_fields = ("pk", "granted")

    request = RequestFactory().get("/")
    assert Plain(InvitationQuota, admin.site).get_export_fields(request) == ("pk", "granted")


def test_an_account_model_that_the_admin_does_not_show_goes_by_its_permissions(
    rows: dict[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(admin.site._registry, get_user_model())
    both = staff("view_acceptance", "view_user")
    alone = staff("view_acceptance", name="clerk2")
    assert NEWCOMER in pages(both, rows[Acceptance])
    assert NEWCOMER not in pages(alone, rows[Acceptance])


def test_a_row_of_a_deleted_account_has_no_number(rows: dict[Any, Any]) -> None:
    get_user_model().objects.filter(username__in=[INVITER, NEWCOMER]).delete()
    client = staff("view_acceptance")
    text = text_of(client.get(list_of(Acceptance)))
    assert "#None" not in text
