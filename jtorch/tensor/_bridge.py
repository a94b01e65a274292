"""What the autograd tape needs to know about tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jtorch import dtypes
from jtorch.devices import CPU, META
from jtorch.dispatch import GRAD, NO_GRAD, modes
from jtorch.ops._registry import OPERAND, OPS
from jtorch.tape import Node, OpNode, run_hooks, run_post_hooks, run_pre_hooks, set_bridge
from jtorch.tensor._core import Tensor, apply, from_value, plan_for, run, value_of
from jtorch.tensor._formats import strides_like
from jtorch.tensor._history import KEPT_VIEWS, check_source, short_name
from jtorch.tensor._leaks import refuse
from jtorch.tensor._size import Size
from jtorch.tensor._type_names import legacy_name, type_name
from jtorch.tensor._values import meta_value, to_device
from jtorch.tensor._views import is_contiguous
from jtorch.tensor._writing import write
from jtorch.trace import Aval, TracedValue, Value, from_host, record

__all__ = ["AccumulateGrad", "legacy_name"]

_ADD, _COPY = OPS["add"], OPS["_overwrite"]


def describe(aval: Aval) -> str:
    """Type and sizes as errors name a saved value: ``torch.FloatTensor [3]``."""
    return f"{type_name(aval)} [{', '.join(map(str, aval.shape))}]"


def zeros(aval: Aval) -> Value:
    """Zeros of that aval."""
    if aval.device is META:
        return meta_value(aval)
    made = from_host(np.zeros(aval.shape, aval.dtype.numpy))
    return made if aval.device is CPU else to_device(made, aval.device)


class AccumulateGrad(Node):
    """Stands for adding a gradient to a leaf, where a graph is inspected (``next_functions``)."""

    def __init__(self, variable: Tensor) -> None:
        super().__init__((), 1)
        self.variable = variable

    def backward(self, gradients: Sequence[Any], keep_graph: bool, create_graph: bool) -> list[Any]:
        """Add to ``variable.grad``."""
        _bridge.accumulate(self.variable, gradients[0], create_graph)
        return []


AccumulateGrad.__module__ = "torch.autograd"


class _Bridge:
    """See :class:`jtorch.tape.Bridge`."""

    def wrap(self, value: Value) -> Tensor:
        return from_value(value)

    def unwrap(self, tensor: Tensor) -> Value:
        return value_of(tensor)

    def is_dual(self, x: Any) -> bool:
        return isinstance(x, Tensor) and modes.duals is not None and modes.duals.of(x) is not None

    def describe(self, aval: Aval) -> str:
        return describe(aval)

    def source_name(self, node: OpNode, operand: int) -> str:
        if operand < 0:
            if node.plan.outputs[-1 - operand].dtype.category < dtypes.FLOAT:
                return ""
            if node.viewed is not None:
                view, fn = (reference() for reference in node.viewed)
                if view is not None and view._fn is fn:
                    node = fn
            return f"output {-1 - operand} of {short_name(node)}"
        edge = node.edges[operand]
        if edge is None or not isinstance(edge[0], Node):
            return ""
        source, nr = edge
        if isinstance(source, OpNode) and source.plan.title.startswith("_view."):
            check_source(source, nr)
            kept = source.plan.title in KEPT_VIEWS
            return f"output {nr} of {short_name(source) if kept else 'AsStrided'}"
        owner = next((getattr(r(), "owner", None) for r, _, i in node.checks if i == operand), None)
        writer = None if owner is None else owner()
        if writer is not None and writer._fn is not None:
            source = writer._fn
        return f"output {nr} of {short_name(source)}"

    def is_tensor(self, x: Any) -> bool:
        return isinstance(x, Tensor)

    def zeros(self, aval: Aval) -> Tensor:
        return from_value(zeros(aval))

    def fit(self, gradient: Tensor, aval: Aval, place: int, node: Node) -> Tensor:
        given = gradient._aval()
        if given is aval:
            return gradient
        shape, mine = given.shape, aval.shape
        if shape != mine:
            extra = len(shape) - len(mine)
            if extra < 0 or any(m not in (1, n) for m, n in zip(mine, shape[extra:], strict=True)):
                raise RuntimeError(
                    f"Function {node.name()} returned an invalid gradient at index {place} - got "
                    f"{list(shape)} but expected shape compatible with {list(mine)}"
                )
            gradient = run(OPS["_sum_to"], (gradient, mine))
        if given.device is not aval.device:
            raise RuntimeError(
                f"Function {node.name()} returned an invalid gradient at index {place} - expected device "
                f"{aval.device} but got {given.device}"
            )
        if given.dtype is not aval.dtype:
            gradient = run(OPS["_to_copy"], (gradient, aval.dtype))
        return gradient

    def row(self, gradient: Any, i: int) -> Any:
        tensor = from_value(gradient) if isinstance(gradient, Value) else gradient
        made = run(OPS["_view.select"], (tensor, i, 0))
        return value_of(made) if isinstance(gradient, Value) else made

    def stack(self, rows: Sequence[Any]) -> Any:
        plain = isinstance(rows[0], Value)
        made = run(OPS["stack"], ([from_value(r) if isinstance(r, Value) else r for r in rows], 0))
        return value_of(made) if plain else made

    def read_saved(self, node: OpNode, name: str) -> Any:
        op = OPS.get(node.plan.title)
        wanted = name.removeprefix("_saved_")
        checks = node.plan.checks
        if op is not None and wanted == "result" and checks is not None and -1 in checks:
            level, modes.level = modes.level, NO_GRAD
            try:
                made = apply(node.plan, self.saved_tensors(node))[0]
            finally:
                modes.level = level
            made._fn = node
            return made
        operands = [] if op is None else [p for p, k in zip(op.params, op.kinds, strict=True) if k == OPERAND]
        wanted = "input" if wanted == "self" else wanted
        place = operands.index(wanted) if wanted in operands else -1
        if place < 0 or (checks is not None and place not in checks):
            raise AttributeError(f"'{type(node).__name__}' object has no attribute '{name}'")
        kept = node.plan.kept(node.needs)
        if place not in kept:
            return None
        edge = node.edges[place]
        if edge is not None and isinstance(edge[0], Tensor):
            return edge[0]
        return self.saved_tensors(node)[kept.index(place)]

    def connect(self, node: Any, saved: Sequence[Any]) -> list[Any]:
        found: list[Any] = []
        for i, x in zip(node.plan.kept(node.needs), saved, strict=True):
            found.append(connected(x, node.edges[i]) if isinstance(x, Tensor) else x)
        return found

    def add(self, a: Any, b: Any) -> Any:
        if isinstance(a, Value) and isinstance(b, Value):
            plan = plan_for(_ADD, (a.aval, b.aval, 1))
            return meta_value(a.aval) if plan.signature is None else record(plan.signature, (a, b))
        first = from_value(a) if isinstance(a, Value) else a
        second = from_value(b) if isinstance(b, Value) else b
        return run(_ADD, (first, second, 1))

    def saved_tensors(self, node: OpNode) -> list[Any]:
        found: list[Any] = []
        for i, x in zip(node.plan.kept(node.needs), node.saved, strict=True):
            if isinstance(x, Value):
                tensor = from_value(x)
                edge = node.edges[i]
                if edge is not None:
                    tensor._fn, tensor._nr = edge
                found.append(tensor)
            else:
                found.append(x)
        return found

    def apply(self, plan: Any, operands: Sequence[Any]) -> list[Tensor]:
        return apply(plan, operands)

    def reduce_to(self, leaf: Tensor, gradient: Any) -> Any:
        return run_hooks(leaf._hooks, gradient, modes.level == GRAD) if leaf._hooks else gradient

    def accumulate(self, leaf: Tensor, gradient: Any, create_graph: bool) -> None:
        hooked = leaf._acc is not None or leaf._hooks or leaf._post_hooks
        laid_out = leaf._strides is not None
        if type(gradient) is Value and not hooked and leaf._grad is None and leaf._requires and not laid_out:
            leaf._grad = from_value(gradient)
            return
        if leaf._hooks:
            gradient = self.reduce_to(leaf, gradient)
        if not leaf._requires:
            return
        node = None if leaf._acc is None else leaf._acc()
        if node is not None and node._pre_hooks is not None:
            gradient = run_pre_hooks(node, [gradient], create_graph)[0]
        if type(gradient) is TracedValue and type(leaf._storage.value) is Value:
            refuse(leaf._storage, None if type(leaf) is Tensor else leaf, ".grad")
            if gradient.recording is not None:
                gradient.recording.check_gradient(leaf._storage)
        old = leaf._grad
        if old is None:
            leaf._grad = from_value(gradient) if isinstance(gradient, Value) else _own(gradient, create_graph)
            if laid_out:
                _lay_out(leaf._grad, leaf)
        elif create_graph:
            new = from_value(gradient) if isinstance(gradient, Value) else gradient
            leaf._grad = run(_ADD, (old, new, 1))
        else:
            value = gradient if isinstance(gradient, Value) else value_of(gradient)
            level, modes.level = modes.level, NO_GRAD
            try:
                write(old, from_value(self.add(value_of(old), value)))
            finally:
                modes.level = level
        if leaf._post_hooks:
            for hook in list(leaf._post_hooks.values()):
                returned = hook(leaf)
                if isinstance(returned, Tensor):
                    raise RuntimeError("Tensor post accumulate grad hooks should return None.")
                if returned is not None:
                    raise TypeError(f"expected Variable, but hook returned '{type(returned).__name__}'")
        if node is not None and node._post_hooks is not None:
            run_post_hooks(node, [], [gradient], create_graph)


def _lay_out(gradient: Tensor, leaf: Tensor) -> None:
    """Give a new gradient the memory order of a leaf that has no gaps."""
    strides: Any = leaf._strides
    if not is_contiguous(leaf) and strides_like(leaf._aval().shape, strides) == strides:
        gradient._storage.strides = gradient._strides = strides


def _own(gradient: Tensor, create_graph: bool) -> Tensor:
    if not create_graph:
        return from_value(value_of(gradient))
    copy: Tensor = run(_COPY, (from_value(zeros(gradient._aval())), gradient))
    return copy


def connected(tensor: Tensor, edge: Any) -> Tensor:
    """A tensor's contents with a history that leads to ``edge``."""
    made = from_value(value_of(tensor)) if modes.duals is None else modes.duals.copy(tensor)
    if edge is not None:
        made._fn, made._nr = edge
    return made


