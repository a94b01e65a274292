"""Tensors through a custom ``Function``: what it saves, and the history of what it returns."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any
from weakref import ref

from jtorch import dtypes
from jtorch.dispatch import NO_GRAD, modes
from jtorch.tape import FREED, CustomNode, Packed, modified
from jtorch.tensor._autograd import detach, detach_
from jtorch.tensor._bridge import connected, describe
from jtorch.tensor._core import Tensor, from_value, value_of
from jtorch.tensor._history import MADE_IN_FUNCTION, MADE_WITH_OTHERS, creation_error, short_name
from jtorch.tensor._views import alias
from jtorch.tensor._watched import pack, user_stack
from jtorch.tensor._writing import rebase

__all__ = ["Saved", "connect", "counter", "give_history", "restore", "save", "tie"]


class Saved:
    """A tensor that a function saved: an argument or intermediate itself, or a result without its history.

    Attributes:
        tensor: what was saved.
        version: of its contents then.
        nr: number of the result; -1 for other tensors.
        packed: what hooks made of it; the tensor is not kept then.
        edge: its history, beside ``packed``.
    """

    __slots__ = ("edge", "nr", "packed", "tensor", "version")

    def __init__(self, tensor: Tensor, nr: int) -> None:
        self.nr = nr
        self.packed: Packed | None = None
        self.edge: Any = None
        if nr >= 0:
            tensor = _detached(tensor)
        if modes.unchecked:
            self.packed = Packed(from_value(value_of(tensor)), lambda saved: saved, None)
            self.edge = tensor._edge()
            return
        if modes.saved_hooks:
            self.packed = pack(tensor)
            self.edge = tensor._edge()
            return
        self.tensor = tensor
        self.version = counter(tensor).version

    def restore(self, node: CustomNode | None) -> Tensor:
        """The tensor again, part of the graph it came from.

        Raises:
            RuntimeError: it was modified in place since.
        """
        if self.packed is not None:
            return connected(self.packed.restore(), self.edge if self.nr < 0 else (node, self.nr))
        tensor = self.tensor
        found = counter(tensor).version
        if found != self.version:
            fn, nr = (tensor.grad_fn, tensor._nr) if self.nr < 0 else (node, self.nr)
            source = "" if fn is None else f"output {nr} of {short_name(fn)}"
            raise modified(describe(tensor._aval()), source, found, self.version)
        if self.nr < 0:
            return tensor
        result = _detached(tensor)
        result._fn, result._nr = node, self.nr
        return result


def _detached(tensor: Tensor) -> Tensor:
    """The tensor without its history, but with its tangent."""
    result = detach(tensor)
    tangent = None if modes.duals is None else modes.duals.of(tensor)
    if tangent is not None:
        modes.duals.give(result, tangent)
    return result


def tie(saved: Sequence[Saved | None], gradients: Sequence[Any]) -> Sequence[Any]:
    """Gradients of a node's results after what has to happen before its saved tensors are unpacked."""
    for s in saved:
        if s is not None and s.packed is not None and s.packed.tie is not None:
            return s.packed.tie(s.packed.content, gradients)  # type: ignore[no-any-return]
    return gradients


def counter(tensor: Tensor) -> Any:
    """What counts the in-place changes of a tensor."""
    return tensor._storage if tensor._own_version is None else tensor._own_version


def connect(node: CustomNode, arguments: Sequence[Any], results: Sequence[Any]) -> None:
    """Lead a function's node to its arguments and tell it what it made."""
    tensors = [(i, x) for i, x in enumerate(arguments) if isinstance(x, Tensor)]
    CustomNode.__init__(node, [t._edge() for _, t in tensors], len(results))
    node.places = tuple(i for i, _ in tensors)
    node.wanted = [t._aval() for _, t in tensors]
    node.arguments = len(arguments)
    node.made = [r._aval() if isinstance(r, Tensor) else None for r in results]
    if modes.anomaly:
        node.trace = user_stack()


def save(node: CustomNode, tensors: Any, results: Sequence[Any]) -> list[Saved | None]:
    """Keep the tensors that a function wants in its backward.

    Raises:
        TypeError: something is no tensor.
        RuntimeError: a tensor of inference mode.
    """
    numbers = {id(r): nr for nr, r in enumerate(results) if isinstance(r, Tensor)}
    saved: list[Saved | None] = []
    for i, t in enumerate(tensors):
        if t is None:
            saved.append(None)
        elif not isinstance(t, Tensor):
            raise TypeError(
                f"save_for_backward can only save variables, but argument {i} is of type {type(t).__name__}"
            )
        else:
            saved.append(Saved(t, numbers.get(id(t), -1)))
    return saved


