"""What happens around the calls of a compiled function, and what a call leaves behind, is as uncompiled."""

import argparse
import collections
import contextvars
import dataclasses
import io
import itertools
import random
import sys
import threading
import types
import warnings
import weakref

import numpy as np
import pytest

import jtorch
from jtorch import nn
from jtorch.utils.checkpoint import checkpoint

pytestmark = pytest.mark.usefixtures("lazy")


def agree(program):
    """``program(compile)`` notes and returns what it sees; compiled, that is the same."""
    noted = []
    for compile in (lambda f: f, jtorch.compile):
        jtorch.manual_seed(0)
        noted.append(program(compile))
        noted[-1].append(jtorch.rand(2).tolist())
    assert noted[1] == noted[0]


def linear():
    """A layer whose numbers are exact, so that programs which round differently give equal results."""
    layer = nn.Linear(2, 1)
    nn.init.ones_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


ONE = jtorch.ones(1, 2)


def test_state_that_was_cleared_or_replaced_begins_anew():
    def program(compile):
        layer = linear()
        optimizer = jtorch.optim.SGD(layer.parameters(), lr=0.5, momentum=0.5)

        @compile
        def step(x):
            optimizer.zero_grad()
            layer(x).sum().backward()
            optimizer.step()

        noted = []
        for i in range(6):
            if i == 3:
                optimizer.state.clear()
            if i == 5:
                optimizer.state[layer.weight] = {}
            step(ONE)
            noted.append(layer.weight.tolist())
        return noted

    agree(program)


def test_a_recording_that_is_given_up_writes_gradients_to_their_arrays():
    def program(compile):
        layer = linear()
        optimizer = jtorch.optim.SGD(layer.parameters(), lr=0.5)

        @compile
        def step(x):
            layer(x).sum().backward()
            optimizer.step()
            return layer.weight.grad[0]  # a view of a tensor from outside cannot be replayed

        noted = []
        for n in (1, 2, 3):
            noted.append(step(ONE.expand(n, 2)).tolist())
            array = layer.weight.grad.numpy()
            noted.append(array.tolist())
        return noted

    agree(program)


class Slotted:
    __slots__ = ("k",)


@dataclasses.dataclass(slots=True)
class Fields:
    k: int = 1


class Counting(dict):
    k = 1


def noted_tensor():
    made = jtorch.ones(2)
    made.k = 1
    return made


HOLDERS = {
    "slots": Slotted, "slots of a dataclass": Fields, "SimpleNamespace": types.SimpleNamespace,
    "Namespace": argparse.Namespace, "a function": lambda: lambda: None, "a tensor": noted_tensor,
    "a dictionary's class": Counting,
}  # fmt: skip


@pytest.mark.parametrize("make", HOLDERS.values(), ids=HOLDERS)
@pytest.mark.parametrize("writes", [False, True])
def test_attributes_wherever_they_are_kept(make, writes):
    def program(compile):
        holder = make()
        holder.k = 1

        @compile
        def f(x):
            if writes:
                holder.k += 1
            return x * holder.k

        noted = []
        for i in range(5):
            if i == 3:
                holder.k = 7
            noted += [f(ONE).tolist(), holder.k]
        return noted

    agree(program)


def read_set(s):
    s.add(len(s))
    return len(s)


CONTAINERS = {
    "set": (set, read_set),
    "deque": (lambda: collections.deque([1], maxlen=3), lambda d: d.append(d[-1] + 1) or sum(d)),
    "UserDict": (lambda: collections.UserDict(k=1), lambda d: d.update(k=d["k"] + 1) or d["k"]),
    "ChainMap": (lambda: collections.ChainMap({"k": 1}, {}), lambda d: d.update(k=d["k"] + 1) or d["k"]),
    "an array": (lambda: np.ones(2), lambda a: a.__setitem__(0, a[0] + 1) or float(a[0])),
    "bytearray": (lambda: bytearray(b"\1"), lambda a: a.__setitem__(0, a[0] + 1) or a[0]),
    "count": (itertools.count, next),
    "list iterator": (lambda: iter([1.0, 2.0, 3.0, 4.0, 5.0]), next),
    "generator": (lambda: (i for i in range(9)), next),
    "StringIO": (io.StringIO, lambda f: f.write("a") and len(f.getvalue())),
    "Random": (lambda: random.Random(1), lambda r: r.random()),
    "NumPy's generator": (lambda: np.random.default_rng(1), lambda r: float(r.random())),
}


