"""Masks of ``flex_attention`` by blocks, compared with PyTorch's, and what attention makes of them."""

import math

import pytest

import jtorch
from jtorch.nn.attention import flex_attention as mine


@pytest.fixture
def theirs(torch):
    from torch.nn.attention import flex_attention as theirs

    return theirs


def causal(b, h, q, k):
    return q >= k


def near(b, h, q, k):
    return (q - k).abs() < 7


def of_one_head(b, h, q, k):
    return (h == 1) & (q >= k)


def tensors(library, *shapes):
    generator = library.Generator().manual_seed(0)
    return [library.randn(shape, generator=generator) for shape in shapes]


def masks(library, module):
    both = module.create_block_mask(
        module.and_masks(causal, near), None, None, 40, 48, device="cpu", BLOCK_SIZE=16
    )
    heads = module.create_block_mask(of_one_head, 2, 4, 40, 48, "cpu", (16, 8))
    either = module.or_masks(causal, near)
    whole = module.create_block_mask(either, 1, 1, 40, 48, "cpu", 16, separate_full_blocks=False)
    return [both, heads, whole, both._adjust(20, 20), heads[1], heads[:, :2, library.tensor([1])]]


def test_masks_are_those_of_torch(torch, theirs):
    for one, two in zip(masks(jtorch, mine), masks(torch, theirs), strict=True):
        assert (repr(one), str(one), one.shape) == (repr(two), str(two), two.shape)
        assert one.to_dense().tolist() == two.to_dense().tolist()
        for name in ("kv_num_blocks", "kv_indices", "full_kv_num_blocks", "q_num_blocks", "q_indices"):
            a, b = getattr(one, name), getattr(two, name)
            assert (a is None and b is None) or (a.tolist(), str(a.dtype)) == (b.tolist(), str(b.dtype))
        assert (one.numel(), one.sparsity()) == (two.numel(), two.sparsity())
    given = mine.create_mask(causal, 2, None, 3, 4, "cpu"), theirs.create_mask(causal, 2, None, 3, 4, "cpu")
    assert given[0].tolist() == given[1].tolist()


def test_gradients_are_those_of_scaled_dot_product_attention():
    shapes = [(1, 2, 6, 4)] * 3
    one, two = ([t.requires_grad_() for t in tensors(jtorch, *shapes)] for _ in range(2))
    mask = mine.create_block_mask(causal, 1, 1, 6, 6, "cpu")
    mine.flex_attention(*one, block_mask=mask).square().sum().backward()
    jtorch.nn.functional.scaled_dot_product_attention(*two, is_causal=True).square().sum().backward()
    for a, b in zip(one, two, strict=True):
        jtorch.testing.assert_close(a.grad, b.grad, rtol=1e-4, atol=1e-5)


def test_a_query_that_sees_nothing_gets_zeros():
    q, k, v = tensors(jtorch, *[(1, 1, 4, 2)] * 3)
    mask = mine.create_block_mask(lambda b, h, i, j: i > 0, 1, 1, 4, 4, "cpu")
    wanted = mine.AuxRequest(lse=True, max_scores=True)
    out, aux = mine.flex_attention(q, k, v, block_mask=mask, return_aux=wanted)
    assert out[0, 0, 0].tolist() == [0, 0]
    assert aux.lse[0, 0, 0] == aux.max_scores[0, 0, 0] == -math.inf
    scores = q[0, 0] @ k[0, 0].T / math.sqrt(2)
    jtorch.testing.assert_close(aux.max_scores[0, 0, 1:], scores.amax(-1)[1:])


def test_a_bias_learns():
    q, k, v, bias = tensors(jtorch, *[(1, 2, 4, 2)] * 3, (2, 4))
    bias.requires_grad_()
    mine.flex_attention(q, k, v, lambda s, b, h, i, j: s + bias[h, j]).square().sum().backward()
    found, bias.grad = bias.grad, None
    mask = bias[None, :, None, :].expand(1, 2, 4, 4)
    jtorch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask).square().sum().backward()
    jtorch.testing.assert_close(found, bias.grad, rtol=1e-4, atol=1e-5)
