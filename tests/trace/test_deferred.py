"""Gradients that an optimizer has used are left out of the program, and computed if somebody asks."""

import gc
import importlib
import weakref

import numpy as np
import pytest

import jtorch
from jtorch.trace import metrics, reset_metrics


def parts(torch, optimizer="SGD", **arguments):
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2))
    return model, getattr(torch.optim, optimizer)(model.parameters(), lr=0.1, **arguments)


def train(torch, steps, look=lambda model, i: None, zero=True, **arguments):
    model, optimizer = parts(torch, **arguments)
    x = torch.arange(12.0).reshape(4, 3) / 12
    looks = []
    for i in range(steps):
        if zero:
            optimizer.zero_grad()
        loss = (model(x + i) ** 2).mean()
        loss.backward()
        optimizer.step()
        loss.item()
        looks.append(look(model, i))
    return [p.detach().numpy().copy() for p in model.parameters()], looks


def same(mine, theirs):
    for a, b in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


def test_unread_gradients_are_never_computed():
    train(jtorch, 3)
    reset_metrics()
    train(jtorch, 8)
    counted = metrics()
    assert counted["deferred"] == 8 * 4
    assert counted["revealed"] == 0
    assert counted["programs_compiled"] == 0


@pytest.mark.parametrize(
    "arguments",
    [{}, {"momentum": 0.9}, {"optimizer": "Adam"}, {"zero": False}, {"optimizer": "Adam", "zero": False}],
    ids=str,
)
def test_gradients_read_after_the_step_are_those_it_used(torch, arguments):
    def look(model, i):
        return [p.grad.numpy().copy() for p in model.parameters()] if i in (1, 4) else []

    mine, seen = train(jtorch, 6, look, **arguments)
    theirs, expected = train(torch, 6, look, **arguments)
    same(mine, theirs)
    for a, b in zip(seen, expected, strict=True):
        same(a, b)


def test_a_loop_that_always_looks_gets_them_from_its_program():
    def look(model, i):
        return model[0].weight.grad.norm().item()

    reset_metrics()
    train(jtorch, 12, look)
    counted = metrics()
    assert 0 < counted["revealed"] <= 3
    assert counted["deferred"] <= 3 * 4


def test_they_survive_later_changes():
    model, optimizer = parts(jtorch)
    x = jtorch.ones(4, 3)
    model(x).sum().backward()
    expected = [p.grad.clone() for p in model.parameters()]
    optimizer.step()
    reset_metrics()
    with jtorch.no_grad():
        for p in model.parameters():
            p.fill_(7.0)
        x.zero_()
    kept = [p.grad for p in model.parameters()]
    same([g.numpy() for g in kept], [e.numpy() for e in expected])
    (kept[0] * 2).sum().item()


def test_what_they_are_computed_from_goes_with_them():
    model, optimizer = parts(jtorch)
    model(jtorch.ones(4, 3)).sum().backward()
    before = weakref.ref(model[0].weight._storage.value)
    optimizer.step()
    assert before() is not None
    optimizer.zero_grad()
    gc.collect()
    assert before() is None


def test_large_state_is_still_overwritten_in_place():
    model = jtorch.nn.Linear(256, 128)
    optimizer = jtorch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    x = jtorch.ones(2, 256)
    for i in range(4):
        if i == 3:
            reset_metrics()
        optimizer.zero_grad()
        (model(x) ** 2).sum().backward()
        optimizer.step()
    # The momentum of the weight; the weight itself is what the gradient would be computed from.
    assert metrics()["donated_bytes"] == 256 * 128 * 4


def test_large_gradients_are_handed_out_and_parameters_overwritten(monkeypatch):
    monkeypatch.setattr(importlib.import_module("jtorch.trace._executor"), "SPARE_BYTES", 1 << 10)
    model = jtorch.nn.Linear(256, 128)
    optimizer = jtorch.optim.SGD(model.parameters(), lr=0.1)
    x = jtorch.ones(2, 256)
    for i in range(4):
        if i == 3:
            reset_metrics()
        optimizer.zero_grad()
        (model(x) ** 2).sum().backward()
        optimizer.step()
    assert metrics()["deferred"] == 0
    assert metrics()["donated_bytes"] == 256 * 128 * 4
