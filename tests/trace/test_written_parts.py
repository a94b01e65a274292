"""Parts computed from the array that they are written to, with reshapes around.

XLA's CPU compiler, left to itself, overwrites elements before they are read in a third of these tests.
References are NumPy's, or programs in pieces.
"""

import itertools

import numpy as np
import pytest

import jtorch

X = np.random.default_rng(0).standard_normal((4, 6))
COLUMNS = np.array([[0, 0], [1, 1], [2, 3], [5, 5]])

#: 4 x 2 elements computed from 4 x 6, in either library.
READ = {
    "gathered": lambda y: (
        y.gather(1, jtorch.tensor(COLUMNS)) if hasattr(y, "gather") else np.take_along_axis(y, COLUMNS, 1)
    ),
    "shifted": lambda y: y[:, 1:3] * 1,
    "transposed": lambda y: y[:, :4].T[:, :2] * 1,
    "reshaped": lambda y: y.reshape(6, 4)[:4, :2] * 1,
    "one": lambda y: y[1:2, :2] * 1 + y[:, :2] * 0,
}


def columns(y, u):
    y[:, 1:3] = u


def column(y, u):
    y[:, 1] = u[:, 0]


def row(y, u):
    y[1] = u.reshape(-1)[:6]


def added_columns(y, u):
    y[:, 1:3] += u


def named_row(y, u):
    y[(jtorch.tensor if hasattr(y, "gather") else np.array)([1])] = u.reshape(-1)[:6]


def other_shape(y, u):
    y.reshape(2, 12)[1, 2:10] = u.reshape(-1)


WRITE = [columns, column, row, added_columns, named_row, other_shape]


@pytest.mark.parametrize("write", WRITE)
@pytest.mark.parametrize("read", READ)
def test_parts_are_computed_before_they_are_written(write, read, lazy):
    expected = X * 2
    write(expected, READ[read](expected))
    y = jtorch.from_numpy(X) * 2
    write(y, READ[read](y))
    # Not fused with what writes, behind a reshape; nobody keeps `y`.
    y = y[None].cumsum(1).sort(2)[0]
    np.testing.assert_allclose(y.numpy(), np.sort(expected.cumsum(0)[None], 2), rtol=1e-12)


FUNCTIONAL = {
    "slice_scatter": lambda y, u: y.slice_scatter(u, 1, 1, 3),
    "select_scatter": lambda y, u: y.select_scatter(u[:, 0], 1, 1),
    "index_copy": lambda y, u: y.index_copy(1, jtorch.tensor([1]), u[:, :1]),
    "index_add": lambda y, u: y.index_add(1, jtorch.tensor([1]), u[:, :1]),
    "index_put": lambda y, u: y.index_put((jtorch.tensor([1]),), u.reshape(-1)[:6], accumulate=True),
    "split": lambda y, u: [y.split(2, 1)[1].copy_(u), y][1],
}


@pytest.mark.parametrize("name", FUNCTIONAL)
def test_copies_with_another_part(name, lazy):
    for read in READ:
        found = []
        for at_once in (True, False):
            y = jtorch.from_numpy(X) * 2
            u = READ[read](y)
            if not at_once:
                y.numpy(), u.numpy()
            y = FUNCTIONAL[name](y, u)
            if not at_once:
                y.numpy()
            found.append(y[None].cumsum(1).sort(2)[0].numpy())
            del y, u
        np.testing.assert_allclose(found[0], found[1], rtol=1e-12, err_msg=read)


def test_gradients_of_parts_are_added_before_they_are_written(lazy):
    part = {
        "slice": lambda u: u[:, :2],
        "select": lambda u: jtorch.stack([u.select(1, 0), u.select(1, 1)], 1),
        "index": lambda u: u[:, jtorch.tensor([0, 1])],
    }
    weight = jtorch.from_numpy(np.random.default_rng(1).standard_normal((4, 6)))
    found = {}
    for name, at_once in itertools.product(part, (True, False)):
        x = jtorch.from_numpy(X.copy()).requires_grad_()
        u = jtorch.nn.functional.group_norm(x[None], 2)[0]
        if not at_once:  # without the reshape that the fault needs
            u = jtorch.nn.functional.group_norm(x[None], 2).squeeze(0).clone()
        (u.scatter_add(1, jtorch.tensor(COLUMNS), part[name](u)) * weight).sum().backward()
        found[name, at_once] = x.grad.numpy()
    first, *rest = found.values()
    for other in rest:
        np.testing.assert_allclose(other, first, rtol=1e-9, atol=1e-12)
