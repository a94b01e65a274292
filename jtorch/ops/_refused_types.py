"""Types that an op would compute with, but PyTorch's function refuses, as it subtracts or calls a kernel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jtorch.dtypes import COMPLEX, FLOAT, HALF, scalar_type_name
from jtorch.dtypes import bool_ as boolean
from jtorch.ops._arithmetic import check_sub
from jtorch.ops._checks import TYPE_CHECKS

__all__: list[str] = []


def _subtracts(*places: tuple[int, int]) -> Callable[..., None]:
    """A check of operands that are subtracted from each other, by position."""

    def check(*args: Any) -> None:
        for first, second in places:
            check_sub(args[first], args[second])

    return check


def _not_bool(text: str) -> Callable[..., None]:
    def check(input: Any, *_: Any) -> None:
        if getattr(input, "dtype", None) is boolean:
            raise RuntimeError(text)

    return check


def _without(kernel: str, refused: Callable[[Any], bool], *places: int) -> Callable[..., None]:
    """A check for a kernel that lacks some types, of the operands at these places."""

    def check(*args: Any) -> None:
        for place in places:
            dtype = getattr(args[place], "dtype", None)
            if dtype is not None and refused(dtype):
                raise NotImplementedError(f"\"{kernel}\" not implemented for '{scalar_type_name(dtype)}'")

    return check


def _check_isin(elements: Any, test_elements: Any, *_: Any) -> None:
    for x in (elements, test_elements):
        dtype = boolean if x is bool else getattr(x, "dtype", None)
        if dtype is not None and (dtype is boolean or dtype.category == COMPLEX):
            raise RuntimeError(f"Unsupported input type encountered for isin(): {scalar_type_name(dtype)}")


def _check_kl_div(input: Any, target: Any, *_: Any) -> None:
    categories = [x.dtype.category for x in (input, target) if hasattr(x, "dtype")]
    if COMPLEX in categories:
        raise RuntimeError("kl_div: Complex inputs not supported.")
    if any(c < FLOAT for c in categories):
        raise RuntimeError("kl_div: Integral inputs not supported.")


_BOOL_Y = "{}: received a bool input for `y`, but bool is not supported"

_CHECKS: dict[str, Callable[..., None]] = {
    "cumulative_trapezoid": _not_bool(_BOOL_Y.format("cumulative_trapezoid")),
    "dist": _subtracts((0, 1)),
    "isin": _check_isin,
    "mvlgamma": _not_bool("The input tensor may not be a boolean tensor."),
    "nn.functional.gaussian_nll_loss": _subtracts((0, 1)),
    "nn.functional.kl_div": _check_kl_div,
    "nn.functional.l1_loss": _subtracts((0, 1)),
    "nn.functional.softsign": _without("abs_cpu", lambda d: d is boolean, 0),
    "nn.functional.tanhshrink": lambda input: check_sub(input, None),  # its tanh is no bool
    "pairwise_distance": _subtracts((0, 1)),
    "trapezoid": _not_bool(_BOOL_Y.format("trapezoid")),
    "triplet_margin_loss": _subtracts((0, 1), (0, 2)),
}  # fmt: skip
TYPE_CHECKS.update(_CHECKS)
for _name in ("bucketize", "searchsorted"):
    TYPE_CHECKS[_name] = _without("searchsorted_out_cpu", lambda d: d.category == COMPLEX, 0, 1)
for _name in ("erfcx", "log_ndtr", "ndtri"):
    TYPE_CHECKS[f"special.{_name}"] = _without(f"{_name}_cpu", lambda d: d in HALF, 0)
