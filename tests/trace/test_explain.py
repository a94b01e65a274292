"""Compilations are explained in words."""

import warnings

import pytest

import jtorch
from jtorch.trace import _executor, _explain


@pytest.fixture(autouse=True)
def forget(monkeypatch):
    monkeypatch.setattr(_explain, "_recent", type(_explain._recent)(maxlen=32))
    monkeypatch.setattr(_explain, "_last", "nothing has been compiled yet")


def test_nothing_compiled_yet():
    assert jtorch.explain() == "nothing has been compiled yet"


def test_first_program_and_its_line():
    (jtorch.ones(5) + 1).sum().item()
    text = jtorch.explain()
    assert "compiled 2 ops in" in text
    assert text.endswith("first program")
    assert "test_explain.py:" in text


def test_another_op():
    x = jtorch.ones(5)
    (x + 1).sum().item()
    (x + 1).mean().item()
    text = jtorch.explain()
    assert "op 1 is mean(float32[5]) -> float32[], in the most similar program sum(float32[5])" in text


def test_another_shape():
    (jtorch.ones(5) + 1).sum().item()
    (jtorch.ones(6) + 1).sum().item()
    text = jtorch.explain()
    assert "op 0 is add(float32[6], int) -> float32[6], in the most similar program add(float32[5]" in text


def test_other_results_alive():
    x = jtorch.ones(5)
    (x + 1).sum().item()
    y = x + 1
    y.sum().item()
    assert "the same ops, but other results are alive (1 before, 2 now)" in jtorch.explain()


def test_more_ops():
    x = jtorch.ones(5)
    (x + 1).sum().item()
    ((x + 1).sum() * 2).item()
    assert "1 more ops than the most similar program, from mul(" in jtorch.explain()


def test_other_wiring():
    x, y = jtorch.ones(5), jtorch.ones(5)
    (x - y).sum().item()
    (x - x).sum().item()
    assert "op 0 (sub) reads other operands than in the most similar program" in jtorch.explain()


def test_last_compilations():
    (jtorch.ones(5) + 1).sum().item()
    (jtorch.ones(6) + 1).sum().item()
    assert len(jtorch.explain(2).splitlines()) == 2


def long_chain(n):
    """An op sequence beyond the size that is always fused, of a shape of its own."""
    x = jtorch.ones(n)
    for _ in range(_executor.SMALL_GRAPH):
        x = jtorch.tanh(x) + 1
    return x.sum().item()


def test_a_storm_is_reported_once(monkeypatch):
    monkeypatch.setattr(_explain, "_warned", False)
    monkeypatch.setattr(_executor, "WASTED_SECONDS", 1e-6)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        for n in range(1, int(_executor.STORM)):
            long_chain(n)  # may be the programs of a first step
        assert not seen
        for n in range(int(_executor.STORM), int(_executor.STORM) + 3):
            long_chain(n)
    (warning,) = (w for w in seen if issubclass(w.category, RuntimeWarning))
    assert "compiled many programs that were not used again" in str(warning.message)
    assert warning.filename == __file__  # the line that reads


def test_after_a_storm_unseen_graphs_run_in_pieces(monkeypatch):
    monkeypatch.setattr(_explain, "_warned", True)
    for n in range(1, int(_executor.STORM) + 3):
        long_chain(n)
    assert jtorch.metrics()["programs_compiled"] == _executor.STORM
    assert jtorch.metrics()["node_by_node"] == 2
