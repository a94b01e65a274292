"""Each test of the engine starts from the same state, whatever mode the suite runs in: it counts."""

import pytest

from jtorch.trace import clear_programs, flush_all, reset_metrics, settings


@pytest.fixture(autouse=True)
def lazy():
    """Default settings, no programs and zeroed counters; the suite's own mode comes back afterwards."""
    saved = {name: getattr(settings, name) for name in ("eager", "max_nodes", "max_bytes", "verify")}
    flush_all("test")
    settings.eager, settings.max_nodes, settings.max_bytes, settings.verify = False, 16384, 4 << 30, True
    clear_programs()
    reset_metrics()
    yield
    flush_all("test")
    for name, value in saved.items():
        setattr(settings, name, value)
