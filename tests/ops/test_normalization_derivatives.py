"""Second derivatives of normalizations, whose first ones are written out."""

import numpy as np
import pytest

import jtorch

CALLS = {
    "layer_norm": lambda t, x, w, b: t.nn.functional.layer_norm(x, (4,), w, b),
    "batch_norm": lambda t, x, w, b: t.nn.functional.batch_norm(x, None, None, w, b, True),
    "group_norm": lambda t, x, w, b: t.nn.functional.group_norm(x, 2, w, b),
    "instance_norm": lambda t, x, w, b: t.nn.functional.instance_norm(x, None, None, w, b),
    "moments": lambda t, x, w, b: sum(y.sin().sum() for y in t.native_layer_norm(x, (4,), w, b, 1e-5)),
    "running": lambda t, x, w, b: t.nn.functional.batch_norm(x, b.detach(), w.detach().exp(), w, b, False),
}


@pytest.mark.parametrize("name", CALLS)
def test_first_and_second_derivatives_match_torch(torch, name) -> None:
    random = np.random.default_rng(0)
    arrays = [random.standard_normal(shape) for shape in ((3, 4, 4), (4,), (4,))]
    found = []
    for t in (jtorch, torch):
        given = [t.tensor(a, requires_grad=True) for a in arrays]
        out = CALLS[name](t, *given)
        first = t.autograd.grad((out * out.detach().cos()).sum(), given, create_graph=True)
        second = t.autograd.grad(sum(g.square().sum() for g in first), given, allow_unused=True)
        found.append([g.detach().numpy() for g in (out, *first, *second) if g is not None])
    assert len(found[0]) == len(found[1])
    for mine, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-8, atol=1e-8)
