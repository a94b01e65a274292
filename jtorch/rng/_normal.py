"""Normal numbers: one algorithm for 16 or more contiguous elements, another for all other targets."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jtorch.rng import _libm
from jtorch.rng._box_muller import pairs
from jtorch.rng._box_muller_xla import BLOCK, compiled, normals
from jtorch.rng._checks import FLOATS, cast, not_implemented
from jtorch.rng._fma import fma
from jtorch.rng._layout import Array, is_contiguous, numel, place
from jtorch.rng._mt19937 import MT19937
from jtorch.rng._uniform import fractions53

__all__ = ["normal", "scalar_normals"]

_VECTOR = 16  # elements of one block of the vector algorithm, and the least that it is used for
_SMALL = 2048  # words; up to here normals are made ahead
_AHEAD = 1024  # words, at first
_RUNNING = 4  # blocks
_FEW = 16  # pairs
_LOW21 = (1 << 21) - 1
_LOW24 = np.uint32((1 << 24) - 1)


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
    contiguous = is_contiguous(shape, strides)
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
        return cast(scalar_normals(engine, n, mean, std), dtype)
    if dtype.itemsize == 8:
        return _vector_normals64(engine, n, mean, std)
    # 16-bit targets never draw the words of the ragged end, only those that replace it.
    narrow = dtype.itemsize == 2
    unused = 0 if narrow else n % _VECTOR
    out = np.empty(n, np.float32)
    if mean != 0.0 or std != 1.0:
        mean, std = float(np.float32(mean)), float(np.float32(std))
    _vector_normals32(engine, out, unused, mean, std)
    return cast(out, dtype) if narrow else out


# -- small or strided targets: pairs of float64 numbers, the second of which waits for the next call


def scalar_normals(engine: MT19937, n: int, mean: float, std: float) -> Array:
    """``n`` float64 numbers, two from each four words; a left over one is the engine's ``cached_normal``."""
    with engine.lock:
        cached = [] if engine.cached_normal is None else [engine.cached_normal]
        count = (n - len(cached) + 1) // 2
        values = (
            np.concatenate([cached, _pairs64(engine, count)]) if count > _FEW else _few(engine, cached, count)
        )
        engine.cached_normal = float(values[-1]) if values.size > n else None
    return fma(values[:n], float(std), float(mean))


def _pairs64(engine: MT19937, count: int) -> Array:
    u = fractions53(engine, 2 * count)
    r = np.sqrt(-2.0 * _libm.log1p(-u[1::2]))
    t = 2.0 * math.pi * u[0::2]
    return np.stack([r * _libm.cos(t), r * _libm.sin(t)], 1).reshape(-1)


def _few(engine: MT19937, values: list[float], count: int) -> Array:
    """The same for one draw of a few numbers, where NumPy's calls would take longer than the mathematics."""
    words = iter(engine.words(4 * count).tolist())
    for a, b, c, d in zip(words, words, words, words, strict=True):
        t = 2.0 * math.pi * (((a & _LOW21) << 32 | b) * 2.0**-53)
        r = math.sqrt(-2.0 * math.log1p(-((c & _LOW21) << 32 | d) * 2.0**-53))
        values += r * math.cos(t), r * math.sin(t)
    return np.array(values)


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
        if whole + unused + tail <= _SMALL:
            _normals_ahead(engine, out, whole, unused, tail)
            if std != 1.0 or mean != 0.0:
                _scale(out, out, mean, std)
            return
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


@dataclass(slots=True)
class _Ahead:
    """Standard normals of unread words, of all pairs that a word forms with the one 8 places on.

    Which pairs count depends on where the next draw begins; but NumPy takes about as long for a hundred pairs
    as for two thousand.

    Attributes:
        batch: the words.
        first: index of the first word here.
        cosines: of the pair that a word begins; the last 8 words begin none.
        sines: of the pair that a word ends; the first 8 words end none.
        aligned: what blocks of 16 hold, by where the blocks begin modulo 16; made when it is first wanted.
    """

    batch: Array
    first: int
    cosines: Array
    sines: Array
    aligned: list[Array | None]

    @classmethod
    def of(cls, batch: Array, first: int, size: int) -> _Ahead:
        """The normals of ``size`` words at most."""
        low = batch[first : first + size] & _LOW24
        half = _VECTOR // 2
        z = np.zeros((2, low.size), np.float32)
        if low.size > half:
            cosines, sines = pairs(low[:-half], low[half:])
            np.add(cosines, np.float32(0), z[0, :-half])  # -0.0 becomes 0.0
            np.add(sines, np.float32(0), z[1, half:])
        return cls(batch, first, z[0], z[1], [None] * _VECTOR)

    def blocks(self, start: int) -> Array:
        """Normals of all words, in blocks of 16 of which one begins at the word ``start``."""
        phase = start % _VECTOR
        found = self.aligned[phase]
        if found is None:
            found = self.aligned[phase] = self.sines.copy()
            end = phase + (found.size - phase) // _VECTOR * _VECTOR
            halves = [x[phase:end].reshape(-1, 2, _VECTOR // 2) for x in (found, self.cosines)]
            halves[0][:, 0] = halves[1][:, 0]
        return found


def _normals_ahead(engine: MT19937, out: Array, whole: int, unused: int, tail: int) -> None:
    """Fill ``out`` with standard normals, from pairs worked out ahead if draws like this one repeat."""
    needed = whole + unused + tail
    batch, read = engine.unread(needed)
    ahead = engine.memo
    if ahead is None:
        engine.memo = _Ahead.of(batch, 0, 0)
        words = engine.words(needed)
        z = normals(np.concatenate([words[:whole], words[needed - tail :]]))
        np.add(z[:whole], np.float32(0), out[:whole])
        np.add(z[whole:], np.float32(0), out[out.size - tail :])
        return
    if ahead.batch is not batch or read + needed > ahead.first + ahead.sines.size:
        size = max(_AHEAD, needed, 2 * ahead.sines.size)  # the more draws repeat, the further ahead
        ahead = engine.memo = _Ahead.of(batch, read, size)
    engine.skip(needed)
    start = read - ahead.first
    out[:whole] = ahead.blocks(start)[start : start + whole]
    if tail:
        start += whole + unused
        out[-tail:] = ahead.blocks(start)[start : start + tail]
