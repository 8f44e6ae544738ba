"""The app follows what becomes of accounts, with redux and without."""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps
from registration.models import RegistrationProfile

from invitation.backends import receivers
from invitation.models import Acceptance
from tests import scenes
from tests.scenes import REGISTER, answers


def test_without_a_host_nothing_of_it_is_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def is_installed(name: str) -> bool:
        asked.append(name)
        return False

    monkeypatch.setattr(apps, "is_installed", is_installed)
    receivers.connect()
    assert set(asked) == {receivers.ALLAUTH, *receivers.TWO_STEP_HOSTS}


def test_redux_finds_the_setting_that_it_cannot_do_without(settings: Any) -> None:
    del settings.ACCOUNT_ACTIVATION_DAYS
    receivers.supply_activation_days()
    assert settings.ACCOUNT_ACTIVATION_DAYS == 7


def test_a_site_that_has_set_it_keeps_its_own(settings: Any) -> None:
    settings.ACCOUNT_ACTIVATION_DAYS = 3
    receivers.supply_activation_days()
    assert settings.ACCOUNT_ACTIVATION_DAYS == 3


@pytest.mark.django_db
def test_an_activation_in_the_admin_is_recorded_too(member: Any) -> None:
    scenes.visit(scenes.invite(member), channel="copy").post(REGISTER, answers())
    profile = RegistrationProfile.objects.get()
    # What redux's admin action does, which sends no signal.
    RegistrationProfile.objects.activate_user(profile.activation_key, None)
    assert Acceptance.objects.get().activated_at is not None
