"""Views x in-place changes x autograd: random programs run in PyTorch and here, and everything is compared.

A program starts from one small matrix and makes views of it, views of views, results of operations; it
modifies the base or a view in place, with history and without, and at its end goes backward from all it
made. After each step (or once at the end) the tensors' strides, offsets, versions and histories must be
equal, and so must be the contents and gradients in the end. Errors must have PyTorch's type and text,
and change nothing.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

import jtorch
from jtorch.trace import settings

pytestmark = pytest.mark.filterwarnings("ignore")

# ---- steps -------------------------------------------------------------------------------------------------
# A view has a function that proposes arguments for a tensor of real PyTorch, or None where it makes no sense.


def _dim(draw: random.Random, x: Any) -> int:
    return draw.randrange(-x.dim(), x.dim())


def _shape(draw: random.Random, x: Any) -> Any:
    n = x.numel()
    return (draw.choice([(n,), (-1,), (1, n), (2, -1), (3, -1), (n, 1)]),)


def _place(draw: random.Random, x: Any) -> Any:
    if not x.dim():
        return None
    d = _dim(draw, x)
    return (d, draw.randrange(-x.size(d), x.size(d))) if x.size(d) else None


def _stretch(draw: random.Random, x: Any) -> Any:
    if not x.dim():
        return None
    starts, stops = [None, 0, 1, -1, -2], [None, 1, 2, 3, -1]
    return draw.randrange(x.dim()), draw.choice(starts), draw.choice(stops), draw.choice([None, 1, 2])


def _two_dims(draw: random.Random, x: Any) -> Any:
    return (_dim(draw, x), _dim(draw, x)) if x.dim() else None


def _one_dim(draw: random.Random, x: Any) -> Any:
    return (_dim(draw, x),) if x.dim() else None


def _order(draw: random.Random, x: Any) -> Any:
    return (tuple(draw.sample(range(x.dim()), x.dim())),) if x.dim() else None


def _larger(draw: random.Random, x: Any) -> Any:
    if draw.random() < 0.5:
        return ((2, *x.shape),)
    return (tuple(2 if n == 1 else -1 for n in x.shape),) if x.dim() else None


def _new_dim(draw: random.Random, x: Any) -> Any:
    return (draw.randrange(-x.dim() - 1, x.dim() + 1),)


def _window(draw: random.Random, x: Any) -> Any:
    if not x.dim():
        return None
    d = _dim(draw, x)
    n = x.size(d)
    if not n:
        return None
    start = draw.randrange(n)
    return d, start, draw.randrange(1, n - start + 1)


def _windows(draw: random.Random, x: Any) -> Any:
    if not x.dim():
        return None
    d = _dim(draw, x)
    if not x.size(d):
        return None
    size = draw.randrange(1, x.size(d) + 1)
    # Without overlap: PyTorch leaves open what writing to overlapping windows does.
    return d, size, size + draw.randrange(2)


def _diagonal(draw: random.Random, x: Any) -> Any:
    return (draw.choice([0, 0, 1, -1]),) if x.dim() == 2 else (0, 0, 2) if x.dim() == 3 else None


def _strided(draw: random.Random, x: Any) -> Any:
    if x.untyped_storage().nbytes() // x.element_size() < 4:
        return None
    return draw.choice([((2, 2), (2, 1), None), ((3,), (1,), 0), ((2,), (2,), 1), ((2, 2), (1, 2), 0)])


def _parts(draw: random.Random, x: Any) -> Any:
    return (draw.choice([1, 2, 3]), draw.randrange(x.dim()), draw.randrange(2)) if x.dim() else None


def _slices(draw: random.Random, x: Any) -> Any:
    return (draw.randrange(x.dim()), draw.randrange(2)) if x.dim() else None


def _factors(draw: random.Random, x: Any) -> Any:
    return (_dim(draw, x), draw.choice([(-1, 1), (1, -1), (2, -1), (3, -1)])) if x.dim() else None


def _dtype(draw: random.Random, x: Any) -> Any:
    return (draw.choice(["float32", "int32", "int16", "float64", "uint8", "complex64"]),)


def _always(draw: random.Random, x: Any) -> Any:
    return ()


def _of_complex(draw: random.Random, x: Any) -> Any:
    return () if x.is_complex() else None


def _of_real(draw: random.Random, x: Any) -> Any:
    return None if x.is_complex() else ()


def _nth(parts: Any, i: int) -> Any:
    return parts[i % len(parts)]


def _at(d: int, index: Any) -> tuple[Any, ...]:
    return (slice(None),) * d + (index,)


VIEWS: dict[str, tuple[Any, Any]] = {
    "view": (_shape, lambda T, x, s: x.view(s)),
    "reshape": (_shape, lambda T, x, s: x.reshape(s)),
    "select": (_place, lambda T, x, d, i: x.select(d, i)),
    "x[..., i]": (_place, lambda T, x, d, i: x[_at(d % x.dim(), i)]),
    "x[..., a:b:s]": (_stretch, lambda T, x, d, a, b, s: x[_at(d, slice(a, b, s))]),
    "transpose": (_two_dims, lambda T, x, a, b: x.transpose(a, b)),
    "t": (_always, lambda T, x: x.t()),
    "permute": (_order, lambda T, x, p: x.permute(p)),
    "expand": (_larger, lambda T, x, s: x.expand(s)),
    "unsqueeze": (_new_dim, lambda T, x, d: x.unsqueeze(d)),
    "squeeze": (_always, lambda T, x: x.squeeze()),
    "squeeze(dim)": (_one_dim, lambda T, x, d: x.squeeze(d)),
    "narrow": (_window, lambda T, x, d, s, n: x.narrow(d, s, n)),
    "unfold": (_windows, lambda T, x, d, n, s: x.unfold(d, n, s)),
    "diagonal": (_diagonal, lambda T, x, *a: x.diagonal(*a)),
    "as_strided": (_strided, lambda T, x, *a: x.as_strided(*a)),
    "split": (_parts, lambda T, x, n, d, i: _nth(x.split(n, d), i)),
    "chunk": (_parts, lambda T, x, n, d, i: _nth(x.chunk(n, d), i)),
    "unbind": (_slices, lambda T, x, d, i: _nth(x.unbind(d), i)),
    "flatten": (_always, lambda T, x: x.flatten()),
    "unflatten": (_factors, lambda T, x, d, s: x.unflatten(d, s)),
    "movedim": (_two_dims, lambda T, x, a, b: x.movedim(a, b)),
    "view_as": (_always, lambda T, x: x.view_as(x)),
    "view_as_real": (_of_complex, lambda T, x: T.view_as_real(x)),
    "view_as_complex": (_of_real, lambda T, x: T.view_as_complex(x)),
    "real": (_always, lambda T, x: x.real),
    "imag": (_of_complex, lambda T, x: x.imag),
    "view(dtype)": (_dtype, lambda T, x, d: x.view(getattr(T, d))),
    "detach": (_always, lambda T, x: x.detach()),
    "data": (_always, lambda T, x: x.data),
}


def _filled_like(T: Any, x: Any, number: int) -> Any:
    return T.full(tuple(x.shape), number, dtype=x.dtype)


def _same_kind(x: Any, source: Any) -> bool:
    """PyTorch itself fails to differentiate a real source that is written to a complex tensor."""
    return "int" not in str(x.dtype) and x.is_complex() == source.is_complex()


def _repeats(x: Any) -> bool:
    """PyTorch writes to expanded tensors here, but fails in the backward."""
    return any(s == 0 and n > 1 for s, n in zip(x.stride(), x.shape, strict=True))


#: In-place changes of ``x``; ``w`` is the leaf.
CHANGES: dict[str, Any] = {
    "mul_": lambda T, x, w: x.mul_(2),
    "add_": lambda T, x, w: x.add_(1),
    "mul_(w)": lambda T, x, w: x.mul_(w.sum()),
    "add_(w)": lambda T, x, w: x.add_(w.select(-1, 0).sum()),
    "mul_(x)": lambda T, x, w: x.mul_(x),
    "neg_": lambda T, x, w: x.neg_(),
    "relu_": lambda T, x, w: x.relu_(),
    "copy_": lambda T, x, w: x.copy_(_filled_like(T, x, 3)),
    "copy_(w)": lambda T, x, w: x.copy_(w.select(-1, 1).sum() * 2),
    "fill_": lambda T, x, w: None if _repeats(x) else x.fill_(5),
    "fill_(w)": lambda T, x, w: x.fill_(w.sum()) if _same_kind(x, w) else None,
    "zero_": lambda T, x, w: None if _repeats(x) else x.zero_(),
    "x[0] =": lambda T, x, w: x.__setitem__(0, 7),
    "x[..., -1] = w": lambda T, x, w: x.__setitem__((..., -1), w.sum()) if _same_kind(x, w) else None,
    "x[:] =": lambda T, x, w: x.__setitem__(slice(None), 2),
    "x[0].mul_": lambda T, x, w: x[0].mul_(3),
    "requires_grad_": lambda T, x, w: x.requires_grad_(),
}

RESULTS: dict[str, Any] = {
    "clone": lambda T, x, w: x.clone(),
    "x * 2": lambda T, x, w: x * 2,
    "x * x": lambda T, x, w: x * x,
    "x * w": lambda T, x, w: x * w.sum(),
    "exp": lambda T, x, w: (x * 0.1).exp(),
    "sum": lambda T, x, w: x.sum(),
}


class Program:
    """A start and steps ``(name, number of the tensor, arguments, without history)``, made from a seed."""

    def __init__(self, torch: Any, seed: int) -> None:
        draw = random.Random(seed)
        data = np.array([[0.5, 1, 1.5], [2, 2.5, -3]], np.float32)
        if draw.random() < 0.25:
            data = (data + 1j * data[::-1]).astype(np.complex64)
        elif draw.random() < 0.15:
            data = np.array([[1, 2], [3, 4]], np.float32)
        self.data, self.requires = data, draw.random() < 0.85
        self.start = draw.choice(["clone", "free", "op", "leaf"])
        self.watched = draw.random() < 0.5
        self.steps: list[tuple[str, int, tuple[Any, ...], bool]] = []
        tensors = self.begin(torch)
        for _ in range(draw.randrange(2, 7)):
            i = len(tensors) - 1 if draw.random() < 0.5 else draw.randrange(len(tensors))
            kind = draw.random()
            args: Any = ()
            if kind < 0.5:
                name = draw.choice(list(VIEWS))
                args = VIEWS[name][0](draw, tensors[i])
                if args is None:
                    continue
            else:
                name = draw.choice(list(CHANGES if kind < 0.85 else RESULTS))
            step = (name, i, args, draw.random() < 0.15)
            self.steps.append(step)
            self.run(torch, tensors, step)

    def begin(self, T: Any) -> list[Any]:
        leaf = T.tensor(self.data, requires_grad=self.requires)
        second = {"clone": lambda: leaf.clone(), "free": lambda: T.tensor(self.data), "op": lambda: leaf * 1}
        return [leaf, second[self.start]()] if self.start in second else [leaf]

    @staticmethod
    def run(T: Any, tensors: list[Any], step: tuple[str, int, tuple[Any, ...], bool]) -> Any:
        """Take a step; returns the error's type and text, or None."""
        name, i, args, without_history = step
        x, w = tensors[i], tensors[0]
        try:
            with T.set_grad_enabled(not without_history):
                if name in VIEWS:
                    tensors.append(VIEWS[name][1](T, x, *args))
                elif name in CHANGES:
                    CHANGES[name](T, x, w)
                else:
                    tensors.append(RESULTS[name](T, x, w))
        except Exception as error:
            return type(error).__name__, str(error)
        return None

    def __repr__(self) -> str:
        start = f"{self.start} of {self.data.dtype}, requires_grad={self.requires}"
        return "\n".join([start, *map(str, self.steps)])


