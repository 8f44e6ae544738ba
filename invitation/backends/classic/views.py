"""Views that register and activate accounts with a backend class, as in django-registration 0.8.

A backend needs only the six methods of ``RegistrationBackend``. The views also call these methods
if a backend has them. Our ``InvitationBackend`` has them:

``refusal(request)``
    returns a response for a visitor who may not register. Without it, or if it returns ``None``,
    the visitor is redirected to the page for closed registration.
``registration_context(request)``
    returns more context for the form's page.
``finish_registration(request, response, user)``
    changes the response; ``user`` is the new account or ``None``.
``activation_account(request, **kwargs)``
    returns the account of an activation link, if it waits or the link has activated it; otherwise
    ``None``. With this method, the page shows the account. The page also asks for a password where
    somebody else may have chosen it.
``resume(request, form)``
    returns the visitor's own waiting account if that makes the form invalid, or ``None``. It also
    sends the activation email again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import IntegrityError
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods

from invitation import gate
from invitation.backends import activation
from invitation.backends.classic.base import Redirect, get_backend
from invitation.backends.fields import (
    FormOutdated,
    email_field_name,
    label_email,
    replace_form,
)
from invitation.backends.passwords import hashed_password
from invitation.exceptions import AddressMismatch, Busy, KeyRefused, MailLimitReached
from invitation.flows import arriving
from invitation.flows.after_commit import in_transaction, roll_back, writing
from invitation.gate.atomic_requests import own_transactions

#: Module of redux's forms, which need not be installed.
REDUX_FORMS = "registration.forms"


@own_transactions
@login_not_required
@sensitive_post_parameters()
@csrf_protect
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def register(
    request: HttpRequest,
    backend: str | type,
    success_url: str | None = None,
    form_class: type[BaseForm] | None = None,
    disallowed_url: str = "registration_disallowed",
    template_name: str = "registration/registration_form.html",
    extra_context: Mapping[str, Any] | None = None,
) -> HttpResponseBase:
    """Show the registration form, and let the backend create the account.

    ``backend`` is the dotted path of a backend class. ``form_class``, ``success_url`` and
    ``extra_context`` replace what the backend returns; callables in ``extra_context`` are called.
    The form's context is ``form``. Raises ``ImproperlyConfigured`` for a backend that cannot be
    loaded.
    """
    chosen = get_backend(backend)
    if not chosen.registration_allowed(request):
        refusal: HttpResponseBase | None = None
        if hasattr(chosen, "refusal"):
            refusal = chosen.refusal(request)
        return refusal or redirect(disallowed_url)
    if form_class is None:
        form_class = chosen.get_form_class(request)
    try:
        form, user = _submit(request, chosen, form_class)
    except KeyRefused as refused:
        return gate.refuse(request, refused)
    response: HttpResponseBase
    if form is not None:
        context: dict[str, Any] = {"form": form}
        if hasattr(chosen, "registration_context"):
            context |= chosen.registration_context(request)
        full = form.has_error(NON_FIELD_ERRORS, MailLimitReached.code)
        status = 429 if full else None
        context |= _called(extra_context)
        response = render(request, template_name, context, status=status)
        if form.has_error(NON_FIELD_ERRORS, Busy.code):
            gate.ask_again_later(response)
    elif success_url is None:
        response = _go(chosen.post_registration_redirect(request, user))
    else:
        response = redirect(success_url)
    if hasattr(chosen, "finish_registration"):
        chosen.finish_registration(request, response, user)
    return response


@own_transactions
@login_not_required
@sensitive_post_parameters()
@sensitive_variables()
@csrf_protect
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def activate(
    request: HttpRequest,
    backend: str | type,
    template_name: str = "registration/activate.html",
    success_url: str | None = None,
    extra_context: Mapping[str, Any] | None = None,
    **kwargs: Any,
) -> HttpResponseBase:
    """Show the account that the URL's arguments name, and let the backend activate it by POST.

    The failure page's context is those arguments and ``extra_context``. GET and HEAD change
    nothing. For a backend without ``activation_account``, the page shows only a button.

    A backend whose ``activates_by_get`` is true activates by GET, as django-registration 0.8 did.
    Then a program that scans emails can activate an account, so the link proves no address.
    """
    chosen = get_backend(backend)
    context = {"try_again": False, **kwargs, **_called(extra_context)}
    failed = partial(render, request, template_name, context)
    account = _account(chosen, request, kwargs)
    if account is None:
        return failed()
    if account is not UNKNOWN and account.is_active:
        return _activated(chosen, request, account, success_url)
    known = None if account is UNKNOWN else account
    page, form = None, None
    if request.method != "GET" or not getattr(chosen, "activates_by_get", False):
        page, form = _confirm(request, known, failed)
    if page is not None:
        return page
    user = in_transaction(partial(_activate, chosen, request, known, form, kwargs))
    return _activated(chosen, request, user, success_url) if user else failed()


@sensitive_variables()
def _activate(
    chosen: Any, request: HttpRequest, known: Any, form: Any, kwargs: dict[str, Any]
) -> Any:
    """Set the account's password and activate the account; return it, or ``None``."""
    if known is not None:
        # Lock the account first, in the same order as a deletion does.
        if not arriving.lock_account(known.pk):
            return None
        if request.method == "POST":
            activation.admit(known, form, str(kwargs.get("activation_key", "")))
    user = chosen.activate(request, **kwargs)
    if not user:
        # Undo all changes to an account that cannot be activated.
        roll_back()
    return user


