"""Functions of neural networks (``torch.nn.functional``): the registered ops, and compositions of them."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from jtorch.nn._attention import _canonical_mask as _canonical_mask
from jtorch.nn._attention import multi_head_attention_forward as multi_head_attention_forward
from jtorch.nn._cautious import CAUTIONS, cautious
from jtorch.nn._composites import *  # noqa: F403
from jtorch.nn._dropout import *  # noqa: F403
from jtorch.nn._products import *  # noqa: F403
from jtorch.nn.attention.bias import CausalBias
from jtorch.ops._registry import OPS, Op
from jtorch.tensor import Tensor
from jtorch.tensor._core import run
from jtorch.tensor._derive import bind, derived
from jtorch.tensor._forms import Called
from jtorch.tensor._guarded import guard_python, guarded
from jtorch.tensor._inplace import assign, check_writable

_PREFIX = "nn.functional."

#: Activations with an underscored form; the other in-place ones have ``inplace`` only.
_UNDERSCORED = frozenset(["celu", "elu", "hardtanh", "leaky_relu", "relu", "selu", "threshold"])
#: Functions whose in-place form is a method only.
_NEVER_INPLACE = frozenset(["sigmoid", "tanh"])

if TYPE_CHECKING:
    # Most names come from the registered ops.
    def __getattr__(name: str) -> Callable[..., Any]: ...


def _with_inplace(op: Op) -> Callable[..., Tensor]:
    """The function of an activation, whose last argument ``inplace`` stores the result in the input."""
    positional, total = op.positional, len(op.params)
    name = op.name.rsplit(".", 1)[-1]
    what = Called("nn.functional", name, ((*op.params, "inplace"), (*op.defaults, False), total + 1))

    def function(*args: Any, inplace: bool = False, **kwargs: Any) -> Tensor:
        given = args
        if len(args) > positional:
            inplace, args = args[positional], args[:positional]
            if len(given) > positional + 1:
                raise what.refusal(given, kwargs) or TypeError(f"{name}() takes fewer arguments")
        try:
            if kwargs or len(args) != total:
                args = bind(op, args, kwargs)  # type: ignore[assignment]
            if not inplace:
                return run(op, args)
            check_writable(args[0])
            return assign(args[0], run(op, args))
        except TypeError:
            refusal = what.refusal(given, kwargs)
            if refusal is None:
                raise
            raise refusal from None

    own = inspect.signature(op.fn)
    flag = inspect.Parameter(
        "inplace", inspect.Parameter.POSITIONAL_OR_KEYWORD, default=False, annotation=bool
    )
    function.__signature__ = own.replace(parameters=[*own.parameters.values(), flag])  # type: ignore[attr-defined]
    return _named(function, name, op)


def _overwriting(op: Op) -> Callable[..., Tensor]:
    """The function with an underscore, which stores the result in its input."""
    name = op.name.rsplit(".", 1)[-1] + "_"

    def function(*args: Any, **kwargs: Any) -> Tensor:
        bound = bind(op, args, kwargs)
        check_writable(bound[0])
        return assign(bound[0], run(op, bound))

    function.__wrapped__ = op.fn  # type: ignore[attr-defined]
    return _named(guarded("nn.functional", name, function), name, op)


def _named(function: Any, name: str, op: Op) -> Any:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = op.fn.__doc__
    function.__module__ = "jtorch.nn.functional"
    return function


def _export() -> None:
    names = globals()
    names.update(derived["nn.functional"])
    guard_python(names)
    for op in OPS.values():
        for full in (op.name, *op.aliases):
            if op.inplace and full.startswith(_PREFIX):
                name = full.removeprefix(_PREFIX)
                if name not in _NEVER_INPLACE:
                    names[name] = _with_inplace(op)
                if name in _UNDERSCORED:
                    names[name + "_"] = _overwriting(op)
    for name, caution in CAUTIONS.items():
        op = OPS[_PREFIX + name]
        names[name] = _named(cautious(op, caution), name, op)


_export()


_attention = derived["nn.functional"]["scaled_dot_product_attention"]


@functools.wraps(_attention)
def scaled_dot_product_attention(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, *args: Any, **kwargs: Any
) -> Tensor:
    """The op's function, which also takes masks that know that they are causal."""
    if type(attn_mask) is CausalBias:
        return CausalBias._dispatch(query, key, value, attn_mask, *args, **kwargs)
    return _attention(query, key, value, attn_mask, *args, **kwargs)


def _with_indices(name: str) -> Any:
    """The form of a maximum pool that returns the positions, too."""
    function = globals()[name]

    def pool(*args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        kwargs["return_indices"] = True
        return function(*args, **kwargs)

    pool.__name__ = pool.__qualname__ = name + "_with_indices"
    pool.__wrapped__ = function  # type: ignore[attr-defined]
    pool.__doc__ = f"Values and positions; see :func:`{name}`."
    return pool


for _n in (1, 2, 3):
    for _kind in ("max_pool", "adaptive_max_pool", "fractional_max_pool"):
        if f"{_kind}{_n}d" in globals():
            globals()[f"{_kind}{_n}d_with_indices"] = _with_indices(f"{_kind}{_n}d")
