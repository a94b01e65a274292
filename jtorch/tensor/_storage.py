"""Storage: the mutable cell behind tensors that share memory."""

from __future__ import annotations

import math
import sys
from collections import deque
from collections.abc import Callable
from typing import Any, ClassVar
from weakref import ref

import numpy as np

from jtorch.devices import CPU
from jtorch.dtypes import from_numpy_dtype
from jtorch.ops._sizes import InconclusiveDimensionOperation
from jtorch.tensor._leaks import check_once, refuse
from jtorch.trace import Aval, TracedValue, Value, aligned, aval_of, from_host, host_array, host_copy, now

__all__ = ["Snapshot", "Storage", "Version", "contents", "contiguous_strides", "place_changes", "strides_of"]

#: Grows whenever a tensor gets another history, memory or place in it, but for what no tensor had before.
place_changes = [0]
#: Addresses handed out for tensors whose memory is not on the host: unique, aligned, never reused.
_next_address = 1 << 44


def contiguous_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Strides of a row-major array, in elements, as PyTorch reports them (sizes 0 count as 1)."""
    strides = []
    step = 1
    try:
        for n in reversed(shape):
            strides.append(step)
            step *= n if n > 1 else 1
    except InconclusiveDimensionOperation:  # a size that varies
        return tuple(math.prod(shape[i + 1 :]) for i in range(len(shape)))
    return tuple(reversed(strides))


def strides_of(x: Any) -> tuple[int, ...]:
    """Strides of a tensor in elements."""
    strides: tuple[int, ...] | None = x._strides
    return contiguous_strides(x._aval().shape) if strides is None else strides


#: Shared memory up to this size is compared with what it held when it was read last; so many copies are kept.
SNAPSHOT_BYTES, SNAPSHOTS = 1 << 16, 64


class Snapshot:
    """What shared memory held when it was read.

    A loop that uses the same ``torch.from_numpy(x)`` in every step then gives XLA the same array every time,
    which is on the device already.
    """

    __slots__ = ("__weakref__", "bits", "dtype", "shape", "value")
    #: whoever's memory it is has a weak reference only: what is kept is limited
    kept: ClassVar[deque[Snapshot]] = deque(maxlen=SNAPSHOTS)

    def __init__(self, memory: np.ndarray[Any, Any], bits: bytes, aval: Aval | None) -> None:
        self.bits, self.dtype, self.shape = bits, memory.dtype, memory.shape
        self.value = from_host(np.ndarray(memory.shape, memory.dtype, bits), aval)
        self.kept.append(self)


def contents(memory: np.ndarray[Any, Any], owner: Any, aval: Aval | None = None) -> Value:
    """What is in shared memory now: a copy, as the user may write to the memory at any time.

    Args:
        memory: the elements.
        owner: where to note the copy, as ``_snapshot``, for the next time.
        aval: if it is known.
    """
    if not 0 < memory.nbytes <= SNAPSHOT_BYTES:
        return from_host(host_copy(memory), aval)
    bits = memory.tobytes()
    last = owner._snapshot
    if last is not None:
        last = last()
        if (
            last is not None
            and last.bits == bits
            and last.shape == memory.shape
            and last.dtype is memory.dtype
        ):
            return last.value  # type: ignore[no-any-return]
    last = Snapshot(memory, bits, aval)
    owner._snapshot = ref(last)
    return last.value


class Version:
    """A count of in-place changes apart from the storage's: that of ``Tensor.data`` and its views."""

    __slots__ = ("__weakref__", "version")

    def __init__(self) -> None:
        self.version = 0


