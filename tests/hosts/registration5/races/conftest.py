"""The arena of the other races."""

from tests.races.conftest import (  # noqa: F401 (fixtures)
    arena,
    atomic_requests,
    dummy_delivery,
    shared_database,
    short_arena,
    site,
    without_limits,
)
