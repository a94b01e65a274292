"""Recurrent networks on packed, single and stacked sequences."""

import numpy as np
import pytest

import jtorch
from jtorch import nn

NETWORKS = [
    ("RNN", {"nonlinearity": "relu", "bidirectional": True}),
    ("LSTM", {"num_layers": 2, "bidirectional": True}),
    ("GRU", {"bias": False}),
    ("LSTM", {"proj_size": 2}),
]
#: PyTorch's own: its faster kernels lack these.
pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")


def numbers(x):
    return [x.detach().numpy()] if hasattr(x, "detach") else [a for y in x for a in numbers(y)]


@pytest.mark.parametrize(("name", "kwargs"), NETWORKS, ids=str)
def test_packed_sequences_match_torch(torch, name, kwargs):
    x = np.random.default_rng(0).standard_normal((4, 3, 2)).astype("float32")
    found = []
    for t in (jtorch, torch):
        t.manual_seed(1)
        m = getattr(t.nn, name)(2, 3, **kwargs)
        inputs = t.tensor(x, requires_grad=True)
        packed = t.nn.utils.rnn.pack_padded_sequence(inputs, [2, 4, 1], enforce_sorted=False)
        out, hidden = m(packed)
        padded, _ = t.nn.utils.rnn.pad_packed_sequence(out)
        padded.pow(2).sum().backward()
        found.append(numbers([padded, hidden, inputs.grad, *(p.grad for p in m.parameters())]))
    for a, b in zip(*found, strict=True):
        assert np.allclose(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("name", "kwargs"), NETWORKS, ids=str)
def test_single_sequences_and_given_states_match_torch(torch, name, kwargs):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((4, 2)).astype("float32")
    found = []
    for t in (jtorch, torch):
        t.manual_seed(1)
        m = getattr(t.nn, name)(2, 3, **kwargs)
        out, hidden = m(t.tensor(x))
        again, last = m(t.tensor(x), hidden)
        found.append(numbers([out, hidden, again, last]))
    for a, b in zip(*found, strict=True):
        assert a.shape == b.shape
        assert np.allclose(a, b, rtol=1e-5, atol=1e-6)


def test_dropout_between_layers_draws_as_torch(torch):
    found = []
    for t in (jtorch, torch):
        t.manual_seed(1)
        m = t.nn.LSTM(2, 3, 3, dropout=0.5, batch_first=True)
        out, _ = m(t.ones(2, 4, 2))
        found.append((out.detach().numpy(), t.rand(1).item()))
    assert np.allclose(found[0][0], found[1][0], atol=1e-6)
    assert found[0][1] == found[1][1]


@pytest.mark.parametrize(
    ("act", "error"),
    [
        (lambda t: t.nn.LSTM(2, 3)(t.ones(4, 1, 5)), RuntimeError),
        (lambda t: t.nn.LSTM(2, 3)(t.ones(4)), ValueError),
        (lambda t: t.nn.RNN(2, 3)(t.ones(4)), ValueError),
        (lambda t: t.nn.GRU(2, 3)(t.ones(4, 1, 2), t.ones(1, 1, 4)), RuntimeError),
        (lambda t: t.nn.GRU(2, 3)(t.ones(4, 1, 2), t.ones(1, 3)), RuntimeError),
        (lambda t: t.nn.LSTM(2, 3)(t.ones(4, 2), (t.ones(1, 1, 3), t.ones(1, 1, 3))), RuntimeError),
        (lambda t: t.nn.LSTM(2, 3)(t.ones(4, 1, 2, dtype=t.float64)), ValueError),
        (lambda t: t.nn.LSTM(2, 3, proj_size=3), ValueError),
        (lambda t: t.nn.GRU(2, 3, proj_size=1), ValueError),
        (lambda t: t.nn.RNN(2, 3, nonlinearity="sin"), ValueError),
        (lambda t: t.nn.RNN(0, 3), ValueError),
        (lambda t: t.nn.RNN(2, 3, dropout=2), ValueError),
        (lambda t: t.nn.LSTM(2, 3, bias=1), TypeError),
        (lambda t: t.nn.LSTMCell(2, 3)(t.ones(1, 1, 2)), ValueError),
        (lambda t: t.nn.GRUCell(2, 3)(t.ones(1, 2), t.ones(1, 1, 3)), ValueError),
    ],
    ids=range(15),
)
def test_errors_match_torch(torch, act, error):
    texts = []
    for t in (jtorch, torch):
        with pytest.raises(error) as caught:
            act(t)
        texts.append(str(caught.value))
    assert texts[0] == texts[1]


def test_weights_by_layer():
    m = nn.LSTM(2, 3, 2, bidirectional=True)
    assert [len(w) for w in m.all_weights] == [4] * 4
    assert m.all_weights[3][0] is m.weight_ih_l1_reverse
    m.flatten_parameters()


def test_gradients_pass_rectifiers_at_nan(torch):
    found = []
    for t in (jtorch, torch):
        t.manual_seed(0)
        m = t.nn.RNN(1, 1, nonlinearity="relu")
        m(t.full((1, 1, 1), float("nan")))[0].sum().backward()
        found.append(m.bias_ih_l0.grad.tolist())
    assert found[0] == found[1] == [1.0]
