"""Bessel functions of orders 0 and 1, and the Airy function.

Near 0 they are Chebyshev series in x**2 (plus the logarithm that Y and K have there), far out their
asymptotic forms (DLMF 10.17, 10.25, 9.7, https://dlmf.nist.gov) with Chebyshev series for the amplitudes. The
coefficients were computed with mpmath at 40 digits by interpolation at Chebyshev nodes; those too small for
the operand's type are left out. PyTorch has no gradients of these functions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import jax.numpy as jnp
import jax.scipy.special as jsp
from jax import Array

from jtorch.ops._checks import reject_kinds
from jtorch.ops._gradients import slopes
from jtorch.ops._registry import register

unary = partial(register, numbers="", promote="float", out=True)
constant = partial(unary, node=None, saves="")

_J0 = (
    0.15772797147489012,
    -0.0087234423528522211,
    0.2651786132033368,
    -0.37009499387264977,
    0.15806710233209725,
    -0.034893769411408884,
    0.0048191800694676046,
    -0.00046062616620627504,
    3.2460328821005083e-05,
    -1.7619469077621507e-06,
    7.6081635924187821e-08,
    -2.6792535305576728e-09,
    7.8486963144794648e-11,
    -1.9438346867370164e-12,
    4.1253205956343741e-14,
    -7.5885081254475459e-16,
    1.2218515873961411e-17,
)
_J1 = (
    0.081044846325658115,
    -0.14897514506765211,
    0.16099926235720971,
    -0.08268049176681791,
    0.022213639654966037,
    -0.0036469406007692759,
    0.0004050337728354822,
    -3.2555548668572587e-05,
    1.9858774049915165e-06,
    -9.5219847567504361e-08,
    3.6871337590971481e-09,
    -1.178026622695885e-10,
    3.1601545803480032e-12,
    -7.2217552396517734e-14,
    1.4232144003513942e-15,
    -2.4441972916190464e-17,
)
_Y0 = (
    -0.033146113203284942,
    -0.27447430552974528,
    0.17903431407718265,
    0.26156734625504663,
    -0.17730201278114358,
    0.04719668959576339,
    -0.0072879624795520789,
    0.0007531135932577742,
    -5.6320791410569873e-05,
    3.2065325376548008e-06,
    -1.44072332740187e-07,
    5.2487947873305158e-09,
    -1.5837552541812015e-10,
    4.0263308183061204e-12,
    -8.7473412033107693e-14,
    1.6434898714919468e-15,
    -2.6977881152566837e-17,
)
_Y1 = (
    0.0025380132357417816,
    -0.016087173047668751,
    -0.095912045360830742,
    0.084451972596523456,
    -0.028328123944594365,
    0.0052898975441671133,
    -0.0006414551451326356,
    5.5059828733387439e-05,
    -3.5380800186893499e-06,
    1.7707804556154404e-07,
    -7.1105500498992796e-09,
    2.3443379059115162e-10,
    -6.4651518414115946e-12,
    1.51429151205002e-13,
    -3.0511859694473254e-15,
    5.3466803857286703e-17,
)
_P0 = (
    0.99946034934751871,
    -0.00053652204681321172,
    3.0751847875194745e-06,
    -5.1705945376060975e-08,
    1.6306464635151382e-09,
    -7.8640913772370698e-11,
    5.1682623873491928e-12,
    -4.3045788699253914e-13,
    4.3265957431549404e-14,
    -5.0690340959352359e-15,
    6.7480722157338734e-16,
    -1.0011513723467786e-16,
    1.6305919233744186e-17,
)
_Q0 = (
    -0.12444683684269607,
    0.00054708159540893195,
    -5.9315987288485175e-06,
    1.4377965798375193e-07,
    -5.8175327494930561e-09,
    3.3760975237349908e-10,
    -2.5653979367973079e-11,
    2.404916100281365e-12,
    -2.6690625482579414e-13,
    3.4041800321963686e-14,
    -4.8799441053120397e-15,
    7.7297031762426054e-16,
    -1.3348852171502517e-16,
    2.4865952389390515e-17,
)
_P1 = (
    1.0009030408600137,
    0.00089898983308594083,
    -3.9872843004889084e-06,
    6.1776339606442988e-08,
    -1.8718907491063067e-09,
    8.8168986595823391e-11,
    -5.7048636403956448e-12,
    4.699195515230542e-13,
    -4.6842237839904895e-14,
    5.4526748960447171e-15,
    -7.2211808422740179e-16,
    1.0667689114335412e-16,
    -1.7312313216116335e-17,
)
_Q1 = (
    0.37422229655628259,
    -0.00077021788393256637,
    7.3108922063643636e-06,
    -1.6767825107266739e-07,
    6.5833546621204433e-09,
    -3.7490909505415562e-10,
    2.8121750359748866e-11,
    -2.61145253946232e-12,
    2.8774212663332235e-13,
    -3.6490019160618379e-14,
    5.2066263662267069e-15,
    -8.2153180254585947e-16,
    1.4141084390211833e-16,
    -2.6267615898385291e-17,
)
_K0 = (
    1.2201515410329777,
    -0.031448101311964502,
    0.0015698838857300533,
    -0.00012849549581627802,
    1.39498137188765e-05,
    -1.8317555227191195e-06,
    2.7668136394450149e-07,
    -4.6604898976879478e-08,
    8.5740340174142253e-09,
    -1.6975345093890614e-09,
    3.5773972814003283e-10,
    -7.9574892444773965e-11,
    1.8559491149549264e-11,
    -4.5145978833745193e-12,
    1.1403405882073441e-12,
    -2.9800969231481784e-13,
    8.0328907750683746e-14,
    -2.2275133267462965e-14,
    6.3400764762766461e-15,
    -1.8485933779209071e-15,
    5.5120559994043335e-16,
    -1.6782311257549006e-16,
    5.2103917776435543e-17,
    -1.6475805939842632e-17,
)
_K1 = (
    1.3603130952422213,
    0.10392373657681724,
    -0.0028578168596227792,
    0.00019521551847135162,
    -1.936197974166083e-05,
    2.406484947837217e-06,
    -3.5019606030878126e-07,
    5.7410841254500495e-08,
    -1.0345762465678097e-08,
    2.0150497551970347e-09,
    -4.1903547593419254e-10,
    9.2183151876053146e-11,
    -2.1299678384277909e-11,
    5.1396396734823432e-12,
    -1.2891739609498229e-12,
    3.3484196660522431e-13,
    -8.9767051820101463e-14,
    2.4771544242195988e-14,
    -7.0198370892147685e-15,
    2.038703166239861e-15,
    -6.0570472706430177e-16,
    1.8380935752430455e-16,
    -5.6894628491936484e-17,
    1.7940510478863572e-17,
)
_AI = (
    0.060785256850797262,
    0.18996030881729123,
    -0.25092438703233599,
    -0.095120140135030548,
    0.20236324198370076,
    -0.064187283063052492,
    -0.026814703186039963,
    0.024051904281273857,
    -0.0041325916497489497,
    -0.0020196817905494225,
    0.0011250768750654559,
    -0.00011697538709676606,
    -7.1254992530606821e-05,
    2.8167833107042442e-05,
    -1.7594742389691562e-06,
    -1.4587201524168717e-06,
    4.388747958436033e-07,
    -1.4627095866197506e-08,
    -1.9495992841846798e-08,
    4.6605527741638838e-09,
    -5.1062451179042341e-11,
    -1.8343326708789198e-10,
    3.5857642041278925e-11,
    2.6582413274795728e-13,
    -1.2805447574198059e-12,
    2.0885896604502407e-13,
    4.8741837202287105e-15,
    -6.8950809278850354e-15,
    9.5196501457001704e-16,
    3.5978991422145034e-17,
    -2.9502705833721254e-17,
)
_AI_RIGHT = (
    0.98440530491715517,
    -0.014792784850104199,
    0.00073271774654267146,
    -6.1259542341782504e-05,
    6.8347669755726903e-06,
    -9.2372297354039818e-07,
    1.436225340438052e-07,
    -2.4893194223220961e-08,
    4.7097934400543277e-09,
    -9.5838637081127331e-10,
    2.0745855483677591e-10,
    -4.737267332192277e-11,
    1.1336099808224236e-11,
    -2.8277067823193509e-12,
    7.3207120951255979e-13,
    -1.9599793911089723e-13,
    5.4101162570683925e-14,
    -1.5356466802223836e-14,
    4.4723403933000248e-15,
    -1.3338094674756683e-15,
    4.0665820464562309e-16,
    -1.2655832256452891e-16,
    4.0151263340158709e-17,
    -1.2969972135960937e-17,
)
_AI_P = (
    0.99937088907427785,
    -0.00062168365843741163,
    7.1811937743686453e-06,
    -2.3162698135017581e-07,
    1.3216283888528755e-08,
    -1.0938736172758127e-09,
    1.1794620737908535e-10,
    -1.5518841909929856e-11,
    2.3869274114924661e-12,
    -4.1655288920103501e-13,
    8.0716781107414672e-14,
    -1.708757321110567e-14,
    3.9029451485408149e-15,
    -9.5239767849070643e-16,
    2.4632810885752603e-16,
    -6.709077463464858e-17,
    1.913939683718707e-17,
)
_AI_Q = (
    0.06882170556308001,
    -0.00060891518408326937,
    1.3174151014089972e-05,
    -6.0140719129082983e-07,
    4.3275373422984992e-08,
    -4.2477317329547258e-09,
    5.2322853768344934e-10,
    -7.6722909751150242e-11,
    1.2923809452698712e-11,
    -2.4385297571082901e-12,
    5.0590472378720842e-13,
    -1.1378513792256329e-13,
    2.7441377308322258e-14,
    -7.0344821126325798e-15,
    1.9032114367198917e-15,
    -5.4030405414093075e-16,
    1.6016711026585234e-16,
    -4.9375274403528065e-17,
    1.577343579778115e-17,
)


def chebyshev(coefficients: Sequence[float], t: Array) -> Array:
    """The sum of ``coefficients[k] * T_k(t)`` for t in [-1, 1], by Clenshaw's recurrence."""
    tiny = float(jnp.finfo(t.dtype).eps) / 8
    count = max(k for k, c in enumerate(coefficients) if abs(c) > tiny) + 1
    after = behind = jnp.zeros_like(t)
    for c in reversed(coefficients[1:count]):
        after, behind = 2 * t * after - behind + c, after
    return t * after - behind + coefficients[0]


