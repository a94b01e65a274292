"""Normalizations: to mean 0 and variance 1 over samples, channels or groups of them, and by neighbours."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from jtorch.ops._checks import kind, not_implemented, scalar_type, wrap_dim
from jtorch.ops._half import widened
from jtorch.ops._plain import average, number
from jtorch.ops._registry import register

__all__ = ["moments"]


def moments(x: Array, axes: tuple[int, ...]) -> tuple[Array, Array]:
    """Mean and (biased) variance over ``axes``, which are kept with size 1."""
    mean = average(x, axes)
    return mean, average(lax.square(lax.sub(x, mean)), axes)


@partial(jax.custom_jvp, nondiff_argnums=(2, 3))
def standardized(
    x: Array, factor: Array, axes: tuple[int, ...], eps: float
) -> tuple[Array, Array, Array, Array]:
    """``(x - mean) * (inverse * factor)``, and over ``axes`` mean, biased variance and inverse deviation.

    ``factor`` has size 1 or that of ``x`` in each dimension, and 1 along ``axes``.
    """
    mean, variance = moments(x, axes)
    inverse = lax.rsqrt(lax.add(variance, number(eps, x)))
    return lax.mul(lax.sub(x, mean), lax.mul(inverse, factor)), mean, variance, inverse


@standardized.defjvp
def _standardized_jvp(axes: tuple[int, ...], eps: float, primals: Any, tangents: Any) -> Any:
    (x, factor), (dx, dfactor) = primals, tangents
    result = standardized(x, factor, axes, eps)
    _, mean, _, inverse = result
    # In terms of the result, as PyTorch's: two sums over the input instead of the four of the steps' own.
    y = lax.mul(lax.sub(x, mean), inverse)
    dmean = average(dx, axes)
    slope = average(lax.mul(y, dx), axes)
    dx = lax.sub(lax.sub(dx, dmean), lax.mul(y, slope))
    dy = lax.add(lax.mul(dx, lax.mul(inverse, factor)), lax.mul(y, dfactor))
    dvariance = lax.div(lax.mul(number(2, x), slope), inverse)
    return result, (dy, dmean, dvariance, lax.mul(lax.mul(lax.neg(inverse), inverse), slope))


def affine(y: Array, weight: Array | None, bias: Array | None, shape: tuple[int, ...]) -> Array:
    """``y * weight + bias``, both brought into ``shape``."""
    factor, term = (
        None if x is None else lax.broadcast_to_rank(lax.reshape(widened(x), shape), y.ndim)
        for x in (weight, bias)
    )
    if factor is not None:
        y = lax.mul(y, factor)
    return y if term is None else lax.add(y, term)


# ---- over the last dimensions --------------------------------------------------------------------------


def check_parameters(input: Array, *parameters: Array | None) -> None:
    """Parameters have the input's dtype; those of half-precision inputs may be float32 instead.

    Raises:
        RuntimeError: other dtypes.
    """
    given = [x for x in parameters if x is not None]
    if not given:
        return
    if given[0].dtype == input.dtype:
        for x in given:
            if x.dtype != input.dtype:
                raise RuntimeError(f"expected scalar type {scalar_type(input)} but found {scalar_type(x)}")
        return
    if any(x.dtype != jnp.float32 for x in given):
        raise RuntimeError("mixed dtype (CPU): expect parameter to have scalar type of Float")
    if input.dtype not in (jnp.float16, jnp.bfloat16):
        raise RuntimeError("mixed dtype (CPU): all inputs must share same datatype.")


def check_normalized(
    name: str,
    input: Array,
    normalized_shape: Sequence[int],
    weight: Array | None,
    bias: Array | None = None,
) -> tuple[int, ...]:
    """The axes to normalize over, which must have the sizes named, as must weight and bias."""
    shape = list(normalized_shape)
    if not shape:
        raise RuntimeError(
            "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element, "
            "but got normalized_shape = []"
        )
    for label, x in (("weight", weight), ("bias", bias)):
        if x is not None and list(x.shape) != shape:
            raise RuntimeError(
                f"Expected {label} to be of same shape as normalized_shape, but got {label} of shape "
                f"{list(x.shape)} and normalized_shape = {shape}"
            )
    if list(input.shape[max(input.ndim - len(shape), 0) :]) != shape:
        wanted = ("*" if name == "rms_norm" else "*, ") + ", ".join(map(str, shape))
        raise RuntimeError(
            f"Given normalized_shape={shape}, expected input with shape [{wanted}], "
            f"but got input of size{list(input.shape)}"
        )
    if kind(input) in "bi" or (kind(input) == "c" and name == "LayerNormKernelImpl"):
        raise not_implemented(name, input)
    if name != "rms_norm":
        check_parameters(input, weight, bias)
    return tuple(range(input.ndim - len(shape), input.ndim))


@register(
    "_native_layer_norm",
    node="NativeLayerNormBackward0",
    static="normalized_shape eps",
    promote=None,
    saves="input weight",
    watches="input weight bias",
)
def native_layer_norm(
    input: Array, normalized_shape: Sequence[int], weight: Array | None, bias: Array | None, eps: float
) -> tuple[Array, Array, Array]:
    """:func:`layer_norm` with the mean and the inverse standard deviation of each sample."""
    axes = check_normalized("LayerNormKernelImpl", input, normalized_shape, weight, bias)
    x = widened(input)
    if x.size:
        y, mean, _, inverse = standardized(x, jnp.ones((), x.dtype), axes, eps)
    else:
        y, mean = x, jnp.zeros_like(x, shape=(*x.shape[: axes[0]], *(1 for _ in axes)))
        inverse = jnp.full_like(mean, 1 / math.sqrt(1 + eps))
    y = affine(y, weight, bias, tuple(normalized_shape)).astype(input.dtype)
    return y, mean.astype(input.dtype), inverse.astype(input.dtype)


@register(
    "nn.functional.layer_norm",
    node="NativeLayerNormBackward0",
    static="normalized_shape eps",
    promote=None,
    saves="input weight",
    watches="input weight bias",
)
def layer_norm(
    input: Array,
    normalized_shape: Sequence[int],
    weight: Array | None = None,
    bias: Array | None = None,
    eps: float = 1e-5,
) -> Array:
    """Each sample's last dimensions to mean 0 and variance 1, then times ``weight`` plus ``bias``.

    Args:
        input: shape ``(*, *normalized_shape)``, floating.
        normalized_shape: the sizes of those dimensions.
        weight: of that shape.
        bias: of that shape.
        eps: added to the variance.

    Raises:
        RuntimeError: shapes that do not agree.

    Reference: Ba et al., "Layer Normalization", 2016, https://arxiv.org/abs/1607.06450
    """
    return native_layer_norm(input, normalized_shape, weight, bias, eps)[0]


@register(
    "layer_norm",
    node="NativeLayerNormBackward0",
    static="normalized_shape eps cudnn_enable",
    promote=None,
    saves="input weight",
    watches="input weight bias",
)
def layer_norm_with_switch(
    input: Array,
    normalized_shape: Sequence[int],
    weight: Array | None = None,
    bias: Array | None = None,
    eps: float = 1e-5,
    cudnn_enable: bool = True,
) -> Array:
    """:func:`layer_norm`; the switch has no meaning here."""
    return layer_norm(input, normalized_shape, weight, bias, eps)


@register(
    "rms_norm",
    node="MulBackward0",
    static="normalized_shape eps",
    promote=None,
    saves="intermediate",
    watches="input@input weight@input",
    aliases="nn.functional.rms_norm",
)
def rms_norm(
    input: Array, normalized_shape: Sequence[int], weight: Array | None = None, eps: float | None = None
) -> Array:
    """``input`` divided by the root of the mean square of its last dimensions, times ``weight``.

    Args:
        input: shape ``(*, *normalized_shape)``.
        normalized_shape: the sizes of those dimensions.
        weight: of that shape, and any floating dtype; the result has that of ``input``.
        eps: added to the mean square; the spacing of 1 in the dtype computed in by default.

    Raises:
        RuntimeError: shapes that do not agree.
        ValueError: ``input`` has fewer dimensions than are normalized.

    Reference: Zhang and Sennrich, 2019, https://arxiv.org/abs/1910.07467
    """
    if input.ndim < len(normalized_shape):
        raise ValueError(
            f"Input tensor must have at least {len(normalized_shape)} dimensions, but got {input.ndim}"
        )
    axes = check_normalized("rms_norm", input, normalized_shape, weight)
    x = widened(input)
    eps = float(jnp.finfo(x.dtype).eps) if eps is None else eps
    squares = jnp.square(x) if kind(x) == "f" else x * x
    y = x * lax.rsqrt(jnp.mean(squares, axes, keepdims=True) + eps)
    if weight is not None:
        y = y.astype(jnp.promote_types(y.dtype, weight.dtype))
        y = affine(y, weight.astype(y.dtype), None, tuple(normalized_shape))
    if kind(y) == "c" and kind(input) == "f":
        y = y.real
    return y.astype(input.dtype)


# ---- over groups of channels ---------------------------------------------------------------------------


def check_channels(input: Array, weight: Array | None, bias: Array | None, groups: int) -> None:
    """Weight and bias per channel, and channels that the groups divide."""
    if input.ndim < 2:
        raise RuntimeError(f"Expected at least 2 dimensions for input tensor but received {input.ndim}")
    channels = input.shape[1]
    if groups <= 0:
        raise RuntimeError(f"Expected num groups to be greater than 0, got {groups}")
    if channels % groups:
        raise RuntimeError(
            "Expected number of channels in input to be divisible by num_groups, but got input of shape "
            f"{list(input.shape)} and num_groups={groups}"
        )
    for label, x in (("weight", weight), ("bias", bias)):
        if x is not None and x.shape != (channels,):
            raise RuntimeError(
                f"Expected {label} to be a vector of size equal to the number of channels in input, but got "
                f"{label} of shape {list(x.shape)} and input of shape {list(input.shape)}"
            )
    if kind(input) == "f":
        check_parameters(input, weight, bias)


def normalized_groups(
    input: Array, groups: int, weight: Array | None, bias: Array | None, eps: float
) -> tuple[Array, Array, Array]:
    """The result of ``group_norm``, with means and inverse deviations, shape ``(N, groups)``."""
    if kind(input) != "f":
        raise not_implemented("GroupNormKernelImpl", input)
    batch, channels = input.shape[:2]
    x = widened(input)
    grouped = x.reshape(batch, groups, math.prod(x.shape[1:]) // groups)
    y, mean, _, inverse = standardized(grouped, jnp.ones((), x.dtype), (2,), eps)
    y = y.reshape(x.shape)
    y = affine(y, weight, bias, (channels, *(1 for _ in x.shape[2:])))
    return y.astype(input.dtype), mean[:, :, 0], inverse[:, :, 0]


@register(
    "nn.functional.group_norm",
    node="NativeGroupNormBackward0",
    static="num_groups eps",
    promote=None,
    saves="input weight",
    watches="input weight",
)
def group_norm(
    input: Array,
    num_groups: int,
    weight: Array | None = None,
    bias: Array | None = None,
    eps: float = 1e-5,
) -> Array:
    """Each group of channels of each sample to mean 0 and variance 1, then times ``weight`` plus ``bias``.

    Args:
        input: shape ``(N, C, *)``, floating.
        num_groups: divides C.
        weight: factor of each channel, ``(C,)``.
        bias: ``(C,)``.
        eps: added to the variance.

    Raises:
        RuntimeError: shapes that do not agree.

    Reference: Wu and He, "Group Normalization", 2018, https://arxiv.org/abs/1803.08494
    """
    check_channels(input, weight, bias, num_groups)
    if input.shape[0] * input.shape[1] // num_groups * math.prod(input.shape[2:]) == 1 and input.ndim > 1:
        raise ValueError(
            "Expected more than 1 value per channel when training, got input size "
            f"[{input.shape[0] * input.shape[1] // num_groups}, {num_groups}]"
        )
    return normalized_groups(input, num_groups, weight, bias, eps)[0]


@register(
    "group_norm",
    node="NativeGroupNormBackward0",
    static="num_groups eps cudnn_enabled",
    promote=None,
    saves="input weight",
    watches="input weight",
)
def group_norm_with_switch(
    input: Array,
    num_groups: int,
    weight: Array | None = None,
    bias: Array | None = None,
    eps: float = 1e-5,
    cudnn_enabled: bool = True,
) -> Array:
    """:func:`group_norm`; the switch has no meaning here."""
    check_channels(input, weight, bias, num_groups)
    return normalized_groups(input, num_groups, weight, bias, eps)[0]


@register(
    "native_group_norm",
    node="NativeGroupNormBackward0",
    static="N C HxW group eps",
    promote=None,
    saves="input weight",
    watches="input weight",
)
def native_group_norm(
    input: Array,
    weight: Array | None,
    bias: Array | None,
    N: int,
    C: int,
    HxW: int,
    group: int,
    eps: float,
) -> tuple[Array, Array, Array]:
    """:func:`group_norm` with means and inverse standard deviations, shape ``(N, group)``."""
    check_channels(input, weight, bias, group)
    y, mean, inverse = normalized_groups(input, group, weight, bias, eps)
    return y, mean.astype(input.dtype), inverse.astype(input.dtype)


# ---- per channel ---------------------------------------------------------------------------------------


def check_batch_norm(
    input: Array, operands: Sequence[tuple[str, Array | None]], training: bool, has_statistics: bool
) -> None:
    """One number per channel in each operand."""
    channels = input.shape[1] if input.ndim > 1 else 1
    if not training and not has_statistics:
        name = "running_mean" if operands[0][1] is None else "running_var"
        raise RuntimeError(f"{name} must be defined in evaluation mode")
    if input.ndim < 2:
        wrap_dim(1, input.ndim)
    for name, x in operands:
        if x is not None and x.size != channels:
            raise RuntimeError(f"{name} should contain {channels} elements not {x.size}")
        if x is not None and x.ndim != 1 and name.startswith("running"):
            raise RuntimeError(f"TensorAccessor expected 1 dims but tensor has {x.ndim}")
    if kind(input) != "f":
        raise not_implemented("batch_norm", input)
    check_parameters(input, *(x for _, x in operands))


@register(
    "_batch_norm",
    node="NativeBatchNormBackward0",
    static="training eps",
    promote=None,
    saves="input weight running_mean running_var",
    watches="input weight",
)
def batch_norm(
    input: Array,
    running_mean: Array | None,
    running_var: Array | None,
    weight: Array | None,
    bias: Array | None,
    training: bool,
    momentum: Array | float = 0.1,
    eps: float = 1e-5,
) -> tuple[Array, Array, Array, Array, Array]:
    """Each channel to mean 0 and variance 1, then times ``weight`` plus ``bias``.

    Args:
        input: shape ``(N, C, *)``.
        running_mean: means of earlier batches, ``(C,)``; used if not ``training``.
        running_var: their unbiased variances.
        weight: factor of each channel.
        bias: per channel.
        training: use this batch's moments.
        momentum: share of this batch in the new running statistics.
        eps: added to the variance.

    Returns:
        The result; mean and inverse deviation that it was computed with; the new running mean and variance.

    Reference: Ioffe and Szegedy, 2015, https://arxiv.org/abs/1502.03167
    """
    names = ("running_mean", "running_var", "weight", "bias")
    operands = list(zip(names, (running_mean, running_var, weight, bias), strict=True))
    check_batch_norm(input, operands, training, running_mean is not None and running_var is not None)
    x = widened(input)
    axes = (0, *range(2, x.ndim))
    shape = (1, x.shape[1], *(1 for _ in x.shape[2:]))
    count = x.size // max(x.shape[1], 1)
    # One product and one sum per element: the factors are per channel.
    factor = jnp.ones((), x.dtype) if weight is None else widened(weight).reshape(shape)
    if training:
        y, mean, variance, inverse = standardized(x, factor, axes, eps)
    else:
        assert running_mean is not None
        assert running_var is not None
        mean, variance = (widened(s).astype(x.dtype).reshape(shape) for s in (running_mean, running_var))
        inverse = lax.rsqrt(variance + eps)
        y = (x - mean) * (inverse * factor)
    y = affine(y, None, bias, shape).astype(input.dtype)
    new_mean, new_var = running_mean, running_var
    if training and running_mean is not None:
        new_mean = blended(running_mean, mean, momentum)
    if training and running_var is not None:
        new_var = blended(running_var, variance * (count / max(count - 1, 1)), momentum)
    empty = jnp.zeros((0,), x.dtype)
    results = (
        mean.reshape(-1).astype(input.dtype) if training else empty.astype(input.dtype),
        inverse.reshape(-1).astype(input.dtype) if training else empty.astype(input.dtype),
        empty if new_mean is None else new_mean,
        empty if new_var is None else new_var,
    )
    return y, *(lax.stop_gradient(r) for r in results)  # type: ignore[return-value]


def blended(old: Array, new: Array, share: Array | float) -> Array:
    """``(1 - share) * old + share * new`` in the type of ``old``."""
    wide = widened(old)
    share = lax.convert_element_type(share, wide.dtype)
    new = lax.convert_element_type(lax.reshape(new, old.shape), wide.dtype)
    kept = lax.mul(lax.sub(number(1, wide), share), wide)
    return lax.convert_element_type(lax.add(kept, lax.mul(share, new)), old.dtype)


@register(
    "_instance_norm",
    node="ViewBackward0",
    static="use_input_stats eps",
    promote=None,
    saves="input running_mean running_var intermediate",
)
def instance_norm(
    input: Array,
    running_mean: Array | None,
    running_var: Array | None,
    weight: Array | None,
    bias: Array | None,
    use_input_stats: bool,
    momentum: Array | float,
    eps: float,
) -> tuple[Array, Array, Array]:
    """Each channel of each sample to mean 0 and variance 1, then times ``weight`` plus ``bias``.

    Args:
        input: shape ``(N, C, *)``.
        running_mean: means of earlier batches, ``(C,)``; used if not ``use_input_stats``.
        running_var: their unbiased variances.
        weight: factor of each channel.
        bias: per channel.
        use_input_stats: use each sample's own moments.
        momentum: share of this batch in the new running statistics.
        eps: added to the variance.

    Returns:
        The result, the new running mean and the new running variance.

    Reference: Ulyanov et al., 2016, https://arxiv.org/abs/1607.08022
    """
    if not use_input_stats and (running_mean is None or running_var is None):
        raise RuntimeError(
            "Expected running_mean and running_var to be defined when use_input_stats is false"
        )
    if kind(input) != "f":
        raise not_implemented("batch_norm", input)
    batch, channels = input.shape[:2]
    names = ("weight", "bias", "running_mean", "running_var")
    for name, s in zip(names, (weight, bias, running_mean, running_var), strict=True):
        if s is not None and s.size != channels:
            raise RuntimeError(f"{name} should contain {channels * batch} elements not {s.size * batch}")
    check_parameters(input, weight, bias)
    x = widened(input)
    shape = (1, channels, *(1 for _ in x.shape[2:]))
    if use_input_stats:
        y, mean, variance, _ = standardized(x, jnp.ones((), x.dtype), tuple(range(2, x.ndim)), eps)
    else:
        assert running_mean is not None
        assert running_var is not None
        mean, variance = (widened(s).astype(x.dtype).reshape(shape) for s in (running_mean, running_var))
        y = (x - mean) * lax.rsqrt(variance + eps)
    y = affine(y, weight, bias, shape).astype(input.dtype)
    count = math.prod(x.shape[2:])
    empty = jnp.zeros((0,), x.dtype)
    new_mean = empty if running_mean is None else running_mean
    new_var = empty if running_var is None else running_var
    if use_input_stats and running_mean is not None and running_var is not None:
        new_mean = blended(running_mean, jnp.mean(mean, 0), momentum)
        new_var = blended(running_var, jnp.mean(variance, 0) * (count / max(count - 1, 1)), momentum)
    return y, lax.stop_gradient(new_mean), lax.stop_gradient(new_var)


# ---- by neighbours -------------------------------------------------------------------------------------


@register(
    "nn.functional.local_response_norm",
    node="DivBackward0",
    static="size alpha beta k",
    promote=None,
    opmath=True,
)
def local_response_norm(
    input: Array, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Array:
    """``input / (k + alpha * m) ** beta``, m being the mean square of ``size`` neighbouring channels.

    Args:
        input: shape ``(N, C, *)``.
        size: channels counted, itself in the middle; those missing at the edges count as 0.
        alpha: see above.
        beta: see above.
        k: see above.

    Raises:
        ValueError: fewer than 3 dimensions.

    Reference: Krizhevsky et al., "ImageNet Classification with Deep CNNs", 2012, section 3.3.
    """
    if input.ndim < 3:
        raise ValueError(
            f"Expected 3D or higher dimensionality                          input (got {input.ndim} "
            "dimensions)"
        )
    if size <= 0:
        raise RuntimeError(
            "kernel size should be greater than zero, but got "
            + (f"kH: {size} kW: 1" if input.ndim == 3 else f"kT: {size} kH: 1 kW: 1")
        )
    if not input.size:
        return input
    squares = input * input
    padding = [(0, 0), (size // 2, (size - 1) // 2), *((0, 0) for _ in input.shape[2:])]
    around = jnp.pad(squares, padding)
    channels = input.shape[1]
    total = sum((around[:, i : i + channels] for i in range(1, size)), around[:, :channels])
    if kind(input) == "i":  # the mean of integers is one, rounded towards 0
        mean = lax.div(total, jnp.full_like(total, size)).astype(jnp.float32)
        return input.astype(jnp.float32) / (k + alpha * mean) ** beta
    return input / (k + alpha * (total / size)) ** beta
