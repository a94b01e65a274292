"""``torch.Stream``, ``torch.Event`` and ``torch.get_device_module``, of whatever device there is."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Any

from jtorch import _accelerators
from jtorch._accelerators import Kind
from jtorch.devices import as_device, platform_available
from jtorch.devices import device as Device

__all__ = ["Event", "Stream", "get_device_module"]


def _accelerator() -> str:
    """The type of this process's accelerator; ``"cpu"`` where there is none."""
    return next((kind for kind in ("cuda", "mps") if platform_available(kind)), "cpu")


def get_device_module(device: Any = None) -> ModuleType:
    """The module of a type of devices, such as ``torch.cuda``.

    Args:
        device: a device or a name; the accelerator if ``None``, or the CPU where there is none.

    Raises:
        RuntimeError: there is no such module, or ``device`` is none of these.
    """
    if device is not None and not isinstance(device, str | Device):
        raise RuntimeError(f"Invalid value of device '{device}', expect torch.device, str, or None")
    kind = _accelerator() if device is None else as_device(device).type
    if kind not in ("cpu", "cuda", "mps", "xpu"):
        raise RuntimeError(
            f"Device '{kind}' does not have a corresponding module registered as 'torch.{kind}'."
        )
    return import_module(f"jtorch.{kind}")


class Stream(_accelerators.Stream):
    """A queue of work of any device; XLA has one per device.

    Args:
        device: whose; the current accelerator if ``None``.
        priority: kept.

    Raises:
        RuntimeError: a device that has no streams, such as the CPU.
    """

    def __init__(self, device: Any = None, *, priority: int = 0) -> None:
        kind = _accelerator() if device is None else as_device(device).type
        if kind == "cpu":
            raise RuntimeError("Need to provide a device with streams; the CPU has none")
        super().__init__(get_device_module(kind)._kind, device, priority)


class Event(_accelerators.Event):
    """A point in the work of any device.

    Args:
        device: whose; the current accelerator if ``None``, or the CPU where there is none.
        enable_timing: whether :meth:`elapsed_time` may be asked.
        blocking: waiting blocks in any case.
        interprocess: not supported.

    Raises:
        NotImplementedError: ``interprocess``.
    """

    def __init__(
        self,
        device: Any = None,
        *,
        enable_timing: bool = False,
        blocking: bool = False,
        interprocess: bool = False,
    ) -> None:
        if interprocess:
            raise NotImplementedError("torch.Event(interprocess=True): jtorch's events stay in their process")
        kind = _accelerator() if device is None else as_device(device).type
        self.device = as_device(device if device is not None else kind)
        super().__init__(getattr(get_device_module(kind), "_kind", None) or _Processor(), enable_timing)


class _Processor(Kind):
    """The CPU as a kind of device that events can wait for."""

    def __init__(self) -> None:
        super().__init__("cpu", RuntimeError)

    def is_available(self) -> bool:
        return True
