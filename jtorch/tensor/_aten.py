"""``torch.ops.aten``: the functions by the names of PyTorch's own library of operators.

Most are functions of ``torch`` or methods of tensors, whose arguments are those of the library. The others
are parts of gradients and normalizations that PyTorch shows nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from jtorch.dtypes import uint8
from jtorch.ops._registry import OPS
from jtorch.tensor._copies import slice_view
from jtorch.tensor._core import Tensor, run
from jtorch.tensor._creation import empty, zeros
from jtorch.tensor._derive import derived, make_function
from jtorch.tensor._random import with_history

__all__ = ["aten"]


def _batch_norm_with_update(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor,
    running_var: Tensor,
    momentum: float,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Batch normalization in training: result, mean, inverse deviation, and nothing for the backward."""
    norm = derived[""]["native_batch_norm"]
    y, mean, inverse = norm(input, weight, bias, running_mean, running_var, True, momentum, eps)
    return y, mean, inverse, empty(0, dtype=uint8, device=input.device)


def max_pool2d_with_indices_backward(
    grad_output: Tensor,
    input: Tensor,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
    indices: Tensor,
) -> Tensor:
    """The gradient of a maximum pool's input: each element goes to the place of its maximum."""
    flat = zeros(
        (*input.shape[:-2], input.shape[-2] * input.shape[-1]), dtype=input.dtype, device=input.device
    )
    spread = flat.scatter_add(-1, indices.flatten(-2), grad_output.flatten(-2))
    # PyTorch counts it as differentiable in `input`, whose gradient is zero.
    return with_history(spread.reshape(input.shape), "MaxPool2DWithIndicesBackwardBackward0", input)


def native_dropout_backward(grad_output: Tensor, mask: Tensor, scale: float) -> Tensor:
    """The gradient of a dropout's input: that of its result where the mask keeps it, times the scale."""
    return grad_output * mask * scale


def _upsample_bilinear2d_aa(
    input: Tensor,
    output_size: Any,
    align_corners: bool,
    *scales: Any,
    scale_factors: Any = None,
    scales_h: float | None = None,
    scales_w: float | None = None,
) -> Tensor:
    """Resampling with a filter that widens, to a size or by factors; see ``nn.functional.interpolate``."""
    if scales and (scales[0] is None or isinstance(scales[0], list | tuple)) and len(scales) == 1:
        (scale_factors,) = scales
    elif scales:
        scales_h, scales_w = (*scales, scales_w)[:2]
    op = OPS["_upsample_bilinear2d_aa"]
    arguments = (input, output_size, align_corners, scale_factors, scales_h, scales_w)
    return run(op, arguments)  # type: ignore[no-any-return]


#: What no function of ``torch`` or method is.
_OWN: dict[str, Callable[..., Any]] = {
    "_batch_norm_with_update": _batch_norm_with_update,
    "max_pool2d_with_indices_backward": max_pool2d_with_indices_backward,
    "native_dropout_backward": native_dropout_backward,
    "_upsample_bilinear2d_aa": _upsample_bilinear2d_aa,
    "slice": slice_view,
}
for _name in (
    "_log_softmax_backward_data",
    "_safe_softmax",
    "_softmax_backward_data",
):
    _OWN[_name] = make_function(OPS[_name])

#: Functions of ``torch`` written in Python there, whose arguments differ from the operator's of the name.
_OTHERWISE = frozenset(
    [
        "broadcast_shapes",
        "cdist",
        "istft",
        "lu",
        "norm",
        "split",
        "stft",
        "tensordot",
        "unique",
        "unravel_index",
    ]
)

#: Names of overloads; jtorch chooses by the arguments whichever is named.
_OVERLOADS = frozenset(
    [
        "Scalar", "Scalar_Tensor", "Tensor", "Tensor_Scalar", "Tensor_Tensor", "correction", "default", "dim",
        "dim_IntList", "dtype", "int", "other", "out", "self", "using_ints", "vec",
    ]
)  # fmt: skip


class _Operator:
    """An operator of the library, or one of its overloads."""

    def __init__(self, name: str, function: Callable[..., Any], overload: str = "") -> None:
        self._function, self._name, self._overload = function, name, overload
        self.__name__ = name + (f".{overload}" if overload else "")
        self.__doc__ = function.__doc__

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._function(*args, **kwargs)

    def __getattr__(self, overload: str) -> _Operator:
        if self._overload or overload not in _OVERLOADS:
            raise AttributeError(
                f"The underlying op of 'aten.{self._name}' has no overload name '{overload}'"
            )
        return _Operator(self._name, self._function, overload)

    def overloads(self) -> Sequence[str]:
        """Names of overloads that may be written; the arguments decide in any case."""
        return sorted(_OVERLOADS)

    def __repr__(self) -> str:
        if self._overload:
            return f"<OpOverload(op='aten.{self._name}', overload='{self._overload}')>"
        return f"<OpOverloadPacket(op='aten.{self._name}')>"


class _Library:
    """The operators, found by name."""

    def __getattr__(self, name: str) -> _Operator:
        function = _OWN.get(name)
        if function is None and name not in _OTHERWISE:
            function = derived[""].get(name) or derived["_C._nn"].get(name)
            if function is None and not name.startswith("__"):
                function = getattr(Tensor, name, None)
        if not callable(function):
            raise AttributeError(f"'_OpNamespace' 'aten' object has no attribute '{name}'")
        found = self.__dict__[name] = _Operator(name, function)
        return found

    def __repr__(self) -> str:
        return "<module 'torch.ops.aten' from 'torch.ops'>"


aten = _Library()
