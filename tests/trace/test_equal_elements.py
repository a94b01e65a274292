"""Elements that are compared with one chosen from them, all computed in one program.

XLA computes the result of a batch norm in each loop that reads it, with roundings of its own in each.
References are NumPy's, from numbers that were read, and for gradients programs in pieces.
"""

import numpy as np
import pytest

import jtorch

X = np.random.default_rng(0).standard_normal((96, 128)).astype(np.float32)
INDEX = np.random.default_rng(1).integers(0, 128, (96, 5))


def normalized(x):
    return jtorch.nn.functional.batch_norm(x, None, None, training=True)


CHOICES = {
    "amax": lambda u: u.amax(1),
    "amin": lambda u: u.amin(0),
    "max": lambda u: u.max(),
    "aminmax": lambda u: u.aminmax(dim=1)[1],
    "largest norm": lambda u: jtorch.linalg.vector_norm(u, float("inf"), 1),
    "scatter_reduce": lambda u: u.scatter_reduce(1, jtorch.from_numpy(INDEX), u[:, :5], "amax"),
    "index_reduce": lambda u: u.index_reduce(1, jtorch.from_numpy(INDEX[0]), u[:, :5], "amin"),
    "segments": lambda u: jtorch.segment_reduce(u, "max", lengths=jtorch.tensor([40, 56])),
    "median": lambda u: u.median(1)[0],
    "kthvalue": lambda u: u.kthvalue(7, 1)[0],
    "comparison": lambda u: jtorch.where(u == u.amax(1, keepdim=True), u, 0),
}


@pytest.mark.parametrize("name", CHOICES)
def test_chosen_elements_have_the_gradient(name, lazy):
    found = []
    for pieces in (False, True):
        x = jtorch.from_numpy(X.copy()).requires_grad_()
        u = normalized(x)
        if pieces:
            u.numpy(force=True)
        y = CHOICES[name](u)
        if pieces:
            y.numpy(force=True)
        weight = jtorch.from_numpy(np.random.default_rng(2).standard_normal(y.shape).astype(np.float32))
        (y * weight).sum().backward()
        found.append((y.numpy(force=True), x.grad.numpy()))
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("rows", [96, 192])
def test_positions_of_chosen_elements(rows, lazy):
    x = np.concatenate([X, X[::-1]])[:rows]
    u = normalized(jtorch.from_numpy(x))
    largest, smallest, middle = u.argmax(1), u.min(1)[1], u.median(1)[1]
    expected = normalized(jtorch.from_numpy(x)).numpy()
    assert largest.tolist() == expected.argmax(1).tolist()
    assert smallest.tolist() == expected.argmin(1).tolist()
    assert middle.tolist() == expected.argsort(1)[:, 63].tolist()


def test_comparisons_with_the_largest_element(lazy):
    u = normalized(jtorch.from_numpy(X))
    assert ((u == u.amax(1, keepdim=True)).sum(1) == 1).all()
    assert ((u == u.max()).sum() == 1).item()
