"""``load``: opens PyTorch's formats, with the restricted machine unless told otherwise."""

from __future__ import annotations

import io
import mmap as _mmap
import os
import pickle
import re
import sys
import warnings
from contextlib import nullcontext
from typing import Any, BinaryIO

import numpy as np

from jtorch.devices import device
from jtorch.serialization._budget import Budget
from jtorch.serialization._builders import ALLOWED
from jtorch.serialization._current import current
from jtorch.serialization._legacy import load_legacy
from jtorch.serialization._loaded import LoadedStorage
from jtorch.serialization._locations import is_meta, placer
from jtorch.serialization._machine import TruncatedError, names_in
from jtorch.serialization._names import StorageType
from jtorch.serialization._options import (
    LoadEndianness,
    get_default_load_endianness,
    get_default_mmap_options,
    skips_data,
)
from jtorch.serialization._safe_globals import trusted
from jtorch.serialization._save import _check_dill, is_path
from jtorch.serialization._unpickling import storage_id, unpickled
from jtorch.serialization._zip_reader import ZipReader, is_zip

__all__ = ["UnsafeLoadWarning", "get_unsafe_globals_in_checkpoint", "load"]

#: The pickle of any sensible checkpoint is far smaller; storages lie outside of it.
_MAX_PICKLE = 2 << 30
#: What a compressed pickle may become: this much, and this many times its size in the archive.
_INFLATED_BYTES, _INFLATED_FACTOR = 8 << 20, 16

#: Of the zip format.
_NEWEST = 10

UNSAFE_MESSAGE = (
    "In PyTorch 2.6, we changed the default value of the `weights_only` argument in `torch.load` from "
    "`False` to `True`. Re-running `torch.load` with `weights_only` set to `False` will likely succeed, but "
    "it can result in arbitrary code execution. Do it only if you got the file from a trusted source."
)
_DOCS_MESSAGE = (
    "\n\nCheck the documentation of torch.load to learn more about types accepted by default with "
    "weights_only https://pytorch.org/docs/stable/generated/torch.load.html."
)


class UnsafeLoadWarning(UserWarning):
    """A file is loaded in a way that lets it run code."""


def load(
    f: Any,
    map_location: Any = None,
    pickle_module: Any = None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
    **pickle_load_args: Any,
) -> Any:
    """Read what ``save`` or PyTorch's ``torch.save`` wrote (``torch.load``).

    Unless ``weights_only=False`` is given, the file can only describe data: tensors, numbers, strings,
    containers of them, and what :func:`jtorch.serialization.add_safe_globals` allows.

    Args:
        f: a name, or an object with ``read``, ``readline``, ``seek`` and ``tell``.
        map_location: where storages go: a device or its name; a dictionary from the names in the file to
            names; or a callable that gets a storage and its name and returns a storage, or ``None`` for the
            default. By default they go where they were saved from.
        pickle_module: for ``weights_only=False`` only; ``pickle`` by default.
        weights_only: ``False`` allows the file to run any code it likes.
        mmap: map the file and read contents when they are used; ``f`` must be a name.
        pickle_load_args: passed to ``pickle_module``, such as ``encoding``.

    Raises:
        UnpicklingError: the file asks for something that is not allowed, or its pickle is damaged.
        RuntimeError: the archive is damaged, a tensor reaches outside of its storage, a device is missing.
        EOFError: the file is empty.
    """
    weights_only = _restricted(weights_only, pickle_module)
    if weights_only:
        if pickle_module is not None:
            raise RuntimeError("Can not safely load weights when explicit pickle_module is specified")
        if pickle_load_args:
            warnings.warn("pickle_load_args only works if `weights_only=False`.", stacklevel=2)
    else:
        pickle_module = pickle if pickle_module is None else pickle_module
        # Differs from PyTorch: it opens such files without a word.
        warnings.warn(
            "jtorch.load with weights_only=False runs whatever code the file contains. Do this only with "
            "files whose origin you trust; weights_only=True loads data and nothing else.",
            UnsafeLoadWarning,
            stacklevel=2,
        )
    _check_dill(pickle_module)
    pickle_load_args.setdefault("encoding", "utf-8")
    if is_path(f) and os.fspath(f).endswith(".safetensors"):
        return _load_safetensors(os.fspath(f), map_location)
    if not is_path(f):
        _check_seekable(f)
    before = current.map_location, current.budget
    current.map_location, current.budget = map_location, Budget()
    try:
        with open(f, "rb") if is_path(f) else nullcontext(f) as file:
            return _load(file, f, map_location, pickle_module, bool(mmap), pickle_load_args)
    except TruncatedError:
        raise
    except pickle.UnpicklingError as error:
        if not weights_only:
            raise
        raise pickle.UnpicklingError(_explained(str(error))) from None
    finally:
        current.map_location, current.budget = before


