"""``assert_close`` and ``make_tensor``, compared with PyTorch's: verdicts, whole messages, numbers."""

import numpy as np
import pytest

import jtorch

NAN = float("nan")
#: Pairs of values as functions of the library, and options.
PAIRS = [
    (lambda t: (t.tensor([1.0, 2.0]), t.tensor([1.0, 2.0])), {}),
    (lambda t: (t.tensor([1.0, 2.0]), t.tensor([1.0, 2.1])), {}),
    (lambda t: (t.tensor([[1.0, 2.0], [3.0, 4.0]]), t.tensor([[1.0, 2.5], [0.0, 4.0]])), {}),
    (lambda t: (t.tensor([1, 2, 3]), t.tensor([1, 5, 3])), {}),
    (lambda t: (t.tensor([True, False]), t.tensor([True, True])), {}),
    (lambda t: (t.tensor(1.0), t.tensor(2.0)), {}),
    (lambda t: (t.tensor(1.0), t.tensor(0.0)), {"rtol": 0, "atol": 0}),
    (lambda t: (t.tensor([1.0, NAN]), t.tensor([1.0, NAN])), {}),
    (lambda t: (t.tensor([1.0, NAN]), t.tensor([1.0, NAN])), {"equal_nan": True}),
    (lambda t: (t.tensor([1.0]), t.tensor([1.0], dtype=t.float64)), {}),
    (lambda t: (t.tensor([1.0]), t.tensor([1.5], dtype=t.float64)), {"check_dtype": False}),
    (lambda t: (t.tensor([1.0]), t.tensor([[1.0]])), {}),
    (lambda t: (t.ones(2, 3), t.ones(3, 2).T), {"check_stride": True}),
    (lambda t: (t.tensor([1 + 2j]), t.tensor([1 + 3j])), {}),
    (lambda t: (t.tensor([1.0], dtype=t.bfloat16), t.tensor([1.25], dtype=t.bfloat16)), {}),
    (lambda t: ([t.tensor(1.0), 2], [t.tensor(1.0), 3]), {}),
    (lambda t: ([1, 2], [1]), {}),
    (lambda t: ({"a": [1.0, {"b": 2.0}]}, {"a": [1.0, {"b": 2.5}]}), {}),
    (lambda t: ({"a": 1, "b": 2}, {"a": 1, "c": 2}), {}),
    (lambda t: (None, None), {}),
    (lambda t: (None, 1), {}),
    (lambda t: (True, False), {}),
    (lambda t: (1, 1.0), {"check_dtype": True}),
    (lambda t: (1.0, 1.0 + 1e-9), {}),
    (lambda t: (1.0, 1.1), {"rtol": 1e-3, "atol": 0.0}),
    (lambda t: (1.0, 0.0), {}),
    (lambda t: (NAN, NAN), {}),
    (lambda t: (1.0, 1.0), {"rtol": 1e-3}),
    (lambda t: (np.ones(2), np.zeros(2)), {}),
    (lambda t: (np.float32(1), 2.0), {"check_dtype": False}),
    (lambda t: (t.tensor(1.0), 1.0), {}),
    (lambda t: ("a", "a"), {}),
    (lambda t: (t.tensor([1.0]), t.tensor([2.0])), {"msg": "my words"}),
    (lambda t: (t.tensor([1.0]), t.tensor([2.0])), {"msg": lambda text: "before\n" + text}),
    (lambda t: (t.ones(0), t.ones(0)), {}),
    (lambda t: (t.empty(2, device="meta"), t.empty(2, device="meta")), {}),
]


def outcome(call):
    try:
        return call()
    except Exception as error:
        return type(error).__name__, str(error).replace("jtorch.tensor._core.", "torch.").replace(
            "jtorch", "torch"
        )


def test_assert_close_says_what_torch_says(torch):
    for make, options in PAIRS:
        mine, theirs = (
            outcome(lambda t=t, o=options, make=make: t.testing.assert_close(*make(t), **o))
            for t in (jtorch, torch)
        )
        assert mine == theirs, theirs


def test_assert_allclose(torch):
    for library in (jtorch, torch):
        with pytest.warns(FutureWarning, match="assert_close"):
            library.testing.assert_allclose(library.ones(2), [1.0, 1.00005])
        with pytest.warns(FutureWarning), pytest.raises(AssertionError, match="not close"):
            library.testing.assert_allclose(library.ones(2), [1.0, 1.001])


TENSORS = [
    ((2, 3), {"dtype": "float32"}),
    (((2, 3),), {"dtype": "float64", "low": -1.0, "high": 2.0, "requires_grad": True}),
    ((4,), {"dtype": "int64"}),
    ((4,), {"dtype": "uint8", "low": 3, "high": 200}),
    ((4,), {"dtype": "bool"}),
    ((3, 2), {"dtype": "complex64", "noncontiguous": True}),
    ((50,), {"dtype": "int32", "low": 0, "high": 2, "exclude_zero": True}),
    ((3,), {"dtype": "float16"}),
    ((3,), {"dtype": "float32", "low": 2.0, "high": 1.0}),
    ((3,), {"dtype": "float32", "low": NAN}),
    ((3,), {"dtype": "uint8", "low": 300, "high": 400}),
    ((3,), {"dtype": "int32", "requires_grad": True}),
    ((), {"dtype": "float32"}),
]


def test_make_tensor_makes_those_of_torch(torch):
    for shape, options in TENSORS:
        made = []
        for library in (jtorch, torch):
            library.manual_seed(3)
            own = {**options, "dtype": getattr(library, options["dtype"]), "device": "cpu"}
            made.append(outcome(lambda t=library, o=own, shape=shape: t.testing.make_tensor(*shape, **o)))
        if isinstance(made[1], tuple):
            assert made[0] == made[1]
            continue
        mine, theirs = made
        assert mine.tolist() == theirs.tolist(), (shape, options)
        assert (str(mine.dtype), mine.stride(), mine.requires_grad) == (
            str(theirs.dtype), theirs.stride(), theirs.requires_grad,
        )  # fmt: skip
