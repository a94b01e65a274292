"""Tensors in the safetensors format, as ``safetensors.torch`` has it, and files split into shards.

The package ``safetensors`` writes files and checks those that are read (sizes, offsets, types, no gaps); it
is an optional dependency. Such files hold tensors and text, never code. Files are mapped: contents are read
when they are used, and changes of tensors stay in memory.
"""

from __future__ import annotations

import json
import mmap
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import TensorSpec, serialize, serialize_file
from safetensors import deserialize as _deserialize
from safetensors import safe_open as _safe_open

from jtorch import dtypes
from jtorch.devices import CPU, as_device
from jtorch.serialization._atomic import replaced, replacement
from jtorch.tensor import Tensor
from jtorch.tensor._core import from_value
from jtorch.tensor._values import to_device
from jtorch.trace import from_host

__all__ = [
    "load",
    "load_file",
    "load_model",
    "load_sharded",
    "safe_open",
    "save",
    "save_file",
    "save_model",
    "save_sharded",
]

# The package types neither.
_open: Any = _safe_open
deserialize: Any = _deserialize

_KINDS = {
    "F64": dtypes.float64, "F32": dtypes.float32, "F16": dtypes.float16, "BF16": dtypes.bfloat16,
    "I64": dtypes.int64, "I32": dtypes.int32, "I16": dtypes.int16, "I8": dtypes.int8, "U64": dtypes.uint64,
    "U32": dtypes.uint32, "U16": dtypes.uint16, "U8": dtypes.uint8, "BOOL": dtypes.bool_,
    "C64": dtypes.complex64, "F8_E4M3": dtypes.float8_e4m3fn, "F8_E5M2": dtypes.float8_e5m2,
    "F8_E8M0": dtypes.float8_e8m0fnu, "F8_E4M3FNUZ": dtypes.float8_e4m3fnuz,
    "F8_E5M2FNUZ": dtypes.float8_e5m2fnuz,
}  # fmt: skip
_INDEX = "model.safetensors.index.json"
#: Index files list names; this is enough for millions of them.
_MAX_INDEX = 256 << 20


def _as_tensor(array: np.ndarray[Any, Any], device: Any) -> Tensor:
    value = from_host(array)
    where = CPU if device is None else as_device(device)
    return from_value(value if where is CPU else to_device(value, where))


class safe_open:
    """Opens a file and gives its tensors one by one, as ``safetensors.safe_open`` does.

    Args:
        filename: of the file.
        framework: ``"pt"``; tensors are jtorch's.
        device: where tensors are put.
        backend: accepted; the file is mapped.

    Raises:
        SafetensorError: the file is damaged.
    """

    def __init__(
        self,
        filename: str | os.PathLike[str],
        framework: str = "pt",
        device: Any = "cpu",
        *,
        backend: str = "mmap",
    ) -> None:
        if framework not in ("pt", "torch", "pytorch"):
            raise ValueError(f"framework must be 'pt', not {framework!r}")
        self._device = device
        self._checked = _open(filename, "np")
        with open(filename, "rb") as file:
            # An error-free header covers everything after it, so the data's start follows from its size.
            memory = np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY), np.uint8)
        places: dict[str, tuple[int, Any, tuple[int, ...]]] = {}
        at = 0
        for name in self._checked.offset_keys():
            entry = self._checked.get_slice(name)
            code, shape = entry.get_dtype(), tuple(entry.get_shape())
            if code not in _KINDS:
                raise NotImplementedError(f"tensor {name!r} has type {code}, which jtorch does not have")
            places[name] = at, _KINDS[code].numpy, shape
            at += int(np.prod(shape, dtype=object)) * _KINDS[code].itemsize
        self._memory, self._places = memory[memory.size - at :], places

    def __enter__(self) -> safe_open:
        return self

    def __exit__(self, *_: Any) -> None:
        del self._memory

    def keys(self) -> list[str]:
        """Names of the tensors, sorted."""
        return sorted(self._places)

    def offset_keys(self) -> list[str]:
        """Names of the tensors, in the order of the file."""
        return list(self._places)

    def metadata(self) -> dict[str, str] | None:
        """The text in the file's header."""
        found: dict[str, str] | None = self._checked.metadata()
        return found

    def _array(self, name: str) -> np.ndarray[Any, Any]:
        if name not in self._places:
            raise KeyError(f"File does not contain tensor {name}")
        start, kind, shape = self._places[name]
        size = int(np.prod(shape, dtype=object)) * kind.itemsize
        piece = self._memory[start : start + size]
        # Types wider than a byte may lie at odd positions; NumPy reads them there, XLA does not.
        return np.require(piece.view(kind).reshape(shape), requirements="A")

    def get_tensor(self, name: str) -> Tensor:
        """A tensor."""
        return _as_tensor(self._array(name), self._device)

    def get_tensors(self) -> dict[str, Tensor]:
        """All tensors by name."""
        return {name: self.get_tensor(name) for name in self._places}

    def get_slice(self, name: str) -> _Slice:
        """A tensor of which parts can be taken by indexing, without reading the rest."""
        return _Slice(self._array(name), self._device)


