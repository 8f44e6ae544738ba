"""Functions that fit a host's registration form to the invitation that the visitor carries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.forms import BaseForm, CharField, HiddenInput
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from invitation import addresses
from invitation.conf import conf
from invitation.delivery import texts
from invitation.flows import arriving
from invitation.keys import sites

#: Hidden field that identifies the form's invitation by its key hint, which people may see.
HINT_FIELD = "invitation_hint"


def email_field_name() -> str:
    """Return the name of the email field in the user model, and so in the form."""
    return get_user_model().get_email_field_name()


def bind_invitation(form: BaseForm, opened: arriving.Opened | None, name: str = "") -> None:
    """Adapt a registration form to the invitation that the visitor carries, if any.

    ``name`` is the name of the form's email field. By default, it is that of the user model.
    """
    name_purposes(form)
    if opened is not None:
        name = name or email_field_name()
        _bind_hint(form, opened, name)
        _bind_email(form, opened, name)


def name_purposes(form: BaseForm) -> None:
    """Set the purpose of an account form's fields for browsers (WCAG 2.2, 1.3.5)."""
    for name, purpose in (
        (email_field_name(), "email"),
        (get_user_model().USERNAME_FIELD, "username"),
    ):
        if name in form.fields:
            form.fields[name].widget.attrs.setdefault("autocomplete", purpose)


def label_email(form: BaseForm, own: type[BaseForm]) -> None:
    """Label the email field as all pages do, if it has the label of the host's ``own`` form."""
    field: Any = form.fields.get("email")
    # type: ignore: each form class has these, and the type of a base form does not say so.
    if field is not None and field.label is own.base_fields["email"].label:  # type: ignore[attr-defined]
        field.label = _("Email address")


def _bind_hint(form: Any, opened: arriving.Opened, email_name: str) -> None:
    """Add the invitation's hint to the form, and show the form again for another invitation.

    A visitor who opens a second invitation in another tab carries that one from then on. The form
    in the first tab must not use it unseen.
    """
    if HINT_FIELD in form.fields:
        return  # Both the view and the form are ours.
    hint = opened.invitation.key_hint
    field = CharField(widget=HiddenInput, required=False, initial=hint, label="")
    name, email = form.add_prefix(HINT_FIELD), form.add_prefix(email_name)
    if form.data.get(name) not in (None, "", hint):
        form.data = form.data.copy()
        form.data[name] = hint
        if is_locked(opened) and email in form.data:
            form.data[email] = opened.invitation.email
        # Not an error of this field: a site's own template may show errors of visible fields only.
        field.validators.append(lambda _hint: form.add_error(None, _switched()))
    form.fields[HINT_FIELD] = field


def _switched() -> ValidationError:
    message = _(
        "You opened another invitation in the meantime. This form is now for that one. Check it, "
        "then send it again."
    )
    return ValidationError(message, code="another_invitation")


def is_locked(opened: arriving.Opened) -> bool:
    """Return whether only the invited address may register."""
    exact = conf.INVITE_MODE and conf.INVITATION_EMAIL_POLICY != "any"
    return exact and bool(opened.invitation.email)


def _bind_email(form: BaseForm, opened: arriving.Opened, name: str) -> None:
    """Fill in the invited address, and lock the field where only that address may register.

    The lock is only visual. ``Opened.admits`` enforces the rule, and ``arriving.claim`` asks it
    again.
    """
    field = form.fields.get(name)
    if field is not None and opened.invitation.allowed_domains:
        domains = {"domains": ", ".join(opened.invitation.domains)}
        field.help_text = field.help_text or _("An address at %(domains)s.") % domains
    if field is None or not opened.invitation.email:
        return
    if is_locked(opened) or not form.initial.get(name):
        form.initial[name] = opened.invitation.email
    if is_locked(opened):
        field.widget.attrs["readonly"] = True
        field.help_text = field.help_text or _("The invitation is for this address.")


def use_invited_address(form: Any, opened: arriving.Opened | None, name: str = "") -> str:
    """Replace an equivalent address in a valid form with the invited one, and return the address.

    Example: a domain in another script is the same domain here, but an email library may treat it
    as another one. So the account gets the invited address, not the typed text. With a shared link
    for certain domains, the account gets the cleaned address.
    """
    name = name or email_field_name()
    typed: str = form.cleaned_data.get(name) or ""
    invited = opened.invitation.email if opened is not None else ""
    if opened is not None and opened.invitation.allowed_domains and opened.admits(typed):
        invited = addresses.clean(typed)
    if typed.lower() == invited.lower() or not addresses.same(typed, invited):
        return typed
    form.cleaned_data[name] = invited
    if hasattr(form, "instance"):
        setattr(form.instance, name, invited)
    return invited


def give_invited_address(form: Any, opened: arriving.Opened | None, name: str = "") -> None:
    """Give the account of a valid form the invited address if the form asks for none.

    Only where no other address may sign up.
    """
    name = name or email_field_name()
    if opened is None or name in form.fields or not is_locked(opened):
        return
    form.cleaned_data[name] = opened.invitation.email
    if hasattr(getattr(form, "instance", None), name):
        setattr(form.instance, name, opened.invitation.email)


def check_address(form: Any, opened: arriving.Opened | None, name: str) -> None:
    """Add an error to a form whose address the invitation does not admit.

    Where only the invited address may sign up and the form asks for none, the account gets that.
    """
    if opened is None or name in form.errors:
        return
    give_invited_address(form, opened, name)
    email = use_invited_address(form, opened, name)
    if conf.INVITE_MODE and not opened.admits(email):
        mismatch = opened.mismatch()
        error = ValidationError(str(mismatch), code=mismatch.code)
        form.add_error(name if name in form.fields else None, error)


def guest_arguments(guest: Any, form_class: Any, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments with which a model form saves the account of a guest, or none.

    The form does not show the name that the guest had so far.
    """
    model = getattr(getattr(form_class, "_meta", None), "model", None)
    if guest is None or model is None or not isinstance(guest, model._meta.concrete_model):
        return {}
    initial = {get_user_model().USERNAME_FIELD: ""} | (kwargs.get("initial") or {})
    return {"instance": guest, "initial": initial}


def form_context(request: HttpRequest, opened: arriving.Opened | None) -> dict[str, Any]:
    """Return what the template of a registration form may show of the invitation."""
    invitation = opened.invitation if opened else None
    return {
        "invitation_key": opened.key if opened else "",
        "invitation": invitation,
        "expires_at": invitation.expires_at if invitation else None,
        "inviter_name": texts.inviter_name(invitation.from_user) if invitation else "",
        **sites.describe_current(request),
    }


class FormOutdated(Exception):
    """Exception that ends a registration: its form is no longer valid, and says so."""


def replace_form(form: Any, fresh: Any) -> None:
    """Make a form that was saved in a transaction that was rolled back a fresh one, and check it.

    The old one believes that its objects are in the database. Everybody who has the form has the
    fresh one then.

    Raises ``FormOutdated`` if it is not valid any more. For example, somebody else took the name.
    """
    valid = fresh.is_valid()
    vars(form).clear()
    vars(form).update(vars(fresh))
    if not valid:
        raise FormOutdated
