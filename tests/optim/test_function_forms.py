"""Function forms of optimizers (``torch.optim.adam.adam`` ...) change given tensors as PyTorch's do."""

import inspect
from importlib import import_module

import numpy as np
import pytest

import jtorch

ADAM = {"beta1": 0.8, "beta2": 0.95, "lr": 0.01, "eps": 1e-6}
PLAIN = {"weight_decay": 0.1, "maximize": True}
#: Module, function, state tensors after params and grads ("0": a count, "1": a number from 1), options.
FORMS = [
    ("adam", "zz-0", {**ADAM, "weight_decay": 0.0, "amsgrad": False, "maximize": False}),
    ("adam", "zzz0", {**ADAM, **PLAIN, "amsgrad": True, "decoupled_weight_decay": True}),
    ("adam", "zz-0", {**ADAM, **PLAIN, "amsgrad": False, "fused": True}),
    ("adamw", "zzz0", {**ADAM, **PLAIN, "amsgrad": True, "foreach": True}),
    ("sgd", "-", {**PLAIN, "lr": 0.1, "momentum": 0.0, "dampening": 0.0, "nesterov": False}),
    ("sgd", "n", {**PLAIN, "lr": 0.1, "momentum": 0.9, "dampening": 0.3, "nesterov": False}),
    ("sgd", "z", {**PLAIN, "lr": 0.1, "momentum": 0.9, "dampening": 0.0, "nesterov": True}),
    ("adadelta", "zz0", {**PLAIN, "lr": 1.0, "rho": 0.8, "eps": 1e-4}),
    ("adagrad", "z0", {**PLAIN, "lr": 0.1, "lr_decay": 0.1, "eps": 1e-6}),
    ("adamax", "zz0", {**PLAIN, **ADAM}),
    ("asgd", "z110", {**PLAIN, "lambd": 0.1, "lr": 0.1, "t0": 2.0, "alpha": 0.5}),
    ("asgd", "z110", {**PLAIN, "lambd": 0.1, "lr": 0.1, "t0": 2.0, "alpha": 0.5, "foreach": True}),
    ("nadam", "zz10", {**PLAIN, **ADAM, "momentum_decay": 0.1}),
    ("nadam", "zz10", {**PLAIN, **ADAM, "momentum_decay": 0.1, "decoupled_weight_decay": True}),
    ("radam", "zz0", {**PLAIN, **ADAM}),
    ("rmsprop", "z--0", {**PLAIN, "lr": 0.01, "alpha": 0.9, "eps": 1e-6, "momentum": 0.0, "centered": False}),
    ("rmsprop", "zzz0", {**PLAIN, "lr": 0.01, "alpha": 0.9, "eps": 1e-6, "momentum": 0.5, "centered": True}),
    (
        "rprop",
        "zz0",
        {"step_size_min": 1e-3, "step_size_max": 0.5, "etaminus": 0.5, "etaplus": 1.5, "maximize": True},
    ),
    (
        "_adafactor",
        "rcv0",
        {**PLAIN, "lr": 0.1, "d": 1.0, "beta2_decay": -0.8, "eps1": 1e-6, "eps2": 1e-3},
    ),
]
MUON = {
    "lr": 0.01,
    "weight_decay": 0.1,
    "momentum": 0.9,
    "nesterov": True,
    "ns_coefficients": (3.4445, -4.775, 2.0315),
    "ns_steps": 2,
    "eps": 1e-7,
    "adjust_lr_fn": None,
    "has_complex": False,
}
SHAPES = [(4, 3), (3,)]


def form(t, module):
    return getattr(import_module(f"{t.__name__}.optim.{module}"), module.strip("_"))


def entry(t, kind, shape):
    """The first state of a parameter."""
    if kind in "01":
        return t.tensor(float(kind))
    matrix = len(shape) == 2
    if kind == "n" or (kind == "v" if matrix else kind in "rc"):
        return None
    return t.zeros({"r": (4, 1), "c": (1, 3)}.get(kind, shape), dtype=t.float64)


