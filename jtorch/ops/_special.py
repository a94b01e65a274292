"""Special functions: the error function, gamma functions, entropies and what else jax.scipy has."""

from __future__ import annotations

import math
from functools import partial

import jax
import jax.numpy as jnp
import jax.scipy.special as jsp
from jax import Array, lax

from jtorch.ops._checks import check_broadcast, kind, reject_kinds
from jtorch.ops._gradients import slopes
from jtorch.ops._nodes import by_number
from jtorch.ops._registry import register

unary = partial(register, numbers="", promote="float", method=True, inplace=True, out=True)
special = partial(register, numbers="", promote="float", out=True)
binary = partial(register, promote="float", out=True)


@unary("erf", node="ErfBackward0", aliases="special.erf")
def erf(input: Array) -> Array:
    """The error function, 2 / sqrt(pi) times the integral of exp(-t**2) from 0 to ``input``."""
    reject_kinds("erf_vml_cpu", "c", input)
    return lax.erf(input)


@unary("erfc", node="ErfcBackward0", aliases="special.erfc")
def erfc(input: Array) -> Array:
    """``1 - erf(input)``, accurate for large arguments."""
    reject_kinds("erfc_vml_cpu", "c", input)
    return lax.erfc(input)


@unary("erfinv", node="ErfinvBackward0", aliases="special.erfinv")
def erfinv(input: Array) -> Array:
    """The inverse of :func:`erf` on (-1, 1)."""
    reject_kinds("erfinv_vml_cpu", "c", input)
    return lax.erf_inv(input)


@special("special.erfcx", node="SpecialErfcxBackward0", saves="input result")
def erfcx(input: Array) -> Array:
    """``exp(input**2) * erfc(input)``, which falls off slowly."""
    reject_kinds("erfcx_cpu", "c", input)
    return jsp.erfcx(input)


@unary("lgamma", node="LgammaBackward0", aliases="special.gammaln")
def lgamma(input: Array) -> Array:
    """The logarithm of the gamma function's absolute value."""
    reject_kinds("lgamma_vml_cpu", "c", input)
    return lgamma_real(input)


@slopes(lambda result, x: digamma_real(x))  # type: ignore[has-type]
def lgamma_real(x: Array) -> Array:
    """``lax.lgamma``, whose slope has the sign of 0 at 0; exactly 0 where XLA's series leaves a remainder."""
    return jnp.where((x == 1) | (x == 2), 0, lax.lgamma(x))


@unary("digamma", node="DigammaBackward0", aliases="special.digamma special.psi")
def digamma(input: Array) -> Array:
    """The derivative of :func:`lgamma`; nan at negative whole numbers, minus infinity at 0."""
    reject_kinds("digamma", "c", input)
    return digamma_real(input)


@slopes(lambda result, x: trigamma(x))
def digamma_real(x: Array) -> Array:
    """``lax.digamma`` with PyTorch's values at its poles."""
    pole = jnp.copysign(jnp.full_like(x, jnp.inf), -x)
    whole = (x < 0) & (x == jnp.floor(x))
    return jnp.where(x == 0, pole, jnp.where(whole, jnp.nan, lax.digamma(x)))


def trigamma(x: Array) -> Array:
    """The second derivative of :func:`lgamma`; below 1/2 by reflection at 1/2."""
    low = x < 0.5
    sine = jnp.sin(math.pi * jnp.where(low, x, 0.5))
    upper = zeta_real(jnp.full_like(x, 2), jnp.where(low, 1 - x, x))
    return jnp.where(low, (math.pi / sine) ** 2 - upper, upper)


@register(
    "polygamma", node="PolygammaBackward0", static="n", promote="float", out=True, aliases="special.polygamma"
)
def polygamma(n: int, input: Array) -> Array:
    """The derivative of order ``n`` of :func:`digamma`.

    Raises:
        RuntimeError: a negative ``n``.
    """
    if n < 0:
        raise RuntimeError("polygamma(n, x) does not support negative n.")
    reject_kinds("polygamma", "c", input)
    return polygamma_of_order(n, input)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def polygamma_of_order(n: int, x: Array) -> Array:
    """(-1)**(n + 1) * n! * zeta(n + 1, x) for n above 1."""
    if n == 0:
        return digamma_real(x)
    if n == 1:
        return trigamma(x)
    sign = 1.0 if n % 2 else -1.0
    return sign * jnp.exp(lax.lgamma(jnp.asarray(n + 1.0, x.dtype))) * zeta_real(jnp.full_like(x, n + 1), x)


