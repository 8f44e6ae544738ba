"""Sign-up in allauth's API for people who come from a provider."""

from __future__ import annotations

from allauth.headless.socialaccount import views as social_views

from invitation.backends.allauth.headless import GatedInputMixin


class ProviderSignupView(GatedInputMixin, social_views.ProviderSignupView):
    """Sign-up of a person who has just come from a provider and must give more."""
