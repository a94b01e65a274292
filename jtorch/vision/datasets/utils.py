"""Downloads, checksums and archives (``torchvision.datasets.utils``)."""

from __future__ import annotations

import hashlib
import http.client
import os
import pathlib
import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterable
from typing import Any, TypeVar
from urllib.parse import urlparse

from jtorch.errors import with_hint
from jtorch.vision.datasets._extraction import extract_archive

__all__ = [
    "calculate_md5",
    "check_integrity",
    "check_md5",
    "download_and_extract_archive",
    "download_file_from_google_drive",
    "download_url",
    "extract_archive",
    "iterable_to_str",
    "list_dir",
    "list_files",
    "verify_str_arg",
]

_Path = str | pathlib.Path
T = TypeVar("T", str, bytes)

USER_AGENT = "pytorch/vision"
#: Seconds without data after which a connection counts as broken.
TIMEOUT = 60.0
#: Seconds before each further attempt.
PAUSES = (1.0, 3.0, 10.0)

#: Digits of a checksum -> its kind.
_HASHES = {32: "md5", 40: "sha1", 64: "sha256", 128: "sha512"}


def _checksum(path: _Path, kind: str, chunk_size: int = 1024 * 1024) -> str:
    digest = hashlib.new(kind, usedforsecurity=False)
    with open(path, "rb") as file:
        while chunk := file.read(chunk_size):
            digest.update(chunk)
    return digest.hexdigest()


def calculate_md5(fpath: _Path, chunk_size: int = 1024 * 1024) -> str:
    """MD5 checksum of a file."""
    return _checksum(fpath, "md5", chunk_size)


def check_md5(fpath: _Path, md5: str, **kwargs: Any) -> bool:
    """Whether a file has that checksum: MD5, or by its length SHA-1, SHA-256 or SHA-512."""
    kind = _HASHES.get(len(md5))
    return kind is not None and md5.lower() == _checksum(fpath, kind, **kwargs)


def check_integrity(fpath: _Path, md5: str | None = None) -> bool:
    """Whether a file is there, with that checksum if one is given."""
    return os.path.isfile(fpath) and (md5 is None or check_md5(fpath, md5))


def _progress(total: int | None, initial: int) -> Any:
    try:
        from tqdm import tqdm  # noqa: PLC0415 (optional package)
    except ModuleNotFoundError:
        return None
    return tqdm(total=total, initial=initial, unit="B", unit_scale=True)


def _fetch(url: str, partial: str) -> None:
    """One attempt at a download, which goes on where ``partial`` ends."""
    have = os.path.getsize(partial) if os.path.exists(partial) else 0
    headers = {"User-Agent": USER_AGENT} | ({"Range": f"bytes={have}-"} if have else {})
    request = urllib.request.Request(url, headers=headers)
    with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
        if have and response.status != http.client.PARTIAL_CONTENT:
            have = 0  # the server starts anew
        total = None if response.length is None else have + response.length
        bar = _progress(total, have)
        received = have
        try:
            with open(partial, "ab" if have else "wb") as file:
                while chunk := response.read(1 << 16):
                    file.write(chunk)
                    received += len(chunk)
                    if bar is not None:
                        bar.update(len(chunk))
        finally:
            if bar is not None:
                bar.close()
    if total is not None and received < total:
        raise urllib.error.ContentTooShortError(f"got {received} of {total} bytes", (partial, None))  # type: ignore[arg-type]


def _is_final(error: Exception) -> bool:
    """Whether the server's answer will be the same the next time."""
    return isinstance(error, urllib.error.HTTPError) and error.code < 500 and error.code not in (408, 429)


def _download(url: str, path: str) -> None:
    """Download with retries; ``path`` appears when it is complete.

    Raises:
        urllib.error.URLError, OSError: the last failure.
    """
    partial = path + ".part"
    for pause in (*PAUSES, None):
        try:
            _fetch(url, partial)
        except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
            if isinstance(error, urllib.error.HTTPError) and error.code == 416 and os.path.exists(partial):
                os.remove(partial)  # longer than the file
            elif _is_final(error) or pause is None:
                raise with_hint(
                    error,
                    f"{url} could not be downloaded. Without a connection, put the file at {path} yourself; "
                    "what has been received is kept, and the next download goes on from there",
                ) from None
            time.sleep(pause or 0)
        else:
            os.replace(partial, path)
            return


def _get_google_drive_file_id(url: str) -> str | None:
    parts = urlparse(url)
    if re.match(r"(drive|docs)[.]google[.]com", parts.netloc) is None:
        return None
    match = re.match(r"/file/d/(?P<id>[^/]*)", parts.path)
    return None if match is None else match.group("id")


