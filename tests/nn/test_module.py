"""``Module``: registration, state, hooks, printing."""

import copy
import pickle
from collections import OrderedDict

import numpy as np
import pytest

import jtorch
from jtorch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(3, 4)
        self.layers = nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 4), nn.ReLU()])
        self.out = nn.Sequential(OrderedDict(last=nn.Linear(4, 2), drop=nn.Dropout(0.1)))
        self.scale = nn.Parameter(jtorch.ones(1))
        self.register_buffer("seen", jtorch.zeros(2))
        self.register_buffer("scratch", jtorch.zeros(1), persistent=False)
        self.register_buffer("nothing", None)

    def forward(self, x, factor=1.0):
        x = self.hidden(x)
        for layer in self.layers:
            x = layer(x)
        return self.out(x) * self.scale * factor


def net_of(torch):
    """The same network in PyTorch."""

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.hidden = torch.nn.Linear(3, 4)
            self.layers = torch.nn.ModuleList([torch.nn.Linear(4, 4), torch.nn.Linear(4, 4), torch.nn.ReLU()])
            self.out = torch.nn.Sequential(
                OrderedDict(last=torch.nn.Linear(4, 2), drop=torch.nn.Dropout(0.1))
            )
            self.scale = torch.nn.Parameter(torch.ones(1))
            self.register_buffer("seen", torch.zeros(2))
            self.register_buffer("scratch", torch.zeros(1), persistent=False)
            self.register_buffer("nothing", None)

    return Net()


def test_the_tree_matches_torch(torch):
    jtorch.manual_seed(1)
    torch.manual_seed(1)
    mine, theirs = Net(), net_of(torch)
    assert repr(mine) == repr(theirs)
    for walk in ("named_parameters", "named_buffers", "named_modules", "named_children", "state_dict"):
        a, b = getattr(mine, walk)(), getattr(theirs, walk)()
        assert [n for n, *_ in (a.items() if walk == "state_dict" else a)] == [
            n for n, *_ in (b.items() if walk == "state_dict" else b)
        ]
    for (name, a), b in zip(mine.state_dict().items(), theirs.state_dict().values(), strict=True):
        assert np.array_equal(a.numpy(), b.numpy()), name
    assert dict(mine.state_dict()._metadata) == dict(theirs.state_dict()._metadata)


def test_tied_weights_count_once():
    m = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    m[1].weight = m[0].weight
    assert len(list(m.parameters())) == 1
    assert [n for n, _ in m.named_parameters(remove_duplicate=False)] == ["0.weight", "1.weight"]
    assert list(m.state_dict()) == ["0.weight", "1.weight"]
    assert copy.deepcopy(m)[0].weight is not m[0].weight
    twin = copy.deepcopy(m)
    assert twin[0].weight is twin[1].weight


def test_load_state_dict_copies_and_reports():
    a, b = Net(), Net()
    assert repr(b.load_state_dict(a.state_dict())) == "<All keys matched successfully>"
    assert jtorch.equal(a.hidden.weight, b.hidden.weight)
    assert a.hidden.weight is not b.hidden.weight
    state = a.state_dict()
    state["extra"] = state.pop("scale")
    found = b.load_state_dict(state, strict=False)
    assert found.missing_keys == ["scale"]
    assert found.unexpected_keys == ["extra"]


def test_load_state_dict_errors_match_torch(torch):
    mine, theirs = Net(), net_of(torch)
    for change in (
        lambda s, t: s.pop("scale"),
        lambda s, t: s.update({"out.other": t.ones(1), "wrong": t.ones(1)}),
        lambda s, t: s.update({"hidden.weight": t.ones(2, 3), "hidden.bias": 3}),
    ):
        texts = []
        for t, m in ((jtorch, mine), (torch, theirs)):
            state = m.state_dict()
            change(state, t)
            with pytest.raises(RuntimeError) as error:
                m.load_state_dict(state)
            texts.append(str(error.value))
        assert texts[0] == texts[1]


