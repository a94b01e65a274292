"""Primitives that compute each element by itself."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import ml_dtypes
import numpy as np

from jtorch.trace._host._rules import Array, elementwise, in_float32, is_small_float, rule

__all__: list[str] = []

elementwise("add add_any", np.add)
elementwise("sub", np.subtract)
elementwise("neg", np.negative)
elementwise("max", np.maximum)
elementwise("min", np.minimum)
elementwise("eq eq_to", np.equal)
elementwise("ne", np.not_equal)
elementwise("lt lt_to", np.less)
elementwise("le le_to", np.less_equal)
elementwise("gt", np.greater)
elementwise("ge", np.greater_equal)
elementwise("and", np.bitwise_and)
elementwise("or", np.bitwise_or)
elementwise("xor", np.bitwise_xor)
elementwise("not", np.invert)
elementwise("floor", np.floor)
elementwise("ceil", np.ceil)
elementwise("is_finite", np.isfinite)
elementwise("atan2", np.arctan2)
elementwise("nextafter", np.nextafter)
elementwise("real", np.real)
elementwise("imag", np.imag)
elementwise("conj", np.conj)
elementwise("population_count", np.bitwise_count)
elementwise("copy copy_p forwards_only", lambda x: x)
elementwise("stop_gradient tie", lambda *x: x[0] if len(x) == 1 else x)
elementwise("optimization_barrier", lambda *x: x)  # a sequence, of one operand too

_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "exp": np.exp,
    "exp2": np.exp2,
    "log": np.log,
    "log1p": np.log1p,
    "expm1": np.expm1,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "tanh": np.tanh,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    "sqrt": np.sqrt,
    "rsqrt": lambda x: np.reciprocal(np.sqrt(x)),
    "logistic": lambda x: np.reciprocal(1 + np.exp(-x)),
}
for _names, _function in _FUNCTIONS.items():
    elementwise(_names, in_float32(_function))


def _special(name: str, function: Callable[..., Any]) -> None:
    """A primitive that SciPy computes; SciPy loads when first needed."""

    def run(*arrays: Array) -> Any:
        return function(import_module("scipy.special"), *arrays)

    elementwise(name, in_float32(run))


_special("erf", lambda s, x: s.erf(x))
_special("erfc", lambda s, x: s.erfc(x))
_special("erf_inv", lambda s, x: s.erfinv(x))
_special("lgamma", lambda s, x: s.gammaln(x))
_special("digamma", lambda s, x: s.digamma(x))
_special("igamma", lambda s, a, x: s.gammainc(a, x))
_special("igammac", lambda s, a, x: s.gammaincc(a, x))
_special("polygamma", lambda s, n, x: s.polygamma(n.astype(int), x))
_special("zeta", lambda s, x, q: s.zeta(x, q))
_special("bessel_i0e", lambda s, x: s.i0e(x))
_special("bessel_i1e", lambda s, x: s.i1e(x))
_special("regularized_incomplete_beta", lambda s, a, b, x: s.betainc(a, b, x))


@rule("cbrt")
def _cbrt(params: Any, eqn: Any) -> Any:
    return in_float32(np.cbrt)


@rule("mul")
def _mul(params: Any, eqn: Any) -> Any:
    return np.multiply


@rule("abs")
def _abs(params: Any, eqn: Any) -> Any:
    return np.abs


@rule("square")
def _square(params: Any, eqn: Any) -> Any:
    return np.square


@rule("sign")
def _sign(params: Any, eqn: Any) -> Any:
    def complex_sign(x: Array) -> Any:
        size = np.abs(x)
        return np.where(size == 0, 0, x / np.where(size == 0, 1, size)).astype(x.dtype)

    return complex_sign if eqn.invars[0].aval.dtype.kind == "c" else np.sign


@rule("complex")
def _complex(params: Any, eqn: Any) -> Any:
    kind = eqn.outvars[0].aval.dtype

    def run(real: Array, imag: Array) -> Array:
        out = np.empty(real.shape, kind)
        out.real, out.imag = real, imag
        return out

    return run


@rule("div", "quotient")
def _div(params: Any, eqn: Any) -> Any:
    kind = eqn.outvars[0].aval.dtype
    if kind.kind not in "iu":
        return np.divide

    def truncated(x: Array, y: Array) -> Any:
        # Rounds to zero; division by 0 gives -1 as in XLA.
        safe = np.where(y == 0, 1, y)
        quotient = np.floor_divide(x, safe)
        quotient = quotient + ((np.remainder(x, safe) != 0) & ((x < 0) != (safe < 0)))
        return np.where(y == 0, np.array(-1).astype(kind), quotient).astype(kind)

    return truncated


@rule("rem")
def _rem(params: Any, eqn: Any) -> Any:
    if eqn.outvars[0].aval.dtype.kind not in "iu":
        return np.fmod
    return lambda x, y: np.where(y == 0, x, np.fmod(x, np.where(y == 0, 1, y)))


@rule("pow")
def _pow(params: Any, eqn: Any) -> Any:
    kind = eqn.outvars[0].aval.dtype

    def run(x: Array, y: Array) -> Any:
        if kind.kind in "iu":
            return _integer_power(x, y)
        wide = np.float32 if is_small_float(kind) else kind
        return np.power(x.astype(wide), y.astype(wide) if y.dtype.kind != "c" else y).astype(kind)

    return run


def _integer_power(x: Array, y: Array) -> Any:
    with_negative = y.dtype.kind == "i"
    safe = np.maximum(y, 0) if with_negative else y
    result = np.power(x, safe.astype(x.dtype))
    if not with_negative:
        return result
    inverse = np.where(x == 1, 1, np.where(x == -1, np.where(y % 2 == 0, 1, -1), 0)).astype(x.dtype)
    return np.where(y < 0, inverse, result)


@rule("integer_pow")
def _integer_pow(params: Any, eqn: Any) -> Any:
    y = params["y"]
    if y == 2:
        return np.square
    if y < 0:
        return lambda x: np.reciprocal(_repeated(x, -y))
    return lambda x: _repeated(x, y)


def _repeated(x: Array, y: int) -> Any:
    """A power by repeated multiplication, as XLA computes it."""
    result: Any = None
    while y:
        if y & 1:
            result = x if result is None else result * x
        y >>= 1
        if y:
            x = x * x
    return np.ones_like(x) if result is None else result


@rule("round")
def _round(params: Any, eqn: Any) -> Any:
    if int(params["rounding_method"]):
        return np.rint
    return lambda x: np.copysign(np.floor(np.abs(x) + np.asarray(0.5, x.dtype)), x)


@rule("shift_left", "shift_right_logical", "shift_right_arithmetic")
def _shift(params: Any, eqn: Any) -> Any:
    name = eqn.primitive.name
    kind = eqn.outvars[0].aval.dtype
    bits = kind.itemsize * 8
    unsigned = np.dtype(f"u{kind.itemsize}")
    signed = np.dtype(f"i{kind.itemsize}")

    def run(x: Array, y: Array) -> Any:
        far = (y >= bits) | (y < 0)
        y = np.where(far, 0, y)
        if name == "shift_left":
            result = np.left_shift(x, y)
        elif name == "shift_right_logical":
            result = np.right_shift(x.view(unsigned), y.astype(unsigned)).view(kind)
        else:
            x = x.astype(kind).view(signed)
            return np.where(far, x >> (bits - 1), x >> y.astype(signed)).view(kind)
        return np.where(far, np.zeros((), kind), result)

    return run


@rule("clz")
def _clz(params: Any, eqn: Any) -> Any:
    kind = eqn.outvars[0].aval.dtype
    bits = kind.itemsize * 8
    unsigned = np.dtype(f"u{kind.itemsize}")

    def run(x: Array) -> Any:
        rest = x.view(unsigned).copy()
        used = np.zeros(x.shape, np.int64)
        while (rest != 0).any():
            used += rest != 0
            rest >>= np.asarray(1, unsigned)
        return (bits - used).astype(kind)

    return run


@rule("select_n")
def _select_n(params: Any, eqn: Any) -> Any:
    def run(which: Array, *cases: Array) -> Any:
        if len(cases) == 1:
            return cases[0]
        if which.dtype == bool:
            if not which.ndim:
                return cases[1] if which else cases[0]
            return np.where(which, cases[1], cases[0])
        return np.choose(which, cases)

    return run


@rule("clamp")
def _clamp(params: Any, eqn: Any) -> Any:
    return lambda low, x, high: np.minimum(np.maximum(x, low), high)


@rule("convert_element_type")
def _convert(params: Any, eqn: Any) -> Any:
    kind = np.dtype(params["new_dtype"])
    source = eqn.invars[0].aval.dtype
    floating = source.kind in "fV"
    if kind == source:
        return lambda x: x
    if kind.kind in "iu" and floating:
        return _saturating(kind, source)
    if source.kind == "c" and kind.kind not in "cb":
        return lambda x: x.real.astype(kind)
    return lambda x: x.astype(kind)


def _saturating(kind: np.dtype[Any], source: np.dtype[Any]) -> Callable[[Array], Any]:
    """Floats to integers as XLA does it: towards zero, at the ends of the range, NaN as 0."""
    limits = np.iinfo(kind)
    wide = np.dtype(np.float32) if is_small_float(source) else source
    # The first power of two that is too large; the range's own end may not be a float.
    end = wide.type(-float(limits.min) if limits.min else float(limits.max) + 1)
    low = wide.type(limits.min)

    def run(x: Array) -> Any:
        x = x.astype(wide, copy=False)
        inside = (x >= low) & (x < end)
        if inside.all():
            return x.astype(kind)
        result = np.where(inside, x, 0).astype(kind)
        return np.where(x >= end, limits.max, np.where(x < low, limits.min, result)).astype(kind)

    return run


@rule("bitcast_convert_type")
def _bitcast(params: Any, eqn: Any) -> Any:
    kind = np.dtype(params["new_dtype"])
    shape = eqn.outvars[0].aval.shape
    return lambda x: np.ascontiguousarray(x).reshape(-1).view(kind).reshape(shape)


@rule("reduce_precision")
def _reduce_precision(params: Any, eqn: Any) -> Any:
    key = (params["exponent_bits"], params["mantissa_bits"])
    kinds: dict[Any, Any] = {
        (5, 10): np.float16,
        (8, 7): ml_dtypes.bfloat16,
        (8, 23): np.float32,
        (11, 52): np.float64,
    }
    if key not in kinds:
        raise NotImplementedError(f"reduce_precision to {key[0]} exponent and {key[1]} mantissa bits")
    return lambda x: x.astype(kinds[key]).astype(x.dtype)
