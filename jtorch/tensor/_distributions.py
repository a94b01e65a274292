"""Samples of other distributions: categories, counts, waiting times, heavy tails; with PyTorch's bits."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from jtorch import dtypes, rng
from jtorch.devices import META
from jtorch.dispatch import GRAD, modes
from jtorch.ops._registry import OPS
from jtorch.tensor._arguments import into, make
from jtorch.tensor._core import Tensor, run
from jtorch.tensor._counter_draws import counter_sample
from jtorch.tensor._formats import strides_like
from jtorch.tensor._methods import method
from jtorch.tensor._random import fill_with, source_of, stream_of, with_history
from jtorch.tensor._storage import strides_of
from jtorch.tensor._value_checks import known_values

__all__ = ["binomial", "multinomial", "poisson"]

#: Draws nothing: samplers of arrays without elements only check their dtypes.
_SCRATCH = rng.MT19937(0)


def multinomial(
    input: Tensor, num_samples: int, replacement: bool = False, *, generator: Any = None, out: Any = None
) -> Tensor:
    """Draw category numbers by weight, for each row (``torch.multinomial``).

    Args:
        input: weights, shape ``(K,)`` or ``(N, K)``; they need not add up to 1.
        num_samples: how many to draw from each row.
        replacement: whether a row may have a category twice.
        generator: the stream to draw from.
        out: int64 tensor to store the result in.

    Returns:
        int64, shape ``(num_samples,)`` or ``(N, num_samples)``.

    Raises:
        RuntimeError: weights that are no distribution, or more samples than categories.
    """
    aval = input._aval()
    if out is not None and out._aval().dtype is not dtypes.int64:
        raise RuntimeError(
            f"multinomial expects Long tensor out, got: {dtypes.scalar_type_name(out._aval().dtype)}"
        )
    if aval.device is META:
        return make(np.zeros((*aval.shape[:-1], num_samples), np.int64), META)
    stream = stream_of(generator, aval.device)
    if isinstance(stream, rng.MT19937):
        strides = strides_like(aval.shape, strides_of(input))
        drawn = rng.multinomial(stream, np.array(input._host()), num_samples, replacement, strides)
        made = make(np.asarray(drawn, order="C"), aval.device)
    else:
        made = _counted(input, num_samples, replacement, generator)
    return made if out is None else into(out, made)


def _counted(input: Tensor, num_samples: int, replacement: bool, generator: Any) -> Tensor:
    """:func:`multinomial` of a counter-based stream.

    Differs from PyTorch: weights that the host does not know are not checked; see ``rng.philox_sampling``.
    """
    aval = input._aval()
    rng.check_multinomial(jax.ShapeDtypeStruct(aval.shape, aval.dtype.numpy), num_samples, replacement)
    _look(input, rng.check_weights)
    by_race = not replacement or num_samples == 1
    sizes = (*aval.shape[:-1], num_samples)
    numbers = aval.size if by_race else math.prod(sizes), 4 if by_race and aval.dtype.itemsize < 8 else 2
    return counter_sample(
        source_of(generator, aval.device),
        "multinomial",
        sizes,
        dtypes.int64,
        (input.detach(),),
        aval.device,
        (replacement,),
        *numbers,
    )


def _look(x: Tensor, check: Callable[[Any], None]) -> None:
    """Check values, if nothing has to run for it."""
    known = known_values(x)
    if known is not None and known.size:
        check(known)


def poisson(input: Tensor, generator: Any = None) -> Tensor:
    """Draw Poisson numbers whose rates are the elements of ``input`` (``torch.poisson``)."""
    return with_history(
        _elementwise(rng.poisson, generator, input, check=rng.check_rate), "PoissonBackward0", input
    )


def binomial(count: Tensor, prob: Tensor, generator: Any = None) -> Tensor:
    """Draw how many of ``count`` trials succeed with probability ``prob`` (``torch.binomial``)."""
    return _elementwise(rng.binomial, generator, count, prob)


def _elementwise(
    sampler: Any, generator: Any, *parameters: Tensor, check: Callable[[Any], None] | None = None
) -> Tensor:
    """A sample for each element of the parameters, of which a sampler of :mod:`jtorch.rng` makes arrays.

    Args:
        sampler: also names a function of ``rng.philox_sampling``.
        generator: as the user gave it.
        *parameters: of shapes that broadcast; the first one's dtype is the result's.
        check: of the first one's values; the sampler does that on the CPU.
    """
    first = parameters[0]._aval()
    shape = np.broadcast_shapes(*(t._aval().shape for t in parameters))
    if first.device is META:
        return make(np.zeros(shape, first.dtype.numpy), META)
    stream = stream_of(generator, first.device)
    if isinstance(stream, rng.MT19937):
        arrays = np.broadcast_arrays(*(np.array(t._host()) for t in parameters))
        return make(np.asarray(sampler(stream, *arrays), order="C"), first.device)
    sampler(_SCRATCH, *(np.empty((0,), t._aval().dtype.numpy) for t in parameters))  # checks dtypes
    if check is not None:
        _look(parameters[0], check)
    given = [t.detach() for t in parameters]
    source = source_of(generator, first.device)
    return counter_sample(source, sampler.__name__, shape, first.dtype, given, first.device)


def _refuse_gradient(input: Tensor, name: str) -> None:
    if input._tracked and modes.level == GRAD:
        raise NotImplementedError(f"{name}: the gradient of samples to their parameters is missing")


def _standard_gamma(input: Tensor, generator: Any = None) -> Tensor:
    """Draw gamma numbers of rate 1 whose shapes are the elements of ``input``."""
    _refuse_gradient(input, "_standard_gamma")
    return _elementwise(rng.standard_gamma, generator, input)


def _sample_dirichlet(input: Tensor, generator: Any = None) -> Tensor:
    """Draw points of the simplex; the last dimension of ``input`` holds the concentrations."""
    _refuse_gradient(input, "_sample_dirichlet")
    return _elementwise(rng.dirichlet, generator, input)


def _standard_gamma_grad(input: Tensor, output: Tensor) -> Tensor:
    """Slope of gamma samples ``output`` with respect to their shapes ``input``."""
    return run(OPS["_standard_gamma_grad"], (input, output))  # type: ignore[no-any-return]


def _dirichlet_grad(x: Tensor, alpha: Tensor, total: Tensor) -> Tensor:
    """Slope of coordinates of Dirichlet samples with respect to their concentrations, over 1 - x."""
    return run(OPS["_dirichlet_grad"], (x, alpha, total))  # type: ignore[no-any-return]


method(multinomial)


@method
def exponential_(self: Tensor, lambd: float = 1, *, generator: Any = None) -> Tensor:
    """Fill with exponential numbers of rate ``lambd``."""
    return fill_with(self, rng.exponential, generator, float(lambd))


@method
def geometric_(self: Tensor, p: float, *, generator: Any = None) -> Tensor:
    """Fill with the numbers of trials up to the first success."""
    return fill_with(self, rng.geometric, generator, float(p))


@method
def cauchy_(self: Tensor, median: float = 0, sigma: float = 1, *, generator: Any = None) -> Tensor:
    """Fill with Cauchy numbers."""
    return fill_with(self, rng.cauchy, generator, float(median), float(sigma))


@method
def log_normal_(self: Tensor, mean: float = 1, std: float = 2, *, generator: Any = None) -> Tensor:
    """Fill with numbers whose logarithms are normal."""
    return fill_with(self, rng.log_normal, generator, float(mean), float(std))
