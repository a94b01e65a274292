"""Division rounds once, as PyTorch's does, also where the divisor is broadcast."""

import numpy as np
import pytest

import jtorch

KINDS = ["float32", "float64", "float16", "bfloat16"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("number", [255, 0.3, -7.0])
def test_by_a_number_and_by_a_tensor_of_one_element(torch, kind, number):
    made = []
    for t in (jtorch, torch):
        x = t.arange(1, 2000).to(getattr(t, kind))
        divisor = t.tensor([number], dtype=x.dtype)
        made.append([(x / number).double().numpy(), (x / divisor).double().numpy()])
    np.testing.assert_array_equal(made[0], made[1])


@pytest.mark.parametrize("shape", [(40, 1), (1, 50), (50,), (40, 50)])
def test_by_rows_and_columns(torch, shape):
    rng = np.random.default_rng(0)
    x, y = rng.random((40, 50), np.float32), rng.random(shape, np.float32)
    made = [(t.from_numpy(x) / t.from_numpy(y)).numpy() for t in (jtorch, torch)]
    np.testing.assert_array_equal(*made)


def test_zeros_infinities_and_gradients(torch):
    made = []
    for t in (jtorch, torch):
        x = t.tensor([1.0, -1.0, 0.0, float("nan"), float("inf")], requires_grad=True)
        rows = []
        for number in (0.0, -0.0, float("inf"), 3.0):
            divisor = t.tensor(number, requires_grad=True)
            quotient = x / divisor
            grads = t.autograd.grad(quotient.sum(), (x, divisor))
            rows.append([*quotient.tolist(), *grads[0].tolist(), grads[1].item()])
        made.append(np.copysign(1, rows) * np.abs(rows))
    np.testing.assert_array_equal(made[0], made[1])


GRADIENTS = {
    "x / y": (lambda t, x, y: x / y, (37, 13), (37, 13)),
    "x / 3": (lambda t, x: x / 3, (37, 13)),
    "x / 3.7": (lambda t, x: x.div(3.7), (37, 13)),
    "2 / x": (lambda t, x: 2 / x, (37, 13)),
    "1 / x": (lambda t, x: x.reciprocal(), (37, 13)),
    "mean": (lambda t, x: x.mean(), (37, 13)),
    "means of columns": (lambda t, x: x.mean(0), (37, 13)),
    "means of two dimensions": (lambda t, x: x.mean((0, 2), keepdim=True), (7, 5, 11)),
    "mse_loss": (lambda t, x, y: t.nn.functional.mse_loss(x, y), (37, 13), (37, 13)),
    "smooth_l1_loss": (lambda t, x, y: t.nn.functional.smooth_l1_loss(x, y), (37, 13), (37, 13)),
}


@pytest.mark.parametrize("kind", ["float32", "float64"])
@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients_are_rounded_as_in_pytorch(torch, name, kind):
    function, *shapes = GRADIENTS[name]
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(shape).astype(kind) for shape in shapes]
    factors = rng.standard_normal(500).astype(kind)
    made = []
    for t in (jtorch, torch):
        operands = [t.from_numpy(a.copy()).requires_grad_() for a in arrays]
        result = function(t, *operands)
        cotangent = t.from_numpy(factors[: result.numel()].copy()).reshape(result.shape)
        result.backward(cotangent if result.ndim else None)
        made.append([x.grad.numpy() for x in operands])
    for mine, theirs in zip(*made, strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_by_tensors(torch, kind):
    made = []
    for t in (jtorch, torch):
        x = t.arange(1, 2000).to(getattr(t, kind)).requires_grad_()
        made.append([(3.7 / x).detach().double().numpy(), (np.float64(7) / x).detach().double().numpy()])
        assert (2 / x).grad_fn.name() == "MulBackward0"
        assert (3 / t.tensor([2])).dtype is t.float32
        assert x.__rtruediv__("3") is NotImplemented
    np.testing.assert_array_equal(made[0], made[1])


def test_second_derivatives_and_batches_of_quotients():
    x, y = jtorch.tensor([2.0, -3.0], dtype=jtorch.float64), jtorch.tensor(5.0, dtype=jtorch.float64)
    # d/dy (x / y) = -x / y**2, d2/dy2 = 2 x / y**3, d2/dxdy = -1 / y**2: by hand
    assert jtorch.func.grad(jtorch.func.grad(lambda y: (x / y).sum()))(y).item() == pytest.approx(-2 / 125)
    mixed = jtorch.func.jacfwd(jtorch.func.grad(lambda x, y: (x / y).sum()), 1)(x, y)
    np.testing.assert_allclose(mixed.numpy(), [-1 / 25] * 2)
    rows = jtorch.func.vmap(lambda a, b: a / b, (None, 0))(x, jtorch.tensor([1.0, 2.0]))
    np.testing.assert_array_equal(rows.numpy(), [[2, -3], [1, -1.5]])


def test_reverse_division_of_what_is_no_tensor():
    with pytest.raises(AttributeError, match="'int' object has no attribute 'reciprocal'"):
        jtorch.Tensor.__rdiv__(2, 3)
