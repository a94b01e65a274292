"""Running graphs with NumPy instead of XLA, for processes that must leave XLA alone (a DataLoader's workers).

An op's jaxpr is evaluated primitive by primitive, so no op is written a second time; a primitive without a
rule makes the ops that need it raise ``NotImplementedError``.
"""

from jtorch.trace._host import _contracting, _indexing, _jaxpr, _pointwise, _reducing, _shaping
from jtorch.trace._host._run import run_graph, run_one

__all__ = ["run_graph", "run_one"]
