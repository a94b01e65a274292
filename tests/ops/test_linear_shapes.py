"""Linear layers are computed in several ways, by shape; all of them give PyTorch's results and gradients."""

import numpy as np
import pytest

import jtorch
from jtorch.ops import _linear

#: (rows..., in features, out features): plain, narrow, few rows of a large weight, and where that ends.
SHAPES = [
    ((5,), 8, 3), ((80,), 10, 4), ((2, 40), 10, 4), ((4,), 192, 256), ((2, 16), 256, 192), ((33,), 256, 192),
    ((64,), 512, 512), ((65,), 512, 512), ((1,), 512, 512), ((), 512, 512), ((0,), 256, 192),
    ((80,), 10, 1), ((2, 40), 16, 1),
]  # fmt: skip


def _run(t, shape, bias, dtype):
    rows, inputs, outputs = shape
    rng = np.random.default_rng(0)
    x, w, b, g = (
        t.tensor(rng.standard_normal(s).astype(np.float32)).to(getattr(t, dtype)).requires_grad_()
        for s in ((*rows, inputs), (outputs, inputs), (outputs,), (*rows, outputs))
    )
    y = t.nn.functional.linear(x, w, b if bias else None)
    (y * g.detach()).sum().backward()
    found = [y, x.grad, w.grad, *([b.grad] if bias else [])]
    return [np.asarray(a.detach().float().tolist(), np.float32).reshape(a.shape) for a in found]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("bias", [True, False])
def test_results_and_gradients(torch, shape, bias):
    for mine, theirs in zip(
        _run(jtorch, shape, bias, "float32"), _run(torch, shape, bias, "float32"), strict=True
    ):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=2e-4)


def test_which_shapes_are_turned():
    def operands(rows, size, outputs=None):
        import jax

        spec = [jax.ShapeDtypeStruct(s, np.float32) for s in ((rows, size), (outputs or size, size))]
        text = str(jax.make_jaxpr(_linear.linear_on_cpu)(*spec))
        return "optimization_barrier" in text

    assert operands(8, 512)
    assert operands(32, 256)
    assert not operands(33, 512)
    assert not operands(1, 512)
    assert not operands(8, 128)
    assert operands(64, 64, 10)
    assert not operands(64, 128, 10)
    assert not operands(63, 64, 10)
