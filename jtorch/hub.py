"""Checkpoints from the network, kept in PyTorch's cache folder (``torch.hub``).

What is downloaded is loaded with the restricted machine of :mod:`jtorch.serialization`: it cannot run code.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import sys
import time
import warnings
import zipfile
from collections.abc import Iterator
from http.client import HTTPException
from typing import Any, BinaryIO
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlparse
from urllib.request import Request, urlopen

from jtorch.errors import with_hint
from jtorch.serialization import load as _load
from jtorch.serialization._atomic import replaced

__all__ = ["download_url_to_file", "get_dir", "load_state_dict_from_url", "set_dir"]

#: ``bfd8deac`` in ``resnet18-bfd8deac.pth``.
HASH_REGEX = re.compile(r"-([a-f0-9]*)\.")
_CHUNK = 1 << 20
_ATTEMPTS = 3
_TIMEOUT = 60.0
_hub_dir: str | None = None


def get_dir() -> str:
    """The folder for downloads: what :func:`set_dir` said, else ``$TORCH_HOME/hub``.

    ``TORCH_HOME`` is ``$XDG_CACHE_HOME/torch`` by default, and ``XDG_CACHE_HOME`` ``~/.cache``.
    """
    if os.getenv("TORCH_HUB"):
        warnings.warn("TORCH_HUB is deprecated, please use env TORCH_HOME instead", stacklevel=2)
    if _hub_dir is not None:
        return _hub_dir
    cache = os.path.join(os.getenv("XDG_CACHE_HOME", "~/.cache"), "torch")
    return os.path.join(os.path.expanduser(os.getenv("TORCH_HOME", cache)), "hub")


def set_dir(d: str | os.PathLike[str]) -> None:
    """Keep downloads in another folder.

    Args:
        d: the folder; it need not exist.
    """
    global _hub_dir
    _hub_dir = os.path.expanduser(os.fspath(d))


class _Bar:
    """Progress in percent, where tqdm is not installed."""

    def __init__(self, total: int | None, disable: bool) -> None:
        self._total, self._disable, self._count = total, disable, 0

    def update(self, count: int) -> None:
        self._count += count
        if not self._disable:
            shown = f"{100 * self._count / self._total:.1f}%" if self._total else f"{self._count} bytes"
            sys.stderr.write(f"\r{shown}")


@contextlib.contextmanager
def _bar(total: int | None, progress: bool) -> Iterator[Any]:
    try:
        from tqdm import tqdm  # noqa: PLC0415
    except ImportError:
        yield _Bar(total, not progress)
        if progress:
            sys.stderr.write("\n")
        return
    with tqdm(total=total, disable=not progress, unit="B", unit_scale=True, unit_divisor=1024) as bar:
        yield bar


def _fetch(url: str, file: BinaryIO, progress: bool) -> str:
    """Download to a file; returns the SHA-256 of what came.

    Raises:
        URLError: there was no answer, an error, or less than the server had announced.
    """
    request = Request(url, headers={"User-Agent": "torch.hub"})
    digest, count = hashlib.sha256(), 0
    with urlopen(request, timeout=_TIMEOUT) as source:
        announced = source.headers.get("Content-Length")
        total = int(announced) if announced and announced.isdigit() else None
        with _bar(total, progress) as bar:
            while data := source.read(_CHUNK):
                file.write(data)
                digest.update(data)
                count += len(data)
                bar.update(len(data))
    if total is not None and count != total:
        raise URLError(f"connection closed after {count} of {total} bytes")
    return digest.hexdigest()


def _permanent(error: Exception) -> bool:
    """Whether asking again is useless."""
    return isinstance(error, HTTPError) and error.code < 500 and error.code not in (408, 429)


def download_url_to_file(url: str, dst: str, hash_prefix: str | None = None, progress: bool = True) -> None:
    """Download a file (``torch.hub.download_url_to_file``); a download that fails leaves nothing behind.

    Args:
        url: where from.
        dst: full name of the file.
        hash_prefix: what its SHA-256 must begin with.
        progress: show a bar on stderr.

    Raises:
        RuntimeError: the contents have another hash.
        URLError: the server cannot be reached, after three attempts.
    """
    dst = os.path.expanduser(dst)
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            with replaced(dst) as file:
                found = _fetch(url, file, progress)
                if hash_prefix is not None and not found.startswith(hash_prefix):
                    raise RuntimeError(f'invalid hash value (expected "{hash_prefix}", got "{found}")')
            return
        except (OSError, HTTPException) as error:
            if attempt == _ATTEMPTS or _permanent(error):
                hint = f"could not download {url}; without a network, put the file at {dst} and call again"
                raise with_hint(error, hint) from None
        time.sleep(0.5 * 2**attempt)


def load_state_dict_from_url(
    url: str,
    model_dir: str | None = None,
    map_location: Any = None,
    progress: bool = True,
    check_hash: bool = False,
    file_name: str | None = None,
    weights_only: bool = True,
) -> Any:
    """Load a checkpoint from a URL, or from the cache (``torch.hub.load_state_dict_from_url``).

    Args:
        url: of the file.
        model_dir: where it is kept; ``checkpoints`` below :func:`get_dir` by default.
        map_location: as for ``load``.
        progress: show a bar while downloading.
        check_hash: the name ends in ``-<hash>.ext``, the first eight or more digits of the contents' SHA-256,
            which are compared.
        file_name: name in the cache; the URL's by default.
        weights_only: ``False`` lets the file run code.

    Raises:
        RuntimeError: the contents have another hash.
        URLError: the server cannot be reached and the file is not in the cache.
    """
    # Differs from PyTorch: weights_only is True by default here as well.
    if os.getenv("TORCH_MODEL_ZOO"):
        warnings.warn("TORCH_MODEL_ZOO is deprecated, please use env TORCH_HOME instead", stacklevel=2)
    folder = os.path.join(get_dir(), "checkpoints") if model_dir is None else model_dir
    os.makedirs(folder, exist_ok=True)
    name = _file_name(url) if file_name is None else file_name
    cached = os.path.join(folder, name)
    if not os.path.exists(cached):
        sys.stdout.write(f'Downloading: "{url}" to {cached}\n')
        match = HASH_REGEX.search(name) if check_hash else None
        download_url_to_file(url, cached, match[1] if match else None, progress=progress)
    return _load_cached(cached, map_location, weights_only)


def _file_name(url: str) -> str:
    """The last part of a URL's path.

    Raises:
        ValueError: it is no name of a file.
    """
    name = os.path.basename(urlparse(url).path)
    if not name or unquote(name) in (".", "..") or set(unquote(name)) & set("/\\\0"):
        raise ValueError(f"the URL {url} does not end in the name of a file; give file_name")
    return name


def _load_cached(path: str, map_location: Any, weights_only: bool) -> Any:
    packed = _single_member(path)
    if packed is None:
        return _load(path, map_location, weights_only=weights_only)
    warnings.warn(
        "Falling back to the old format < 1.6. This support will be deprecated in favor of default zipfile "
        "format introduced in 1.6. Please redo torch.save() to save it in the new zipfile format.",
        FutureWarning,
        stacklevel=3,
    )
    return _load(io.BytesIO(packed), map_location, weights_only=weights_only)


def _single_member(path: str) -> bytes | None:
    """The contents of a zip archive of one file, which users packed by hand; ``None``: something else.

    Raises:
        RuntimeError: it would become far larger than the archive.
    """
    if not zipfile.is_zipfile(path):
        return None
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if len(members) != 1 or members[0].is_dir():
            return None
        limit = 32 * os.path.getsize(path) + (64 << 20)
        with archive.open(members[0]) as file:
            data = file.read(limit + 1)
    if len(data) > limit:
        raise RuntimeError(f"the archive {path} would become larger than {limit} bytes")
    return data
