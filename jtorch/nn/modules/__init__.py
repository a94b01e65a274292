"""Modules by family, under PyTorch's paths."""

from jtorch.nn.modules import module as _module
from jtorch.nn.modules.activation import *  # noqa: F403
from jtorch.nn.modules.container import *  # noqa: F403
from jtorch.nn.modules.distance import *  # noqa: F403
from jtorch.nn.modules.dropout import *  # noqa: F403
from jtorch.nn.modules.flatten import *  # noqa: F403
from jtorch.nn.modules.linear import *  # noqa: F403
from jtorch.nn.modules.loss import *  # noqa: F403
from jtorch.nn.modules.module import Module

__all__ = sorted(
    name
    for name, found in list(globals().items())
    if isinstance(found, type) and issubclass(found, Module) and not name.startswith("_")
)
del _module
