"""``__torch_function__``: subclasses, other classes and modes that take over, compared with PyTorch."""

import inspect
import subprocess
import sys

import pytest

import jtorch
from jtorch.tensor import _overrides

SETUP = """
import torch
from torch import overrides as ov
from torch.nn import functional as F

log = []

class Kept(torch.Tensor):
    pass

class Trained(torch.nn.Parameter):
    pass

class Noted(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        log.append((func.__name__, [t.__name__ for t in types]))
        return super().__torch_function__(func, types, args, kwargs)

class Inner(Noted):
    pass

class Refusing(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return NotImplemented

class Other:
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        if func is F.dropout:
            return NotImplemented
        shown = [type(a).__name__ for a in args]
        return "other", func.__name__, [t.__name__ for t in types], shown, dict(kwargs or {})

class Mode(ov.TorchFunctionMode):
    def __torch_function__(self, func, types, args=(), kwargs=None):
        log.append(("mode", func.__name__))
        return func(*args, **(kwargs or {}))

class Zeros(ov.TorchFunctionMode):
    def __torch_function__(self, func, types, args=(), kwargs=None):
        return torch.zeros(1) if func is torch.ones else func(*args, **(kwargs or {}))

def in_mode(call):
    with Mode():
        return call()

def nested(call):
    with Mode(), Zeros():
        return call()

def disabled(what, call):
    with getattr(torch._C, what)():
        return call()

@ov.wrap_torch_function(lambda a, b=0: (a,))
def wrapped(a, b=0):
    return "wrapped"

def handled(a):
    if ov.has_torch_function_unary(a):
        return ov.handle_torch_function(handled, (a,), a)
    return "handled"
handled.__module__ = wrapped.__module__ = "program"

plain = torch.arange(4.0).reshape(2, 2) + 1
k, n, i, r = (plain.clone().as_subclass(c) for c in (Kept, Noted, Inner, Refusing))
o = Other()
linear = torch.nn.Linear(2, 2)
"""

CALLS = """
k + 1
1 - k
k.max(0)
k.unbind()
[x for x in k]
k.T
k[0]
k.add_(1)
k.clone().requires_grad_().grad
Kept(2, 3).shape
Kept([1.0, 2.0]).sum()
torch.cat([k, plain])
torch.zeros_like(k)
F.cross_entropy(k, torch.tensor([0, 1]))
linear(k)
torch.nn.Sequential(linear, torch.nn.ReLU())(k)
k.tolist()
k.shape
k.numpy()
repr(k)
str(torch.nn.Parameter(plain))
str(torch.nn.Parameter(k))
str(Trained(plain))
[batch[0] for batch in torch.utils.data.DataLoader(torch.utils.data.TensorDataset(k), batch_size=1)]
k + n
k == k
n + 1
n - 1
1 + n
n / 2
n ** 2
n @ n
-n
abs(n)
n < n
n.add(1)
torch.add(n, 1, alpha=2)
F.relu(n)
linear(n)
n.shape
n.requires_grad
setattr(n, 'grad', None)
n[0]
n.__setitem__(0, 1)
len(n)
n.T
n.split(1)
n.reshape(4)
torch.where(n > 0, n, 0.0)
bool(n.sum() > 0)
n.sum().item()
float(n.sum())
repr(n)
n.detach()
n.double()
torch.nn.Parameter(n)
torch.isnan(n).any()
n.sum().backward
n + i
i + n
i + k
r + 1
r == 1
torch.add(r, 1)
torch.cat([r, r])
r.shape
F.relu(r)
F.dropout(r)
torch.add(o, 1)
plain + o
plain.add(o)
F.relu(o)
torch.cat([o])
torch.stack([plain, o])
torch.sum(o, dim=1)
F.linear(o, o)
F.dropout(o)
torch.add(n, o)
in_mode(lambda: torch.ones(2) + 1)
in_mode(lambda: torch.zeros(3))
in_mode(lambda: linear(plain))
in_mode(lambda: n.add(1))
in_mode(lambda: torch.manual_seed(0) and None)
nested(lambda: torch.ones(2, 2).add(1))
torch.ones(1) + 1
disabled('DisableTorchFunctionSubclass', lambda: n + 1)
disabled('DisableTorchFunction', lambda: in_mode(lambda: n + 1))
wrapped(plain)
wrapped(o, b=2)
handled(plain)
handled(o)
handled(r)
ov.is_tensor_like(o), ov.is_tensor_like(k), ov.is_tensor_like(1)
ov.has_torch_function((k,)), ov.has_torch_function((plain, linear.weight))
ov.has_torch_function_variadic(1, o)
ov.resolve_name(torch.add), ov.resolve_name(F.relu), ov.resolve_name(torch.Tensor.add_), ov.resolve_name(len)
ov.resolve_name(torch.Tensor.shape.__get__)
torch.add in ov.get_overridable_functions()[torch], torch.manual_seed in ov.get_ignored_functions()
ov.is_tensor_method_or_property(torch.Tensor.add_), ov.is_tensor_method_or_property(torch.Tensor.T.__get__)
""".strip().splitlines()


