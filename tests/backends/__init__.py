"""The tests of the registration backends."""

import pytest

# It is no test module by its name, but its assertions should explain themselves as well.
pytest.register_assert_rewrite("tests.backends.contract", "tests.backends.host_contract")
