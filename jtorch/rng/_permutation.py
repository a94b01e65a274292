"""Random permutations: PyTorch's shuffle, without a loop over the elements."""

from __future__ import annotations

from typing import Any

import numpy as np

from jtorch.rng._checks import BFLOAT16, DIGITS, INTEGERS, cast, not_implemented, scalar_type
from jtorch.rng._layout import Array
from jtorch.rng._mt19937 import MT19937

__all__ = ["randperm"]

_SHORT = 700  # below, a loop is faster
_LONG = 214748364  # from here on PyTorch shuffles inside out, with two words per element
_INT64 = np.dtype(np.int64)


def randperm(engine: MT19937, n: int, dtype: np.dtype[Any] = _INT64) -> Array:
    """A permutation of 0 to n - 1 (``randperm``).

    Step i exchanges element i with element i + word % (n - i), for i from 0 to n - 2.

    Args:
        engine: source of the words, n - 1 of them.
        n: number of elements.
        dtype: an integer or floating type that holds them exactly, or bfloat16.

    Returns:
        One dimension of ``n`` elements.

    Raises:
        NotImplementedError: other dtypes.
        RuntimeError: negative ``n``, or one too large for the dtype.
    """
    if n < 0:
        raise RuntimeError(f"Trying to create tensor with negative dimension {n}: [{n}]")
    _check_dtype(n, dtype)
    if n >= _LONG:
        order = _inside_out(engine, n)
    elif n < _SHORT:
        order = _shuffled(engine.words(max(n - 1, 0)), n)
    else:
        order = _resolved(engine.words(n - 1), n)
    return cast(order, dtype)


def _check_dtype(n: int, dtype: np.dtype[Any]) -> None:
    if dtype in (np.float16, np.float32, np.float64):
        digits = DIGITS[dtype]
        if n > (1 << digits) + 1:
            limit = "2049" if digits == 11 else f"2^{digits}+1"
            raise RuntimeError(f"n cannot be greater than {limit} for {scalar_type(dtype)} type.")
    elif dtype.kind in "iu" and n - 1 > np.iinfo(dtype).max:
        name = "int" if dtype == np.int32 else f"{dtype.name}_t"
        raise RuntimeError(f"value cannot be converted to type {name} without overflow")
    elif dtype != BFLOAT16 and dtype not in INTEGERS:
        raise not_implemented("randperm", dtype)


def _shuffled(words: Array, n: int) -> Array:
    order = list(range(n))
    for i, word in enumerate(words.tolist()):
        j = i + word % (n - i)
        order[i], order[j] = order[j], order[i]
    return np.array(order, np.int64)


def _resolved(words: Array, n: int) -> Array:
    """The shuffle from its targets alone.

    Let j(i) be the target of step i and c(i) what slot i holds just before step i. Only a step k < i with
    j(k) = i can have put something there, and the last of them put c(k); without one, c(i) = i. These
    references lead backwards, so following them twice as far in each round resolves all of them in log(n)
    rounds. Step i leaves in slot i what slot j(i) held: c(k) for the last k < i with j(k) = j(i), without one
    j(i) itself, and c(i) if j(i) = i.
    """
    step = np.arange(n)
    target = step.copy()  # the last step, which PyTorch leaves out, exchanges slot n - 1 with itself
    target[:-1] += words % np.arange(n, 1, -1, dtype=np.uint32)
    last, before = _last_and_previous(target)
    # An exchange with itself is the last step with its target, and comes too late to put anything there.
    content = np.where(last == step, before, last)
    content = np.where(content < 0, step, content)
    while True:
        further = content[content]
        if np.array_equal(further, content):
            break
        content = further
    itself = target == step
    return np.where(itself | (before >= 0), content[np.where(itself, step, before)], target)


def _last_and_previous(target: Array) -> tuple[Array, Array]:
    """For each slot the last step with that target, for each step the previous one with its; -1 for none."""
    n = target.size
    step = np.arange(n)
    last, before, later = np.full(n, -1), np.full(n, -1), np.empty(n, np.int64)
    last[target] = step  # of several, the last one stays
    later[...] = last
    left = later[target] != step
    step, target = step[left], target[left]
    holder = np.empty(n, np.int64)
    while step.size:
        holder[target] = step
        held = holder[target] == step
        found, slot = step[held], target[held]
        before[later[slot]] = found
        later[slot] = found
        step, target = step[~held], target[~held]
    return last, before


def _inside_out(engine: MT19937, n: int) -> Array:
    order = np.empty(n, np.int64)
    block = 1 << 20
    for start in range(0, n, block):
        stop = min(start + block, n)
        targets = engine.doublewords(stop - start) % np.arange(start + 1, stop + 1, dtype=np.uint64)
        for i, j in enumerate(targets.tolist(), start):
            order[i] = order[j] if j < i else i
            order[j] = i
    return order
