"""Nodes, their hooks and the modes of recording, against PyTorch."""

import gc

import pytest

import jtorch

SETUP = """
x = torch.arange(1.0, 4.0).requires_grad_()
w = torch.ones(3, requires_grad=True)
y = x * w
z = y.sum()

def hooked(result):
    y.grad_fn.register_hook(lambda inner, outer: result)
    z.backward()
    return x.grad, w.grad

def prehooked(result):
    y.grad_fn.register_prehook(lambda outer: result)
    z.backward()
    return x.grad, w.grad

def accumulated(result):
    x.register_post_accumulate_grad_hook(lambda p: result)
    z.backward()
    return x.grad, w.grad

def ordered():
    log = []
    note = lambda name: lambda *_: log.append(name)
    accumulator = lambda: y.grad_fn.next_functions[0][0]
    x.register_hook(note('leaf'))
    x.register_post_accumulate_grad_hook(note('accumulated'))
    accumulator().register_hook(note('after'))
    accumulator().register_prehook(note('before'))
    y.grad_fn.register_prehook(note('node before'))
    y.grad_fn.register_hook(note('node after'))
    y.register_hook(note('result'))
    z.backward()
    return log

def states(mode, outer):
    with outer:
        decorated = mode(lambda: (torch.is_grad_enabled(), torch.is_inference_mode_enabled()))
        return decorated()

def drive(how):
    log = []

    @torch.no_grad()
    def items():
        try:
            got = yield 1
            log.append(('got', got, torch.is_grad_enabled()))
            yield 2
        except ValueError as error:
            log.append(('caught', str(error), torch.is_grad_enabled()))
            yield 9
        except GeneratorExit:
            log.append(('closed', torch.is_grad_enabled()))
            raise
        finally:
            log.append('end')
        return 5

    g = items()
    log.append(next(g))
    log.append(how(g))
    log.append(torch.is_grad_enabled())
    return list(log)
"""

CALLS = [
    *(
        f"{kind}({result})"
        for kind in ("hooked", "prehooked")
        for result in ("None", "torch.ones(3)", "3", "'ab'", "[w, w]", "(w * 5,)", "(w * 5, w)", "()")
    ),
    "accumulated(None)",
    "accumulated(3)",
    "accumulated(torch.zeros(3))",
    "ordered()",
    "z.grad_fn()",
    "z.grad_fn(3)",
    "z.grad_fn(z, z)",
    "z.grad_fn(torch.tensor(2.0)).tolist(), y.grad_fn(torch.ones(3))",
    "states(torch.inference_mode(False), torch.no_grad())",
    "states(torch.inference_mode(True), torch.no_grad())",
    "states(torch.no_grad(), torch.inference_mode())",
    "torch.set_grad_enabled(0)",
    "torch.set_grad_enabled(None)",
    "repr(torch.set_grad_enabled(True))",
    "drive(lambda g: g.send('a'))",
    "drive(lambda g: g.throw(ValueError('v')))",
    "drive(lambda g: g.close())",
    "drive(lambda g: list(g))",
    "torch.autograd.graph.increment_version(3)",
    "torch.autograd.graph.increment_version([3])",
    "x.t_()",
    "x.unsqueeze_(0)",
    "x[:2].squeeze_()",
    "y.split(1)[0].transpose_(0, 0)",
    "x.set_(torch.ones(1))",
]


@pytest.mark.parametrize("call", CALLS)
def test_calls_match_torch(agree, call):
    agree(call, SETUP)


@pytest.mark.parametrize(
    "change", ["t_()", "unsqueeze_(0)", "set_(torch.ones(1))", "resize_(2)", "add_(1)", "requires_grad_()"]
)
def test_tensors_of_inference_mode_refuse_changes(agree, change):
    agree(f"t.{change}", "with torch.inference_mode():\n    t = torch.ones(3, 3)")


def test_parameters_stay_tensors_of_inference_mode(agree):
    setup = "with torch.inference_mode():\n    t = torch.ones(3)"
    agree("torch.nn.Parameter(t)", setup)
    agree("torch.nn.Parameter(t, requires_grad=False).is_inference()", setup)


def test_hooks_of_an_accumulator_live_as_long_as_the_graph():
    x = jtorch.ones(3, requires_grad=True)
    y = x * 2
    calls = []
    y.grad_fn.next_functions[0][0].register_hook(lambda *_: calls.append(1))
    gc.collect()
    y.sum().backward()
    assert calls == [1]
    del y
    gc.collect()
    (x * 2).sum().backward()
    assert calls == [1]  # as in PyTorch, the node went with its graph


def test_a_class_that_is_decorated_warns():
    with pytest.warns(FutureWarning, match="Decorating classes is deprecated"):

        @jtorch.no_grad()
        class Made:
            def __init__(self) -> None:
                self.recording = jtorch.is_grad_enabled()

    assert not Made().recording


def test_an_unpacked_tensor_of_another_size_is_refused():
    x = jtorch.ones(3, requires_grad=True)
    with jtorch.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: jtorch.ones(5)):
        y = (x * x).sum()
    with pytest.raises(RuntimeError, match=r"MulBackward0 saved a tensor of size \[3\]"):
        y.backward()
