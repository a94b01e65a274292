"""Comparison of one call with PyTorch: structure, values, dtypes, shapes and gradients."""

import numpy as np
import pytest

import jtorch

#: Relative and absolute tolerance per dtype of the result: torch.testing's, a little wider for float32 sums.
TOLERANCES = {
    "bfloat16": (1.6e-2, 1e-5),
    "float16": (1e-3, 1e-5),
    "float32": (1e-5, 1e-5),
    "float64": (1e-7, 1e-7),
    "complex64": (1e-5, 1e-5),
    "complex128": (1e-7, 1e-7),
}


def array_of(x):
    """A tensor of either library as NumPy array, in a type that NumPy can compare."""
    x = x.detach()
    name = str(x.dtype).removeprefix("torch.")
    if name in ("bfloat16", "float16"):
        return x.to(
            (jtorch if isinstance(x, jtorch.Tensor) else pytest.importorskip("torch")).float64
        ).numpy()
    return x.resolve_conj().numpy(force=True)


def leaves(x):
    """The tensors (or plain values) of a result, flat."""
    if isinstance(x, tuple | list):
        return [leaf for item in x for leaf in leaves(item)]
    return [x]


def assert_same(mine, theirs, what):
    if not hasattr(theirs, "dtype"):
        assert type(mine) is type(theirs), what
        assert mine == theirs, what
        return
    dtype = str(theirs.dtype).removeprefix("torch.")
    assert str(mine.dtype) == str(theirs.dtype), what
    assert tuple(mine.shape) == tuple(theirs.shape), what
    rtol, atol = TOLERANCES.get(dtype, (0, 0))
    np.testing.assert_allclose(array_of(mine), array_of(theirs), rtol, atol, equal_nan=True, err_msg=what)


def called(library, name, args, kwargs, grad):
    """The results of a call and the gradients of its floating tensors, or of the first ``grad`` of them."""
    inputs = []

    def converted(x):
        if isinstance(x, np.ndarray):
            t = library.from_numpy(x.copy())
            wanted = grad is True or len(inputs) < grad
            if wanted and (t.is_floating_point() or t.is_complex()):
                t.requires_grad_()
                inputs.append(t)
            return t
        if isinstance(x, str) and x.startswith("torch."):
            return getattr(library, x.removeprefix("torch."))
        if isinstance(x, list):
            return [converted(y) for y in x]
        return x

    args = [converted(x) for x in args]
    kwargs = {k: converted(x) for k, x in kwargs.items()}
    if name.startswith("."):
        function = lambda self, *a, **k: getattr(self, name[1:])(*a, **k)  # noqa: E731
    else:
        function = library
        for part in name.split("."):
            function = getattr(function, part)
    results = leaves(function(*args, **kwargs))
    if not grad:
        return results, []
    total = 0
    for r in results:
        if getattr(r, "requires_grad", False):
            weight = library.arange(1, r.numel() + 1).reshape(r.shape).to(r.dtype)
            weighted = (r * weight).sum()
            total = total + (weighted.abs() if r.is_complex() else weighted)
    total.backward()
    return results, [t.grad for t in inputs]


@pytest.fixture
def compare(torch):
    """``compare(name, *args, grad=True, **kwargs)``: the call gives in jtorch what it gives in torch.

    ``grad`` may be a number: so many floating tensors require gradients.

    NumPy arrays become tensors, texts such as ``"torch.float64"`` dtypes; ``".name"`` is a method of the
    first argument.
    """

    def run(name, *args, grad=True, **kwargs):
        mine, mine_grads = called(jtorch, name, args, kwargs, grad)
        theirs, their_grads = called(torch, name, args, kwargs, grad)
        assert len(mine) == len(theirs)
        for i, (m, t) in enumerate(zip(mine, theirs, strict=True)):
            assert_same(m, t, f"result {i} of {name}")
        for i, (m, t) in enumerate(zip(mine_grads, their_grads, strict=True)):
            assert (m is None) == (t is None), f"gradient {i} of {name}"
            if t is not None:
                assert_same(m, t, f"gradient {i} of {name}")

    return run


@pytest.fixture
def same_error(torch):
    """``same_error(name, *args, **kwargs)``: both libraries raise the same type with the same text."""

    def run(name, *args, **kwargs):
        with pytest.raises(Exception) as theirs:  # noqa: PT011
            called(torch, name, args, kwargs, False)
        with pytest.raises(Exception) as mine:  # noqa: PT011
            called(jtorch, name, args, kwargs, False)
        assert type(mine.value) is type(theirs.value), mine.value
        assert str(mine.value) == str(theirs.value)

    return run
