"""The graph of recorded operations and the backward pass over it."""

from jtorch.tape._custom import CustomNode, Packed, PackedNode
from jtorch.tape._engine import (
    FREED,
    Bridge,
    is_running,
    modified,
    run_backward,
    run_hooks,
    run_post_hooks,
    run_pre_hooks,
    running,
    set_bridge,
)
from jtorch.tape._node import (
    Edge,
    Node,
    OpNode,
    RemovableHandle,
    hook_changes,
    node_class,
    note_hook,
    sequence,
)
from jtorch.tape._replay import tape_of

__all__ = [
    "FREED",
    "Bridge",
    "CustomNode",
    "Edge",
    "Node",
    "OpNode",
    "Packed",
    "PackedNode",
    "RemovableHandle",
    "hook_changes",
    "is_running",
    "modified",
    "node_class",
    "note_hook",
    "run_backward",
    "run_hooks",
    "run_post_hooks",
    "run_pre_hooks",
    "running",
    "sequence",
    "set_bridge",
    "tape_of",
]
