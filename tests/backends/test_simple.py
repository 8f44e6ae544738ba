"""Redux's one-step registration behind the gate."""

from __future__ import annotations

import pytest
from registration.backends.simple.views import RegistrationView

from tests.backends.contract import OneStepContract


@pytest.mark.anywhere
class TestSimple(OneStepContract):
    urlconf = "tests.urls_simple"
    host_view = RegistrationView
    active_with_any_key = True