def described(x: Any) -> Any:
    """All that can be seen of a tensor but its contents; an error if its history is forbidden."""
    try:
        fn = x.grad_fn and (x.grad_fn.name(), type(x.grad_fn).__name__)
        leaf = x.is_leaf
    except RuntimeError as error:
        return str(error)
    memory: Any = ()
    if x.numel():
        # Strides of dimensions of size 1 mean nothing where memory is new.
        steps = [s if n > 1 or x._is_view() else 0 for n, s in zip(x.shape, x.stride(), strict=True)]
        memory = steps, x.storage_offset()
    kind = str(x.dtype).split(".")[-1]
    return tuple(x.shape), memory, x._version, leaf, x.requires_grad, fn, x._is_view(), kind


def contents(x: Any) -> Any:
    return np.array(x.detach().numpy())


def gradients(T: Any, tensors: list[Any]) -> Any:
    """Gradients of all leaves, of a sum over every tensor with history; the error if there is one."""
    total = None
    try:
        for k, x in enumerate(tensors):
            if x.requires_grad:
                part = (x * (k + 1)).sum()
                part = part.real + part.imag * 2 if part.is_complex() else part
                total = part.double() if total is None else total + part.double()
        if total is None:
            return None
        total.backward()
    except Exception as error:
        return type(error).__name__, str(error)
    return [x.grad.numpy() if x.is_leaf and x.grad is not None else None for x in tensors]


