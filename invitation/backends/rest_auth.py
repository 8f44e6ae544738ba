"""Registration with dj-rest-auth: a serializer that claims the invitation.

A site names it as ``REGISTER_SERIALIZER`` in REST_AUTH, and has the adapters of
``backends.allauth``. A request carries its key as ``invitation_key`` in the JSON body, or in
``X-Invitation-Key``.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from dj_rest_auth.registration import serializers as host
from rest_framework.exceptions import APIException, PermissionDenied

from invitation import gate
from invitation.backends.allauth import claiming_forms
from invitation.conf import conf
from invitation.exceptions import AddressMismatch, Busy, KeyRefused
from invitation.flows import arriving


class BusyError(APIException):
    """Error of the API: the database has undone the registration, and it may be tried again."""

    status_code = 503
    default_code = Busy.code
    default_detail = Busy.message


class InvitationSerializerMixin:
    """Mixin for a serializer that signs people up with ``save(request)``."""

    #: Mark for the check of open doors.
    invitation_required = True
    context: dict[str, Any]

    def is_valid(self, *args: Any, **kwargs: Any) -> bool:
        """Refuse a request without a valid key, or check what it sends.

        Raises ``PermissionDenied``.
        """
        found = gate.carried(self.context["request"])
        if conf.INVITE_MODE and isinstance(found, KeyRefused):
            raise PermissionDenied(claiming_forms.refusal_data(found))
        return bool(super().is_valid(*args, **kwargs))  # type: ignore[misc]

    def validate_email(self, email: str) -> str:
        """Check the address against the invitation that the request carries.

        Raises ``PermissionDenied`` if the invitation is for another address.
        """
        found = gate.carried(self.context["request"])
        if conf.INVITE_MODE and isinstance(found, arriving.Opened) and not found.admits(email):
            raise PermissionDenied(claiming_forms.refusal_data(found.mismatch()))
        return str(super().validate_email(email))  # type: ignore[misc]

    def save(self, request: Any) -> Any:
        """Create the account and claim the invitation: both or neither."""
        serializer: Any = self
        serializer.cleaned_data = serializer.get_cleaned_data()
        email = serializer.cleaned_data.get(claiming_forms.EMAIL) or ""
        make = partial(super().save, request)  # type: ignore[misc]
        try:
            return claiming_forms.claim_and_create(request, email, make, form=serializer)
        except (KeyRefused, AddressMismatch) as refusal:
            raise PermissionDenied(claiming_forms.refusal_data(refusal)) from refusal
        except Busy as error:
            gate.note_busy(error)
            raise BusyError() from error


class RegisterSerializer(InvitationSerializerMixin, host.RegisterSerializer):
    """Serializer of dj-rest-auth for the holder of a valid invitation key."""
