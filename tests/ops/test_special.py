"""Special functions: known values, poles, and comparison with PyTorch."""

import math

import numpy as np
import pytest

import jtorch
from jtorch.ops._registry import OPS

INF, NAN = float("inf"), float("nan")
X = np.array([-2.5, -1.0, -0.3, 0.0, 0.4, 1.0, 3.7, 20.0], np.float32)
UNIT = np.array([0.0, 1e-3, 0.25, 0.5, 0.9, 1.0], np.float32)
POSITIVE = np.array([0.1, 0.5, 1.0, 2.5, 30.0], np.float32)
DOMAINS = {
    **dict.fromkeys(["erf", "erfc", "special.erfcx", "lgamma", "digamma", "sinc", "special.entr"], X),
    **dict.fromkeys(
        ["special.ndtr", "special.log_ndtr", "i0", "special.i0e", "special.i1", "special.i1e"], X
    ),
    **dict.fromkeys(["logit", "special.ndtri"], UNIT),
    "erfinv": UNIT[:-1],
}


def test_known_values():
    x = jtorch.tensor([0.5, 1.0], dtype=jtorch.float64)
    assert jtorch.lgamma(x)[0].item() == pytest.approx(math.log(math.pi) / 2)
    assert jtorch.digamma(x)[1].item() == pytest.approx(-0.5772156649015329)  # minus Euler's constant
    assert jtorch.polygamma(1, x)[1].item() == pytest.approx(math.pi**2 / 6)
    assert jtorch.erfinv(jtorch.erf(x))[1].item() == pytest.approx(1.0)
    assert jtorch.sinc(x)[1].item() == pytest.approx(0.0, abs=1e-15)


@pytest.mark.parametrize("name", DOMAINS)
def test_unary_matches_torch(compare, name):
    compare(name, DOMAINS[name])
    compare(name, np.array([1, 2]), grad=False)


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_polygamma_matches_torch(compare, n):
    compare("polygamma", n, X[X > -1])
    compare(".polygamma", POSITIVE, n)


def test_families_match_torch(compare):
    compare("mvlgamma", POSITIVE + 2, 3)
    compare("logit", UNIT, 0.1)
    for name in ("xlogy", "special.xlog1py"):
        compare(name, np.array([0.0, 1.5, NAN], np.float32), UNIT[1:, None])
        compare(name, 2, UNIT[1:])
    compare("special.zeta", 2.5, POSITIVE)
    compare("special.zeta", np.array([0.5, 1.0, 2.0, 3.0], np.float32), X[:, None], grad=False)
    for name in ("igamma", "igammac"):
        compare(name, POSITIVE, POSITIVE[:, None], grad=False)


@pytest.mark.parametrize(
    "name",
    [
        *["special.bessel_" + n for n in ("j0", "j1", "y0", "y1")],
        *["special.modified_bessel_" + n for n in ("i0", "i1", "k0", "k1")],
        *["special.scaled_modified_bessel_" + n for n in ("k0", "k1")],
        "special.spherical_bessel_j0",
        "special.airy_ai",
    ],
)
def test_bessel_matches_torch(compare, name):
    compare(name, np.array([-7.0, -2.0, 0.0, 0.3, 1.9, 2.1, 7.9, 8.1, 40.0, NAN], np.float32), grad=False)


def test_bessel_functions_in_double_precision():
    # DLMF tables 10.75 and 9.9: the first zeros of J0, J1 and Ai.
    zeros = {"bessel_j0": 2.404825557695773, "bessel_j1": 3.8317059702075125, "airy_ai": -2.338107410459767}
    for name, x in zeros.items():
        value = OPS["special." + name].fn
        assert float(compute(value, x)) == pytest.approx(0.0, abs=1e-15)


def compute(function, x):
    import jax

    with jax.enable_x64(True):
        return function(jax.numpy.asarray(x, "float64"))


@pytest.mark.parametrize("name", [n for n in sorted(OPS) if "_polynomial_" in n])
def test_polynomials_match_torch(compare, name):
    degrees = np.array([-1.0, 0.0, 1.0, 2.0, 7.0], np.float32)[:, None]
    compare(name, np.array([-1.0, -0.3, 0.0, 0.8, 1.0, 1.2], np.float32), degrees, grad=False)
    compare(name, 0.5, degrees, grad=False)


def test_errors_are_torchs(same_error):
    same_error("polygamma", -1, X)
    same_error("mvlgamma", X, 0)
    same_error("erf", X.astype(np.complex64))
    same_error("igamma", np.array([1]), np.array([1]))
    same_error("special.entr", X.astype(np.complex64))
