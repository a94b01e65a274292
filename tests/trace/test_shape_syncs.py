"""Results whose shape depends on values: one synchronisation each, reported with the user's line."""

import pytest

import jtorch

X = jtorch.arange(12.0).reshape(3, 4)


CALLS = {
    "nonzero": lambda y: jtorch.nonzero(y > 5),
    "nonzero as tuple": lambda y: jtorch.nonzero(y > 5, as_tuple=True),
    "argwhere": lambda y: jtorch.argwhere(y > 5),
    "where": lambda y: jtorch.where(y > 5),
    "mask as index": lambda y: y[y > 5],
    "masked_select": lambda y: y.masked_select(y > 5),
    "unique": lambda y: jtorch.unique(y),
    "unique_consecutive": lambda y: y.unique_consecutive(),
    "bincount": lambda y: jtorch.bincount(y.long().flatten()),
    "repeat_interleave": lambda y: jtorch.repeat_interleave(y[0], y[1].long()),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_it_costs_one_flush_and_says_so_once(lazy, call):
    y = X * 2 + 1
    call(y)
    place = f"{__file__}:{call.__code__.co_firstlineno}"
    metrics = jtorch.metrics()
    assert metrics["shape_syncs"] == {place: 1}
    assert metrics["reads"] == {place: 1}
    assert metrics["flushes"] == {"read": 1}


def test_a_mask_beside_a_slice_is_looked_at_once(lazy):
    y = X * 2 + 1
    assert y[1:, y[0] > 4].tolist() == [[13, 15], [21, 23]]  # by hand
    assert list(jtorch.metrics()["shape_syncs"].values()) == [1]


def test_what_follows_stays_lazy(lazy):
    y = X * 2 + 1
    chosen = y[y > 5]
    total = (chosen * 2).sum()
    assert jtorch.metrics()["flushes"] == {"read": 1}
    # 7 + 9 + ... + 23, doubled: by hand
    assert total.item() == 270
    assert jtorch.metrics()["flushes"] == {"read": 2}


def test_known_values_cost_nothing(lazy):
    x = jtorch.tensor([0.0, 1.0, 0.0, 2.0])
    mask = jtorch.tensor([True, False, True, True])
    assert jtorch.nonzero(x).tolist() == [[1], [3]]
    assert x[mask].tolist() == [0, 0, 2]
    assert jtorch.metrics()["shape_syncs"] == {}


def test_masked_assignment_needs_no_shape(lazy):
    y = X * 2 + 1
    y[y > 5] = 0.0
    y = y.masked_fill(y > 3, -1)
    assert jtorch.metrics()["flushes"] == {}
    assert y.sum().item() == 1 + 3 - 1  # what stays, what is overwritten: by hand


def test_each_round_of_a_loop_is_counted_at_its_line(lazy):
    y = X * 2 + 1
    for k in range(3):
        jtorch.nonzero(y * k)
    syncs = jtorch.metrics()["shape_syncs"]
    assert list(syncs.values()) == [3]
    assert next(iter(syncs)).startswith(f"{__file__}:")
