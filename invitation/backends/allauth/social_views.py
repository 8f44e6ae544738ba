"""Sign-up page for people who come from a provider; only for sites with ``socialaccount``."""

from __future__ import annotations

from allauth.socialaccount import views as social_views

from invitation.backends.allauth.views import GatedSignupMixin


class SocialSignupView(GatedSignupMixin, social_views.SignupView):
    """Sign-up of a person who has just come from a provider and must fill in a form."""
