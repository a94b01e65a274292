"""``nn.attention.flex_attention``: scores changed by a function, masks in blocks."""

import numpy as np
import pytest

import jtorch
from jtorch.nn.attention import flex_attention as flex

L, S = 12, 10
#: PyTorch's way to say that it computes all scores here, too.
pytestmark = pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")


def inputs(t, heads=2, shared=2, kind="float32"):
    rng = np.random.default_rng(0)
    shapes = [(2, heads, L, 4), (2, shared, S, 4), (2, shared, S, 4)]
    return [t.tensor(rng.standard_normal(s), dtype=getattr(t, kind)) for s in shapes]


def module(t):
    from importlib import import_module

    return import_module(f"{t.__name__}.nn.attention.flex_attention")


def causal(b, h, q, k):
    return q >= k


def window(b, h, q, k):
    return (q - k).abs() <= 2


def by_head(b, h, q, k):
    return (q >= k) | (h == 1)


def relative(score, b, h, q, k):
    return score + (q - k) * 0.1 * (h + 1)


def soft_cap(score, b, h, q, k):
    return 2.0 * (score / 2.0).tanh()


def mask(t, function, batch=None, heads=None, **options):
    return module(t).create_block_mask(function, batch, heads, L, S, device="cpu", BLOCK_SIZE=4, **options)


CALLS = {
    "scale": lambda t, f: f(*inputs(t), scale=0.3),
    "score_mod": lambda t, f: f(*inputs(t), score_mod=relative),
    "soft cap": lambda t, f: f(*inputs(t), score_mod=soft_cap, block_mask=mask(t, causal)),
    "window": lambda t, f: f(*inputs(t), block_mask=mask(t, window)),
    "by head": lambda t, f: f(*inputs(t), block_mask=mask(t, by_head, 2, 2)),
    "both masks": lambda t, f: f(*inputs(t), block_mask=mask(t, module(t).and_masks(causal, window))),
    "shared heads": lambda t, f: f(*inputs(t, 4, 2), enable_gqa=True, block_mask=mask(t, causal)),
    "lse": lambda t, f: f(*inputs(t), score_mod=relative, return_aux=module(t).AuxRequest(lse=True))[1].lse,
    "half": lambda t, f: f(*inputs(t, kind="bfloat16"), score_mod=relative).float(),
}


@pytest.mark.parametrize("case", CALLS)
def test_calls_match_torch(torch, case):
    found = [CALLS[case](t, module(t).flex_attention).numpy() for t in (jtorch, torch)]
    assert found[0].shape == found[1].shape
    np.testing.assert_allclose(*found, rtol=1e-5, atol=2e-2 if case == "half" else 2e-6)


def test_gradients_are_those_of_masked_attention():
    q, k, v = (x.requires_grad_() for x in inputs(jtorch))
    flex.flex_attention(q, k, v, block_mask=mask(jtorch, causal)).pow(2).sum().backward()
    found = [x.grad for x in (q, k, v)]
    q, k, v = (x.requires_grad_() for x in inputs(jtorch))
    visible = jtorch.ones(L, S, dtype=jtorch.bool).tril()
    jtorch.nn.functional.scaled_dot_product_attention(q, k, v, visible).pow(2).sum().backward()
    for a, b in zip(found, (q.grad, k.grad, v.grad), strict=True):
        assert jtorch.allclose(a, b, rtol=1e-4, atol=1e-5)


def test_maxima_and_other_masks():
    q, k, v = inputs(jtorch)
    request = flex.AuxRequest(lse=True, max_scores=True)
    out, aux = flex.flex_attention(q, k, v, scale=1.0, return_aux=request)
    scores = q @ k.transpose(-1, -2)
    assert jtorch.allclose(aux.max_scores, scores.amax(-1), atol=1e-6)
    assert jtorch.allclose(aux.lse, scores.logsumexp(-1), atol=1e-5)
    assert jtorch.allclose(out, scores.softmax(-1) @ v, atol=1e-5)
    either = mask(jtorch, flex.or_masks(causal, window))
    assert either.shape == (1, 1, L, S)
    zero = jtorch.tensor(0)
    assert flex.or_masks(causal, window)(zero, zero, jtorch.tensor(2), jtorch.tensor(4)).item()


@pytest.mark.parametrize("function", [causal, window, by_head])
def test_block_masks_match_torch(torch, function):
    mine, theirs = (mask(t, function, 2, 2) for t in (jtorch, torch))
    for name in ("kv_num_blocks", "kv_indices", "full_kv_num_blocks", "full_kv_indices", "q_num_blocks"):
        assert getattr(mine, name).tolist() == getattr(theirs, name).tolist(), name
    assert mine.shape == theirs.shape
    assert mine.sparsity() == pytest.approx(theirs.sparsity())
    assert mine.to_dense().tolist() == theirs.to_dense().tolist()
    assert str(mine) == str(theirs)
    dense = [module(t).create_mask(function, 1, 2, L, S, device="cpu").tolist() for t in (jtorch, torch)]
    assert dense[0] == dense[1]


ERRORS = {
    "dims": lambda t, f: f(*(x[0] for x in inputs(t))),
    "heads": lambda t, f: f(*inputs(t, 4, 2)),
    "groups": lambda t, f: f(*inputs(t, 3, 2), enable_gqa=True),
    "both": lambda t, f: f(*inputs(t), return_lse=True, return_aux=module(t).AuxRequest()),
    "features": lambda t, f: f(inputs(t)[0][..., :2], *inputs(t)[1:]),
    "length": lambda t, f: f(inputs(t)[0][:, :, :8], *inputs(t)[1:], block_mask=mask(t, causal)),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_match_torch(torch, case):
    texts = []
    for t in (jtorch, torch):
        with pytest.raises((ValueError, RuntimeError, NotImplementedError)) as caught:
            ERRORS[case](t, module(t).flex_attention)
        texts.append((type(caught.value), str(caught.value)))
    assert texts[0] == texts[1]
