"""How a form fits the invitation that its visitor carries."""

from __future__ import annotations

from typing import Any

import pytest
from django import forms

from invitation import keys
from invitation.backends import fields
from invitation.flows import arriving
from tests import scenes

pytestmark = pytest.mark.django_db


class NameForm(forms.Form):
    name = forms.CharField()


class AddressForm(forms.Form):
    email = forms.EmailField()


class OwnForm(forms.Form):
    email = forms.EmailField(label="Own words")


@pytest.mark.parametrize(
    ("form", "label"), [(AddressForm, "Email address"), (OwnForm, "Own words"), (NameForm, None)]
)
def test_the_label_of_the_host_is_replaced_and_a_label_of_the_site_stays(
    form: type[forms.Form], label: str | None
) -> None:
    class HostForm(forms.Form):
        email = forms.EmailField(label=AddressForm.base_fields["email"].label)

    bound = form()
    fields.label_email(bound, HostForm)
    email = bound.fields.get("email")
    assert (email and email.label) == label


@pytest.fixture
def opened(member: Any) -> arriving.Opened:
    invitation = scenes.invite(member)
    return arriving.Opened(invitation, keys.MAIL, invitation.mail_key)


def test_a_form_that_makes_no_row_gets_the_address_as_data(opened: arriving.Opened) -> None:
    form = NameForm({"name": "Ann"})
    assert form.is_valid()
    fields.give_invited_address(form, opened)
    assert form.cleaned_data == {"name": "Ann", "email": opened.invitation.email}


def test_what_the_site_fills_in_stays_where_any_address_may_sign_up(
    opened: arriving.Opened, settings: Any
) -> None:
    settings.INVITATION_EMAIL_POLICY = "any"
    form = AddressForm(initial={"email": "own@example.org"})
    fields.bind_invitation(form, opened)
    assert form["email"].initial == "own@example.org"
    assert "readonly" not in form.fields["email"].widget.attrs
