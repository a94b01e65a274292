"""One program under PyTorch and under jtorch, number by number: ``python -m jtorch.compare script.py``."""

from jtorch.compare._comparison import Comparison, Difference
from jtorch.compare._runs import NoReference, compare

__all__ = ["Comparison", "Difference", "NoReference", "compare"]
