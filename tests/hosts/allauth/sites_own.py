"""What a site of its own may have: adapters, forms and views."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter, get_adapter
from allauth.account.forms import SignupForm
from allauth.account.views import SignupView
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.views import SignupView as SocialSignupView
from django import forms
from django.contrib.auth import get_user_model
from django.http import HttpRequest, HttpResponse
from django.urls import include, path

from invitation.backends.allauth import AccountAdapterMixin, SocialAccountAdapterMixin
from tests.hosts.allauth import urls


class Adapter(AccountAdapterMixin, DefaultAccountAdapter):
    """Adapter that does some more."""

    def save_user(self, request: Any, user: Any, form: Any, commit: bool = True) -> Any:
        user.first_name = "Ada"
        return super().save_user(request, user, form, commit=commit)

    def get_signup_redirect_url(self, request: HttpRequest) -> str:
        return "/own/"


class SocialAdapter(SocialAccountAdapterMixin, DefaultSocialAccountAdapter):
    """Adapter that does some more."""

    def save_user(self, request: Any, sociallogin: Any, form: Any = None) -> Any:
        sociallogin.user.first_name = "Ada"
        return super().save_user(request, sociallogin, form)


class ChangingAdapter(Adapter):
    """Adapter that gives the account another address than the form."""

    def save_user(self, request: Any, user: Any, form: Any, commit: bool = True) -> Any:
        form.cleaned_data["email"] = "other@example.com"
        return super().save_user(request, user, form, commit=commit)


class ClosedAdapter(Adapter):
    """Adapter of a site that lets nobody in at the moment."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False


class VerifyingAdapter(DefaultAccountAdapter):
    """Adapter of a site without invitations, on which no address needs a proof."""

    def is_email_verified(self, request: HttpRequest, email: str) -> bool:
        return True


class MoreFields(forms.Form):
    """Form for ACCOUNT_SIGNUP_FORM_CLASS."""

    city = forms.CharField()

    def signup(self, request: HttpRequest, user: Any) -> None:
        user.last_name = self.cleaned_data["city"]
        user.save()


class OwnForm(SignupForm):
    """Form for ACCOUNT_FORMS."""

    nickname = forms.CharField()

    def save(self, request: HttpRequest) -> Any:
        user = super().save(request)
        user.first_name = self.cleaned_data["nickname"]
        assert "invitation_hint" not in self.cleaned_data
        user.save()
        return user


class WaitingForm(SignupForm):
    """Form for ACCOUNT_FORMS, of a site that approves each account."""

    def custom_signup(self, request: HttpRequest, user: Any) -> None:
        user.is_active = False
        user.save()


class OwnView(SignupView):
    """Sign-up view of a site that knows nothing of invitations."""


class OwnSocialView(SocialSignupView):
    """Sign-up view for people from providers, of a site that knows nothing of invitations."""


def own_function(request: HttpRequest) -> HttpResponse:
    """Sign somebody up by calling the adapter, as a site's API may."""
    form = forms.Form()
    form.cleaned_data = {name: request.POST[name] for name in ("username", "email", "password1")}
    commit = "later" not in request.POST
    adapter = get_adapter()
    user = adapter.save_user(request, adapter.new_user(request), form, commit=commit)
    if not commit:
        user.save()
    return HttpResponse(str(get_user_model().objects.filter(pk=user.pk).count()))


urlpatterns = [
    path("own/signup/", OwnView.as_view()),
    path("own/social/", OwnSocialView.as_view()),
    path("own/function/", own_function),
    path("", include(urls)),
]
