"""Random numbers of counter-based streams: recorded operations whose seed and offset are operands.

They are functions of seed, offset and place (:mod:`jtorch.rng`), so one compiled program serves every draw of
its shape, on the device where the numbers are wanted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jtorch import dtypes
from jtorch.devices import device
from jtorch.dispatch import Plan
from jtorch.rng import MT19937, philox, philox_sampling
from jtorch.tensor._arguments import make
from jtorch.tensor._core import Tensor, from_value, value_of
from jtorch.trace import from_jax, record, session

__all__ = ["counter_draw", "counter_permutation", "counter_sample"]

#: Where a span begins that takes two words per integer.
_WIDE = 1 << 28
#: Draws nothing: CPU samplers check their parameters before they find that there is nothing to do.
_SCRATCH = MT19937(0)
_plans: dict[Any, Plan] = {}

#: Gives the stream to draw from, whenever it is called: in another call of a recorded function it may be
#: another one.
Source = Callable[[], Any]


def counter_draw(
    source: Source,
    sampler: Callable[..., Any],
    sizes: Sequence[int],
    d: dtypes.dtype,
    parameters: Sequence[Any],
    where: device,
    strides: tuple[int, ...] | None = None,
) -> Tensor:
    """What a CPU sampler is asked for, drawn from a counter-based stream.

    Args:
        source: of a ``Philox`` or a ``KeyStream``.
        sampler: one of :mod:`jtorch.rng` (``uniform``, ``normal``, ...).
        sizes: of the result.
        d: its dtype.
        parameters: of the sampler; of ``bernoulli`` a tensor, too.
        where: device of the result.
        strides: that the result reports.

    Raises:
        RuntimeError, NotImplementedError: as the sampler does.
    """
    name = sampler.__name__
    if not any(isinstance(x, Tensor) for x in parameters):
        sampler(_SCRATCH, (0,), d.numpy, *parameters)
    n, wide = math.prod(sizes), d.numpy.itemsize // (2 if d.is_complex else 1) == 8
    if not n:
        return make(np.zeros(sizes, d.numpy), where, strides=strides)
    shape = tuple(sizes)
    static: tuple[Any, ...] = (shape, d)
    if name == "integers":
        low, span = _bounds(d, *parameters)
        wide = span >= _WIDE
        static, parameters = (*static, (low, span) if wide else None), () if wide else (low, span)
    per_call = 2 if wide and name != "bernoulli" else 4
    result = _recorded(source, name, static, parameters, 2 * n if d.is_complex else n, per_call, where)
    if strides is not None:
        result._storage.strides = result._strides = strides
    return result


def counter_permutation(source: Source, n: int, d: dtypes.dtype, where: device) -> Tensor:
    """The numbers below ``n`` in random order."""
    if not n:
        return make(np.zeros(0, d.numpy), where)
    return _recorded(source, "randperm", ((n,), d), (), n, 2, where)


def counter_sample(
    source: Source,
    name: str,
    sizes: Sequence[int],
    d: dtypes.dtype,
    parameters: Sequence[Any],
    where: device,
    options: tuple[Any, ...] = (),
    n: int = 1,
    per_call: int = 4,
) -> Tensor:
    """A draw of :mod:`jtorch.rng._philox_sampling`.

    Args:
        source: of a ``Philox`` or a ``KeyStream``.
        name: of the function.
        sizes: of the result.
        d: its dtype.
        parameters: tensors and numbers.
        where: device of the result.
        options: arguments after the parameters that shape the program.
        n: elements for which it takes numbers, as for ``consumed``.
        per_call: numbers from one call of the generator.
    """
    if not math.prod(sizes):
        return make(np.zeros(sizes, d.numpy), where)
    return _recorded(source, name, (tuple(sizes), d, *options), parameters, n, per_call, where)


def _bounds(d: dtypes.dtype, low: int | None = None, high: int | None = None) -> tuple[int, int]:
    """Least integer and number of integers of ``random_``."""
    if high is None:
        if d is dtypes.bool_:
            top = 1
        elif d.is_floating_point:
            top = 1 << {8: 53, 4: 24}.get(d.numpy.itemsize, 8 if d is dtypes.bfloat16 else 11)
        else:
            top = int(np.iinfo(d.numpy).max)
        return (0, top + 1) if low is None else (low, top + 1 - low)
    return low or 0, int(high) - (low or 0)


def _recorded(
    source: Source, name: str, static: Any, parameters: Sequence[Any], n: int, per_call: int, where: device
) -> Tensor:
    stream = source()

    def words(stream: Any) -> list[Any]:
        seed, offset = stream.draw(n, per_call)
        return [x if isinstance(x, jax.Array) else float(x) for x in (*seed, *offset)]

    operands: list[Any] = [from_jax(x, where) if isinstance(x, jax.Array) else x for x in words(stream)]
    numbers = [value_of(x.to(where)) if isinstance(x, Tensor) else float(x) for x in parameters]
    operands += numbers
    kinds = tuple(float if type(x) is float else x.aval for x in operands)
    key = (name, static, kinds, where)
    plan = _plans.get(key)
    if plan is None:
        plan = _plans[key] = Plan(f"random.{name}", _function(name, static), kinds, device=where, node=None)
    recording = session()
    if recording is not None:
        recording.draws += 1
        if not stream.fixed:
            recording.numbers(kinds.count(float), _Replayed(lambda: words(source()), numbers))
    return from_value(record(plan.signature, operands))


class _Replayed:
    """The numbers of a draw, made anew whenever a recorded program is replayed."""

    def __init__(self, words: Callable[[], list[Any]], numbers: Sequence[Any]) -> None:
        self.words, self.numbers = words, [x for x in numbers if type(x) is float]

    def holds(self) -> bool:
        """A draw is the same operation each time."""
        return True

    def __call__(self) -> list[float]:
        return [x for x in self.words() if type(x) is float] + self.numbers


def _function(name: str, static: Any) -> Callable[..., tuple[Any, ...]]:
    """The pure function of a draw: two words of the seed, two of the offset, then parameters."""
    shape, d, *options = static
    kind = d.numpy

    def draw(a: Any, b: Any, c: Any, e: Any, *parameters: Any) -> tuple[Any, ...]:
        seed, offset = (jnp.stack([x.astype(jnp.uint32), y.astype(jnp.uint32)]) for x, y in ((a, b), (c, e)))
        if name == "randperm":
            return (philox.randperm(seed, offset, shape[0], kind),)
        if name in philox_sampling.__all__:
            return (getattr(philox_sampling, name)(seed, offset, shape, kind, *parameters, *options),)
        if name != "integers":
            return (getattr(philox, name)(seed, offset, shape, kind, *parameters),)
        if options[0] is not None:
            low, span = options[0]
            return (philox.integers(seed, offset, shape, kind, low, low + span),)
        words = philox.random_words(seed, offset, shape) % parameters[1].astype(jnp.uint32)
        return ((words.astype(jnp.int64) + parameters[0].astype(jnp.int64)).astype(kind),)

    return draw
