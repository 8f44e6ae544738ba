"""The contract of all hosts, through the views of a site's own that the documentation prints."""

from __future__ import annotations

from contextvars import Context
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import IntegrityError
from django.db.models.signals import post_save
from django.test import Client

from invitation import keys
from invitation.models import InvitationKey
from tests import scenes
from tests.backends.host_contract import OneStepHostContract


class PlainContract(OneStepHostContract):
    """What the tests know of plain Django: who signs up is logged in, whatever the link."""

    form_template = "registration/registration_form.html"
    landing_url = "/"
    active_with_any_key = True
    late_signal = (post_save, {"sender": get_user_model()})


class TestClass(PlainContract):
    """A ``CreateView`` with ``InvitationRequiredMixin``."""

    register_url = "/accounts/register/"
    claim_verb = "claim"


class TestCopied(TestClass):
    """The same with the link that was not emailed."""

    channel = keys.COPY


class FunctionContract(PlainContract):
    """A function with ``invitation_required``."""

    def test_a_name_that_was_taken_meanwhile_is_a_form_error(  # type: ignore[override]
        self, visitor: Client, invitation: InvitationKey, before_claim: Any
    ) -> None:
        """Raise what the function raises without an invitation, and use nothing."""
        # In the context of another request.
        before_claim(lambda: Context().run(scenes.make_user, "newcomer", email="x@example.com"))
        with pytest.raises(IntegrityError):
            self.sign_up(visitor)
        invitation.refresh_from_db()
        assert (invitation.status, invitation.uses) == ("pending", 0)


class TestFunction(FunctionContract):
    """A synchronous one."""

    register_url = "/accounts/function/"


class TestAsync(FunctionContract):
    """An asynchronous one."""

    register_url = "/accounts/async/"
