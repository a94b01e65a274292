"""``nn.utils``: clipping, vectors, packed sequences, fusion."""

import numpy as np
import pytest

import jtorch
from jtorch import nn
from jtorch.nn import utils
from jtorch.nn.utils import rnn


def with_gradients(t, arrays):
    params = [t.nn.Parameter(t.zeros(a.shape)) for a in arrays]
    for p, a in zip(params, arrays, strict=True):
        p.grad = t.tensor(a)
    return params


@pytest.mark.parametrize("norm_type", [2, 1, 3.0, float("inf")])
@pytest.mark.parametrize("max_norm", [0.5, 100.0])
def test_clip_grad_norm_matches_torch(torch, norm_type, max_norm):
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(s).astype("float32") for s in ((3, 2), (4,))]
    mine, theirs = with_gradients(jtorch, arrays), with_gradients(torch, arrays)
    a = utils.clip_grad_norm_(mine, max_norm, norm_type)
    b = torch.nn.utils.clip_grad_norm_(theirs, max_norm, norm_type)
    assert a.item() == pytest.approx(b.item(), rel=1e-6)
    for p, q in zip(mine, theirs, strict=True):
        assert np.allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-6)


def test_clip_grad_norm_compiles_once_and_reports(lazy):
    p = nn.Parameter(jtorch.ones(2))
    for step in range(4):
        p.grad = jtorch.ones(2)
        utils.clip_grad_norm_([p], 0.1 * (step + 1)).item()
        if step == 0:
            before = jtorch.metrics()["programs_compiled"]
    assert jtorch.metrics()["programs_compiled"] == before
    p.grad = jtorch.tensor([1.0, float("inf")])
    with pytest.raises(RuntimeError, match=r"The total norm of order 2.0 for gradients from `parameters`"):
        utils.clip_grad_norm_([p], 1.0, error_if_nonfinite=True)
    assert utils.clip_grad_norm_([], 1.0).item() == 0.0


def test_clip_grad_value():
    p = nn.Parameter(jtorch.zeros(3))
    p.grad = jtorch.tensor([-2.0, 0.5, 3.0])
    utils.clip_grad_value_(p, 1)
    assert p.grad.tolist() == [-1.0, 0.5, 1.0]


def test_parameters_as_a_vector_and_back():
    m = nn.Linear(2, 3)
    v = utils.parameters_to_vector(m.parameters())
    assert v.shape == (9,)
    utils.vector_to_parameters(jtorch.arange(9.0), m.parameters())
    assert m.bias.tolist() == [6.0, 7.0, 8.0]
    with pytest.raises(TypeError, match=r"expected torch.Tensor, but got: int"):
        utils.vector_to_parameters(3, m.parameters())


@pytest.mark.parametrize("enforce_sorted", [True, False])
@pytest.mark.parametrize("batch_first", [True, False])
def test_packing_matches_torch(torch, batch_first, enforce_sorted):
    lengths = [4, 3, 1] if enforce_sorted else [1, 4, 3]
    x = np.arange(3 * 4 * 2, dtype="float32").reshape((3, 4, 2) if batch_first else (4, 3, 2))
    found = []
    for t in (jtorch, torch):
        r = t.nn.utils.rnn
        packed = r.pack_padded_sequence(t.tensor(x), lengths, batch_first, enforce_sorted)
        padded, sizes = r.pad_packed_sequence(packed, batch_first, -1.0, 5)
        parts = r.unpack_sequence(packed)
        found.append(
            [
                packed.data.tolist(),
                packed.batch_sizes.tolist(),
                None if packed.sorted_indices is None else packed.sorted_indices.tolist(),
                None if packed.unsorted_indices is None else packed.unsorted_indices.tolist(),
                padded.tolist(),
                sizes.tolist(),
                [p.tolist() for p in parts],
            ]
        )
    assert found[0] == found[1]


def test_gradients_flow_through_packing():
    x = jtorch.ones(3, 2, requires_grad=True)
    packed = rnn.pack_padded_sequence(x, [3, 1])
    padded, _ = rnn.pad_packed_sequence(packed)
    (padded * 2).sum().backward()
    assert x.grad.tolist() == [[2.0, 2.0], [2.0, 0.0], [2.0, 0.0]]


@pytest.mark.parametrize("side", ["left", "right"])
def test_pad_sequence_matches_torch(torch, side):
    parts = [np.arange(n * 2, dtype="float32").reshape(n, 2) for n in (3, 1, 2)]
    found = []
    for t in (jtorch, torch):
        r = t.nn.utils.rnn
        padded = r.pad_sequence([t.tensor(p) for p in parts], True, 9.0, side)
        found.append((padded.tolist(), r.pack_sequence([t.tensor(p) for p in parts], False).data.tolist()))
    assert found[0] == found[1]


@pytest.mark.parametrize(
    "act",
    [
        lambda t: t.nn.utils.rnn.pack_padded_sequence(t.ones(3, 2), [1, 3]),
        lambda t: t.nn.utils.rnn.pack_padded_sequence(t.ones(3, 2), [3, 2, 1]),
        lambda t: t.nn.utils.rnn.pack_padded_sequence(t.ones(3, 2), [3, 0]),
    ],
    ids=range(3),
)
def test_packing_errors_match_torch(torch, act):
    texts = []
    for t in (jtorch, torch):
        with pytest.raises(RuntimeError) as caught:
            act(t)
        texts.append(str(caught.value))
    assert texts[0] == texts[1]


def test_fused_batch_norm_computes_the_same():
    conv, bn = nn.Conv2d(2, 3, 2), nn.BatchNorm2d(3)
    x = jtorch.randn(2, 2, 4, 4)
    bn(conv(x))
    m = nn.Sequential(conv, bn).eval()
    fused = utils.fuse_conv_bn_eval(conv, bn)
    assert np.allclose(m(x).detach().numpy(), fused(x).detach().numpy(), atol=1e-5)


def test_skip_init_draws_nothing():
    jtorch.manual_seed(0)
    m = utils.skip_init(nn.Linear, 3, 4)
    assert m.weight.shape == (4, 3)
    drawn = jtorch.rand(1).item()
    jtorch.manual_seed(0)
    assert jtorch.rand(1).item() == drawn


def test_a_prefix_is_consumed_as_in_torch(torch):
    found = []
    for t in (jtorch, torch):
        model = t.nn.Sequential()
        model.add_module("module", t.nn.Sequential(t.nn.Linear(2, 1), t.nn.BatchNorm1d(1)))
        state = model.state_dict()
        state["other"] = 1
        t.nn.modules.utils.consume_prefix_in_state_dict_if_present(state, "module.")
        found.append((sorted(state), dict(state._metadata)))
        model.module.load_state_dict({k: v for k, v in state.items() if k != "other"})
    assert found[0] == found[1]


def test_factory_arguments_match_torch(torch):
    for kwargs in (None, {}, {"dtype": 1, "factory_kwargs": {"device": 2}}):
        assert jtorch.nn.factory_kwargs(kwargs) == torch.nn.factory_kwargs(kwargs)
    for kwargs in ({"size": 1}, {"dtype": 1, "factory_kwargs": {"dtype": 2}}):
        texts = []
        for t in (jtorch, torch):
            with pytest.raises(TypeError) as caught:
                t.nn.factory_kwargs(kwargs)
            texts.append(str(caught.value))
        assert texts[0] == texts[1]
