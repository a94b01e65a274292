"""Random numbers of data loading, word for word as PyTorch draws them."""

from __future__ import annotations

from typing import Any

from jtorch import dtypes
from jtorch.tensor import Tensor, _random
from jtorch.tensor._creation import as_tensor, empty
from jtorch.tensor._distributions import multinomial

__all__ = ["as_doubles", "integers", "new_generator", "permutation", "seed", "weighted"]


def seed(generator: Any = None) -> int:
    """A fresh seed below 2^63: two words."""
    drawn: int = empty((), dtype=dtypes.int64).random_(generator=generator).item()
    return drawn


def new_generator(number: int) -> Any:
    """A generator of its own, seeded."""
    made = _random.Generator()
    made.manual_seed(number)
    return made


def permutation(n: int, generator: Any = None) -> list[int]:
    """The numbers below n in random order."""
    found: list[int] = _random.randperm(n, generator=generator).tolist()
    return found


def integers(n: int, count: int, generator: Any) -> list[int]:
    """``count`` numbers below n, with replacement."""
    found: list[int] = _random.randint(
        high=n, size=(count,), dtype=dtypes.int64, generator=generator
    ).tolist()
    return found


def weighted(weights: Tensor, count: int, replacement: bool, generator: Any) -> list[int]:
    """``count`` positions in ``weights``, drawn in proportion to them."""
    found: list[int] = multinomial(weights, count, replacement, generator=generator).tolist()
    return found


def as_doubles(weights: Any) -> Tensor:
    """Weights as a float64 tensor."""
    return as_tensor(weights, dtype=dtypes.float64)
