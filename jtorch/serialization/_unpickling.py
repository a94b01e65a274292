"""Unpickling with the restricted machine, or with the module that the user chose."""

from __future__ import annotations

from collections.abc import Callable
from pickle import UnpicklingError
from typing import Any, BinaryIO

from jtorch.serialization._current import current
from jtorch.serialization._machine import Machine
from jtorch.serialization._names import StorageType, find

__all__ = ["storage_id", "text", "unpickled"]


def unpickled(
    file: BinaryIO, persistent_load: Callable[[Any], Any], pickle_module: Any, arguments: dict[str, Any]
) -> Any:
    """One pickle's object: by the machine if ``pickle_module`` is ``None``, else by that module."""
    if pickle_module is None:
        unknown = [name for name in arguments if name != "encoding"]
        if unknown:
            raise TypeError(f"Unpickler.__init__() got an unexpected keyword argument '{unknown[0]}'")
        return Machine(file, persistent_load, encoding=arguments["encoding"], budget=current.budget).load()

    class Unpickler(pickle_module.Unpickler):  # type: ignore[misc]
        def find_class(self, module: str, name: str) -> Any:
            if module == "torch" or module.startswith("torch."):
                return find(module, name)
            return super().find_class(module, name)

    unpickler = Unpickler(file, **arguments)
    unpickler.persistent_load = persistent_load
    return unpickler.load()


def storage_id(pid: Any, length: int) -> tuple[StorageType, str, str, int]:
    """The parts of a persistent id after ``"storage"``, checked.

    Raises:
        UnpicklingError: it is of another form.
    """
    if type(pid) is not tuple or len(pid) != length or text(pid[0]) != "storage":
        raise UnpicklingError("Only persistent_load of storage is allowed")
    kind, key, location, count = pid[1], text(pid[2]), text(pid[3]), pid[4]
    if type(kind) is not StorageType or key is None or location is None:
        raise UnpicklingError("persistent_load id must name a storage, its key and its location")
    if type(count) is not int or not 0 <= count < 1 << 60:
        raise UnpicklingError("persistent_load id must hold a number of elements")
    return kind, key, location, count


def text(given: Any) -> str | None:
    """A string, which Python 2 wrote as bytes; ``None``: something else."""
    if type(given) is bytes:
        return given.decode() if given.isascii() else None
    return given if type(given) is str else None
