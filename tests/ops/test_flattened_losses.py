"""Losses of logits with a short last dimension are computed as vectors; their numbers stay PyTorch's."""

import numpy as np
import pytest

import jtorch


def _run(t, shape, **options):
    rng = np.random.default_rng(0)
    x = t.tensor(rng.standard_normal(shape).astype(np.float32) * 3, requires_grad=True)
    y = t.tensor(rng.random(shape).astype(np.float32), requires_grad=True)
    keywords = {k: t.tensor(v) if isinstance(v, list) else v for k, v in options.items()}
    loss = t.nn.functional.binary_cross_entropy_with_logits(x, y, **keywords)
    first = t.autograd.grad(loss.sum(), (x, y), create_graph=True)
    second = t.autograd.grad(first[0].square().sum(), x)[0]
    return [np.asarray(a.tolist(), np.float32).reshape(a.shape) for a in (loss, *first, second)]


@pytest.mark.parametrize("shape", [(9, 1), (4, 3, 1), (6, 7), (6, 8), (0, 1), (5,)])
@pytest.mark.parametrize("options", [{}, {"reduction": "sum"}, {"reduction": "none"}, {"pos_weight": [2.0]}])
def test_values_and_gradients(torch, shape, options):
    for mine, theirs in zip(_run(jtorch, shape, **options), _run(torch, shape, **options), strict=True):
        assert mine.shape == theirs.shape
        np.testing.assert_allclose(mine, theirs, rtol=2e-5, atol=1e-6)