def near(coefficients: Sequence[float], x: Array) -> Array:
    """A series in x**2 on [0, 8]."""
    return chebyshev(coefficients, jnp.clip(x * x / 32 - 1, -1, 1))


# Differs from PyTorch: J and Y are right to the last digits of float64, PyTorch's are off by up to 4e-7.
def far(order: int, x: Array) -> tuple[Array, Array]:
    """sqrt(2 / (pi x)) * (P cos - Q sin, P sin + Q cos) of x - (2 * order + 1) pi / 4: J and Y for x >= 8."""
    x = jnp.maximum(x, 8)
    t = 2 * (8 / x) ** 2 - 1
    p = chebyshev((_P0, _P1)[order], t)
    q = chebyshev((_Q0, _Q1)[order], t) / x
    phase = x - (2 * order + 1) * math.pi / 4
    amplitude = jnp.sqrt(2 / math.pi / x)
    sine, cosine = jnp.sin(phase), jnp.cos(phase)
    return amplitude * (p * cosine - q * sine), amplitude * (p * sine + q * cosine)


@constant("special.bessel_j0")
def bessel_j0(input: Array) -> Array:
    """The Bessel function of the first kind of order 0."""
    reject_kinds("bessel_j0_cpu", "c", input)
    x = jnp.abs(input)
    return jnp.where(x <= 8, near(_J0, x), far(0, x)[0])


