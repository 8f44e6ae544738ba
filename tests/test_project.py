"""The package as Django sees it, on each kind of site."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import call_command

pytestmark = pytest.mark.anywhere


@pytest.mark.django_db
def test_no_system_check_complains() -> None:
    output = StringIO()
    call_command("check", fail_level="DEBUG", databases=["default"], stderr=output)
    assert output.getvalue() == ""


@pytest.mark.django_db
def test_the_migrations_make_what_the_models_say() -> None:
    output = StringIO()
    try:
        call_command(
            "makemigrations", "invitation", check_changes=True, dry_run=True, stdout=output
        )
    except SystemExit:
        pytest.fail(f"A migration is missing:\n{output.getvalue()}")