@pytest.mark.parametrize(("make", "use"), CONTAINERS.values(), ids=CONTAINERS)
def test_objects_that_a_call_changes(make, use):
    def program(compile):
        held = make()

        @compile
        def f(x):
            return x * use(held)

        return [f(ONE).tolist() for _ in range(4)]

    agree(program)


@pytest.mark.parametrize("kind", ["contextvar", "local", "mappingproxy", "weakref", "module"])
def test_objects_that_something_else_changes(kind):
    def program(compile):
        inner = argparse.Namespace(k=1)
        data = {"k": 1}
        kinds = {
            "contextvar": contextvars.ContextVar("k", default=1), "local": threading.local(),
            "mappingproxy": types.MappingProxyType(data), "weakref": weakref.ref(inner),
            "module": types.ModuleType("of_the_test"),
        }  # fmt: skip
        held = kinds[kind]
        reads = {
            "contextvar": lambda: held.get(), "local": lambda: held.k, "mappingproxy": lambda: held["k"],
            "weakref": lambda: held().k, "module": lambda: held.k,
        }  # fmt: skip
        changes = {
            "contextvar": lambda k: held.set(k), "local": lambda k: setattr(held, "k", k),
            "mappingproxy": lambda k: data.update(k=k), "weakref": lambda k: setattr(inner, "k", k),
            "module": lambda k: setattr(held, "k", k),
        }  # fmt: skip
        read, change = reads[kind], changes[kind]
        noted = []
        f = compile(lambda x: x * (held.k if kind == "module" else read()))
        for k in (1, 1, 1, 5, 5):
            change(k)
            noted.append(f(ONE).tolist())
        return noted

    agree(program)


def test_what_is_only_written_is_written_in_each_call():
    class Model(nn.Module):
        def forward(self, x):
            self.rows, self.shape = x.shape[0], x.shape
            return x * 2

    def program(compile):
        global written
        model = Model()
        model.rows = 2
        written = 2
        call = compile(model)

        @compile
        def f(x):
            global written
            written = x.shape[0]
            return x * 2

        noted = []
        for n in (2, 2, 3, 3, 3, 2, 3):
            x = ONE.expand(n, 2)
            noted += [f(x).tolist(), call(x).tolist(), written, model.rows, list(model.shape)]
        return noted

    agree(program)


@pytest.mark.parametrize(
    "make",
    [lambda h: h, lambda h: h.detach(), lambda h: h.detach()[0], lambda h: jtorch.rand(2), lambda h: h * 1],
)
@pytest.mark.parametrize("gradient", [False, True])
def test_tensors_that_a_module_keeps_are_those_of_the_last_call(make, gradient):
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = linear(), linear()

        def forward(self, x):
            hidden = self.first(x).exp()
            self.kept = make(hidden)
            return self.second(hidden * x), hidden

    def program(compile):
        model = Model()
        call = compile(model)
        noted = []
        for i in range(3):
            with jtorch.set_grad_enabled(gradient):
                out, hidden = call(ONE * i)
            noted += [out.tolist(), hidden.tolist(), model.kept.tolist()]
        return noted

    agree(program)


ARGUMENTS = {
    "append": (lambda c: c.append(1), list), "pop": (lambda c: c.pop(), lambda: [1, 2]),
    "set": (lambda c: c.__setitem__(0, 5), lambda: [1, 2]),
    "dictionary": (lambda c: c.__setitem__("k", 5), dict), "take": (lambda c: c.pop("a"), lambda: {"a": 1}),
}  # fmt: skip


@pytest.mark.parametrize(("change", "make"), ARGUMENTS.values(), ids=ARGUMENTS)
def test_lists_and_dictionaries_that_are_given_are_changed_in_each_call(change, make):
    def program(compile):
        @compile
        def f(x, container):
            change(container)
            return x * 2

        noted = []
        for _ in range(3):
            given = make()
            f(ONE, given)
            noted.append(given)
        return noted

    agree(program)


def test_objects_that_are_returned_keep_their_identity():
    outside = [1]

    def program(compile):
        @compile
        def f(given):
            doubled = given[0] * 2
            return doubled, doubled, [doubled]

        same = compile(lambda given: (given, given[0] * 2))
        captured = compile(lambda x: (outside, x * 2))
        noted = []
        for _ in range(3):
            given = [ONE]
            a, b, (c,) = f(given)
            a.add_(1)
            noted += [a is b, a is c, c.tolist(), same(given)[0] is given, captured(ONE)[0] is outside]
        return noted

    agree(program)


