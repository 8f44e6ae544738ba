"""Fixtures for pytest: the functions of ``invitation.testing``, with the test's database.

Write ``pytest_plugins = ["invitation.testing.pytest"]`` into the ``conftest.py`` at the root of the
tests. The fixtures need pytest-django.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from invitation import testing

if TYPE_CHECKING:
    from invitation.models import InvitationKey


@pytest.fixture
def make_invitation(db: None) -> Callable[..., InvitationKey]:
    """Return ``invitation.testing.make_invitation``."""
    return testing.make_invitation


@pytest.fixture
def invitation_link(db: None) -> Callable[..., str]:
    """Return ``invitation.testing.invitation_link``."""
    return testing.invitation_link


@pytest.fixture
def sent_invitations(db: None) -> Callable[[], list[testing.SentInvitation]]:
    """Return ``invitation.testing.sent_invitations``."""
    return testing.sent_invitations
