"""Which program computes attention: cuDNN's where it takes the call, else products and a softmax."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jtorch
from jtorch.ops import _attention as attention

F = jtorch.nn.functional


def lowered(function, *specs):
    with jax.enable_x64(True):  # as the engine does
        return jax.jit(function).trace(*specs).lower(lowering_platforms=("cuda",)).as_text()


@pytest.fixture
def gpu(monkeypatch):
    """What JAX asks a GPU for while lowering, answered as an H100 would."""
    fused = pytest.importorskip("jax._src.cudnn.fused_attention_stablehlo")
    monkeypatch.setattr(fused, "check_cudnn_version", lambda: 90800)
    monkeypatch.setattr(fused, "check_compute_capability", lambda capability: True)
    monkeypatch.setattr(fused, "is_cuda_compute_capability_equal", lambda capability: False)
    monkeypatch.setattr(attention, "has_fused_attention", lambda: True)


@pytest.mark.parametrize("causal", [False, True])
def test_gpus_run_fused_attention(gpu, causal):
    query = jax.ShapeDtypeStruct((2, 4, 64, 32), jnp.bfloat16)
    key = jax.ShapeDtypeStruct((2, 2, 64, 32), jnp.bfloat16)

    def forward(q, k, v):
        return attention.scaled_dot_product_attention(q, k, v, None, None, causal, None, True)

    def backward(q, k, v, g):
        return jax.vjp(forward, q, k, v)[1](g)

    assert "__cudnn$fmhaSoftmax" in lowered(forward, query, key, key)
    assert "__cudnn$fmhaSoftmaxBackward" in lowered(backward, query, key, key, query)


@pytest.mark.parametrize("shape", [(2, 64, 32), (2, 4, 63, 32), (2, 4, 64, 30), (2, 4, 64, 256)])
def test_gpus_compose_what_cudnn_does_not_take(gpu, shape):
    x = jax.ShapeDtypeStruct(shape, jnp.bfloat16)
    text = lowered(
        lambda q: attention.scaled_dot_product_attention(q, q, q, None, None, False, None, False), x
    )
    assert "cudnn" not in text
    wide = jax.ShapeDtypeStruct((2, 4, 64, 32), jnp.float32)
    text = lowered(
        lambda q: attention.scaled_dot_product_attention(q, q, q, None, None, False, None, False), wide
    )
    assert "cudnn" not in text


def test_the_cpu_composes_attention(gpu):
    # Asked for cuDNN, a CPU program would fail.
    q = jtorch.ones(2, 4, 8, 8, dtype=jtorch.bfloat16)
    assert F.scaled_dot_product_attention(q, q, q).float().mean().item() == 1.0


BIASES = {
    "upper": lambda b: b.causal_upper_left(3, 5),
    "lower": lambda b: b.causal_lower_right(3, 5),
    "square": lambda b: b.causal_lower_right(3, 3),
}


@pytest.mark.parametrize("case", BIASES)
def test_causal_biases_match_torch(torch, case):
    from importlib import import_module

    found = []
    for t in (jtorch, torch):
        bias = BIASES[case](import_module(f"{t.__name__}.nn.attention.bias"))
        q = t.linspace(-1, 1, 24).view(2, 3, 4)
        k = t.linspace(0, 1, 2 * bias.seq_len_kv * 4).view(2, bias.seq_len_kv, 4)
        out = t.nn.functional.scaled_dot_product_attention(q, k, k * k, attn_mask=bias)
        with pytest.raises(ValueError, match="CausalBias should not be used with causal=True"):
            t.nn.functional.scaled_dot_product_attention(q, k, k, bias, is_causal=True)
        found.append((out, repr(bias), bias.variant, (bias.seq_len_q, bias.seq_len_kv)))
    assert jtorch.allclose(found[0][0], jtorch.tensor(found[1][0].numpy()), atol=1e-6)
    assert found[0][1:] == found[1][1:]


def test_causal_biases_refuse_what_torch_refuses(torch):
    from importlib import import_module

    for t in (jtorch, torch):
        b = import_module(f"{t.__name__}.nn.attention.bias")
        with pytest.raises(AssertionError, match="causal_upper_left only supports 2D tensors"):
            b.causal_upper_left(3)
        with pytest.raises(AssertionError, match="variant must be a CausalVariant, got int"):
            b.CausalBias(1, 2, 3)
        with pytest.warns(UserWarning, match="will produce NaNs in the output when seq_len_q > seq_len_kv!"):
            b.causal_lower_right(5, 3)


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@pytest.mark.parametrize("ends", [[2, 1], [0, 3]], ids=str)
@pytest.mark.parametrize("options", [{}, {"enable_nested_tensor": False}], ids=str)
def test_encoders_in_evaluation_give_0_for_padding_at_the_end(ends, options):
    torch = pytest.importorskip("torch")
    found = []
    for package in (torch, jtorch):
        package.manual_seed(0)
        layer = package.nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)
        encoder = package.nn.TransformerEncoder(layer, 2, **options).eval()
        x = package.arange(24.0).reshape(2, 3, 4).sin()
        padding = package.arange(3) >= package.tensor(ends)[:, None]
        if ends[0] == 0:  # the first element instead, which is no padding at the end
            padding = package.tensor([[True, False, False], [False, False, False]])
        with package.no_grad():
            found.append(encoder(x, src_key_padding_mask=padding).numpy())
    np.testing.assert_allclose(found[1], found[0], rtol=1e-4, atol=1e-5)  # float32 through two layers
