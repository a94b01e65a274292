"""The graph of recorded operations and the backward pass over it."""

from jtorch.tape._engine import Bridge, run_backward, set_bridge
from jtorch.tape._node import Edge, Node, OpNode, RemovableHandle, node_class, sequence

__all__ = [
    "Bridge",
    "Edge",
    "Node",
    "OpNode",
    "RemovableHandle",
    "node_class",
    "run_backward",
    "sequence",
    "set_bridge",
]
