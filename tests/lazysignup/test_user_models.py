"""All tests of guests also hold for other user models, each in a process of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.conf import settings

from tests.test_kinds_of_site import run_on

FOLDER = Path(__file__).parent


@pytest.mark.skipif("_" in settings.SETTINGS_MODULE.split(".")[-1], reason="this is one of them")
@pytest.mark.parametrize("model", ["email", "person"])
def test_guests_have_the_accounts_of_the_site(model: str) -> None:
    settings_name = f"tests.lazysignup.settings_{model}"
    run = run_on(settings_name, "--first-case=tests/lazysignup", str(FOLDER))
    assert run.returncode == 0, f"{run.stdout}\n{run.stderr}"
