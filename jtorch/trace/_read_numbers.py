"""Numbers that a recorded function reads from tensors: known when it is replayed, not before.

While a function is recorded, ``t.item()`` gives such an object. It may be computed with, compared, returned,
and used as the number of an operation, where it is an operand of the graph like any other. Everything else
needs the number itself, which ends the recording; from then on it behaves as the plain number.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from jtorch.devices import device
from jtorch.dtypes import dtype, float64, int64
from jtorch.trace._executor import host_array
from jtorch.trace._graph import Signature, record
from jtorch.trace._value import Value, aval_of

__all__ = ["ReadNumber", "known_number"]

#: What Python computes of the numbers of ``reads``.
Compute = Callable[[Sequence[Any]], Any]

_PLAIN = (int, float, bool)
#: Arithmetic that XLA does as Python does, for floats.
_IN_GRAPH: dict[str, Callable[..., Any]] = {
    "add": jnp.add, "sub": jnp.subtract, "mul": jnp.multiply, "truediv": jnp.divide,
    "neg": jnp.negative, "abs": jnp.abs, "pos": lambda x: x,
}  # fmt: skip
_DIVISIONS = frozenset({"truediv", "floordiv", "mod"})
#: Integers that a float holds exactly.
_EXACT = 1 << 53

_signatures: dict[Any, Signature] = {}


def _apply(
    name: str, function: Callable[..., Any], operands: Sequence[Any], kind: type, where: device
) -> Value:
    """Record an operation on single numbers; its result is a 0-dim float64, or int64 for integers."""
    operands = [int(x) if type(x) is bool else x for x in operands]
    kinds = tuple(x.aval if type(x) is Value else type(x) for x in operands)
    key = name, kinds, kind, where
    signature = _signatures.get(key)
    if signature is None:
        result = aval_of((), float64 if kind is float else int64, where)
        given = [float64 if kind is float else int64] * len(operands)

        def fn(*arrays: Any) -> tuple[Any, ...]:
            return (function(*[x.reshape(()).astype(d.numpy) for x, d in zip(arrays, given, strict=True)]),)

        signature = _signatures[key] = Signature(name, fn, kinds, (result,))
    return record(signature, operands)  # type: ignore[no-any-return]


class ReadNumber:
    """Stands for a number that a replay reads anew.

    It says that it is a ``float``, ``int`` or ``bool``, and is none: what C code does with a float cannot be
    followed, so such code has to ask for the number, which ends the recording.

    Args:
        session: the recording; asked for decisions, and told to end.
        kind: the number's type.
        reads: values of one element each that it is computed from.
        compute: makes the number of what they hold.
        key: how, as a comparable object.
        parts: name and operands of the arithmetic, if it can be done in the graph.
    """

    __slots__ = (
        "__weakref__", "_compute", "_key", "_kind", "_number", "_parts", "_reads", "_session", "_value",
    )  # fmt: skip

    def __init__(
        self, session: Any, kind: type, reads: tuple[Value, ...], compute: Compute, key: Any, parts: Any
    ) -> None:
        self._session, self._kind, self._reads, self._compute = session, kind, reads, compute
        self._key, self._parts = key, parts
        self._value: Value | None = None
        self._number: Any = None
        session.handed_out(self)

    @classmethod
    def of(cls, session: Any, value: Value) -> ReadNumber:
        """The number that a value of one element holds."""
        d = value.aval.dtype
        kind = float if d.is_floating_point else int if d.category else bool
        return cls(session, kind, (value,), operator.itemgetter(0), (d.name,), ("read number", value))

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return self._kind

    # ---- what a recording follows

    def _live(self) -> bool:
        return self._session is not None and self._session.follows()

    def recorded(self) -> tuple[tuple[Value, ...], Compute] | None:
        """What a replay computes the number from, and how; ``None`` if the recording came to nothing."""
        session = self._session
        return None if session is None or session.broken is not None else (self._reads, self._compute)

    def operand(self, where: device) -> Any:
        """The number as a value of the graph of a device; if there is no such value, the plain number."""
        if self._live() and self._reads[0].aval.device is where:
            value = self._in_graph()
            if value is not None:
                return value
        return self.plain("a number that shapes the program, or is on another device")

    def fits(self, kind: dtype) -> bool:
        """Whether a tensor of this dtype holds the number, whatever it is: nothing has to be checked."""
        return self._live() and (self._key == (kind.name,) or (kind is float64 and self._kind is float))

    def _in_graph(self) -> Value | None:
        if self._value is None and self._parts is not None:
            name, *parts = self._parts
            operands = [x._in_graph() if type(x) is ReadNumber else x for x in parts]
            if any(x is None for x in operands):
                return None
            function = _IN_GRAPH.get(name, _IN_GRAPH["pos"])
            self._value = _apply(name, function, operands, self._kind, self._reads[0].aval.device)
        return self._value

    def _unary(self, name: str, function: Callable[..., Any], *given: Any) -> Any:
        if not self._live():
            return function(self.plain(name), *given)
        compute = self._compute
        kind = int if self._kind is bool else self._kind
        parts = (name, self) if name in _IN_GRAPH and kind is float else None
        return ReadNumber(
            self._session, kind, self._reads, lambda numbers: function(compute(numbers), *given),
            (name, given, self._key), parts,
        )  # fmt: skip

    def _binary(self, name: str, function: Callable[..., Any], other: Any, reverse: bool) -> Any:
        kind = type(other)
        if kind is not ReadNumber and kind not in _PLAIN:
            if not isinstance(other, int | float | complex):
                return NotImplemented
            return _ordered(function, self.plain("arithmetic with other types"), other, reverse)
        a, b = (other, self) if reverse else (self, other)
        if self._follows(name, a, b):
            return _expression(self._session, name, function, a, b)
        return function(known_number(a, "arithmetic"), known_number(b, "arithmetic"))

    def _follows(self, name: str, a: Any, b: Any) -> bool:
        """Whether a replay can do this arithmetic; what could raise an error there is decided before."""
        if not all(x._live() if type(x) is ReadNumber else _small(x) for x in (a, b)):
            return False
        if name in _DIVISIONS and not b:
            return False
        if name == "pow":
            # Squares and roots of what is no float64 cannot overflow.
            small = type(a) is ReadNumber and len(a._key) == 1 and a._key != ("float64",)
            return small and type(b) in (int, float) and 0 <= b <= 2
        return self._live()

    def __bool__(self) -> bool:
        if self._live():
            decided = self._session.choose(self._reads, self._compute, self._key)
            if decided is not None:
                return decided  # type: ignore[no-any-return]
        return bool(self.plain("a decision"))

    def __round__(self, ndigits: Any = None) -> Any:
        if ndigits is None or type(ndigits) is ReadNumber:
            return round(self.plain("round()"), known_number(ndigits, "round()"))
        return self._unary("round", round, ndigits)

    def __abs__(self) -> Any:
        return self._unary("abs", abs)

    def __neg__(self) -> Any:
        return self._unary("neg", operator.neg)

    def __pos__(self) -> Any:
        return self._unary("pos", operator.pos)

    # ---- what needs the number

    def plain(self, what: str = "something that a program cannot do") -> Any:
        """The number itself; a recording that is under way ends here."""
        session = self._session
        if session is not None:
            session.needs_number(what)
            compute, reads = self._compute, self._reads
            if self._session is not None:  # else known by now
                self._number = compute([host_array(v).item() for v in reads])
                self._session = self._parts = self._value = None
                self._reads = ()
        return self._number

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.asarray(self.plain("NumPy"), dtype)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self._kind, (self.plain("a copy or a pickle"),)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(f"{self._kind.__name__!r} object has no attribute {name!r}")
        return getattr(self.plain(f".{name}"), name)


def known_number(x: Any, what: str) -> Any:
    """``x``, or the plain number that it stands for."""
    return x.plain(what) if type(x) is ReadNumber else x


def _small(x: Any) -> bool:
    return type(x) is float or abs(x) < _EXACT


def _ordered(function: Callable[..., Any], mine: Any, other: Any, reverse: bool) -> Any:
    return function(other, mine) if reverse else function(mine, other)


def _expression(session: Any, name: str, function: Callable[..., Any], a: Any, b: Any) -> ReadNumber:
    """What Python computes of two numbers of which at least one was read."""
    (reads, first, first_key, first_kind), (more, second, second_key, second_kind) = map(_described, (a, b))
    count = len(reads)

    def compute(numbers: Sequence[Any]) -> Any:
        return function(first(numbers[:count]), second(numbers[count:]))

    if name in _COMPARISONS:
        kind: type = bool
    else:
        kind = float if name == "truediv" or float in (first_kind, second_kind) else int
    parts = (name, a, b) if name in _IN_GRAPH and kind is float else None
    return ReadNumber(session, kind, reads + more, compute, (name, first_key, second_key), parts)


def _described(x: Any) -> tuple[tuple[Value, ...], Compute, Any, type]:
    if type(x) is ReadNumber:
        return x._reads, x._compute, x._key, x._kind
    return (), lambda _: x, (type(x), x), type(x)


def _binary_methods(name: str, function: Callable[..., Any]) -> None:
    def forward(self: ReadNumber, other: Any) -> Any:
        return self._binary(name, function, other, False)

    def backward(self: ReadNumber, other: Any) -> Any:
        return self._binary(name, function, other, True)

    setattr(ReadNumber, f"__{name}__", forward)
    if name not in _COMPARISONS:
        setattr(ReadNumber, f"__r{name}__", backward)


def _asking(name: str, function: Callable[..., Any], what: str) -> None:
    def method(self: ReadNumber, *args: Any) -> Any:
        return function(self.plain(what), *(known_number(x, what) for x in args))

    setattr(ReadNumber, name, method)


def _reversed(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda a, b: function(b, a)


_COMPARISONS = frozenset({"lt", "le", "gt", "ge", "eq", "ne"})
for _name in (*sorted(_COMPARISONS), "add", "sub", "mul", "truediv", "floordiv", "mod", "pow"):
    _binary_methods(_name, getattr(operator, _name))
for _name, _function, _what in (
    ("__float__", float, "float()"), ("__int__", int, "int()"), ("__complex__", complex, "complex()"),
    ("__index__", operator.index, "an index or a size"), ("__hash__", hash, "a key"),
    ("__str__", str, "text"), ("__repr__", repr, "text"), ("__format__", format, "text"),
    ("__trunc__", int, "int()"), ("__divmod__", divmod, "divmod()"),
    ("__rdivmod__", _reversed(divmod), "divmod()"), ("__invert__", operator.invert, "bits"),
):  # fmt: skip
    _asking(_name, _function, _what)
for _name in ("and_", "or_", "xor", "lshift", "rshift"):
    _function = getattr(operator, _name)
    _asking(f"__{_name.rstrip('_')}__", _function, "bits")
    _asking(f"__r{_name.rstrip('_')}__", _reversed(_function), "bits")
for _name in ("floor", "ceil"):
    _asking(f"__{_name}__", getattr(math, _name), f"{_name}()")
