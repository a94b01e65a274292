"""``save``: PyTorch's two file formats."""

from __future__ import annotations

import os
import pickle
import struct
import sys
from contextlib import nullcontext
from typing import Any, BinaryIO

import numpy as np

from jtorch.serialization._atomic import replaced
from jtorch.serialization._options import get_crc32_options, skips_data
from jtorch.serialization._pickling import dumped
from jtorch.serialization._zip_writer import ZipWriter
from jtorch.tensor._storage import Storage
from jtorch.tensor._storages import UntypedStorage, _memory

__all__ = ["DEFAULT_PROTOCOL", "MAGIC_NUMBER", "PROTOCOL_VERSION", "is_path", "save"]

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
PROTOCOL_VERSION = 1001
DEFAULT_PROTOCOL = 2
_ALIGNMENT = 64


def is_path(given: object) -> bool:
    """Whether ``f`` names a file."""
    return isinstance(given, str | os.PathLike)


def save(
    obj: object,
    f: Any,
    pickle_module: Any = pickle,
    pickle_protocol: int = DEFAULT_PROTOCOL,
    _use_new_zipfile_serialization: bool = True,
    _disable_byteorder_record: bool = False,
) -> None:
    """Write an object to a file that ``load`` and PyTorch's ``torch.load`` read (``torch.save``).

    Tensors that share memory share it again when they are loaded. A file given by name is replaced as a
    whole: a crash leaves the old one or the new one. Symbolic links are followed and stay, permissions too.

    Args:
        obj: tensors, state dicts, optimizers' states, nested containers, modules; whatever pickles.
        f: a name, or an object with ``write``, which is written to directly.
        pickle_module: ``pickle`` or a module with its interface; only ``pickle`` writes PyTorch's names of
            jtorch's objects.
        pickle_protocol: of the pickle inside.
        _use_new_zipfile_serialization: ``False`` writes the format from before PyTorch 1.6.
        _disable_byteorder_record: leave out the record of the byte order.

    Raises:
        AttributeError: ``f`` is neither a name nor a file.
        RuntimeError: the folder does not exist; one memory is viewed as several types.
    """
    _check_dill(pickle_module)
    if not is_path(f) and not hasattr(f, "write"):
        raise AttributeError(
            "expected 'f' to be string, path, or a file-like object with a 'write' attribute"
        )
    if not _use_new_zipfile_serialization and skips_data():
        raise RuntimeError("Cannot use skip_data=True with _use_new_zipfile_serialization=False")
    data, storages = dumped(obj, pickle_module, pickle_protocol, legacy=not _use_new_zipfile_serialization)
    name = "archive"
    if is_path(f):
        name = os.path.splitext(os.path.basename(os.fspath(f)))[0] or name
    with replaced(f) if is_path(f) else nullcontext(f) as file:
        if _use_new_zipfile_serialization:
            _write_zip(file, name, data, storages.cells, not _disable_byteorder_record)
        else:
            _write_legacy(file, data, storages.cells, pickle_protocol)
        if hasattr(file, "flush"):
            file.flush()


def _check_dill(pickle_module: Any) -> None:
    """Old versions of dill cannot be extended.

    Raises:
        ValueError: it is one.
    """
    if getattr(pickle_module, "__name__", "") != "dill":
        return
    version = pickle_module.__version__
    numbers = [int(part) for part in version.split(".")[:3] if part.isdigit()]
    if numbers < [0, 3, 1]:
        raise ValueError(
            f"'torch' supports dill >= (0, 3, 1), but you have dill {version}. Please upgrade dill or switch "
            "to 'pickle'"
        )


def _content(cell: Storage) -> np.ndarray[Any, Any]:
    """A storage's bytes in order of memory; a copy only where they lie in another order."""
    if cell.strides is None:
        host = cell.host()
        if host.flags.c_contiguous:
            return host.reshape(-1).view(np.uint8)
    return _memory(cell).view(np.uint8)


def _write_zip(file: BinaryIO, name: str, data: bytes, cells: Any, byteorder: bool) -> None:
    writer = ZipWriter(file, name, checksums=get_crc32_options(), alignment=_ALIGNMENT)
    writer.add("data.pkl", data)
    writer.add(".format_version", b"1")
    writer.add(".storage_alignment", str(_ALIGNMENT).encode())
    if byteorder:
        writer.add("byteorder", sys.byteorder.encode())
    for key, (cell, _) in cells.items():
        if skips_data():
            writer.reserve(f"data/{key}", UntypedStorage._of(cell).nbytes())
        else:
            writer.add(f"data/{key}", _content(cell))
    writer.add("version", b"3\n")
    writer.add(".data/serialization_id", writer.serialization_id().encode())
    writer.finish()


def _write_legacy(file: BinaryIO, data: bytes, cells: Any, protocol: int) -> None:
    """Magic number, version, facts about the machine, the object, the storages' keys, the storages."""
    sizes = {"short": struct.calcsize("=h"), "int": struct.calcsize("=i"), "long": struct.calcsize("=l")}
    facts = {
        "protocol_version": PROTOCOL_VERSION, "little_endian": sys.byteorder == "little", "type_sizes": sizes,
    }  # fmt: skip
    for value in (MAGIC_NUMBER, PROTOCOL_VERSION, facts):
        file.write(pickle.dumps(value, protocol=protocol))
    file.write(data)
    keys = sorted(cells)
    file.write(pickle.dumps(keys, protocol=protocol))
    for key in keys:
        cell, kind = cells[key]
        content = _content(cell)
        file.write(struct.pack("<q", content.nbytes // kind.itemsize))
        file.write(content.data)
