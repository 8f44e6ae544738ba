"""The site with guests, in a process of its own: it has other settings."""

from __future__ import annotations

from tests.test_kinds_of_site import run_on

SITE = "tests/hosts/registration5/with_guests"


def test_guests_sign_up() -> None:
    done = run_on(f"{SITE.replace('/', '.')}.settings", SITE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout
