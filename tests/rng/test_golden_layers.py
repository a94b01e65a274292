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
    try:
        results = eval(case["call"], {"nn": nn, "i": nn.init, "torch": jtorch, "E": jtorch.empty})
    except AttributeError as error:
        pytest.skip(str(error))
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


def test_shuffled_epochs_are_torchs(torch):
    orders = []
    for library in (jtorch, torch):
        library.manual_seed(42)
        loader = library.utils.data.DataLoader(list(range(23)), batch_size=4, shuffle=True)
        orders.append([[batch.tolist() for batch in loader] for _ in range(3)])
    assert orders[0] == orders[1]


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
