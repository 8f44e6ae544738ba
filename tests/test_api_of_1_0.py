"""Every name of django-invitation 1.0 still works.

Settings, URLs, templates with their context, methods of model and manager, views, parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from django.core import mail
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import include, path, resolve, reverse
from django.utils import timezone
from registration.forms import RegistrationFormTermsOfService

from invitation import views
from invitation.exceptions import AddressRefused, QuotaExceeded
from invitation.forms import InvitationKeyForm
from invitation.models import InvitationKey, InvitationQuota
from tests import scenes
from tests.scenes import COMPLETE, INVITE, LANDING, NEWCOMER, REGISTER, answers

pytestmark = [pytest.mark.django_db, pytest.mark.anywhere]
Commit = Callable[..., Any]


@pytest.fixture
def invitation(member: Any) -> InvitationKey:
    return scenes.invite(member)


class TestSettings:
    @pytest.mark.parametrize("days", [1, 30])
    def test_account_invitation_days(self, settings: Any, member: Any, days: int) -> None:
        settings.ACCOUNT_INVITATION_DAYS = days
        invitation = scenes.invite(member)
        assert invitation.expires_at is not None
        left = invitation.expires_at - timezone.now()
        assert timedelta(days=days) - timedelta(minutes=1) < left <= timedelta(days=days + 1)

    def test_invitations_per_user(self, settings: Any, member: Any) -> None:
        settings.INVITATIONS_PER_USER = 1
        scenes.invite(member)
        with pytest.raises(QuotaExceeded):
            scenes.invite(member, "other@example.com")

    def test_invite_mode(self, settings: Any) -> None:
        assert Client().get(REGISTER).status_code == 403
        settings.INVITE_MODE = False
        assert Client().get(REGISTER).status_code == 200


class TestUrls:
    @pytest.mark.parametrize(
        ("name", "address"),
        [
            ("invitation_invite", INVITE),
            ("invitation_complete", COMPLETE),
            ("registration_register", REGISTER),
        ],
    )
    def test_the_names_lead_where_they_led(self, name: str, address: str) -> None:
        assert reverse(name) == address

    @pytest.mark.parametrize("give", ["args", "kwargs"])
    def test_the_link_takes_the_key(self, invitation: InvitationKey, give: str) -> None:
        key = invitation.key
        given: Any = {"args": [key]} if give == "args" else {"kwargs": {"invitation_key": key}}
        assert reverse("invitation_invited", **given) == f"/accounts/invited/{key}/"

    def test_a_key_of_1_0_is_a_friendly_page(self) -> None:
        response = Client().get(scenes.link("0123456789abcdef" * 2 + "01234567"))
        assert (response.status_code, scenes.flags(response)) == (404, {"invalid_key"})

    @pytest.mark.parametrize("urlconf", ["tests.urls", "tests.urls_before_redux"])
    def test_the_include_gates_register(self, settings: Any, urlconf: str) -> None:
        settings.ROOT_URLCONF = urlconf
        assert resolve(REGISTER).func.view_class.__module__.startswith("invitation.")
        assert Client().post(REGISTER, answers()).status_code == 403


class TestTemplates:
    """Each template can be overridden alone, and finds in its context what it found in 1.0."""

    @pytest.fixture
    def override(self, settings: Any, tmp_path: Path) -> Callable[[str, str], None]:
        """Call it with a template's name and text: the site has its own one then."""

        def write(name: str, text: str) -> None:
            file = tmp_path / name
            file.parent.mkdir(exist_ok=True)
            file.write_text(text)
            settings.TEMPLATES = [settings.TEMPLATES[0] | {"DIRS": [tmp_path]}]

        return write

    def test_invitation_form(self, override: Any, member_client: Client) -> None:
        override(
            "invitation/invitation_form.html",
            "the form of its own: {{ form.email.name }} {{ remaining_invitations }}",
        )
        assert member_client.get(INVITE).content == b"the form of its own: email 10"
        assert b"the form of its own" not in member_client.get(COMPLETE).content

    def test_invitation_complete(self, override: Any, member_client: Client) -> None:
        override("invitation/invitation_complete.html", "own")
        assert member_client.get(COMPLETE).content == b"own"

    def test_invited(self, override: Any, invitation: InvitationKey) -> None:
        override("invitation/invited.html", "own: {{ invitation_key }}")
        page = scenes.visit(invitation).get(LANDING).content.decode()
        assert page == f"own: {invitation.mail_key}"

    def test_wrong_invitation_key(self, override: Any) -> None:
        override("invitation/wrong_invitation_key.html", "own: {{ invalid_key }}")
        assert Client().get(scenes.link("x")).content == b"own: True"

    def test_registration_form(self, override: Any, invitation: InvitationKey) -> None:
        override(
            "registration/registration_form.html", "own: {{ invitation_key }} {{ form.email.name }}"
        )
        page = scenes.visit(invitation).get(REGISTER).content.decode()
        assert page == f"own: {invitation.mail_key} email"

    def test_base(self, override: Any, member_client: Client) -> None:
        override("invitation/base.html", "own {% block title %}{% endblock %}")
        for address in (INVITE, COMPLETE, LANDING):
            assert member_client.get(address).content.startswith(b"own")

    @pytest.mark.parametrize(
        "name", ["invitation_email_subject.txt", "invitation_email.txt", "invitation_email.html"]
    )
    def test_the_mail(self, override: Any, member: Any, commit: Commit, name: str) -> None:
        text = "own: {{ invitation_key }} {{ expiration_days }} {{ site.domain }}"
        override(f"invitation/{name}", text)
        with commit():
            invitation = scenes.invite(member)
        [sent] = mail.outbox
        html = [str(content) for content, _ in getattr(sent, "alternatives", [])]
        # Beside a text of the site, our HTML would say something else.
        assert len(html) == (name != "invitation_email.txt")
        parts = {
            "invitation_email_subject.txt": sent.subject,
            "invitation_email.txt": sent.body,
            "invitation_email.html": "".join(html),
        }
        assert parts.pop(name) == f"own: {invitation.mail_key} 7 example.com"
        assert not any("own:" in str(part) for part in parts.values())

    def test_a_form_of_1_0_posts_its_key_along(
        self, override: Any, invitation: InvitationKey
    ) -> None:
        override(
            "registration/registration_form.html",
            '<input type="hidden" name="invitation_key" value="{{ invitation_key }}">',
        )
        client = Client()
        page = client.get(REGISTER, {"invitation_key": invitation.key}).content.decode()
        key = page.split('value="')[1].split('"')[0]
        client.cookies.clear()
        assert client.post(REGISTER, answers(invitation_key=key)).status_code == 302


