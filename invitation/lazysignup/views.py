"""Pages on which a guest signs up, and on which an invited person becomes a guest."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth import REDIRECT_FIELD_NAME, get_user_model, login
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.shortcuts import redirect, render, resolve_url
from django.urls import get_script_prefix
from django.utils.decorators import method_decorator
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.generic import FormView, TemplateView, View

from invitation.lazysignup import confirming, guests, invited, limiting
from invitation.lazysignup.conf import conf
from invitation.lazysignup.exceptions import NotLazyError, TooManyGuests
from invitation.lazysignup.forms import AddressForm, get_form_class
from invitation.lazysignup.guests import wants_json

#: Parameters that may name the page to go to, that of lazysignup first.
REDIRECT_FIELDS = ("redirect_to", REDIRECT_FIELD_NAME)
CONFIRM_FAILED = "lazysignup/confirm_failed.html"


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
        refused = invited.refusal(request)
        if refused is not None:
            return refused
        return super().dispatch(request, *args, **kwargs)

    def not_a_guest(self) -> HttpResponseBase:
        """Return the answer for a visitor without an account, or with one of their own."""
        if self.request.user.is_anonymous:
            status, text, to = 401, "Not a guest.", self.anonymous_redirect or settings.LOGIN_URL
        else:
            status, text, to = 400, "Already converted.", self.get_success_url()
        if wants_json(self.request):
            return JsonResponse({"detail": text}, status=status)
        return redirect(to)

    def get_form_class(self) -> Any:
        """Return the form that asks for an address, or that of this view, of the site, or ours."""
        if conf.LAZYSIGNUP_CONFIRM_EMAIL and not confirming.confirmed_address(self.request):
            return AddressForm
        return self.form_class or get_form_class()

    def get_form_kwargs(self) -> dict[str, Any]:
        """Return the data and, as the instance, the guest: all that a form of lazysignup takes."""
        given = super().get_form_kwargs()
        kwargs = {name: value for name, value in given.items() if value or name == "data"}
        if not issubclass(self.get_form_class(), AddressForm):
            kwargs["instance"] = guests.fresh(self.request.user)
        return kwargs

    def get_form(self, form_class: Any = None) -> Any:
        """Return the form with the confirmed or the invited address filled in."""
        form: Any = super().get_form(form_class)
        address = confirming.confirmed_address(self.request)
        name = get_user_model().get_email_field_name()
        if address and name in form.fields:
            form.fields[name].disabled, form.initial[name] = True, address
        elif address:
            setattr(form.instance, name, address)
        elif invited.is_on() and not isinstance(form, AddressForm):
            from invitation.backends.fields import bind_invitation

            bind_invitation(form, invited.opened_by(self.request))
        return form

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return the form, and the page to go to."""
        return super().get_context_data(
            **{self.redirect_field_name: self.get_redirect_url(), **invited.looks(), **kwargs}
        )

    def form_valid(self, form: Any) -> Any:
        """Make a regular user of the guest, or send the link that confirms the address."""
        if isinstance(form, AddressForm):
            return self.ask_to_confirm(form.cleaned_data["email"])
        try:
            user = self.convert(form)
        except NotLazyError:
            return self.not_a_guest()
        except invited.refusals() as error:
            return invited.answer(self.request, error)
        except IntegrityError:
            # Somebody has taken the name at this moment: the form, asked again, says so.
            again = self.get_form()
            if again.is_valid():
                raise
            return self.form_invalid(again)
        # A new id for the session, and everything in it stays.
        guests.leave_session(self.request)
        login(self.request, user, backend=guests.session_backend())
        confirming.forget(self.request)
        if wants_json(self.request):
            return JsonResponse({"redirect_to": self.get_success_url()})
        return redirect(self.get_success_url())

    def convert(self, form: Any) -> Any:
        """Save the account, and claim the invitation of the guest: both or neither."""
        form.cleaned_data.pop("invitation_hint", None)
        with invited.signing_up(self.request, form) as claim:
            claim.user = user = form.save()
        return user

    def form_invalid(self, form: Any) -> Any:
        """Return the form with its errors, for a person or for a script."""
        if not wants_json(self.request):
            return super().form_invalid(form)
        if self.ajax_template_name is None:
            return JsonResponse({"errors": form.errors}, status=400)
        context = self.get_context_data(form=form)
        return render(self.request, self.ajax_template_name, context, status=400)

    def ask_to_confirm(self, email: str) -> HttpResponseBase:
        """Send the link that confirms an address, and say so."""
        try:
            limiting.count_email(self.request, email)
        except TooManyGuests as error:
            return guests.too_many(self.request, error)
        confirming.send_link(self.request, email, self.get_redirect_url())
        if wants_json(self.request):
            return JsonResponse({"detail": "Confirm your address."}, status=202)
        context = {"email": email, **invited.looks()}
        return render(self.request, "lazysignup/confirm_sent.html", context)

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

    http_method_names = ["get", "head", "options"]

    def get(self, request: HttpRequest, token: str) -> HttpResponseBase:
        """Go on with the form, or say why not."""
        found = confirming.read(token)
        if found is None:
            return render(request, CONFIRM_FAILED, invited.looks(), status=404)
        guest, email, to = found
        if not guests.is_lazy_user(request.user) or str(request.user.pk) != guest:
            context = {"elsewhere": True, **invited.looks()}
            return render(request, CONFIRM_FAILED, context, status=403)
        confirming.confirm(request, email)
        query = "?" + urlencode({REDIRECT_FIELDS[0]: to}) if to else ""
        return redirect(resolve_url("lazysignup_convert") + query)


class LookAroundView(View):
    """Button with which an invited person becomes a guest who is bound to the invitation."""

    http_method_names = ["post", "options"]

    def post(self, request: HttpRequest) -> HttpResponseBase:
        """Make the visitor a guest, and lead them into the site."""
        home = get_script_prefix()  # What follows a login may be for members only.
        opened = invited.opened_by(request)
        if opened is None or not invited.may_look_around(opened.invitation):
            return redirect("invitation_landing" if invited.is_on() else home)
        response = guests.prepare(request)
        if response is not None:
            return response
        if not guests.is_lazy_user(request.user):
            # A member, or a robot, who may not become a guest.
            return redirect("invitation_landing")
        invited.bind(request, opened)
        return redirect(home)


class ConvertDoneView(TemplateView):
    """Page that says that the account is ready."""

    template_name = "lazysignup/done.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return the look of the page."""
        return super().get_context_data(**invited.looks(), **kwargs)
