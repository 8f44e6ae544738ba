"""Invitation gate in the views and URLconfs of django-registration."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import ValidationError
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils.decorators import method_decorator

from invitation import addresses, gate
from invitation.backends.base import InvitationRegistrationMixin
from invitation.backends.fields import email_field_name
from invitation.conf import conf


# Repeated here: the base class marks its own ``dispatch``, and this class overrides it.
@method_decorator(login_not_required, name="dispatch")
class GatedMixin(InvitationRegistrationMixin):
    """Gate for a ``RegistrationView`` of django-registration."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Redirect a logged-in visitor with an invitation to the page where they can choose.

        Redirect one without an invitation into the site if others would be refused.
        """
        if gate.is_member(request) and self.host_allows():
            if self.opened is not None:
                response = redirect("invitation_landing")
                gate.remember(request, response, self.opened.key)
                gate.protect(response)
                return response
            if conf.INVITE_MODE:
                return redirect(gate.home_url())
        return super().dispatch(request, *args, **kwargs)

    def get_form(self, form_class: type[BaseForm] | None = None) -> BaseForm:
        """Return the host's form with the invited address filled in.

        The host refuses some addresses that exist, such as those in an international domain. It
        accepts the invited address here: the invitation was sent there.
        """
        form = super().get_form(form_class)
        field: Any = form.fields.get(email_field_name())
        if field is not None and self.opened is not None:
            invited = self.opened.invitation.email
            field.validators = [_unless_invited(check, invited) for check in field.validators]
        return form

    def get_success_url(self, user: Any = None) -> str:
        """Return the page that the invitation chose, or that of django-registration."""
        host: Any = super()
        return self.destination(user) or str(host.get_success_url(user))


def _unless_invited(check: Callable[[Any], Any], invited: str) -> Callable[[Any], None]:
    """Return a validator that accepts the invited address, and asks ``check`` about any other."""

    def validate(email: Any) -> None:
        try:
            check(email)
        except ValidationError:
            if not invited or not addresses.same(invited, email):
                raise

    return validate


def register_at(view: Callable[..., Any]) -> list[URLPattern]:
    """Return the URLs of a registration view: the host's name, and the name that our pages use."""
    names = ("django_registration_register", "registration_register")
    return [path("register/", view, name=name) for name in names]


def gated(ours: Iterable[URLPattern], hosts: Iterable[URLPattern]) -> list[Any]:
    """Return our URL patterns, then those of the host that have another name.

    Visitors can open these pages where the site requires a login for everything else.
    """
    patterns = list(ours)
    names = {pattern.name for pattern in patterns}
    patterns += [pattern for pattern in hosts if pattern.name not in names]
    found: list[Any] = gate.all_on_a_site(patterns)
    for pattern in found:
        login_not_required(pattern.callback)
    return found