class _Slice:
    """Parts of a tensor in a file."""

    def __init__(self, array: np.ndarray[Any, Any], device: Any) -> None:
        self._memory, self._device = array, device

    def get_shape(self) -> list[int]:
        """Sizes of the whole tensor."""
        return list(self._memory.shape)

    def get_dtype(self) -> str:
        """The format's code of the type, ``F32``."""
        return next(code for code, kind in _KINDS.items() if kind.numpy == self._memory.dtype)

    def __getitem__(self, index: Any) -> Tensor:
        return _as_tensor(np.array(self._memory[index], order="C"), self._device)


def load_file(
    filename: str | os.PathLike[str], device: Any = "cpu", *, backend: str = "mmap"
) -> dict[str, Tensor]:
    """All tensors of a file by name; of an index file (``*.index.json``), those of its shards.

    Args:
        filename: of the file.
        device: where tensors are put.
        backend: accepted; the file is mapped.
    """
    if os.fspath(filename).endswith(".index.json"):
        return load_sharded(filename, device)
    with safe_open(filename, device=device) as file:
        return file.get_tensors()


def load(data: bytes) -> dict[str, Tensor]:
    """All tensors of a file that is in memory."""
    result = {}
    for name, entry in deserialize(data):
        if entry["dtype"] not in _KINDS:
            raise NotImplementedError(
                f"tensor {name!r} has type {entry['dtype']}, which jtorch does not have"
            )
        array = np.frombuffer(bytearray(entry["data"]), _KINDS[entry["dtype"]].numpy)
        result[name] = _as_tensor(array.reshape(entry["shape"]), None)
    return result


# ---- writing


def _find_shared(tensors: Mapping[str, Tensor]) -> list[set[str]]:
    """Names of tensors that overlap in memory, in groups of two and more."""
    by_memory: dict[int, list[tuple[int, int, str]]] = defaultdict(list)
    for name, tensor in tensors.items():
        aval = tensor._aval()
        if aval.size:
            start = tensor._offset * aval.dtype.itemsize
            span = sum((n - 1) * s for n, s in zip(aval.shape, tensor.stride(), strict=True)) + 1
            by_memory[id(tensor._storage)].append((start, start + span * aval.dtype.itemsize, name))
    groups = []
    for areas in by_memory.values():
        areas.sort()
        last = -1
        for start, stop, name in areas:
            if start >= last:
                groups.append({name})
            else:
                groups[-1].add(name)
            last = max(last, stop)
    return [group for group in groups if len(group) > 1]


