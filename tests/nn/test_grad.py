"""Gradients of convolutions as functions, the choice of attention kernels, and names of types."""

import numpy as np
import pytest

import jtorch


@pytest.mark.parametrize("n", [1, 2])
def test_gradients_of_convolutions_match_torch(torch, n):
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 4, *[5] * n)), rng.standard_normal((6, 2, *[3] * n))
    out = rng.standard_normal((2, 6, *[2] * n))
    found = []
    for t in (jtorch, torch):
        module = t.nn.grad
        a, b, g = (t.tensor(y) for y in (x, w, out))
        kwargs = {"stride": 2, "padding": 0, "dilation": 1, "groups": 2}
        found.append(
            (
                getattr(module, f"conv{n}d_input")(a.shape, b, g, **kwargs).numpy(),
                getattr(module, f"conv{n}d_weight")(a, b.shape, g, **kwargs).numpy(),
            )
        )
    for a, b in zip(*found, strict=True):
        assert np.allclose(a, b, rtol=1e-10)


def test_kernels_of_attention_match_torch(torch):
    from torch.nn.attention import SDPBackend

    mine = jtorch.nn.attention.SDPBackend
    assert {b.name: int(b) for b in mine} == {k: int(v) for k, v in SDPBackend.__members__.items()}
    q = jtorch.ones(1, 2, 3, 4)
    with jtorch.nn.attention.sdpa_kernel([mine.MATH, mine.FLASH_ATTENTION]):
        assert jtorch.nn.functional.scaled_dot_product_attention(q, q, q).shape == (1, 2, 3, 4)
    texts = []
    for t in (jtorch, torch):
        with pytest.raises(AssertionError) as caught, t.nn.attention.sdpa_kernel(3):
            pass
        texts.append(str(caught.value))
    assert texts[0] == texts[1]


def test_types_have_the_names_of_torch(torch):
    names = {n for n in dir(torch.nn.common_types) if n.endswith("_t")}
    assert names <= set(dir(jtorch.nn.common_types))
