"""Redux's one-step registration behind the gate."""

from __future__ import annotations

import pytest
from registration.backends.simple.views import RegistrationView

from tests import scenes
from tests.backends.contract import Commit, OneStepContract
from tests.scenes import REGISTER, answers


@pytest.mark.anywhere
class TestSimple(OneStepContract):
    urlconf = "tests.urls_simple"
    host_view = RegistrationView
    active_with_any_key = True

    def test_a_name_that_is_taken_is_no_account_that_waits(self, commit: Commit) -> None:
        link = self.share()
        for expected in (302, 200):
            browser = scenes.visit(link)
            with commit():
                assert browser.post(REGISTER, answers()).status_code == expected
        assert scenes.accounts().count() == 1
