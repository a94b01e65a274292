"""Which program computes an LSTM: on NVIDIA's GPUs cuDNN's where it takes the call, else a scan.

Without a GPU, JAX's reference of cuDNN's call stands for it: same arguments, same layout of the weights.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import rnn
from jax.interpreters import mlir
from jax.lax import Precision

import jtorch
from jtorch.devices import platform_available
from jtorch.ops import _cudnn_lstm as cudnn
from jtorch.ops import _recurrent as recurrent

STEPS, BATCH, WIDTH, H = 5, 3, 2, 4


@pytest.fixture
def reference(monkeypatch):
    """JAX's reference in place of cuDNN; the list gets the precision of every call."""
    calls = []

    def stand_in(x, h, c, weights, lengths, inputs, hidden, layers, dropout, bidirectional, precision):
        calls.append(precision)
        assert weights.shape == (rnn.get_num_params_in_lstm(inputs, hidden, layers, bidirectional),)
        parts = rnn.unpack_lstm_weights(weights, inputs, hidden, layers, bidirectional)
        return rnn.lstm_ref(x, h, c, *parts, lengths, inputs, hidden, layers, dropout, bidirectional)

    monkeypatch.setattr(cudnn, "has_cudnn", lambda: True)
    monkeypatch.setattr(cudnn, "lstm", stand_in)
    return calls


def operands(layers, bidirectional, has_biases, kind="float32", rows=None):
    rng = np.random.default_rng(0)
    directions = 2 if bidirectional else 1
    shapes = []
    for layer in range(layers):
        width = WIDTH if layer == 0 else H * directions
        shapes += [(4 * H, width), (4 * H, H), *([(4 * H,)] * 2 if has_biases else [])] * directions
    x = (STEPS, BATCH, WIDTH) if rows is None else (rows, WIDTH)
    state = (layers * directions, BATCH, H)
    make = lambda shape: jnp.asarray(rng.standard_normal(shape) / 2, kind)  # noqa: E731
    return make(x), [make(state), make(state)], [make(shape) for shape in shapes]


def results(function, *arguments):
    """Values and gradients."""
    out, backward = jax.vjp(function, *arguments)
    numbered = lambda o: jnp.sin(jnp.arange(o.size, dtype=o.dtype)).reshape(o.shape)  # noqa: E731
    return jax.tree.leaves((out, backward(jax.tree.map(numbered, out))))


def test_whole_sequences_and_their_gradients(reference):
    given = operands(1, False, False)

    def run(cudnn, x, states, params):
        return recurrent.whole_sequences("lstm", x, states, params, [], False, 1, False, False, cudnn)

    expected = jax.jit(partial(results, partial(run, False)))(*given)
    assert not reference
    found = jax.jit(partial(results, partial(run, True)))(*given)
    assert reference == [Precision.HIGHEST]  # float32 in full, as everywhere
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-6)


def test_packed_sequences_in_layers_and_directions(reference):
    given = operands(2, True, True, rows=10)

    @partial(jax.jit, static_argnums=0)
    def run(cudnn, x, states, params):
        sizes = jnp.array([3, 3, 2, 1, 1])
        return recurrent.packed_sequences("lstm", x, sizes, states, params, [], True, 2, True, cudnn)

    for a, b in zip(run(True, *given), run(False, *given), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-6)
    assert len(reference) == 1


def test_what_cudnn_does_not_compute(reference):
    x, states, params = operands(2, False, True)

    def run(x, states, params, masks=()):
        recurrent.stack("lstm", x, states, params, masks, True, 2, False, cudnn=True)
        return bool(reference) and bool(reference.pop())

    assert run(x, states, params)
    assert not run(x, states, params, [jnp.ones((STEPS, BATCH, H))])  # dropout
    assert not run(*jax.tree.map(lambda a: a.astype(jnp.bfloat16), (x, states, params)))
    projections = [jnp.ones((2, H))]
    small = [p[:, :2] if p.shape == (4 * H, H) else p for p in params]
    layers = [*small[:4], *projections, *small[4:], *projections]
    assert not run(x, [states[0][..., :2], states[1]], layers)
    with jtorch.backends.cudnn.flags(enabled=False):
        assert not jtorch.backends.cudnn.enabled
        assert not run(x, states, params)
    assert jtorch.backends.cudnn.enabled
    assert run(x, states, params)


