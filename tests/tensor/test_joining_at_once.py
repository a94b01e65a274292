"""What is on the host is joined and copied at its line: a batch is one operand of the step that uses it."""

import random

import numpy as np
import pytest

import jtorch
from jtorch import nn


@pytest.mark.usefixtures("lazy")
@pytest.mark.parametrize("join", [jtorch.cat, jtorch.stack])
def test_batches_drawn_from_a_memory_are_one_program(join):
    draw = random.Random(0)
    states = [jtorch.tensor([[float(i), 1.0]]) for i in range(20)]
    policy = nn.Linear(2, 3)
    actions = []
    for state in states:
        actions.append(policy(state).argmax(1).view(1, 1))
        actions[-1].item()  # an environment looks at it
    actions[3] = jtorch.tensor([[1]])  # explored
    jtorch.reset_metrics()
    for _ in range(6):
        first = [draw.randrange(19) for _ in range(5)]
        x, y = join([states[i] for i in first]), join([states[i + 1] for i in first])
        chosen = policy(x).gather(-1, join([actions[i] for i in first]))
        assert x.flatten().tolist() == [v for i in first for v in (float(i), 1.0)]
        (chosen.sum() + policy(y).sum()).item()
    assert jtorch.metrics()["programs_compiled"] == 1


def test_shapes_strides_and_dtypes():
    a, b = jtorch.arange(6).view(2, 3), jtorch.zeros(2, 1, dtype=jtorch.int64)
    joined = jtorch.cat((a, b), -1)
    assert joined.tolist() == [[0, 1, 2, 0], [3, 4, 5, 0]]
    assert joined.dtype == jtorch.int64
    assert jtorch.stack([a, a], 1).stride() == (6, 3, 1)
    assert jtorch.stack([jtorch.tensor(1), jtorch.tensor(2)]).tolist() == [1, 2]
    assert jtorch.cat([a, b.double()], 1).dtype == jtorch.float64
    assert jtorch.cat([jtorch.empty(0), jtorch.ones(1, 2)]).shape == (1, 2)


def test_the_result_has_its_own_memory():
    source = np.ones(2, np.float32)
    shared = jtorch.from_numpy(source)
    joined = jtorch.cat([shared])
    source[:] = 5
    assert joined.tolist() == [1, 1]
    assert shared.tolist() == [5, 5]
    view = jtorch.linspace(0, 1, 2).sin()[None]
    view.tolist()
    view += 1  # what was read is no longer what it holds
    assert jtorch.cat([view, view]).tolist() == view.tolist() * 2


def test_history_and_tangents_are_kept():
    x = jtorch.ones(2, requires_grad=True)
    jtorch.cat([x, jtorch.ones(1)]).sum().backward()
    assert x.grad.tolist() == [1, 1]
    one = jtorch.ones(1)
    slope = jtorch.func.jvp(lambda v: jtorch.cat([v, one]), (one,), (one,))[1]
    assert slope.tolist() == [1, 0]
    with jtorch.autograd.forward_ad.dual_level():
        dual = jtorch.autograd.forward_ad.make_dual(one, one * 3)
        tangent = jtorch.autograd.forward_ad.unpack_dual(jtorch.cat([dual, one])).tangent
        assert tangent.tolist() == [3, 0]


def test_a_recorded_call_joins_what_it_is_given():
    constant = jtorch.ones(1)
    step = jtorch.compile(lambda v: jtorch.cat([v, constant]))
    assert step(jtorch.ones(1)).tolist() == [1, 1]
    constant.fill_(7)
    assert step(jtorch.zeros(1)).tolist() == [0, 7]


def test_inference_tensors_stay_so():
    with jtorch.inference_mode():
        assert jtorch.cat([jtorch.ones(1), jtorch.ones(1)]).is_inference()


def test_a_batch_that_is_changed_in_places_is_an_operand():
    x = jtorch.arange(48.0).view(3, 4, 4)
    w = jtorch.ones(4, requires_grad=True)
    programs = []
    for width in (1, 2, 3, 4):
        mixed, order = x.clone(), jtorch.tensor([2, 0, 1])
        mixed[:, :2, :width] = x[order, :2, :width]
        (mixed @ w).sum().backward()
        assert mixed[0, 0, 0] == 32
        assert w.grad.sum() == x.sum()
        w.grad = None
        programs.append(jtorch.metrics()["programs_compiled"])
    assert programs[1] == programs[-1]
    assert x[0, 0, 0] == 0
