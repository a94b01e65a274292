"""The benchmark compares the same networks: every contender takes the same first steps at a tiny size."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
NAMES = ["regression", "circles", "digits", "vgg", "lstm", "digits-inference", "gpt-inference"]
#: Many layers take XLA long to compile at any size.
LONG = [pytest.param(name, marks=pytest.mark.slow) for name in ("gpt", "resnet", "resnet-inference")]


@pytest.fixture
def steps(monkeypatch):
    """What the first steps of a contender return; ``None`` if it is not installed."""
    monkeypatch.syspath_prepend(ROOT)
    from bench.networks._cases import CASES
    from bench.networks._contenders import CONTENDERS, LeftOutError, numbers

    def run(name, contender):
        case = replace(CASES[name], sizes=CASES[name].small, batch=4)
        try:
            step = CONTENDERS[contender](case, case.state(), case.data())
        except LeftOutError:
            return None
        return np.array([numbers(step()) for _ in range(4)]) if case.loss else numbers(step())

    return run


@pytest.mark.filterwarnings("default")  # of torch and flax about their own dependencies
@pytest.mark.parametrize("name", NAMES + LONG)
def test_contenders_run_the_same_network(steps, name):
    from bench.networks._contenders import differs

    expected = steps(name, "JAX + optax")
    found = {c: steps(name, c) for c in ("PyTorch", "flax nnx", "jtorch", "jtorch compiled")}
    assert found["jtorch"] is not None
    assert found["jtorch compiled"] is not None
    training = not name.endswith("inference")
    problems = {c: differs(x, expected, training=training) for c, x in found.items() if x is not None}
    assert set(problems.values()) == {None}, problems


def test_a_different_network_is_noticed(steps):
    from bench.networks._contenders import differs

    losses = steps("digits", "jtorch")
    assert np.diff(losses).max() < 0
    slower = losses[0] + 0.9 * (losses - losses[0])  # as with a wrong learning rate
    assert "change" in differs(slower, losses, training=True)
    assert "off by" in differs(losses + 0.001, losses, training=True)
    assert "off by" in differs(losses + 0.001, losses, training=False)


@pytest.mark.filterwarnings("default")  # of torch about its own jit
@pytest.mark.parametrize("loop", ["gradient", "per_sample", "inner_loop", "newton", "ensemble"])
def test_contenders_run_the_same_transforms(monkeypatch, loop):
    monkeypatch.syspath_prepend(ROOT)
    import jtorch
    from bench import func

    sizes, batch = (2, 4, 1), 6
    makers = {"JAX by hand": func._Jax(sizes, batch), "jtorch": func._Torch(jtorch, sizes, batch)}
    torch = func.optional("torch")
    if torch is not None:
        makers["PyTorch"] = func._Torch(torch, sizes, batch)
    rounds = {name: getattr(maker, loop)() for name, maker in makers.items()}
    assert set(func.LOOPS) == {"gradient", "per_sample", "inner_loop", "newton", "ensemble"}
    found = {name: [step() for _ in range(3)] for name, step in rounds.items()}
    expected = found.pop("JAX by hand")
    if loop in ("gradient", "newton"):
        assert abs(expected[1] - expected[0]) > 1e-3 * np.abs(expected).max()  # each round goes on
    for name, numbers in found.items():
        np.testing.assert_allclose(numbers, expected, rtol=1e-5, err_msg=name)


#: As if measured, in seconds and bytes: flax is missing, and so is torch.compile for one network.
MEASURED = {
    "regression": {
        "seconds": {"PyTorch": [4e-4, 6e-4], "JAX + optax": [1e-4, 2e-4], "jtorch": [3e-4, 5e-4]},
        "first": {"PyTorch": [0.01], "JAX + optax": [0.2, 0.4], "jtorch": [0.6]},
        "bytes": {"PyTorch": [0], "JAX + optax": [2**21], "jtorch": [3 * 2**20]},
        "left out": {"flax nnx": "No module named 'flax'", "torch.compile": "no compiler"},
    },
    "vgg": {
        "seconds": {"PyTorch": [0.1], "JAX + optax": [0.2], "torch.compile": [0.05], "jtorch": [0.1]},
        "first": {},
        "bytes": {},
        "left out": {"flax nnx": "No module named 'flax'"},
    },
}


def rows(table):
    _, header, cells = table
    return {row[0].partition(",")[0]: dict(zip(header[1:], row[1:], strict=True)) for row in cells}


def test_tables_show_medians_and_ratios(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)
    from bench.networks import _page

    steps, compared, *_, memory, of_jax = map(rows, _page.tables({"regression": MEASURED["regression"]}))
    assert steps["linear regression"]["jtorch"] == "0.400 (0.350 to 0.450)"
    assert memory["linear regression"] == {
        "PyTorch": "0 (0 to 0)", "JAX + optax": "2.00 (2.00 to 2.00)", "jtorch": "3.00 (3.00 to 3.00)"
    }  # fmt: skip
    assert compared["linear regression"] == {
        "jtorch / JAX + optax": "2.75",  # the median of 3 and 2.5
        "jtorch / PyTorch": "0.79",  # of 0.75 and 0.83
        "JAX + optax / PyTorch": "0.29",  # of 0.25 and 0.33
    }
    assert of_jax["linear regression"] == {"PyTorch": "0.00", "jtorch": "1.50"}


def test_who_is_missing_is_named(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)
    from bench.networks import _page

    steps = rows(_page.per_contender(MEASURED, "seconds", "", 1e3, whole=False))
    assert steps["linear regression"]["torch.compile"] == "-"
    assert steps["TinyVGG"]["torch.compile"] == "50.0 (50.0 to 50.0)"
    assert "flax nnx" not in steps["TinyVGG"]
    assert _page.left_out(MEASURED) == [
        "Left out: flax nnx (No module named 'flax').", "Left out: torch.compile (no compiler)."
    ]  # fmt: skip


def test_the_page_has_a_place_for_the_tables(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(ROOT)
    from bench.networks import _page

    page = tmp_path / "page.md"
    page.write_text(_page.PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.setattr(_page, "PAGE", page)
    _page.write(["first", "second"])
    _page.write(["third"])
    before, middle = page.read_text(encoding="utf-8").split(_page.BEGIN)
    assert before.startswith("# Performance")
    assert middle.split(_page.END)[0].strip() == "third"


@pytest.mark.filterwarnings("default")  # of matplotlib about its own dependencies
def test_the_same_numbers_draw_the_same_plot(monkeypatch, tmp_path):
    pytest.importorskip("matplotlib")
    monkeypatch.syspath_prepend(ROOT)
    from bench.networks import _page

    for name in ("a.svg", "b.svg"):
        _page.plot(MEASURED, {"machine": "a machine", "date": "today"}, tmp_path / name)
    drawn = (tmp_path / "a.svg").read_bytes()
    assert drawn == (tmp_path / "b.svg").read_bytes()
    assert b"<svg" in drawn