def _specs(tensors: Any) -> tuple[dict[str, Any], list[Any]]:
    """What the package wants, and the arrays that must live until it is done.

    Raises:
        ValueError: not a dictionary of tensors, or tensors that are not row-major.
        RuntimeError: tensors that share memory.
    """
    if not isinstance(tensors, dict):
        raise ValueError(f"Expected a dict of [str, torch.Tensor] but received {type(tensors)}")
    for name, tensor in tensors.items():
        if not isinstance(tensor, Tensor):
            raise ValueError(f"Key `{name}` is invalid, expected torch.Tensor but received {type(tensor)}")
    shared = _find_shared(tensors)
    if shared:
        raise RuntimeError(
            "Some tensors share memory, this will lead to duplicate memory on disk and potential differences "
            f"when loading them again: {shared}. A potential way to correctly save your model is to use "
            "`save_model`."
        )
    specs, arrays = {}, []
    for name, tensor in tensors.items():
        if not tensor.is_contiguous():
            raise ValueError(
                f"You are trying to save a non contiguous tensor: `{name}` which is not allowed. It either "
                "means you are trying to save tensors which are reference of each other in which case it's "
                "recommended to save only the full tensors, and reslice at load time, or simply call "
                "`.contiguous()` on your tensor to pack it before saving."
            )
        array = np.ascontiguousarray(tensor.detach()._host())
        arrays.append(array)
        specs[name] = TensorSpec(
            dtype=tensor.dtype.name,
            shape=list(tensor.shape),
            data_ptr=array.ctypes.data,
            data_len=array.nbytes,
        )
    return specs, arrays


