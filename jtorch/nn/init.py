"""Initialisation of parameters, with PyTorch's draws."""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from jtorch.dtypes import HALF, scalar_type_name
from jtorch.tensor import Tensor
from jtorch.tensor._autograd import no_grad
from jtorch.tensor._creation import empty, from_numpy
from jtorch.tensor._random import randperm

__all__ = [
    "calculate_gain",
    "constant",
    "constant_",
    "dirac",
    "dirac_",
    "eye",
    "eye_",
    "kaiming_normal",
    "kaiming_normal_",
    "kaiming_uniform",
    "kaiming_uniform_",
    "normal",
    "normal_",
    "ones_",
    "orthogonal",
    "orthogonal_",
    "sparse",
    "sparse_",
    "trunc_normal_",
    "uniform",
    "uniform_",
    "xavier_normal",
    "xavier_normal_",
    "xavier_uniform",
    "xavier_uniform_",
    "zeros_",
]

_LINEAR = ["linear", "sigmoid", *(f"conv{kind}{n}d" for kind in ("", "_transpose") for n in (1, 2, 3))]


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """Factor by which a nonlinearity shrinks the standard deviation of what passes through it.

    Args:
        nonlinearity: ``"linear"``, ``"conv2d"``, ``"sigmoid"``, ``"tanh"``, ``"relu"``, ``"leaky_relu"``, ...
        param: the slope of a leaky rectifier below zero.
    """
    if nonlinearity in _LINEAR:
        return 1
    if nonlinearity == "tanh":
        return 5.0 / 3
    if nonlinearity == "relu":
        return math.sqrt(2.0)
    if nonlinearity == "leaky_relu":
        if param is None:
            slope = 0.01
        elif isinstance(param, int | float) and not isinstance(param, bool):
            slope = param
        else:
            raise ValueError(f"negative_slope {param} not a valid number")
        return math.sqrt(2.0 / (1 + slope**2))
    if nonlinearity == "selu":
        # Found empirically, as PyTorch notes.
        return 3.0 / 4
    raise ValueError(f"Unsupported nonlinearity {nonlinearity}")


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Any = None) -> Tensor:
    """Draw from the uniform distribution over [a, b)."""
    with no_grad():
        return tensor.uniform_(a, b, generator=generator)


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Any = None) -> Tensor:
    """Draw from a normal distribution."""
    with no_grad():
        return tensor.normal_(mean, std, generator=generator)


def _phi(x: float) -> float:
    return (1.0 + math.erf(x / math.sqrt(2.0))) / 2.0


def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Any = None,
) -> Tensor:
    """Draw from a normal distribution restricted to [a, b].

    By rejection: of normal draws where the interval holds more than 30 % of the mass, else of uniform ones.
    """
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            "mean is more than 2 std from [a, b] in nn.init.trunc_normal_. The distribution of values may be "
            "incorrect.",
            stacklevel=2,
        )
    with no_grad():
        if tensor.numel() == 0 or tensor.is_meta:
            return tensor
        mass = _phi((b - mean) / std) - _phi((a - mean) / std)
        draw = _truncated_from_normal if mass > 0.3 else _truncated_from_uniform
        return draw(tensor, mean, std, a, b, generator)


def _truncated_from_normal(
    tensor: Any, mean: float, std: float, a: float, b: float, generator: Any
) -> Tensor:
    tensor.normal_(mean, std, generator=generator)
    kind = tensor.dtype.numpy
    low, high = np.asarray(a, kind), np.asarray(b, kind)
    values = np.array(tensor.cpu()._host())
    outside = (values < low) | (values > high)
    again = tensor.cpu().clone()
    while outside.any():
        again.normal_(mean, std, generator=generator)
        values = np.where(outside, again._host(), values)
        outside = (values < low) | (values > high)
    return tensor.copy_(from_numpy(values))


