"""Pages on which a guest signs up, and on which an invited person becomes a guest."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.views import redirect_to_login
from django.core import signing
from django.core.mail import send_mail
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.shortcuts import redirect, render, resolve_url
from django.template.loader import render_to_string
from django.urls import get_script_prefix, reverse
from django.utils.decorators import method_decorator
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.generic import FormView, View

from invitation.exceptions import AddressMismatch, Busy, KeyRefused
from invitation.lazysignup import guests
from invitation.lazysignup.conf import conf
from invitation.lazysignup.exceptions import NotLazyError, TooManyGuests
from invitation.lazysignup.forms import EMAIL, AddressForm, ConvertForm
from invitation.lazysignup.guests import LOOK, WITH_INVITATIONS, page, wants_json
from invitation.lazysignup.models import LazyUser

if WITH_INVITATIONS:
    from invitation import gate
    from invitation.backends.fields import bind_invitation, check_address
    from invitation.backends.plain import answer_refusal
    from invitation.lazysignup import invited

#: Parameters that may name the page to go to, that of lazysignup first.
REDIRECT_FIELDS = ("redirect_to", REDIRECT_FIELD_NAME)
#: Salt of the link that confirms an address, and the seconds for which it works.
SALT, SECONDS = "lazysignup.confirm", 86_400
#: Key of the session: the guest, and the address that it has confirmed.
CONFIRMED = "lazysignup_confirmed"


def confirmed_address(request: HttpRequest) -> str:
    """Return the address that the guest of a request has confirmed, or an empty string."""
    kept: Any = request.session.get(CONFIRMED)
    return str(kept[1]) if kept and kept[0] == str(request.user.pk) else ""


@method_decorator([sensitive_post_parameters(), never_cache], name="dispatch")
class ConvertView(FormView):  # type: ignore[type-arg]
    """Page on which a guest signs up and keeps the account."""

    form_class: Any = None
    template_name = "lazysignup/convert.html"
    #: Template for a form with errors where a script asked; by default, the answer is JSON.
    ajax_template_name: str | None = None
    redirect_field_name: str = REDIRECT_FIELDS[0]
    anonymous_redirect: Any = None

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Let only guests in, and only those whom an invitation admits where one is needed."""
        if not guests.is_lazy_user(request.user):
            return self.not_a_guest()
        if WITH_INVITATIONS and not gate.may_sign_up(request):
            # type: ignore: who may not sign up carries no open invitation, but a refusal.
            return self.refuse(gate.carried(request))  # type: ignore[arg-type]
        return super().dispatch(request, *args, **kwargs)

    def not_a_guest(self) -> HttpResponseBase:
        """Return the answer for a visitor without an account, or with one of their own.

        Somebody who has sent the form reads what has become of the guest.
        """
        anonymous = self.request.user.is_anonymous
        if wants_json(self.request):
            status, text = (401, "Not a guest.") if anonymous else (400, "Already converted.")
            return JsonResponse({"detail": text}, status=status)
        if not (anonymous or guests.is_lazy_user(self.request.user)):
            return redirect(self.get_success_url())
        if self.request.method == "POST":
            return page(self.request, "lazysignup/ended.html", 403, login_url=self.login_url())
        return redirect(self.login_url())

    def refuse(self, error: Exception) -> HttpResponseBase:
        """Return the answer to a guest who cannot sign up, or not now."""
        if NotLazyError in (type(error), type(error.__cause__)):
            return self.not_a_guest()
        response = answer_refusal(self.request, error)
        json = JsonResponse({"detail": str(error)}, status=response.status_code)
        return json if wants_json(self.request) else response

    def login_url(self) -> str:
        """Return the page to log in, which leads on to the page that the request names."""
        to, url = self.get_redirect_url(), self.anonymous_redirect or settings.LOGIN_URL
        return redirect_to_login(to, url).url if to else resolve_url(url)

    def get_form_class(self) -> Any:
        """Return the form that asks for an address, or that of this view, of the site, or ours."""
        if conf.LAZYSIGNUP_CONFIRM_EMAIL and not confirmed_address(self.request):
            return AddressForm
        return self.form_class or conf.LAZYSIGNUP_CUSTOM_USER_CREATION_FORM or ConvertForm

    def get_form_kwargs(self) -> dict[str, Any]:
        """Return the data and, as the instance, the guest: all that a form of lazysignup takes."""
        kwargs = {k: v for k, v in super().get_form_kwargs().items() if v or k == "data"}
        if not issubclass(self.get_form_class(), AddressForm):
            kwargs["instance"] = guests.fresh(self.request.user)
        return kwargs

    def get_form(self, form_class: Any = None) -> Any:
        """Return the form with the confirmed or the invited address filled in."""
        form: Any = super().get_form(form_class)
        address = confirmed_address(self.request)
        if address and EMAIL in form.fields:
            form.fields[EMAIL].disabled, form.initial[EMAIL] = True, address
        elif address:
            setattr(form.instance, EMAIL, address)
        elif WITH_INVITATIONS:
            bind_invitation(form, invited.opened_by(self.request))
        return form

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return the form, and the page to go to."""
        to = {self.redirect_field_name: self.get_redirect_url()}
        return super().get_context_data(login_url=self.login_url(), **to, **LOOK, **kwargs)

    def form_valid(self, form: Any) -> Any:
        """Make a regular user of the guest, or send the link that confirms the address."""
        if isinstance(form, AddressForm):
            if WITH_INVITATIONS:
                check_address(form, invited.opened_by(self.request), "email")
            return self.form_invalid(form) if form.errors else self.ask_to_confirm(form)
        try:
            user = self.convert(form)
        except (NotLazyError, AddressMismatch, Busy, KeyRefused) as error:
            user = self.signed_up(form)
            if user is None:
                return self.refuse(error)
        except IntegrityError:
            # Somebody has taken the name at this moment: the form, asked again, says so.
            again = self.get_form()
            if again.is_valid():
                raise
            return self.form_invalid(again)
        guests.log_in(self.request, user)
        self.request.session.pop(CONFIRMED, None)
        to = self.get_success_url()
        response = JsonResponse({"redirect_to": to}) if wants_json(self.request) else redirect(to)
        if WITH_INVITATIONS and gate.claimed(self.request):
            gate.finish(self.request, response)
        return response

    def signed_up(self, form: Any) -> Any:
        """Return the account if the same form has just signed the guest up, as by a double click.

        The browser shows the answer to the second click alone.
        """
        user = LazyUser.get_user_class()._base_manager.filter(pk=self.request.user.pk).first()
        typed = form.cleaned_data.get("password1") or form.cleaned_data.get("password")
        return user if user is not None and user.check_password(typed) else None

    def convert(self, form: Any) -> Any:
        """Save the account, and claim the invitation of the guest: both or neither."""
        if WITH_INVITATIONS:
            return invited.convert(self.request, form)
        return LazyUser.objects.convert(form)

    def form_invalid(self, form: Any) -> Any:
        """Return the form with its errors, for a person or for a script."""
        if not wants_json(self.request):
            return super().form_invalid(form)
        if self.ajax_template_name is None:
            return JsonResponse({"errors": form.errors}, status=400)
        context = self.get_context_data(form=form)
        return render(self.request, self.ajax_template_name, context, status=400)

    def ask_to_confirm(self, form: Any) -> HttpResponseBase:
        """Send the link with which the guest confirms an address, and say so."""
        email = form.cleaned_data["email"]
        try:
            guests.count_email(self.request, email)
        except TooManyGuests as error:
            return guests.too_many(self.request, error)
        known = [str(self.request.user.pk), email, self.get_redirect_url()]
        address = reverse("lazysignup_confirm", args=[signing.dumps(known, salt=SALT)])
        link = {"link": self.request.build_absolute_uri(address), "hours": SECONDS // 3600}
        if WITH_INVITATIONS:
            link |= invited.describe(self.request, address)
        subject = render_to_string("lazysignup/confirm_email_subject.txt", link, self.request)
        body = render_to_string("lazysignup/confirm_email.txt", link, self.request)
        send_mail(" ".join(subject.split()), body, None, [email])
        if wants_json(self.request):
            return JsonResponse({"detail": "Confirm your address."}, status=202)
        return page(self.request, "lazysignup/confirm_sent.html", email=email, redirect_to=known[2])

    def get_redirect_url(self) -> str:
        """Return the page of this site that the request names, or an empty string."""
        for name in dict.fromkeys((self.redirect_field_name, *REDIRECT_FIELDS)):
            to = self.request.POST.get(name) or self.request.GET.get(name) or ""
            host, secure = {self.request.get_host()}, self.request.is_secure()
            if url_has_allowed_host_and_scheme(to, allowed_hosts=host, require_https=secure):
                return to
        return ""

    def get_success_url(self) -> str:
        """Return the page to go to after signing up."""
        return self.get_redirect_url() or resolve_url("lazysignup_convert_done")


def convert(request: HttpRequest, **arguments: Any) -> HttpResponseBase:
    """Return the page on which a guest signs up: lazysignup's view, with its arguments."""
    return ConvertView.as_view(**arguments)(request)


