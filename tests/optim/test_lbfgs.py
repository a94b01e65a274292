"""L-BFGS takes PyTorch's steps."""

import numpy as np
import pytest

import jtorch
from jtorch import nn, optim


def rosenbrock(t, w):
    return ((1 - w[:-1]) ** 2 + 10 * (w[1:] - w[:-1] ** 2) ** 2).sum()


@pytest.mark.parametrize("search", [None, "strong_wolfe"])
def test_steps_match_torch(torch, search):
    found = []
    for t in (jtorch, torch):
        w = t.nn.Parameter(t.tensor([-0.5, 0.7, 0.3, 1.2], dtype=t.float64))
        lr = 1 if search else 0.05
        optimizer = t.optim.LBFGS([w], lr, max_iter=6, history_size=3, line_search_fn=search)

        def closure(t=t, w=w, optimizer=optimizer):
            optimizer.zero_grad()
            loss = rosenbrock(t, w)
            loss.backward()
            return loss

        losses = [optimizer.step(closure).item() for _ in range(4)]
        found.append((losses, w.tolist(), optimizer.state_dict()))
    (losses, w, state), (expected, other, saved) = found
    assert np.allclose(losses, expected, rtol=1e-9)
    assert np.allclose(w, other, rtol=1e-9)
    assert state["param_groups"] == saved["param_groups"]
    mine, theirs = state["state"][0], saved["state"][0]
    assert mine.keys() == theirs.keys()
    assert mine["func_evals"] == theirs["func_evals"]
    assert np.allclose(mine["d"].tolist(), theirs["d"].tolist(), rtol=1e-6)
    assert len(mine["old_dirs"]) == len(theirs["old_dirs"])


@pytest.mark.parametrize("search", [None, "strong_wolfe"])
def test_state_continues_in_the_other_framework(torch, search):
    def run(t, steps, start, state=None):
        w = t.nn.Parameter(t.tensor(start, dtype=t.float64))
        optimizer = t.optim.LBFGS([w], 1 if search else 0.05, max_iter=3, line_search_fn=search)
        if state is not None:
            optimizer.load_state_dict(state)

        def closure():
            optimizer.zero_grad()
            loss = rosenbrock(t, w)
            loss.backward()
            return loss

        for _ in range(steps):
            optimizer.step(closure)
        return w.tolist(), optimizer.state_dict()

    def moved(state, t, convert):
        if isinstance(state, dict):
            return {k: moved(v, t, convert) for k, v in state.items()}
        if isinstance(state, list):
            return [moved(v, t, convert) for v in state]
        return convert(state) if isinstance(state, t.Tensor) else state

    start = [-0.5, 0.7, 0.3, 1.2]
    whole, _ = run(torch, 5, start)
    mine, theirs = run(jtorch, 2, start), run(torch, 2, start)
    # PyTorch's tensors are loaded as they are; ours need copying to be its own.
    to_torch = moved(mine[1], jtorch, lambda x: torch.from_numpy(x.numpy().copy()))
    assert np.allclose(run(jtorch, 3, theirs[0], theirs[1])[0], whole, rtol=1e-9)
    assert np.allclose(run(torch, 3, mine[0], to_torch)[0], whole, rtol=1e-9)


def test_state_continues():
    def run(steps, state=None, start=None):
        w = nn.Parameter(jtorch.tensor([-0.5, 0.7, 0.3]) if start is None else start)
        optimizer = optim.LBFGS([w], line_search_fn="strong_wolfe", max_iter=3)
        if state is not None:
            optimizer.load_state_dict(state)

        def closure():
            optimizer.zero_grad()
            loss = rosenbrock(jtorch, w)
            loss.backward()
            return loss

        for _ in range(steps):
            optimizer.step(closure)
        return w.detach().clone(), optimizer.state_dict()

    half, state = run(2)
    assert np.allclose(run(2, state, half)[0].tolist(), run(4)[0].tolist(), rtol=1e-5)


def test_one_group_only():
    with pytest.raises(ValueError, match="LBFGS doesn't support per-parameter options"):
        optim.LBFGS([{"params": [nn.Parameter(jtorch.ones(1))]}, {"params": [nn.Parameter(jtorch.ones(1))]}])


@pytest.mark.parametrize("loss", [rosenbrock, lambda t, w: w.sum()], ids=["curved", "straight"])
@pytest.mark.parametrize("most", [1, 2, 4])
def test_line_searches_end_with_the_calls_that_are_allowed(torch, loss, most):
    found = []
    for t in (jtorch, torch):
        w = t.nn.Parameter(t.tensor([-0.5, 1.0], dtype=t.float64))
        optimizer = t.optim.LBFGS([w], 0.5, max_iter=most, line_search_fn="strong_wolfe")

        def closure(t=t, w=w, optimizer=optimizer):
            optimizer.zero_grad()
            value = loss(t, w)
            value.backward()
            return value

        optimizer.step(closure)
        optimizer.step(closure)
        state = optimizer.state_dict()["state"][0]
        found.append((w.tolist(), float(state["t"]), [state["func_evals"], type(state["t"]).__name__]))
    (w, length, mine), (other, expected, theirs) = found
    assert np.allclose(w, other, rtol=1e-9)
    assert length == pytest.approx(expected, rel=1e-9)
    assert mine == theirs


def test_a_group_that_was_added_later():
    w = nn.Parameter(jtorch.ones(2))
    optimizer = optim.LBFGS([w])
    optimizer.add_param_group({"params": [nn.Parameter(jtorch.ones(2))]})
    with pytest.raises(AssertionError, match="Expected exactly one param_group, but got 2"):  # PyTorch 2.13
        optimizer.step(lambda: w.sum())
