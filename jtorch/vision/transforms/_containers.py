"""Transforms made of transforms."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from jtorch import nn
from jtorch.vision.transforms import _draws

__all__ = ["Compose", "Lambda", "RandomApply", "RandomChoice", "RandomOrder", "RandomTransforms"]

_Transform = Callable[[Any], Any]


def _listed(owner: Any, *first: str) -> str:
    lines = [*first, *(str(t) for t in owner.transforms)]
    return "\n".join([f"{type(owner).__name__}(", *(f"    {line}" for line in lines), ")"])


class Compose:
    """One transform after another.

    Args:
        transforms: callables.
    """

    def __init__(self, transforms: Sequence[_Transform]) -> None:
        self.transforms = transforms

    def __call__(self, img: Any) -> Any:
        for t in self.transforms:
            img = t(img)
        return img

    def __repr__(self) -> str:
        return _listed(self)


class Lambda:
    """A function as a transform.

    Raises:
        TypeError: it is not callable.
    """

    def __init__(self, lambd: _Transform) -> None:
        if not callable(lambd):
            raise TypeError(f"Argument lambd should be callable, got {type(lambd).__name__!r}")
        self.lambd = lambd

    def __call__(self, img: Any) -> Any:
        return self.lambd(img)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class RandomTransforms:
    """Base of transforms that choose among transforms.

    Raises:
        TypeError: they are no sequence.
    """

    def __init__(self, transforms: Sequence[_Transform]) -> None:
        if not isinstance(transforms, Sequence):
            raise TypeError("Argument transforms should be a sequence")
        self.transforms = transforms

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError

    def __repr__(self) -> str:
        return _listed(self)


class RandomApply(nn.Module):
    """All transforms with probability ``p``, else none.

    Args:
        transforms: callables, or a ``ModuleList``.
        p: probability.
    """

    def __init__(self, transforms: Any, p: float = 0.5) -> None:
        super().__init__()
        self.transforms = transforms
        self.p = p

    def forward(self, img: Any) -> Any:
        """The image, transformed or as it is."""
        if self.p < _draws.chance():
            return img
        for t in self.transforms:
            img = t(img)
        return img

    def __repr__(self) -> str:
        return _listed(self, f"p={self.p}")


class RandomOrder(RandomTransforms):
    """All transforms in random order (Python's ``random`` decides)."""

    def __call__(self, img: Any) -> Any:
        order = list(range(len(self.transforms)))
        random.shuffle(order)
        for i in order:
            img = self.transforms[i](img)
        return img


class RandomChoice(RandomTransforms):
    """One of the transforms (Python's ``random`` decides).

    Args:
        transforms: callables.
        p: weights; ``None``: all alike.

    Raises:
        TypeError: ``p`` is no sequence.
    """

    def __init__(self, transforms: Sequence[_Transform], p: Sequence[float] | None = None) -> None:
        super().__init__(transforms)
        if p is not None and not isinstance(p, Sequence):
            raise TypeError("Argument p should be a sequence")
        self.p = p

    def __call__(self, *args: Any) -> Any:
        return random.choices(self.transforms, weights=self.p)[0](*args)

    def __repr__(self) -> str:
        return f"{super().__repr__()}(p={self.p})"