def test_a_dataclass_that_is_returned_is_not_constructed_again():
    @dataclasses.dataclass
    class Out:
        value: jtorch.Tensor
        made: int = 0
        late: float = dataclasses.field(init=False, default=0.5)

        def __post_init__(self):
            self.made += 1
            self.late += 1

    def program(compile):
        f = compile(lambda x: Out(x * 2))
        return [(out.value.tolist(), out.made, out.late) for out in (f(ONE), f(ONE), f(ONE))]

    agree(program)


def test_output_past_print_appears_in_each_call(capfd):
    @jtorch.compile
    def f(x):
        sys.stdout.write("hello\n")
        return x * 2

    for _ in range(3):
        f(ONE)
    assert capfd.readouterr().out == "hello\n" * 3


def test_zeros_of_both_signs_are_different_numbers():
    def program(compile):
        factor = 0.0

        @compile
        def f(x, k):
            return 1 / (x * k), 1 / (x * factor)

        noted = []
        for k in (0.0, -0.0, 0.0, -0.0):
            factor = -k
            noted.append([r.tolist() for r in f(ONE, k)])
        return noted

    agree(program)
    f = jtorch.compile(lambda x, k: x * k)
    assert [f(ONE, float("nan")).isnan().all().item() for _ in range(3)] == [True] * 3
    assert jtorch.compiler.explain(f).count("\n") == 0  # nan is nan: one recording


def test_arguments_that_the_function_also_reaches():
    def program(compile):
        own = jtorch.ones(1, 2)

        @compile
        def f(x):
            x.add_(1)
            return x + own, x is own

        first = compile(lambda x: x + own)
        noted = [first(own).tolist(), first(ONE * 5).tolist(), first(own).tolist()]
        for given in (ONE * 1, ONE * 1, own, ONE * 1, own, own[0], own[:], ONE * 1):
            out, same = f(given)
            noted += [out.tolist(), same, own.tolist()]
        pair = compile(lambda x, y: x * (2 if x is y else 3))
        x = ONE * 1
        return noted + [pair(x, y).tolist() for y in (x, x[:], ONE * 1, x, x[:])]

    agree(program)


def test_leaves_are_told_from_results():
    def program(compile):
        f = compile(lambda x: (x * (2 if x.is_leaf else 3), x.grad_fn is None))
        x = jtorch.ones(2, requires_grad=True)
        return [(f(y)[0].tolist(), f(y)[1]) for y in (x, x * 1, x, x * 1)]

    agree(program)


def test_flags_of_arguments_and_switches_are_set_in_each_call():
    def program(compile):
        wants = compile(lambda x: x.requires_grad_() * 2)
        cut = compile(lambda x: x.detach_() * 2)
        marked = compile(lambda x: setattr(x, "mark", 3) or x * 2)
        off = compile(lambda x: (x * 2, jtorch.set_grad_enabled(False))[0])
        wide = compile(lambda x: (x * 2, jtorch.set_default_dtype(jtorch.float64))[0])
        leaf = jtorch.ones(2, requires_grad=True)
        noted = []
        for _ in range(3):
            x, y, z = jtorch.ones(2), leaf * 1, jtorch.ones(2)
            wants(x), cut(y), marked(z)
            noted += [x.requires_grad, y.requires_grad, y.is_leaf, z.mark]
            off(z)
            noted.append(jtorch.is_grad_enabled())
            jtorch.set_grad_enabled(True)
            wide(z)
            noted.append(jtorch.get_default_dtype())
            jtorch.set_default_dtype(jtorch.float32)
        return noted

    agree(program)


def test_states_of_random_generators_are_read_and_set_in_each_call():
    def program(compile):
        def back(x):
            state = jtorch.get_rng_state()
            first = jtorch.rand(2)
            jtorch.set_rng_state(state)
            return x + first, jtorch.rand(2)

        def forked(x):
            with jtorch.random.fork_rng():
                first = jtorch.rand(2)
            return first, jtorch.rand(2)

        def own(x):
            generator = jtorch.Generator().manual_seed(3)
            return jtorch.rand(2, generator=generator), x + jtorch.initial_seed()

        made = [compile(f) for f in (back, forked, own)]
        noted = []
        for i in range(3):
            for f in made:
                noted += [r.tolist() for r in f(ONE)]
            jtorch.manual_seed(i)
        return noted

    agree(program)


