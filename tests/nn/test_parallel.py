"""``nn.parallel``: parts of a batch on copies of a module; here all copies are on the CPU."""

import inspect
import sys
from collections import namedtuple

import pytest

import jtorch
from jtorch import nn
from jtorch.nn import parallel
from jtorch.nn.parallel.scatter_gather import is_namedtuple, scatter_kwargs

Pair = namedtuple("Pair", "left right")
TWO = ["cpu", "cpu"]


def network():
    jtorch.manual_seed(0)
    shared = nn.Linear(3, 3)
    return nn.Sequential(shared, nn.Tanh(), shared, nn.BatchNorm1d(3, affine=False), nn.Linear(3, 2)).eval()


def test_arguments_are_split_and_results_joined():
    x = jtorch.arange(6.0).reshape(3, 2)
    given = (x, [x, "text"], {"a": x, "b": 1}, Pair(x, None), ())
    first, second = parallel.scatter(given, TWO)
    assert [part[0].tolist() for part in (first, second)] == [x[:2].tolist(), x[2:].tolist()]
    assert second[1][0].tolist() == second[2]["a"].tolist() == second[3].left.tolist() == x[2:].tolist()
    assert (second[1][1], second[2]["b"], second[4]) == ("text", 1, ())
    assert is_namedtuple(second[3])
    joined = parallel.gather([part[2]["a"] for part in (first, second)], "cpu")
    assert joined.tolist() == x.tolist()
    pairs = parallel.gather([{"p": Pair(x, None)}, {"p": Pair(x, None)}], "cpu", dim=1)
    assert pairs["p"].left.shape == (3, 4)
    assert pairs["p"].right is None
    assert [p.shape for p in parallel.scatter(x, TWO * 2, dim=1)] == [(3, 1)] * 2  # no more than there are
    assert scatter_kwargs((x,), None, TWO)[1] == ({}, {})
    assert scatter_kwargs((), {"x": x}, TWO)[0] == ((), ())


def test_scalars_are_gathered_as_a_vector():
    scalars = [jtorch.tensor(1.0, requires_grad=True), jtorch.tensor(2.0)]
    with pytest.warns(UserWarning, match="all input tensors were scalars"):
        out = parallel.gather(scalars, "cpu")
    assert out.tolist() == [1.0, 2.0]
    out.sum().backward()
    assert scalars[0].grad.item() == 1.0
    with pytest.raises(ValueError, match="All dicts must have the same number of keys"):
        parallel.gather([{"a": out}, {}], "cpu")


def test_copies_compute_what_the_module_computes():
    model, x = network(), jtorch.randn(5, 3, generator=jtorch.Generator().manual_seed(1))
    expected = model(x)
    expected.pow(2).sum().backward()
    gradients = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    copies = parallel.replicate(model, TWO)
    assert list(copies[0].parameters()) == []
    assert copies[0][0] is copies[0][2]
    assert copies[0][0].weight is not model[0].weight
    assert copies[0][0]._former_parameters["weight"].equal(model[0].weight)
    outputs = parallel.parallel_apply(copies, parallel.scatter((x,), TWO), [{}, {}], TWO)
    out = parallel.gather(outputs, "cpu")
    assert jtorch.allclose(out, expected, atol=1e-6)
    out.pow(2).sum().backward()
    for p, g in zip(model.parameters(), gradients, strict=True):
        assert jtorch.allclose(p.grad, g, atol=1e-5)
    detached = parallel.replicate(model, ["cpu"], detach=True)[0]
    assert not detached[0].weight.requires_grad
    assert jtorch.allclose(parallel.data_parallel(model, x, TWO), expected, atol=1e-6)
    assert jtorch.allclose(parallel.data_parallel(model, x), expected, atol=1e-6)


def test_data_parallel_splits_where_there_are_accelerators(monkeypatch):
    model, x = network(), jtorch.ones(4, 3)
    plain = nn.DataParallel(model)
    assert (plain.device_ids, next(iter(plain.state_dict()))) == ([], "module.0.weight")
    assert plain(x).equal(model(x))
    # Two devices that are the CPU in disguise.
    module = sys.modules["jtorch.nn.parallel.data_parallel"]
    monkeypatch.setattr(module, "_accelerators", lambda: [jtorch.device("cpu")] * 2)
    monkeypatch.setattr(module, "_index", lambda target: 0)
    split = nn.DataParallel(model)
    split.device_ids, split.output_device, split.src_device_obj = TWO, "cpu", jtorch.device("cpu")
    seen = []
    model.register_forward_hook(lambda m, args, out: seen.append(args[0].shape))
    assert jtorch.allclose(split(x), model(x), atol=1e-6)
    assert seen == [(2, 3), (2, 3), (4, 3)]


def test_an_error_says_which_copy_it_was():
    copies = parallel.replicate(network(), TWO)
    with pytest.raises(RuntimeError, match="cannot be multiplied") as caught:
        parallel.parallel_apply(copies, [jtorch.ones(1, 3), jtorch.ones(1, 4)], devices=TWO)
    assert "in replica 1 on device cpu" in caught.value.__notes__
    with pytest.raises(
        AssertionError, match="The number of modules 2 is not equal to the number of inputs 1"
    ):
        parallel.parallel_apply(copies, [jtorch.ones(1, 3)])


def test_one_process_of_distributed_training():
    model = nn.parallel.DistributedDataParallel(network())
    assert next(iter(model.state_dict())) == "module.0.weight"
    assert (model.device, model.device_ids) == (jtorch.device("cpu"), None)
    x = jtorch.ones(2, 3)
    with model.no_sync():
        assert not model.require_backward_grad_sync
        model(x).sum().backward()
    with model.join():
        model(x).sum().backward()
    assert model.module[4].bias.grad.tolist() == [4.0, 4.0]  # 2 rows, twice
    with pytest.raises(NotImplementedError, match="register_comm_hook"):
        model.register_comm_hook(None, lambda *_: None)
    with pytest.raises(NotImplementedError, match="process_group"):
        nn.parallel.DistributedDataParallel(network(), process_group=object())


@pytest.mark.parametrize(
    "act",
    [
        lambda t: t.nn.parallel.DistributedDataParallel(t.nn.ReLU()),
        lambda t: t.nn.parallel.parallel_apply([t.nn.ReLU()], []),
        lambda t: t.nn.parallel.parallel_apply([t.nn.ReLU()], [t.ones(1)], [{}, {}]),
    ],
    ids=range(3),
)
def test_errors_match_torch(torch, act, monkeypatch):
    # What PyTorch asks of a process group before it looks at the module.
    monkeypatch.setattr(torch.nn.parallel.distributed, "_get_default_group", lambda: None)
    texts = []
    for t in (jtorch, torch):
        with pytest.raises((RuntimeError, AssertionError, ValueError)) as caught:
            act(t)
        texts.append((type(caught.value), str(caught.value)))
    assert texts[0] == texts[1]


def test_signatures_are_pytorchs(torch):
    assert set(parallel.__all__) == set(torch.nn.parallel.__all__)
    for name in parallel.__all__:
        a, b = (
            inspect.signature(getattr(m, name)).parameters.values() for m in (parallel, torch.nn.parallel)
        )
        assert [(x.name, x.default) for x in a] == [(x.name, x.default) for x in b], name
