"""Copies of a module on several devices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jtorch.devices import as_device
from jtorch.nn.modules.module import Module

__all__ = ["replicate"]


def replicate(network: Module, devices: Sequence[Any], detach: bool = False) -> list[Any]:
    """One copy of a module per device; gradients of the copies flow to the original.

    Args:
        network: module to copy.
        devices: devices, or their indices.
        detach: whether copies are without history.

    Returns:
        Modules whose parameters are plain tensors, functions of the original's.
    """
    return [_replica(network, as_device(target), detach) for target in devices]


def _replica(network: Module, target: Any, detach: bool) -> Any:
    copied: dict[int, Any] = {}

    def copy_of(x: Any) -> Any:
        if id(x) not in copied:
            with_history = x.requires_grad and not detach
            copied[id(x)] = (x if with_history else x.detach()).to(target, copy=True)
        return copied[id(x)]

    modules: dict[int, Any] = {id(m): m._replicate_for_data_parallel() for m in network.modules()}
    for module in network.modules():
        replica = modules[id(module)]
        # Copies of parameters are no leaves, so they are attributes; here they can be found all the same.
        replica._former_parameters = {}
        for name, child in module._modules.items():
            if child is None:
                replica._modules[name] = None
            else:
                setattr(replica, name, modules[id(child)])
        for name, param in module._parameters.items():
            if param is None:
                replica._parameters[name] = None
            else:
                replica._former_parameters[name] = copy_of(param)
                setattr(replica, name, copy_of(param))
        for name, buffer in module._buffers.items():
            if buffer is None:
                replica._buffers[name] = None
            else:
                setattr(replica, name, copy_of(buffer))
    return modules[id(network)]
