"""Automatic differentiation (``torch.autograd``)."""

from importlib import import_module as _import_module
from typing import Any as _Any

from jtorch.autograd import anomaly_mode as anomaly_mode
from jtorch.autograd import forward_ad as forward_ad
from jtorch.autograd import function as function
from jtorch.autograd import functional as functional
from jtorch.autograd import grad_mode as grad_mode
from jtorch.autograd import graph as graph
from jtorch.autograd import variable as variable
from jtorch.autograd.anomaly_mode import detect_anomaly, set_detect_anomaly
from jtorch.autograd.function import Function, NestedIOFunction
from jtorch.autograd.grad_mode import (
    enable_grad,
    enforce_grad_layout_policy,
    inference_mode,
    no_grad,
    set_grad_enabled,
    set_multithreading_enabled,
)
from jtorch.autograd.gradcheck import gradcheck, gradgradcheck
from jtorch.autograd.variable import Variable
from jtorch.tensor._autograd import backward, grad

__all__ = [
    "Function",
    "NestedIOFunction",
    "Variable",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "enforce_grad_layout_policy",
    "grad",
    "grad_mode",
    "gradcheck",
    "gradgradcheck",
    "inference_mode",
    "no_grad",
    "set_detect_anomaly",
    "set_grad_enabled",
    "set_multithreading_enabled",
    "variable",
]


def __getattr__(name: str) -> _Any:
    if name == "profiler":  # above this namespace, so that it is found when it is used
        return _import_module("jtorch.autograd.profiler")
    raise AttributeError(f"module 'jtorch.autograd' has no attribute '{name}'")
