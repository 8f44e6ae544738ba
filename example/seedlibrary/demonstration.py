"""What only the demonstration has: one click logs in as a member of the sample."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model, login
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.generic import TemplateView, View

from seedlibrary import sample


def accounts(request: HttpRequest) -> dict[str, Any]:
    """Return the accounts of the sample for all templates; none outside the demonstration."""
    return {"demo_accounts": sample.accounts() if settings.SEEDLIBRARY_DEMO else []}


class DemonstrationView(View):
    """Page that is there only while ``manage.py demo`` serves the site."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Answer with 404 on a site that is no demonstration."""
        if not settings.SEEDLIBRARY_DEMO:
            raise Http404
        return super().dispatch(request, *args, **kwargs)


class StoryView(DemonstrationView, TemplateView):
    """Guided story: an invitation from the first click to the new account."""

    template_name = "seedlibrary/story.html"
    #: Whether a second email activates the account.
    extra_context = {"two_emails": settings.HOST == "redux"}


class LogInView(DemonstrationView):
    """Button of an account of the sample: it logs in without a password."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest) -> HttpResponse:
        """Log in, and lead to where the visitor was going."""
        names = [account.login for account in sample.accounts()]
        name = request.POST.get("account", "")
        if name not in names:
            raise Http404
        user = get_object_or_404(get_user_model(), username=name, is_active=True)
        login(request, user, backend=settings.AUTHENTICATION_BACKENDS[0])
        there = request.POST.get("next", "")
        safe = url_has_allowed_host_and_scheme(there, {request.get_host()}, request.is_secure())
        return redirect(there if safe else resolve_url(settings.LOGIN_REDIRECT_URL))
