"""Redux's two-step registration behind the gate."""

from __future__ import annotations

import pytest
from registration.backends.default.views import RegistrationView

from tests.backends.contract import TwoStepContract


@pytest.mark.anywhere
class TestDefault(TwoStepContract):
    urlconf = "tests.urls"
    host_view = RegistrationView
