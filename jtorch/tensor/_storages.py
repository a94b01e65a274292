"""Storages as users see them: ``Tensor.untyped_storage``, ``data_ptr``, ``set_``."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from jtorch.devices import CPU, META, as_device, device
from jtorch.dtypes import dtype, from_numpy_dtype, uint8
from jtorch.tensor._arguments import make
from jtorch.tensor._core import Tensor
from jtorch.tensor._custom import counter
from jtorch.tensor._from_data import from_file
from jtorch.tensor._inplace import check_writable
from jtorch.tensor._storage import Storage, Version, contiguous_strides, place_changes, strides_of
from jtorch.tensor._values import to_device
from jtorch.tensor._views import as_strided
from jtorch.trace import from_host

__all__ = ["TypedStorage", "UntypedStorage", "is_storage"]

# ---- the memory of a storage


def dtype_of(storage: Storage) -> dtype:
    if storage.buffer is not None:
        return from_numpy_dtype(storage.buffer.dtype)
    assert storage.value is not None
    return storage.value.aval.dtype


def device_of(storage: Storage) -> device:
    return CPU if storage.buffer is not None or storage.value is None else storage.value.aval.device


def _count(storage: Storage) -> int:
    """Elements held."""
    if storage.buffer is not None:
        buffer = storage.buffer
        spans = [(n - 1) * s // buffer.itemsize for n, s in zip(buffer.shape, buffer.strides, strict=True)]
        return 1 + sum(spans) if buffer.size else 0
    assert storage.value is not None
    return storage.value.aval.size


def _memory(storage: Storage) -> np.ndarray[Any, Any]:
    """A copy of the elements in order of memory."""
    host = storage.host()
    if storage.strides is not None:
        if storage.buffer is not None:
            flat = np.lib.stride_tricks.as_strided(host, (_count(storage),), (host.itemsize,))
            return np.array(flat)
        order = sorted(range(host.ndim), key=lambda d: -storage.strides[d])  # type: ignore[index]
        host = host.transpose(order)
    return np.array(host, order="C").reshape(-1)


def _shown_at(storage: Storage) -> int:
    """The address of a storage, where contents on the CPU can be read."""
    return storage.show(lambda: _memory(storage))


def whole_of(storage: Storage) -> Tensor:
    """A tensor over all of a storage, of the dtype it was made with."""
    tensor = object.__new__(Tensor)
    tensor._storage = storage
    if storage.strides is not None:
        tensor._strides = storage.strides
    return tensor


def copied(cell: Storage) -> Storage:
    made = Storage(cell.read())
    made.strides = dense_strides(cell)
    return made


def dense_strides(cell: Storage) -> tuple[int, ...] | None:
    """Strides that a copy keeps: those of a layout without gaps."""
    strides = cell.strides
    if strides is None or cell.buffer is None:
        return strides
    return strides if _count(cell) == cell.buffer.size and all(strides) else None


def copied_once(cell: Storage, memo: dict[int, Any]) -> Storage:
    found = memo.get(id(cell))
    if found is None:
        found = memo[id(cell)] = copied(cell)
        memo.setdefault(id(memo), []).append(cell)
    return found


class UntypedStorage:
    """The bytes behind one or more tensors (``torch.UntypedStorage``).

    Args:
        size: number of bytes of a new storage.
        device: where.
    """

    __slots__ = ("_cell",)

    def __init__(self, size: int = 0, *, device: Any = None) -> None:
        self._cell = make(np.zeros(int(size), np.uint8), as_device(device))._storage

    @classmethod
    def _of(cls, cell: Storage) -> UntypedStorage:
        made = object.__new__(cls)
        made._cell = cell
        return made

    def nbytes(self) -> int:
        """Size in bytes."""
        return _count(self._cell) * dtype_of(self._cell).itemsize

    def __sizeof__(self) -> int:
        return object.__sizeof__(self) + self.nbytes()  # what libraries that report memory ask for

    size = nbytes
    __len__ = nbytes

    def element_size(self) -> int:
        """1: elements are bytes."""
        return 1

    def data_ptr(self) -> int:
        """Where the memory is; see :meth:`Tensor.data_ptr`."""
        return _shown_at(self._cell)

    @property
    def device(self) -> device:
        """Where the memory is."""
        return device_of(self._cell)

    @property
    def is_cuda(self) -> bool:
        return self.device.type == "cuda"

    def get_device(self) -> int:
        """Index of the accelerator, -1 for the CPU."""
        return -1 if self.device.index is None else self.device.index

    def tolist(self) -> list[int]:
        """The bytes as a list of numbers."""
        found: list[int] = _memory(self._cell).view(np.uint8).tolist()
        return found

    @staticmethod
    def from_file(filename: str, shared: bool = False, nbytes: int = 0) -> UntypedStorage:
        """The bytes of a file, mapped into memory.

        Args:
            filename: of the file.
            shared: changes go to the file; else they stay in memory.
            nbytes: how many; they must be there, unless ``shared``.

        Raises:
            RuntimeError: a file that cannot be opened, or is too short.
        """
        return UntypedStorage._of(from_file(filename, shared, nbytes, dtype=uint8)._storage)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice) and index.step not in (None, 1):
            raise RuntimeError(
                f"Trying to slice with a step of {index.step}, but only a step of 1 is supported"
            )
        buffer = self._cell.buffer
        if buffer is not None and self._cell.strides is None:
            found = buffer.reshape(-1).view(np.uint8)[index]
        else:
            found = _memory(self._cell).view(np.uint8)[index]
        return int(found) if isinstance(index, int) else UntypedStorage._of(make(found.copy())._storage)

    def __setitem__(self, index: Any, value: Any) -> None:
        changed = _memory(self._cell)
        changed.view(np.uint8)[index] = value
        _overwrite(self._cell, changed)

    def __iter__(self) -> Iterator[int]:
        return iter(self.tolist())

    def __bytes__(self) -> bytes:
        return _memory(self._cell).tobytes()

    def copy_(self, source: UntypedStorage, non_blocking: bool = False) -> UntypedStorage:
        """Take over the bytes of a storage of the same size."""
        given = np.frombuffer(bytes(source), np.uint8)
        if given.size != self.nbytes():
            raise RuntimeError("size does not match")
        _overwrite(self._cell, given.view(dtype_of(self._cell).numpy))
        return self

    def fill_(self, value: int) -> UntypedStorage:
        """Set every byte."""
        self[:] = value
        return self

    def clone(self) -> UntypedStorage:
        """A storage with the same bytes in memory of its own."""
        return UntypedStorage._of(copied(self._cell))

    def cpu(self) -> UntypedStorage:
        """This storage if it is on the CPU, else a copy there."""
        return self if self.device is CPU else UntypedStorage._of(make(_memory(self._cell))._storage)

    def to(self, device: Any) -> UntypedStorage:
        """This storage if it is on that device, else a copy there."""
        where = as_device(device)
        if self.device is where:
            return self
        cell = Storage(to_device(self._cell.read(), where))
        cell.strides = dense_strides(self._cell)
        return UntypedStorage._of(cell)

    def cuda(self, device: Any = None) -> UntypedStorage:
        """This storage if it is on that CUDA device, the first one by default, else a copy there."""
        return self.to("cuda" if device is None else f"cuda:{device}" if isinstance(device, int) else device)

    def untyped(self) -> UntypedStorage:
        """This storage."""
        return self

    def share_memory_(self) -> UntypedStorage:
        """This storage; other processes receive copies."""
        return self

    def is_shared(self) -> bool:
        """Whether other processes see changes: never."""
        return False

    def is_pinned(self, device: Any = None) -> bool:
        """Whether the memory is page-locked: never."""
        return False

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UntypedStorage) and self._cell is other._cell

    def __hash__(self) -> int:
        return id(self._cell)

    def __repr__(self) -> str:
        body = "".join(f" {b}\n" for b in self.tolist()) if self.device is not META else ""
        return f"{body}[torch.storage.UntypedStorage(device={self.device}) of size {self.nbytes()}]"

    def __deepcopy__(self, memo: dict[int, Any]) -> UntypedStorage:
        return UntypedStorage._of(copied_once(self._cell, memo))

    def __reduce__(self) -> Any:
        return UntypedStorage._of, (self._cell,)


def _overwrite(cell: Storage, memory: np.ndarray[Any, Any]) -> None:
    """Replace all contents by elements in order of memory."""
    whole = whole_of(cell)
    shape, strides = whole._aval().shape, strides_of(whole)
    items = [s * memory.itemsize for s in strides]
    logical = np.array(np.lib.stride_tricks.as_strided(memory, shape, items), order="C")
    value = from_host(logical)
    where = device_of(cell)
    cell.write(value if where is CPU else to_device(value, where))


class TypedStorage:
    """The elements behind one or more tensors (``torch.TypedStorage``; PyTorch deprecates it).

    Args:
        wrap_storage: the bytes.
        dtype: how they are read.
    """

    __slots__ = ("_untyped", "dtype")

    def __init__(self, *, wrap_storage: UntypedStorage, dtype: dtype, _internal: bool = False) -> None:
        self._untyped, self.dtype = wrap_storage, dtype

    def _array(self) -> np.ndarray[Any, Any]:
        return _memory(self._untyped._cell).view(self.dtype.numpy)

    @property
    def _untyped_storage(self) -> UntypedStorage:
        return self._untyped

    @property
    def device(self) -> device:
        """Where the memory is."""
        return self._untyped.device

    def untyped(self) -> UntypedStorage:
        """The bytes."""
        return self._untyped

    def size(self) -> int:
        """Number of elements."""
        return self._untyped.nbytes() // self.dtype.itemsize

    __len__ = size

    def nbytes(self) -> int:
        """Size in bytes."""
        return self._untyped.nbytes()

    def __sizeof__(self) -> int:
        return object.__sizeof__(self) + self.nbytes()

    def element_size(self) -> int:
        """Bytes per element."""
        return self.dtype.itemsize

    def data_ptr(self) -> int:
        """Where the memory is; see :meth:`Tensor.data_ptr`."""
        return self._untyped.data_ptr()

    def tolist(self) -> list[Any]:
        """The elements as a list of numbers."""
        found: list[Any] = self._array().tolist()
        return found

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            raise NotImplementedError("slices of a TypedStorage: use the storage's tensor")
        return self._array()[index].item()

    def __setitem__(self, index: Any, value: Any) -> None:
        changed = self._array()
        changed[index] = value
        _overwrite(self._untyped._cell, changed.view(dtype_of(self._untyped._cell).numpy))

    def __iter__(self) -> Iterator[Any]:
        return iter(self.tolist())

    def clone(self) -> TypedStorage:
        """A storage with the same elements in memory of its own."""
        return TypedStorage(wrap_storage=self._untyped.clone(), dtype=self.dtype)

    def share_memory_(self) -> TypedStorage:
        """This storage; other processes receive copies."""
        return self

    def is_shared(self) -> bool:
        """Whether other processes see changes: never."""
        return False

    def __repr__(self) -> str:
        body = "".join(f" {x}\n" for x in self.tolist())
        where = f"dtype={self.dtype}, device={self.device}"
        return f"{body}[torch.storage.TypedStorage({where}) of size {self.size()}]"


TypedStorage.__module__ = UntypedStorage.__module__ = "torch.storage"


def is_storage(obj: Any) -> bool:
    """Whether ``obj`` is a storage (``torch.is_storage``)."""
    return isinstance(obj, UntypedStorage | TypedStorage)


def untyped_storage(self: Tensor) -> UntypedStorage:
    """The bytes that this tensor views."""
    return UntypedStorage._of(self._storage)


_warned = False


def storage(self: Tensor) -> TypedStorage:
    """The elements that this tensor views (deprecated, as in PyTorch)."""
    global _warned
    if _warned:
        return _typed_storage(self)
    _warned = True
    warnings.warn(
        "TypedStorage is deprecated. It will be removed in the future and UntypedStorage will be the only "
        "storage class. This should only matter to you if you are using storages directly.  To access "
        "UntypedStorage directly, use tensor.untyped_storage() instead of tensor.storage()",
        UserWarning,
        stacklevel=2,
    )
    return _typed_storage(self)


def _typed_storage(self: Tensor) -> TypedStorage:
    return TypedStorage(wrap_storage=untyped_storage(self), dtype=self._aval().dtype)


def data_ptr(self: Tensor) -> int:
    """Where the first element is in memory, the same for tensors that start there.

    On the CPU the contents can be read there as they are at the call, as long as the storage lives. What is
    written there reaches the tensor only if its memory is shared with NumPy. On other devices, and inside of
    JAX's transforms, the number just identifies the memory.
    """
    # Differs from PyTorch: a copy is shown; contents that XLA computed have no place of their own.
    aval = self._aval()
    if not aval.size or aval.device is META:
        return 0
    return _shown_at(self._storage) + self._offset * aval.dtype.itemsize


def is_set_to(self: Tensor, tensor: Tensor) -> bool:
    """Whether both tensors are the same view of the same storage."""
    return (
        self._storage is tensor._storage
        and self._offset == tensor._offset
        and self._aval() is tensor._aval()
        and strides_of(self) == strides_of(tensor)
    )


def set_(
    self: Tensor, source: Any = None, storage_offset: int = 0, size: Any = None, stride: Any = None
) -> Tensor:
    """Make this tensor a view of another tensor's memory, or of a storage.

    Args:
        self: this tensor.
        source: a tensor, a storage; ``None`` for no memory at all.
        storage_offset: position of the first element.
        size: of this tensor from now on; all of a storage by default.
        stride: of this tensor; row-major by default.
    """
    check_writable(self, uniform=True)
    kind = self._aval().dtype
    if source is None:
        source = make(np.zeros((0,), kind.numpy), self._aval().device)
    given = source.dtype if isinstance(source, Tensor | TypedStorage) else kind
    if given is not kind:
        names = [C_TYPES.get(d.name, d.name) for d in (given, kind)]
        raise RuntimeError(f"Could not set tensor of type {names[0]} to a tensor of type {names[1]}")
    if isinstance(source, Tensor):
        view = source.detach()
    else:
        cell = source.untyped()._cell
        view = whole_of(cell)
        if dtype_of(cell) is not kind:
            view = view.reshape(-1).view(kind)
        size = (_count(cell) * dtype_of(cell).itemsize // kind.itemsize,) if size is None else size
    if size is not None:
        sizes = tuple(size)
        view = as_strided(
            view, sizes, contiguous_strides(sizes) if stride is None else stride, storage_offset
        )
    counted = counter(self)
    counted.version += 1
    # The tensor counts on by itself: the memory that it leaves has a count of its own, and so has the other.
    self._own_version = Version()
    self._own_version.version = counted.version
    self._storage = view._storage
    for name in ("_view", "_strides", "_offset"):
        setattr(self, name, getattr(view, name))
    self._abase, self._adepth, self._cached, self._cached_writes = None, 0, None, -1
    place_changes[0] += 1
    return self


#: C++'s names of dtypes, in some error texts.
C_TYPES = {
    "float32": "float", "float64": "double", "float16": "c10::Half", "bfloat16": "c10::BFloat16",
    "int64": "long int", "int32": "int", "int16": "short int", "int8": "signed char",
    "uint8": "unsigned char", "bool": "bool", "complex64": "c10::complex<float>",
    "complex128": "c10::complex<double>",
}  # fmt: skip


def share_memory_(self: Tensor) -> Tensor:
    """This tensor. Other processes receive copies: there is no shared memory behind it."""
    self._is_shared = True  # type: ignore[attr-defined]
    return self


def is_shared(self: Tensor) -> bool:
    """Whether :meth:`share_memory_` was called."""
    return self._is_shared or self._aval().device.type == "cuda"


for _name, _function in {
    "untyped_storage": untyped_storage, "storage": storage, "_typed_storage": _typed_storage,
    "data_ptr": data_ptr, "is_set_to": is_set_to, "set_": set_, "share_memory_": share_memory_,
    "is_shared": is_shared, "_is_shared": False,
}.items():  # fmt: skip
    setattr(Tensor, _name, _function)
