"""Sign-up page for people who come from a provider; only for sites with ``socialaccount``."""

from __future__ import annotations

from typing import Any

from allauth.socialaccount import views as social_views
from django.http import HttpResponseBase

from invitation.backends.allauth.claiming_forms import PENDING
from invitation.backends.allauth.views import GatedSignupMixin


class SocialSignupView(GatedSignupMixin, social_views.SignupView):
    """Sign-up of a person who has just come from a provider and must fill in a form."""

    def form_valid(self, form: Any) -> HttpResponseBase:
        """Sign up. Somebody who was not signed up may send the form again.

        allauth forgets the login from the provider before it creates the account.
        """
        pending = self.request.session.get(PENDING)
        try:
            return super().form_valid(form)
        finally:
            if not self.answered:
                self.request.session[PENDING] = pending