def run(t, module, kinds, options, shapes=SHAPES, steps=4):
    rng = np.random.default_rng(0)
    params = [t.tensor(rng.standard_normal(s)) for s in shapes]
    lists = [[] if kind == "-" else [entry(t, kind, s) for s in shapes] for kind in kinds]
    held = [list(x) for x in lists]
    for _ in range(steps):
        grads = [t.tensor(rng.standard_normal(s)) for s in shapes]
        before = [g.clone() for g in grads]
        assert form(t, module)(params, grads, *lists, **options) is None
        assert all(g.equal(b) for g, b in zip(grads, before, strict=True))
        assert all(p.grad is None for p in params)
    for old, new in zip(held, lists, strict=True):  # changed in place, not replaced
        assert all(a is None or a is b for a, b in zip(old, new, strict=True))
    return params, lists


@pytest.mark.parametrize(("module", "kinds", "options"), FORMS, ids=lambda x: x if type(x) is str else "")
def test_steps_match_torch(torch, module, kinds, options):
    with torch.no_grad():
        expected = run(torch, module, kinds, options)
    found = run(jtorch, module, kinds, options)
    for mine, theirs in zip([found[0], *found[1]], [expected[0], *expected[1]], strict=True):
        assert [x is None for x in mine] == [x is None for x in theirs]
        for a, b in zip(mine, theirs, strict=True):
            if b is not None:
                assert (a.shape, str(a.dtype)) == (b.shape, str(b.dtype))
                # Counts and what is computed with them are float32.
                np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=2e-6, atol=1e-12)


def test_muon_matches_torch(torch):
    expected = run(torch, "_muon", "z", MUON, [(4, 3), (3, 4)])
    found = run(jtorch, "_muon", "z", MUON, [(4, 3), (3, 4)])
    for mine, theirs in zip([found[0], *found[1]], [expected[0], *expected[1]], strict=True):
        for a, b in zip(mine, theirs, strict=True):
            # Orthogonalized in bfloat16, whose unit is 2^-8: 0.4 % of an update of at most lr.
            np.testing.assert_allclose(a.numpy(), b.numpy(), atol=4 * 4e-5)


def test_sparse_adam_takes_dense_gradients(torch):
    from torch.optim._functional import sparse_adam as theirs

    from jtorch.optim._functional import sparse_adam as mine

    found = []
    for t, function in ((jtorch, mine), (torch, theirs)):
        p, first, second = t.ones(3, 2), t.zeros(3, 2), t.zeros(3, 2)
        g = t.tensor([[1.0, -2.0], [0.0, 0.0], [0.5, 0.25]])
        for step in (1, 2):
            given = g if t is jtorch else g.to_sparse(1)
            function([p], [given], [first], [second], [step], maximize=False, **ADAM)
        found.append([x.numpy() for x in (p, first, second)])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_counts_of_any_kind():
    shared = jtorch.zeros(3)
    kinds = [shared[1], jtorch.tensor([0.0]), jtorch.tensor(0), jtorch.tensor(0.0, dtype=jtorch.float64)]
    params = [jtorch.ones(2) for _ in kinds]
    state = [[jtorch.zeros(2) for _ in kinds] for _ in range(2)]
    options = {**ADAM, "weight_decay": 0.0, "amsgrad": False, "maximize": False}
    for _ in range(2):
        form(jtorch, "adam")(params, [jtorch.ones(2)] * 4, *state, [], kinds, **options)
    assert shared.tolist() == [0.0, 2.0, 0.0]  # the view still looks at its base
    assert kinds[1].tolist() == [2.0]
    assert (kinds[2].dtype, kinds[2].item()) == (jtorch.int64, 2)
    assert (kinds[3].dtype, kinds[3].item()) == (jtorch.float64, 2.0)
    assert all(p.tolist() == params[0].tolist() for p in params)


def test_an_optimizer_built_on_a_form_is_the_class(lazy):
    class Own(jtorch.optim.Optimizer):
        def __init__(self, params, lr):
            super().__init__(params, {"lr": lr})

        @jtorch.no_grad()
        def step(self, closure=None):
            for group in self.param_groups:
                params = [p for p in group["params"] if p.grad is not None]
                for p in params:
                    if not self.state[p]:
                        zeros = (jtorch.zeros_like(p), jtorch.zeros_like(p))
                        self.state[p] = {"step": jtorch.tensor(0.0), "moments": zeros}
                states = [self.state[p] for p in params]
                form(jtorch, "adam")(
                    params,
                    [p.grad for p in params],
                    *([s["moments"][i] for s in states] for i in range(2)),
                    [],
                    [s["step"] for s in states],
                    amsgrad=False,
                    beta1=0.9,
                    beta2=0.999,
                    lr=group["lr"],
                    weight_decay=0.0,
                    eps=1e-8,
                    maximize=False,
                )

    found = []
    for make in (Own, jtorch.optim.Adam):
        p = jtorch.nn.Parameter(jtorch.tensor([1.0, -2.0]))
        optimizer = make([p], lr=0.1)
        compiled = []
        for step in range(6):
            optimizer.param_groups[0]["lr"] = 0.1 / (step + 1)
            optimizer.zero_grad()
            (p * p).sum().backward()
            optimizer.step()
            compiled.append(jtorch.metrics()["programs_compiled"])
        assert compiled[-1] == compiled[1]  # rates and counts are operands
        found.append(p.tolist())
    assert found[0] == found[1]


