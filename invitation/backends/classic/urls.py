"""URLconf for ``InvitationBackend``; ``patterns()`` returns one for your own backend class.

The URLs are ours and redux's, with the pages around them. They keep redux's order. The page
``activate/complete/`` must come before the URL that takes any text as an activation key.
"""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpResponseBase
from django.urls import URLPattern, URLResolver
from registration.backends.default.urls import urlpatterns as two_steps
from registration.backends.simple.urls import urlpatterns as one_step

from invitation import routes
from invitation.backends.classic import views
from invitation.backends.default.views import ResendActivationView
from invitation.backends.redux import gated
from invitation.gate import on_a_site


def patterns(backend: str | type, *, activation: bool = True) -> list[URLPattern | URLResolver]:
    """Return the URL patterns for inviting, and for registering with this backend class.

    In a URLconf::

        path("accounts/", include(patterns("ours.registration.OurInvitationBackend")))

    Set ``activation`` to false for a backend whose accounts are active at once.
    """
    resend = {"registration_resend_activation": ResendActivationView.as_view()}
    pages = gated(two_steps if activation else one_step, resend)
    return [*routes.urlpatterns, *(_classic(page, backend) for page in pages)]


def _classic(page: URLPattern | URLResolver, backend: str | type) -> URLPattern | URLResolver:
    ours: dict[str | None, Callable[..., HttpResponseBase]] = {
        "registration_register": on_a_site(views.register),
        "registration_activate": on_a_site(views.activate),
    }
    if isinstance(page, URLResolver) or page.name not in ours:
        return page
    return URLPattern(page.pattern, ours[page.name], {"backend": backend}, page.name)


urlpatterns = patterns("invitation.backends.classic.InvitationBackend")