def check(torch: Any, seed: int) -> None:
    program = Program(torch, seed)
    theirs, ours = program.begin(torch), program.begin(jtorch)
    for step in program.steps:
        expected, found = program.run(torch, theirs, step), program.run(jtorch, ours, step)
        assert found == expected, f"{step} of seed {seed}:\n{program}"
        if program.watched:
            for k, (x, y) in enumerate(zip(theirs, ours, strict=True)):
                assert described(y) == described(x), f"tensor {k} after {step} of seed {seed}:\n{program}"
    for k, (x, y) in enumerate(zip(theirs, ours, strict=True)):
        assert described(y) == described(x), f"tensor {k} of seed {seed}:\n{program}"
        np.testing.assert_allclose(
            contents(y), contents(x), 1e-5, 1e-6, err_msg=f"tensor {k} of seed {seed}:\n{program}"
        )
    expected, found = gradients(torch, theirs), gradients(jtorch, ours)
    if not isinstance(expected, list):
        assert found == expected, f"backward of seed {seed}:\n{program}"
        return
    assert isinstance(found, list), f"backward of seed {seed}: {found}\n{program}"
    for k, (a, b) in enumerate(zip(expected, found, strict=True)):
        assert (a is None) == (b is None), f"gradient {k} of seed {seed}:\n{program}"
        if a is not None:
            np.testing.assert_allclose(b, a, 1e-4, 1e-5, err_msg=f"gradient {k} of seed {seed}:\n{program}")


