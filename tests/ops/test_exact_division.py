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
