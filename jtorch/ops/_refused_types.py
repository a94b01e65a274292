"""Types that an op would compute with, but PyTorch's function refuses, as it subtracts or calls a kernel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jtorch.dtypes import COMPLEX, FLOAT, HALF, scalar_type_name
from jtorch.dtypes import bool_ as boolean
from jtorch.ops._arithmetic import check_sub
from jtorch.ops._checks import c_name, check_types

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


def _check_gaussian(input: Any, target: Any, var: Any, *_: Any) -> None:
    _without("lt_cpu", lambda d: d.category == COMPLEX, 0)(var)
    dtype = getattr(var, "dtype", None)
    if dtype is not None and dtype.category < FLOAT:  # it is clamped in place
        raise RuntimeError(f"result type Float can't be cast to the desired output type {c_name(dtype)}")
    check_sub(input, target)


_BOOL_Y = "{}: received a bool input for `y`, but bool is not supported"

check_types("cumulative_trapezoid", _not_bool(_BOOL_Y.format("cumulative_trapezoid")))
check_types("trapezoid", _not_bool(_BOOL_Y.format("trapezoid")))
check_types("mvlgamma", _not_bool("The input tensor may not be a boolean tensor."))
check_types("dist pairwise_distance nn.functional.l1_loss", _subtracts((0, 1)))
check_types("triplet_margin_loss", _subtracts((0, 1), (0, 2)))
check_types("nn.functional.gaussian_nll_loss", _check_gaussian)
check_types("nn.functional.kl_div", _check_kl_div)
check_types("nn.functional.tanhshrink", lambda input: check_sub(input, None))  # its tanh is no bool
check_types("nn.functional.softsign", _without("abs_cpu", lambda d: d is boolean, 0))
check_types("isin", _check_isin)
check_types("bucketize searchsorted", _without("searchsorted_out_cpu", lambda d: d.category == COMPLEX, 0, 1))
for _name in ("erfcx", "log_ndtr", "ndtri"):
    check_types(f"special.{_name}", _without(f"{_name}_cpu", lambda d: d in HALF, 0))
