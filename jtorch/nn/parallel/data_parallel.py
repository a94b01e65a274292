"""The old way to use several GPUs from one process."""

from __future__ import annotations

from typing import Any

from jtorch.nn.modules.module import Module

__all__ = ["DataParallel", "data_parallel"]


class DataParallel(Module):
    """Holds a module under ``module`` and calls it; its input is not split.

    Several devices are used by sharding, see ``jtorch.distributed``; scripts written for this class run with
    the same names of parameters.

    Args:
        module: that is called.
        device_ids, output_device, dim: accepted.
    """

    # Differs from PyTorch: one device computes the whole batch.

    def __init__(
        self, module: Module, device_ids: Any = None, output_device: Any = None, dim: int = 0
    ) -> None:
        super().__init__()
        self.module = module
        self.device_ids = [] if device_ids is None else list(device_ids)
        self.output_device, self.dim = output_device, dim

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        """The module's."""
        return self.module(*inputs, **kwargs)


def data_parallel(
    module: Module,
    inputs: Any,
    device_ids: Any = None,
    output_device: Any = None,
    dim: int = 0,
    module_kwargs: Any = None,
) -> Any:
    """The module's result; see :class:`DataParallel`."""
    inputs = inputs if isinstance(inputs, tuple) else (inputs,) if inputs is not None else ()
    return module(*inputs, **(module_kwargs or {}))
