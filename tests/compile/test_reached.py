"""What a compiled function reaches and another line changes: calls see it, as they do uncompiled."""

import collections
import dataclasses
import sys
import types

import numpy as np
import pytest

import jtorch
from jtorch import nn

pytestmark = pytest.mark.usefixtures("lazy")

X = jtorch.arange(6.0).view(2, 3)
LEVEL = 1.0


def watch(make):
    """What calls give before and after each change, compiled and not."""
    found = []
    for compile in (lambda f: f, jtorch.compile):
        f, args, *changes = make()
        call = compile(f)
        found.append([])
        for change in [lambda: None, *changes]:
            change()
            for _ in range(3):
                result = call(*args)
                needs = isinstance(result, jtorch.Tensor) and result.requires_grad
                shown = result.detach().tolist() if isinstance(result, jtorch.Tensor) else result
                found[-1].append((shown, needs))
    return found


class Settings:
    k = 1.0


def held():
    """An object with a number in it."""
    return types.SimpleNamespace(k=1.0)


def class_with(**attributes):
    return type("Owner", (nn.Module,), {"forward": lambda self, x: x * self.read(), **attributes})


def in_object():
    owner = class_with(held=held(), read=lambda self: self.held.k)
    return owner(), (X,), lambda: setattr(owner.held, "k", 3.0)


def in_nested_class():
    owner = class_with(Inner=type("Inner", (), {"k": 1.0}), read=lambda self: self.Inner.k)
    return owner(), (X,), lambda: setattr(owner.Inner, "k", 3.0)


def in_set():
    owner = class_with(names={1}, read=lambda self: len(self.names))
    return owner(), (X,), lambda: owner.names.add(2)


def in_metaclass():
    meta = type("Meta", (type,), {"k": 1.0})
    cls = meta("Made", (), {})
    return (lambda x: x * cls.k), (X,), lambda: setattr(meta, "k", 3.0)


def in_descriptor():
    class Reading:
        k = 1.0

        def __get__(self, owner, cls):
            return self.k

    cls = type("Made", (), {"read": Reading()})
    made = cls()
    return (lambda x: x * made.read), (X,), lambda: setattr(vars(cls)["read"], "k", 3.0)


def added_to_class():
    base = type("Base", (), {"k": 1.0})
    cls = type("Derived", (base,), {})
    made = cls()
    return (lambda x: x * made.k), (X,), lambda: setattr(cls, "k", 3.0), lambda: setattr(base, "k", 5.0)


def class_of_object():
    made = type("A", (), {"k": 1.0})()
    return (lambda x: x * made.k), (X,), lambda: setattr(made, "__class__", type("B", (), {"k": 3.0}))


def asked_through_getattr():
    class Asked:
        def __init__(self):
            self.__dict__["data"] = {"k": 1.0}

        def __getattr__(self, name):
            return self.data[name]

    asked = Asked()
    return (lambda x: x * asked.k), (X,), lambda: asked.data.update(k=3.0)


def below_many_objects():
    top = inner = held()
    for _ in range(12):
        inner.next = held()
        inner = inner.next

    def f(x):
        here = top
        for _ in range(12):
            here = here.next
        return x * here.k

    return f, (X,), lambda: setattr(inner, "k", 3.0)


def in_long_list():
    data = [1.0] * 5000
    return (lambda x: x * data[4000]), (X,), lambda: data.__setitem__(4000, 3.0)


def in_large_array():
    data = np.ones(5000)
    return (lambda x: x * float(data[4000])), (X,), lambda: data.__setitem__(4000, 3.0)


def in_globals():
    return (lambda x: x * globals()["LEVEL"]), (X,), lambda: globals().update(LEVEL=3.0)


def global_that_comes_later():
    def f(x):
        try:
            return x * LATER
        except NameError:
            return x * 2

    return f, (X,), lambda: globals().update(LATER=3.0), lambda: globals().pop("LATER")


def in_schedule():
    optimizer = jtorch.optim.SGD([jtorch.ones(1, requires_grad=True)], lr=1.0)
    schedule = jtorch.optim.lr_scheduler.StepLR(optimizer, 2, gamma=0.5)
    optimizer.k = 1.0
    return (
        (lambda x: x * schedule.gamma * schedule.base_lrs[0] * optimizer.k * optimizer.defaults["lr"]),
        (X,),
        lambda: setattr(schedule, "gamma", 3.0),
        lambda: schedule.base_lrs.__setitem__(0, 5.0),
        lambda: setattr(optimizer, "k", 7.0),
        lambda: optimizer.defaults.update(lr=9.0),
    )


def in_dictionary_of_a_class():
    given = collections.OrderedDict(k=1.0, t=jtorch.ones(3))
    return (
        (lambda x, given: x * given["k"] + given["t"]),
        (X, given),
        lambda: given.update(k=3.0),
        lambda: given["t"].add_(1),
        lambda: given.update(t=jtorch.ones(3) * 5),
    )


