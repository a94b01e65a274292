"""Causal attention in blocks of queries."""

import numpy as np
import pytest

import jtorch
from jtorch.ops._attention import blocks


@pytest.mark.parametrize(("queries", "keys"), [(128, 128), (197, 230), (230, 170), (2100, 2100)])
def test_blocks_cover_what_the_mask_allows(queries: int, keys: int) -> None:
    found = blocks(queries, keys, True)
    assert len(found) > 1
    assert [begin for begin, _, _ in found] == [0, *(end for _, end, _ in found[:-1])]
    assert found[-1][1] == queries
    for _, end, seen in found:
        assert seen == min(end, keys)  # the last query of a block sees the keys up to its own place
    assert blocks(queries, keys, False) == [(0, queries, keys)]
    assert blocks(127, keys, True) == [(0, 127, keys)]


@pytest.mark.parametrize(("queries", "keys"), [(130, 130), (130, 150), (150, 130)])
@pytest.mark.parametrize("heads", [(2, 2), (2, 1)])
def test_values_and_gradients_match_torch(torch, queries, keys, heads) -> None:
    random = np.random.default_rng(0)
    arrays = [
        random.standard_normal((2, h, n, 8))
        for h, n in zip((heads[0], heads[1], heads[1]), (queries, keys, keys), strict=True)
    ]
    found = []
    for t in (jtorch, torch):
        given = [t.tensor(a, requires_grad=True) for a in arrays]
        kwargs = {"enable_gqa": True} if heads[0] != heads[1] else {}
        out = t.nn.functional.scaled_dot_product_attention(*given, is_causal=True, **kwargs)
        (out * out.detach().cos()).sum().backward()
        found.append([out.detach().numpy(), *(x.grad.numpy() for x in given)])
    for mine, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-10)
