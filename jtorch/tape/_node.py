"""Nodes of the autograd graph: one per recorded differentiable operation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

__all__ = ["Edge", "Node", "OpNode", "RemovableHandle", "node_class", "sequence"]

#: (node that made an operand, or the leaf itself; number of the node's output); ``None`` without a gradient.
Edge = tuple[Any, int] | None

#: Order of creation. A node only points to older ones, so descending order is a topological one.
sequence = count()

_next_hook = count()

#: How often a node got a hook; a backward recorded before the last time is not replayed.
hook_epoch = [0]


def note_hook() -> None:
    """A node got a hook or has to keep a gradient."""
    hook_epoch[0] += 1


#: Nodes that PyTorch names with their namespace.
_BARE = frozenset({"AccumulateGrad", "CopyBackwards", "CopySlices"})


_engine: list[Callable[..., Any]] = []


def set_engine(call: Callable[..., Any], read: Callable[..., Any]) -> None:
    """Called once by the engine: how to run a node like a function, and to read what it saved."""
    _engine[:] = call, read


#: Grows whenever a hook of any kind is registered or removed.
hook_changes = [0]


class RemovableHandle:
    """What registering a hook returns (``torch.utils.hooks.RemovableHandle``)."""

    __slots__ = ("_hooks", "id")

    def __init__(self, hooks: dict[int, Any]) -> None:
        hook_changes[0] += 1
        self.id = next(_next_hook)
        self._hooks = hooks

    def remove(self) -> None:
        """Take the hook away again; harmless if it is gone."""
        hook_changes[0] += 1
        self._hooks.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


class Node:
    """Base of all nodes (``torch.autograd.graph.Node``).

    Attributes:
        edges: per operand, where its gradient goes.
        number: order of creation.
        outputs: how many results the operation had.
        tensor_hooks: hooks on the results, ``{output: {id: hook}}``, run when that result's gradient is
            complete.
        retained: results that keep their gradient, ``{output: weak reference to the tensor}``.
    """

    # Defaults of the class, so that making a node sets only what differs.
    tensor_hooks: Any = None
    _pre_hooks: Any = None
    _post_hooks: Any = None
    retained: Any = None
    trace: str | None = None
    outputs = 1
    #: Only plain operations are noted on a tape.
    tape: Any = None
    #: Only plain operations watch what they saved (``OpNode``): not those whose saved values hooks keep.
    checks: Any = ()

    def __init__(self, edges: Sequence[Edge], outputs: int) -> None:
        self.edges, self.outputs = edges, outputs
        self.number = next(sequence)

    def name(self) -> str:
        """The node's name, as ``grad_fn=<...>`` prints it."""
        name = type(self).__name__
        return "torch::autograd::" + name if name in _BARE else name

    @property
    def metadata(self) -> dict[Any, Any]:
        """A dictionary for the user's own notes."""
        try:
            return self._metadata
        except AttributeError:
            self._metadata: dict[Any, Any] = {}
            return self._metadata

    @property
    def next_functions(self) -> tuple[tuple[Any, int], ...]:
        """The nodes that gradients flow to next, with the number of their output each."""
        result: list[tuple[Any, int]] = []
        for edge in self.edges:
            if edge is None:
                result.append((None, 0))
            elif isinstance(edge[0], Node):
                result.append((edge[0], edge[1]))
            else:
                result.append((edge[0]._accumulator(), 0))
        #: what was shown stays, with its hooks, as long as this node
        self._shown = tuple(result)
        return self._shown

    def register_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(grad_inputs, grad_outputs)`` after the node ran; it may return new gradients."""
        hooks = self._hooks("_post_hooks")
        handle = RemovableHandle(hooks)
        hooks[handle.id] = hook
        return handle

    def register_prehook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(grad_outputs)`` before the node runs; it may return new ones."""
        hooks = self._hooks("_pre_hooks")
        handle = RemovableHandle(hooks)
        hooks[handle.id] = hook
        return handle

    def _hooks(self, which: str) -> dict[int, Any]:
        hooks: dict[int, Any] | None = getattr(self, which)
        if hooks is None:
            hooks = {}
            setattr(self, which, hooks)
            note_hook()
        return hooks

    def __call__(self, *gradients: Any) -> Any:
        """Gradients of the operands from those of the results; one alone is not in a tuple."""
        results = _engine[0](self, gradients)
        return results[0] if len(results) == 1 else tuple(results)

    def _sequence_nr(self) -> int:
        return self.number

    def __repr__(self) -> str:
        return f"<{type(self).__name__} object at {id(self):#x}>"


class OpNode(Node):
    """The node of a planned operation; its backward is the plan's vjp.

    Attributes:
        plan: of the forward operation.
        saved: the operands that the vjp reads (``plan.kept(needs)``); ``None`` once freed.
        checks: ``(weak reference to a storage, version, operand)`` of what PyTorch saves, to notice in-place
            changes; the operand is -1 for the result.
        tape, index: where a replay knows the node (``_replay.Tape``).
        needs: positions of operands that want a gradient.
        viewed: weak references to the view that the operation changed in place, and to its new history.
    """

    index = 0
    viewed: Any = None

    def __init__(
        self, plan: Any, edges: Sequence[Edge], needs: tuple[int, ...], saved: Any, checks: Any
    ) -> None:
        self.plan, self.edges, self.needs, self.saved, self.checks = plan, edges, needs, saved, checks
        self.number = next(sequence)
        if plan.signature is None or plan.signature.single is None:
            self.outputs = len(plan.outputs)

    @property
    def released(self) -> bool:
        return self.saved is None

    def release(self) -> None:
        """Free what was saved; a second backward through here is an error."""
        if self.plan.frees:
            self.saved = None
        self.checks = ()

    def __getattr__(self, name: str) -> Any:
        """``_saved_self`` and the like: what PyTorch shows of a saved operand, or of the result."""
        if not name.startswith("_saved_"):
            raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")
        return _engine[1](self, name)


_classes: dict[tuple[str, type], type] = {}


def node_class(name: str, base: type = OpNode) -> Any:
    """The class of nodes called ``name``.

    There is one per name, so ``type(grad_fn).__name__`` is as in PyTorch.
    """
    found = _classes.get((name, base))
    if found is None:
        found = _classes[name, base] = type(name, (base,), {"__module__": "torch.autograd"})
    return found
