"""Test that neighbours join by invitation only. Run it with ``python example/manage.py test``."""

from __future__ import annotations

from typing import Any
from unittest import skipUnless

from django.conf import settings
from django.contrib.auth import get_user_model
from django.test import TestCase
from django.urls import reverse

from invitation.testing import InvitationTestMixin

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

    rosa: Any

    @classmethod
    def setUpTestData(cls) -> None:
        """Make one member."""
        cls.rosa = get_user_model().objects.create_user("rosa", "rosa@lindenrow.example")

    def sign_up(self, name: str) -> bool:
        """Fill in the sign-up form, and return whether there is an account now."""
        typed = {"username": name, "email": f"{name}@lindenrow.example"}
        typed |= {"password1": PASSWORD, "password2": PASSWORD}
        self.client.post(reverse("registration_register"), typed)
        return bool(get_user_model().objects.filter(username=name).exists())

    def test_an_invited_neighbour_signs_up(self) -> None:
        """Follow the link, fill in the form."""
        invitation = self.make_invitation("ida@lindenrow.example", self.rosa)
        self.client.get(self.invitation_link(invitation))
        self.assertTrue(self.sign_up("ida"))

    def test_nobody_else_signs_up(self) -> None:
        """Without an invitation, the form makes no account."""
        self.assertFalse(self.sign_up("ida"))