def _restricted(weights_only: bool | None, pickle_module: Any) -> bool:
    """``weights_only`` after its default and the environment's say."""
    given = weights_only is not None
    result = bool(weights_only) if given else pickle_module is None
    yes = ("1", "y", "yes", "true")
    force = os.getenv("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "0").lower() in yes
    force_not = os.getenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "0").lower() in yes
    if force and force_not:
        raise RuntimeError(
            "Only one of `TORCH_FORCE_WEIGHTS_ONLY_LOAD` or `TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD` should be "
            "set, but both were set."
        )
    if force:
        return True
    if force_not and not given:
        warnings.warn(
            "Environment variable TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD detected, since the`weights_only` "
            "argument was not explicitly passed to `torch.load`, forcing weights_only=False.",
            UserWarning,
            stacklevel=3,
        )
        return False
    return result


def _explained(message: str) -> str:
    """PyTorch's advice around the machine's message."""
    if re.search(r"GLOBAL (\S+) was not an allowed global by default.", message):
        return (
            "Weights only load failed. This file can still be loaded, to do so you have two options, "
            "\033[1mdo those steps only if you trust the source of the checkpoint\033[0m. "
            f"\n\t(1) {UNSAFE_MESSAGE}\n\t(2) Alternatively, to load with `weights_only=True` please check "
            f"the recommended steps in the following error message.\n\tWeightsUnpickler error: {message}"
            f"{_DOCS_MESSAGE}"
        )
    text = f"Weights only load failed. {UNSAFE_MESSAGE}\n"
    if not re.search(r"whose module (\S+) is blocked", message):
        text += (
            "Please file an issue with the following so that we can make `weights_only=True` compatible with "
            "your use case: WeightsUnpickler error: "
        )
    return f"{text}\n\n{message}{_DOCS_MESSAGE}"


def _check_seekable(file: Any) -> None:
    try:
        file.seek(file.tell())
    except (io.UnsupportedOperation, AttributeError) as error:
        if "seek" in str(error) or "tell" in str(error):
            raise type(error)(
                f"{error}. You can only torch.load from a file that is seekable. Please pre-load the data "
                "into a buffer like io.BytesIO and try to load from it instead."
            ) from None
        raise


def _load_safetensors(path: str, map_location: Any) -> Any:
    # Imported here: the package behind it is optional.
    from jtorch.safetensors import load_file  # noqa: PLC0415

    if isinstance(map_location, dict) or (callable(map_location) and not isinstance(map_location, device)):
        kind = "dict" if isinstance(map_location, dict) else "callable"
        raise RuntimeError(
            f"Loading safetensors file with {kind} map_location is not supported. Use a device string or "
            "torch.device instead."
        )
    return load_file(path, device="cpu" if map_location is None else str(map_location))


def _load(
    file: BinaryIO,
    f: Any,
    map_location: Any,
    pickle_module: Any,
    mmap: bool,
    pickle_load_args: dict[str, Any],
) -> Any:
    if not is_zip(file):
        if mmap:
            name = f"{f}, " if isinstance(f, str) else ""
            raise RuntimeError(
                "mmap can only be used with files saved with "
                f"`torch.save({name}_use_new_zipfile_serialization=True), please torch.save your checkpoint "
                "with this option in order to use mmap."
            )
        return load_legacy(file, placer(map_location), pickle_module, pickle_load_args)
    archive = ZipReader(file)
    if "constants.pkl" in archive:
        if pickle_module is None:
            raise RuntimeError(
                f"Cannot use ``weights_only=True`` with TorchScript archives passed to ``torch.load``. "
                f"{UNSAFE_MESSAGE}"
            )
        raise NotImplementedError("TorchScript archives: save the model's state_dict with torch.save instead")
    if "version" not in archive:
        raise RuntimeError(
            'Expected hasRecord("version") to be true, but got false.  (Could this error message be '
            "improved?  "
            "If so, please report an enhancement request to PyTorch.)"
        )
    _check_version(archive)
    mapped = None
    if mmap:
        if not is_path(f):
            raise ValueError("f must be a file path in order to use the mmap argument")
        mapped = _map(os.fspath(f))
    storages = _ZipStorages(archive, map_location, mapped)
    result = unpickled(_pickle(archive), storages.persistent_load, pickle_module, pickle_load_args)
    storages.settle()
    return result


