"""Pieces of the formats from before PyTorch 1.6: plain pickles, and storages written with their length."""

from __future__ import annotations

import os
import struct
import sys
from pickle import UnpicklingError
from typing import Any, BinaryIO

import numpy as np

from jtorch.dtypes import dtype
from jtorch.serialization._loaded import swap_bytes
from jtorch.serialization._memory import new_bytes
from jtorch.serialization._unpickling import unpickled

__all__ = ["plain", "read_storage"]


def plain(file: BinaryIO, pickle_module: Any, arguments: dict[str, Any]) -> Any:
    """The object of a pickle that refers to no storages."""
    return unpickled(file, _no_storages, pickle_module, arguments)


def _no_storages(pid: Any) -> Any:
    raise UnpicklingError("unsupported persistent id encountered")


def read_storage(
    file: BinaryIO, kind: dtype, memory: np.ndarray[Any, Any] | None, end: int | None = None
) -> np.ndarray[Any, Any]:
    """A storage's bytes, which follow the number of its elements.

    Args:
        file: at that number.
        kind: of the elements.
        memory: bytes to read into, whose number is checked; ``None``: new ones.
        end: where the part of the file ends that may be read; ``None``: at the file's end.

    Raises:
        RuntimeError: the file is too short, or the number is another.
    """
    head = file.read(8)
    if len(head) != 8:
        raise RuntimeError(
            f"unexpected EOF, expected {8 - len(head)} more bytes. The file might be corrupted."
        )
    size = struct.unpack("<q", head)[0] * kind.itemsize
    if memory is not None and size != memory.size:
        raise RuntimeError(f"storage has wrong byte size: expected {memory.size} got {size}")
    here = file.tell()
    last = file.seek(0, os.SEEK_END) if end is None else end
    file.seek(here)
    if not 0 <= size <= last - here:
        missing = size - (last - here)
        raise RuntimeError(f"unexpected EOF, expected {missing} more bytes. The file might be corrupted.")
    memory = new_bytes(size) if memory is None else memory
    view, at = memoryview(memory), 0  # type: ignore[arg-type]  # arrays are buffers
    while at < size:
        piece = file.read(min(size - at, 16 << 20))
        if not piece:
            raise RuntimeError(
                f"unexpected EOF, expected {size - at} more bytes. The file might be corrupted."
            )
        view[at : at + len(piece)] = piece
        at += len(piece)
    if sys.byteorder == "big":
        swap_bytes(memory, kind)
    return memory