class TestModel:
    def test_key(self, invitation: InvitationKey) -> None:
        assert InvitationKey.objects.get_key(invitation.key) == invitation

    def test_date_invited(self, invitation: InvitationKey) -> None:
        assert timezone.now() - invitation.date_invited < timedelta(minutes=1)

    def test_from_user(self, invitation: InvitationKey, member: Any) -> None:
        assert invitation.from_user == member

    def test_key_expired(self, invitation: InvitationKey) -> None:
        assert not invitation.key_expired()
        scenes.end(invitation, "expired")
        invitation.refresh_from_db()
        assert invitation.key_expired()

    def test_send_to(self, member: Any, commit: Commit) -> None:
        invitation = InvitationKey.objects.create_invitation(member)
        with commit():
            invitation.send_to(NEWCOMER)
        [sent] = mail.outbox
        assert sent.to == [NEWCOMER]
        assert scenes.visit(invitation).post(REGISTER, answers()).status_code == 302

    def test_send_to_a_bad_address(self, member: Any) -> None:
        invitation = InvitationKey.objects.create_invitation(member)
        with pytest.raises(AddressRefused):
            invitation.send_to("a@b@c")


class TestManager:
    def test_create_invitation(self, member: Any, commit: Commit) -> None:
        with commit():
            invitation = InvitationKey.objects.create_invitation(member)
        assert (invitation.from_user, invitation.email) == (member, "")
        assert InvitationQuota.objects.get().spent == 1
        assert mail.outbox == []

    def test_is_key_valid(self, invitation: InvitationKey) -> None:
        assert InvitationKey.objects.is_key_valid(invitation.key)
        scenes.end(invitation, "expired")
        assert not InvitationKey.objects.is_key_valid(invitation.key)

    @pytest.mark.parametrize("key", ["", "x", None, 7, b"x", ["x"], object(), "a\0", "x" * 66])
    def test_what_is_no_key(self, key: object) -> None:
        assert InvitationKey.objects.get_key(key) is None
        assert not InvitationKey.objects.is_key_valid(key)

    def test_get_key_of_an_ended_invitation(self, invitation: InvitationKey) -> None:
        scenes.end(invitation, "used")
        assert InvitationKey.objects.get_key(invitation.key) == invitation

    def test_remaining_invitations_for_user(self, settings: Any, member: Any) -> None:
        remaining = InvitationKey.objects.remaining_invitations_for_user
        assert remaining(member) == 10
        scenes.invite(member)
        assert remaining(member) == 9
        settings.INVITATIONS_PER_USER = 0
        assert remaining(member) == 0

    def test_delete_expired_keys(self, member: Any) -> None:
        gone, kept = scenes.invite(member), scenes.invite(member, "other@example.com")
        scenes.end(gone, "expired")
        revoked = scenes.invite(member, "revoked@example.com")
        scenes.end(revoked, "revoked")
        assert InvitationKey.objects.delete_expired_keys() == 1
        assert set(InvitationKey.objects.all()) == {kept, revoked}


