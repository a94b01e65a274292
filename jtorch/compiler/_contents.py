"""Contents of objects without ``__dict__``, in forms that guards compare, and objects that hide theirs."""

from __future__ import annotations

import array
import collections
import contextvars
import io
import random
import threading
from typing import Any

import numpy as np

__all__ = ["Bytes", "Slots", "hidden", "is_own", "slots_of"]

#: Types of the standard library whose instances are what the user put into them.
_HOLDERS = frozenset({
    "SimpleNamespace", "Namespace", "UserDict", "UserList", "UserString", "ChainMap", "Queue", "LifoQueue",
    "PriorityQueue", "ConfigParser", "Template",
})  # fmt: skip
_HOLDER_MODULES = frozenset({"types", "argparse", "collections", "queue", "configparser", "string"})
#: Larger memory is not compared in each call.
_BYTES = 4096
#: Objects that change without a trace that a guard could look for, by what a reason calls them.
_HIDDEN: tuple[tuple[str, tuple[type, ...]], ...] = (
    ("a file", (io.IOBase,)),
    ("a random generator of Python or NumPy", (random.Random, np.random.Generator, np.random.RandomState)),
    ("a context variable", (contextvars.ContextVar,)),
    ("thread-local data", (threading.local,)),
)


def is_own(cls: type) -> bool:
    """Whether instances of this class of the standard library are looked through like a user's."""
    return cls.__name__ in _HOLDERS and cls.__module__ in _HOLDER_MODULES


def hidden(x: Any) -> str | None:
    """What an object is whose changes no guard can see; ``None`` for all others."""
    for name, types in _HIDDEN:
        if isinstance(x, types):
            return name
    if not isinstance(x, type) and hasattr(type(x), "__next__"):
        return "an iterator"
    return None


class Slots:
    """Attributes of an object with ``__slots__``, looked up like items of its ``__dict__``."""

    __slots__ = ("owner",)

    def __init__(self, owner: Any) -> None:
        self.owner = owner

    def get(self, name: str, default: Any) -> Any:
        return getattr(self.owner, name, default)


def slots_of(x: Any) -> list[str]:
    """Names of the attributes that an object keeps in slots."""
    found: list[str] = []
    for cls in type(x).__mro__:
        names = vars(cls).get("__slots__", ())
        found += [names] if isinstance(names, str) else names
    mangled = [n for n in found if n.startswith("__") and not n.endswith("__")]
    return [n for n in found if n not in mangled and n not in ("__dict__", "__weakref__")]


class Bytes:
    """The memory of an array, by value."""

    __slots__ = ("owner",)

    def __init__(self, owner: Any) -> None:
        self.owner = owner

    def get(self, name: str, default: Any) -> Any:
        del name, default
        return bytes(self.owner) if type(self.owner) is bytearray else self.owner.tobytes()

    @staticmethod
    def of(x: Any) -> Bytes | None:
        """For a small array of NumPy or of the standard library; ``None`` for other objects."""
        if isinstance(x, np.ndarray):
            return Bytes(x) if x.nbytes <= _BYTES and not x.dtype.hasobject else None
        if isinstance(x, array.array | bytearray) and memoryview(x).nbytes <= _BYTES:
            return Bytes(x)
        return None


#: Containers beside lists whose entries are compared by identity and in order.
SEQUENCES = (list, collections.deque, set)
