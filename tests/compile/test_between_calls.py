"""What happens around the calls of a compiled function, and what a call leaves behind, is as uncompiled."""

import pytest

import jtorch
from jtorch import nn

pytestmark = pytest.mark.usefixtures("lazy")


def agree(program):
    """``program(compile)`` notes and returns what it sees; compiled, that is the same."""
    noted = []
    for compile in (lambda f: f, jtorch.compile):
        jtorch.manual_seed(0)
        noted.append(program(compile))
        noted[-1].append(jtorch.rand(2).tolist())
    assert noted[1] == noted[0]


def linear():
    """A layer whose numbers are exact, so that programs which round differently give equal results."""
    layer = nn.Linear(2, 1)
    nn.init.ones_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


ONE = jtorch.ones(1, 2)


def test_state_that_was_cleared_or_replaced_begins_anew():
    def program(compile):
        layer = linear()
        optimizer = jtorch.optim.SGD(layer.parameters(), lr=0.5, momentum=0.5)

        @compile
        def step(x):
            optimizer.zero_grad()
            layer(x).sum().backward()
            optimizer.step()

        noted = []
        for i in range(6):
            if i == 3:
                optimizer.state.clear()
            if i == 5:
                optimizer.state[layer.weight] = {}
            step(ONE)
            noted.append(layer.weight.tolist())
        return noted

    agree(program)


def test_a_recording_that_is_given_up_writes_gradients_to_their_arrays():
    def program(compile):
        layer = linear()
        optimizer = jtorch.optim.SGD(layer.parameters(), lr=0.5)

        @compile
        def step(x):
            layer(x).sum().backward()
            optimizer.step()
            return layer.weight.grad[0]  # a view of a tensor from outside cannot be replayed

        noted = []
        for n in (1, 2, 3):
            noted.append(step(ONE.expand(n, 2)).tolist())
            array = layer.weight.grad.numpy()
            noted.append(array.tolist())
        return noted

    agree(program)