def save(tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> bytes:
    """A file's bytes; arguments as of :func:`save_file`."""
    specs, arrays = _specs(tensors)
    made = bytes(serialize(specs, metadata=metadata))
    del arrays
    return made


def save_file(
    tensors: dict[str, Tensor], filename: str | os.PathLike[str], metadata: dict[str, str] | None = None
) -> None:
    """Write tensors to a file, which is replaced as a whole.

    Args:
        tensors: by name; row-major, none sharing memory with another.
        filename: of the file.
        metadata: text for the file's header.

    Raises:
        ValueError: something else than tensors, or a tensor that is not row-major.
        RuntimeError: tensors that share memory.
    """
    specs, arrays = _specs(tensors)
    with replacement(filename) as temporary:
        serialize_file(specs, temporary, metadata=metadata)
    del arrays


# ---- models


def _duplicates(state: dict[str, Tensor], preferred: Any = ()) -> dict[str, list[str]]:
    """For each group of names on one memory: the name to keep, and those to leave out.

    Raises:
        RuntimeError: none of a group covers the whole memory.
    """
    found = {}
    for group in _find_shared(state):
        complete = sorted(
            name
            for name in group
            if not state[name]._offset and state[name].nbytes == state[name].untyped_storage().nbytes()
        )
        if not complete:
            raise RuntimeError(
                "Error while trying to find names to remove to save state dict, but found no suitable name "
                f"to keep for saving amongst: {group}. None is covering the entire storage.Refusing to "
                "save/load the model since you could be storing much more memory than needed."
            )
        keep = next((name for name in complete if name in preferred), complete[0])
        found[keep] = sorted(group - {keep})
    return found


def save_model(
    model: Any,
    filename: str | os.PathLike[str],
    metadata: dict[str, str] | None = None,
    force_contiguous: bool = True,
) -> None:
    """Write a module's state; of parameters on one memory (tied weights) the first is kept.

    Args:
        model: the module.
        filename: of the file.
        metadata: text for the header, to which the names left out are added.
        force_contiguous: copy tensors that are not row-major.
    """
    state = dict(model.state_dict())
    metadata = dict(metadata or {})
    for kept, names in _duplicates(state).items():
        for name in names:
            metadata.setdefault(name, kept)
            del state[name]
    if force_contiguous:
        state = {name: tensor.contiguous() for name, tensor in state.items()}
    save_file(state, filename, metadata or None)


def load_model(
    model: Any,
    filename: str | os.PathLike[str],
    strict: bool = True,
    device: Any = "cpu",
    *,
    backend: str = "mmap",
) -> tuple[list[str], list[str]]:
    """Load a file into a module.

    Args:
        model: the module.
        filename: of a file or an index.
        strict: raise if names are missing or unexpected.
        device: where tensors are read to.
        backend: accepted.

    Returns:
        Names that are missing in the file, and names that the module does not have.

    Raises:
        RuntimeError: names are missing or unexpected, and ``strict``.
    """
    state = load_file(filename, device)
    duplicates = _duplicates(dict(model.state_dict()), state)
    result = model.load_state_dict(state, strict=False)
    missing, unexpected = set(result.missing_keys), list(result.unexpected_keys)
    for names in duplicates.values():
        for name in names:
            if name in missing:
                missing.remove(name)
            else:
                unexpected.append(name)
    if strict and (missing or unexpected):
        text = f"Error(s) in loading state_dict for {type(model).__name__}:"
        for what, found in (("Missing", missing), ("Unexpected", unexpected)):
            if found:
                text += f"\n    {what} key(s) in state_dict: " + ", ".join(
                    f'"{name}"' for name in sorted(found)
                )
        raise RuntimeError(text)
    return sorted(missing), unexpected


# ---- shards


def _shards(tensors: dict[str, Tensor], limit: int) -> Iterator[dict[str, Tensor]]:
    part: dict[str, Tensor] = {}
    size = 0
    for name, tensor in tensors.items():
        if part and size + tensor.nbytes > limit:
            yield part
            part, size = {}, 0
        part[name] = tensor
        size += tensor.nbytes
    yield part


def save_sharded(
    tensors: dict[str, Tensor],
    folder: str | os.PathLike[str],
    max_shard_size: int = 5_000_000_000,
    metadata: dict[str, str] | None = None,
) -> None:
    """Write tensors to files of bounded size and an index, ``model.safetensors.index.json``.

    Args:
        tensors: by name, as for :func:`save_file`.
        folder: where to; it must exist.
        max_shard_size: bytes of tensors per file; a larger tensor gets a file of its own.
        metadata: text for the headers.
    """
    parts = list(_shards(tensors, max_shard_size))
    places = {}
    for number, part in enumerate(parts, 1):
        name = f"model-{number:05d}-of-{len(parts):05d}.safetensors"
        save_file(part, Path(folder) / name, metadata)
        places.update(dict.fromkeys(part, name))
    total = sum(tensor.nbytes for tensor in tensors.values())
    index = {"metadata": {"total_size": total}, "weight_map": places}
    with replaced(Path(folder) / _INDEX) as file:
        file.write(json.dumps(index, indent=2, sort_keys=True).encode() + b"\n")


def _weight_map(path: Path) -> dict[str, str]:
    """Which file holds which tensor.

    Raises:
        ValueError: not an index, or one that names files outside of its folder.
    """
    with open(path, "rb") as file:
        data = file.read(_MAX_INDEX + 1)
    try:
        index = json.loads(data) if len(data) <= _MAX_INDEX else None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is no index of shards: {error}") from None
    found = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found.values()):
        raise ValueError(f"{path} is no index of shards: it has no weight_map of names")
    for name in set(found.values()):
        plain = name == os.path.basename(name) and not set(name) & set("/\\:\0") and not name.startswith(".")
        if not plain or not name.endswith(".safetensors"):
            raise ValueError(f"{path} names {name!r}: a shard is a .safetensors file in the same folder")
    return found


def load_sharded(path: str | os.PathLike[str], device: Any = "cpu") -> dict[str, Tensor]:
    """All tensors of the shards that an index lists.

    Args:
        path: the index, or the folder that holds ``model.safetensors.index.json``.
        device: where tensors are put.

    Raises:
        ValueError: a damaged index, or one that names files outside of its folder.
        KeyError: a shard lacks a tensor that the index promises.
    """
    index = Path(path)
    if index.is_dir():
        index = index / _INDEX
    places = _weight_map(index)
    result: dict[str, Tensor] = {}
    for shard in sorted(set(places.values())):
        with safe_open(index.parent / shard, device=device) as file:
            result.update((name, file.get_tensor(name)) for name, place in places.items() if place == shard)
    return {name: result[name] for name in places}
