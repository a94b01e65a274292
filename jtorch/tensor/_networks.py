"""Functions of neural networks that draw random numbers, or write to or look at their operands."""

from __future__ import annotations

from typing import Any

from jtorch.tensor._core import Tensor, call
from jtorch.tensor._creation import empty, empty_like
from jtorch.tensor._derive import derived
from jtorch.tensor._inplace import assign, check_writable

__all__: list[str] = []


def _install(space: str, function: Any, name: str = "") -> None:
    function.__name__ = function.__qualname__ = name or function.__name__
    function.__module__ = "jtorch"
    derived[space][function.__name__] = function


# ---- random windows and slopes -------------------------------------------------------------------------


def _fractional(
    ndim: int, input: Tensor, kernel_size: Any, output_size: Any, output_ratio: Any, samples: Tensor | None
) -> tuple[Tensor, Tensor]:
    name = f"fractional_max_pool{ndim}d"
    if output_size is None and output_ratio is None:
        raise ValueError(f"{name} requires specifying either an output_size or an output_ratio")
    count = "" if ndim == 2 else "three "
    kernel = (kernel_size,) * ndim if isinstance(kernel_size, int) else tuple(kernel_size)
    if output_size is None:
        ratio = (output_ratio,) * ndim if ndim == 3 and isinstance(output_ratio, float) else output_ratio
        if len(ratio) > ndim:
            raise ValueError(
                f"{name} requires output_ratio to either be a single Int or tuple of {count}Ints."
            )
        output_size = [int(n * r) for n, r in zip(input.shape[-ndim:], ratio, strict=True)]
    sizes = (output_size,) * ndim if isinstance(output_size, int) else tuple(output_size)
    for label, values in (("kernel_size", kernel), ("output_size", sizes)):
        if len(values) != ndim:
            raise RuntimeError(f"{name}: {label} must either be a single Int or tuple of {count}Ints")
    if samples is None:
        batch = 1 if input.dim() == ndim + 1 else input.size(0)  # type: ignore[attr-defined]
        shape = (batch, input.size(-ndim - 1), ndim)  # type: ignore[attr-defined]
        samples = empty(shape, dtype=input.dtype, device=input.device).uniform_()  # type: ignore[attr-defined]
    result: tuple[Tensor, Tensor] = call(f"_{name}", input, kernel, sizes, samples)
    return result


def fractional_max_pool2d(
    input: Tensor,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """The largest values of a grid of windows over images, whose places are drawn at random.

    Args:
        input: shape ``(N, C, H, W)`` or ``(C, H, W)``.
        kernel_size: height and width of the windows, or a number for both.
        output_size: height and width of the grid, or a number for both.
        output_ratio: the same as fractions of the input's, if ``output_size`` is not given.
        return_indices: return the positions of the values, too.
        _random_samples: the numbers in [0, 1) that place the windows, shape ``(N, C, 2)``.

    Raises:
        ValueError: neither size nor ratio.
        RuntimeError: sizes that do not agree.

    Reference: Graham, "Fractional Max-Pooling", 2014, https://arxiv.org/abs/1412.6071
    """
    result = _fractional(2, input, kernel_size, output_size, output_ratio, _random_samples)
    return result if return_indices else result[0]


def fractional_max_pool3d(
    input: Tensor,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """:func:`fractional_max_pool2d` of volumes, shape ``(N, C, D, H, W)`` or ``(C, D, H, W)``."""
    result = _fractional(3, input, kernel_size, output_size, output_ratio, _random_samples)
    return result if return_indices else result[0]


def rrelu(
    input: Tensor,
    lower: float = 1.0 / 8,
    upper: float = 1.0 / 3,
    training: bool = False,
    inplace: bool = False,
) -> Tensor:
    """``input`` where positive, else times a slope: drawn from [lower, upper) in training, else their mean.

    Args:
        input: floating.
        lower: least slope.
        upper: largest slope.
        training: draw a slope per element.
        inplace: store the result in ``input``.

    Raises:
        RuntimeError: ``lower`` is larger than ``upper``.
    """
    if lower > upper:
        raise RuntimeError("Lower bound should be less than or equal to the upper bound")
    if training:
        slope: Any = empty_like(input.detach()).uniform_(lower, upper)  # type: ignore[attr-defined]
    else:
        slope = (lower + upper) / 2
    result: Tensor = call("rrelu_with_noise", input, slope)
    if not inplace:
        return result
    check_writable(input)
    return assign(input, result)


def rrelu_(input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False) -> Tensor:
    """:func:`rrelu` in place."""
    return rrelu(input, lower, upper, training, inplace=True)


_install("nn.functional", fractional_max_pool2d)
_install("nn.functional", fractional_max_pool3d)
_install("nn.functional", rrelu)
_install("nn.functional", rrelu_)
_install("", rrelu)
_install("", rrelu_)
