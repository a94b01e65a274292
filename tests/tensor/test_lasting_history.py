"""How long gradients of gradients have a history, against PyTorch."""

import pytest

import jtorch

POLYNOMIALS = [
    "x**1", "x**2", "x**3", "x**4", "x**-1", "x**0.5", "x.square()", "torch.float_power(x, 2)", "x * x",
    "3 * x", "(2 * x) ** 3", "x.reshape(1, -1) ** 2", "x.clone() ** 2", "x.double() ** 2", "x[1:] ** 3",
    "x.exp()", "torch.mm(x[None], x[:, None])", "torch.nn.functional.max_pool1d(x[None], 2)",
    "x.cumsum(0) ** 2",
]  # fmt: skip


@pytest.mark.parametrize("function", POLYNOMIALS)
def test_histories_end_where_those_of_pytorch_end(torch, function):
    found = []
    for package in (torch, jtorch):
        x = package.tensor([1.0, 2.0, 3.0], requires_grad=True)
        gradient, orders = eval(function, {"torch": package, "x": x}), []
        while gradient.requires_grad and len(orders) < 6:
            (gradient,) = package.autograd.grad(gradient.sum(), x, create_graph=True)
            orders.append((gradient.requires_grad, gradient.tolist()))
        found.append(orders)
    assert [flag for flag, _ in found[0]] == [flag for flag, _ in found[1]]
    assert found[1] == [(flag, pytest.approx(values, rel=1e-5)) for flag, values in found[0]]


def test_the_last_derivative_of_a_square_is_zero():
    x = jtorch.tensor(3.0, requires_grad=True)
    first = jtorch.autograd.grad(x**2, x, create_graph=True)[0]
    second = jtorch.autograd.grad(first, x, create_graph=True)[0]
    assert second == 2
    assert jtorch.autograd.grad(second, x)[0] == 0