def download_url(
    url: str,
    root: _Path,
    filename: _Path | None = None,
    md5: str | None = None,
    max_redirect_hops: int = 3,
) -> None:
    """Download a file, unless it is there.

    A broken download is tried again and goes on where it ended, also at the next call.

    Args:
        url: ``http``, ``https``, ``file`` or ``ftp``.
        root: folder to put it in, made if needed.
        filename: its name there; ``None``: the end of the URL.
        md5: checksum: MD5, or by its length SHA-1, SHA-256 or SHA-512.
        max_redirect_hops: kept for torchvision's signature; urllib follows up to 10 redirections.

    Raises:
        urllib.error.URLError: no connection, or an error of the server.
        RuntimeError: what was received has another checksum; it is removed.
    """
    root = os.path.expanduser(root)
    path = os.fspath(os.path.join(root, filename or os.path.basename(url)))
    if check_integrity(path, md5):
        return
    os.makedirs(root, exist_ok=True)
    file_id = _get_google_drive_file_id(url)
    if file_id is not None:
        return download_file_from_google_drive(file_id, root, filename, md5)
    resumed = os.path.exists(path + ".part")
    _download(url, path)
    if resumed and not check_integrity(path, md5):
        _download(url, path)  # the part that was there belonged to another file
    if not check_integrity(path, md5):
        if os.path.exists(path):
            os.remove(path)
        raise with_hint(
            RuntimeError("File not found or corrupted."), f"{url} does not have the checksum {md5}"
        )
    return None


def download_file_from_google_drive(
    file_id: str, root: _Path, filename: _Path | None = None, md5: str | None = None
) -> None:
    """Download a file from Google Drive, for which the package gdown is needed.

    Raises:
        RuntimeError: gdown is missing, or the file has another checksum.
    """
    try:
        import gdown  # noqa: PLC0415 (optional package)
    except ModuleNotFoundError:
        raise RuntimeError(
            "To download files from GDrive, 'gdown' is required. You can install it with 'pip install gdown'."
        ) from None
    root = os.path.expanduser(root)
    path = os.fspath(os.path.join(root, filename or file_id))
    os.makedirs(root, exist_ok=True)
    if check_integrity(path, md5):
        return
    gdown.download(id=file_id, output=path, quiet=False, user_agent=USER_AGENT)
    if not check_integrity(path, md5):
        raise RuntimeError("File not found or corrupted.")


def download_and_extract_archive(
    url: str,
    download_root: _Path,
    extract_root: _Path | None = None,
    filename: _Path | None = None,
    md5: str | None = None,
    remove_finished: bool = False,
) -> None:
    """:func:`download_url`, then :func:`extract_archive`, by default to the same folder."""
    download_root = os.path.expanduser(download_root)
    filename = filename or os.path.basename(url)
    download_url(url, download_root, filename, md5)
    archive = os.path.join(download_root, filename)
    extract_archive(archive, extract_root or download_root, remove_finished)


def list_dir(root: _Path, prefix: bool = False) -> list[str]:
    """Names of the folders in a folder, or their paths with ``prefix``."""
    root = os.path.expanduser(root)
    found = [p for p in os.listdir(root) if os.path.isdir(os.path.join(root, p))]
    return [os.path.join(root, p) for p in found] if prefix else found


def list_files(root: _Path, suffix: str, prefix: bool = False) -> list[str]:
    """Names of the files in a folder that end in ``suffix``, or their paths with ``prefix``."""
    root = os.path.expanduser(root)
    found = [p for p in os.listdir(root) if os.path.isfile(os.path.join(root, p)) and p.endswith(suffix)]
    return [os.path.join(root, p) for p in found] if prefix else found


def iterable_to_str(iterable: Iterable[Any]) -> str:
    """Items in quotes, between commas."""
    return "'" + "', '".join(str(item) for item in iterable) + "'"


def verify_str_arg(
    value: T, arg: str | None = None, valid_values: Iterable[T] | None = None, custom_msg: str | None = None
) -> T:
    """The value if it is one of the valid ones.

    Raises:
        ValueError: it is not, or is no string.
    """
    if not isinstance(value, str):
        of = "" if arg is None else f" for argument {arg}"
        raise ValueError(f"Expected type str{of}, but got type {type(value)}.")
    if valid_values is None or value in valid_values:
        return value
    raise ValueError(
        custom_msg
        or f"Unknown value '{value}' for argument {arg}. Valid values are "
        f"{{{iterable_to_str(valid_values)}}}."
    )
