"""Automatic differentiation in the documents: gradients to third order, vector products, minimisation."""

from itertools import pairwise

import pytest

import jtorch as torch
from jtorch import nn
from jtorch.nn import functional as F


def parabola(x):
    return 1.0 * torch.pow(x, 2) + 2.0 * x + 3.0


def test_backward_of_scalars_and_of_tensors():
    x = torch.tensor(-2.0, requires_grad=True)
    parabola(x).backward()
    assert str(x.grad) == "tensor(-2.)"
    for by_sum in (False, True):
        x = torch.tensor([[-2.0, -1.0], [0.0, 1.0]], requires_grad=True)
        gradient = torch.ones(2, 2)
        if by_sum:
            torch.sum(parabola(x) * gradient).backward()
        else:
            parabola(x).backward(gradient=gradient)
        assert str(x.grad) == "tensor([[-2.,  0.],\n        [ 2.,  4.]])"


def test_grad_to_third_order_and_of_several_outputs():
    x = torch.tensor(1.0, requires_grad=True)
    y = 1.0 * torch.pow(x, 4) + 2.0 * x + 3.0
    first = torch.autograd.grad(y, x, create_graph=True)[0]
    second = torch.autograd.grad(first, x, create_graph=True)[0]
    third = torch.autograd.grad(second, x)[0]
    assert f"{first.data} {second.data} {third}" == "6.0 12.0 24.0"
    assert str([first.data, second.data, third]) == "[tensor(6.), tensor(12.), tensor(24.)]"
    x1, x2 = torch.tensor(1.0, requires_grad=True), torch.tensor(2.0, requires_grad=True)
    product, total = x1 * x2, x1 + x2
    found = torch.autograd.grad(outputs=product, inputs=[x1, x2], retain_graph=True)
    assert str(found) == "(tensor(2.), tensor(1.))"
    found = torch.autograd.grad(outputs=[product, total], inputs=[x1, x2])
    assert str(found) == "(tensor(3.), tensor(2.))"


def test_minimum_by_gradient_descent():
    x = torch.tensor(0.0, requires_grad=True)
    optimizer = torch.optim.SGD(params=[x], lr=0.01)
    for _ in range(500):
        optimizer.zero_grad()
        y = torch.pow(x, 2) - 2.0 * x + 1.0
        y.backward()
        optimizer.step()
    assert f"y= {y.data:.6f} ; x= {x.data!r}" == "y= 0.000000 ; x= tensor(1.0000)"
    assert x.item() == pytest.approx(0.9999589920043945, abs=2e-7)  # PyTorch 2.13


def test_functions_of_the_graph():
    torch.manual_seed(0)  # the document set no seed; values are PyTorch 2.13's with this one
    x, y = torch.ones(5), torch.zeros(3)
    w, b = torch.randn(5, 3, requires_grad=True), torch.randn(3, requires_grad=True)
    z = torch.matmul(x, w) + b
    loss = F.binary_cross_entropy_with_logits(z, y)
    assert repr(z.grad_fn).startswith("<AddBackward0 object at 0x")
    assert repr(loss.grad_fn).startswith("<BinaryCrossEntropyWithLogitsBackward0 object at 0x")
    loss.backward()
    assert loss.item() == pytest.approx(0.6818513, rel=1e-6)
    assert str(b.grad) == "tensor([0.2661, 0.1179, 0.0027])"
    assert torch.equal(w.grad, b.grad.expand(5, 3))
    z = torch.matmul(x, w) + b
    assert z.requires_grad
    assert not z.detach().requires_grad
    with torch.no_grad():
        assert not (torch.matmul(x, w) + b).requires_grad
    fresh = torch.ones(2)
    assert fresh.requires_grad_(True) is fresh
    assert fresh.requires_grad


def test_gradients_add_up_until_they_are_cleared():
    inp = torch.eye(4, 5, requires_grad=True)
    out = (inp + 1).pow(2).t()
    once = "tensor([[4., 2., 2., 2., 2.],\n        [2., 4., 2., 2., 2.],\n        [2., 2., 4., 2., 2.],\n"
    once += "        [2., 2., 2., 4., 2.]])"
    out.backward(torch.ones_like(out), retain_graph=True)
    assert str(inp.grad) == once
    out.backward(torch.ones_like(out), retain_graph=True)
    assert str(inp.grad) == once.replace("4.", "8.").replace("2.", "4.")
    inp.grad.zero_()
    out.backward(torch.ones_like(out), retain_graph=True)
    assert str(inp.grad) == once
    middle = inp * 2
    middle.retain_grad()
    middle.sum().backward(torch.tensor(1.0))
    assert middle.grad.sum() == 20


