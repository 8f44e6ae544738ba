"""What the tests of allauth share."""

from __future__ import annotations

from importlib import import_module

import pytest


@pytest.fixture(autouse=True, scope="session")
def addresses_of_the_site() -> None:
    """Read the URLconf under the site's own settings: allauth's depends on them."""
    import_module("tests.hosts.allauth.urls")
