"""The few functions of PyTorch's native module that packages call (``torch._C``)."""

from __future__ import annotations

from jtorch.tensor import Tensor
from jtorch.tensor._overrides import EVERYTHING, Disabled, disabled_torch_function

__all__ = ["DisableTorchFunction", "DisableTorchFunctionSubclass"]


class DisableTorchFunctionSubclass(Disabled):
    """A block in which subclasses of tensors do not take over functions."""

    def __init__(self) -> None:
        super().__init__()


class DisableTorchFunction(Disabled):
    """A block in which neither subclasses nor modes take over functions."""

    def __init__(self) -> None:
        super().__init__(EVERYTHING)


_disabled_torch_function_impl = disabled_torch_function  # programs make it a class's own

#: The class of PyTorch's class of tensors, for annotations.
_TensorMeta = type(Tensor)


def _log_api_usage_once(event: str) -> None:
    """PyTorch counts uses of its interfaces inside of Meta; nothing is counted here."""


def _get_tracing_state() -> None:
    """No TorchScript trace is ever being made."""