@constant("special.bessel_j1")
def bessel_j1(input: Array) -> Array:
    """The Bessel function of the first kind of order 1."""
    reject_kinds("bessel_j1_cpu", "c", input)
    x = jnp.abs(input)
    value = jnp.where(x <= 8, x * near(_J1, x), far(1, x)[0])
    return jnp.where(input < 0, -value, value)


def second_kind(x: Array, small: Array, large: Array) -> Array:
    """Assemble Y: minus infinity at 0, nan below."""
    value = jnp.where(x <= 8, small, large)
    return jnp.where(x == 0, -jnp.inf, jnp.where(x > 0, value, jnp.nan))


@constant("special.bessel_y0")
def bessel_y0(input: Array) -> Array:
    """The Bessel function of the second kind of order 0; nan below 0."""
    reject_kinds("bessel_y0_cpu", "c", input)
    x = jnp.where(input > 0, input, 1)
    small = 2 / math.pi * jnp.log(x) * near(_J0, x) + near(_Y0, x)
    return second_kind(input, small, far(0, x)[1])


@constant("special.bessel_y1")
def bessel_y1(input: Array) -> Array:
    """The Bessel function of the second kind of order 1; nan below 0."""
    reject_kinds("bessel_y1_cpu", "c", input)
    x = jnp.where(input > 0, input, 1)
    small = 2 / math.pi * (jnp.log(x) * x * near(_J1, x) - 1 / x) + x * near(_Y1, x)
    return second_kind(input, small, far(1, x)[1])


