"""Test that neighbours join by invitation only.

Run it with ``python example/manage.py test seedlibrary``.
"""

from __future__ import annotations

from typing import Any
from unittest import skipUnless

from django.conf import settings
from django.contrib.auth import get_user_model
from django.test import TestCase, override_settings
from django.urls import reverse

from invitation.lazysignup.models import LazyUser
from invitation.testing import InvitationTestMixin
from seedlibrary.hosts import host

PASSWORD = "spade-and-trowel-7"


class InvitingTests(InvitationTestMixin, TestCase):
    """Tests of what a member sends, and of where its link leads."""

    rosa: Any

    @classmethod
    def setUpTestData(cls) -> None:
        """Make one member."""
        cls.rosa = get_user_model().objects.create_user("rosa", "rosa@lindenrow.example")

    def test_a_member_invites_a_neighbour(self) -> None:
        """The neighbour gets one email, and its link leads to the page that invites them."""
        self.client.force_login(self.rosa)
        self.client.post(reverse("invitation_invite"), {"email": "ida@lindenrow.example"})
        (sent,) = self.sent_invitations()
        self.assertEqual(sent.email, "ida@lindenrow.example")
        self.client.logout()
        self.assertContains(self.client.get(sent.link, follow=True), "rosa")

    def test_a_revoked_invitation_opens_nothing(self) -> None:
        """The neighbour is told so, and the page says that it is gone."""
        invitation = self.make_invitation("ida@lindenrow.example", self.rosa)
        self.client.force_login(self.rosa)
        self.client.post(reverse("invitation_revoke", args=[invitation.pk]))
        self.client.logout()
        response = self.client.get(self.invitation_link(invitation), follow=True)
        self.assertEqual(response.status_code, 410)


@skipUnless(settings.HOST == "redux", "needs the sign-up form of django-registration-redux")
class SignUpTests(InvitationTestMixin, TestCase):
    """Tests of the sign-up form."""

    def sign_up(self, name: str) -> bool:
        """Fill in the sign-up form, and return whether there is an account now."""
        typed = {"username": name, "email": f"{name}@lindenrow.example"}
        typed |= {"password1": PASSWORD, "password2": PASSWORD}
        self.client.post(reverse("registration_register"), typed)
        return bool(get_user_model().objects.filter(username=name).exists())

    def test_an_invited_neighbour_signs_up(self) -> None:
        """Follow the link, fill in the form."""
        self.client.get(self.invitation_link(self.make_invitation("ida@lindenrow.example")))
        self.assertTrue(self.sign_up("ida"))

    def test_nobody_else_signs_up(self) -> None:
        """Without an invitation, the form makes no account."""
        self.assertFalse(self.sign_up("ida"))


@skipUnless(settings.HOST == "allauth", "needs django-allauth")
class GuestTests(TestCase):
    """Tests of guests where allauth keeps the addresses."""

    def test_guests_sign_up_on_the_page_of_everybody(self) -> None:
        """The link in the basket leads there, and back to the basket."""
        url = f"{reverse('lazysignup_convert')}?next={reverse('basket')}"
        signup = f"{reverse('account_signup')}?next={reverse('basket')}"
        self.assertRedirects(self.client.get(url), signup, fetch_redirect_response=False)

    def test_guests_have_no_address(self) -> None:
        """The demonstration starts again beside them."""
        for _ in range(2):
            LazyUser.objects.create_guest_user()
        host().settle()
        self.assertFalse(get_user_model().objects.exclude(emailaddress=None).exists())


class DemonstrationTests(TestCase):
    """Tests of the accounts that need no password: only the demonstration has them."""

    rosa: Any

    @classmethod
    def setUpTestData(cls) -> None:
        """Make a member of the sample, and one who is not."""
        users = get_user_model().objects
        cls.rosa = users.create_user("rosa", "rosa@lindenrow.example")
        users.create_user("ida", "ida@lindenrow.example")

    def log_in_as(self, account: str, there: str = "") -> Any:
        """Press the button of an account, and return the answer."""
        return self.client.post(reverse("demo_log_in"), {"account": account, "next": there})

    def test_no_other_site_has_them(self) -> None:
        """A site that copies these files shows and opens nothing."""
        self.assertNotContains(self.client.get(reverse(settings.LOGIN_URL)), "demo")
        self.assertEqual(self.client.get(reverse("story")).status_code, 404)
        self.assertEqual(self.log_in_as("rosa").status_code, 404)
        self.assertNotIn("_auth_user_id", self.client.session)

    @override_settings(SEEDLIBRARY_DEMO=True)
    def test_one_click_logs_in(self) -> None:
        """The visitor goes on to where they were going, but to no other site."""
        self.assertContains(self.client.get(reverse("story")), "Log in as Amir")
        self.assertEqual(self.log_in_as("rosa", "/basket/")["Location"], "/basket/")
        self.assertEqual(self.client.session["_auth_user_id"], str(self.rosa.pk))
        self.assertEqual(self.log_in_as("rosa", "//evil.example/")["Location"], "/members/")

    @override_settings(SEEDLIBRARY_DEMO=True)
    def test_nobody_else_is_opened(self) -> None:
        """Only accounts of the sample have a button."""
        for account in ("ida", "amir", ""):
            self.assertEqual(self.log_in_as(account).status_code, 404)
