"""Common to the optimizers that keep a step count: their settings, checks and state."""

from __future__ import annotations

from typing import Any

import numpy as np

from jtorch import dtypes
from jtorch.optim._fused import FusedOptimizer, advance, number_tensor, setting, zeros_like
from jtorch.tensor import Tensor

__all__ = ["Counting", "rounded"]


_PAIRS = frozenset({"betas", "etas", "step_sizes"})


class Counting(FusedOptimizer):
    """An optimizer whose state is a step count and some tensors.

    A subclass names its tensors in ``_slots``, the settings that are operands in ``_numbers`` and those that
    are part of the program in ``_flags``.
    """

    _numbers: tuple[str, ...] = ("lr",)
    _flags: tuple[str, ...] = ("maximize",)
    _counting = True

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            for name, default in self._later_settings():
                group.setdefault(name, default)

    def _later_settings(self) -> tuple[tuple[str, Any], ...]:
        """Settings that old checkpoints lack."""
        return ("foreach", None), ("maximize", False), ("differentiable", False), ("capturable", False)

    def _settings(self, group: dict[str, Any]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        flags = [bool(group[name]) for name in self._flags]
        if "weight_decay" in self._numbers:
            flags.append(bool(group["weight_decay"] != 0))
        numbers: list[Any] = []
        for name in self._numbers:
            value = group[name]
            if name in _PAIRS:
                first, second = value
                numbers += setting(first), setting(second)
            else:
                numbers.append(setting(value))
        return tuple(flags), tuple(numbers)

    def _prepare(self, param: Tensor, state: dict[str, Any], group: dict[str, Any]) -> tuple[float, ...]:
        if not state:
            state["step"] = number_tensor(0.0)
            self._fill(param, state, group)
        return (advance(state),)

    def _fill(self, param: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        """The state tensors before the first step; zeros by default."""
        for name in self._slots(self._settings(group)[0]):
            state[name] = zeros_like(param)


def rounded(number: float) -> float:
    """A number as a state tensor of the default dtype holds it."""
    return number if dtypes.get_default_dtype() is dtypes.float64 else float(np.float32(number))