def check_gradient(mine: Aval, gradient: Any, place: int) -> None:
    """Refuse a gradient that does not fit the tensor of aval ``mine`` that it is given for.

    Raises:
        TypeError: it is no tensor.
        RuntimeError: the shape differs, or one is complex and the other is not.
    """
    if not isinstance(gradient, Tensor):
        raise TypeError(f"gradients can be either Tensors or None, but got {type(gradient).__name__}")
    given = gradient._aval()
    if mine.shape != given.shape:
        raise RuntimeError(
            f"Mismatch in shape: grad_output[{place}] has a shape of {Size(given.shape)} and output[{place}] "
            f"has a shape of {Size(mine.shape)}."
        )
    if mine.dtype.is_complex != given.dtype.is_complex:
        raise RuntimeError(
            "For complex Tensors, both grad_output and output are required to have the same dtype. Mismatch "
            f"in dtype: grad_output[{place}] has a dtype of {given.dtype} and output[{place}] has a dtype of "
            f"{mine.dtype}."
        )


def fitted_root(mine: Aval, gradient: Tensor, place: int) -> Tensor:
    """A gradient that was given for a tensor of aval ``mine``, in its dtype and on its device.

    Raises:
        RuntimeError: it is on another device and has dimensions.
    """
    given = gradient._aval()
    if mine.device is not given.device:
        if given.shape:
            raise RuntimeError(
                f"invalid gradient at index {place} - expected device {mine.device} but got {given.device}"
            )
        gradient = gradient.to(mine.device)
    return gradient if mine.dtype is given.dtype else gradient.to(mine.dtype)


_bridge = _Bridge()
set_bridge(_bridge)