@constant("special.spherical_bessel_j0")
def spherical_bessel_j0(input: Array) -> Array:
    """``sin(input) / input``, 1 at 0."""
    reject_kinds("spherical_bessel_j0_cpu", "c", input)
    x = jnp.where(input == 0, 1, input)
    return jnp.where(input == 0, 1, jnp.where(jnp.isinf(input), 0, jnp.sin(x) / x))


@unary("i0", node="I0Backward0", method=True, inplace=True, aliases="special.i0")
def i0(input: Array) -> Array:
    """The modified Bessel function of the first kind of order 0."""
    reject_kinds("i0_vml_cpu", "c", input)
    return i0_real(input)


@slopes(lambda result, x: i1_real(x))  # type: ignore[has-type]
def i0_real(x: Array) -> Array:
    """``jsp.i0``, whose own derivative is a difference of large numbers."""
    return jsp.i0(x)


@slopes(lambda result, x: jnp.where(x == 0, 0.5, i0_real(x) - result / jnp.where(x == 0, 1, x)))
def i1_real(x: Array) -> Array:
    """``jsp.i1``, whose own derivative is a difference of large numbers."""
    return jsp.i1(x)


@unary("special.i0e", node="SpecialI0EBackward0", saves="input result")
def i0e(input: Array) -> Array:
    """``exp(-abs(input)) * i0(input)``."""
    reject_kinds("i0e_cpu", "c", input)
    return jsp.i0e(input)


@unary("special.i1", node="SpecialI1Backward0", saves="input result")
def i1(input: Array) -> Array:
    """The modified Bessel function of the first kind of order 1."""
    reject_kinds("i1_cpu", "c", input)
    return i1_real(input)


@unary("special.i1e", node="SpecialI1EBackward0", watches="result")
def i1e(input: Array) -> Array:
    """``exp(-abs(input)) * i1(input)``."""
    reject_kinds("i1e_cpu", "c", input)
    return jsp.i1e(input)


@constant("special.modified_bessel_i0")
def modified_bessel_i0(input: Array) -> Array:
    """The modified Bessel function of the first kind of order 0, as :func:`i0`, without a gradient."""
    reject_kinds("modified_bessel_i0_cpu", "c", input)
    return jsp.i0(input)


@constant("special.modified_bessel_i1")
def modified_bessel_i1(input: Array) -> Array:
    """The modified Bessel function of the first kind of order 1, as :func:`i1`, without a gradient."""
    reject_kinds("modified_bessel_i1_cpu", "c", input)
    return jsp.i1(input)


