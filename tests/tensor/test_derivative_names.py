"""Gradients that can be differentiated again show PyTorch's `grad_fn`."""

import pytest

import jtorch

FUNCTIONS = {
    "square": lambda t, x: x**2,
    "product": lambda t, x: x * x.detach() * 3,
    "exp": lambda t, x: x.exp(),
    "sin": lambda t, x: t.sin(x),
    "log": lambda t, x: t.log(x),
    "sqrt": lambda t, x: t.sqrt(x),
    "sigmoid": lambda t, x: t.sigmoid(x),
    "tanh": lambda t, x: t.tanh(x),
    "relu": lambda t, x: t.relu(x),
    "mean": lambda t, x: x.mean(),
    "sum": lambda t, x: x.sum(),
    "softmax": lambda t, x: t.softmax(x, 0),
    "quotient": lambda t, x: x / x.detach(),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_names_are_torchs(torch, name):
    def names(framework):
        x = framework.tensor([0.25, 0.5], requires_grad=True)
        y = FUNCTIONS[name](framework, x)
        cotangent = framework.ones_like(y).requires_grad_()
        found = []
        for _ in range(2):
            y = framework.autograd.grad(y, x, cotangent.expand_as(y), create_graph=True, allow_unused=True)[0]
            if y is None or not y.requires_grad or y.grad_fn is None:
                break
            found.append(y.grad_fn.name())
            if name not in ("square", "exp"):
                break
        return found

    expected = names(torch)
    assert expected
    assert names(jtorch) == expected
