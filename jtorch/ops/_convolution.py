"""Convolutions and transposed convolutions in one, two and three dimensions."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jax import Array

from jtorch.ops._checks import kind, reject_kinds, scalar_type, type_name
from jtorch.ops._convolution_kernels import Geometry, convolve, convolve_transposed
from jtorch.ops._registry import register

Sizes = int | Sequence[int]


def per_dimension(name: str, value: Sizes, ndim: int, given: int) -> tuple[int, ...]:
    """An argument of a convolution, repeated for each of ``ndim`` spatial dimensions.

    Raises:
        RuntimeError: another number of values.
    """
    values = (value,) * given if isinstance(value, int) else tuple(value)
    if len(values) == 1:
        values = values * ndim
    if len(values) != ndim:
        raise RuntimeError(
            f"expected {name} to be a single integer value or a list of {ndim} values to match the "
            "convolution "
            f"dimensions, but got {name}={list(values)}"
        )
    return values


def tensor_type(x: Any) -> str:
    """The name of an array's type in the texts of convolutions."""
    names = {"float32": "Float", "float64": "Double", "float16": "Half", "int64": "Long", "int32": "Int"}
    if x.dtype.name in names:
        return f"torch.{names[x.dtype.name]}Tensor"
    others = {"bfloat16": "BFloat16", "complex64": "ComplexFloat", "complex128": "ComplexDouble"}
    return f"CPU{others.get(x.dtype.name, x.dtype.name.capitalize())}Type"


def by_library(x: Array, weight: Array, groups: int) -> bool:
    """Whether PyTorch leaves this batch to oneDNN, whose wrapper has texts of its own for some errors."""
    wide = weight.ndim > 3 and min(weight.shape[-2:]) > 3
    large = x.shape[0] > 1 or groups > 1 or math.prod(x.shape[:4]) > 20480
    return x.dtype.name == "float32" and (wide or large)


def check_types(x: Array, weight: Array, groups: int) -> None:
    """One dtype for a batch and the weight."""
    if x.dtype == weight.dtype:
        return
    text = f"Input type ({tensor_type(x)}) and weight type ({tensor_type(weight)}) should be the same"
    if by_library(x, weight, groups):
        text += " or input should be a MKLDNN tensor and weight is a dense tensor"
    elif kind(x) != "c":
        text = f"expected scalar type {scalar_type(x)} but found {scalar_type(weight)}"
    raise RuntimeError(text)


def check_bias(input: Array, bias: Array | None) -> None:
    """The dtype of the bias."""
    if bias is not None and bias.dtype != input.dtype:
        raise RuntimeError(
            f"Input type ({type_name(input)}) and bias type ({type_name(bias)}) should be the same"
        )


def check_steps(g: Geometry, groups: int) -> None:
    """Signs of the integer arguments."""
    if any(lo < 0 for lo, _ in g.padding):
        raise RuntimeError("negative padding is not supported")
    if any(s <= 0 for s in g.stride):
        raise RuntimeError("non-positive stride is not supported")
    if any(d < 0 for d in g.dilation):
        raise RuntimeError("dilation should be greater than zero")
    if groups <= 0:
        raise RuntimeError("non-positive groups is not supported")


def check_dilation(x: Array, weight: Array, g: Geometry, transposed: bool) -> None:
    """A distance of at least 1 between elements of the kernel."""
    if 0 not in g.dilation:
        return
    if by_library(x.real, weight, g.groups):
        raise RuntimeError("non-positive dilation is not supported")
    shown: Any = flat_as_image(g.dilation)
    if transposed:
        names = ("depth", "height", "width")[-len(shown) :]
        shown = ", ".join(f"dilation_{name}: {n}" for name, n in zip(names, shown, strict=True))
    raise RuntimeError(f"dilation should be greater than zero, but got {shown}")


def flat_as_image(sizes: Sequence[int]) -> list[int]:
    """One number becomes those of an image of height 1, as which PyTorch convolves signals."""
    return [1, *sizes] if len(sizes) == 1 else [*sizes]


def check_rank(name: str, input: Array, ndim: int) -> None:
    """A sample or a batch."""
    if input.ndim not in (ndim + 1, ndim + 2):
        raise RuntimeError(
            f"Expected {ndim + 1}D (unbatched) or {ndim + 2}D (batched) input to {name}, "
            f"but got input of size: {list(input.shape)}"
        )