def test_a_differentiable_step(torch):
    found = []
    for t in (jtorch, torch):
        x = t.tensor([1.0, 2.0], dtype=t.float64, requires_grad=True)
        p = x.clone()
        options = {**PLAIN, "lr": 0.1, "momentum": 0.5, "dampening": 0.0, "nesterov": False}
        form(t, "sgd")([p], [x * x], [t.ones(2, dtype=t.float64)], **options)
        p.sum().backward()
        found.append((p.tolist(), x.grad.tolist()))
    np.testing.assert_allclose(found[0], found[1], rtol=1e-12)


CALLS = {
    "counts as numbers": lambda t, p: form(t, "adam")(
        [p], [p], [p], [p], [], [1], amsgrad=False, weight_decay=0.0, maximize=False, **ADAM
    ),
    "products as numbers": lambda t, p: form(t, "nadam")(
        [p], [p], [p], [p], [1.0], [t.tensor(1.0)], weight_decay=0.0, momentum_decay=0.1, **ADAM
    ),
    "counts of Adafactor": lambda t, p: form(t, "_adafactor")(
        [p], [p], [None], [None], [p], [1], **dict(FORMS[-1][2])
    ),
    "a scale": lambda t, p: form(t, "sgd")([p], [p], [None], grad_scale=p, **FORMS[5][2]),
    "capturable": lambda t, p: form(t, "adam")(
        [p], [p], [p], [p], [], [t.tensor(1.0)], capturable=True, **FORMS[0][2]
    ),
    "a leaf": lambda t, p: form(t, "sgd")([t.nn.Parameter(p)], [p], [None], **{**FORMS[4][2]}),
    "Muon foreach": lambda t, p: form(t, "_muon")([p], [p], [p], foreach=True, **MUON),
    "Muon complex": lambda t, p: form(t, "_muon")([p], [p], [p], **{**MUON, "has_complex": True}),
    "Muon of a vector": lambda t, p: form(t, "_muon")([p], [p], [p], **MUON),
}


@pytest.mark.parametrize("case", CALLS)
def test_errors_match_torch(torch, case):
    texts = []
    for t in (jtorch, torch):
        with pytest.raises((RuntimeError, ValueError, AssertionError)) as caught:
            CALLS[case](t, t.ones(2))
        texts.append((type(caught.value), str(caught.value)))
    assert texts[0] == texts[1]


def test_what_is_missing_is_named():
    p = jtorch.ones(2)
    with pytest.raises(NotImplementedError, match="has_sparse_grad"):
        form(jtorch, "sgd")([p], [p], [None], True, **FORMS[5][2])
    with pytest.raises(NotImplementedError, match="GradScaler"):
        form(jtorch, "sgd")([p], [p], [None], fused=True, grad_scale=p, **FORMS[5][2])
    with pytest.raises(NotImplementedError, match="twice"):
        form(jtorch, "sgd")([p, p], [p, p], [None, None], **FORMS[5][2])


def test_modules_and_signatures_are_pytorchs(torch):
    names = {module for module, *_ in FORMS} | {"_muon", "_functional", "sparse_adam", "lbfgs"}
    for name in names:
        mine, theirs = (import_module(f"{t}.optim.{name}") for t in ("jtorch", "torch"))
        assert list(getattr(mine, "__all__", [])) == list(getattr(theirs, "__all__", [])), name
        for function in (name.strip("_"), "sparse_adam" if name == "_functional" else name):
            if inspect.isfunction(getattr(theirs, function, None)):
                a, b = (inspect.signature(getattr(m, function)).parameters.values() for m in (mine, theirs))
                assert [(x.name, x.kind, x.default) for x in a] == [(x.name, x.kind, x.default) for x in b]