def scaled_k(order: int, input: Array) -> tuple[Array, Array]:
    """``exp(x) * K(x)`` where x > 2, and K(x) where x <= 2 by its series (DLMF 10.31.1, 10.31.2)."""
    x = jnp.where(input > 0, input, 1)
    t = 4 / jnp.maximum(x, 2) - 1
    large = chebyshev((_K0, _K1)[order], t) / jnp.sqrt(x)
    z = jnp.minimum(x * x / 4, 1)
    regular, logarithmic = jnp.zeros_like(x), jnp.zeros_like(x)
    psi = -0.57721566490153286  # minus Euler's constant: digamma(1)
    for k in range(14):
        # digamma(k + 1) + digamma(k + 1 + order), halved
        both = psi + sum(1 / j for j in range(1, k + 1)) + (0.5 / (k + 1) if order else 0)
        term = z**k * (1 / (math.factorial(k) * math.factorial(k + order)))
        regular, logarithmic = regular + term, logarithmic + both * term
    log = jnp.log(x / 2)
    if order == 0:
        return large, logarithmic - log * regular
    return large, 1 / x + x / 2 * (log * regular - logarithmic)


def third_kind(input: Array, small: Array, large: Array) -> Array:
    """Assemble K: infinity at 0, nan below."""
    value = jnp.where(input <= 2, small, large)
    return jnp.where(input == 0, jnp.inf, jnp.where(input > 0, value, jnp.nan))


def modified_k(kernel: str, order: int, scaled: bool, input: Array) -> Array:
    reject_kinds(kernel, "c", input)
    large, small = scaled_k(order, input)
    if scaled:
        return third_kind(input, small * jnp.exp(jnp.minimum(input, 2)), large)
    return third_kind(input, small, large * jnp.exp(-input))


@constant("special.modified_bessel_k0")
def modified_bessel_k0(input: Array) -> Array:
    """The modified Bessel function of the second kind of order 0; nan below 0."""
    return modified_k("modified_bessel_k0_cpu", 0, False, input)


@constant("special.modified_bessel_k1")
def modified_bessel_k1(input: Array) -> Array:
    """The modified Bessel function of the second kind of order 1; nan below 0."""
    return modified_k("modified_bessel_k1_cpu", 1, False, input)


@constant("special.scaled_modified_bessel_k0")
def scaled_modified_bessel_k0(x: Array) -> Array:
    """``exp(x) * modified_bessel_k0(x)``."""
    return modified_k("scaled_modified_bessel_k0_cpu", 0, True, x)


@constant("special.scaled_modified_bessel_k1")
def scaled_modified_bessel_k1(x: Array) -> Array:
    """``exp(x) * modified_bessel_k1(x)``."""
    return modified_k("scaled_modified_bessel_k1_cpu", 1, True, x)


@constant("special.airy_ai")
def airy_ai(x: Array) -> Array:
    """The Airy function Ai, decaying to the right, oscillating to the left; nan at infinity as in PyTorch."""
    reject_kinds("airy_ai_cpu", "c", x)
    size = jnp.where(jnp.isinf(x), 1, jnp.abs(x))
    middle = chebyshev(_AI, jnp.clip((x + 1) / 3, -1, 1))
    right_size = jnp.maximum(size, 2)
    zeta = right_size * jnp.sqrt(right_size) / 1.5
    edge = 2 * math.sqrt(2) / 1.5
    decay = jnp.exp(-zeta) / (2 * math.sqrt(math.pi) * jnp.sqrt(jnp.sqrt(right_size)))
    right = decay * chebyshev(_AI_RIGHT, 2 * edge / zeta - 1)
    left_size = jnp.maximum(size, 4)
    zeta = left_size * jnp.sqrt(left_size) / 1.5
    t = 2 * ((4 * 2 / 1.5) / zeta) ** 2 - 1
    p, q = chebyshev(_AI_P, t), chebyshev(_AI_Q, t) / zeta
    phase = zeta - math.pi / 4
    left = (p * jnp.cos(phase) + q * jnp.sin(phase)) / (math.sqrt(math.pi) * jnp.sqrt(jnp.sqrt(left_size)))
    value = jnp.where(x > 2, right, jnp.where(x < -4, left, middle))
    return jnp.where(jnp.isinf(x), jnp.nan, value)
