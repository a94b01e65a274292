"""Values of the trace: an immutable array that may not have been computed yet."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from jtorch.devices import CPU, device
from jtorch.dtypes import dtype, from_numpy_dtype

if TYPE_CHECKING:
    from jtorch.trace._graph import Graph

__all__ = [
    "Aval",
    "TracedValue",
    "Value",
    "Withheld",
    "aligned",
    "aval_of",
    "from_host",
    "from_jax",
    "host_copy",
]


class Aval:
    """What is known of a value without computing it.

    Interned: equal avals are one object, so identity compares.
    """

    __slots__ = ("device", "dtype", "nbytes", "ndim", "shape", "size")

    def __init__(self, shape: tuple[int, ...], dtype: dtype, device: device) -> None:
        self.shape, self.dtype, self.device = shape, dtype, device
        self.ndim = len(shape)
        size = 1
        for n in shape:
            size *= n
        self.size = size
        self.nbytes = size * dtype.itemsize

    def __repr__(self) -> str:
        where = "" if self.device is CPU else f"@{self.device}"
        return f"{self.dtype.name}[{','.join(map(str, self.shape))}]{where}"


_interned: dict[tuple[Any, ...], Aval] = {}


def aval_of(shape: tuple[int, ...], dtype: dtype, device: device) -> Aval:
    """The aval of this shape (Python ints), dtype and canonical device."""
    key = (shape, dtype, device)
    found = _interned.get(key)
    if found is None:
        found = _interned.setdefault(key, Aval(shape, dtype, device))
    return found


_now = 1


def now() -> int:
    """The time, which goes on by :func:`tick` only."""
    return _now


def tick() -> int:
    """Let time go on: the new time, at or after which everything is born that is made from here on."""
    global _now
    _now += 1
    return _now


class Value:
    """An immutable array: pending in a graph, computed on its device, on the host, or both of the last two.

    Attributes:
        aval: shape, dtype and device.
        array: the computed ``jax.Array``; ``None`` while pending or only on the host.
        host: the contents as a NumPy array that nobody writes to; ``None`` unless they are known on the host.
        graph: the graph in which ``slot`` is this value's number, as an output (pending) or as a leaf.
        slot: number in that graph: outputs count up from 0, leaves down from -1.
        pinned: memory of ``array`` may be visible outside, so it is never donated.
        used: was an operand of a program before (worth keeping on the device from the second time on).
        born: when it was made (:func:`now`); 0 for results, which the graph has in order.
        recording: see :class:`TracedValue`; ``None`` for all others.
    """

    # Defaults of the class: most values are pending results, which set three attributes only.
    aval: Aval
    array: Any = None
    host: np.ndarray[Any, Any] | None = None
    graph: Graph | None = None
    slot = 0
    pinned = False
    used = False
    born = 0
    recording: Any = None

    def __init__(self, aval: Aval) -> None:
        self.aval, self.born = aval, _now

    @property
    def pending(self) -> bool:
        return self.array is None and self.host is None

    def __repr__(self) -> str:
        state = "pending" if self.pending else "host" if self.array is None else "computed"
        return f"<{type(self).__name__} {self.aval} {state}>"


class Withheld:
    """Stands in a value for contents that a recording does not know: they differ from call to call.

    Attributes:
        reveal: called when someone looks all the same; afterwards the value has its contents.
    """

    __slots__ = ("reveal",)

    def __init__(self, reveal: Callable[[], None]) -> None:
        self.reveal = reveal


class TracedValue(Value):
    """A value inside a JAX transform: ``array`` is a tracer, to which operations apply at once.

    Attributes:
        recording: of a transform of ``jtorch.func``, which notes operations on its values (number ``slot``)
            and makes the tracer only if somebody asks for it; ``None``: there is a tracer.
    """

    # Neither pending nor an operand of any graph.
    graph: Any = "a JAX transform"
    slot = -1
    pending = False
    _tracer: Any = None
    #: whether there has been any in this process
    seen = False

    @property
    def array(self) -> Any:
        if self._tracer is None and self.recording is not None:
            self._tracer = self.recording.tracer(self.slot)
        return self._tracer

    @array.setter
    def array(self, tracer: Any) -> None:
        self._tracer = tracer


def from_host(array: np.ndarray[Any, Any], aval: Aval | None = None) -> Value:
    """A CPU value of a NumPy array that belongs to the engine from now on: nobody may write to it."""
    value = Value(aval if aval is not None else aval_of(array.shape, from_numpy_dtype(array.dtype), CPU))
    value.host = array
    return value


#: XLA uses host memory where it is if its address is a multiple of this; other memory it copies.
ALIGNMENT = 64
#: Copying less costs XLA no more than placing it would cost us.
_PLACED_BYTES = 1 << 16


def aligned(nbytes: int) -> np.ndarray[Any, Any]:
    """Bytes of host memory that XLA can use where they are."""
    room = np.empty(nbytes + ALIGNMENT, np.uint8)
    start = -int(room.__array_interface__["data"][0]) % ALIGNMENT
    return room[start : start + nbytes]


def host_copy(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """A row-major copy of what the user may write to; the engine's own, for :func:`from_host`."""
    if array.nbytes < _PLACED_BYTES:
        return np.array(array, order="C")
    copy: np.ndarray[Any, Any] = aligned(array.nbytes).view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def from_jax(array: Any, device: device) -> Value:
    """The value of a ``jax.Array`` or tracer on ``device``.

    The caller may keep the array: it is never donated.
    """
    kind = Value
    if isinstance(array, jax.core.Tracer):
        kind, TracedValue.seen = TracedValue, True
    value = kind(aval_of(tuple(array.shape), from_numpy_dtype(array.dtype), device))
    value.array = array
    value.pinned = True
    return value
