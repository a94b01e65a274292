"""Functions whose arguments choose between several ops."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import numpy as np

from jtorch.dispatch import GRAD, modes
from jtorch.dtypes import BOOL
from jtorch.errors import warn_user
from jtorch.ops._registry import OPS
from jtorch.tensor._core import Tensor, run
from jtorch.tensor._derive import NUMBERS, bind, derived, give_out, make_inplace
from jtorch.tensor._inplace import assign, check_writable, write_out
from jtorch.tensor._value_checks import runner

__all__: list[str] = []


def _install(name: str, function: Any, *, method: bool = True) -> None:
    function.__name__ = function.__qualname__ = name
    function.__module__ = "jtorch"
    function.__doc__ = function.__doc__ or OPS[name].fn.__doc__
    derived[""][name] = function
    if method:
        setattr(Tensor, name, function)


def _extreme(name: str, other_op: str) -> None:
    """``max(x)``, ``max(x, dim, keepdim)`` and ``max(x, other)``."""
    whole, along, pairwise = OPS[name], OPS[name + ".dim"], OPS[other_op]

    def function(input: Tensor, *args: Any, out: Any = None, **kwargs: Any) -> Any:
        if "axis" in kwargs:
            kwargs["dim"] = kwargs.pop("axis")
        if "other" in kwargs or (args and isinstance(args[0], Tensor)):
            result = run(pairwise, bind(pairwise, (input, *args), kwargs))
        elif args or "dim" in kwargs:
            operands = bind(along, (input, *args), kwargs)
            result = run(along, operands)
            if out is not None:
                return give_out(along, out, result, operands, name)
        else:
            result = run(whole, bind(whole, (input,), kwargs))
        return result if out is None else write_out(out, result, name)

    _install(name, function)


def _optional_dim(name: str) -> None:
    """``median(x)`` and ``median(x, dim, keepdim)``."""
    whole, along = OPS[name], OPS[name + ".dim"]

    def function(input: Tensor, *args: Any, out: Any = None, **kwargs: Any) -> Any:
        if args or "dim" in kwargs:
            operands = bind(along, (input, *args), kwargs)
            result = run(along, operands)
            return result if out is None else give_out(along, out, result, operands, name)
        result = run(whole, bind(whole, (input,), kwargs))
        return result if out is None else write_out(out, result, name)

    _install(name, function)


_extreme("max", "maximum")
_extreme("min", "minimum")
_optional_dim("median")
_optional_dim("nanmedian")


def _division() -> None:
    plain, rounded = OPS["div"], OPS["div.mode"]
    run_rounded = runner(rounded)

    def div(input: Any, other: Any, *, rounding_mode: str | None = None, out: Any = None) -> Any:
        if rounding_mode is None:
            result = run(plain, (input, other))
        else:
            result = run_rounded(rounded, bind(rounded, (input, other), {"rounding_mode": rounding_mode}))
        return result if out is None else write_out(out, result, "div")

    def div_(self: Tensor, other: Any, *, rounding_mode: str | None = None) -> Tensor:
        check_writable(self)
        return assign(self, div(self, other, rounding_mode=rounding_mode))

    div.__doc__ = plain.fn.__doc__
    for name in ("div", "divide"):
        derived[""][name] = div
        setattr(Tensor, name, div)
        setattr(Tensor, name + "_", div_)


_division()


def _reverse_division() -> None:
    # PyTorch multiplies by the reciprocal, which rounds twice.
    product = OPS["mul"]

    def __rdiv__(self: Tensor, other: Any) -> Any:
        if isinstance(other, np.ndarray):
            return self.reciprocal() * other
        if not isinstance(other, NUMBERS):
            return NotImplemented
        return run(product, (self.reciprocal(), other))

    for name in ("__rdiv__", "__rtruediv__"):
        setattr(Tensor, name, __rdiv__)


_reverse_division()


def _decision(name: str) -> None:
    """``equal`` and ``allclose``, which answer with a Python bool."""
    op = OPS[name]

    def function(*args: Any, **kwargs: Any) -> bool:
        return bool(run(op, bind(op, args, kwargs)))

    _install(name, function)


_decision("equal")
_decision("allclose")


def _where() -> None:
    op, nonzero = OPS["where"], OPS["nonzero"]

    def where(condition: Tensor, input: Any = None, other: Any = None, *, out: Any = None) -> Any:
        if input is None and other is None:
            return run(nonzero, (condition, True))
        result = run(op, (condition, input, other))
        return result if out is None else write_out(out, result, "where")

    def method(self: Tensor, condition: Tensor, other: Any) -> Any:
        return run(op, (condition, self, other))

    where.__doc__ = method.__doc__ = op.fn.__doc__
    method.__name__ = method.__qualname__ = "where"
    _install("where", where, method=False)
    Tensor.where = method  # type: ignore[attr-defined]


_where()


def _polygamma() -> None:
    """``x.polygamma(n)``, where the function has the order first."""
    op = OPS["polygamma"]

    def polygamma(self: Tensor, n: int) -> Tensor:
        result: Tensor = run(op, (n, self))
        return result

    def polygamma_(self: Tensor, n: int) -> Tensor:
        check_writable(self)
        return assign(self, polygamma(self, n))

    polygamma.__doc__ = polygamma_.__doc__ = op.fn.__doc__
    for method in (polygamma, polygamma_):
        setattr(Tensor, method.__name__, method)


_polygamma()


def _itself(name: str, applies: Callable[[Tensor], bool]) -> None:
    """Functions that give back the very tensor where there is nothing to do."""
    general = derived[""][name]

    def function(input: Tensor) -> Tensor:
        if isinstance(input, Tensor) and applies(input):
            return input
        result: Tensor = general(input)
        return result

    def with_out(input: Tensor, *, out: Tensor | None = None) -> Tensor:
        if out is None:
            return function(input)
        result: Tensor = general(input, out=out)
        return result

    _install(name, with_out if OPS[name].out else function)


_itself("positive", lambda x: x.dtype.category > BOOL)
Tensor.__pos__ = Tensor.positive  # type: ignore[attr-defined]
_itself("conj", lambda x: not x.dtype.is_complex)
_itself("conj_physical", lambda x: not x.dtype.is_complex)
_itself("resolve_conj", lambda x: True)
_itself("resolve_neg", lambda x: True)


def _compare_in_place(name: str) -> None:
    """``x.eq_(y)``: the numbers 0 and 1 in place of ``x``, with a history whose gradients are zero."""
    op, general = OPS[name], derived[""][name]

    @wraps(getattr(Tensor, name + "_"))
    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        check_writable(self)
        result = general(self, *args, **kwargs)
        other = bind(op, (self, *args), kwargs)[1]
        among = [x if isinstance(x, Tensor) and x._tracked else None for x in (self, other)]
        if modes.level == GRAD and among != [None, None]:
            node = f"{name.title()}Backward{int(isinstance(other, Tensor))}"
            result = run(OPS["_drawn"], (run(OPS["_to_copy"], (result, self.dtype)), *among, node))
        return assign(self, result)

    for alias in (name, *op.aliases):
        setattr(Tensor, alias + "_", method)


for _name in ("eq", "ge", "gt", "le", "lt", "ne"):
    _compare_in_place(_name)


def _fill_of_expanded(name: str, narrowed: Callable[..., Any]) -> None:
    """An in-place method that PyTorch still lets write to expanded tensors, with a warning."""
    op, general = OPS[name], getattr(Tensor, name + "_")

    @wraps(general)
    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        shape, strides = self._aval().shape, self._strides
        shared = [d for d, n in enumerate(shape) if n > 1 and not strides[d]] if strides is not None else []
        if shared:
            warn_user(
                f"Use of {name}_ on expanded tensors is deprecated. Please clone() the tensor before "
                "performing this operation. This also applies to advanced indexing e.g. tensor[mask] = scalar"
            )
            target = self
            for d in shared:
                target = target.narrow(d, 0, 1)
            general(target, *narrowed(shape, shared, *bind(op, (self, *args), kwargs)[1:]))
            return self
        result: Tensor = general(self, *args, **kwargs)
        return result

    setattr(Tensor, name + "_", method)


def _any_along(shape: Sequence[int], shared: Sequence[int], mask: Tensor, value: Any) -> tuple[Any, ...]:
    # An element of memory is filled if the mask is set at any of its places.
    mask = mask.expand(shape)
    for d in shared:
        mask = mask.any(d, keepdim=True)
    return mask, value


def _first_along(
    shape: Sequence[int], shared: Sequence[int], dim: int, index: Tensor, value: Any
) -> tuple[Any, ...]:
    return dim, index * 0 if dim % len(shape) in shared else index, value


_fill_of_expanded("masked_fill", _any_along)
_fill_of_expanded("index_fill", _first_along)


#: In-place methods that PyTorch has as functions, too.
_INPLACE_FUNCTIONS = (
    "abs acos acosh addmv arccos arccosh arcsin arcsinh arctan arctanh as_strided asin asinh atan atanh "
    "ceil clamp clamp_max clamp_min clip conj_physical cos cosh deg2rad detach erf erfc exp exp2 expm1 "
    "fill fix floor frac gcd i0 index_put lcm ldexp log log10 log1p log2 logit nan_to_num neg negative "
    "rad2deg reciprocal relu round rsqrt sigmoid sin sinc sinh sqrt square tan tanh trunc xlogy zero"
)
for _name in _INPLACE_FUNCTIONS.split():
    _method = getattr(Tensor, _name + "_", None)
    if _method is not None:
        derived[""][_name + "_"] = _method

for _name in ("celu", "selu", "threshold"):
    derived[""][_name + "_"] = make_inplace(OPS[_name], derived[""][_name])