def test_assign_takes_the_given_tensors():
    a, b = nn.Linear(2, 2), nn.Linear(2, 2)
    state = a.state_dict()
    b.load_state_dict(state, assign=True)
    assert isinstance(b.weight, nn.Parameter)
    assert b.weight.data_ptr() == a.weight.data_ptr()


@pytest.mark.parametrize(
    ("act", "error"),
    [
        (lambda t, m: m.register_parameter("a.b", None), KeyError),
        (lambda t, m: m.register_parameter("", None), KeyError),
        (lambda t, m: m.register_parameter(3, None), TypeError),
        (lambda t, m: m.register_parameter("forward", None), KeyError),
        (lambda t, m: m.register_parameter("w", t.ones(1)), TypeError),
        (lambda t, m: m.register_buffer("b.c", None), KeyError),
        (lambda t, m: m.register_buffer("weight", None), KeyError),
        (lambda t, m: m.register_buffer("c", 3), TypeError),
        (lambda t, m: m.add_module("x", 3), TypeError),
        (lambda t, m: m.add_module("weight", t.nn.ReLU()), KeyError),
        (lambda t, m: m.add_module("x.y", t.nn.ReLU()), KeyError),
        (lambda t, m: setattr(m, "weight", t.ones(1)), TypeError),
        (lambda t, m: setattr(m, "weight", 3), TypeError),
        (lambda t, m: m.missing, AttributeError),
        (lambda t, m: m.get_submodule("x.y"), AttributeError),
        (lambda t, m: m.get_parameter("nothing"), AttributeError),
        (lambda t, m: m.get_buffer("weight"), AttributeError),
        (lambda t, m: m.train(3), ValueError),
        (lambda t, m: m.to(t.int32), TypeError),
        (lambda t, m: t.nn.Module()(1), NotImplementedError),
        (lambda t, m: t.nn.Module(1), TypeError),
        (lambda t, m: t.nn.Module(a=1), TypeError),
        (lambda t, m: t.nn.Sequential(t.nn.ReLU())[3], IndexError),
        (lambda t, m: t.nn.ModuleList([t.nn.ReLU()])[-2], IndexError),
        (lambda t, m: t.nn.Dropout(2), ValueError),
        (lambda t, m: m.load_state_dict(3), TypeError),
    ],
    ids=range(26),
)
def test_errors_match_torch(torch, act, error):
    texts = []
    for t in (jtorch, torch):
        with pytest.raises(error) as caught:
            act(t, t.nn.Linear(2, 2))
        texts.append(str(caught.value))
    assert texts[0] == texts[1]


def test_assignment_before_init_is_refused():
    class Early(nn.Module):
        def __init__(self):
            self.p = nn.Parameter(jtorch.ones(1))

    with pytest.raises(AttributeError, match=r"cannot assign parameters before Module.__init__\(\) call"):
        Early()


def test_attributes_move_between_kinds():
    m = nn.Module()
    m.x = 3
    m.x = nn.Parameter(jtorch.ones(1))
    assert "x" not in m.__dict__
    assert "x" in m._parameters
    m.x = None
    assert m.x is None
    del m.x
    assert not hasattr(m, "x")
    m.x = nn.ReLU()
    assert list(dict(m.named_children())) == ["x"]
    m.b = nn.Buffer(jtorch.ones(2))
    assert list(m.state_dict()) == ["b"]
    m.b = jtorch.zeros(2)
    assert m.get_buffer("b").tolist() == [0.0, 0.0]


def test_forward_hooks_in_order():
    m, seen = nn.Linear(2, 2), []
    handles = [
        m.register_forward_pre_hook(lambda module, args: (seen.append("pre"), (args[0] * 0,))[1]),
        m.register_forward_hook(lambda module, args, out: seen.append(("post", args[0].sum().item()))),
        m.register_forward_hook(lambda module, args, out: out + 1, prepend=True),
    ]
    out = m(jtorch.ones(1, 2))
    assert seen == ["pre", ("post", 0.0)]
    assert np.allclose(out.tolist(), [(m.bias + 1).tolist()])
    for handle in handles:
        handle.remove()
    assert not m._forward_hooks
    assert not m._forward_pre_hooks