def test_the_cpu_scans(reference):
    # cuDNN's program would fail there.
    out, _ = jtorch.nn.LSTM(WIDTH, H)(jtorch.ones(STEPS, BATCH, WIDTH))
    assert out.shape == (STEPS, BATCH, H)
    out.sum().backward()
    assert not reference


class _Library:
    """What JAX's CUDA plugin is asked for while a program is lowered."""

    @staticmethod
    def build_rnn_descriptor(*settings):
        return repr(settings).encode()


@pytest.fixture
def plugin(monkeypatch):
    gpu = cudnn.gpu_rnn
    monkeypatch.setattr(gpu, "compute_rnn_workspace_reserve_space_sizes", lambda *_: (64, 64), raising=False)
    monkeypatch.setattr(cudnn, "has_cudnn", lambda: True)
    rules = [
        (rnn.rnn_fwd_p, gpu._rnn_fwd_lowering, gpu.cudnn_rnn_lowering),
        (rnn.rnn_bwd_p, gpu._rnn_bwd_lowering, gpu.cudnn_rnn_bwd_lowering),
    ]
    for primitive, rule, _ in rules:
        mlir.register_lowering(primitive, partial(rule, _Library, "cu"), platform="cuda")
    yield
    for primitive, _, rule in rules:
        mlir.register_lowering(primitive, rule, platform="cuda")


def test_programs_for_gpus_call_cudnn(plugin):
    given = operands(2, True, True)

    def forward(x, states, params):
        return recurrent.stack("lstm", x, states, params, [], True, 2, True, cudnn=True)

    def backward(x, states, params):
        return results(forward, x, states, params)[3:]

    with jax.enable_x64(True):  # as the engine does
        for function, call in ((forward, "cudnn_rnn_ffi"), (backward, "cudnn_rnn_bwd_ffi")):
            lowered = jax.jit(function).trace(*given).lower(lowering_platforms=("cuda",)).as_text()
            assert call in lowered
            assert "while" not in lowered
        batched = jax.vmap(forward, (0, None, None))
        lowered = (
            jax.jit(batched)
            .trace(jnp.stack([given[0]] * 2), *given[1:])
            .lower(lowering_platforms=("cuda",))
            .as_text()
        )
        assert "cudnn" not in lowered  # a scan can be batched


@pytest.mark.gpu
@pytest.mark.skipif(not platform_available("cuda"), reason="JAX finds no CUDA device")
@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True, "batch_first": True}])
def test_a_gpu_computes_what_the_cpu_does(options):
    found = []
    for device in ("cpu", "cuda"):
        jtorch.manual_seed(0)
        model = jtorch.nn.LSTM(WIDTH, H, **options).to(device)
        x = jtorch.randn(BATCH, STEPS, WIDTH).to(device).requires_grad_()
        packed = jtorch.nn.utils.rnn.pack_padded_sequence(
            x.transpose(0, 1), [2, STEPS, 1], enforce_sorted=False
        )
        out, (h, c) = model(x)
        out_packed, (h_packed, _) = model(packed)
        (
            out.pow(2).sum() + h.sum() + c.pow(2).sum() + out_packed.data.sum() + h_packed.pow(2).sum()
        ).backward()
        found.append([t.detach().cpu() for t in (out, h, c, x.grad, *(p.grad for p in model.parameters()))])
    for a, b in zip(*found, strict=True):
        assert jtorch.allclose(a, b, rtol=1e-4, atol=1e-5)