#: Placeholder for an account that the backend cannot identify before its activation.
UNKNOWN = object()


def _account(chosen: Any, request: HttpRequest, kwargs: dict[str, Any]) -> Any:
    """Return the account of an activation link, ``None``, or ``UNKNOWN``."""
    if not hasattr(chosen, "activation_account"):
        return UNKNOWN
    try:
        return chosen.activation_account(request, **kwargs)
    except NotImplementedError:
        return UNKNOWN


@sensitive_variables()
def _confirm(
    request: HttpRequest, account: Any, failed: Callable[[], HttpResponseBase]
) -> tuple[HttpResponseBase | None, Any]:
    """Return the page to show, or ``None`` and the valid form, if one was needed."""
    posted = request.POST if request.method == "POST" else None
    if account is not None and posted is not None and activation.NOT_ME in posted:
        return activation.disown(request, account) or failed(), None
    form: Any = activation.confirm_form(account, posted)
    if posted is None or (form is not None and not form.is_valid()):
        return activation.show(request, account, form), None
    if form is not None:
        form.save(commit=False)  # hashes before the transaction
    return None, form


def _activated(
    chosen: Any, request: HttpRequest, user: Any, success_url: str | None
) -> HttpResponseBase:
    response: HttpResponseBase
    if success_url is not None:
        response = redirect(success_url)
    else:
        response = _go(chosen.post_activation_redirect(request, user))
    return response


def _submit(
    request: HttpRequest, chosen: Any, form_class: type[BaseForm]
) -> tuple[BaseForm | None, Any]:
    """Return the form to show, or ``None`` and the backend's result for a posted form."""
    form = _form(request, form_class)
    if request.method != "POST":
        return form, None
    if not form.is_valid():
        return _resume(request, chosen, form)
    try:
        with hashed_password(form):
            attempt = partial(_register, request, chosen, form)
            return None, gate.repeat_visit(request, attempt, partial(_renew, request, form))
    except FormOutdated:
        pass  # It says what has changed since it was checked.
    except Busy as busy:
        gate.note_busy(busy)
        form.add_error(None, ValidationError(str(busy), code=busy.code))
    except MailLimitReached as full:
        _add_limit(form, full)
    except AddressMismatch as mismatch:
        name = email_field_name()
        form.add_error(name if name in form.fields else None, str(mismatch))
    except IntegrityError:
        # Somebody has taken the name since the form was checked. A new check finds that.
        form = _form(request, form_class)
        if form.is_valid() and not _name_taken(form):
            raise
    return form, None


def _form(request: HttpRequest, form_class: type[BaseForm]) -> BaseForm:
    """Return the form with what was posted; if redux labelled the address, as all pages do."""
    posted = request.method == "POST"
    form = form_class(data=request.POST, files=request.FILES) if posted else form_class()
    for own in form_class.__mro__:
        if own.__module__ == REDUX_FORMS:
            label_email(form, own)
    return form


@sensitive_variables()
def _register(request: HttpRequest, chosen: Any, form: BaseForm) -> Any:
    # One transaction around the backend's work: a failure halfway leaves nothing.
    with writing():
        return chosen.register(request, **form.cleaned_data)


def _renew(request: HttpRequest, form: BaseForm) -> None:
    """Make the form a fresh one before another try. Raises ``FormOutdated``."""
    replace_form(form, _form(request, type(form)))


def _resume(request: HttpRequest, chosen: Any, form: BaseForm) -> tuple[BaseForm | None, Any]:
    """Return the result of ``_submit`` for a form that is not valid."""
    try:
        user = chosen.resume(request, form) if hasattr(chosen, "resume") else None
    except MailLimitReached as full:
        _add_limit(form, full)
        user = None
    return (form, None) if user is None else (None, user)


def _add_limit(form: BaseForm, full: MailLimitReached) -> None:
    form.add_error(None, ValidationError(str(full), code=MailLimitReached.code))


def _go(where: Redirect) -> HttpResponseBase:
    to, args, kwargs = where
    response: HttpResponseBase = redirect(to, *args, **kwargs)
    return response


def _name_taken(form: BaseForm) -> bool:
    """Return whether an account has this login name, and if so, add the error to the form."""
    model: Any = get_user_model()
    field = model._meta.get_field(model.USERNAME_FIELD)
    name = field.name if field.name in form.cleaned_data else "username"
    if name not in form.cleaned_data:
        return False
    taken = model._default_manager.filter(**{field.name: form.cleaned_data[name]}).exists()
    if taken:
        form.add_error(name, field.error_messages["unique"])
    return bool(taken)


def _called(extra_context: Mapping[str, Any] | None) -> dict[str, Any]:
    return {
        name: value() if callable(value) else value for name, value in (extra_context or {}).items()
    }