def check_weight(x: Array, weight: Array, bias: Array | None, groups: int, transposed: bool) -> None:
    """Sizes of the weight and bias against the channels of a batch."""
    shape = list(weight.shape)
    if weight.ndim != x.ndim:
        raise RuntimeError(
            f"Expected {weight.ndim}-dimensional input for {weight.ndim}-dimensional weight {shape}, "
            f"but got {x.ndim}-dimensional input of size {list(x.shape)} instead"
        )
    if shape[0] < groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be at least {groups} at dimension 0, "
            f"but got weight of size {shape} instead"
        )
    if shape[0] % groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be divisible by {groups} at dimension 0, "
            f"but got weight of size [{shape}] instead"
        )
    channels = shape[0] if transposed else shape[1] * groups
    if x.shape[1] != channels:
        given = "transposed=1" if transposed else f"groups={groups}"
        raise RuntimeError(
            f"Given {given}, weight of size {shape}, expected input{list(x.shape)} to have {channels} "
            "channels, "
            f"but got {x.shape[1]} channels instead"
        )
    out = shape[1] * groups if transposed else shape[0]
    if bias is not None and bias.shape != (out,):
        raise RuntimeError(
            f"Given {'transposed=1, ' * transposed}weight of size {shape}, expected bias to be "
            f"1-dimensional with {out} elements, "
            f"but got bias of size {list(bias.shape)} instead"
        )


def check_extent(x: Array, weight: Array, groups: int, transposed: bool) -> None:
    """A kernel of at least one element, and in a transposed convolution at least one channel of results."""
    extent = weight.shape[2:]
    if 0 not in (weight.shape[1:] if transposed else extent):
        return
    if by_library(x.real, weight, groups):
        raise RuntimeError(
            f"could not create a primitive descriptor for the {'de' * transposed}convolution forward "
            "propagation primitive. Run workload with environment variable ONEDNN_VERBOSE=all to get "
            "additional diagnostic information."
        )
    if len(extent) == 3 and transposed:
        raise RuntimeError(
            "non-empty 5D (n_output_plane x n_input_plane x kernel_depth x kernel_height x kernel_width) "
            f"tensor expected for weight, but got: {[*weight.shape]}"
        )
    if 0 not in extent:
        image = [*weight.shape[:2], *flat_as_image(extent)]
        raise RuntimeError(f"non-empty 2D or 4D weight tensor expected, but got: {image}")
    shown = ": {} x {} x {} (TxHxW)" if len(extent) == 3 else " kernel_height: {} kernel_width: {}"
    raise RuntimeError(
        "kernel size should be greater than zero, but got" + shown.format(*flat_as_image(extent))
    )


def check_kernel(x: Array, weight: Array, g: Geometry) -> None:
    """The kernel is no larger than the padded input."""
    sizes = [n + lo + hi for n, (lo, hi) in zip(x.shape[2:], g.padding, strict=True)]
    reach = [d * (k - 1) + 1 for k, d in zip(weight.shape[2:], g.dilation, strict=True)]
    if any(n < k for n, k in zip(sizes, reach, strict=True)):
        raise RuntimeError(
            f"Calculated padded input size per channel: ({' x '.join(map(str, sizes))}). "
            f"Kernel size: ({' x '.join(map(str, reach))}). Kernel size can't be greater than actual input "
            "size"
        )


