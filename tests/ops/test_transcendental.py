"""Transcendental functions: known values, and comparison with PyTorch in value, dtype and gradient."""

import math

import numpy as np
import pytest

import jtorch

UNIT = np.array([-0.9, -0.5, -1e-4, 0.0, 0.3, 0.999], np.float32)
POSITIVE = np.array([1e-6, 0.5, 1.0, 2.5, 30.0], np.float32)
ANY = np.array([-30.0, -1.5, -1e-4, 0.0, 0.7, 3.0, 20.0], np.float32)
DOMAINS = {
    **dict.fromkeys(["exp", "exp2", "expm1", "sin", "cos", "tan", "atan", "sinh", "cosh", "asinh"], ANY),
    **dict.fromkeys(["deg2rad", "rad2deg"], ANY),
    **dict.fromkeys(["log", "log2", "log10", "log1p"], POSITIVE),
    **dict.fromkeys(["asin", "acos", "atanh"], UNIT),
    "acosh": POSITIVE + 1,
}


def test_known_values():
    x = jtorch.tensor([0.0, 1.0], dtype=jtorch.float64)
    assert jtorch.exp(x).tolist() == [1.0, pytest.approx(math.e)]
    assert jtorch.exp2(x).tolist() == [1.0, 2.0]
    assert jtorch.atan2(x, -x)[1].item() == pytest.approx(math.atan2(1, -1))
    assert jtorch.logaddexp(x, x)[0].item() == pytest.approx(math.log(2))
    assert jtorch.rad2deg(jtorch.tensor(math.pi)).item() == pytest.approx(180)


@pytest.mark.parametrize("name", DOMAINS)
def test_unary_matches_torch(compare, name):
    x = DOMAINS[name]
    compare(name, x)
    compare(name, np.array([1, 2], np.int64), grad=False)
    if name not in ("deg2rad", "rad2deg"):
        compare(name, (x[1:4] * (1 + 0.25j)).astype(np.complex64))


@pytest.mark.parametrize("name", ["atan2", "logaddexp", "logaddexp2"])
def test_binary_matches_torch(compare, name):
    x = np.array([-3.0, 0.0, 1.0, 1000.0], np.float32)
    compare(name, x, x[:, None])
    compare(name, x, np.array([np.inf, -np.inf], np.float32)[:, None], grad=name == "atan2")


def test_complex_logaddexp_stays_on_its_branch(compare):
    x = np.array([1 + 6j, 2 - 3j], np.complex64)
    compare("logaddexp", x, x[::-1].copy())


def test_acosh_left_of_the_imaginary_axis(compare):
    compare("acosh", np.array([-0.9 + 0.4j, -0.5 - 2j, -1.5 - 0.2j, 1.2 + 1j]))


def test_errors_are_torchs(same_error):
    same_error("deg2rad", np.ones(2, np.complex64))
    same_error("logaddexp", np.ones(2, np.int64), np.ones(2, np.int64))
    same_error("exp", 1.0)
