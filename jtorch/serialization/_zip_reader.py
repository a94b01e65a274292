"""Reads the zip archives of checkpoints, and refuses those whose parts contradict each other.

PyTorch stores records as they are, each once, one after the other, below one folder. An archive that
someone packed anew with compression is read too, within a bound. Everything is checked against the file's
size before memory is set aside: a record is never larger than the bytes that are there for it.
"""

from __future__ import annotations

import os
import struct
import zlib
from itertools import pairwise
from typing import Any, BinaryIO, NamedTuple, NoReturn

import numpy as np

from jtorch.serialization._memory import new_bytes

__all__ = ["Record", "ZipReader", "is_zip"]

_HINT = (
    " This is an internal miniz error. If you are seeing this error, there is a high likelihood that your "
    "checkpoint file is corrupted. This can happen if the checkpoint was not saved properly, was transferred "
    "incorrectly, or the file was modified after saving."
)
_LIMIT = 0xFFFFFFFF
_STORED, _DEFLATED = 0, 8
#: Encrypted, patched or strongly encrypted entries, encrypted headers.
_REFUSED_FLAGS = 0x0001 | 0x0020 | 0x0040 | 0x2000
#: What compressed records may become: this much, and this many times the file.
_INFLATED_BYTES, _INFLATED_FACTOR = 64 << 20, 32


def is_zip(file: BinaryIO) -> bool:
    """Whether a zip archive starts at the file's position."""
    start = file.tell()
    found = file.read(4)
    file.seek(start)
    return found == b"PK\x03\x04"


class Record(NamedTuple):
    """Where a record's data lies in the archive."""

    name: str
    start: int
    stored: int
    size: int
    deflated: bool


def _corrupt(what: str, reason: str) -> NoReturn:
    raise RuntimeError(f"PytorchStreamReader failed {what}: {reason}.{_HINT}")


def _bad_archive(reason: str) -> NoReturn:
    _corrupt("reading zip archive", reason)


