"""Choose for which backends `make test` runs the contract with all of its parameters."""

from __future__ import annotations

import pytest

from tests.backends import contract

#: One of each kind: two steps, one step. For the others the first of a test's parameters is enough;
#: `make exhaustive` runs them all.
IN_FULL = {"TestDefault", "TestVerified"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as exhaustive the further parameters of the contract for the other backends."""
    seen = set()
    for item in items:
        if (
            isinstance(item, pytest.Function)
            and item.cls is not None
            and item.cls.__name__ not in IN_FULL
            and item.function.__module__ == contract.__name__
        ):
            test = (item.cls, item.originalname)
            if test in seen:
                item.add_marker(pytest.mark.exhaustive)
            seen.add(test)
