"""The float32 normal kernel compiled by XLA, for programs that draw normals by the million.

NumPy passes over a block a hundred times; XLA makes one loop of it. Compiling takes as long as ten million
normals do in NumPy, so it waits until a few million were drawn. XLA promises no particular rounding: the
program is used only if it gives NumPy's bits on its first block.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jtorch.rng._box_muller import pairs
from jtorch.rng._layout import Array

__all__ = ["BLOCK", "compiled", "normals"]

BLOCK = 1 << 16  #: words that one call of the program takes
_WORTH_COMPILING = 1 << 21

_lock = threading.Lock()
_drawn = 0
_program: Callable[[Array], Any] | None = None
_given_up = False


def normals(words: Any, xp: Any = np) -> Any:
    """Standard normals from words, in blocks of 16: the first 8 words give the radii, the others the angles.

    Args:
        words: uint32, a multiple of 16.
        xp: the array's module.

    Returns:
        float32, one normal per word: a block's 8 cosine values, then its 8 sine values. Zeros have either
        sign.
    """
    blocks = (words & np.uint32((1 << 24) - 1)).reshape(-1, 2, 8)
    return xp.stack(pairs(blocks[:, 0], blocks[:, 1], xp), 1).reshape(-1)


def compiled(expected: int) -> Callable[[Array], Any] | None:
    """:func:`normals` compiled for ``BLOCK`` words, if that is worth having and gives the same bits.

    Args:
        expected: the number of normals that the caller is about to draw.
    """
    global _drawn, _program, _given_up
    if _program is None and not _given_up:
        with _lock:
            _drawn += expected
            if _drawn >= _WORTH_COMPILING and _program is None:
                _program = _compile()
                _given_up = _program is None
    return _program


def _compile() -> Callable[[Array], Any] | None:
    try:
        cpu = jax.devices("cpu")[0]
    except RuntimeError:  # JAX was told to start without its CPU backend
        return None
    with jax.enable_x64(True), jax.default_device(cpu), jax.ensure_compile_time_eval():
        lowered = jax.jit(lambda words: normals(words, jnp)).lower(jax.ShapeDtypeStruct((BLOCK,), np.uint32))
        program = lowered.compile()
    trial = np.random.default_rng(0).integers(0, 1 << 32, BLOCK, np.uint32)
    return program if np.array_equal(np.asarray(program(trial)), normals(trial)) else None


def _after_fork() -> None:
    # XLA's threads are not there in a forked process: a call would wait for ever.
    global _program, _given_up
    _program, _given_up = None, True


os.register_at_fork(after_in_child=_after_fork)
