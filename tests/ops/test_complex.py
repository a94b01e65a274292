"""Complex numbers and their parts."""

import math

import numpy as np
import pytest

import jtorch

X = np.array([1.5, -2.0, 0.0, 3.0], np.float32)
Z = (X + 1j * X[::-1]).astype(np.complex64)


def test_known_values():
    assert jtorch.polar(jtorch.tensor([2.0]), jtorch.tensor([0.0])).tolist() == [2 + 0j]
    assert jtorch.angle(jtorch.tensor([-1.0, 1.0])).tolist() == [pytest.approx(math.pi), 0.0]
    assert jtorch.complex(jtorch.tensor([1.0]), jtorch.tensor([-1.0])).conj().tolist() == [1 + 1j]


def test_gradients_at_zero_are_zero():
    z = jtorch.zeros(1, dtype=jtorch.complex64, requires_grad=True)
    (z.abs() + z.angle()).sum().backward()
    assert z.grad.tolist() == [0j]


@pytest.mark.parametrize(
    "name", ["angle", "abs", "sgn", "conj_physical", "isreal", "square", "reciprocal", "neg"]
)
def test_unary_matches_torch(compare, name):
    compare(name, Z, grad=name != "isreal")


def test_parts_match_torch(compare):
    compare("complex", X, X[::-1].copy())
    compare("polar", np.abs(X) + 1, X)
    compare("angle", X)
    compare("angle", np.array([-1, 0, 2]), grad=False)


def test_errors_are_torchs(same_error):
    same_error("complex", X, X.astype(np.float64))
    same_error("polar", np.array([1]), np.array([1]))
