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
