"""Register and activate accounts with a backend class: the views of django-registration 0.8.

A backend needs the six methods of ``RegistrationBackend`` and nothing else. If it has them, it
is also asked, as our ``InvitationBackend`` is:

``refusal(request)``
    for a response to who may not register; without it, or if it returns ``None``, the
    visitor is sent to the closed page.
``registration_context(request)``
    for more context of the form's page.
``finish_registration(request, response, user)``
    to change the response; ``user`` is the new account or ``None``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.decorators import login_not_required
from django.db import IntegrityError, transaction
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from invitation import gate
from invitation.backends.base import email_field_name
from invitation.backends.classic.base import Redirect, get_backend
from invitation.exceptions import AddressMismatch, KeyRefused


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
    """Show the registration form, and let the backend make the account that it asks for.

    ``backend`` is the dotted path of a backend class; ``form_class``, ``success_url`` and
    ``extra_context``, whose callables are called, go before what the backend says. The form's
    context is ``form``. Raises ``ImproperlyConfigured`` for a backend that cannot be loaded.
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
        response = render(request, template_name, context | _called(extra_context))
    elif success_url is None:
        response = _go(chosen.post_registration_redirect(request, user))
    else:
        response = redirect(success_url)
    if hasattr(chosen, "finish_registration"):
        chosen.finish_registration(request, response, user)
    return response


@login_not_required
@sensitive_post_parameters()
@csrf_protect
@never_cache
@require_http_methods(["GET", "POST"])
def activate(
    request: HttpRequest,
    backend: str | type,
    template_name: str = "registration/activate.html",
    success_url: str | None = None,
    extra_context: Mapping[str, Any] | None = None,
    **kwargs: Any,
) -> HttpResponseBase:
    """Let the backend activate the account that the URL's arguments name, or say that it failed.

    The failure page's context is those arguments and ``extra_context``. HEAD is refused: it must
    not activate anything, and there is nothing to say without doing so.
    """
    chosen = get_backend(backend)
    user = chosen.activate(request, **kwargs)
    if not user:
        context = {"try_again": False, **kwargs, **_called(extra_context)}
        return render(request, template_name, context)
    if success_url is not None:
        return redirect(success_url)
    return _go(chosen.post_activation_redirect(request, user))


def _submit(
    request: HttpRequest, chosen: Any, form_class: type[BaseForm]
) -> tuple[BaseForm | None, Any]:
    """Return the form to show, or ``None`` and what the backend returned for a posted one."""
    if request.method != "POST":
        return form_class(), None
    form = form_class(data=request.POST, files=request.FILES)
    if not form.is_valid():
        return form, None
    try:
        # One transaction around whatever a backend does: what fails halfway leaves nothing.
        with transaction.atomic():
            return None, chosen.register(request, **form.cleaned_data)
    except AddressMismatch as mismatch:
        name = email_field_name()
        form.add_error(name if name in form.fields else None, str(mismatch))
    except IntegrityError:
        # Somebody has taken the name since the form was checked: now the form knows.
        form = form_class(data=request.POST, files=request.FILES)
        if form.is_valid() and not _name_taken(form):
            raise
    return form, None


def _go(where: Redirect) -> HttpResponseBase:
    to, args, kwargs = where
    response: HttpResponseBase = redirect(to, *args, **kwargs)
    return response


def _name_taken(form: BaseForm) -> bool:
    """Tell whether there is an account of this login name, and if so, say it in the form."""
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
