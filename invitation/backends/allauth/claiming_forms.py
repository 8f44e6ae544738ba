"""Claims of invitations in allauth's forms, and what happens when one is refused."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from functools import lru_cache, partial
from typing import Any

from allauth.account import app_settings
from allauth.account.models import EmailAddress
from allauth.account.utils import has_verified_email, user_email, user_username
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount import app_settings as social_settings
from django.db import IntegrityError, OperationalError, connections
from django.http import HttpRequest, HttpResponseBase, JsonResponse

from invitation import gate
from invitation.backends.fields import HINT_FIELD, check_address
from invitation.backends.passwords import hashed_password
from invitation.conf import conf
from invitation.exceptions import AddressMismatch, Busy, InvitationError, KeyRefused, NoKey
from invitation.flows import arriving
from invitation.flows.after_commit import is_unavailable

#: Name of the field for the address in all forms of allauth.
EMAIL = "email"
#: Fields of a guest that a provider does not tell.
KEPT = frozenset({"password", "last_login", "date_joined"})
#: Key of the session under which allauth keeps a login from a provider.
PENDING = "socialaccount_sociallogin"


def opened_by(request: HttpRequest) -> arriving.Opened | None:
    """Return the invitation that a request carries, or ``None``."""
    found = gate.carried(request)
    return found if isinstance(found, arriving.Opened) else None


def is_headless(request: HttpRequest) -> bool:
    """Return whether a request came through allauth's API for apps and single-page sites."""
    return getattr(getattr(request, "allauth", None), "headless", None) is not None


def refusal_data(refusal: InvitationError) -> dict[str, Any]:
    """Return the JSON that says why somebody may not sign up, in the shape of allauth's errors."""
    param = EMAIL if isinstance(refusal, AddressMismatch) else gate.PARAMETERS[0]
    error = {"code": refusal.code, "param": param, "message": str(refusal)}
    return {"status": 403, "errors": [error]}


def refusal_response(request: HttpRequest, refusal: InvitationError) -> HttpResponseBase:
    """Return the answer to somebody who may not sign up: a page, or JSON with status 403."""
    if is_headless(request):
        response: HttpResponseBase = JsonResponse(refusal_data(refusal), status=403)
        gate.protect(response)
        return response
    if isinstance(refusal, AddressMismatch):
        return gate.refuse_address(request, refusal)
    # Without a key it is not a 404: the page exists, but not for everybody.
    status = 403 if isinstance(refusal, NoKey) else None
    return gate.refuse(request, refusal, status=status)  # type: ignore[arg-type]


def claim_and_create(
    request: HttpRequest,
    email: str,
    make: Callable[[], Any],
    *,
    subject: Any = None,
    form: Any = None,
) -> Any:
    """Claim the invitation of a request and create the account: both or neither.

    ``make`` creates and returns the account. ``subject`` is what it saves: a new account or a
    social login, or ``None`` if each call makes its own. The password in ``form`` is hashed before
    the transaction.

    Raises what ``gate.claiming`` raises, and ``Busy``.
    """
    inner = getattr(request, "_request", request)
    social = hasattr(subject, "email_addresses")

    def attempt() -> Any:
        with gate.claiming(request, email) as claim:
            forget_addresses(gate.guest_of(request))
            claim.user = user = make()
            if social:
                check_kept(user, email)
            _check_own_address(claim.opened, user)
            claim.usable = _is_usable(claim.opened, user, email, social)
        return user

    with hashed_password(form) if hasattr(form, "cleaned_data") else nullcontext():
        return gate.repeat_visit(inner, attempt, partial(renew, subject))


def forget_addresses(guest: Any) -> None:
    """Delete the addresses of a guest: allauth sets up those of an account that signs up."""
    if guest is not None:
        EmailAddress.objects.filter(user=guest.pk).delete()


def adopt_guest(request: HttpRequest, sociallogin: Any) -> None:
    """Let a login from a provider save the account of a guest, with what the provider tells."""
    guest = gate.guest_of(request)
    if guest is None:
        return
    user_username(guest, "")
    for field in guest._meta.concrete_fields:
        told = getattr(sociallogin.user, field.attname)
        if field.name not in KEPT and not field.primary_key and told != field.get_default():
            setattr(guest, field.attname, told)
    sociallogin.user = guest