def beside_items():
    given = type("Items", (list,), {})([1.0])
    given.k = 1.0
    return (lambda x, given: x * given[0] * given.k), (X, given), lambda: setattr(given, "k", 3.0)


def the_same_dataclass():
    given = dataclasses.make_dataclass("Given", ["t"])(jtorch.ones(2))

    def f(x):
        x * 2
        return given

    call = []
    return (lambda x: call.append(f(x)) or call[-1] is given), (X,)


def of_an_attribute():
    w = jtorch.ones(2)
    return (
        (lambda x: x * (w.shape[0] + 10 * w.requires_grad)),
        (X,),
        w.requires_grad_,
        lambda: setattr(w, "data", jtorch.ones(5)),
    )


def of_parameters():
    net = nn.Linear(2, 2)
    return (lambda x: x * sum(p.numel() for p in net.parameters() if p.requires_grad)), (X,), (
        lambda: net.requires_grad_(False)
    ), (lambda: net.bias.requires_grad_())  # fmt: skip


def of_versions():
    w = jtorch.ones(2)
    r = jtorch.ones(2, requires_grad=True) * 2
    return (lambda x: x * (w._version + 10 * r.retains_grad)), (X,), (lambda: w.add_(1)), r.retain_grad


def place(change, shape=(3, 2)):
    w = jtorch.arange(6.0).view(shape).clone()
    return (lambda x: (w * 2).sum(0)), (X,), lambda: change(w)


CASES = [
    in_object, in_nested_class, in_set, in_metaclass, in_descriptor, added_to_class, class_of_object,
    asked_through_getattr, below_many_objects, in_long_list, in_large_array, in_globals,
    global_that_comes_later, in_schedule, in_dictionary_of_a_class, beside_items, the_same_dataclass,
    of_an_attribute, of_parameters, of_versions,
]  # fmt: skip


@pytest.mark.parametrize("make", CASES)
def test_what_changes_between_calls(make, monkeypatch):
    monkeypatch.setitem(globals(), "LEVEL", 1.0)

    def afresh():
        globals()["LEVEL"] = 1.0
        return make()

    expected, found = watch(afresh)
    assert found == expected


PLACES = {
    "t_": lambda w: w.t_(), "unsqueeze_": lambda w: w.unsqueeze_(0), "resize_": lambda w: w.resize_(2, 2),
    "as_strided_": lambda w: w.as_strided_((2, 2), (1, 1)), "set_": lambda w: w.set_(w.view(2, 3)),
    "data": lambda w: setattr(w, "data", w.data.t()),
    "history": lambda w: w.mul_(jtorch.ones(2, requires_grad=True)),
}  # fmt: skip


@pytest.mark.parametrize("change", PLACES.values(), ids=PLACES)
def test_places_and_histories_of_captured_tensors(change):
    expected, found = watch(lambda: place(change))
    assert found == expected


def imported(x):
    import of_the_test

    return x * of_the_test.k


def imported_name(x):
    from of_the_test import k

    return x * k


READS = {
    "import": imported, "from": imported_name, "chain": lambda x: x * HOLDER.inner.k,
    "getattr": lambda x: x * getattr(HOLDER.inner, "k"),  # noqa: B009
    "modules": lambda x: x * sys.modules["of_the_test"].k, "item": lambda x: x * KEPT["inner"].k,
}  # fmt: skip
HOLDER = types.ModuleType("holder_of_the_test")
KEPT = {}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_modules_of_python_wherever_they_are_named(read, monkeypatch):
    module = types.ModuleType("of_the_test")
    monkeypatch.setitem(sys.modules, "of_the_test", module)
    HOLDER.inner = KEPT["inner"] = module

    def make():
        module.k = 1.0
        return read, (X,), lambda: setattr(module, "k", 3.0), lambda: setattr(module, "k", 1.0)

    expected, found = watch(make)
    assert found == expected


def test_a_module_that_is_given():
    def make():
        module = types.ModuleType("of_the_test")
        module.k = 1.0
        return (lambda x, m: x * m.k), (X, module), lambda: setattr(module, "k", 3.0)

    expected, found = watch(make)
    assert found == expected


def test_a_settled_function_is_still_replayed():
    class Net(nn.Module):
        settings = Settings()

        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 3)

        def forward(self, x):
            import sys as here

            return self.layer(x) * getattr(self.settings, "k") * (1 + len(here.argv) * 0)  # noqa: B009

    net = Net()
    step = jtorch.compile(lambda x: net(x).sum())
    for _ in range(4):
        step(X)
    assert jtorch.compiler.explain(step).count("\n") == 0
