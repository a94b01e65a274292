"""Parametrizations, weight and spectral norm, pruning and stateless calls."""

import copy
from importlib import import_module

import numpy as np
import pytest

import jtorch
from jtorch import nn
from jtorch.nn.utils import parametrizations, parametrize, prune, stateless

NORMS = {
    "weight_norm": lambda t, m: t.nn.utils.parametrizations.weight_norm(m),
    "weight_norm of all": lambda t, m: t.nn.utils.parametrizations.weight_norm(m, dim=None),
    "spectral_norm": lambda t, m: t.nn.utils.parametrizations.spectral_norm(m),
    "old weight_norm": lambda t, m: t.nn.utils.weight_norm(m),
    "old spectral_norm": lambda t, m: t.nn.utils.spectral_norm(m),
    "orthogonal": lambda t, m: t.nn.utils.parametrizations.orthogonal(m),
}


@pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm` is deprecated")
@pytest.mark.parametrize("name", NORMS)
def test_norms_match_torch(torch, name):
    found = []
    for t in (jtorch, torch):
        t.manual_seed(0)
        m = NORMS[name](t, t.nn.Linear(4, 4 if name == "orthogonal" else 3))
        x = t.linspace(-1, 1, 8).reshape(2, 4)
        for _ in range(2):
            m.zero_grad()
            out = m(x)
            (out * t.arange(out.numel()).reshape(out.shape)).sum().backward()
        state = {k: v.detach().numpy() for k, v in m.state_dict().items()}
        grads = {k: p.grad.numpy() for k, p in m.named_parameters()}
        found.append((repr(m), out.detach().numpy(), state, grads))
    assert found[0][0] == found[1][0]
    assert np.allclose(found[0][1], found[1][1], atol=1e-5)
    for mine, theirs in zip(found[0][2:], found[1][2:], strict=True):
        assert list(mine) == list(theirs)
        for key, value in theirs.items():
            assert mine[key].shape == value.shape
            assert np.allclose(mine[key], value, atol=3e-5), key


class Doubled(nn.Module):
    def forward(self, x):
        return 2 * x

    def right_inverse(self, x):
        return x / 2


def test_a_parametrized_tensor_is_computed_and_assigned():
    m = nn.Linear(2, 2)
    before = m.weight.detach().clone()
    parametrize.register_parametrization(m, "weight", Doubled())
    assert parametrize.is_parametrized(m, "weight")
    assert type(m).__name__ == "ParametrizedLinear"
    assert parametrize.type_before_parametrizations(m) is nn.Linear
    assert jtorch.equal(m.weight, before)
    m.weight = jtorch.ones(2, 2)
    assert m.parametrizations.weight.original.tolist() == [[0.5, 0.5], [0.5, 0.5]]
    assert list(dict(m.named_parameters())) == ["bias", "parametrizations.weight.original"]
    m(jtorch.ones(1, 2)).sum().backward()
    assert m.parametrizations.weight.original.grad.tolist() == [[2.0, 2.0], [2.0, 2.0]]
    with parametrize.cached():
        assert m.weight is m.weight
    twin = copy.deepcopy(m)
    parametrize.remove_parametrizations(m, "weight")
    assert type(m) is nn.Linear
    assert m.weight.tolist() == [[1.0, 1.0], [1.0, 1.0]]
    assert parametrize.is_parametrized(twin)


@pytest.mark.parametrize(
    ("act", "error"),
    [
        (lambda t, m: t.nn.utils.parametrize.register_parametrization(m, "none", t.nn.ReLU()), ValueError),
        (
            lambda t, m: t.nn.utils.parametrize.register_parametrization(m, "weight", t.nn.Flatten(0)),
            ValueError,
        ),
        (lambda t, m: t.nn.utils.parametrize.remove_parametrizations(m, "weight"), ValueError),
        (lambda t, m: t.nn.utils.parametrizations.orthogonal(m, "bias"), ValueError),
        (lambda t, m: t.nn.utils.parametrizations.spectral_norm(m, "none"), ValueError),
        (lambda t, m: t.nn.utils.remove_weight_norm(m), ValueError),
        (lambda t, m: t.nn.utils.remove_spectral_norm(m), ValueError),
        (lambda t, m: t.nn.utils.prune.l1_unstructured(m, "weight", 2.0), ValueError),
        (lambda t, m: t.nn.utils.prune.l1_unstructured(m, "weight", 100), ValueError),
        (lambda t, m: t.nn.utils.prune.remove(m, "weight"), ValueError),
    ],
    ids=range(10),
)
def test_errors_match_torch(torch, act, error):
    import_module("torch.nn.utils.prune")
    texts = []
    for t in (jtorch, torch):
        with pytest.raises(error) as caught:
            act(t, t.nn.Linear(2, 3))
        texts.append(str(caught.value))
    assert texts[0] == texts[1]


def test_removing_old_norms_leaves_a_parameter():
    with pytest.warns(FutureWarning, match="is deprecated in favor of"):
        m = nn.utils.weight_norm(nn.Linear(2, 3))
    nn.utils.remove_weight_norm(m)
    assert isinstance(m.weight, nn.Parameter)
    m = nn.utils.remove_spectral_norm(nn.utils.spectral_norm(nn.Linear(2, 3)))
    assert isinstance(m.weight, nn.Parameter)
    assert not m._state_dict_hooks
    assert not m._load_state_dict_pre_hooks


def test_orthogonal_weights_stay_orthogonal_when_trained():
    m = parametrizations.orthogonal(nn.Linear(3, 5), orthogonal_map="cayley")
    optimizer = jtorch.optim.SGD(m.parameters(), lr=0.5)
    for _ in range(3):
        optimizer.zero_grad()
        m(jtorch.ones(1, 3)).pow(2).sum().backward()
        optimizer.step()
    assert np.allclose((m.weight.mT @ m.weight).tolist(), np.eye(3), atol=1e-5)


PRUNINGS = {
    "l1": lambda p, m: p.l1_unstructured(m, "weight", 0.4),
    "random": lambda p, m: p.random_unstructured(m, "weight", 3),
    "ln": lambda p, m: p.ln_structured(m, "weight", 1, 2, 0),
    "channels": lambda p, m: p.random_structured(m, "weight", 1, 1),
    "twice": lambda p, m: p.ln_structured(p.l1_unstructured(m, "weight", 0.4), "weight", 1, 1, 0),
    "global": lambda p, m: p.global_unstructured([(m, "weight"), (m, "bias")], p.L1Unstructured, amount=0.3),
    "identity": lambda p, m: p.identity(m, "bias"),
}


@pytest.mark.parametrize("name", PRUNINGS)
def test_pruning_matches_torch(torch, name):
    import_module("torch.nn.utils.prune")
    found = []
    for t in (jtorch, torch):
        t.manual_seed(4)
        m = t.nn.Linear(4, 3)
        PRUNINGS[name](t.nn.utils.prune, m)
        out = m(t.ones(1, 4))
        found.append(({k: v.tolist() for k, v in m.state_dict().items()}, out.tolist()))
        assert t.nn.utils.prune.is_pruned(m)
    assert list(found[0][0]) == list(found[1][0])
    for key, value in found[1][0].items():
        assert np.allclose(found[0][0][key], value), key
    assert np.allclose(found[0][1], found[1][1], atol=1e-6)


def test_removed_pruning_is_permanent():
    m = nn.Linear(2, 2)
    prune.l1_unstructured(m, "weight", 2)
    pruned = m.weight.tolist()
    prune.remove(m, "weight")
    assert list(m.state_dict()) == ["bias", "weight"]
    assert m.weight.tolist() == pruned
    assert not prune.is_pruned(m)


def test_stateless_call_leaves_the_module_alone():
    m = nn.Linear(2, 1)
    before = m.weight
    given = {"weight": jtorch.ones(1, 2, requires_grad=True), "bias": jtorch.zeros(1)}
    with pytest.warns(FutureWarning, match="is deprecated as of PyTorch 2.0"):
        out = stateless.functional_call(m, given, (jtorch.tensor([[1.0, 2.0]]),))
    assert out.tolist() == [[3.0]]
    assert m.weight is before
    out.sum().backward()
    assert given["weight"].grad.tolist() == [[1.0, 2.0]]
