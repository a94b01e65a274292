"""Functions written for the types of arguments that an op usually gets do what `run` does."""

import pytest

import jtorch
from jtorch.ops._registry import OPS
from jtorch.tensor import _core, _specialised
from jtorch.trace import flush_all, recorder


def _leaf(*shape, dtype=None):
    return jtorch.nn.Parameter(jtorch.arange(1.0, 1 + jtorch.Size(shape).numel(), dtype=dtype).reshape(shape))


def _given(name):
    """Arguments of a call, made anew: inputs of all kinds, and the last of them an intermediate result."""
    plain, leaf = jtorch.arange(6.0).reshape(2, 3).clone(), _leaf(2, 3)
    return {
        "plain and leaf": ("mul", (plain, leaf)),
        "leaf and result": ("mul", (leaf, leaf.exp())),
        "one leaf twice": ("mul", (leaf, leaf)),
        "a float": ("mul", (leaf, 2.5)),
        "an int": ("add", (leaf, 3, 1)),
        "a bool": ("mul", (plain, True)),
        "a default and a number": ("add", (leaf, plain, 1)),
        "another number in its place": ("add", (leaf, plain, 2)),
        "a view of a result": ("mul", (leaf.exp()[0], plain)),
        "a view of a leaf": ("relu", (leaf.view(3, 2),)),
        "a transposed leaf": ("mul", (leaf.t(), 2.0)),
        "an optional operand left out": ("nn.functional.linear", (plain, leaf, None)),
        "static arguments": ("sum", (leaf, 1, True, None)),
        "a list as a static argument": ("sum", (leaf, [0, 1], False, None)),
        "a result that is saved": ("exp", (leaf,)),
        "integers": ("add", (jtorch.arange(3), jtorch.arange(3), 1)),
        "a comparison": ("gt", (leaf, plain)),
    }[name]


CASES = [
    "plain and leaf", "leaf and result", "one leaf twice", "a float", "an int", "a bool",
    "a default and a number", "another number in its place", "a view of a result", "a view of a leaf",
    "a transposed leaf", "an optional operand left out", "static arguments", "a list as a static argument",
    "a result that is saved", "integers", "a comparison",
]  # fmt: skip

#: What is left to `run`.
LEFT = {"another number in its place", "a transposed leaf", "a list as a static argument"}


def _shown(name, monkeypatch, specialised, around=None):
    """Everything that a call leaves behind, for comparison."""
    op, args = _given(name)
    op = OPS[op]
    kinds = tuple(map(type, args))
    plain = dict.fromkeys([kinds], False)
    monkeypatch.setattr(op, "variants", plain)
    _core.run(op, args)  # so that there is a plan
    if specialised:
        variant = _specialised._variant(op, kinds)
        done = (variant(*_given(name)[1]) is not None) if variant else False
        assert done is (name not in LEFT)
        monkeypatch.setattr(op, "variants", {kinds: variant or False})
    flush_all("test")
    op_args = _given(name)[1]
    graph = recorder(jtorch.device("cpu")).graph
    if around is None:
        result = _core.run(op, op_args)
    else:
        with around():
            result = _core.run(op, op_args)
    fn = result.grad_fn
    tape = graph.notes
    node = None
    if fn is not None:
        node = (
            fn.name(), fn.needs, len(fn.saved), [(v, i) for _, v, i in fn.checks], fn.index,
            [edge and (type(edge[0]).__name__, edge[1]) for edge in fn.edges], fn.tape is tape,
        )  # fmt: skip
    return {
        "graph": (
            graph.flat[:],
            graph.floats[:],
            graph.ints[:],
            len(graph.leaves),
            graph.nodes,
            graph.nbytes,
        ),
        "tape": None if tape is None else (tape.flat[:], tape.whole, len(tape.leaves), len(tape.checks)),
        "node": node,
        "result": (result.requires_grad, result.is_leaf, result.is_inference(), result.stride()),
        "values": result.tolist(),
    }


@pytest.mark.parametrize("name", CASES)
def test_what_a_call_leaves_behind(lazy, monkeypatch, name):
    wanted = _shown(name, monkeypatch, False)
    assert _shown(name, monkeypatch, True) == wanted


