"""The graph of recorded operations and the backward pass over it."""

from jtorch.tape._engine import Bridge, run_backward, set_bridge
from jtorch.tape._node import Edge, Node, OpNode, RemovableHandle, node_class, note_hook, sequence
from jtorch.tape._replay import tape_of

__all__ = [
    "Bridge",
    "Edge",
    "Node",
    "OpNode",
    "RemovableHandle",
    "node_class",
    "note_hook",
    "run_backward",
    "sequence",
    "set_bridge",
    "tape_of",
]
