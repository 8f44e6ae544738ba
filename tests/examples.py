"""How many examples Hypothesis tries."""

from __future__ import annotations

import os

#: Whether all examples are tried: `make exhaustive` asks for them.
ALL = os.environ.get("INVITATION_TEST_EXAMPLES") == "all"


def examples(number: int) -> int:
    """Return this number where all examples are tried, a fifth of it in every other run."""
    return number if ALL else number // 5
