"""Philox 4x32-10, the generator of accelerators: numbers as a function of seed, offset and place.

The functions are pure and take seed and offset as operands, so a compiled program serves every draw of its
shape. A generator's whole state is these two numbers.

Elements are laid out as in PyTorch's CUDA kernels. T threads share the work; thread t is subsequence t of the
seed, and its r-th call of the generator, at counter offset / 4 + r, gives four words, which go to the
elements r * 4T + k * T + t for k from 0 to 3 (two numbers instead of four where a number takes 64 bits). T is
the number of elements rounded up to blocks of 256, at most what the device runs at once. So up to
``MAX_THREADS`` elements the numbers are those of CUDA, whatever the device; beyond, those of a device with
132 multiprocessors of 2048 threads, on any device.

Reference: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011,
https://doi.org/10.1145/2063384.2063405
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

__all__ = [
    "MAX_THREADS",
    "bernoulli",
    "cauchy",
    "consumed",
    "counter_of",
    "exponential",
    "geometric",
    "halves",
    "integers",
    "log_normal",
    "normal",
    "philox",
    "random_words",
    "randperm",
    "uniform",
    "unit32",
    "unit64",
    "units",
]

MAX_THREADS = 132 * 2048
_BLOCK = 256
_ROUNDS = 10
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_KEY_STEPS = (0x9E3779B9, 0xBB67AE85)

#: A 64-bit scalar: an int, an array of uint64, or one of two uint32, the low word first.
Number = Any


# -- words


def halves(value: Number) -> tuple[jax.Array, jax.Array]:
    """The low and the high 32 bits."""
    if isinstance(value, int | np.integer):
        value = int(value) % (1 << 64)
        return jnp.uint32(value & 0xFFFFFFFF), jnp.uint32(value >> 32)
    if value.ndim == 1:
        return value[0].astype(jnp.uint32), value[1].astype(jnp.uint32)
    return value.astype(jnp.uint32), (value >> 32).astype(jnp.uint32)


def counter_of(offset: Number) -> tuple[jax.Array, jax.Array]:
    """The number of calls up to an offset: the low words of a counter."""
    low, high = halves(offset)
    return low >> 2 | high << 30, high >> 2


def _multiply(a: int, b: jax.Array) -> tuple[jax.Array, jax.Array]:
    """High and low word of a 64-bit product; JAX has 64-bit integers only on demand."""
    if jax.config.jax_enable_x64:  # type: ignore[attr-defined]
        product = b.astype(jnp.uint64) * np.uint64(a)  # the same, and sooner compiled
        return (product >> 32).astype(jnp.uint32), product.astype(jnp.uint32)
    a_low, a_high = jnp.uint32(a & 0xFFFF), jnp.uint32(a >> 16)
    b_low, b_high = b & 0xFFFF, b >> 16
    middle = a_high * b_low + (a_low * b_low >> 16)  # at most 2**32 - 2**16: no overflow
    other = a_low * b_high + (middle & 0xFFFF)
    return a_high * b_high + (middle >> 16) + (other >> 16), jnp.uint32(a) * b


def philox(counter: Sequence[jax.Array], key: Sequence[jax.Array]) -> list[jax.Array]:
    """Ten rounds of Philox 4x32.

    Args:
        counter: four uint32 arrays of one shape, low word first.
        key: two uint32 scalars, low word first.

    Returns:
        Four uint32 arrays.
    """
    x0, x1, x2, x3 = counter
    k0, k1 = key
    for _ in range(_ROUNDS):
        high0, low0 = _multiply(_MULTIPLIERS[0], x0)
        high1, low1 = _multiply(_MULTIPLIERS[1], x2)
        x0, x1, x2, x3 = high1 ^ x1 ^ k0, low1, high0 ^ x3 ^ k1, low0
        k0, k1 = k0 + jnp.uint32(_KEY_STEPS[0]), k1 + jnp.uint32(_KEY_STEPS[1])
    return [x0, x1, x2, x3]


def _layout(n: int, per_call: int) -> tuple[int, int]:
    """Number of threads, and of calls that each makes."""
    threads = min(-(-n // _BLOCK) * _BLOCK, MAX_THREADS)
    return threads, -(-n // (threads * per_call)) if n else 0


def consumed(n: int, per_call: int = 4) -> int:
    """By how much a draw of ``n`` elements moves the offset on.

    Args:
        n: number of elements.
        per_call: numbers from one call of the generator: 2 for those of 64 bits (float64, ranges of 2**28 or
            more).
    """
    return 4 * _layout(n, per_call)[1]


def _calls(seed: Number, offset: Number, n: int, per_call: int) -> list[jax.Array]:
    """Four words for each round and thread, shape ``(rounds, threads)``."""
    threads, rounds = _layout(n, per_call)
    low, high = counter_of(offset)
    turn = jnp.arange(rounds, dtype=jnp.uint32)[:, None]
    shape = (rounds, threads)
    low = low + turn
    high = high + (low < turn).astype(jnp.uint32)
    thread = jnp.arange(threads, dtype=jnp.uint32)[None, :]
    counter = [jnp.broadcast_to(word, shape) for word in (low, high, thread, jnp.uint32(0))]
    return philox(counter, halves(seed))


def _spread(values: Sequence[jax.Array], shape: Sequence[int]) -> jax.Array:
    """Hand the numbers of each call to its elements."""
    n = math.prod(shape)
    return jnp.stack(values, 1).reshape(-1)[:n].reshape(tuple(shape))


def random_words(seed: Number, offset: Number, shape: Sequence[int]) -> jax.Array:
    """uint32 numbers, one word per element.

    Args:
        seed: a 64-bit scalar.
        offset: a 64-bit scalar, a multiple of 4.
        shape: of the result.
    """
    return _spread(_calls(seed, offset, math.prod(shape), 4), shape)


# -- uniform and normal numbers; float64 takes two words each


def unit32(word: jax.Array) -> jax.Array:
    """A word as a number in (0, 1]: from half a step above 0 to 1, which float32 rounds the top to."""
    return word.astype(jnp.float32) * jnp.float32(2.0**-32) + jnp.float32(2.0**-33)


def unit64(x: jax.Array, y: jax.Array) -> jax.Array:
    """Two words as one in (0, 1], with 53 bits: x ^ y << 21."""
    high, low = y >> 11, x ^ y << 21
    bits = high.astype(jnp.float64) * 2.0**32 + low.astype(jnp.float64)
    return bits * 2.0**-53 + 2.0**-54


def units(seed: Number, offset: Number, shape: Sequence[int], double: bool) -> jax.Array:
    """Uniform numbers from (0, 1]; ``double``: float64, else float32."""
    n = math.prod(shape)
    if not double:
        return _spread([unit32(word) for word in _calls(seed, offset, n, 4)], shape)
    a, b, c, d = _calls(seed, offset, n, 2)
    return _spread([unit64(a, b), unit64(c, d)], shape)


def uniform(
    seed: Number, offset: Number, shape: Sequence[int], dtype: Any, low: Any = 0.0, high: Any = 1.0
) -> jax.Array:
    """Draw from [low, high).

    Args:
        seed: a 64-bit scalar.
        offset: a 64-bit scalar, a multiple of 4.
        shape: of the result.
        dtype: floating or complex; 16-bit numbers are made in float32.
        low: lower bound, a number or a scalar array.
        high: upper bound, alike. A value rounded up to it becomes ``low``.
    """
    dtype = jnp.dtype(dtype)
    if dtype.kind == "c":
        return _complex(uniform(seed, offset, (*shape, 2), _part(dtype), low, high))
    real = jnp.float64 if dtype == jnp.float64 else jnp.float32
    low, high = jnp.asarray(low, real), jnp.asarray(high, real)
    values = (units(seed, offset, shape, dtype == jnp.float64) * (high - low) + low).astype(dtype)
    return jnp.where(values == high.astype(dtype), low.astype(dtype), values)


def normal(
    seed: Number, offset: Number, shape: Sequence[int], dtype: Any, mean: Any = 0.0, std: Any = 1.0
) -> jax.Array:
    """Draw normal numbers: of a Box-Muller pair, the sine comes first.

    Args:
        seed: a 64-bit scalar.
        offset: a 64-bit scalar, a multiple of 4.
        shape: of the result.
        dtype: floating or complex; 16-bit numbers are made in float32. Each part of a complex number has half
            of the variance.
        mean: a number or a scalar array.
        std: a number or a scalar array.
    """
    dtype = jnp.dtype(dtype)
    if dtype.kind == "c":
        return _complex(normal(seed, offset, (*shape, 2), _part(dtype), mean, std * math.sqrt(0.5)))
    a, b, c, d = _calls(seed, offset, math.prod(shape), 2 if dtype == jnp.float64 else 4)
    if dtype == jnp.float64:
        values = _box_muller(unit64(a, b), unit64(c, d))
    else:
        values = _box_muller(unit32(a), unit32(b)) + _box_muller(unit32(c), unit32(d))
    z = _spread(values, shape)
    return (z * jnp.asarray(std, z.dtype) + jnp.asarray(mean, z.dtype)).astype(dtype)


def _box_muller(u: jax.Array, v: jax.Array) -> list[jax.Array]:
    radius = jnp.sqrt(-2 * jnp.log(u))
    angle = v * (2 * math.pi)
    return [radius * jnp.sin(angle), radius * jnp.cos(angle)]


def _part(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return np.dtype(f"f{dtype.itemsize // 2}")


def _complex(parts: jax.Array) -> jax.Array:
    return jax.lax.complex(parts[..., 0], parts[..., 1])


# -- integers, yes-or-no draws, permutations


def integers(
    seed: Number, offset: Number, shape: Sequence[int], dtype: Any, low: int, high: int
) -> jax.Array:
    """Draw integers from [low, high): word % (high - low) + low.

    Args:
        seed: a 64-bit scalar.
        offset: a 64-bit scalar, a multiple of 4.
        shape: of the result.
        dtype: of the result.
        low: least value.
        high: one more than the largest value. Ranges of 2**28 or more take two words per element, and need
            JAX's 64-bit types.
    """
    span = high - low
    if span < 1 << 28:
        words = random_words(seed, offset, shape) % jnp.uint32(span)
        wide = jnp.int32 if low >= -(1 << 31) and high <= 1 << 31 else jnp.int64
        return (words.astype(wide) + wide(low)).astype(dtype)
    a, b, c, d = (word.astype(jnp.uint64) for word in _calls(seed, offset, math.prod(shape), 2))
    words = _spread([a << 32 | b, c << 32 | d], shape)
    if span < 1 << 64:
        words = words % np.uint64(span)
    return (words.astype(jnp.int64) + np.int64(low)).astype(dtype)


def bernoulli(seed: Number, offset: Number, shape: Sequence[int], dtype: Any, p: Any = 0.5) -> jax.Array:
    """Draw ones with probability ``p``; as ``bool``, what dropout with probability 1 - ``p`` keeps.

    A one is drawn where a uniform number from (0, 1] is at or below ``p``: never for 0, always for 1.

    Args:
        seed: a 64-bit scalar.
        offset: a 64-bit scalar, a multiple of 4.
        shape: of the result.
        dtype: of the result.
        p: a number, or an array that broadcasts to ``shape``.
    """
    return (units(seed, offset, shape, False) <= jnp.asarray(p, jnp.float32)).astype(dtype)


def randperm(seed: Number, offset: Number, n: int, dtype: Any = np.int32) -> jax.Array:
    """A permutation of 0 to n - 1: the order of 64-bit draws. It moves the offset as float64 does.

    Args:
        seed: a 64-bit scalar.
        offset: a 64-bit scalar, a multiple of 4.
        n: number of elements.
        dtype: of the result.
    """
    a, b, c, d = _calls(seed, offset, n, 2)
    first, second = _spread([a, c], (n,)), _spread([b, d], (n,))
    return jax.lax.sort((first, second, jnp.arange(n, dtype=dtype)), num_keys=2)[2]


# -- functions of uniform and normal numbers


def _eps(x: jax.Array) -> float:
    return 2.0**-52 if x.dtype == jnp.float64 else 2.0**-23


def exponential(
    seed: Number, offset: Number, shape: Sequence[int], dtype: Any, lambd: Any = 1.0
) -> jax.Array:
    """Draw -log(u) / ``lambd``, never 0. Arguments as for :func:`uniform`."""
    u = units(seed, offset, shape, dtype == jnp.float64)
    # Numbers that round to 1 would give 0, by which users divide.
    least = _eps(u) / 2
    return (jnp.where(u >= 1 - least, least, -jnp.log(u)) / jnp.asarray(lambd, u.dtype)).astype(dtype)


def geometric(seed: Number, offset: Number, shape: Sequence[int], dtype: Any, p: Any) -> jax.Array:
    """Draw the number of the first success, at least 1. Arguments as for :func:`uniform`."""
    u = units(seed, offset, shape, dtype == jnp.float64)
    return jnp.maximum(jnp.ceil(jnp.log(u) / jnp.log1p(-jnp.asarray(p, u.dtype))), 1).astype(dtype)


def cauchy(
    seed: Number, offset: Number, shape: Sequence[int], dtype: Any, median: Any = 0.0, sigma: Any = 1.0
) -> jax.Array:
    """Draw ``median`` + ``sigma`` * tan(pi * (u - 1/2)). Arguments as for :func:`uniform`."""
    u = units(seed, offset, shape, dtype == jnp.float64)
    # The tangent of numbers that round to half a turn has the wrong sign; a step inside is the largest value.
    u = jnp.clip(u, _eps(u), 1 - _eps(u))
    return (jnp.tan(math.pi * (u - 0.5)) * jnp.asarray(sigma, u.dtype) + jnp.asarray(median, u.dtype)).astype(
        dtype
    )


def log_normal(
    seed: Number, offset: Number, shape: Sequence[int], dtype: Any, mean: Any = 1.0, std: Any = 2.0
) -> jax.Array:
    """Draw exp of normal numbers. Arguments as for :func:`normal`."""
    wide = jnp.float64 if dtype == jnp.float64 else jnp.float32
    return jnp.exp(normal(seed, offset, shape, wide, mean, std)).astype(dtype)
