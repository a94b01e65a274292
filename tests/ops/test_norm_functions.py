"""``norm``, ``dist`` and ``logsumexp``."""

import math

import numpy as np
import pytest

import jtorch

INF = float("inf")
X = np.array([[3.0, -4.0, 0.0], [1.0, 2.0, -2.0]], np.float32)
C = (X + 1j * X[::-1]).astype(np.complex64)


def test_known_values():
    x = jtorch.tensor(X)
    assert x.norm(dim=1).tolist() == [5.0, 3.0]
    assert x.norm(INF).item() == 4.0
    assert jtorch.dist(x[0], x[1], 1).item() == 10.0
    assert jtorch.logsumexp(jtorch.tensor([1000.0, 1000.0]), 0).item() == pytest.approx(1000 + math.log(2))


def test_norm_at_zero_has_gradient_0():
    x = jtorch.zeros(3, requires_grad=True)
    (x.norm() + jtorch.dist(x, x.detach())).backward()
    assert x.grad.tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("p", [1, 2, 3, 0.5, INF, -INF, "fro", "nuc"])
def test_norm_matches_torch(compare, p):
    compare("norm", X[:, :2].copy(), p)
    if p != "nuc":
        compare("norm", X, p, dim=1, keepdim=True)
        compare("norm", C, p, dim=0)
    if not isinstance(p, str):
        compare("dist", X, X[::-1].copy(), p)


def test_logsumexp_matches_torch(compare):
    for dim in (0, (0, 1), -1):
        compare("logsumexp", X, dim)
    compare("logsumexp", np.array([[-INF, 1.0], [-INF, -INF]], np.float32), 1, True, grad=False)
    compare("logsumexp", C, 1)
    compare("logsumexp", np.array([1, 2]), 0, grad=False)
    compare("logsumexp", X[:, :0], 1, grad=False)


def test_errors_are_torchs(same_error):
    same_error("norm", np.array([1, 2]))
    same_error("norm", X, 2, 5)
    same_error("dist", np.array([1, 2]), np.array([1, 2]))
    same_error("logsumexp", X, 2)
