"""What PyTorch says to the arguments of pooling functions that cannot be met."""

from __future__ import annotations

from collections.abc import Sequence

from jax import Array

from jtorch.ops._checks import wrap_dim
from jtorch.ops._pooling_windows import Sizes, Windows, repeated

__all__ = ["check_pool", "check_pool_rank", "check_pool_steps", "pool_arguments"]

_COUNTS = {1: "one", 2: "two", 3: "three"}


def pool_arguments(
    name: str, ndim: int, kernel_size: Sizes, stride: Sizes | None, padding: Sizes, dilation: Sizes = 1
) -> tuple[tuple[int, ...], ...]:
    """Kernel, stride, padding and dilation per dimension; the stride is the kernel's size by default.

    Raises:
        RuntimeError: a wrong number of values.
    """
    texts = {}
    given = {"kernel_size": kernel_size, "stride": stride, "padding": padding, "dilation": dilation}
    for label, value in given.items():
        size = 1 if value is None or isinstance(value, int) else len(value)
        if name == "avg_pool1d":
            texts[label] = f"avg_pool1d() argument '{label}' should contain one int (got {size})"
        elif ndim == 1:
            kinds = {
                "kernel_size": "an int, list of ints or tuple of ints",
                "stride": "None, an int, list of ints, or tuple of ints",
                "padding": "an int, list of ints, or tuple of ints",
                "dilation": "an int, list of ints or tuple of ints",
            }
            texts[label] = f"{name}() {label} must be {kinds[label]} of size 1 but got size {size}"
        else:
            either = "" if name == "avg_pool3d" else "either "
            must = f"be {either}" if label == "dilation" else f"{either}be "
            omitted = "omitted, " if label == "stride" else ""
            texts[label] = (
                f"{name}: {label} must {must}{omitted}a single int, or a tuple of {_COUNTS[ndim]} ints"
            )
    kernel = repeated(kernel_size, ndim, None, texts["kernel_size"])
    return (
        kernel,
        repeated(stride, ndim, kernel, texts["stride"]),
        repeated(padding, ndim, None, texts["padding"]),
        repeated(dilation, ndim, None, texts["dilation"]),
    )


def check_pool_rank(name: str, input: Array, ndim: int) -> None:
    """A sample or a batch."""
    shape, empty = list(input.shape), 0 in input.shape[-ndim - 1 :]
    known = input.ndim in (ndim + 1, ndim + 2)
    if name == "max_pool1d" and (not known or empty):
        raise RuntimeError(
            "max_pool1d: Expected 2D or 3D (batch mode) tensor with optional 0 dim batch size for input, "
            f"but got:{shape}"
        )
    if ndim == 1 and not known:
        raise RuntimeError(
            f"Expected 2 to 3 dimensions, but got {input.ndim}-dimensional tensor for argument #1 'self' "
            f"(while checking arguments for {name.removesuffix('_with_indices')})"
        )
    if not known and not (name == "avg_pool2d"):
        raise RuntimeError(f"non-empty {ndim + 1}D or {ndim + 2}D (batch mode) tensor expected for input")
    if input.ndim < ndim + 1:
        wrap_dim(-3, input.ndim)


def check_pool_contents(name: str, input: Array, ndim: int) -> None:
    """Only the batch may be empty."""
    shape, empty = list(input.shape), 0 in input.shape[-ndim - 1 :]
    known = input.ndim in (ndim + 1, ndim + 2)
    if ndim == 3 and empty:
        function = "max_pool3d_with_indices_out_cpu_template" if name == "max_pool3d" else name
        raise RuntimeError(
            f"{function}(): Expected input's non-batch dimensions to have positive length, but input has a "
            "shape of "
            f"{shape} and non-batch dimension 0 has length zero!"
        )
    if empty or not known:
        shown = shape if ndim == 2 else [*shape[:-1], 1, shape[-1]]
        raise RuntimeError(
            f"Expected 3D or 4D (batch mode) tensor with optional 0 dim batch size for input, but got:{shown}"
        )


def check_pool_steps(
    name: str,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
) -> None:
    """Positive sizes, without which windows cannot be counted."""
    if name == "max_pool1d":
        for label, (n,) in (("kernel_size", kernel), ("stride", stride), ("dilation", dilation)):
            if n <= 0:
                raise RuntimeError(f"max_pool1d() {label} must be greater than zero, but got {n}")
    if 0 in stride:
        raise RuntimeError("stride should not be zero")
    names = "THW"[-max(len(kernel), 2) :]
    for label, letter, values in (
        ("kernel size", "k", kernel),
        ("stride", "d", stride),
        ("dilation", "dilation", dilation),
    ):
        if min(values) <= 0:
            shown = values if len(values) > 1 else (1, *values)
            detail = " ".join(f"{letter}{n}: {v}" for n, v in zip(names, shown, strict=True))
            raise RuntimeError(f"{label} should be greater than zero, but got {detail}")


def check_pool(
    name: str,
    input: Array,
    kernel: tuple[int, ...],
    pad: tuple[int, ...],
    dilation: tuple[int, ...],
    along: Sequence[Windows],
) -> None:
    """Margins of half a window at most, something in it, and at least one window."""
    ndim = len(kernel)
    check_pool_margins(name, kernel, pad, dilation)
    check_pool_contents(name, input, ndim)
    counts = [w.count for w in along]
    if min(counts) >= 1:
        return
    if name == "max_pool1d":
        raise RuntimeError(f"max_pool1d() Invalid computed output size: {counts[0]}")
    channels, *sizes = input.shape[-ndim - 1 :]
    if name == "avg_pool3d":
        shown = [" ".join(f"{n}: {v}" for n, v in zip("THW", sizes, strict=True))]
        shown.append(" ".join(f"k{n}: {v}" for n, v in zip("THW", kernel, strict=True)))
        raise RuntimeError(f"input image ({shown[0]}) smaller than kernel size ({shown[1]})")
    line = (1,) if ndim == 1 else ()
    before, after = ("x".join(map(str, (channels, *line, *v))) for v in (sizes, counts))
    raise RuntimeError(
        f"Given input size: ({before}). Calculated output size: ({after}). Output size is too small"
    )


def check_pool_margins(
    name: str, kernel: tuple[int, ...], pad: tuple[int, ...], dilation: tuple[int, ...]
) -> None:
    """Margins of half a window at most."""
    for p, k, d in zip(pad, kernel, dilation, strict=True):
        if name == "max_pool1d":
            if p < 0:
                raise RuntimeError(f"max_pool1d() padding must be non-negative, but got {p}")
            if p > k // 2:
                raise RuntimeError(
                    "max_pool1d() padding should be at most half of kernel size, "
                    f"but got padding={p} and kernel_size={k}"
                )
        if p < 0:
            raise RuntimeError(f"pad must be non-negative, but got pad: {p}")
        if p > ((k - 1) * d + 1) // 2:
            raise RuntimeError(
                "pad should be at most half of effective kernel size, "
                f"but got pad={p}, kernel_size={k} and dilation={d}"
            )
