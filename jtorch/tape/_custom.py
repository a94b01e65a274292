"""Nodes whose backward is Python code of the user, and nodes whose saved values hooks keep."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from jtorch.tape import _engine as engine
from jtorch.tape._node import Node, sequence
from jtorch.trace import Value, record

__all__ = ["CustomNode", "Packed", "PackedNode"]


class CustomNode(Node):
    """A node with a backward in Python: the context of a custom ``Function``.

    Attributes:
        edges: per tensor among the arguments.
        places: position of each of them among the arguments.
        wanted: avals of these tensors; gradients are made to fit them.
        made: avals of the results, ``None`` for what is no tensor.
        arguments: how many the function got.
    """

    places: Sequence[int] = ()
    wanted: Sequence[Any] = ()
    made: Sequence[Any] = ()
    arguments = 0
    materialize_grads = True
    freed = False

    def call(self, gradients: Sequence[Any]) -> Any:
        """The user's code: gradients of the results in, gradients of the arguments out."""
        raise NotImplementedError

    def release(self) -> None:
        """Free what was saved; reading it again is an error."""
        self.freed = True

    def backward(self, gradients: Sequence[Any], keep_graph: bool, create_graph: bool) -> list[Any]:
        """Run the user's code and fit what it returns to the operands."""
        bridge = engine.bridge
        given: list[Any] = []
        for aval, gradient in zip(self.made, gradients, strict=True):
            if gradient is not None:
                given.append(engine.as_tensor(gradient))
            elif aval is None or not self.materialize_grads:
                given.append(None)
            else:
                given.append(bridge.zeros(aval))
        returned = self._checked(self.call(given))
        results: list[Any] = []
        for i, (place, aval, edge) in enumerate(zip(self.places, self.wanted, self.edges, strict=True)):
            gradient = returned[place]
            if gradient is None:
                results.append(None)
                continue
            if not bridge.is_tensor(gradient):
                raise RuntimeError(f"expected Variable or None (got {type(gradient).__name__})")
            if edge is None:
                results.append(None)
                continue
            fitted = bridge.fit(gradient, aval, i, self)
            results.append(fitted if create_graph or bridge.is_dual(fitted) else bridge.unwrap(fitted))
        if not keep_graph:
            self.release()
        return results

    def _checked(self, returned: Any) -> tuple[Any, ...]:
        """One gradient per argument."""
        if not isinstance(returned, tuple):
            returned = (returned,)
        if len(returned) > self.arguments and all(g is None for g in returned[self.arguments :]):
            returned = returned[: self.arguments]
        if len(returned) != self.arguments:
            raise RuntimeError(
                f"function {self.name()} returned an incorrect number of gradients (expected "
                f"{self.arguments}, got {len(returned)})"
            )
        for i, gradient in enumerate(returned):
            if gradient is not None and i not in self.places:
                raise RuntimeError(
                    f"function {self.name()} returned a gradient different than None at position {i + 1}, "
                    "but the corresponding forward input was not a Variable"
                )
        return returned  # type: ignore[no-any-return]


class Packed:
    """What a pack hook made of a saved value.

    Attributes:
        content: what the hook returned.
        unpack: the hook that makes a tensor of it.
        tie: ``tie(content, gradients)`` runs before; it may replace the gradients of the node's results.
    """

    __slots__ = ("content", "tie", "unpack")

    def __init__(self, content: Any, unpack: Callable[[Any], Any], tie: Any) -> None:
        self.content, self.unpack, self.tie = content, unpack, tie

    def restore(self) -> Any:
        """The tensor."""
        tensor = self.unpack(self.content)
        if not engine.bridge.is_tensor(tensor):
            raise TypeError(
                "Output of saved tensor unpack_hook expected to be a Tensor but got result of type "
                f"{type(tensor).__name__}"
            )
        return tensor


class PackedNode(Node):
    """The node of an operation whose saved values went through ``saved_tensors_hooks``.

    Attributes:
        plan, needs: as in :class:`OpNode`.
        saved: numbers, and a :class:`Packed` in place of each value.
    """

    def __init__(self, plan: Any, edges: Sequence[Any], needs: tuple[int, ...], saved: Any) -> None:
        self.plan, self.edges, self.needs, self.saved = plan, edges, needs, saved
        self.number = next(sequence)
        self.outputs = len(plan.outputs)

    def backward(self, gradients: Sequence[Any], keep_graph: bool, create_graph: bool) -> list[Any]:
        """As for any operation, after unpacking."""
        bridge = engine.bridge
        if self.saved is None:
            raise RuntimeError(engine.FREED)
        results: list[Any] = [None] * len(self.edges)
        if not self.needs or all(g is None for g in gradients):
            return results
        given = [i for i, g in enumerate(gradients) if g is not None]
        passed = [gradients[i] for i in given]
        for x in self.saved:
            if isinstance(x, Packed) and x.tie is not None:
                passed = x.tie(x.content, passed)
                break
        saved = [x.restore() if isinstance(x, Packed) else x for x in self.saved]
        for i, x in zip(self.plan.kept(self.needs), saved, strict=True):
            if bridge.is_tensor(x) and tuple(x.shape) != self.plan.operands[i].shape:
                raise RuntimeError(
                    f"{self.name()} saved a tensor of size {list(self.plan.operands[i].shape)}, but the "
                    f"unpack hook gave one of size {list(x.shape)}"
                )
        plan = self.plan.vjp(self.needs, tuple(given))
        if create_graph or any(not isinstance(g, Value) for g in passed) or any(map(bridge.is_dual, saved)):
            operands = bridge.connect(self, saved)
            made = bridge.apply(plan, [*operands, *(engine.as_tensor(g) for g in passed)])
        elif plan.signature is None:
            made = engine.without_data(plan)
        else:
            values = [bridge.unwrap(x) if bridge.is_tensor(x) else x for x in saved]
            made = record(plan.signature, [*values, *passed])
            if plan.signature.single is not None:
                made = [made]
        if not keep_graph and self.plan.frees:
            self.saved = None
        for i, gradient in zip(self.needs, made, strict=True):
            results[i] = gradient
        return results