def test_hooks_with_kwargs_and_always_called():
    m, seen = Net(), []
    m.register_forward_pre_hook(lambda module, a, k: (a, {**k, "factor": 0.0}), with_kwargs=True)
    m.register_forward_hook(lambda module, a, k, out: seen.append(k["factor"]), with_kwargs=True)
    m.register_forward_hook(lambda module, a, out: seen.append(out is None), always_call=True)
    assert m(jtorch.ones(1, 3), factor=2.0).tolist() == [[0.0, 0.0]]
    with pytest.raises(RuntimeError):
        m(jtorch.ones(1, 5))
    assert seen == [0.0, False, True]


@pytest.mark.filterwarnings("ignore:Full backward hook is firing")
@pytest.mark.parametrize("through_input", [False, True])
def test_backward_hooks_match_torch(torch, through_input):
    found = []
    for t in (jtorch, torch):
        t.manual_seed(0)
        m = t.nn.Sequential(t.nn.Linear(2, 3), t.nn.Tanh())
        seen = []
        m[0].register_full_backward_pre_hook(lambda module, out: (out[0] * 2,))
        m[0].register_full_backward_hook(
            lambda module, into, out, seen=seen: seen.append(
                (None if into[0] is None else into[0].tolist(), out[0].tolist())
            )
        )
        x = t.ones(1, 2, requires_grad=through_input)
        m(x).sum().backward()
        found.append((seen, m[0].weight.grad.tolist()))
    (seen, grad), (expected, expected_grad) = found
    assert len(seen) == 1
    assert (seen[0][0] is None) == (not through_input)
    for a, b in zip((*seen[0], grad), (*expected[0], expected_grad), strict=True):
        assert (a is None and b is None) or np.allclose(a, b, atol=1e-6)


def test_global_hooks_see_every_module():
    from jtorch.nn.modules.module import register_module_forward_hook

    seen = []
    handle = register_module_forward_hook(lambda module, args, out: seen.append(type(module).__name__))
    nn.Sequential(nn.ReLU(), nn.Tanh())(jtorch.ones(1))
    handle.remove()
    nn.ReLU()(jtorch.ones(1))
    assert seen == ["ReLU", "Tanh", "Sequential"]


def test_state_dict_hooks():
    m = nn.Linear(1, 1)
    m.register_state_dict_post_hook(lambda module, state, prefix, meta: state.pop("bias"))
    with pytest.raises(RuntimeError, match="state_dict post-hook must return None"):
        m.state_dict()
    m = nn.Linear(1, 1)
    m.register_load_state_dict_post_hook(lambda module, keys: keys.missing_keys.clear())
    assert m.load_state_dict({"weight": jtorch.ones(1, 1)}).missing_keys == []


def test_modes_conversion_and_gradients():
    m = Net()
    assert not any(x.training for x in m.eval().modules())
    assert m.train() is m
    assert m.double().hidden.weight.dtype is jtorch.float64
    assert m.seen.dtype is jtorch.float64
    weight = m.hidden.weight
    assert m.float().hidden.weight is weight
    m.requires_grad_(False)
    assert not any(p.requires_grad for p in m.parameters())
    m.requires_grad_(True)
    m(jtorch.ones(2, 3)).sum().backward()
    assert m.scale.grad is not None
    m.zero_grad()
    assert all(p.grad is None for p in m.parameters())
    seen = []
    m.apply(lambda module: seen.append(type(module).__name__))
    assert seen[-1] == "Net"


def test_copies_are_independent():
    m = Net()
    for twin in (copy.deepcopy(m), pickle.loads(pickle.dumps(m))):
        assert repr(twin) == repr(m)
        assert jtorch.equal(twin.hidden.weight, m.hidden.weight)
        with jtorch.no_grad():
            twin.hidden.weight.zero_()
        assert m.hidden.weight.abs().sum().item() > 0
        assert isinstance(twin.hidden.weight, nn.Parameter)
        assert twin.hidden.weight.requires_grad


