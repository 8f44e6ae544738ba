"""Sign-up with a passkey in allauth's API."""

from __future__ import annotations

from allauth.headless.mfa import views as mfa_views

from invitation.backends.allauth.headless import GatedInputMixin


class SignupWebAuthnView(GatedInputMixin, mfa_views.SignupWebAuthnView):
    """Sign-up with an address and a passkey."""