#: Each distinct operation is compiled once in eager mode, each distinct program in lazy mode.
EAGER, LAZY, CHUNK = 480, 40, 40


@pytest.mark.parametrize("first", range(0, EAGER, CHUNK))
def test_programs_op_by_op(torch, first, monkeypatch):
    monkeypatch.setattr(settings, "eager", True)
    for seed in range(first, first + CHUNK):
        check(torch, seed)


@pytest.mark.parametrize("first", range(EAGER, EAGER + LAZY, CHUNK // 2))
def test_programs_as_one_graph(torch, first):
    for seed in range(first, first + CHUNK // 2):
        check(torch, seed)


@pytest.mark.parametrize("name", sorted(VIEWS))
def test_every_view_is_drawn(torch, name):
    drawn = {step[0] for seed in range(EAGER) for step in _steps(torch, seed)}
    assert name in drawn


_known: dict[int, Any] = {}


def _steps(torch: Any, seed: int) -> Any:
    if seed not in _known:
        _known[seed] = Program(torch, seed).steps
    return _known[seed]


# ---- by hand -----------------------------------------------------------------------------------------------


def test_writing_to_a_view_of_a_view_reaches_the_base_and_its_gradient():
    x = jtorch.ones(2, 3, requires_grad=True)
    y = x * 1
    y[0][1:].mul_(5)
    y.sum().backward()
    assert y.tolist() == [[1, 5, 5], [1, 1, 1]]
    assert x.grad.tolist() == [[1, 5, 5], [1, 1, 1]]


def test_writing_to_the_base_reaches_views_made_before():
    x = jtorch.ones(2, 3, requires_grad=True)
    y = x * 1
    row = y[1]
    y.mul_(3)
    (row * row).sum().backward()
    assert x.grad.tolist() == [[0, 0, 0], [18, 18, 18]]  # d(9 x^2)/dx


def test_a_value_written_into_a_free_tensor_brings_its_history():
    x = jtorch.tensor([2.0], requires_grad=True)
    buffer = jtorch.zeros(3)
    column = buffer[1:]
    column[0] = x[0] * 4
    buffer.sum().backward()
    assert buffer.tolist() == [0, 8, 0]
    assert x.grad.tolist() == [4]


def test_as_strided_of_a_view_leads_to_that_view_alone():
    x = jtorch.arange(6.0).requires_grad_()
    part = x[:3]
    # Reads elements 1 to 4, of which the view holds 1 and 2.
    part.as_strided((4,), (1,), 1).sum().backward()
    assert x.grad.tolist() == [0, 1, 1, 0, 0, 0]


def test_filling_an_expanded_view_fills_the_base():
    x = jtorch.ones(1, 3, requires_grad=True)
    y = x * 1
    y.expand(2, 3).fill_(4)
    (y * y).sum().backward()
    assert y.tolist() == [[4, 4, 4]]
    assert x.grad.tolist() == [[0, 0, 0]]


def test_masked_and_indexed_fills_of_an_expanded_view_warn():
    mask = jtorch.tensor([[True, False, False], [False, False, True]])
    for change, expected in [
        (lambda x: x.masked_fill_(mask, 4), [[4, 1, 4]]),
        (lambda x: x.__setitem__(mask, 4), [[4, 1, 4]]),
        (lambda x: x.index_fill_(0, jtorch.tensor([1]), 4), [[4, 4, 4]]),
        (lambda x: x.index_fill_(1, jtorch.tensor([1]), 4), [[1, 4, 1]]),
    ]:
        base = jtorch.ones(1, 3)
        with pytest.warns(UserWarning, match="_fill_ on expanded tensors is deprecated. Please clone()"):
            change(base.expand(2, 3))
        assert base.tolist() == expected  # PyTorch 2.13


@pytest.mark.parametrize("name", ["eq_", "ne_", "lt_", "le_", "gt_", "ge_", "not_equal_"])
def test_comparisons_in_place_have_gradients_of_zero(name):
    torch = pytest.importorskip("torch")
    found = []
    for package in (torch, jtorch):
        leaf = package.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
        whole, parts = leaf * 2, leaf * 3
        getattr(whole, name)(4)
        getattr(parts[0], name)(parts.detach()[1])
        (whole.sum() + parts.sum()).backward()
        nodes = type(whole.grad_fn).__name__, type(parts.grad_fn).__name__
        found.append((whole.tolist(), parts.tolist(), leaf.grad.tolist(), *nodes))
    assert found[1] == found[0]


def test_many_outputs_of_one_node():
    x = jtorch.ones(300, 1, requires_grad=True)
    parts = (x * 1).unbind()
    (parts[299] * 2 + parts[256] * 3 + parts[0] * 4).sum().backward()
    expected = np.zeros((300, 1))
    expected[[299, 256, 0], 0] = 2, 3, 4
    np.testing.assert_array_equal(x.grad.numpy(), expected)


TURNS = [
    "y.t_(); v.mul_(2)",
    "y.t_(); y.mul_(2)",
    "v.mul_(2); y.t_(); v.mul_(3); y[1].mul_(5)",
    "y.unsqueeze_(0); y[0, 1].mul_(2); v.mul_(3)",
    "y.transpose_(0, 1).unsqueeze_(1); u = y[2]; u.mul_(2); w = w * u.sum()",
    "y.t_().t_(); v.mul_(2)",
    "v.unsqueeze_(1); y.swapaxes_(0, 1); v.mul_(2)",
    "del v; y.t_(); y.retain_grad(); v = x[0]",
    "y.t_().detach_(); w = w * x.sum()",
]


@pytest.mark.parametrize("turn", TURNS)
def test_views_of_a_tensor_whose_dimensions_change_in_place(torch, turn):
    found = []
    for package in (torch, jtorch):
        x = package.arange(9.0).reshape(3, 3).requires_grad_()
        y = x * 1
        names = {"torch": package, "x": x, "y": y, "v": y[0], "w": package.ones(1)}
        try:
            exec(turn, names)
            y, v, w = (names[n] for n in "yvw")
            total = (y * package.arange(1.0, y.numel() + 1).reshape(y.shape)).sum() + (v * v).sum()
            (total * w).sum().backward()
        except RuntimeError as error:
            found.append(str(error))
            continue
        grad = y.grad.tolist() if y.retains_grad else None
        found.append((x.grad.tolist(), y.tolist(), v.tolist(), grad, y._version, v._base is y, y._base))
    assert found[0] == found[1]


def test_a_view_of_a_leaf_that_was_turned_is_refused():
    x = jtorch.ones(2, 3, requires_grad=True)
    v = x[0]
    with jtorch.no_grad():
        x.t_()
    assert x.is_leaf
    x.sum().backward()
    assert x.grad.shape == (3, 2)
    with pytest.raises(NotImplementedError, match="take the view anew"):
        v.sum()
