"""Devices of storages in files: tags written by ``save``, and where ``load`` puts what carries them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from jtorch.devices import CPU, META, canonical, device, jax_device, platform_available
from jtorch.tensor import Tensor
from jtorch.tensor._storages import TypedStorage, UntypedStorage

__all__ = [
    "MAP_LOCATION",
    "Placer",
    "default_restore_location",
    "is_meta",
    "location_tag",
    "placer",
    "register_package",
    "validate_cuda_device",
]

#: What ``load`` takes as ``map_location``, for annotations.
MAP_LOCATION = Callable[[UntypedStorage, str], UntypedStorage] | device | str | dict[str, str] | None

_ADVICE = (
    "If you are running on a CPU-only machine, please use torch.load with map_location=torch.device('cpu') "
    "to map your storages to the CPU."
)


def _validated(kind: str, location: str) -> device:
    """The device of a location such as ``cuda:1``.

    Raises:
        RuntimeError: this machine does not have it.
    """
    number = re.fullmatch(rf"{kind}:?([0-9]*)", location)
    if number is None or len(number[1]) > 4:
        raise RuntimeError(f"Invalid device string: '{location}'")
    if not platform_available(kind):
        raise RuntimeError(
            f"Attempting to deserialize object on a {kind.upper()} device but torch.{kind}.is_available() is "
            f"False. {_ADVICE}"
        )
    found = canonical(device(kind, int(number[1] or 0)))
    try:
        jax_device(found)
    except (AssertionError, RuntimeError) as error:
        raise RuntimeError(
            f"Attempting to deserialize object on {kind.upper()} device {found.index} but "
            f"torch.{kind}.device_count() is not larger. Please use torch.load with map_location to map your "
            "storages to an existing device."
        ) from error
    return found


def validate_cuda_device(location: str) -> int:
    """Index of a CUDA device that this machine has.

    Raises:
        RuntimeError: it has not.
    """
    return _validated("cuda", location).index or 0


class Builtin:
    """Tag and restoration of one device type.

    Attributes:
        kind: ``cpu``, ``cuda``, ...
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def tag(self, storage: Any) -> str | None:
        where = storage.device
        return str(where) if where.type == self.kind else None

    def target(self, location: str) -> device | None:
        """The device that a location means; ``None``: not of this type."""
        if self.kind in ("cpu", "meta"):
            return (CPU if self.kind == "cpu" else META) if location == self.kind else None
        if location == self.kind or re.match(rf"{self.kind}(:|[0-9]+)", location):
            return _validated(self.kind, location)
        return None

    def __call__(self, storage: Any, location: str) -> Any:
        where = self.target(location)
        return None if where is None else storage.untyped().to(where)


Tagger = Callable[[Any], Any]
Restorer = Callable[[Any, str], Any]
_registry: list[tuple[int, Tagger, Restorer]] = []


def register_package(priority: int, tagger: Tagger, deserializer: Restorer) -> None:
    """Add a way to tag storages with a location, and to restore them from it.

    Args:
        priority: lower ones are asked first; jtorch's own have 10 and more.
        tagger: called with a storage; returns its location, or ``None`` for others to decide.
        deserializer: called with a storage on the CPU and a location; returns the storage to use or ``None``.
    """
    _registry.append((priority, tagger, deserializer))
    _registry.sort(key=lambda entry: entry[0])


for _priority, _kind in ((10, "cpu"), (20, "cuda"), (21, "mps"), (22, "meta"), (23, "tpu"), (24, "xla")):
    _builtin = Builtin(_kind)
    register_package(_priority, _builtin.tag, _builtin)


def location_tag(storage: Any) -> str:
    """Where a storage is, as ``save`` writes it: ``cpu``, ``cuda:0``.

    Raises:
        RuntimeError: no package knows.
    """
    for _, tagger, _ in _registry:
        location = tagger(storage)
        if location:
            return str(location)
    raise RuntimeError(f"don't know how to determine data location of {_type_name(storage)}")


def default_restore_location(storage: Any, location: str) -> Any:
    """A storage on the device that a location means.

    Raises:
        RuntimeError: no package knows the location.
    """
    for _, _, restore in _registry:
        result = restore(storage, location)
        if result is not None:
            return result
    raise _unknown(storage, location)


def _unknown(storage: Any, location: str) -> RuntimeError:
    return RuntimeError(
        f"don't know how to restore data location of {_type_name(storage)} (tagged with {location})"
    )


def _type_name(obj: Any) -> str:
    kind = type(obj)
    return f"{kind.__module__}.{kind.__qualname__}"


#: What decides about one storage: the device to move it to (or ``None``), and the storage to use.
Placer = Callable[[UntypedStorage, str], tuple[device, UntypedStorage]]


def _place(storage: UntypedStorage, location: str) -> tuple[device, UntypedStorage]:
    for _, _, restore in _registry:
        if isinstance(restore, Builtin):
            where = restore.target(location)
            if where is not None:
                return where, storage
        else:
            result = restore(storage, location)
            if result is not None:
                made = _untyped(result)
                return made.device, made
    raise _unknown(storage, location)


def _untyped(result: Any) -> UntypedStorage:
    if isinstance(result, UntypedStorage):
        return result
    if isinstance(result, TypedStorage):
        return result.untyped()
    if isinstance(result, Tensor):
        return UntypedStorage._of(result._storage)
    raise TypeError(f"map_location must return a storage, not {type(result).__name__}")


def is_meta(map_location: Any) -> bool:
    """Whether everything goes to the meta device, so that no data need be read."""
    return str(map_location) == "meta" if isinstance(map_location, str | device) else False


def placer(map_location: Any) -> Placer:
    """The rule that ``load``'s argument ``map_location`` states.

    Args:
        map_location: ``None``, a string, a device, a dictionary from tags to tags, or a callable that gets a
            storage and its tag and returns a storage or ``None``.
    """
    if map_location is None:
        return _place
    if isinstance(map_location, dict):
        return lambda storage, location: _place(storage, str(map_location.get(location, location)))
    if isinstance(map_location, str | bytes | device):
        text = map_location.decode("ascii") if isinstance(map_location, bytes) else str(map_location)
        return lambda storage, location: _place(storage, text)

    def chosen(storage: UntypedStorage, location: str) -> tuple[device, UntypedStorage]:
        result = map_location(storage, location)
        if result is None:
            return _place(storage, location)
        made = _untyped(result)
        return made.device, made

    return chosen
