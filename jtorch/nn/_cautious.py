"""Functions that warn of a call, every time it is made: an op checks a kind of call only once."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

from jtorch.ops._registry import Op
from jtorch.tensor import Tensor
from jtorch.tensor._core import run
from jtorch.tensor._derive import bind, called

__all__ = ["CAUTIONS", "cautious"]

#: What to say of a call's arguments, in the order of parameters; ``None``: nothing.
Caution = Callable[[list[Any]], str | None]


def _sizes(args: list[Any]) -> str | None:
    input, target = args[:2]
    if not (isinstance(input, Tensor) and isinstance(target, Tensor)):
        return None
    if input._aval().shape == target._aval().shape:
        return None
    return (
        f"Using a target size ({target.size()}) that is different to the input size ({input.size()}). "
        "This will likely lead to incorrect results due to broadcasting. Please ensure they have the same "
        "size."
    )


def _implicit_dim(name: str) -> Caution:
    text = (
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include dim=X as an "
        "argument."
    )
    return lambda args: text if args[1] is None else None


_CORNERS = (
    "Default grid_sample and affine_grid behavior has changed to align_corners=False since 1.3.0. Please "
    "specify align_corners=True if the old behavior is desired. See the documentation of grid_sample for "
    "details."
)


_SAMPLED = {"bilinear", "nearest", "bicubic"}, {"zeros", "border", "reflection"}


def _corners(args: Sequence[Any]) -> str | None:
    """Arguments that are wrong are an error before they are a warning."""
    valid = args[2] in _SAMPLED[0] and args[3] in _SAMPLED[1]
    return _CORNERS if args[4] is None and valid else None


def _mean_of_all(args: Sequence[Any]) -> str | None:
    size_average, reduce, reduction = args[2:5]
    return _MEAN if reduction == "mean" and size_average is None and reduce is None else None


_MEAN = (
    "reduction: 'mean' divides the total loss by both the batch size and the support size.'batchmean' "
    "divides only by the batch size, and aligns with the KL div math definition.'mean' will be changed to "
    "behave the same as 'batchmean' in the next major release."
)

#: By name below ``nn.functional``.
CAUTIONS: dict[str, Caution] = {
    **dict.fromkeys(("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"), _sizes),
    **{name: _implicit_dim(name) for name in ("softmax", "log_softmax", "softmin")},
    "grid_sample": _corners,
    "kl_div": _mean_of_all,
    "affine_grid": lambda args: _CORNERS if args[2] is None else None,
}


def cautious(op: Op, caution: Caution) -> Callable[..., Tensor]:
    """The function of an op, with a warning at the caller's line where ``caution`` has one."""
    what = called(op)

    def function(*args: Any, **kwargs: Any) -> Tensor:
        try:
            bound = bind(op, args, kwargs)
            text = caution(bound)
            if text is not None:
                warnings.warn(text, stacklevel=2)
            return run(op, bound)
        except Exception:
            refusal = what.refusal(args, kwargs)
            if refusal is None:
                raise
            raise refusal from None

    function.__wrapped__ = op.fn  # type: ignore[attr-defined]
    return function