def create(request: HttpRequest, email: str, make: Callable[[], Any], **kwargs: Any) -> Any:
    """Do what ``claim_and_create`` does, for a view of allauth.

    Raises allauth's ``ImmediateHttpResponse`` if the invitation is refused.
    """
    inner = getattr(request, "_request", request)
    try:
        return claim_and_create(request, email, make, **kwargs)
    except (KeyRefused, AddressMismatch) as refusal:
        raise ImmediateHttpResponse(refusal_response(inner, refusal)) from refusal
    except Busy as error:
        raise ImmediateHttpResponse(busy_response(inner, error)) from error
    except OperationalError as error:
        # In a transaction of the site around the whole request nothing can be tried again.
        if not is_unavailable(error):
            raise
        known = connections.all(initialized_only=True)
        for connection in [one for one in known if one.in_atomic_block]:
            connection.set_rollback(True)
        raise ImmediateHttpResponse(busy_response(inner, error)) from error


def busy_response(request: HttpRequest, error: Exception) -> HttpResponseBase:
    """Return the answer that asks to try again: a page, or JSON with status 503."""
    if not is_headless(request):
        return gate.answer_busy(request, error)
    gate.note_busy(error)
    known = {"code": Busy.code, "message": str(Busy())}
    response = JsonResponse({"status": 503, "errors": [known]})
    gate.ask_again_later(response)
    return response


def _check_own_address(opened: arriving.Opened | None, user: Any) -> None:
    """Refuse an account for which allauth or the site chose another address than was checked."""
    own = arriving.own_address(user)
    if conf.INVITE_MODE and opened is not None and own and not opened.admits(own):
        raise opened.mismatch()


def _is_usable(opened: arriving.Opened | None, user: Any, email: str, social: bool) -> bool:
    """Return whether the holder of a new account can log in before they confirm the address."""
    if not user.is_active:
        return False
    mandatory = app_settings.EmailVerificationMethod.MANDATORY
    own = social_settings.EMAIL_VERIFICATION if social else None
    if mandatory != (own or app_settings.EMAIL_VERIFICATION):
        return True
    return (opened is not None and opened.proves(email)) or has_verified_email(user)


def given_addresses(sociallogin: Any) -> list[str]:
    """Return the addresses that a provider gives, that of the account first."""
    own = user_email(sociallogin.user)
    given = [row.email for row in sociallogin.email_addresses]
    return [email for email in dict.fromkeys((own, *given)) if email]


def check_kept(user: Any, email: str) -> None:
    """Check that allauth has kept the address of a new account.

    allauth drops it without a word if somebody else has taken it since the form was checked. Then
    nobody could log in to the account. Raises ``IntegrityError``.
    """
    try:
        if email and app_settings.UNIQUE_EMAIL:
            EmailAddress.objects.get_for_user(user, email)
    except EmailAddress.DoesNotExist as error:
        raise IntegrityError("Somebody else has just taken this address.") from error


# ``type: ignore[misc]`` in a mixin below: the class that it is mixed into has the method.


class ClaimingMixin:
    """Mixin for a form that signs people up with ``save(request)``: it claims the invitation."""

    def __init__(self, *args: Any, opened: arriving.Opened | None = None, **kwargs: Any) -> None:
        #: Invitation that the visitor carries, or ``None``.
        self.opened = opened
        super().__init__(*args, **kwargs)

    def clean(self) -> Any:
        """Check the address against the invitation that the visitor carries."""
        super().clean()  # type: ignore[misc]
        check_address(self, self.opened, EMAIL)
        return self.cleaned_data  # type: ignore[attr-defined]

    def save(self, request: HttpRequest) -> Any:
        """Create the account and claim the invitation: both or neither."""
        form: Any = self
        form.cleaned_data.pop(HINT_FIELD, None)  # not for the site's own code
        host: Any = super()
        email = form.cleaned_data.get(EMAIL) or ""

        def make() -> Any:
            user = host.save(request)
            check_kept(user, email)
            return user

        login = getattr(form, "sociallogin", None)
        return create(request, email, make, subject=login, form=form)


@lru_cache(maxsize=32)
def claiming_class(form_class: type) -> type:
    """Return a subclass of a form class of allauth or of the site that claims the invitation."""
    if issubclass(form_class, ClaimingMixin):
        return form_class
    return type(form_class.__name__, (ClaimingMixin, form_class), {"__doc__": form_class.__doc__})


def renew(subject: Any) -> None:
    """Make what a try has saved new again after a rollback; see ``create``."""
    rows = [subject]
    if hasattr(subject, "email_addresses"):
        rows = [subject.user, subject.account, subject.token, *subject.email_addresses]
    for row in rows:
        if row is not None:
            row.pk, row._state.adding = None, True
