"""The page of optimizers is what its generator writes."""

import runpy
from pathlib import Path

DOCS = Path(__file__).parent.parent.parent / "docs"


def test_page_is_up_to_date():
    made = runpy.run_path(str(DOCS / "optimizers.py"))["page"]()
    assert (DOCS / "optimizers.md").read_text() == made, "run `python docs/optimizers.py`"
