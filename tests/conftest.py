"""Settings of the suite: every recorded graph is verified, programs are cached beside the checkout."""

import os
import sys
from pathlib import Path

# Before jtorch is imported, which reads them once.
os.environ.setdefault("JTORCH_VERIFY", "1")
os.environ.setdefault("JTORCH_CACHE_DIR", str(Path(__file__).parent.parent / ".pytest_cache" / "xla"))
if os.environ.get("JTORCH_TEST_WITHOUT_TORCH", "") not in ("", "0"):
    # `import torch` fails as if it were not installed.
    sys.modules["torch"] = None

import pytest


@pytest.fixture(scope="session")
def torch():
    """Real PyTorch to compare with; the test is skipped where it is missing."""
    return pytest.importorskip("torch")
