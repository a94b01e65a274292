"""The oldest format: a tar archive of three members, which are read where they lie; nothing is extracted."""

from __future__ import annotations

import os
import pickle
import struct
from typing import Any, BinaryIO

from jtorch.serialization._loaded import LoadedStorage
from jtorch.serialization._locations import Placer
from jtorch.serialization._names import StorageType
from jtorch.serialization._raw import plain, read_storage
from jtorch.serialization._unpickling import text, unpickled
from jtorch.tensor import Tensor

__all__ = ["is_tar", "load_tar"]

_BLOCK = 512
_MEMBERS = ("storages", "tensors", "pickle")


def _header(file: BinaryIO) -> bytes | None:
    """The next header if its checksum is right."""
    header = file.read(_BLOCK)
    if len(header) < _BLOCK:
        return None
    try:
        stated = int(header[148:156].rstrip(b"\0 ").strip() or b"x", 8)
    except ValueError:
        return None
    return header if sum(header[:148]) + 8 * 32 + sum(header[156:]) == stated else None


def is_tar(file: BinaryIO) -> bool:
    """Whether a tar archive starts at the file's position."""
    start = file.tell()
    found = _header(file) is not None
    file.seek(start)
    return found


def _members(file: BinaryIO) -> dict[str, tuple[int, int]]:
    """Begin and end of the three members.

    Raises:
        RuntimeError: one is missing, repeated, no regular file, or reaches beyond the archive.
    """
    start = file.tell()
    end = file.seek(0, os.SEEK_END)
    file.seek(start)
    found: dict[str, tuple[int, int]] = {}
    for _ in range(16):
        header = _header(file)
        if header is None:
            break
        try:
            size = int(header[124:136].rstrip(b"\0 ") or b"0", 8)
        except ValueError:
            raise RuntimeError("the tar archive is corrupted: a size is no number") from None
        name, kind, begin = (
            header[:100].rstrip(b"\0").decode("utf-8", "replace"),
            header[156:157],
            file.tell(),
        )
        if size < 0 or begin + size > end:
            raise RuntimeError(f"the tar archive is corrupted: member {name!r} reaches beyond its end")
        if name in _MEMBERS:
            if kind not in (b"0", b"\0") or name in found:
                raise RuntimeError(f"the tar archive is corrupted: member {name!r} is no file of its own")
            found[name] = begin, begin + size
        file.seek(begin + (size + _BLOCK - 1) // _BLOCK * _BLOCK)
    for name in _MEMBERS:
        if name not in found:
            raise RuntimeError(f"the tar archive is no checkpoint: it has no member {name!r}")
    return found


class _Tar:
    """Tensors of an archive by their keys."""

    def __init__(self, file: BinaryIO, rule: Placer, pickle_module: Any, arguments: dict[str, Any]) -> None:
        self._file, self._rule, self._module, self._arguments = file, rule, pickle_module, arguments
        self._end = 0
        self._storages: dict[int, LoadedStorage] = {}
        self._tensors: dict[int, Tensor] = {}

    def _plain(self) -> Any:
        return plain(self._file, self._module, self._arguments)

    def _numbers(self, form: str) -> tuple[Any, ...]:
        size = struct.calcsize(form)
        data = self._file.read(size)
        if len(data) != size or self._file.tell() > self._end:
            raise RuntimeError("unexpected EOF in the tar archive. The file might be corrupted.")
        return struct.unpack(form, data)

    def read_storages(self, span: tuple[int, int]) -> None:
        self._file.seek(span[0])
        self._end = span[1]
        for _ in range(_count(self._plain())):
            entry = self._plain()
            if type(entry) is not tuple or len(entry) != 3:
                raise pickle.UnpicklingError("Expected key, location and type of a storage")
            key, location, kind = entry[0], text(entry[1]), entry[2]
            if type(key) is not int or location is None or type(kind) is not StorageType:
                raise pickle.UnpicklingError("Expected key, location and type of a storage")
            array = read_storage(self._file, kind.dtype, None, self._end)
            made = LoadedStorage(array, array.size, kind.dtype, whole=True)
            made.place(self._rule, location)
            self._storages[key] = made
        views = self._plain()
        if type(views) is not list:
            raise pickle.UnpicklingError("Expected a list of views of storages")
        for view in views:
            if type(view) is not tuple or len(view) != 4 or any(type(n) is not int for n in view):
                raise pickle.UnpicklingError("Expected keys, offset and size of a view")
            target, root, offset, count = view
            source = self._known(self._storages, root)
            size = source.dtype.itemsize
            self._storages[target] = source.part(offset * size, count * size)

    def read_tensors(self, span: tuple[int, int]) -> None:
        self._file.seek(span[0])
        self._end = span[1]
        for _ in range(_count(self._plain())):
            entry = self._plain()
            if type(entry) is not tuple or len(entry) != 3 or any(type(n) is not int for n in entry[:2]):
                raise pickle.UnpicklingError("Expected keys of a tensor and its storage")
            storage = self._known(self._storages, entry[1])
            (dims, _) = self._numbers("<2i")
            if not 0 <= dims <= 64:
                raise RuntimeError(f"a tensor of {dims} dimensions; at most 64 are supported")
            size, stride = self._numbers(f"<{dims}q"), self._numbers(f"<{dims}q")
            (offset,) = self._numbers("<q")
            if min((0, offset, *size, *stride)) < 0:
                raise RuntimeError("a tensor of negative sizes, strides or offset")
            self._tensors[entry[0]] = storage.tensor(storage.dtype, offset, size, stride)

    @staticmethod
    def _known(table: dict[int, Any], key: Any) -> Any:
        if type(key) is not int or key not in table:
            raise pickle.UnpicklingError(f"the tar archive refers to {key!r}, which it does not hold")
        return table[key]

    def persistent_load(self, pid: Any) -> Any:
        """A tensor or storage by its key; a module's class, without its source."""
        if type(pid) is tuple and self._module is not None:
            return pid[0]
        if type(pid) is str and pid.isdecimal() and len(pid) < 32:
            pid = int(pid)
        return self._known(self._tensors if pid in self._tensors else self._storages, pid)

    def result(self, span: tuple[int, int]) -> Any:
        self._file.seek(span[0])
        for storage in self._storages.values():
            storage.settle()
        return unpickled(self._file, self.persistent_load, self._module, self._arguments)


def _count(given: Any) -> int:
    if type(given) is not int or given < 0:
        raise pickle.UnpicklingError("Expected a number of entries")
    return given


def load_tar(file: BinaryIO, rule: Placer, pickle_module: Any, arguments: dict[str, Any]) -> Any:
    """The object in a tar archive that starts at the file's position.

    Raises:
        RuntimeError: the archive or a tensor in it makes no sense.
        UnpicklingError: a pickle in it is not allowed.
    """
    # Differs from PyTorch: weights_only=True reads these files too, with the same machine.
    members = _members(file)
    archive = _Tar(file, rule, pickle_module, arguments)
    archive.read_storages(members["storages"])
    archive.read_tensors(members["tensors"])
    return archive.result(members["pickle"])
