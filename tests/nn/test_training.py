"""An LSTM and a Transformer encoder learn to read digits, row by row, as in PyTorch."""

import numpy as np
import pytest

import jtorch


@pytest.fixture(scope="module")
def digits():
    datasets = pytest.importorskip("sklearn.datasets", reason="the digits come with scikit-learn")
    images, labels = datasets.load_digits(return_X_y=True)
    # The data set lists writer after writer; mixed, those of the last images are known.
    order = np.random.default_rng(0).permutation(len(labels))
    return (images[order].reshape(-1, 8, 8) / 16).astype("float32"), labels[order]


def lstm(t):
    class Reader(t.nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = t.nn.LSTM(8, 32, batch_first=True)
            self.head = t.nn.Linear(32, 10)

        def forward(self, x):
            return self.head(self.lstm(x)[0][:, -1])

    return Reader()


def transformer(t):
    class Reader(t.nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = t.nn.Linear(8, 32)
            self.position = t.nn.Parameter(t.zeros(8, 32))
            layer = t.nn.TransformerEncoderLayer(32, 4, 64, 0.0, batch_first=True)
            self.encoder = t.nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
            self.head = t.nn.Linear(32, 10)

        def forward(self, x):
            return self.head(self.encoder(self.embed(x) + self.position).mean(1))

    return Reader()


def train(t, make, rate, images, labels, steps):
    t.manual_seed(0)
    model = make(t)
    optimizer = t.optim.Adam(model.parameters(), lr=rate)
    x, y = t.tensor(images), t.tensor(labels)
    losses = []
    for i in range(steps):
        start = i * 128 % 1536
        optimizer.zero_grad()
        loss = t.nn.functional.cross_entropy(model(x[start : start + 128]), y[start : start + 128])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    model.eval()
    with t.no_grad():
        right = (model(x[1536:]).argmax(1) == y[1536:]).float().mean().item()
    return losses, right


@pytest.mark.slow
@pytest.mark.parametrize(("make", "rate"), [(lstm, 2e-2), (transformer, 1e-2)])
def test_digits_are_learned_as_in_torch(torch, digits, make, rate):
    mine, right = train(jtorch, make, rate, *digits, steps=120)
    theirs, expected = train(torch, make, rate, *digits, steps=120)
    # Rounding grows over the steps, so only the early ones agree closely.
    assert np.allclose(mine[:10], theirs[:10], rtol=1e-4)
    assert abs(np.mean(mine[-12:]) - np.mean(theirs[-12:])) < 0.03
    # Both have learned the task (10 % would be chance), and equally well: 5 of 261 images may differ.
    assert min(right, expected) > 0.9
    assert abs(right - expected) < 0.02