@pytest.mark.parametrize("mode", ["no_grad", "inference_mode"])
@pytest.mark.parametrize("name", ["plain and leaf", "a float", "a view of a leaf"])
def test_modes(lazy, monkeypatch, name, mode):
    around = getattr(jtorch, mode)
    wanted = _shown(name, monkeypatch, False, around)
    assert _shown(name, monkeypatch, True, around) == wanted
    assert not wanted["result"][0]


def test_ops_of_a_loop_get_one(lazy, monkeypatch):
    op = OPS["mul"]
    monkeypatch.setattr(op, "variants", {})
    monkeypatch.setattr(_specialised, "_counts", {})
    x, w = jtorch.ones(3), _leaf(3)
    kinds = (jtorch.Tensor, jtorch.nn.Parameter)
    for _ in range(_specialised.CALLS):
        assert kinds not in op.variants
        (x * w).sum().backward()
    assert callable(op.variants[kinds])
    for factor in (2.0, 3.0):
        w.grad = None
        (x * w * factor).sum().backward()
        assert w.grad.tolist() == [factor] * 3


def test_more_than_one_way_to_a_gradient(lazy):
    """One function serves operands with and without history."""
    w, x = _leaf(3), jtorch.arange(3.0)
    for _ in range(3):
        for a, b, leads in ((w, x, True), (x.clone(), x, False), (w.exp(), x, True), (x, w, True)):
            assert (a * b).requires_grad is leads
    y = w.exp() * w
    y.sum().backward()
    assert jtorch.allclose(w.grad, w.exp() * (1 + w))


def test_saved_values_are_watched(lazy):
    for _ in range(5):
        w, x = _leaf(3), jtorch.ones(3)
        y = w * x
        x.add_(1)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            y.sum().backward()


def test_inference_tensors_cannot_be_saved(lazy):
    with jtorch.inference_mode():
        x = jtorch.ones(3) * 2
    w = _leaf(3)
    for _ in range(5):
        with pytest.raises(RuntimeError, match="Inference tensors cannot be saved for backward"):
            w * x


def test_anomaly_mode_still_sees_every_node(lazy):
    w = _leaf(3)
    for _ in range(4):
        (w * w).sum().backward()
    with jtorch.autograd.set_detect_anomaly(True):
        y = w * w
    assert y.grad_fn.trace is not None


def test_shared_numpy_memory_is_read_anew(lazy):
    import numpy as np

    memory = np.ones(3, np.float32)
    x, w = jtorch.from_numpy(memory), _leaf(3)
    for step in range(5):
        memory[:] = step
        assert (x * w).tolist() == [step * 1.0, step * 2.0, step * 3.0]


def test_inside_a_transform(lazy):
    import jax

    def f(a):
        return (jtorch.from_jax(a) * _leaf(3)).sum().jax()

    for _ in range(5):
        assert jax.jit(f)(jax.numpy.ones(3)) == 6.0
        assert jax.grad(f)(jax.numpy.ones(3)).tolist() == [1.0, 2.0, 3.0]


def test_a_static_argument_is_of_its_type_after_calls_with_an_equal_one():
    x = jtorch.tensor([[1.0, 2.0], [3.0, 6.0]])
    for _ in range(_specialised.CALLS + 1):
        # dim=1, and correction=1: columns of each row
        assert x.std(1).tolist() == pytest.approx([0.5**0.5, 4.5**0.5])
        # unbiased=True: all elements, with mean 3 and squares 4 + 1 + 0 + 9
        assert x.std(True).tolist() == pytest.approx((14 / 3) ** 0.5)
        assert x.std(False).tolist() == pytest.approx((14 / 4) ** 0.5)
        assert x.sum(0, keepdim=True).shape == (1, 2)
        with pytest.raises(TypeError, match=r"argument 'keepdim' \(position 3\) must be bool, not int"):
            jtorch.nansum(x, 0, 1)
        assert jtorch.nansum(x, 0, True).shape == (1, 2)
        with pytest.raises(TypeError):
            x.cumsum(1.0)
        assert x.cumsum(1).tolist() == [[1.0, 3.0], [3.0, 9.0]]