@polygamma_of_order.defjvp
def polygamma_of_order_jvp(n: int, primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    return polygamma_of_order(n, primals[0]), tangents[0] * polygamma_of_order(n + 1, primals[0])


@register(
    "mvlgamma",
    node="MvlgammaBackward0",
    static="p",
    promote="float",
    method=True,
    inplace=True,
    out=True,
    aliases="special.multigammaln",
)
def mvlgamma(input: Array, p: int) -> Array:
    """The logarithm of the multivariate gamma function of dimension ``p``.

    C + sum over i = 0 .. p - 1 of lgamma(input - i / 2), with C = log(pi) * p * (p - 1) / 4.

    Raises:
        RuntimeError: ``p`` below 1.
    """
    if p < 1:
        raise RuntimeError("p has to be greater than or equal to 1")
    reject_kinds("arange_cpu", "c", input)
    constant = math.log(math.pi) * p * (p - 1) / 4
    return sum((lgamma_real(input - i / 2) for i in range(p)), jnp.full_like(input, constant))


@register(
    "igamma",
    numbers="",
    node="IgammaBackward0",
    promote="default",
    method=True,
    inplace=True,
    out=True,
    aliases="special.gammainc",
)
def igamma(input: Array, other: Array) -> Array:
    """The regularised lower incomplete gamma function: of shape ``input``, up to ``other``."""
    check_broadcast(input, other)
    reject_kinds("igamma_cpu", "bic", input)
    return lax.igamma(*jnp.broadcast_arrays(input, other))


@register(
    "igammac",
    numbers="",
    node="IgammacBackward0",
    promote="default",
    method=True,
    inplace=True,
    out=True,
    aliases="special.gammaincc",
)
def igammac(input: Array, other: Array) -> Array:
    """``1 - igamma(input, other)``, accurate where that is small."""
    check_broadcast(input, other)
    reject_kinds("igammac_cpu", "bic", input)
    return lax.igammac(*jnp.broadcast_arrays(input, other))


@register(
    "logit",
    numbers="eps",
    node="LogitBackward0",
    promote="float",
    promoted="input",
    method=True,
    inplace=True,
    out=True,
    aliases="special.logit",
)
def logit(input: Array, eps: Array | None = None) -> Array:
    """``log(input / (1 - input))``, ``input`` being limited to [``eps``, 1 - ``eps``]; nan outside [0, 1]."""
    reject_kinds("logit_cpu", "c", input)
    if eps is not None:
        eps = eps.astype(input.dtype)
        input = jnp.where(input < eps, eps, jnp.where(input > 1 - eps, 1 - eps, input))
        return jnp.log(input / (1 - input))
    return logit_real(input)


@slopes(lambda result, x: jnp.where((x < 0) | (x > 1), jnp.nan, 1 / (x * (1 - x))))
def logit_real(x: Array) -> Array:
    """``log(x / (1 - x))``, of slope nan outside [0, 1]."""
    return jnp.log(x / (1 - x))


@unary("sinc", node="SincBackward0", aliases="special.sinc")
def sinc(input: Array) -> Array:
    """``sin(pi * input) / (pi * input)``, 1 at 0."""
    return jnp.sinc(input) if kind(input) == "c" else sinc_real(input)


def sinc_slope(result: Array, x: Array) -> Array:
    """``(cos(pi x) - sinc(x)) / x``, 0 where that is lost in rounding."""
    lost = x * x == 0
    return jnp.where(lost, 0, (jnp.cos(math.pi * x) - result) / jnp.where(lost, 1, x))


@slopes(sinc_slope)
def sinc_real(x: Array) -> Array:
    """``jnp.sinc``, whose own slope overflows near 0."""
    return jnp.sinc(x)


@special("special.entr", node="SpecialEntrBackward0")
def entr(input: Array) -> Array:
    """``-input * log(input)``, 0 at 0 and minus infinity below."""
    reject_kinds("entr_cpu", "c", input)
    return entr_real(input)


@slopes(lambda result, x: -(1 + jnp.log(x)))
def entr_real(x: Array) -> Array:
    """The entropy term with PyTorch's slope at 0 and below."""
    value = -x * jnp.log(jnp.where(x > 0, x, 1))
    return jnp.where(x < 0, -jnp.inf, value)


@special("special.ndtr", node="MulBackward1", saves="intermediate")
def ndtr(input: Array) -> Array:
    """The standard normal distribution function."""
    reject_kinds("erf_vml_cpu", "c", input)
    return 0.5 * lax.erfc(-input * math.sqrt(0.5))


@special("special.ndtri", node="SpecialNdtriBackward0", saves="result")
def ndtri(input: Array) -> Array:
    """The inverse of the standard normal distribution function."""
    reject_kinds("ndtri_cpu", "c", input)
    return ndtri_real(input)


@slopes(lambda result, x: math.sqrt(2 * math.pi) * jnp.exp(result * result / 2))
def ndtri_real(x: Array) -> Array:
    """``jsp.ndtri``, with its slope at 0 and 1."""
    return jsp.ndtri(x)


@special("special.log_ndtr", node="SpecialLogNdtrBackward0", saves="input result")
def log_ndtr(input: Array) -> Array:
    """The logarithm of the standard normal distribution function."""
    reject_kinds("log_ndtr_cpu", "c", input)
    return jsp.log_ndtr(input)


def product_with_log(x: Array, log_y: Array, y: Array) -> Array:
    """``x * log_y``, 0 where ``x`` is 0 unless ``y`` is nan."""
    zero = (x == 0) & ~jnp.isnan(y)
    return jnp.where(zero, 0, x * jnp.where(zero, 0, log_y))


@register(
    "xlogy",
    numbers="input other",
    node=by_number("Xlogy", tensors=0, numbers={0: 1, 1: 2}),
    promote="float",
    method=True,
    inplace=True,
    out=True,
    aliases="special.xlogy",
)
def xlogy(input: Array, other: Array) -> Array:
    """``input * log(other)``, 0 where ``input`` is 0."""
    check_broadcast(input, other)
    reject_kinds("xlogy_cpu", "c", input)
    return xlogy_real(input, other)


def log_slope(log: Array, x: Array, pole: Array) -> Array:
    """The slope by ``x``: the logarithm, 0 where ``x`` is 0 and the logarithm has none."""
    return jnp.where((x == 0) & pole, 0, log)


@slopes(lambda result, x, y: log_slope(jnp.log(y), x, y <= 0), lambda result, x, y: x / y)
def xlogy_real(x: Array, y: Array) -> Array:
    """``x * log(y)`` with PyTorch's slopes at 0."""
    return product_with_log(x, jnp.log(y), y)


@binary(
    "special.xlog1py",
    numbers="input other",
    node=by_number("SpecialXlog1Py", tensors=0, numbers={0: 1, 1: 2}),
)
def xlog1py(input: Array, other: Array) -> Array:
    """``input * log1p(other)``, 0 where ``input`` is 0."""
    check_broadcast(input, other)
    reject_kinds("xlog1py_cpu", "c", input)
    return xlog1py_real(input, other)


@slopes(lambda result, x, y: log_slope(jnp.log1p(y), x, y <= -1), lambda result, x, y: x / (1 + y))
def xlog1py_real(x: Array, y: Array) -> Array:
    """``x * log1p(y)`` with PyTorch's slopes at 0."""
    return product_with_log(x, jnp.log1p(y), y)


@binary("special.zeta", numbers="input other", node=by_number("SpecialZeta", tensors=0, numbers={0: 1, 1: 2}))
def zeta(input: Array, other: Array) -> Array:
    """The Hurwitz zeta function: the sum over k >= 0 of (k + ``other``) ** -``input``."""
    check_broadcast(input, other)
    reject_kinds("zeta_cpu", "c", input)
    return zeta_real(*jnp.broadcast_arrays(input, other))


@slopes(None, lambda result, x, q: -x * zeta_real(x + 1, q))  # type: ignore[has-type]
def zeta_real(x: Array, q: Array) -> Array:
    """Differentiable in ``q`` any number of times; in ``x`` not at all, as in PyTorch.

    ``lax.zeta`` is right for positive ``q``; below, the terms up to there are added one by one.
    """
    whole, negative = q == jnp.floor(q), (q < 0) & (x > 1) & (x == jnp.floor(x))
    steps = jnp.where(negative & ~whole, jnp.minimum(jnp.ceil(-q), 1e5), 0)

    def add_term(k: Array, total: Array) -> Array:
        return jnp.where(k < steps, total + jnp.power(q + k.astype(q.dtype), -x), total)

    last = jnp.max(steps, initial=0).astype(jnp.int64)
    below = lax.fori_loop(jnp.zeros((), jnp.int64), last, add_term, jnp.zeros_like(q))
    value = below + lax.zeta(x, jnp.where(steps > 0, q + steps, jnp.where(q > 0, q, 1)))
    value = jnp.where(q > 0, value, jnp.where(whole, jnp.inf, jnp.where(negative, value, jnp.nan)))
    return jnp.where(x == 1, jnp.inf, jnp.where(x < 1, jnp.nan, value))