def restore(node: CustomNode, saved: Sequence[Saved | None]) -> tuple[Any, ...]:
    """The tensors that :func:`save` kept.

    Raises:
        RuntimeError: the graph was freed.
    """
    if node.freed and saved:
        raise RuntimeError(FREED)
    return tuple(None if s is None else s.restore(node) for s in saved)


def give_history(
    node: CustomNode | None,
    arguments: Sequence[Any],
    results: Sequence[Any],
    dirty: Sequence[Any],
    fixed: Sequence[Any],
) -> list[Any]:
    """Make the results of a function part of the graph, by PyTorch's rules.

    Args:
        node: of the function; ``None`` if no history is recorded.
        arguments: of the function.
        results: of the function; what is no tensor stays as it is.
        dirty: arguments that it modified in place.
        fixed: results that have no gradient.

    Returns:
        The results; arguments returned as they are become views.

    Raises:
        RuntimeError: an argument was modified that must not be, or was not returned.
    """
    given = {id(x) for x in arguments if isinstance(x, Tensor)}
    modified_ids, fixed_ids = {id(x) for x in dirty}, {id(x) for x in fixed}
    tensors = [r for r in results if isinstance(r, Tensor)]
    if not modified_ids <= {id(r) for r in tensors}:
        raise RuntimeError(
            "Some elements marked as dirty during the forward method were not returned as output. The "
            "inputs that are modified inplace must all be outputs of the Function."
        )
    for t in dirty:
        counter(t).version += 1
    made: list[Any] = []
    differentiable = 0
    for nr, r in enumerate(results):
        if not isinstance(r, Tensor):
            made.append(r)
            continue
        is_input, is_modified = id(r) in given, id(r) in modified_ids
        if node is None or id(r) in fixed_ids or r._aval().dtype.category < dtypes.FLOAT:
            made.append(_without_history(r, is_input, is_modified))
            continue
        differentiable += 1
        if is_modified:
            _check_modified(r, is_input, len(tensors))
            _transplant(r, node, nr)
        else:
            if is_input:
                r = _alias(r)
            r._fn, r._nr, r._requires = node, nr, False
            if r._abase is not None:
                r._creation = MADE_IN_FUNCTION
        made.append(r)
    if differentiable > 1:
        for r in made:
            if isinstance(r, Tensor) and r._abase is not None:
                r._creation = MADE_WITH_OTHERS
    return made


def _without_history(r: Tensor, is_input: bool, is_modified: bool) -> Tensor:
    if not r._tracked:
        return r
    if is_input:
        return detach(r)
    return r if is_modified else detach_(r)


def _alias(r: Tensor) -> Tensor:
    level = modes.level
    modes.level = NO_GRAD
    try:
        return alias(r)
    finally:
        modes.level = level


def _check_modified(r: Tensor, is_input: bool, count: int) -> None:
    if r._tracked and r.is_leaf:
        raise RuntimeError("a leaf Variable that requires grad has been used in an in-place operation.")
    if not is_input:
        warnings.warn(
            "ctx.mark_dirty() received a tensor that was not an input. Only input Tensors that have been "
            "mutated should be passed to ctx.mark_dirty().",
            UserWarning,
            stacklevel=5,
        )
    if r._abase is not None and r._creation:
        raise creation_error(r, indirect=False)
    if r._abase is not None and count > 1:
        raise RuntimeError(
            "If your Function modifies inplace an input that is a view of another Tensor, your Function "
            "cannot return more than one Tensor. This is not supported by the current autograd engine. You "
            "should either make sure the input is not a view (using .clone() for example) or make your "
            "Function only return one Tensor (potentially splitting it into two Functions: one doing the "
            "inplace that returns a single Tensor and a second one that does the other operations). You can "
            "ask on the forum https://discuss.pytorch.org/ if you need help to do this change."
        )


def _transplant(r: Tensor, node: CustomNode, nr: int) -> None:
    """The function is now what made the argument that it modified."""
    r._grad = r._hooks = r._post_hooks = None
    if r._abase is not None:
        rebase(r, node, nr)
        return
    r._fn, r._nr, r._requires = node, nr, False
    r._storage.owner = ref(r)