def margins(
    padding: str | Sizes,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
    given: int,
) -> tuple[tuple[int, int], ...]:
    """Zeros before and after each spatial dimension.

    Raises:
        RuntimeError: an unknown word, or ``"same"`` with a stride.
    """
    ndim = len(kernel)
    if padding == "valid":
        return ((0, 0),) * ndim
    if padding == "same":
        if any(s != 1 for s in stride):
            raise RuntimeError("padding='same' is not supported for strided convolutions")
        total = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        return tuple((n // 2, n - n // 2) for n in total)
    if isinstance(padding, str):
        raise RuntimeError(f"Invalid padding string: '{padding}'")
    return tuple((n, n) for n in per_dimension("padding", padding, ndim, given))


def with_bias(y: Array, bias: Array | None) -> Array:
    """``bias`` added to each channel."""
    return y if bias is None else y + bias.reshape(-1, *(1,) * (y.ndim - 2))


def node(shapes: Sequence[Any], static: Mapping[str, Any]) -> str:
    """A sample without a batch dimension gets one and loses it again."""
    return "ConvolutionBackward0" if len(shapes[0]) == len(shapes[1]) else "SqueezeBackward1"


def convolution(
    name: str,
    ndim: int,
    input: Array,
    weight: Array,
    bias: Array | None,
    stride: Sizes,
    padding: str | Sizes,
    dilation: Sizes,
    groups: int,
) -> Array:
    """Any of the convolutions, after its checks."""
    check_bias(input, bias)
    check_rank(name, input, ndim)
    x = input if input.ndim == ndim + 2 else input[None]
    kernel = tuple(weight.shape[2:])
    if weight.ndim < 3:
        raise RuntimeError("weight should have at least three dimensions")
    if isinstance(padding, str) and weight.ndim != x.ndim:
        raise RuntimeError(
            f"Expected {weight.ndim}-dimensional input for {weight.ndim}-dimensional "
            f"weight{list(weight.shape)}, "
            f"but got {x.ndim}-dimensional input of size {list(x.shape)} instead"
        )
    stride = per_dimension("stride", stride, len(kernel), ndim)
    dilation = per_dimension("dilation", dilation, len(kernel), ndim)
    g = Geometry(stride, margins(padding, kernel, stride, dilation, ndim), dilation, groups)
    check_steps(g, groups)
    check_weight(x, weight, bias, groups, transposed=False)
    check_extent(x, weight, groups, transposed=False)
    check_kernel(x, weight, g)
    check_dilation(x, weight, g, transposed=False)
    check_types(x, weight, groups)
    reject_kinds("compute_columns3d" if ndim == 3 else "slow_conv2d_cpu", "b", input)
    y = with_bias(convolve(x, weight, g), bias)
    return y if input.ndim == ndim + 2 else y[0]


def copies_input(args: Mapping[str, Any]) -> bool:
    """Whether PyTorch pads a copy: ``"same"`` with more on one side than on the other."""
    if args["padding"] != "same":
        return False
    kernel = args["weight"].shape[2:]
    dilation = args["dilation"]
    steps = (
        dilation if isinstance(dilation, tuple) and len(dilation) == len(kernel) else [dilation] * len(kernel)
    )
    return any(isinstance(d, int) and d * (k - 1) % 2 for d, k in zip(steps, kernel, strict=True))


conv: Callable[..., Any] = lambda name: register(  # noqa: E731
    name,
    node=node,
    static="stride padding dilation groups",
    promote=None,
    saves=lambda args: "weight intermediate" if copies_input(args) else "input weight",
    watches=lambda args: "weight" if copies_input(args) else "input weight",
    aliases=f"nn.functional.{name}",
)


@conv("conv1d")  # type: ignore[untyped-decorator]
def conv1d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Sizes = 1,
    padding: str | Sizes = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Array:
    """Cross-correlation along one dimension.

    Args:
        input: shape ``(N, C, L)`` or ``(C, L)``.
        weight: ``(O, C / groups, K)``.
        bias: ``(O,)``.
        stride: steps of the kernel.
        padding: zeros on either side, ``"valid"`` for none, or ``"same"`` for as many as keep the size
            (stride 1).
        dilation: distance of the kernel's elements.
        groups: the channels fall into so many parts that are convolved on their own.

    Returns:
        Shape ``(N, O, M)`` or ``(O, M)``, with
        ``M = (L + 2 * padding - dilation * (K - 1) - 1) // stride + 1``.

    Raises:
        RuntimeError: sizes or dtypes that do not agree.
    """
    return convolution("conv1d", 1, input, weight, bias, stride, padding, dilation, groups)


@conv("conv2d")  # type: ignore[untyped-decorator]
def conv2d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Sizes = 1,
    padding: str | Sizes = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Array:
    """Cross-correlation of images, shape ``(N, C, H, W)`` or ``(C, H, W)``; see :func:`conv1d`."""
    return convolution("conv2d", 2, input, weight, bias, stride, padding, dilation, groups)


@conv("conv3d")  # type: ignore[untyped-decorator]
def conv3d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Sizes = 1,
    padding: str | Sizes = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Array:
    """Cross-correlation of volumes, shape ``(N, C, D, H, W)`` or ``(C, D, H, W)``; see :func:`conv1d`."""
    return convolution("conv3d", 3, input, weight, bias, stride, padding, dilation, groups)


def check_output_padding(extra: tuple[int, ...], g: Geometry) -> None:
    """Neither negative nor as large as the step."""
    if any(n < 0 for n in extra):
        raise RuntimeError("negative output_padding is not supported")
    if any(n >= s and n >= d for n, s, d in zip(extra, g.stride, g.dilation, strict=True)):
        named = [("output_padding", extra), ("stride", g.stride), ("dilation", g.dilation)]
        axes = ("depth", "height", "width")[-len(extra) :] if len(extra) > 1 else ("height", "width")
        values = [(name, (0 if name == "output_padding" else 1, *v)[-len(axes) :]) for name, v in named]
        text = " ".join(f"{name}_{a}: {n}" for name, v in values for a, n in zip(axes, v, strict=True))
        raise RuntimeError(f"output padding must be smaller than either stride or dilation, but got {text}")


def transposed_convolution(
    name: str,
    ndim: int,
    input: Array,
    weight: Array,
    bias: Array | None,
    stride: Sizes,
    padding: str | Sizes,
    output_padding: Sizes,
    groups: int,
    dilation: Sizes,
) -> Array:
    """Any of the transposed convolutions, after its checks."""
    if isinstance(padding, str):
        raise TypeError(f"{name}(): argument 'padding' must be tuple of ints, not str")
    check_rank(name, input, ndim)
    x = input if input.ndim == ndim + 2 else input[None]
    kernel = tuple(weight.shape[2:])
    stride, dilation, pad, extra = (
        per_dimension(n, v, len(kernel), ndim)
        for n, v in (
            ("stride", stride),
            ("dilation", dilation),
            ("padding", padding),
            ("output_padding", output_padding),
        )
    )
    g = Geometry(stride, tuple((n, n) for n in pad), dilation, groups)
    check_steps(g, groups)
    check_weight(x, weight, bias, groups, transposed=True)
    check_extent(x, weight, groups, transposed=True)
    check_output_padding(extra, g)
    if 0 in x.shape[2:]:
        raise RuntimeError(
            f"Only zero batch or zero channel inputs are supported, but got input shape: {list(x.shape)}"
        )
    check_dilation(x, weight, g, transposed=True)
    check_types(x, weight, groups)
    check_bias(input, bias)
    reject_kinds(f"slow_conv_transpose{max(ndim, 2)}d_out_cpu", "b", input)
    sizes = tuple(
        (n - 1) * s - 2 * p + d * (k - 1) + e + 1
        for n, s, p, d, k, e in zip(x.shape[2:], stride, pad, dilation, kernel, extra, strict=True)
    )
    if min(sizes) <= 0:
        before, after = (" x ".join(map(str, flat_as_image(n))) for n in (x.shape[2:], sizes))
        raise RuntimeError(
            f"Given input size per channel: ({before}). Calculated output size per channel: ({after}). "
            "Output size is too small"
        )
    y = with_bias(convolve_transposed(x, weight, g, sizes), bias)
    return y if input.ndim == ndim + 2 else y[0]


conv_transpose: Callable[..., Any] = lambda name: register(  # noqa: E731
    name,
    node=node,
    static="stride padding output_padding groups dilation",
    promote=None,
    saves="input weight",
    watches="input weight",
    aliases=f"nn.functional.{name}",
)


@conv_transpose("conv_transpose1d")  # type: ignore[untyped-decorator]
def conv_transpose1d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
) -> Array:
    """The gradient of :func:`conv1d` with respect to its input, as a layer that enlarges.

    Args:
        input: shape ``(N, C, L)`` or ``(C, L)``.
        weight: ``(C, O / groups, K)``.
        bias: ``(O,)``.
        stride: distance in the result of neighbours in the input.
        padding: elements of the result cut off on either side.
        output_padding: elements added at the end, fewer than ``stride`` or ``dilation``.
        groups: as of :func:`conv1d`.
        dilation: distance of the kernel's elements.

    Returns:
        Shape ``(N, O, M)`` or ``(O, M)``, with
        ``M = (L - 1) * stride - 2 * padding + dilation * (K - 1) + output_padding + 1``.

    Raises:
        RuntimeError: sizes or dtypes that do not agree.
    """
    return transposed_convolution(
        "conv_transpose1d", 1, input, weight, bias, stride, padding, output_padding, groups, dilation
    )


@conv_transpose("conv_transpose2d")  # type: ignore[untyped-decorator]
def conv_transpose2d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
) -> Array:
    """The transpose of :func:`conv2d`; see :func:`conv_transpose1d`."""
    return transposed_convolution(
        "conv_transpose2d", 2, input, weight, bias, stride, padding, output_padding, groups, dilation
    )


@conv_transpose("conv_transpose3d")  # type: ignore[untyped-decorator]
def conv_transpose3d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
) -> Array:
    """The transpose of :func:`conv3d`; see :func:`conv_transpose1d`."""
    return transposed_convolution(
        "conv_transpose3d", 3, input, weight, bias, stride, padding, output_padding, groups, dilation
    )


@register("conv_tbc", node="ConvTbcBackward0", static="pad", promote=None, aliases="nn.functional.conv_tbc")
def conv_tbc(input: Array, weight: Array, bias: Array, pad: int = 0) -> Array:
    """:func:`conv1d` with time first: ``(T, B, C)`` and a weight ``(K, C, O)`` give ``(T', B, O)``."""
    for name, x, n in (("Input", input, 3), ("Weight", weight, 3), ("Bias", bias, 1)):
        if x.ndim != n:
            raise RuntimeError(
                f"{name} must have {n} dims: " + ("time, batch, in_channel" if name == "Input" else "")
            )
    y = conv1d(input.transpose(1, 2, 0), weight.transpose(2, 1, 0), bias, padding=pad)
    return y.transpose(2, 0, 1)