class PoliteForm(InvitationKeyForm):
    """A site's own form."""

    def clean_note(self) -> str:
        note = super().clean_note()
        if "please" not in note:
            raise ValidationError("Say please.")
        return note


class TestViews:
    """The views are callables that a URLconf can use, with options."""

    @pytest.fixture
    def site(self, settings: Any) -> Callable[..., None]:
        """Call it with ``(address, view, options)``: the site has them before the include."""

        def make(address: str, view: Callable[..., Any], options: dict[str, Any]) -> None:
            urlconf = ModuleType("a_site_of_1_0")
            urlconf.urlpatterns = [  # type: ignore[attr-defined]
                path(address, view, options),
                path("", include("tests.urls")),
            ]
            settings.ROOT_URLCONF = urlconf

        return make

    @pytest.fixture
    def own_template(self, settings: Any, tmp_path: Path) -> str:
        (tmp_path / "own.html").write_text("{{ form.email.name }}, {{ greeting }}")
        settings.TEMPLATES = [settings.TEMPLATES[0] | {"DIRS": [tmp_path]}]
        return "own.html"

    def test_invite(self, site: Any, member_client: Client) -> None:
        site("invite/", views.invite, {})
        assert member_client.get("/invite/").context["remaining_invitations"] == 10
        response = member_client.post("/invite/", {"email": NEWCOMER})
        assert response["Location"] == COMPLETE

    def test_invite_asks_visitors_to_log_in(self, site: Any) -> None:
        site("invite/", views.invite, {})
        assert Client().get("/invite/")["Location"].startswith("/accounts/login/")

    def test_invite_with_a_template_and_a_context(
        self, site: Any, member_client: Client, own_template: str
    ) -> None:
        options = {"template_name": own_template, "extra_context": {"greeting": "hello"}}
        site("invite/", views.invite, options)
        assert member_client.get("/invite/").content == b"email, hello"

    def test_invite_with_a_form_and_an_address_to_go_to(
        self, site: Any, member_client: Client
    ) -> None:
        site("invite/", views.invite, {"form_class": PoliteForm, "success_url": "/thanks/"})
        response = member_client.post("/invite/", {"email": NEWCOMER})
        assert response.context["form"].errors == {"note": ["Say please."]}
        response = member_client.post("/invite/", {"email": NEWCOMER, "note": "Come, please."})
        assert response["Location"] == "/thanks/"

    def test_invited(self, site: Any, invitation: InvitationKey) -> None:
        site("join/<invitation_key>/", views.invited, {})
        client = Client()
        assert client.get(f"/join/{invitation.key}/")["Location"] == LANDING
        assert client.get(LANDING).context["invitation"] == invitation

    @pytest.mark.parametrize("key", ["", "x"])
    def test_invited_without_a_good_key(self, site: Any, key: str) -> None:
        site("join/", views.invited, {"invitation_key": key} if key else {})
        assert Client().get("/join/").status_code == 404

    def test_register(self, site: Any, invitation: InvitationKey) -> None:
        site("join/", views.register, {})
        assert Client().get("/join/").status_code == 403
        visitor = scenes.visit(invitation)
        assert visitor.get("/join/").status_code == 200
        assert visitor.post("/join/", answers())["Location"] == "/accounts/register/complete/"
        assert scenes.accounts().count() == 1

    def test_register_with_options(
        self, site: Any, invitation: InvitationKey, own_template: str
    ) -> None:
        options = {
            "template_name": own_template,
            "extra_context": {"greeting": "hello"},
            "form_class": RegistrationFormTermsOfService,
            "success_url": "/thanks/",
        }
        site("join/", views.register, options)
        visitor = scenes.visit(invitation)
        assert visitor.get("/join/").content == b"email, hello"
        assert visitor.post("/join/", answers()).status_code == 200
        assert visitor.post("/join/", answers(tos="on"))["Location"] == "/thanks/"
