"""Devices: PyTorch's ``device`` objects and the JAX devices behind them."""

from __future__ import annotations

import functools
import re
from typing import Any

import jax

from jtorch.errors import with_hint

__all__ = ["as_device", "device", "device_of", "forbid_backends", "jax_device", "platform_available"]

#: JAX's platform names behind PyTorch's device types.
PLATFORMS = {"cpu": "cpu", "cuda": "gpu", "tpu": "tpu", "xla": "tpu", "mps": "mps"}
_KNOWN = (
    "cpu, cuda, ipu, xpu, mkldnn, opengl, opencl, ideep, hip, ve, fpga, maia, xla, lazy, vulkan, mps, meta, "
    "hpu, mtia, privateuseone"
)


class device:
    """Where a tensor lives (``torch.device``): a type and, for accelerators, an index.

    Args:
        type: ``"cuda"``, ``"cuda:1"``, an accelerator's index, or a device.
        index: ordinal, when ``type`` names none.

    Raises:
        RuntimeError: unknown types and malformed strings, with PyTorch's text.
    """

    __slots__ = ("__weakref__", "_hash", "_restore", "index", "type")
    type: str
    index: int | None

    def __init__(self, type: Any, index: int | None = None) -> None:
        if isinstance(type, device):
            kind, number = type.type, type.index
        elif isinstance(type, int) and not isinstance(type, bool):
            kind, number = _accelerator_type(type), type
        elif isinstance(type, str):
            kind, number = _parse(type)
        else:
            raise TypeError(
                f"device(): argument 'type' (position 1) must be str, not {type.__class__.__name__}"
            )
        if index is not None:
            if number is not None:
                raise RuntimeError(
                    f"type (string) must not include an index because index was passed explicitly: {type}"
                )
            number = int(index)
        self.type, self.index = kind, number
        self._hash = hash((kind, number))

    def __repr__(self) -> str:
        return (
            f"device(type='{self.type}')"
            if self.index is None
            else f"device(type='{self.type}', index={self.index})"
        )

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, device):
            return NotImplemented
        return self.type == other.type and self.index == other.index

    def __hash__(self) -> int:
        return self._hash

    def __reduce__(self) -> tuple[Any, ...]:
        return device, (str(self),)

    def __deepcopy__(self, memo: Any) -> device:
        return self

    def __enter__(self) -> device:
        """As a context manager: factory functions place their tensors here."""
        global _default_device
        _restore_stack.append(_default_device)
        _default_device = canonical(self)
        return self

    def __exit__(self, *_: object) -> None:
        global _default_device
        _default_device = _restore_stack.pop()


def _accelerator_type(index: int) -> str:
    if index < 0:
        raise RuntimeError("Device index must not be negative")
    kind = accelerator_type()
    if kind is None:
        raise RuntimeError("Cannot access accelerator device when none is available.")
    return kind


def accelerator_type() -> str | None:
    """The type of the accelerator that JAX has here, if it has one (starts JAX's backends)."""
    return next((kind for kind in ("cuda", "tpu", "mps") if platform_available(kind)), None)


def _parse(text: str) -> tuple[str, int | None]:
    match = re.fullmatch(r"([a-zA-Z_]+)(?::([0-9]+))?", text)
    if not match or (match[2] and len(match[2]) > 1 and match[2][0] == "0"):
        raise RuntimeError(f"Invalid device string: '{text}'")
    kind = match[1]
    if kind not in PLATFORMS and kind not in _KNOWN.split(", "):
        raise RuntimeError(f"Expected one of {_KNOWN} device type at start of device string: {kind}")
    return kind, int(match[2]) if match[2] else None


CPU = device("cpu")
META = device("meta")
_default_device = CPU
_restore_stack: list[device] = []


def default_device() -> device:
    """Where factory functions place tensors (``torch.get_default_device``)."""
    return _default_device


def set_default_device(target: Any) -> None:
    """Place what factory functions make on ``target`` from now on; ``None`` means the CPU again."""
    global _default_device
    _default_device = CPU if target is None else canonical(device(target))


@functools.cache
def platform_available(kind: str) -> bool:
    """Whether JAX has a backend for this device type (starts JAX's backends)."""
    platform = PLATFORMS.get(kind)
    if platform is None or _backends_forbidden:
        return False
    try:
        return bool(jax.devices(platform))
    except RuntimeError:
        return False


#: Index of the current device of each type of accelerator (``torch.cuda.set_device``), where it is not 0.
current_index: dict[str, int] = {}


def canonical(target: device) -> device:
    """The device with the index that tensors report: none for the CPU, the current one for ``cuda``."""
    kind, index = target.type, target.index
    if kind in ("cpu", "meta"):
        # PyTorch keeps cpu:0 apart in name only; one object here makes identity comparisons valid.
        return CPU if kind == "cpu" else META
    return _indexed(kind, current_index.get(kind, 0) if index is None else index)


@functools.cache
def _indexed(kind: str, index: int) -> device:
    return device(kind, index)


def as_device(target: Any) -> device:
    """Any device-like (``None``: the default) as the canonical device object."""
    if target is None:
        return _default_device
    return canonical(target if isinstance(target, device) else device(target))


_backends_forbidden = False


def forbid_backends() -> None:
    """In this process :func:`jax_device` raises from now on: a DataLoader's worker leaves XLA alone."""
    global _backends_forbidden
    _backends_forbidden = True
    jax_device.cache_clear()


@functools.cache
def jax_device(target: device) -> Any:
    """The ``jax.Device`` behind a device.

    Raises:
        AssertionError: there is no GPU, as in PyTorch built without CUDA.
        RuntimeError: another backend is missing, or has fewer devices, or this is a DataLoader's worker.
    """
    if _backends_forbidden:
        if target.type == "cuda":
            raise RuntimeError(
                "Cannot re-initialize CUDA in forked subprocess. To use CUDA with multiprocessing, you must "
                "use the 'spawn' start method"
            )
        raise RuntimeError(
            "a DataLoader worker computes with NumPy and cannot use JAX's devices; do this in the main "
            "process, or use num_workers=0"
        )
    platform = PLATFORMS.get(target.type)
    if platform is None:
        if target.type == "xpu":
            raise AssertionError("Torch not compiled with XPU enabled")
        raise RuntimeError(f"PyTorch is not linked with support for {target.type} devices")
    try:
        found = jax.local_devices(backend=platform)
    except RuntimeError as error:
        if target.type == "cuda":
            raise with_hint(
                AssertionError("Torch not compiled with CUDA enabled"), "JAX has no GPU backend here"
            ) from error
        raise RuntimeError(
            f"PyTorch device type {target.type} needs a JAX backend '{platform}', which is not available"
        ) from error
    index = target.index or 0
    if index >= len(found):
        raise RuntimeError(f"{target.type.upper()} error: invalid device ordinal")
    return found[index]


def device_of(array: jax.Array) -> device:
    """Where an array of JAX is; of several devices the first."""
    places: Any = array.sharding.addressable_devices
    place = min(places, key=lambda place: place.id)
    if place.platform == "cpu":
        return CPU
    kind = "cuda" if place.platform in ("gpu", "cuda", "rocm") else place.platform
    index = jax.local_devices(backend=place.platform).index(place)
    return canonical(device(kind, index))
