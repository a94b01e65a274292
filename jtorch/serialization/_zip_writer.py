"""Writes zip archives as PyTorch lays them out: records stored as they are, aligned, sizes after the data."""

from __future__ import annotations

import os
import zlib
from typing import Any, BinaryIO

__all__ = ["ZipWriter"]

_LIMIT = 0xFFFFFFFF
#: Names are UTF-8; checksum and sizes follow the data.
_UTF8, _DESCRIPTOR = 0x800, 0x008
_CHUNK = 16 << 20


def _int(value: int, size: int) -> bytes:
    return value.to_bytes(size, "little")


class ZipWriter:
    """One archive being written to a file, front to back.

    Args:
        file: where to; only ``write`` is used.
        name: of the folder that holds all records.
        checksums: whether to compute CRC-32s.
        alignment: of the data of each record, in bytes from the start of the archive.
    """

    def __init__(self, file: BinaryIO, name: str, *, checksums: bool = True, alignment: int = 64) -> None:
        self._file, self._name, self._checksums, self._alignment = file, name, checksums, alignment
        self._at = 0
        self._entries: list[tuple[bytes, int, int, int, int]] = []
        self._digest = 0

    def _write(self, data: Any) -> None:
        view = memoryview(data).cast("B")
        start = 0
        # Raw files may write less than they are given.
        while start < len(view):
            count = self._file.write(view[start:])
            start += len(view) if count is None else count
        self._at += len(view)

    def _skip(self, size: int) -> bool:
        """Go on ``size`` bytes further, if the file can."""
        if not (hasattr(self._file, "seekable") and self._file.seekable()):
            return False
        self._file.seek(size, os.SEEK_CUR)
        self._at += size
        return True

    def _header(self, name: bytes, flags: int, size: int) -> None:
        """The header in front of a record's data, padded so that the data is aligned."""
        wide = b""
        if size >= _LIMIT:
            wide += _int(size, 8) * 2
        if self._at >= _LIMIT:
            wide += _int(self._at, 8)
        extra = _int(1, 2) + _int(len(wide), 2) + wide if wide else b""
        fill = -(self._at + 30 + len(name) + len(extra) + 4) % self._alignment
        extra += b"FB" + _int(fill, 2) + b"Z" * fill
        sizes = _int(_LIMIT if size >= _LIMIT else 0, 4) * 2
        self._write(
            b"PK\x03\x04" + _int(0, 2) + _int(flags, 2) + bytes(10) + sizes
            + _int(len(name), 2) + _int(len(extra), 2) + name + extra
        )  # fmt: skip

    def add(self, name: str, data: Any) -> None:
        """Write a record.

        Args:
            name: below the archive's folder.
            data: bytes or a C-contiguous buffer of any type.
        """
        view = memoryview(data)
        view = view.cast("B") if view.nbytes else memoryview(b"")
        self._record(name, view.nbytes, view)

    def reserve(self, name: str, size: int) -> None:
        """Leave room for a record of ``size`` bytes, to be filled in later; zeros in a new file."""
        self._record(name, size, None)

    def _record(self, name: str, size: int, data: memoryview | None) -> None:
        full = f"{self._name}/{name}".encode()
        flags = _UTF8 | _DESCRIPTOR if size else _UTF8
        start = self._at
        self._header(full, flags, size)
        checksum = 0
        written = data is not None or not self._skip(size)
        for at in range(0, size if written else 0, _CHUNK):
            # Piece by piece, so that the checksum reads what is still in the processor's cache.
            count = min(_CHUNK, size - at)
            piece = bytes(count) if data is None else data[at : at + count]
            if self._checksums:
                checksum = zlib.crc32(piece, checksum)
            self._write(piece)
        if size:
            width = 8 if size >= _LIMIT or start >= _LIMIT else 4
            self._write(b"PK\x07\x08" + _int(checksum, 4) + _int(size, width) * 2)
        self._entries.append((full, flags, checksum, size, start))
        self._digest = zlib.crc32(full + _int(checksum, 4), self._digest)

    def serialization_id(self) -> str:
        """40 digits that identify what has been written so far."""
        names = zlib.crc32(b"\0".join(entry[0] for entry in self._entries))
        return f"{names << 32 | zlib.adler32(_int(self._digest, 4)):020d}{self._digest:020d}"

    def finish(self) -> None:
        """Write the table of contents."""
        start = self._at
        for name, flags, checksum, size, header in self._entries:
            wide = (_int(size, 8) * 2 if size >= _LIMIT else b"") + (
                _int(header, 8) if header >= _LIMIT else b""
            )
            extra = _int(1, 2) + _int(len(wide), 2) + wide if wide else b""
            self._write(
                b"PK\x01\x02" + bytes(4) + _int(flags, 2) + bytes(6) + _int(checksum, 4)
                + _int(min(size, _LIMIT), 4) * 2 + _int(len(name), 2) + _int(len(extra), 2) + bytes(10)
                + _int(min(header, _LIMIT), 4) + name + extra
            )  # fmt: skip
        size, end, count = self._at - start, self._at, len(self._entries)
        self._write(
            b"PK\x06\x06" + _int(44, 8) + _int(0x031E, 2) + _int(45, 2) + bytes(8)
            + _int(count, 8) * 2 + _int(size, 8) + _int(start, 8)
            + b"PK\x06\x07" + bytes(4) + _int(end, 8) + _int(1, 4)
            + b"PK\x05\x06" + bytes(4) + _int(min(count, 0xFFFF), 2) * 2
            + _int(min(size, _LIMIT), 4) + _int(min(start, _LIMIT), 4) + bytes(2)
        )  # fmt: skip