def test_extra_state_travels():
    class Counter(nn.Module):
        count = 3

        def get_extra_state(self):
            return {"count": self.count}

        def set_extra_state(self, state):
            self.count = state["count"]

    m, other = nn.Sequential(Counter()), nn.Sequential(Counter())
    m[0].count = 5
    assert list(m.state_dict()) == ["0._extra_state"]
    other.load_state_dict(m.state_dict())
    assert other[0].count == 5


def test_a_parameter_prints_and_shares_memory():
    x = jtorch.tensor([1.0, 2.0])
    p = nn.Parameter(x)
    assert repr(p) == "Parameter containing:\ntensor([1., 2.], requires_grad=True)"
    x[0] = 5
    assert p.tolist() == [5.0, 2.0]
    assert isinstance(p, jtorch.Tensor)
    assert p.is_leaf
    assert type(p * 1) is jtorch.Tensor


def test_containers_match_torch(torch):
    for t in (jtorch, torch):
        s = t.nn.Sequential(t.nn.ReLU(), t.nn.Tanh())
        s.append(t.nn.Sigmoid()).insert(1, t.nn.Identity())
        s.extend([t.nn.ReLU()])
        del s[0]
        assert [type(m).__name__ for m in s] == ["Identity", "Tanh", "Sigmoid", "ReLU"]
        assert list(s._modules) == ["0", "1", "2", "3"]
        assert isinstance(s[1:3], t.nn.Sequential)
        assert len(s + s[:1]) == 5
        assert len(2 * s) == 8
        assert type(s.pop(-1)).__name__ == "ReLU"
    texts = [
        repr(
            t.nn.ModuleDict({"a": t.nn.ReLU(), "b": t.nn.ModuleList([t.nn.ReLU(), t.nn.ReLU(), t.nn.Tanh()])})
        )
        for t in (jtorch, torch)
    ]
    assert texts[0] == texts[1]
    texts = [
        repr([t.nn.ParameterList([t.ones(2, 3), 3]), t.nn.ParameterDict({"b": t.ones(2), "a": t.ones(1)})])
        for t in (jtorch, torch)
    ]
    assert texts[0] == texts[1]


def test_the_same_module_everywhere_in_a_loop_makes_one_program(lazy):
    m = nn.Sequential(nn.Linear(3, 3), nn.ReLU())
    before = jtorch.metrics()["programs_compiled"]
    for _ in range(5):
        m(jtorch.ones(2, 3)).sum().item()
    assert jtorch.metrics()["programs_compiled"] - before <= 1


def test_a_module_without_cycles_is_freed_at_once():
    import gc
    import weakref

    gc.disable()
    try:
        m = Net()
        m(jtorch.ones(1, 3)).sum().backward()
        jtorch.synchronize()
        gone = weakref.ref(m.hidden.weight)
        del m
        assert gone() is None
    finally:
        gc.enable()


#: Methods of a linear map ``m`` with an argument that PyTorch refuses.
REFUSED = [
    "m.to('a', torch.zeros(1))", "m.to(bad=1)", "m.to([1])", "m.to(m)", "m.type(torch.int64)",
    "nn.Parameter(torch.zeros(2), 'a')", "m.get_submodule(0)", "m.set_submodule(1, m)",
    "list(m.named_parameters(0))", "nn.ParameterDict(1)", "m(torch.ones(1, 2, requires_grad=True), 1)",
]  # fmt: skip


@pytest.mark.parametrize("source", REFUSED)
def test_methods_refuse_as_in_torch(torch, source):
    texts = []
    for package in (jtorch, torch):
        with pytest.raises(Exception) as caught:  # noqa: PT011 (types and texts are compared)
            eval(source, {"torch": package, "nn": package.nn, "m": package.nn.Linear(2, 2)})
        texts.append((caught.typename, str(caught.value)))
    assert texts[0] == texts[1]


@pytest.mark.parametrize("result", ["text", ("text",)])
def test_what_backward_hooks_return_is_tensors(torch, result):
    for package in (jtorch, torch):
        m = package.nn.Linear(2, 2)
        m.register_full_backward_hook(lambda *args: result if type(result) is tuple else (result,))
        with pytest.raises(TypeError, match="expected Variable, but hook returned 'str'"):
            m(package.ones(1, 2, requires_grad=True)).sum().backward()
