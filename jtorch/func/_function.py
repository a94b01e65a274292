"""Functions of arrays that were recorded, for transforms of JAX."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

from jtorch.dispatch import modes
from jtorch.tensor import Tensor
from jtorch.trace import evaluate, nodes, series

__all__ = ["Function", "Noted", "Staged", "conjugate", "key_of"]


def conjugate(x: Any) -> Any:
    """PyTorch's gradients of complex tensors are the conjugates of JAX's."""
    return jax.numpy.conj(x) if jax.numpy.iscomplexobj(x) else x


class Function:
    """A function that was recorded, for transforms of JAX.

    Attributes:
        key: what it computes: the arguments of its :class:`Noted`, or what JAX traced; ``None``: only JAX
            knows.
        parts: batches; the function takes one part of each.
        rest: tensors and numbers.
    """

    __slots__ = ("_call", "key", "parts", "rest")

    def __init__(self, key: Any, parts: Sequence[Tensor], rest: Sequence[Any], call: Any = None) -> None:
        self.key, self.parts, self.rest, self._call = key, parts, rest, call

    @property
    def call(self) -> Any:
        """``call(operands) -> results``: arrays; ``call.given`` arguments, ``call.parts`` parts, the rest."""
        return Noted(*self.key) if self._call is None else self._call


class Noted:
    """Applies the operations that were noted to arrays."""

    def __init__(self, flat: Any, wanted: Any, sources: Any, given: int, parts: int, floats: int) -> None:
        self.flat, self.wanted, self.sources, self.floats = flat, wanted, sources, floats
        self.given, self.parts = given, parts
        self.numbers = max((given + parts, *(n + 1 for n in sources)))

    def __call__(self, operands: Sequence[Any]) -> list[Any]:
        leaves = [operands[n] for n in self.sources]
        numbers = operands[self.numbers :]
        results = evaluate(nodes(self.flat), leaves, numbers[: self.floats], numbers[self.floats :])
        return [results[slot] if slot >= 0 else leaves[series(slot)[1]] for slot in self.wanted]


class Staged:
    """Applies what JAX traced; code of the user that its transforms call finds the modes as they were."""

    def __init__(self, jaxpr: Any, given: int, parts: int) -> None:
        self.jaxpr, self.given, self.parts = jaxpr, given, parts
        self.modes = modes.level, modes.functional, modes.derivatives, modes.mapped

    def __call__(self, operands: Sequence[Any]) -> list[Any]:
        count = self.given + self.parts
        outer = modes.level, modes.functional, modes.derivatives, modes.mapped
        modes.level, modes.functional, modes.derivatives, modes.mapped = self.modes
        try:
            return list(jax.core.eval_jaxpr(self.jaxpr, operands[count:], *operands[:count]))
        finally:
            modes.level, modes.functional, modes.derivatives, modes.mapped = outer


def key_of(jaxpr: Any) -> Any:
    """What a jaxpr computes, as a key that is equal for every trace of the same code.

    Returns:
        ``None`` if it does not say: it names derivatives or batching rules of functions, or has settings that
        cannot be compared.
    """
    try:
        key = _key_of(jaxpr)
        hash(key)
    except (_UnknownError, TypeError):
        return None
    return key


class _UnknownError(Exception):
    pass


def _key_of(jaxpr: Any) -> Any:
    numbers: dict[Any, int] = {}

    def number(v: Any) -> Any:
        if isinstance(v, Literal):
            value = np.asarray(v.val)
            return value.dtype.str, value.shape, value.tobytes(), v.aval
        return numbers.setdefault(v, len(numbers))

    found: list[Any] = [(number(v), v.aval) for v in (*jaxpr.constvars, *jaxpr.invars)]
    for equation in jaxpr.eqns:
        if equation.primitive.name.startswith("custom_"):
            raise _UnknownError
        found += (
            equation.primitive,
            *map(number, equation.invars),
            *((number(v), v.aval) for v in equation.outvars),
            tuple((name, _setting(x)) for name, x in equation.params.items()),
        )
    return *found, *map(number, jaxpr.outvars)


def _setting(x: Any) -> Any:
    """A parameter of an equation, comparable."""
    if isinstance(x, ClosedJaxpr):
        if x.consts:
            raise _UnknownError
        return _key_of(x.jaxpr)
    if isinstance(x, Jaxpr):
        return _key_of(x)
    if isinstance(x, list | tuple):
        return type(x), tuple(map(_setting, x))
    return type(x), repr(x) if isinstance(x, float) else x
