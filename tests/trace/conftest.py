"""Every test of the engine counts, so each starts from the same state."""

import pytest


@pytest.fixture(autouse=True)
def _from_the_start(lazy):
    """See the fixture ``lazy``."""
