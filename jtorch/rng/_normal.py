"""Normal numbers: one algorithm for 16 or more contiguous elements, another for all other targets."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np

from jtorch.rng import _libm
from jtorch.rng._ahead import SMALL, small_normals
from jtorch.rng._box_muller_xla import BLOCK, compiled, normals
from jtorch.rng._checks import FLOATS, cast, not_implemented
from jtorch.rng._fma import fma
from jtorch.rng._layout import Array, is_contiguous, numel, place
from jtorch.rng._mt19937 import MT19937
from jtorch.rng._uniform import fractions53

__all__ = ["normal", "scalar_normals"]

_VECTOR = 16  # elements of one block of the vector algorithm, and the least that it is used for
_RUNNING = 4  # blocks
_FEW = 16  # pairs
_LOW21 = (1 << 21) - 1


def normal(
    engine: MT19937,
    shape: Sequence[int],
    dtype: np.dtype[Any],
    mean: float = 0.0,
    std: float = 1.0,
    strides: Sequence[int] | None = None,
) -> Array:
    """Draw normal numbers (``randn``, ``normal_``).

    Args:
        engine: source of the words.
        shape: of the target.
        dtype: floating or complex. Each part of a complex number has half of the variance.
        mean: centre; of both parts, if complex.
        std: standard deviation.
        strides: of the target in elements, ``None`` if contiguous.

    Returns:
        An array of ``shape`` whose memory order is the target's.

    Raises:
        NotImplementedError: other dtypes.
        RuntimeError: ``std`` below 0 or nan.
    """
    if not std >= 0.0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std:g}")
    n = numel(shape)
    if n == 0:
        return np.empty(tuple(shape), dtype)
    contiguous = strides is None or is_contiguous(shape, strides)
    if dtype.kind == "c":
        part = np.dtype(f"f{dtype.itemsize // 2}")
        parts = _real_normals(engine, 2 * n, part, mean, std / math.sqrt(2.0), contiguous)
        return place(parts.view(dtype), shape, strides)
    if dtype not in FLOATS:
        raise not_implemented("normal_kernel_cpu", dtype)
    return place(_real_normals(engine, n, dtype, mean, std, contiguous), shape, strides)


def _real_normals(
    engine: MT19937, n: int, dtype: np.dtype[Any], mean: float, std: float, contiguous: bool
) -> Array:
    if n < _VECTOR or not contiguous:
        values = scalar_normals(engine, n, mean, std)
        # Standard normals cannot overflow, and saying that overflow is no news takes longer than the cast.
        return (
            values.astype(dtype) if std == 1.0 and dtype == np.float32 and not mean else cast(values, dtype)
        )
    if dtype.itemsize == 8:
        return _vector_normals64(engine, n, mean, std)
    # 16-bit targets never draw the words of the ragged end, only those that replace it.
    narrow = dtype.itemsize == 2
    unused = 0 if narrow else n % _VECTOR
    scaled = mean != 0.0 or std != 1.0
    if scaled:
        mean, std = float(np.float32(mean)), float(np.float32(std))
    if n <= SMALL:
        out = small_normals(engine, n, unused)
        if scaled:
            _scale(out, out, mean, std)
    else:
        out = np.empty(n, np.float32)
        _vector_normals32(engine, out, unused, mean, std)
    return cast(out, dtype) if narrow else out


# -- small or strided targets: pairs of float64 numbers, the second of which waits for the next call


def scalar_normals(engine: MT19937, n: int, mean: float, std: float) -> Array:
    """``n`` float64 numbers, two from each four words; a left over one is the engine's ``cached_normal``."""
    values: Any
    with engine.lock:
        values = [] if engine.cached_normal is None else [engine.cached_normal]
        count = (n - len(values) + 1) // 2
        if count > _FEW:
            values = np.concatenate([values, _pairs64(engine, count)])
        elif count:
            values += _few(engine, count)
        engine.cached_normal = float(values[n]) if len(values) > n else None
    if std == 1.0 and len(values) < _VECTOR:
        return np.array([value + mean for value in values[:n]])
    return fma(np.array(values[:n]), float(std), float(mean))


def _pairs64(engine: MT19937, count: int) -> Array:
    u = fractions53(engine, 2 * count)
    r = np.sqrt(-2.0 * _libm.log1p(-u[1::2]))
    t = 2.0 * math.pi * u[0::2]
    return np.stack([r * _libm.cos(t), r * _libm.sin(t)], 1).reshape(-1)


def _few(engine: MT19937, count: int) -> list[float]:
    """The same for one draw of a few numbers, where NumPy's calls would take longer than the mathematics."""
    values: list[float] = []
    words = iter(engine.words(4 * count).tolist())
    for a, b, c, d in zip(words, words, words, words, strict=True):
        t = 2.0 * math.pi * (((a & _LOW21) << 32 | b) * 2.0**-53)
        r = math.sqrt(-2.0 * math.log1p(-((c & _LOW21) << 32 | d) * 2.0**-53))
        values += r * math.cos(t), r * math.sin(t)
    return values


# -- 16 or more contiguous elements: blocks of 8 pairs


def _vector_normals64(engine: MT19937, n: int, mean: float, std: float) -> Array:
    with engine.lock:
        u = fractions53(engine, n)
        tail = fractions53(engine, _VECTOR) if n % _VECTOR else u[:0]
    u = np.concatenate([u[: n // _VECTOR * _VECTOR], tail]).reshape(-1, 2, _VECTOR // 2)
    r = np.sqrt(-2.0 * _libm.log(1.0 - u[:, 0].reshape(-1)))
    t = 2.0 * math.pi * u[:, 1].reshape(-1)
    cosines, sines = r * _libm.cos(t), r * _libm.sin(t)
    z = np.stack([cosines.reshape(-1, _VECTOR // 2), sines.reshape(-1, _VECTOR // 2)], 1).reshape(-1)
    if tail.size:
        z = np.concatenate([z[: n - _VECTOR], z[-_VECTOR:]])
    return fma(z, float(std), float(mean))


def _vector_normals32(engine: MT19937, out: Array, unused: int, mean: float, std: float) -> None:
    """Fill ``out``; its ragged end, if any, skips ``unused`` words and redoes the last 16 elements."""
    whole = out.size // _VECTOR * _VECTOR
    tail = _VECTOR if out.size > whole else 0
    with engine.lock:
        program = compiled(whole) if whole >= BLOCK else None
        running: deque[tuple[int, Any]] = deque()  # XLA computes while the next words are drawn
        start = 0
        while start + BLOCK <= whole:
            words = engine.words(BLOCK)
            running.append((start, program(words) if program else normals(words)))
            start += BLOCK
            if len(running) > _RUNNING:
                _finish(*running.popleft(), out, mean, std)
        words = engine.words(whole - start + unused + tail)
    while running:
        _finish(*running.popleft(), out, mean, std)
    z = normals(np.concatenate([words[: whole - start], words[words.size - tail :]]))
    _finish(start, z[: whole - start], out, mean, std)
    _finish(out.size - tail, z[whole - start :], out, mean, std)


def _finish(start: int, z: Any, out: Array, mean: float, std: float) -> None:
    z = np.asarray(z)
    _scale(z, out[start : start + z.size], mean, std)


def _scale(z: Array, out: Array, mean: float, std: float) -> None:
    if std == 1.0:
        np.add(z, np.float32(mean), out)  # nothing to fuse; 0 + -0.0 is 0.0 there, too
    else:
        out[...] = fma(z, std, mean)