class Storage:
    """The current contents of a base array, which any number of tensors view.

    Attributes:
        value: the contents in the base's logical shape; ``None`` while they live in ``buffer``.
        buffer: a NumPy array that shares memory with the user (``from_numpy``, ``Tensor.numpy``): read anew
            at each use, written back by in-place operations.
        version: number of in-place changes, as autograd counts them; ``writes`` counts those through
            ``.data`` too.
        owner: weak reference to the tensor whose history is that of the last write; unset if no write had
            one.
        strides: memory layout of the base in elements, ``None`` if it is row-major.
        born: when it was made, if that is later than its first value; 0 otherwise.
    """

    # Defaults of the class: the storage of a temporary sets its value only.
    value: Value | None
    owner: Any
    buffer: np.ndarray[Any, Any] | None = None
    strides: tuple[int, ...] | None = None
    version = 0
    writes = 0
    born = 0
    _address = 0
    _shown: np.ndarray[Any, Any] | None = None
    _shown_writes = -1
    _snapshot: ref[Snapshot] | None = None

    def __init__(self, value: Value | None) -> None:
        self.value, self.born = value, now()

    def aval(self) -> Aval:
        """Shape, dtype and device of the base, without looking at the contents."""
        value = self.value
        if value is not None:
            return value.aval
        buffer = self.buffer
        assert buffer is not None
        return aval_of(buffer.shape, from_numpy_dtype(buffer.dtype), CPU)

    def read(self) -> Value:
        """The contents as an immutable value."""
        value = self.value
        if value is None:
            self._reclaim()
            value = self.value
            if value is None:
                assert self.buffer is not None
                return contents(self.buffer, self)
        return value

    def host(self) -> np.ndarray[Any, Any]:
        """The contents for looking at right away, without a copy; must not be kept or written to."""
        return self.buffer if self.buffer is not None else host_array(self.read())

    def write(self, value: Value, *, count: bool = True) -> None:
        """Replace the contents; every tensor on this storage sees it."""
        if type(value) is TracedValue:
            self.check_write(value)
        elif TracedValue.seen and type(self.value) is not TracedValue:
            check_once(self)
        self.writes += 1
        if count:
            self.version += 1
        if self.buffer is not None:
            self._reclaim()
            if self.buffer is not None:
                self.buffer[...] = host_array(value)
                return
        self.value = value

    def check_write(self, value: Value) -> None:
        """Refuse what belongs to a transform in a tensor from before it.

        Raises:
            RuntimeError: it would be lost.
        """
        old, recording = self.value, value.recording
        if type(old) is Value:
            refuse(self)
        if recording is not None and old is not None and old.recording is not recording:
            recording.check_write(self, value)

    def expose(self) -> np.ndarray[Any, Any]:
        """Move the contents into memory that the user may hold and write to.

        Returns it, in the base's shape.
        """
        if self.buffer is None:
            value = self.value
            assert value is not None
            assert value.aval.device is CPU
            host = host_array(value)
            if not self.strides:  # row-major, or of no dimensions
                # Contents that nobody else can see need no copy. References: the value's slot, `host`, the
                # argument.
                if not (
                    value.array is None
                    and sys.getrefcount(value) == 3
                    and sys.getrefcount(host) == 3
                    and host.flags.writeable
                    and host.flags.owndata
                ):
                    host = np.array(host, order="C")
                self.buffer = host
            else:
                order = sorted(range(host.ndim), key=lambda d: -self.strides[d])  # type: ignore[index]
                memory = np.ascontiguousarray(host.transpose(order))
                self.buffer = memory.transpose(np.argsort(order))
            self.value = None
        return self.buffer

    def _reclaim(self) -> None:
        """Take shared memory back once the user's last reference to it is gone."""
        buffer = self.buffer
        # References: the slot, the local name, the argument.
        if (
            buffer is not None
            and buffer.base is None
            and sys.getrefcount(buffer) == 3
            and buffer.flags.writeable
        ):
            self.value = from_host(buffer)
            self.buffer = None

    def address(self) -> int:
        """Where ``data_ptr`` points for the first element.

        Contents that live in XLA's memory move when they change, and copies share them. So that the address
        stays, and is this storage's alone, host memory of their size is set aside for it; see :meth:`show`.
        On other devices it is a number that identifies the memory.
        """
        if self.buffer is not None:
            return int(self.buffer.__array_interface__["data"][0])
        assert self.value is not None
        aval = self.value.aval
        if aval.device is CPU and type(self.value) is not TracedValue:
            if self._shown is None or self._shown.size < aval.nbytes:
                self._shown = aligned(aval.nbytes)
                self._shown_writes = -1
            return int(self._shown.__array_interface__["data"][0])
        if not self._address:
            global _next_address
            self._address = _next_address
            _next_address += (aval.nbytes + 127) // 64 * 64
        return self._address

    def show(self, memory: Callable[[], np.ndarray[Any, Any]]) -> int:
        """:meth:`address`, with the contents as they are now to be read there.

        Args:
            memory: gives the elements in their order in memory.
        """
        address = self.address()
        if self.buffer is None and self._shown is not None and self._shown_writes != self.writes:
            self._shown[:] = memory().view(np.uint8)[: self._shown.size]
            self._shown_writes = self.writes
        return address
