"""Several GPUs in one process: each takes a part of the batch."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

from jtorch._accelerators import Kind
from jtorch.devices import accelerator_type, as_device, device
from jtorch.nn.modules.module import Module
from jtorch.nn.parallel.parallel_apply import parallel_apply
from jtorch.nn.parallel.replicate import replicate
from jtorch.nn.parallel.scatter_gather import gather, scatter_kwargs
from jtorch.tensor._autograd import is_grad_enabled

__all__ = ["DataParallel", "data_parallel"]


def _accelerators() -> list[device]:
    """The devices that split a batch: all of the accelerator's, unless it is a Mac's."""
    kind = accelerator_type()
    if kind is None or kind == "mps":
        return []
    return [device(kind, i) for i in range(Kind(kind, RuntimeError).count())]


class DataParallel(Module):
    """Splits a batch among the GPUs of this process, and joins their results.

    Without a GPU it calls the module as it is. The parameters are copied at every call, which a whole
    training step that runs under ``jax.sharding`` spares.

    Args:
        module: that is called; with several devices it is on the first of them.
        device_ids: devices, or their indices; all by default.
        output_device: where results are joined, the first device by default.
        dim: along which the batch is split.
    """

    def __init__(
        self, module: Module, device_ids: Any = None, output_device: Any = None, dim: int = 0
    ) -> None:
        super().__init__()
        self.module = module
        found = _accelerators()
        if not found:
            self.device_ids: list[int] = []
            return
        targets = found if device_ids is None else [as_device(x) for x in device_ids]
        self.dim = dim
        self.device_ids = [_index(x) for x in targets]
        self.output_device = _index(targets[0] if output_device is None else as_device(output_device))
        self.src_device_obj = device(found[0].type, self.device_ids[0])
        if len(self.device_ids) == 1:
            self.module.to(self.src_device_obj)

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        """The module's result for the whole batch.

        Raises:
            RuntimeError: a parameter or buffer is not on the first device.
        """
        if not self.device_ids:
            return self.module(*inputs, **kwargs)
        _check_place(self.module, self.src_device_obj)
        parts, named = self.scatter(inputs, kwargs, self.device_ids)
        if not parts and not named:
            parts, named = ((),), ({},)
        if len(self.device_ids) == 1:
            return self.module(*parts[0], **named[0])
        replicas = self.replicate(self.module, self.device_ids[: len(parts)])
        return self.gather(self.parallel_apply(replicas, parts, named), self.output_device)

    def replicate(self, module: Module, device_ids: Sequence[Any]) -> list[Any]:
        """Copies of the module."""
        return replicate(module, device_ids, not is_grad_enabled())

    def scatter(
        self, inputs: tuple[Any, ...], kwargs: dict[str, Any] | None, device_ids: Sequence[Any]
    ) -> Any:
        """The arguments of each device."""
        return scatter_kwargs(inputs, kwargs, device_ids, dim=self.dim)

    def parallel_apply(self, replicas: Sequence[Any], inputs: Sequence[Any], kwargs: Any) -> list[Any]:
        """The results of all copies."""
        return parallel_apply(replicas, inputs, kwargs, self.device_ids[: len(replicas)])

    def gather(self, outputs: Any, output_device: Any) -> Any:
        """The joined result."""
        return gather(outputs, output_device, dim=self.dim)


def _index(target: device) -> int:
    if target.type == "cpu":
        raise ValueError(f"Expected a non cpu device, but got: {target}")
    return target.index or 0


def _check_place(module: Module, place: device) -> None:
    for t in chain(module.parameters(), module.buffers()):
        if t.device != place:
            raise RuntimeError(
                f"module must have its parameters and buffers on device {place} (device_ids[0]) but found "
                f"one of them on device: {t.device}"
            )


def data_parallel(
    module: Module,
    inputs: Any,
    device_ids: Sequence[Any] | None = None,
    output_device: Any = None,
    dim: int = 0,
    module_kwargs: Any = None,
) -> Any:
    """The module's result for a batch that is split among devices.

    Args:
        module: that is called.
        inputs: its positional arguments, or the only one.
        device_ids: devices, or their indices; all GPUs by default. The module's own if there is none.
        output_device: where results are joined, the first device by default.
        dim: along which the batch is split.
        module_kwargs: named arguments.

    Raises:
        RuntimeError: a parameter or buffer is not on the first device.
    """
    inputs = inputs if isinstance(inputs, tuple) else (inputs,) if inputs is not None else ()
    targets = _accelerators() if device_ids is None else [as_device(x) for x in device_ids]
    if not targets:
        return module(*inputs, **(module_kwargs or {}))
    _check_place(module, targets[0])
    parts, named = scatter_kwargs(inputs, module_kwargs, targets, dim)
    if not parts and not named:
        parts, named = ((),), ({},)
    if len(targets) == 1:
        return module(*parts[0], **named[0])
    used = targets[: len(parts)]
    outputs = parallel_apply(replicate(module, used), parts, named, used)
    return gather(outputs, targets[0] if output_device is None else output_device, dim)
