"""Registration backend classes as sites have carried them since django-registration 0.8.

They are written in the manner of that time and know nothing of this package: no base class of
ours, no transaction, no thought of two people at once.
"""

from __future__ import annotations

from django import forms
from django.conf import settings
from django.contrib.auth import authenticate, get_user_model, login
from django.contrib.sites.shortcuts import get_current_site
from django.core import signing
from django.core.mail import send_mail
from django.urls import reverse
from registration import signals


class OldForm(forms.Form):
    username = forms.RegexField(regex=r"^\w+$", max_length=30, label="Username")
    email = forms.EmailField(widget=forms.TextInput(attrs={"maxlength": 75}), label="E-mail")
    password1 = forms.CharField(widget=forms.PasswordInput(render_value=False), label="Password")
    password2 = forms.CharField(widget=forms.PasswordInput(render_value=False), label="Again")

    def clean_username(self):
        if get_user_model().objects.filter(username=self.cleaned_data["username"]):
            raise forms.ValidationError("A user with that username already exists.")
        return self.cleaned_data["username"]

    def clean(self):
        if self.cleaned_data.get("password1") != self.cleaned_data.get("password2"):
            raise forms.ValidationError("The two password fields didn't match.")
        return self.cleaned_data


class TwoStepBackend:
    """Mail a signed link that activates the account."""

    def register(self, request, **kwargs):
        username, email, password = kwargs["username"], kwargs["email"], kwargs["password1"]
        new_user = get_user_model().objects.create_user(username, email, password)
        new_user.is_active = False
        new_user.save()
        activation_key = signing.dumps(username, salt="two-step")
        send_mail(
            f"Activate your account on {get_current_site(request)}",
            f"Your key: {activation_key}",
            None,
            [email],
        )
        signals.user_registered.send(sender=self.__class__, user=new_user, request=request)
        return new_user

    def activate(self, request, activation_key):
        try:
            username = signing.loads(activation_key, salt="two-step", max_age=7 * 24 * 3600)
        except signing.BadSignature:
            return False
        activated = get_user_model().objects.get(username=username)
        if activated.is_active:
            return False
        activated.is_active = True
        activated.save()
        signals.user_activated.send(sender=self.__class__, user=activated, request=request)
        return activated

    def registration_allowed(self, request):
        return getattr(settings, "REGISTRATION_OPEN", True)

    def get_form_class(self, request):
        return OldForm

    def post_registration_redirect(self, request, user):
        return ("registration_complete", (), {})

    def post_activation_redirect(self, request, user):
        return ("registration_activation_complete", (), {})


class ImmediateBackend:
    """Let people in at once."""

    def register(self, request, **kwargs):
        username, email, password = kwargs["username"], kwargs["email"], kwargs["password1"]
        get_user_model().objects.create_user(username, email, password)
        new_user = authenticate(username=username, password=password)
        login(request, new_user)
        signals.user_registered.send(sender=self.__class__, user=new_user, request=request)
        return new_user

    def activate(self, **kwargs):
        raise NotImplementedError

    def registration_allowed(self, request):
        return getattr(settings, "REGISTRATION_OPEN", True)

    def get_form_class(self, request):
        return OldForm

    def post_registration_redirect(self, request, user):
        return (reverse("home") + "?welcome=" + user.username, (), {})

    def post_activation_redirect(self, request, user):
        raise NotImplementedError