def test_where_a_view_begins_is_no_constant():
    base = jtorch.arange(6.0).reshape(3, 2)
    f = jtorch.compile(lambda x: (x * 2, x.storage_offset()))
    assert [f(row)[1] for row in base] == [0, 2, 4]


def test_hooks_that_come_go_and_note_something():
    def program(compile):
        first, layer, counts = nn.Linear(2, 2), linear(), collections.Counter()
        optimizer = jtorch.optim.SGD(layer.parameters(), lr=0.5)

        def count(name, result=None):
            def hook(*_):
                counts[name] += 1
                return result

            return hook

        @compile
        def step(x):
            optimizer.zero_grad()
            layer(first(x)).sum().backward()
            optimizer.step()

        nn.init.ones_(first.weight)
        register_step = jtorch.optim.optimizer.register_optimizer_step_post_hook
        kinds = [
            lambda: layer.weight.register_hook(lambda g: g * 3),
            lambda: layer.weight.register_hook(count("gradient")),
            lambda: layer.weight.register_post_accumulate_grad_hook(count("accumulated")),
            lambda: layer.register_forward_hook(count("forward")),
            lambda: layer.register_full_backward_hook(count("backward")),
            lambda: nn.modules.module.register_module_forward_hook(lambda m, args, out: out * 2),
            lambda: optimizer.register_step_pre_hook(count("before")),
            lambda: optimizer.register_step_post_hook(count("after")),
            lambda: register_step(count("all")),
        ]
        noted = []
        step(ONE)
        for register in kinds:
            handle = register()
            for _ in range(3):
                step(ONE)
                noted += [layer.weight.tolist(), dict(counts)]
            handle.remove()
            step(ONE)
            noted += [layer.weight.tolist(), dict(counts)]
        return noted

    agree(program)


def test_hooks_of_an_argument_run_where_they_are():
    def program(compile):
        @compile
        def f(x):
            (x * x).sum().backward()
            return x.grad

        noted = []
        for hooked in (True, False, False, True, False):
            x = jtorch.ones(2, requires_grad=True)
            if hooked:
                x.register_hook(lambda g: g * 3)
            noted.append(f(x).tolist())
        return noted

    agree(program)


def test_a_step_over_what_is_hidden_is_an_error_with_fullgraph():
    numbers = itertools.count()

    @jtorch.compile(fullgraph=True)
    def f(x):
        return x * next(numbers)

    with pytest.raises(jtorch._dynamo.exc.Unsupported, match=r"it uses an iterator \(numbers\)"):
        f(ONE)


def test_gradients_that_are_set_to_none_without_a_look_at_them_are_gone():
    def program(compile):
        weight = nn.Parameter(jtorch.ones(2))

        @compile
        def f(x):
            weight.grad = None
            return (weight * x).sum()

        noted = []
        for i in range(4):
            if i >= 2:
                weight.grad = jtorch.ones(2)
            noted.append((f(ONE[0]).item(), weight.grad is None))
        return noted

    agree(program)


@pytest.mark.parametrize("kind", ["always", "default", "once", "ignore"])
def test_warnings_are_shown_as_often_as_the_filters_say(kind):
    def program(compile):
        @compile
        def f(x):
            warnings.warn("a warning", stacklevel=1)
            return x * 2

        with warnings.catch_warnings(record=True) as shown:
            warnings.simplefilter(kind)
            noted = [(f(ONE).tolist(), len(shown)) for _ in range(4)]
        return [*noted, [str(w.message) for w in shown]]

    agree(program)


def test_a_warning_that_is_shown_once_does_not_keep_calls_from_being_replayed():
    @jtorch.compile
    def f(x):
        warnings.warn("a warning", stacklevel=1)
        return x * 2

    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("default")
        for _ in range(4):
            f(ONE)
    assert len(shown) == 1
    assert jtorch.compiler.explain(f).splitlines()[-1].endswith("the first call changed what it depends on")


