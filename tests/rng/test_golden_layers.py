"""Golden cases of whole layers: initial weights, ``nn.init`` and the order of shuffled data."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

import jtorch
from jtorch import nn
from jtorch.rng import MT19937

CASES = json.loads((Path(__file__).parent / "golden.json").read_text())["cases"]


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


@pytest.mark.parametrize(
    "case", [case for case in CASES if "draw" not in case], ids=lambda case: case["call"]
)
def test_golden_layers(case):
    jtorch.manual_seed(case["seed"])
    results = eval(case["call"], {"nn": nn, "i": nn.init, "torch": jtorch, "E": jtorch.empty})
    results = results if isinstance(results, list) else [results]
    for result, (shape, dtype, bits) in zip(results, case["tensors"], strict=True):
        array = result.detach().numpy()
        assert list(array.shape) == shape
        assert array.dtype.name == dtype
        if "orthogonal_" not in case["call"]:  # LAPACK's factors differ in their last bits
            assert digest(np.ascontiguousarray(array).tobytes()) == bits

    expected = MT19937(case["seed"])
    expected.words(case["words"])
    expected.cached_normal = case["cached"]
    assert jtorch.get_rng_state().numpy().tobytes() == expected.get_state().tobytes()


LAYERS = {
    "Linear": lambda nn: nn.Linear(7, 5),
    "Conv2d": lambda nn: nn.Conv2d(3, 8, 3),
    "Embedding": lambda nn: nn.Embedding(10, 6),
    "LSTM": lambda nn: nn.LSTM(5, 7, 2, bidirectional=True),
    "MultiheadAttention": lambda nn: nn.MultiheadAttention(8, 2),
}


@pytest.mark.parametrize("name", LAYERS)
def test_initial_weights_are_torchs(torch, name):
    if not hasattr(nn, name):
        pytest.skip(f"nn.{name} is missing")
    jtorch.manual_seed(42)
    torch.manual_seed(42)
    ours, theirs = LAYERS[name](nn).state_dict(), LAYERS[name](torch.nn).state_dict()
    assert list(ours) == list(theirs)
    for key, value in theirs.items():
        assert ours[key].numpy().tobytes() == value.numpy().tobytes(), key


@pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning")  # PyTorch's loader forks beside JAX's threads
@pytest.mark.filterwarnings("ignore:.*use of fork\\(\\) may lead to deadlocks")
@pytest.mark.parametrize("workers", [0, 2])
def test_shuffled_epochs_are_torchs(torch, workers):
    orders = []
    for library in (jtorch, torch):
        library.manual_seed(42)
        data = library.utils.data
        loader = data.DataLoader(list(range(23)), batch_size=4, shuffle=True, num_workers=workers)
        orders.append([[batch.tolist() for batch in loader] for _ in range(3)])
        orders.append(library.rand(3).tolist())  # and the stream goes on alike
    assert orders[:2] == orders[2:]


DROPOUTS = {
    "dropout": lambda t, x: t.dropout(x, 0.3, True),
    "dropout_": lambda t, x: t.dropout_(x.clone(), 0.3, True),
    "feature_dropout": lambda t, x: t.feature_dropout(x, 0.3, True),
    "feature_dropout_": lambda t, x: t.feature_dropout_(x.clone(), 0.3, True),
    "alpha_dropout": lambda t, x: t.alpha_dropout(x, 0.3, True),
    "alpha_dropout_": lambda t, x: t.alpha_dropout_(x.clone(), 0.3, True),
    "feature_alpha_dropout": lambda t, x: t.feature_alpha_dropout(x, 0.3, True),
    "feature_alpha_dropout_": lambda t, x: t.feature_alpha_dropout_(x.clone(), 0.3, True),
    "native_dropout": lambda t, x: t.native_dropout(x, 0.3, True)[0],
    "F.dropout": lambda t, x: t.nn.functional.dropout(x, 0.3),
    "F.dropout1d": lambda t, x: t.nn.functional.dropout1d(x[0], 0.3),
    "F.dropout2d": lambda t, x: t.nn.functional.dropout2d(x, 0.3),
    "F.dropout3d": lambda t, x: t.nn.functional.dropout3d(x[:, None], 0.3),
    "F.alpha_dropout": lambda t, x: t.nn.functional.alpha_dropout(x, 0.3, True),
    "F.feature_alpha_dropout": lambda t, x: t.nn.functional.feature_alpha_dropout(x, 0.3, True),
    "channels last": lambda t, x: t.dropout(x.contiguous(memory_format=t.channels_last), 0.3, True),
    "transposed": lambda t, x: t.dropout(x.transpose(0, 1), 0.3, True),
    "rrelu": lambda t, x: t.rrelu(x - 1, 0.1, 0.3, True),
    "all": lambda t, x: t.dropout(x, 1.0, True),
    "none": lambda t, x: t.dropout(x, 0.0, True),
}


def test_every_dropout_has_torchs_bits(torch):
    jtorch.manual_seed(5)
    torch.manual_seed(5)
    values = np.arange(120, dtype="float32").reshape(2, 3, 4, 5) / 64
    for name, call in DROPOUTS.items():
        mine, theirs = call(jtorch, jtorch.tensor(values)), call(torch, torch.tensor(values))
        if "alpha" in name:  # the affine map is fused by XLA: rounded once less
            assert np.allclose(mine.numpy(), theirs.numpy(), rtol=1e-6, atol=1e-6), name
        else:
            assert np.ascontiguousarray(mine.numpy()).tobytes() == theirs.contiguous().numpy().tobytes(), name
    assert jtorch.get_rng_state().tolist() == torch.get_rng_state().tolist()


def test_dropout_in_a_lazy_loop_advances_without_compiling(torch):
    x = jtorch.ones(64)
    jtorch.manual_seed(1)
    torch.manual_seed(1)
    seen, compiled = [], []
    for _ in range(6):
        seen.append(nn.functional.dropout(x, 0.5).tolist())
        metrics = jtorch.metrics()
        compiled.append(metrics["programs_compiled"] + metrics["ops_compiled"])
    theirs = [torch.nn.functional.dropout(torch.ones(64), 0.5).tolist() for _ in range(6)]
    assert seen == theirs
    assert compiled[1] == compiled[-1]
