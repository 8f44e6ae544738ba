"""Register in three steps: activation by mail, then approval by the site's administrators."""

from __future__ import annotations

from registration.models import SupervisedRegistrationProfile

from invitation.backends.default import views


class RegistrationView(views.RegistrationView):
    """Let the holder of a valid invitation key register; the account wants approval."""

    registration_profile = SupervisedRegistrationProfile
