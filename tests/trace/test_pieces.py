"""Graphs that are cut or that never recur: same values, bounded compilation."""

import warnings

import numpy as np
import pytest

import jtorch
from jtorch.trace import _executor, settings
from jtorch.trace._pieces import split


def policy(steps):
    """A small recurrent policy of changing length, then one backward: what a variable-length episode does."""
    x = jtorch.arange(6, dtype=jtorch.float32).reshape(2, 3) / 6
    w = (jtorch.arange(9, dtype=jtorch.float32).reshape(3, 3) / 9).requires_grad_()
    h, total = x, 0.0
    for _ in range(steps):
        h = jtorch.tanh(h @ w + x)
        total = total + h.mean()
    total.backward()
    return total.item(), w.grad.numpy().copy()


def compiled():
    m = jtorch.metrics()
    return m["programs_compiled"] + m["ops_compiled"]


@pytest.mark.parametrize("cap", [1, 3, 7])
def test_a_cut_at_the_cap_changes_no_value(cap):
    expected = policy(4)
    settings.max_nodes = cap
    found = policy(4)
    assert jtorch.metrics()["flushes"]["cap"] >= 5
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-6)
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-5)


def test_a_cut_at_the_bytes_cap_counts_only_what_is_alive():
    x = jtorch.ones(256)  # 1 KiB each
    settings.max_bytes = 8 << 10
    y = x
    for _ in range(40):
        y = y + 1
    assert "cap" not in jtorch.metrics()["flushes"]
    kept = [x + i for i in range(16)]
    assert jtorch.metrics()["flushes"]["cap"] >= 1
    assert [k[0].item() for k in kept[:3]] == [1.0, 2.0, 3.0]
    assert y[0].item() == 41.0


def test_cut_graphs_reuse_one_program_per_op():
    settings.max_nodes = 3
    policy(4)
    known = compiled()
    policy(9)
    policy(6)
    assert compiled() == known


def test_loops_of_any_length_settle():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the storm is reported once per process
        expected = {n: policy(n) for n in (3, 11)}
        for n in range(60, 78):
            policy(n)
        known = compiled()
        for n in range(78, 90):
            policy(n)
    assert compiled() <= known + 2
    for n, (loss, gradient) in expected.items():
        again = policy(n)
        np.testing.assert_allclose(again[0], loss, rtol=1e-6)
        np.testing.assert_allclose(again[1], gradient, rtol=1e-5)


def test_a_long_graph_that_recurs_is_fused_once_that_pays(monkeypatch):
    x = jtorch.ones(4)

    def step():
        y = x
        for _ in range(100):
            y = y * 1.001 + 0.5
        return y[0].item()

    first = step()
    assert jtorch.metrics()["programs_compiled"] == 0  # an unrolled loop: in pieces
    assert step() == first
    monkeypatch.setattr(_executor, "COMPILE_SECONDS_PER_NODE", 0.0)
    assert step() == pytest.approx(first, rel=1e-6)
    assert step() == pytest.approx(first, rel=1e-6)
    assert jtorch.metrics()["programs_compiled"] == 1
    assert jtorch.metrics()["cache_hits"] == 1


def test_pieces_cover_a_graph_in_order():
    from jtorch.devices import CPU
    from jtorch.trace import recorder

    x = jtorch.ones(4)
    y = x
    for _ in range(100):
        y = jtorch.sin(y) * 2 + x
    graph = recorder(CPU).graph
    live = [len(graph.outputs) - 1]
    for single in (True, False):
        pieces = split(graph.flat, live, single=single)
        assert sum(len(p.body()) for p in pieces) == graph.nodes
        assert pieces[-1].outputs[-1:] == live
        for piece in pieces:
            assert set(piece.dead) <= set(piece.inputs)
    # Rounds of the loop are cut at the same place each, so nearly all pieces are one program.
    assert len({p.key for p in pieces}) <= 4
    assert len({p.key for p in split(graph.flat, live, single=True)}) == 3  # sine, product, sum


def test_programs_that_are_used_are_no_storm():
    # Each structure is compiled once and runs again at once: the next one is still fused at first sight.
    for n in range(1, 12):
        for _ in range(12):
            y = jtorch.ones(3)
            for _ in range(12 + n):
                y = y * 0.5 + 1
            y.tolist()
    counted = jtorch.metrics()
    assert counted["node_by_node"] == 0
    assert counted["programs_compiled"] == 11