@pytest.fixture(autouse=True)
def back():
    yield
    _overrides.switch_off()


def _shown(x):
    if isinstance(x, list | tuple):
        return [type(x).__name__, *map(_shown, x)]
    if hasattr(x, "tolist"):
        return type(x).__name__, x.tolist()
    return x if isinstance(x, str | int | float | bool | None) else type(x).__name__


@pytest.fixture(scope="module")
def names(torch):
    found = []
    for package in (jtorch, torch):
        there = {}
        setup = SETUP.replace("import torch\n", f"import {package.__name__} as torch\n", 1)
        exec(setup.replace("from torch", f"from {package.__name__}"), there)
        found.append(there)
    return found


@pytest.mark.filterwarnings("ignore:Converting a tensor with requires_grad")
@pytest.mark.parametrize("call", CALLS)
def test_calls(names, call):
    results = []
    for there in names:
        there["torch"].manual_seed(0)
        for parameter in there["linear"].parameters():
            parameter.data.fill_(0.5)
        for name in "kni":
            there[name].as_subclass(there["torch"].Tensor).detach().copy_(there["plain"])
        _overrides.switch_on()
        there["log"].clear()
        try:
            found = eval(call, there)
        except TypeError as error:
            found = str(error)
        log = [entry for entry in there["log"] if "__get__" not in entry[0]]
        results.append((_shown(found), log))
    assert results[0] == results[1]


PROGRAM = """
import jtorch as torch

class Kept(torch.Tensor):
    pass

class Other:
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return func.__name__, len(args), kwargs

held, code = torch.add, torch.add.__code__
"""


@pytest.mark.parametrize(
    "program",
    [
        "assert held.__code__ is code; assert type(Kept([1.0]) + 1) is Kept; assert held is torch.add",
        "x = torch.ones(2); x.__class__ = Kept; assert type(x + 1) is Kept",
        "assert torch.add(Other(), 1) == ('add', 2, {})",
        "assert torch.ones(2) * Other() == ('mul', 2, {})",
        "assert torch.cat([torch.ones(2), Other()], 0) == ('cat', 1, {})",
        "torch.nn.Parameter(torch.ones(2)) * 2; torch.nn.Linear(2, 2)(torch.ones(2)); torch.ones(2) == None\n"
        "assert held.__code__ is code",
        "from jtorch import vision; vision.tv_tensors.Image(torch.ones(3, 2, 2)) + 1\n"
        "assert held.__code__ is code",
    ],
)
def test_functions_change_when_a_class_takes_part(program):
    made = subprocess.run([sys.executable, "-c", PROGRAM + program], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr


def test_exchanged_functions_are_the_same_functions():
    def facts():
        return [
            (f.__name__, f.__module__, str(inspect.signature(f)), f.__doc__)
            for f in (jtorch.add, jtorch.nn.functional.dropout, jtorch.Tensor.backward, jtorch.zeros)
        ]

    before, code = facts(), jtorch.add.__code__
    _overrides.switch_on()
    assert jtorch.add.__code__ is not code
    # Methods are told by name what was called.
    assert [f[1:] for f in facts()] == [f[1:] for f in before]
    assert (jtorch.ones(2) + 1).tolist() == [2, 2]
    _overrides.switch_off()
    assert jtorch.add.__code__ is code
    assert facts()[0] == before[0]


def test_gradients_pass_through_subclasses():
    class Kept(jtorch.Tensor):
        pass

    x = jtorch.tensor([1.0, 2.0]).as_subclass(Kept).requires_grad_()
    y = (x * x).sum()
    assert type(y) is Kept
    y.backward()
    assert x.grad.tolist() == [2, 4]


def test_tensors_of_pytorch_do_not_take_over_functions():
    torch = pytest.importorskip("torch")

    class Kept(jtorch.Tensor):
        pass

    assert type(jtorch.ones(1).as_subclass(Kept) + 1) is Kept  # from now on functions look at arguments
    theirs = torch.tensor([1.0, 2.0])
    assert jtorch.from_dlpack(theirs).tolist() == [1, 2]
    for x in (theirs, torch.nn.Parameter(theirs)):
        with pytest.raises(TypeError, match=r"sin\(\): argument 'input' \(position 1\) must be Tensor, not"):
            jtorch.sin(x)
