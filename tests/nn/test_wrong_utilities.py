"""Utilities of modules called wrongly raise PyTorch's errors; sequences are packed and padded as there."""

import numpy as np
import pytest

import jtorch

CALLS = [
    "rnn.pad_sequence([])", "rnn.pad_sequence([1])", "rnn.pad_sequence((x, 2))",
    "rnn.pad_sequence([x], batch_first=None)", "rnn.pad_sequence([x], padding_value='a')",
    "rnn.pad_sequence([x], padding_side=None)", "rnn.pad_sequence([x], padding_side='up')",
    "rnn.pack_sequence([])", "rnn.pack_padded_sequence(x, 5)", "rnn.pack_padded_sequence(x, [])",
    "rnn.pack_padded_sequence(x, [], enforce_sorted=False)", "rnn.pack_padded_sequence(x, None)",
    "rnn.pack_padded_sequence(x, torch.tensor([[2, 1]]))", "rnn.pack_padded_sequence(x, ['a', 'b'])",
    "rnn.pack_padded_sequence(x, [2, 1, 0])", "rnn.pack_padded_sequence(x, [1, 2, 2])",
    "rnn.pack_padded_sequence(x[:0], [1, 1, 1])", "rnn.pack_padded_sequence(x, [1, 1, 1], batch_first=1)",
    "rnn.pad_packed_sequence(rnn.pack_sequence([x]), batch_first=None)",
    "rnn.pad_packed_sequence(rnn.pack_sequence([x]), padding_value='a')",
    "parametrizations.weight_norm(linear, dim=2)", "parametrizations.weight_norm(linear, dim='a')",
    "parametrizations.weight_norm(linear, dim=0.5)", "prune.is_pruned(1)",
    "prune.l1_unstructured(linear, 'weight', 0.5, importance_scores=x[0])",
    "utils.clip_grads_with_norm_(graded, 1.0, 2.0)", "utils.clip_grads_with_norm_(graded, 1.0, None)",
    "utils.clip_grads_with_norm_(graded, 1.0, x)", "init.orthogonal_(x, 'a')", "init.orthogonal_(x.half())",
    "init.calculate_gain(['relu'])",
]  # fmt: skip


def outcome(library, call):
    utils = library.nn.utils
    names = {"torch": library, "utils": utils, "rnn": utils.rnn, "init": library.nn.init}
    names |= {"parametrizations": utils.parametrizations, "prune": utils.prune}
    names |= {"x": library.ones(2, 3), "linear": library.nn.Linear(3, 4)}
    graded = library.nn.Parameter(library.ones(2))
    graded.grad = library.ones(2)
    names["graded"] = [graded]
    try:
        eval(call, names)
    except Exception as error:
        # Forms of methods are listed below the first line.
        return type(error).__name__, str(error).replace("jtorch", "torch").partition("\n")[0]
    return None


@pytest.fixture
def everything(torch):
    for name in ("rnn", "prune", "parametrizations"):
        pytest.importorskip(f"torch.nn.utils.{name}")
        pytest.importorskip(f"jtorch.nn.utils.{name}")
    return torch


@pytest.mark.parametrize("call", CALLS)
def test_refusals_match_torch(everything, call):
    expected = outcome(everything, call)
    assert expected is not None
    assert outcome(jtorch, call) == expected


def test_sequences_get_the_type_and_the_sizes_of_the_first():
    first, second = jtorch.tensor([1, 2]), jtorch.tensor([0.5, 1.5, 2.5])
    padded = jtorch.nn.utils.rnn.pad_sequence([first, second], batch_first=True)
    assert padded.tolist() == [[1, 2, 0], [0, 1, 2]]  # as in PyTorch, which copies into whole numbers
    assert padded.dtype is jtorch.int64
    wide = jtorch.nn.utils.rnn.pad_sequence([jtorch.zeros(1, 2), jtorch.ones(2, 1)])
    assert wide.tolist() == [[[0.0, 0.0], [1.0, 1.0]], [[0.0, 0.0], [1.0, 1.0]]]


def test_the_norm_of_parameters_has_no_history():
    weight = jtorch.nn.Parameter(jtorch.tensor([3.0, 4.0]))
    norm = jtorch.nn.utils.get_total_norm([weight])
    assert norm.item() == 5.0
    assert not norm.requires_grad


@pytest.mark.parametrize("shape", [(3, 4), (4, 3)])
def test_orthogonal_draws_of_a_transposed_matrix_match_torch(torch, shape):
    made = []
    for library in (jtorch, torch):
        library.manual_seed(3)
        made.append(library.nn.init.orthogonal_(library.zeros(*shape).t(), 1.5).numpy())
    np.testing.assert_allclose(*made, rtol=1e-5, atol=1e-6)