def _truncated_from_uniform(
    tensor: Any, mean: float, std: float, a: float, b: float, generator: Any
) -> Tensor:
    peak = -0.5 * ((min(max(mean, a), b) - mean) / std) ** 2
    candidate, accept = tensor.cpu().clone(), tensor.cpu().clone()
    values = np.zeros(tensor.shape, tensor.dtype.numpy)
    pending = np.ones(tensor.shape, bool)
    while pending.any():
        candidate.uniform_(a, b, generator=generator)
        accept.uniform_(0, 1, generator=generator)
        x = np.array(candidate._host())
        values = np.where(pending, x, values)
        with np.errstate(divide="ignore"):
            rejected = np.log(accept._host()) > -0.5 * ((x - mean) / std) ** 2 - peak
        pending &= rejected
    return tensor.copy_(from_numpy(values))


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill with a number."""
    with no_grad():
        return tensor.fill_(val)


def ones_(tensor: Tensor) -> Tensor:
    """Fill with ones."""
    return constant_(tensor, 1.0)


def zeros_(tensor: Tensor) -> Tensor:
    """Fill with zeros."""
    with no_grad():
        return tensor.zero_()


def eye_(tensor: Tensor) -> Tensor:
    """Make a matrix the identity.

    Raises:
        ValueError: it is no matrix.
    """
    if tensor.ndimension() != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    return _fill(tensor, np.eye(*tensor.shape))


def _fill(tensor: Any, array: np.ndarray[Any, Any]) -> Tensor:
    with no_grad():
        return tensor.copy_(from_numpy(array.astype(tensor.dtype.numpy)))


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """Make a convolution's weight one that hands as many channels through as it can, in each group.

    Raises:
        ValueError: not 3, 4 or 5 dimensions, or output channels that ``groups`` does not divide.
    """
    sizes = tensor.size()
    if len(sizes) not in (3, 4, 5):
        raise ValueError("Only tensors with 3, 4, or 5 dimensions are supported")
    if sizes[0] % groups:
        raise ValueError("dim 0 must be divisible by groups")
    array = np.zeros(sizes)
    each = sizes[0] // groups
    centre = tuple(n // 2 for n in sizes[2:])
    for g in range(groups):
        for d in range(min(each, sizes[1])):
            array[(g * each + d, d, *centre)] = 1
    return _fill(tensor, array)


def _calculate_fan_in_and_fan_out(tensor: Any) -> tuple[int, int]:
    """Inputs per output and outputs per input of a weight."""
    sizes = tensor.size()
    if len(sizes) < 2:
        raise ValueError("Fan in and fan out can not be computed for tensor with fewer than 2 dimensions")
    field = math.prod(sizes[2:])
    return sizes[1] * field, sizes[0] * field


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Any = None) -> Tensor:
    """Uniform between +-gain * sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio, 2010)."""
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    std = gain * math.sqrt(2.0 / float(fan_in + fan_out))
    bound = math.sqrt(3.0) * std
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Any = None) -> Tensor:
    """Normal with deviation gain * sqrt(2 / (fan_in + fan_out)) (Glorot and Bengio, 2010)."""
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / float(fan_in + fan_out)), generator)


def _calculate_correct_fan(tensor: Any, mode: str) -> int:
    mode = mode.lower()
    modes = ["fan_in", "fan_out"]
    if mode not in modes:
        raise ValueError(f"Mode {mode} not supported, please use one of {modes}")
    return _calculate_fan_in_and_fan_out(tensor)[mode == "fan_out"]


def _kaiming_std(tensor: Any, a: float, mode: str, nonlinearity: str) -> float | None:
    if 0 in tensor.shape:
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=3)
        return None
    fan = _calculate_correct_fan(tensor, mode)
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Any = None,
) -> Tensor:
    """Uniform between +-gain * sqrt(3 / fan) (He et al., 2015).

    Args:
        tensor: the weight.
        a: slope below zero of the rectifier that follows (``"leaky_relu"``).
        mode: ``"fan_in"`` keeps the variance of the forward pass, ``"fan_out"`` of the backward pass.
        nonlinearity: name of what follows; see :func:`calculate_gain`.
        generator: source of the draws.
    """
    std = _kaiming_std(tensor, a, mode, nonlinearity)
    if std is None:
        return tensor
    bound = math.sqrt(3.0) * std
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Any = None,
) -> Tensor:
    """Normal with deviation gain / sqrt(fan); arguments as :func:`kaiming_uniform_`."""
    std = _kaiming_std(tensor, a, mode, nonlinearity)
    return tensor if std is None else normal_(tensor, 0, std, generator)


def orthogonal_(tensor: Any, gain: float = 1, generator: Any = None) -> Tensor:
    """A (semi-)orthogonal matrix; further dimensions count as columns (Saxe et al., 2013).

    Raises:
        ValueError: fewer than 2 dimensions.
    """
    if tensor.ndimension() < 2:
        raise ValueError("Only tensors with 2 or more dimensions are supported")
    if not tensor.numel() or tensor.is_meta:
        return tensor
    if tensor.dtype in HALF:
        raise NotImplementedError(f"\"geqrf_cpu\" not implemented for '{scalar_type_name(tensor.dtype)}'")
    rows = tensor.size(0)
    with no_grad():
        flat = empty(rows, tensor.numel() // rows, dtype=tensor.dtype).normal_(0, 1, generator=generator)
        drawn = np.array(flat._host())
    if drawn.shape[0] < drawn.shape[1]:
        drawn = drawn.T
    q, r = np.linalg.qr(drawn)
    # Makes the distribution uniform over orthogonal matrices (Mezzadri, 2006).
    q *= np.sign(np.diag(r))
    if rows < tensor.numel() // rows:
        q = q.T
    _fill(tensor, q.reshape(tensor.shape))
    with no_grad():
        return tensor.mul_(gain)


def sparse_(tensor: Any, sparsity: float, std: float = 0.01, generator: Any = None) -> Tensor:
    """A normal matrix in each of whose columns a fraction of the entries is zero (Martens, 2010).

    Raises:
        ValueError: it is no matrix.
    """
    if tensor.ndimension() != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    rows, columns = tensor.shape
    zeros = math.ceil(sparsity * rows)
    with no_grad():
        tensor.normal_(0, std, generator=generator)
        values = np.array(tensor.cpu()._host())
        for column in range(columns):
            values[randperm(rows)[:zeros]._host(), column] = 0
    return _fill(tensor, values)


def _deprecated(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The old name, without the underscore."""
    new = function.__name__
    old = new[:-1]

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Tensor:
        warnings.warn(
            f"`nn.init.{old}` is now deprecated in favor of `nn.init.{new}`.", FutureWarning, stacklevel=2
        )
        return function(*args, **kwargs)

    wrapper.__name__ = wrapper.__qualname__ = old
    return wrapper


uniform = _deprecated(uniform_)
normal = _deprecated(normal_)
constant = _deprecated(constant_)
eye = _deprecated(eye_)
dirac = _deprecated(dirac_)
xavier_uniform = _deprecated(xavier_uniform_)
xavier_normal = _deprecated(xavier_normal_)
kaiming_uniform = _deprecated(kaiming_uniform_)
kaiming_normal = _deprecated(kaiming_normal_)
orthogonal = _deprecated(orthogonal_)
sparse = _deprecated(sparse_)
