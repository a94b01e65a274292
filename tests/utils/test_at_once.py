"""While samples are made, exact operations are computed at their line: PyTorch's bits, nothing compiled."""

import operator
import warnings

import numpy as np
import pytest

import jtorch
from jtorch.tensor._at_once import at_once
from jtorch.utils import data

RNG = np.random.default_rng(0)
ARRAYS = {
    "float32": RNG.standard_normal((3, 4), np.float32),
    "float64": RNG.standard_normal((3, 4)),
    "special": np.array(
        [[0.0, -0.0, np.inf, -np.inf], [np.nan, 1e38, -1e38, 1e-45], [1, 2, 3, 4]], np.float32
    ),
    "uint8": RNG.integers(0, 100, (3, 4), np.uint8),
    "int64": RNG.integers(-9, 9, (3, 4)),
}
BINARY = ["add", "sub", "mul", "truediv", "eq", "ne", "lt", "le", "gt", "ge"]
OTHERS = [0.5, 3, 0, 100, 1e300, "self", "row"]
UNARY = {
    "flip": lambda t, x: x.flip(-1),
    "flip two": lambda t, x: x.flip((0, 1)),
    "neg": lambda t, x: -x,
    "abs": lambda t, x: x.abs(),
    "clone": lambda t, x: x.clone(),
    "stack": lambda t, x: t.stack([x, x + 1], -1),
    "cat": lambda t, x: t.cat([x, x[:1]], 0),
    "view": lambda t, x: x[1].float() / 255,
    "columns": lambda t, x: (x.flip(0)[1:] * 2)[0],
    "in place": lambda t, x: x.clone().mul_(2).sub_(1),
    "cast": lambda t, x: x.abs().to(t.uint8).to(t.float32) / 255,
}


def result(t, function):
    """What a call gives, in a form that can be compared."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            made = function()
        except (RuntimeError, IndexError) as error:
            return type(error), str(error)
    array = made.numpy()
    return str(made.dtype), tuple(made.shape), made.stride(), np.nan_to_num(array, nan=7.5).tobytes()


def results(t, array):
    x = t.tensor(array)
    shared = t.from_numpy(array)
    made = {}
    for name in BINARY:
        f = getattr(operator, name)
        for other in OTHERS:
            if name == "truediv" and array.dtype.kind in "iu" and other in ("self", "row"):
                continue  # recorded
            o = other if not isinstance(other, str) else shared if other == "self" else x[:1]
            made[name, other] = result(t, lambda f=f, o=o: f(x, o))
            if name != "truediv" or array.dtype.kind == "f":
                made[name, other, "reverse"] = result(t, lambda f=f, o=o: f(o, x))
    for name, f in UNARY.items():
        made[name] = result(t, lambda f=f: f(t, x))
        made[name, "shared"] = result(t, lambda f=f: f(t, shared))
    return made


@pytest.mark.parametrize("kind", ["float32", "float64", "special", "uint8", "int64"])
def test_bits_equal_torch(torch, kind):
    with np.errstate(all="ignore"):
        expected = results(torch, ARRAYS[kind])
    with at_once():
        made = results(jtorch, ARRAYS[kind])
    assert len(made) == len(expected) > 100
    assert [key for key in expected if expected[key] != made[key]] == []


def test_what_is_not_taken_is_recorded():
    x = jtorch.tensor([[1.0, 2.0], [3.0, 4.0]])
    with at_once():
        assert (jtorch.tensor([200], dtype=jtorch.uint8) + 300).tolist() == [244]  # wraps, as in C
        assert (jtorch.tensor([True]) + jtorch.tensor([True])).tolist() == [True]  # a logical or
        assert (x.T + 1).stride() == (1, 2)
        assert (x + jtorch.ones(2, dtype=jtorch.float64)).dtype is jtorch.float64
        assert (x.half() * 2).dtype is jtorch.float16
        with pytest.raises(
            RuntimeError, match=r"The size of tensor a \(2\) must match the size of tensor b \(3\)"
        ):
            x + jtorch.ones(3)
        with pytest.raises(IndexError, match="Dimension out of range"):
            x.flip(2)


def test_history_and_inference_are_kept():
    x = jtorch.ones(3, requires_grad=True)
    with at_once():
        y = (x * 2 + 1).flip(0)
        y.sum().backward()
        assert not (x.detach() * 2).requires_grad
        with jtorch.inference_mode():
            assert (jtorch.ones(2) + 1).is_inference()
    assert y.grad_fn is not None
    assert x.grad.tolist() == [2.0, 2.0, 2.0]


def test_infinities_are_silent_and_numpy_still_warns_the_user():
    with at_once(), warnings.catch_warnings():
        warnings.simplefilter("error")
        assert (jtorch.tensor([1.0, -1.0]) / 0).tolist() == [float("inf"), float("-inf")]
        with pytest.raises(RuntimeWarning, match="divide by zero encountered"):
            np.ones(3) / np.zeros(3)
    with np.errstate(all="raise"), at_once():
        assert (jtorch.tensor([1.0]) / 0).tolist() == [float("inf")]
        with pytest.raises(FloatingPointError):
            np.ones(3) / np.zeros(3)


def test_transforms_of_samples_compile_nothing():
    images = jtorch.from_numpy(RNG.integers(0, 256, (20, 3, 5, 7), np.uint8))

    class Normalized(data.Dataset):
        def __len__(self):
            return len(images)

        def __getitem__(self, index):
            return ((images[index].float() / 255 - 0.5) / 0.25).flip(-1)

    jtorch.reset_metrics()
    batches = list(data.DataLoader(Normalized(), 8))
    assert not jtorch.metrics()["flushes"]
    expected = (images.numpy().astype(np.float32) / np.float32(255) - np.float32(0.5)) / np.float32(0.25)
    assert np.array_equal(jtorch.cat(batches).numpy(), expected[..., ::-1])
