"""Settings of ``save`` and ``load`` that hold until they are changed."""

from __future__ import annotations

import mmap
import threading
from enum import Enum
from typing import Any

__all__ = [
    "LoadEndianness",
    "get_crc32_options",
    "get_default_load_endianness",
    "get_default_mmap_options",
    "set_crc32_options",
    "set_default_load_endianness",
    "set_default_mmap_options",
    "skip_data",
    "skips_data",
]


class LoadEndianness(Enum):
    """Byte order of a file that does not name its own."""

    NATIVE = 1
    LITTLE = 2
    BIG = 3


class _Options:
    endianness: LoadEndianness | None = None
    crc32 = True
    mmap_flags: int | None = getattr(mmap, "MAP_PRIVATE", None)


_options = _Options()
_local = threading.local()


def get_default_load_endianness() -> LoadEndianness | None:
    """The byte order assumed for files without a ``byteorder`` record; ``None`` means little-endian."""
    return _options.endianness


def set_default_load_endianness(endianness: LoadEndianness | None) -> None:
    """Assume another byte order for files without a ``byteorder`` record.

    Raises:
        TypeError: neither a :class:`LoadEndianness` nor ``None``.
    """
    if endianness is not None and not isinstance(endianness, LoadEndianness):
        raise TypeError("Invalid argument type in function set_default_load_endianness")
    _options.endianness = endianness


def get_crc32_options() -> bool:
    """Whether ``save`` computes checksums of the records."""
    return _options.crc32


def set_crc32_options(compute_crc32: bool) -> None:
    """Switch the checksums of records off or on; other zip programs complain about files without them."""
    _options.crc32 = bool(compute_crc32)


def get_default_mmap_options() -> int | None:
    """How ``load(mmap=True)`` maps files: ``mmap.MAP_PRIVATE`` or ``mmap.MAP_SHARED``."""
    return _options.mmap_flags


class set_default_mmap_options:
    """Choose how ``load(mmap=True)`` maps files, from now on or within a ``with`` block.

    Args:
        flags: ``mmap.MAP_PRIVATE`` (changes of tensors stay in memory) or ``mmap.MAP_SHARED`` (they reach the
            file).

    Raises:
        ValueError: other flags.
        RuntimeError: the system has no such flags (Windows).
    """

    def __init__(self, flags: int) -> None:
        if not hasattr(mmap, "MAP_PRIVATE"):
            raise RuntimeError("Changing the default mmap options is currently not supported for Windows")
        if flags not in (mmap.MAP_PRIVATE, mmap.MAP_SHARED):
            raise ValueError(
                "Invalid argument in function set_default_mmap_options, expected mmap.MAP_PRIVATE or "
                f"mmap.MAP_SHARED, but got {flags}"
            )
        self.prev = _options.mmap_flags
        _options.mmap_flags = flags

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: Any) -> None:
        _options.mmap_flags = self.prev


def skips_data() -> bool:
    """Whether this thread is inside :class:`skip_data`."""
    return getattr(_local, "skip", False)


class skip_data:
    """Within this block ``save`` leaves room for the numbers without writing them, ``load`` reads zeros.

    Args:
        materialize_fake_tensors: there are no fake tensors; accepted.
    """

    def __init__(self, materialize_fake_tensors: bool = False) -> None:
        self.materialize_fake_tensors = materialize_fake_tensors

    def __enter__(self) -> None:
        self._before = skips_data()
        _local.skip = True

    def __exit__(self, *_: Any) -> None:
        _local.skip = self._before
