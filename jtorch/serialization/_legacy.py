"""Files from before PyTorch 1.6: a row of pickles followed by raw storages; tar archives before those."""

from __future__ import annotations

import os
import pickle
from typing import Any, BinaryIO

import numpy as np

from jtorch.serialization._loaded import LoadedStorage
from jtorch.serialization._locations import Placer
from jtorch.serialization._options import skips_data
from jtorch.serialization._raw import plain, read_storage
from jtorch.serialization._save import MAGIC_NUMBER, PROTOCOL_VERSION
from jtorch.serialization._tar import is_tar, load_tar
from jtorch.serialization._unpickling import storage_id, text, unpickled

__all__ = ["load_legacy"]


class _Storages:
    """Storages that the pickle mentions before their contents come in the file."""

    def __init__(self, rule: Placer, limit: int, restricted: bool) -> None:
        self._rule, self._left, self._restricted = rule, limit, restricted
        self.roots: dict[str, LoadedStorage] = {}
        self._views: dict[str, LoadedStorage] = {}

    def persistent_load(self, pid: Any) -> Any:
        """A storage, to be filled later; a module's class, without comparing its source.

        Raises:
            UnpicklingError: a persistent id of another form.
            RuntimeError: storages larger than the file.
        """
        if type(pid) is tuple and len(pid) == 4 and text(pid[0]) == "module" and not self._restricted:
            return pid[1]
        if type(pid) is not tuple or len(pid) != 6:
            raise pickle.UnpicklingError("Only persistent_load of storage is allowed")
        kind, key, location, count = storage_id(pid[:5], 5)
        found = self.roots.get(key)
        if found is None:
            size = count * kind.dtype.itemsize
            if size > self._left:
                raise RuntimeError(f"a storage of {size} bytes, but only {self._left} are left in the file")
            self._left -= 0 if skips_data() else size
            found = self.roots[key] = LoadedStorage(np.zeros(size, np.uint8), size, kind.dtype)
            found.place(self._rule, location)
        return found if pid[5] is None else self._view(found, pid[5])

    def _view(self, root: LoadedStorage, place: Any) -> LoadedStorage:
        if type(place) is not tuple or len(place) != 3 or any(type(n) is not int for n in place[1:]):
            raise pickle.UnpicklingError("Expected key, offset and size of a view")
        key, offset, count = text(place[0]), *place[1:]
        if key is None:
            raise pickle.UnpicklingError("Expected key, offset and size of a view")
        found = self._views.get(key)
        if found is None:
            size = root.dtype.itemsize
            found = self._views[key] = root.part(offset * size, count * size)
        return found

    def fill(self, file: BinaryIO, keys: Any) -> None:
        """Read the contents, in the order of ``keys``."""
        if type(keys) is not list or len(keys) != len(self.roots) or set(map(text, keys)) != set(self.roots):
            raise RuntimeError("the file does not hold the storages that its tensors are on; corrupt file?")
        for key in keys:
            storage = self.roots[text(key)]  # type: ignore[index]
            assert storage.array is not None
            read_storage(file, storage.dtype, storage.array)
            storage.refill()


def load_legacy(file: BinaryIO, rule: Placer, pickle_module: Any, arguments: dict[str, Any]) -> Any:
    """The object in a file of one of the old formats.

    Args:
        file: at its beginning.
        rule: where storages go.
        pickle_module: ``None`` for the restricted machine.
        arguments: for unpickling.

    Raises:
        RuntimeError: neither format, or contents that contradict each other.
        UnpicklingError: something in a pickle is not allowed.
    """
    if is_tar(file):
        return load_tar(file, rule, pickle_module, arguments)
    magic = plain(file, pickle_module, arguments)
    if type(magic) is not int or magic != MAGIC_NUMBER:
        raise RuntimeError("Invalid magic number; corrupt file?")
    version = plain(file, pickle_module, arguments)
    if type(version) is not int or version != PROTOCOL_VERSION:
        raise RuntimeError(f"Invalid protocol version: {version!s:.40}")
    plain(file, pickle_module, arguments)
    here = file.tell()
    end = file.seek(0, os.SEEK_END)
    file.seek(here)
    storages = _Storages(rule, end - here, pickle_module is None)
    result = unpickled(file, storages.persistent_load, pickle_module, arguments)
    keys = plain(file, pickle_module, arguments)
    if not skips_data():
        storages.fill(file, keys)
    return result