def test_a_method_that_is_replaced_is_used():
    def program(compile):
        class Doubling(nn.Module):
            def forward(self, x):
                return self.change(x)

            def change(self, x):
                return x * 2

        f = compile(Doubling())
        noted = []
        for i in range(6):
            if i == 2:
                Doubling.change = lambda self, x: x * 3
            if i == 4:
                Doubling.forward = lambda self, x: x * 4
            noted.append(f(ONE).tolist())
        return noted

    agree(program)


def test_what_is_noted_on_an_argument_is_read_in_each_call():
    def program(compile):
        f = compile(lambda x: x * x.factor)
        noted = []
        for i in range(4):
            x = ONE.clone()
            x.factor = i
            noted.append(f(x).tolist())
        return noted

    agree(program)


@pytest.mark.parametrize("reentrant", [False, True])
@pytest.mark.parametrize("inside", [False, True])
def test_checkpoints_draw_the_same_numbers_again_in_each_call(reentrant, inside):
    def program(compile):
        layer, drop = linear(), nn.Dropout(0.5)

        def loss(x):
            x = x.clone().requires_grad_()
            return checkpoint(lambda x: drop(layer(drop(x))), x, use_reentrant=reentrant).sum()

        def step(x):
            found = loss(x)
            found.backward()
            return found.detach()

        run = compile(step if inside else loss)
        noted = []
        for _ in range(4):
            layer.zero_grad()
            found = run(jtorch.ones(4, 2))
            if not inside:
                found.backward()
            noted.append((found.item(), layer.weight.grad.tolist(), layer.bias.grad.tolist()))
        return noted

    agree(program)


def test_checkpoints_before_a_decision():
    def program(compile):
        layer, drop = linear(), nn.Dropout(0.5)

        @compile
        def step(x):
            layer.zero_grad()
            found = checkpoint(lambda x: drop(layer(x)), x, use_reentrant=False).sum()
            found.backward()
            if found > 8:
                return found.detach() * 2
            return found.detach()

        return [(step(jtorch.ones(4, 2)).item(), layer.weight.grad.tolist()) for _ in range(6)]

    agree(program)


def test_results_of_calls_in_inference_mode_are_of_it_where_they_are_not_replayed():
    kept = []

    @jtorch.compile
    def f(x):
        kept.append(x * 2)
        return (x + 1).sum()

    with jtorch.inference_mode():
        assert all(f(ONE).is_inference() for _ in range(3))


def test_the_mode_of_a_compiled_module_is_that_of_the_module():
    layer = nn.Sequential(nn.Dropout(0.5))
    made = jtorch.compile(layer)
    assert made.training
    layer.eval()
    assert not made.training
    assert made(ONE).equal(ONE)
    made.train()
    assert layer.training
    assert layer[0].training
    made.training = False
    assert not layer.training
    assert layer[0].training  # as in PyTorch: that of the children is set by train()


def test_an_argument_that_is_written_to_may_be_a_view_in_a_later_call():
    def program(compile):
        f = compile(lambda x: x.add_(1).sum())
        noted = []
        for i in range(6):
            base = jtorch.arange(12.0)
            x = jtorch.arange(4.0).reshape(2, 2) * 1 if i < 2 else base[i : i + 4].view(2, 2)
            noted.append((f(x).item(), x.tolist(), base.tolist()))
        return noted

    agree(program)


@pytest.mark.parametrize("change", [lambda t: t.t_(), lambda t: t.set_(t.t()), lambda t: t.t_().t_()])
def test_sizes_of_tensors_are_changed_in_each_call(change):
    def calls(wrap):
        given, kept, seen = jtorch.ones(2, 3), jtorch.ones(2, 3), []

        def f(x):
            change(x)
            change(kept)
            return x + kept

        called = wrap(f)
        for _ in range(4):
            called(given)
            seen.append([(t.shape, t.stride(), t._version) for t in (given, kept)])
        return seen

    assert calls(jtorch.compile) == calls(lambda f: f)


def test_an_argument_of_inference_mode_is_told_from_others():
    @jtorch.compile
    def f(x):
        x.add_(1)
        return x * 2

    for _ in range(3):
        assert f(jtorch.ones(2)).tolist() == [4.0, 4.0]
    with jtorch.inference_mode():
        x = jtorch.ones(2)
    with pytest.raises(RuntimeError, match="Inplace update to inference tensor outside InferenceMode"):
        f(x)
    assert x.tolist() == [1.0, 1.0]
    assert f(jtorch.ones(2)).tolist() == [4.0, 4.0]
