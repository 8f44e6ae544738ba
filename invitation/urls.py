"""URLconf for the two-step registration of django-registration-redux.

It is the only include that a site needs. The other workflows are
``invitation.backends.simple.urls``, ``invitation.backends.admin_approval.urls`` and
``invitation.backends.verified.urls``.
"""

from invitation.backends.default.urls import urlpatterns

__all__ = ["urlpatterns"]
