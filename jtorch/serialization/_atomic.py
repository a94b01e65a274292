"""Files that are replaced as a whole: whoever looks sees the old contents or the new ones."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

__all__ = ["replaced", "replacement"]


def _target(path: str) -> str:
    """The file that a write to ``path`` would change: symbolic links are followed, and stay."""
    return os.path.realpath(path) if os.path.islink(path) else path


def _create(target: str) -> tuple[int, str]:
    """An empty file beside the target, which nobody else has open."""
    folder, name = os.path.split(target)
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    while True:
        # The name is cut so that even the longest one leaves room for the suffix.
        path = os.path.join(folder, f".{name[:120]}.{secrets.token_hex(6)}.tmp")
        try:
            return os.open(path, flags, 0o666), path
        except FileExistsError:
            continue


def _like(existing: os.stat_result, made: str) -> None:
    """Give a new file the permissions and, where allowed, the owner of the one it replaces."""
    own = os.stat(made)
    if (own.st_uid, own.st_gid) != (existing.st_uid, existing.st_gid):
        with contextlib.suppress(OSError, AttributeError):
            os.chown(made, existing.st_uid, existing.st_gid)
    with contextlib.suppress(OSError):
        os.chmod(made, stat.S_IMODE(existing.st_mode))


def _sync_folder(path: str) -> None:
    """Make a rename last through a power failure, where the system can."""
    with contextlib.suppress(OSError):
        number = os.open(os.path.dirname(path) or ".", os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


@contextlib.contextmanager
def replacement(path: str | os.PathLike[str]) -> Iterator[str]:
    """Name of a temporary file that takes the place of ``path`` when the block ends without an error.

    The temporary file is in the same folder, so that one rename is all it takes; it is flushed to the disk
    before. An error removes it and leaves ``path`` as it was; a process that is killed leaves at most a
    hidden ``.tmp`` file behind.

    Raises:
        RuntimeError: the folder does not exist.
    """
    target = _target(os.fspath(path))
    parent = os.path.dirname(target)
    if parent and not os.path.isdir(parent):
        raise RuntimeError(f"Parent directory {parent} does not exist.")
    existing = os.stat(target) if os.path.exists(target) else None
    number, temporary = _create(target)
    try:
        os.close(number)
        yield temporary
        if existing is not None:
            _like(existing, temporary)
        number = os.open(temporary, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)
        os.replace(temporary, target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    _sync_folder(target)


@contextlib.contextmanager
def replaced(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A file to write to that takes the place of ``path`` when the block ends without an error.

    What is no regular file (a pipe, a device) is written to directly.

    Raises:
        RuntimeError: the folder does not exist, or ``path`` is one.
    """
    name = os.fspath(path)
    if os.path.isdir(name):
        raise RuntimeError(f"open file failed with strerror: Is a directory: {name}")
    if os.path.exists(name) and not os.path.isfile(name):
        with open(name, "wb") as file:
            yield file
        return
    with replacement(name) as temporary, open(temporary, "r+b") as file:
        yield file
        file.flush()
