"""Training in several processes (``torch.nn.parallel.distributed``), as far as one process goes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from jtorch.nn.modules.module import Module
from jtorch.nn.parameter import UninitializedParameter

__all__ = ["DistributedDataParallel"]

_INSTEAD = "in jtorch one process trains; use jax.sharding on a whole training step for several devices"


class DistributedDataParallel(Module):
    """The wrapper of a module in a world of one process: gradients are complete as they are.

    Args:
        module: with at least one parameter that requires a gradient.
        device_ids: ``None``, or one device.
        output_device, dim, broadcast_buffers, init_sync, bucket_cap_mb, find_unused_parameters,
            check_reduction, gradient_as_bucket_view, static_graph, skip_all_reduce_unused_params,
            bucket_cap_mb_list, batched_grad_copy, forward_sync_buffers: how several processes would share
            the work.
        process_group, delay_all_reduce_named_params, param_to_hook_all_reduce, mixed_precision, device_mesh:
            must be ``None``.

    Raises:
        RuntimeError: no parameter requires a gradient, or one is not initialized.
        ValueError: several devices, or kinds of them.
        NotImplementedError: an argument that makes sense for several processes only.
    """

    # Differs from PyTorch: there is no process group to initialize before, and none is asked for.

    def __init__(
        self,
        module: Module,
        device_ids: Any = None,
        output_device: Any = None,
        dim: int = 0,
        broadcast_buffers: bool | None = None,
        init_sync: bool = True,
        process_group: Any = None,
        bucket_cap_mb: Any = None,
        find_unused_parameters: bool = False,
        check_reduction: bool = False,
        gradient_as_bucket_view: bool = False,
        static_graph: bool = False,
        delay_all_reduce_named_params: Any = None,
        param_to_hook_all_reduce: Any = None,
        mixed_precision: Any = None,
        device_mesh: Any = None,
        skip_all_reduce_unused_params: bool = False,
        bucket_cap_mb_list: Any = None,
        batched_grad_copy: bool = False,
        forward_sync_buffers: bool | None = None,
    ) -> None:
        super().__init__()
        several = {
            "process_group": process_group,
            "delay_all_reduce_named_params": delay_all_reduce_named_params,
            "param_to_hook_all_reduce": param_to_hook_all_reduce,
            "mixed_precision": mixed_precision,
            "device_mesh": device_mesh,
        }
        for name, value in several.items():
            if value is not None:
                raise NotImplementedError(
                    f"DistributedDataParallel({name}=...) is not implemented: {_INSTEAD}"
                )
        _check(module, device_ids)
        self.module = module
        self.device = next(module.parameters()).device
        on_accelerator = device_ids and self.device.type != "cpu"
        self.device_ids = [self.device.index] if on_accelerator else None
        self.output_device = self.device.index if on_accelerator else None
        self.dim, self.static_graph = dim, static_graph
        self.broadcast_buffers = True if broadcast_buffers is None else broadcast_buffers
        self.find_unused_parameters = find_unused_parameters
        self.gradient_as_bucket_view = gradient_as_bucket_view
        self.require_backward_grad_sync = self.require_forward_param_sync = True

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        """The module's result."""
        return self.module(*inputs, **kwargs)

    @contextmanager
    def no_sync(self) -> Iterator[None]:
        """Gradients accumulate inside, as they always do in one process."""
        before, self.require_backward_grad_sync = self.require_backward_grad_sync, False
        try:
            yield
        finally:
            self.require_backward_grad_sync = before

    @contextmanager
    def join(
        self,
        divide_by_initial_world_size: bool = True,
        enable: bool = True,
        throw_on_early_termination: bool = False,
    ) -> Iterator[None]:
        """For uneven numbers of batches: one process has nobody to wait for."""
        yield

    def register_comm_hook(self, state: object, hook: Any) -> None:
        """Change how gradients are exchanged.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError(
            f"DistributedDataParallel.register_comm_hook is not implemented: {_INSTEAD}"
        )


def _check(module: Module, device_ids: Any) -> None:
    parameters = list(module.parameters())
    if not any(p.requires_grad for p in parameters):
        raise RuntimeError(
            "DistributedDataParallel is not needed when a module doesn't have any parameter that requires a "
            "gradient."
        )
    if device_ids is not None and len(device_ids) > 1:
        raise ValueError("device_ids can only be None or contain a single element.")
    kinds = {p.device.type for p in parameters if p.device is not None}
    if len(kinds) != 1:
        raise ValueError(
            "DistributedDataParallel's input module must be on the same type of devices, but input module "
            f"parameters locate in {kinds}."
        )
    if any(isinstance(p, UninitializedParameter) for p in parameters):
        raise RuntimeError(
            "Modules with uninitialized parameters can't be used with `DistributedDataParallel`. Run a dummy "
            "forward pass to correctly initialize the modules"
        )