class ZipReader:
    """The records of an archive that starts at the file's current position and ends with the file.

    Args:
        file: seekable.

    Raises:
        RuntimeError: no archive, truncated, encrypted, with entries that overlap, repeat, or reach outside.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.origin = file.tell()
        self.length = file.seek(0, os.SEEK_END) - self.origin
        if self._bytes(0, min(4, self.length)) != b"PK\x03\x04" or self.length < 22:
            _bad_archive("not a ZIP archive")
        first, size, count = self._end()
        self.folder = ""
        self.records: dict[str, Record] = {}
        self._read_table(first, size, count)
        if not self.records:
            _bad_archive("archive does not contain any files")

    def _bytes(self, start: int, count: int) -> bytes:
        if start < 0 or count < 0 or start + count > self.length:
            _bad_archive("file read failed")
        self._file.seek(self.origin + start)
        found = self._file.read(count)
        if len(found) != count:
            _bad_archive("file read failed")
        return found

    def _end(self) -> tuple[int, int, int]:
        """Start, size and number of entries of the table of contents."""
        tail_size = min(self.length, 22 + 0xFFFF)
        tail = self._bytes(self.length - tail_size, tail_size)
        at = tail.rfind(b"PK\x05\x06")
        if at < 0 or at + 22 > len(tail):
            _bad_archive("failed finding central directory")
        disk, table_disk, here, count, size, first, comment = struct.unpack_from("<4H2IH", tail, at + 4)
        end = self.length - tail_size + at
        if at + 22 + comment != len(tail) or disk or table_disk or here != count:
            _bad_archive("invalid header or archive is corrupted")
        if end >= 76:
            locator = self._bytes(end - 20, 20)
            if locator[:4] == b"PK\x06\x07":
                wide = struct.unpack_from("<Q", locator, 8)[0]
                if wide + 56 > end - 20:
                    _bad_archive("invalid header or archive is corrupted")
                data = self._bytes(wide, 56)
                if data[:4] != b"PK\x06\x06":
                    _bad_archive("invalid header or archive is corrupted")
                here, count, size, first = struct.unpack_from("<4Q", data, 24)
                end = wide
        if here != count or first + size != end or count > size // 46:
            _bad_archive("invalid header or archive is corrupted")
        return first, size, count

    def _read_table(self, first: int, size: int, count: int) -> None:
        table = self._bytes(first, size)
        at = 0
        spans: list[tuple[int, int]] = []
        inflated = 0
        for _ in range(count):
            if table[at : at + 4] != b"PK\x01\x02" or at + 46 > size:
                _bad_archive("invalid header or archive is corrupted")
            flags, method = struct.unpack_from("<2H", table, at + 8)
            stored, full, name_size, extra_size, comment = struct.unpack_from("<2I3H", table, at + 20)
            header = struct.unpack_from("<I", table, at + 42)[0]
            name = table[at + 46 : at + 46 + name_size]
            extra = table[at + 46 + name_size : at + 46 + name_size + extra_size]
            at += 46 + name_size + extra_size + comment
            if at > size:
                _bad_archive("invalid header or archive is corrupted")
            stored, full, header = _widened(extra, stored, full, header)
            if flags & _REFUSED_FLAGS:
                _bad_archive("encrypted entries are not supported")
            if method not in (_STORED, _DEFLATED) or (method == _STORED and stored != full):
                _bad_archive("unsupported method")
            if method == _DEFLATED:
                inflated += full
                if inflated > _INFLATED_BYTES + _INFLATED_FACTOR * self.length:
                    _bad_archive("compressed entries would become too large")
            start = self._data_start(header, name, method, first)
            if start + stored > first:
                _bad_archive("invalid header or archive is corrupted")
            spans.append((header, start + stored))
            self._add(name, Record("", start, stored, full, method == _DEFLATED))
        if at != size:
            _bad_archive("invalid header or archive is corrupted")
        spans.sort()
        if any(before[1] > after[0] for before, after in pairwise(spans)):
            _bad_archive("entries overlap")

    def _data_start(self, header: int, name: bytes, method: int, limit: int) -> int:
        """Where a record's data begins, by the header in front of it, which must agree with the table."""
        if header + 30 + len(name) > limit:
            _bad_archive("invalid header or archive is corrupted")
        local = self._bytes(header, 30 + len(name))
        flags, own_method = struct.unpack_from("<2H", local, 6)
        name_size, extra_size = struct.unpack_from("<2H", local, 26)
        if local[:4] != b"PK\x03\x04" or name_size != len(name) or local[30:] != name:
            _bad_archive("invalid header or archive is corrupted")
        if own_method != method or flags & _REFUSED_FLAGS:
            _bad_archive("invalid header or archive is corrupted")
        start: int = header + 30 + name_size + extra_size
        return start

    def _add(self, raw: bytes, record: Record) -> None:
        try:
            name = raw.decode()
        except UnicodeDecodeError:
            _bad_archive("names must be UTF-8")
        if name.endswith("/") and not record.size:
            return  # a folder, as other zip programs write them
        folder, slash, rest = name.partition("/")
        if not slash or not folder:
            _corrupt("finding archive name", "file in archive is not in a subdirectory: " + name)
        if not self.folder:
            self.folder = folder
        if folder != self.folder or rest in self.records:
            _bad_archive(f"duplicate or misplaced entry {name!r}")
        self.records[rest] = record._replace(name=rest)

    def __contains__(self, name: str) -> bool:
        return name in self.records

    def find(self, name: str) -> Record:
        """Where a record is.

        Raises:
            RuntimeError: there is none of that name.
        """
        found = self.records.get(name)
        if found is None:
            _corrupt(f"locating file {name}", "file not found")
        return found

    def read(self, name: str, limit: int | None = None) -> bytes:
        """A record's contents.

        Raises:
            RuntimeError: there is none of that name, or it has more than ``limit`` bytes.
        """
        record = self.find(name)
        if limit is not None and record.size > limit:
            _corrupt(f"reading file {name}", f"{record.size} bytes where at most {limit} are expected")
        if record.deflated:
            return self._inflated(record).tobytes()
        return self._bytes(record.start, record.stored)

    def array(self, name: str) -> np.ndarray[Any, Any]:
        """A record's contents as bytes in new memory."""
        record = self.find(name)
        if record.deflated:
            return self._inflated(record)
        memory = new_bytes(record.size)
        self._file.seek(self.origin + record.start)
        read_into(self._file, memory, name)
        return memory

    def _inflated(self, record: Record) -> np.ndarray[Any, Any]:
        made = zlib.decompressobj(-15)
        try:
            data = made.decompress(self._bytes(record.start, record.stored), record.size + 1)
        except zlib.error as error:
            _corrupt(f"reading file {record.name}", str(error))
        if len(data) != record.size or not made.eof:
            _corrupt(f"reading file {record.name}", "unexpected size")
        return np.frombuffer(bytearray(data), np.uint8)


def read_into(file: BinaryIO, memory: np.ndarray[Any, Any], name: str) -> None:
    """Fill an array of bytes from a file.

    Raises:
        RuntimeError: the file ends before.
    """
    view = memoryview(memory)  # type: ignore[arg-type]  # arrays are buffers
    at, readinto = 0, getattr(file, "readinto", None)
    while at < len(view):
        if readinto is not None:
            count = readinto(view[at:])
        else:
            piece = file.read(min(len(view) - at, 16 << 20))
            count = len(piece)
            view[at : at + count] = piece
        if not count:
            _corrupt(f"reading file {name}", "file read failed")
        at += count


def _widened(extra: bytes, stored: int, full: int, header: int) -> tuple[int, int, int]:
    """Sizes and position with the 64-bit numbers that replace those which are at their limit."""
    if _LIMIT not in (stored, full, header):
        return stored, full, header
    at = 0
    while at + 4 <= len(extra):
        kind, size = struct.unpack_from("<2H", extra, at)
        if at + 4 + size > len(extra):
            break
        if kind == 1:
            numbers = list(struct.unpack_from(f"<{size // 8}Q", extra, at + 4))
            try:
                full = numbers.pop(0) if full == _LIMIT else full
                stored = numbers.pop(0) if stored == _LIMIT else stored
                header = numbers.pop(0) if header == _LIMIT else header
            except IndexError:
                break
            return stored, full, header
        at += 4 + size
    _bad_archive("invalid header or archive is corrupted")
