"""What somebody exchanges behind a compiled function's back: code, defaults, library functions, switches."""

import builtins
import importlib
import math
import os
import types

import pytest

import jtorch
from jtorch import nn
from jtorch.testing import assert_close

pytestmark = pytest.mark.usefixtures("lazy")

X = jtorch.arange(1.0, 4.0)


def made(source, **names):
    """A function of the user with globals of its own."""
    scope = {"torch": jtorch, "__name__": "__main__", **names}
    exec(source, scope)
    return scope["f"], scope


def code(patch):
    f, scope = made("def h(x): return x * 2\ndef g(x): return x * 3\ndef f(x): return h(x)")
    return f, lambda: setattr(scope["h"], "__code__", scope["g"].__code__)


def own_code(patch):
    f, scope = made("def f(x): return x * 2\ndef g(x): return x * 3")
    return f, lambda: setattr(f, "__code__", scope["g"].__code__)


def defaults(patch):
    f, scope = made("def h(x, k=2.0): return x * k\ndef f(x): return h(x)")
    return f, lambda: setattr(scope["h"], "__defaults__", (3.0,))


def keyword_defaults(patch):
    f, scope = made("def h(x, *, k=2.0): return x * k\ndef f(x): return h(x)")
    return f, lambda: setattr(scope["h"], "__kwdefaults__", {"k": 3.0})


def keyword_default(patch):
    f, scope = made("def h(x, *, k=2.0): return x * k\ndef f(x): return h(x)")
    return f, lambda: scope["h"].__kwdefaults__.update(k=3.0)


def library_function(patch):
    f, _ = made("def f(x): return torch.nn.functional.relu(x)")
    return f, lambda: patch.setattr(jtorch.nn.functional, "relu", lambda x: x * 7)


def library_forward(patch):
    f, _ = made("def f(x): return net(x)", net=nn.Softplus())
    return f, lambda: patch.setattr(nn.Softplus, "forward", lambda self, x: x * 7)


def standard_library(patch):
    f, _ = made("def f(x): return x * math.sqrt(4.0)", math=math)
    return f, lambda: patch.setattr(math, "sqrt", lambda x: 7.0)


def builtin(patch):
    f, _ = made("def f(x): return x * abs(-2.0)")
    return f, lambda: patch.setattr(builtins, "abs", lambda x: 7.0)


def shadowed_builtin(patch):
    f, scope = made("def f(x): return x * abs(-2.0)")
    return f, lambda: scope.update(abs=lambda x: 7.0)


def in_nested_code(patch):
    other = types.ModuleType("other_module_of_the_user")
    other.k = 2.0
    f, _ = made("def f(x): return (lambda y: y * other.k)(x)", other=other)
    return f, lambda: setattr(other, "k", 3.0)


def special_method(patch):
    owner = type("Owner", (), {"__mul__": lambda self, x: x * 2, "__module__": "__main__"})
    f, _ = made("def f(x): return owner * x", owner=owner())
    return f, lambda: setattr(owner, "__mul__", lambda self, x: x * 7)


def environment(patch):
    patch.setenv("SCALE_OF_A_TEST", "2")
    f, _ = made("def f(x): return x * float(os.environ.get('SCALE_OF_A_TEST'))", os=os)
    return f, lambda: patch.setenv("SCALE_OF_A_TEST", "3")


def switch(owner, name, value):
    def case(patch):
        f, _ = made(f"def f(x): return x * (2.0 if torch.backends.{owner}.{name} == {value!r} else 3.0)")
        module = jtorch.backends
        for part in owner.split("."):
            module = getattr(module, part)
        return f, lambda: patch.setattr(module, name, value)

    return pytest.param(case, id=f"{owner}.{name}")


def deterministic(patch):
    f, _ = made("def f(x): return x * (2.0 if torch.are_deterministic_algorithms_enabled() else 3.0)")
    switches = importlib.import_module("jtorch.tensor._switches").switches
    patch.setattr(switches, "deterministic", False)
    return f, lambda: patch.setattr(switches, "deterministic", True)


def module_case(change):
    def case(patch):
        net = nn.Sequential(nn.Linear(3, 3), nn.LeakyReLU(0.5), nn.BatchNorm1d(3))
        jtorch.nn.init.constant_(net[0].weight, -0.5)
        net.eval()
        net[0].register_forward_hook(lambda module, args, out: out * 3)
        f, _ = made("def f(x): return net(x.view(1, 3)) * (2.0 if net.training else 1.0)", net=net)
        return f, lambda: change(net)

    return case


MODULES = {
    "attribute": lambda net: vars(net[1]).update(negative_slope=0.1),
    "training": lambda net: vars(net).update(training=True),
    "around __setattr__": lambda net: object.__setattr__(net[1], "negative_slope", 0.1),
    "parameter": lambda net: net[0]._parameters.update(bias=nn.Parameter(jtorch.ones(3))),
    "no parameter": lambda net: net[0]._parameters.update(bias=None),
    "buffer": lambda net: net[2]._buffers.update(running_mean=jtorch.ones(3)),
    "submodule": lambda net: net._modules.pop("1"),
    "hooks": lambda net: net[0]._forward_hooks.clear(),
    "forward": lambda net: vars(net[0]).update(forward=lambda x: x * 7),
}


@pytest.mark.parametrize(
    "case",
    [
        code, own_code, defaults, keyword_defaults, keyword_default, library_function, library_forward,
        standard_library, builtin, shadowed_builtin, in_nested_code, special_method, environment,
        deterministic,
        switch("cudnn", "benchmark", True), switch("cudnn", "enabled", False),
        switch("mkldnn", "enabled", False), switch("opt_einsum", "strategy", "greedy"),
        switch("cuda.matmul", "allow_fp16_reduced_precision_reduction", False),
        *[pytest.param(module_case(change), id=name) for name, change in MODULES.items()],
    ],
)  # fmt: skip
def test_an_exchange_is_seen(case, monkeypatch):
    f, change = case(monkeypatch)
    call = jtorch.compile(f)
    with jtorch.no_grad():
        for _ in range(7):  # the last ones on the short way
            before = call(X)
        assert_close(before, f(X))
        assert call._compiled_function.explain().count("\n") == 0
        change()
        after = f(X)
        assert before.tolist() != after.tolist()
        for _ in range(2):
            assert_close(call(X), after)