class ConfirmView(View):
    """Link that confirms the address of a guest, who then goes on to sign up."""

    def get(self, request: HttpRequest, token: str) -> HttpResponseBase:
        """Remember the address in the session and go on with the form, or say why not."""
        try:
            guest, email, to = signing.loads(token, salt=SALT, max_age=SECONDS)
        except signing.BadSignature:
            return page(request, "lazysignup/confirm_failed.html", 404)
        if str(request.user.pk) != guest:
            return page(request, "lazysignup/confirm_failed.html", 403, elsewhere=True)
        if guests.is_lazy_user(request.user):  # The form leads on who has signed up already.
            request.session[CONFIRMED] = [guest, email]
        query = "?" + urlencode({REDIRECT_FIELDS[0]: to}) if to else ""
        return redirect(resolve_url("lazysignup_convert") + query)


class LookAroundView(View):
    """Button with which an invited person becomes a guest who is bound to the invitation."""

    def get(self, request: HttpRequest) -> HttpResponseBase:
        """Lead back to the invitation, for example after a reload."""
        return redirect("invitation_landing" if WITH_INVITATIONS else get_script_prefix())

    def post(self, request: HttpRequest) -> HttpResponseBase:
        """Make the visitor a guest, and lead them into the site."""
        opened = invited.opened_by(request) if WITH_INVITATIONS else None
        if opened is not None and invited.may_look_around(request, opened.invitation):
            if response := guests.prepare(request):
                return response
            if guests.is_lazy_user(request.user):  # A member is none, and a robot becomes none.
                invited.bind(request, opened)
                return redirect(get_script_prefix())  # A page after a login may be for members.
        return self.get(request)