def test_grad_of_a_mean_squared_error():
    x, w = torch.ones(1), torch.full([1], 2.0)
    with pytest.raises(RuntimeError, match="does not require grad"):
        torch.autograd.grad(F.mse_loss(torch.ones(1), x * w), [w])
    w.requires_grad_()
    assert str(torch.autograd.grad(F.mse_loss(torch.ones(1), x * w), [w])) == "(tensor([2.]),)"
    F.mse_loss(torch.ones(1), x * w).backward()
    assert str(w.grad) == "tensor([2.])"


def test_softmax_has_the_textbook_gradient():
    a = torch.tensor([0.2, 0.7, 0.1], requires_grad=True)
    p = F.softmax(a, dim=0)
    rows = [torch.autograd.grad(p[i], [a], retain_graph=True)[0] for i in (1, 2)]
    for i, row in zip((1, 2), rows, strict=True):
        expected = [float(p[i]) * ((i == j) - float(p[j])) for j in range(3)]  # by hand: p_i (d_ij - p_j)
        assert row.tolist() == pytest.approx(expected, abs=1e-6)


def test_perceptrons_with_one_output_and_with_two():
    torch.manual_seed(42)
    x = torch.randn(1, 10)
    for outputs in (1, 2):
        w = torch.randn(outputs, 10, requires_grad=True)
        o = torch.sigmoid(x @ w.t())
        assert o.shape == (1, outputs)
        loss = F.mse_loss(torch.ones(1, outputs), o)
        assert loss.shape == ()
        loss.backward()
        # By hand: dE/dw_kj = 2 (O_k - 1) O_k (1 - O_k) x_j, averaged over k.
        slope = 2 / outputs * (o - 1) * o * (1 - o)
        assert w.grad.flatten().tolist() == pytest.approx((slope.t() @ x).flatten().tolist(), rel=1e-5)


def test_chain_rule():
    x, b1, b2 = torch.tensor(1.0), torch.tensor(1.0), torch.tensor(1.0)
    w1, w2 = torch.tensor(2.0, requires_grad=True), torch.tensor(2.0, requires_grad=True)
    y1 = x * w1 + b1
    y2 = y1 * w2 + b2
    outer = torch.autograd.grad(y2, [y1], retain_graph=True)[0]
    inner = torch.autograd.grad(y1, [w1], retain_graph=True)[0]
    assert str([outer * inner, torch.autograd.grad(y2, [w1])[0]]) == "[tensor(2.), tensor(2.)]"


def himmelblau(x):
    return (x[0] ** 2 + x[1] - 11) ** 2 + (x[0] + x[1] ** 2 - 7) ** 2


def test_himmelblau():
    """Adam from four starts; values of PyTorch 2.13 (the document prints none)."""
    starts = torch.tensor([[0.0, 0.0], [-4.0, 0.0], [4.0, 0.0], [1.0, 0.0]])
    x = starts.t().clone().requires_grad_()  # Adam works on each element by itself
    optimizer = torch.optim.Adam([x], lr=1e-3)

    def step(_):
        values = himmelblau(x)
        optimizer.zero_grad()
        values.sum().backward()
        optimizer.step()
        return torch.cat([values.detach(), x.detach().flatten()])

    history = torch.scan(step, torch.arange(20000))
    assert history[0].tolist() == pytest.approx(
        [170, 146, 34, 136, 0.001, -3.999, 3.999, 1.001, 0.001, -0.001, -0.001, 0.001], rel=1e-6
    )
    after = history[2000].tolist()
    assert after[:4] == pytest.approx([13.730902, 19.450293, 0.09904632, 3.2361188], rel=1e-4)
    assert after[4:8] == pytest.approx([2.3331811, -3.5265601, 3.5741987, 2.7449532], rel=1e-5)
    end = history[-1].tolist()
    assert end[:4] == pytest.approx([0, 0, 0, 0], abs=1e-8)
    assert end[4:] == pytest.approx([3, -3.77931, 3.584428, 3, 2, -3.283186, -1.848126, 2], abs=2e-5)


def test_multi_class_regression_by_hand():
    """Three layers of plain tensors, cross-entropy, SGD: the loss of a fixed batch falls."""
    torch.manual_seed(42)
    sizes = [(20, 30), (20, 20), (10, 20)]
    weights = [(torch.randn(*s) * 0.1).requires_grad_() for s in sizes]
    biases = [torch.zeros(s[0], requires_grad=True) for s in sizes]
    optimizer = torch.optim.SGD([*weights, *biases], lr=0.1)
    criterion = nn.CrossEntropyLoss()
    data, target = torch.randn(16, 30), torch.arange(16) % 10
    losses = []
    for _ in range(10):
        h = data
        for w, b in zip(weights, biases, strict=True):
            h = F.relu(h @ w.t() + b)
        loss = criterion(h, target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss)
    assert all(a > b for a, b in pairwise(losses))
    assert weights[0].grad.norm() > 0