def _check_version(archive: ZipReader) -> None:
    """Files that are newer than what is known of them are not guessed at.

    Raises:
        RuntimeError: a version that does not exist yet, or none.
    """
    record = archive.read("version", 64)
    number = int(record) if record.strip().isdigit() else 0
    if number > _NEWEST:
        raise RuntimeError(
            f"Attempted to read a PyTorch file with version {number}, but the maximum supported version for "
            f"reading is {_NEWEST}. The version of your PyTorch installation may be too old, please upgrade "
            "PyTorch to latest version to mitigate this issue."
        )
    if number < 1:
        raise RuntimeError(
            f"Attempted to read a PyTorch file with version {number}, but the minimum supported version for "
            "reading is 1. Your PyTorch script module file is too old. Please regenerate it with latest "
            "version of PyTorch to mitigate this issue."
        )


def _pickle(archive: ZipReader) -> BinaryIO:
    """The record that describes the object.

    Raises:
        RuntimeError: there is none, or it is too large.
    """
    record = archive.find("data.pkl")
    limit = _INFLATED_BYTES + _INFLATED_FACTOR * record.stored if record.deflated else _MAX_PICKLE
    return io.BytesIO(archive.read("data.pkl", limit))


def _map(path: str) -> np.ndarray[Any, Any]:
    """The whole file as an array of bytes: private, or shared as the options say."""
    shared = get_default_mmap_options() == getattr(_mmap, "MAP_SHARED", -1)
    with open(path, "r+b" if shared else "rb") as file:
        access = _mmap.ACCESS_WRITE if shared else _mmap.ACCESS_COPY
        return np.frombuffer(_mmap.mmap(file.fileno(), 0, access=access), np.uint8)


class _ZipStorages:
    """The storages of an archive, each loaded when the pickle first mentions it."""

    def __init__(self, archive: ZipReader, map_location: Any, mapped: np.ndarray[Any, Any] | None) -> None:
        self._archive, self._mapped = archive, mapped
        self._rule, self._meta = placer(map_location), is_meta(map_location)
        self._foreign = _byte_order(archive) != sys.byteorder
        self._loaded: dict[str, LoadedStorage] = {}

    def persistent_load(self, pid: Any) -> LoadedStorage:
        """The storage of ``("storage", type, key, location, number of elements)``.

        Raises:
            UnpicklingError: something else.
            RuntimeError: no such record, or one of another size.
        """
        kind, key, location, count = storage_id(pid, 5)
        found = self._loaded.get(key)
        if found is None:
            found = self._loaded[key] = self._load(f"data/{key}", kind, count)
            found.place(self._rule, location)
        return found

    def _load(self, name: str, kind: StorageType, count: int) -> LoadedStorage:
        size, record = count * kind.dtype.itemsize, self._archive.find(name)
        if record.size != size:
            raise RuntimeError(
                f"record size ({record.size} bytes) does not match expected size ({size} bytes = {size} "
                "elements * 1 bytes/element) for dtype Byte"
            )
        if self._meta:
            return LoadedStorage(None, size, kind.dtype)
        shared = False
        if skips_data():
            array = np.zeros(size, np.uint8)
        elif self._mapped is not None and not record.deflated and size:
            start = self._archive.origin + record.start
            array = self._mapped[start : start + size]
            shared = get_default_mmap_options() == getattr(_mmap, "MAP_SHARED", -1)
            if shared and self._foreign:
                array, shared = array.copy(), False
        else:
            array = self._archive.array(name)
        made = LoadedStorage(array, size, kind.dtype, shared=shared, whole=self._mapped is None)
        # The type of a storage of bytes is known when a tensor is made on it.
        made.swapped = self._foreign
        return made

    def settle(self) -> None:
        for storage in self._loaded.values():
            storage.settle()


def _byte_order(archive: ZipReader) -> str:
    if "byteorder" in archive:
        found = archive.read("byteorder", 64)
        if found not in (b"little", b"big"):
            raise ValueError("Unknown endianness type: " + found.decode("ascii", "replace"))
        return found.decode()
    default = get_default_load_endianness()
    if default is LoadEndianness.NATIVE:
        return sys.byteorder
    return "big" if default is LoadEndianness.BIG else "little"


def get_unsafe_globals_in_checkpoint(f: Any) -> list[str]:
    """Names of classes and functions in a file that ``weights_only=True`` would refuse; nothing is loaded.

    Args:
        f: a name or a file, as for ``load``.

    Raises:
        ValueError: not a file that ``save`` wrote in its zip format.
    """
    with open(f, "rb") if is_path(f) else nullcontext(f) as file:
        if not is_zip(file):
            raise ValueError("Expected input to be a checkpoint returned by torch.save")
        archive = ZipReader(file)
        if "constants.pkl" in archive:
            raise ValueError(
                "Expected input to be a checkpoint returned by torch.save but got a torchscript checkpoint"
            )
        names = names_in(_pickle(archive))
    return list(names - set(ALLOWED) - set(trusted()))
