"""Unpacking of archives: nothing is written outside the folder they are unpacked to."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import pathlib
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from typing import IO, Any

__all__ = ["decompress", "detect_file_type", "extract_archive", "openers"]

_Path = str | pathlib.Path

#: How files that are compressed alone, or archives inside, are opened.
openers: dict[str, Callable[..., IO[Any]]] = {".bz2": bz2.open, ".gz": gzip.open, ".xz": lzma.open}
_ALIASES = {".tbz": (".tar", ".bz2"), ".tbz2": (".tar", ".bz2"), ".tgz": (".tar", ".gz")}


def detect_file_type(file: _Path) -> tuple[str, str | None, str | None]:
    """Suffix, kind of archive and compression, by the file's name.

    Raises:
        RuntimeError: the name does not tell.
    """
    suffixes = pathlib.Path(file).suffixes
    if not suffixes:
        raise RuntimeError(
            f"File '{file}' has no suffixes that could be used to detect the archive type and compression."
        )
    suffix = suffixes[-1]
    if suffix in _ALIASES:
        return (suffix, *_ALIASES[suffix])
    if suffix in _EXTRACTORS:
        return suffix, suffix, None
    if suffix in openers:
        inner = suffixes[-2] if len(suffixes) > 1 else ""
        return (inner + suffix, inner, suffix) if inner in _EXTRACTORS else (suffix, None, suffix)
    valid = sorted({*_ALIASES, *_EXTRACTORS, *openers})
    raise RuntimeError(f"Unknown compression or archive type: '{suffix}'.\nKnown suffixes are: '{valid}'.")


def _inside(root: str, name: str, what: str) -> str:
    """Absolute path of a member.

    Raises:
        RuntimeError: it lies outside of ``root``.
    """
    path = os.path.normpath(os.path.join(root, name))
    if os.path.isabs(name) or os.path.commonpath([root, path]) != root:
        raise RuntimeError(f"{what} '{name}' lies outside of the folder that the archive is extracted to")
    return path


def _make_parent(root: str, path: str, name: str) -> None:
    """Make the folder of a member, which links that were unpacked before may not lead elsewhere."""
    existing = path
    while not os.path.lexists(existing := os.path.dirname(existing)):
        pass
    if os.path.commonpath([root, os.path.realpath(existing, strict=True)]) != root:
        raise RuntimeError(f"member '{name}' lies behind a link out of the folder that it is extracted to")
    os.makedirs(os.path.dirname(path), exist_ok=True)


def _extract_tar(from_path: _Path, to_path: _Path, compression: str | None) -> None:
    root = os.path.realpath(to_path)
    os.makedirs(root, exist_ok=True)
    mode: Any = f"r:{(compression or '.')[1:]}"
    with tarfile.open(from_path, mode) as tar:
        for member in tar:
            path = _inside(root, member.name, "member")
            if path == root:
                continue
            _make_parent(root, path, member.name)
            if member.isdir():
                os.makedirs(path, exist_ok=True)
            elif member.isreg():
                _write(tar.extractfile(member), path)
            elif member.issym():
                # From where the link really lies, as links before it may have been followed.
                target = os.path.realpath(os.path.join(os.path.dirname(path), member.linkname))
                if os.path.isabs(member.linkname) or os.path.commonpath([root, target]) != root:
                    raise RuntimeError(f"link '{member.name}' leads out of the folder: '{member.linkname}'")
                _clear(path)
                os.symlink(member.linkname, path)
            elif member.islnk():
                target = _inside(root, member.linkname, "link to")
                _make_parent(root, target, member.linkname)
                if os.path.islink(target):
                    raise RuntimeError(f"'{member.name}' links to the link '{member.linkname}'")
                _clear(path)
                shutil.copyfile(target, path)
            else:
                raise RuntimeError(f"member '{member.name}' is neither a file, a folder nor a link")


def _extract_zip(from_path: _Path, to_path: _Path, compression: str | None) -> None:
    root = os.path.realpath(to_path)
    os.makedirs(root, exist_ok=True)
    with zipfile.ZipFile(from_path) as archive:
        for info in archive.infolist():
            path = _inside(root, info.filename, "member")
            if path == root:
                continue
            _make_parent(root, path, info.filename)
            if info.is_dir():
                os.makedirs(path, exist_ok=True)
            else:
                with archive.open(info) as source:
                    _write(source, path)


def _clear(path: str) -> None:
    if os.path.lexists(path):
        os.remove(path)


def _write(source: Any, path: str) -> None:
    if os.path.islink(path):
        os.remove(path)  # never through a link
    with open(path, "wb") as file:
        shutil.copyfileobj(source, file)


_EXTRACTORS: dict[str, Callable[[_Path, _Path, str | None], None]] = {
    ".tar": _extract_tar,
    ".zip": _extract_zip,
}


def decompress(from_path: _Path, to_path: _Path | None = None, remove_finished: bool = False) -> pathlib.Path:
    """Unpack one compressed file; by default beside it, without the suffix.

    Raises:
        RuntimeError: its name says nothing of a compression.
    """
    suffix, archive, compression = detect_file_type(from_path)
    if not compression:
        raise RuntimeError(f"Couldn't detect a compression from suffix {suffix}.")
    if to_path is None:
        to_path = os.fspath(from_path).removesuffix(suffix) + (archive or "")
    partial = f"{os.fspath(to_path)}.part"
    with openers[compression](from_path, "rb") as source, open(partial, "wb") as file:
        shutil.copyfileobj(source, file)
    os.replace(partial, to_path)
    if remove_finished:
        os.remove(from_path)
    return pathlib.Path(to_path)


def extract_archive(
    from_path: _Path, to_path: _Path | None = None, remove_finished: bool = False
) -> str | pathlib.Path:
    """Unpack an archive or a compressed file.

    Args:
        from_path: ``.tar``, ``.zip``, also compressed (``.gz``, ``.bz2``, ``.xz``), or a compressed file.
        to_path: folder to unpack to; ``None``: that of the archive.
        remove_finished: remove the archive afterwards.

    Returns:
        The folder, or the unpacked file; a string if ``from_path`` is one.

    Raises:
        RuntimeError: an unknown kind of file, or a member outside of the folder.
    """
    if to_path is None:
        to_path = os.path.dirname(from_path)
    suffix, archive, compression = detect_file_type(from_path)
    if archive is None:
        name = os.path.basename(from_path).removesuffix(suffix)
        made = decompress(from_path, os.path.join(to_path, name), remove_finished)
    else:
        _EXTRACTORS[archive](from_path, to_path, compression)
        if remove_finished:
            os.remove(from_path)
        made = pathlib.Path(to_path)
    return os.fspath(made) if isinstance(from_path, str) else made
