"""Transforms made of transforms (``v2``)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jtorch
from jtorch import nn
from jtorch.vision.transforms import _draws
from jtorch.vision.transforms.v2._transform import Transform

__all__ = ["Compose", "RandomApply", "RandomChoice", "RandomOrder"]


class _Container(Transform):
    def __init__(self, transforms: Any) -> None:
        super().__init__()
        if not isinstance(transforms, Sequence | nn.ModuleList):
            raise TypeError("Argument transforms should be a sequence of callables")
        if not len(transforms):
            raise ValueError("Pass at least one transform")
        self.transforms = transforms

    def _in_turn(self, transforms: Any, inputs: tuple[Any, ...]) -> Any:
        several = len(inputs) > 1
        for transform in transforms:
            outputs = transform(*inputs)
            inputs = outputs if several else (outputs,)
        return inputs if several else inputs[0]


class _Listed(_Container):
    def extra_repr(self) -> str:
        """The transforms, one per line."""
        return "\n".join(f"    {t}" for t in self.transforms)


class Compose(_Listed):
    """One transform after another."""

    def forward(self, *inputs: Any) -> Any:
        """The sample, transformed."""
        return self._in_turn(self.transforms, inputs)


class RandomApply(_Listed):
    """All transforms with probability ``p``, else none.

    Raises:
        ValueError: ``p`` is no probability.
    """

    def __init__(self, transforms: Any, p: float = 0.5) -> None:
        super().__init__(transforms)
        if not 0.0 <= p <= 1.0:
            raise ValueError("`p` should be a floating point value in the interval [0.0, 1.0].")
        self.p = p

    def forward(self, *inputs: Any) -> Any:
        """The sample, transformed or as it is."""
        return self._in_turn([] if _draws.chance() >= self.p else self.transforms, inputs)


class RandomChoice(_Container):
    """One of the transforms.

    Args:
        transforms: callables.
        p: weights; ``None``: all alike.

    Raises:
        ValueError: another number of weights.
    """

    def __init__(self, transforms: Sequence[Callable[..., Any]], p: list[float] | None = None) -> None:
        super().__init__(transforms)
        if p is None:
            p = [1] * len(transforms)
        elif len(p) != len(transforms):
            raise ValueError(
                f"Length of p doesn't match the number of transforms: {len(p)} != {len(transforms)}"
            )
        self.p = [weight / sum(p) for weight in p]

    def forward(self, *inputs: Any) -> Any:
        """The sample, transformed."""
        return self.transforms[int(jtorch.multinomial(jtorch.tensor(self.p), 1).item())](*inputs)


class RandomOrder(_Container):
    """All transforms in random order."""

    def forward(self, *inputs: Any) -> Any:
        """The sample, transformed."""
        order = jtorch.randperm(len(self.transforms)).tolist()
        return self._in_turn([self.transforms[i] for i in order], inputs)
