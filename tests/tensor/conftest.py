"""Expressions evaluated by both packages, and what is compared of their results."""

import array
import copy
import pickle
import warnings

import numpy as np
import pytest

import jtorch

NAMES = {"np": np, "array": array, "copy": copy, "pickle": pickle}


def describe(x):
    """All that shows of a result: dtype, shape, strides, offset, gradient flags and contents of tensors."""
    if isinstance(x, tuple | list):
        return type(x).__name__, [describe(y) for y in x]
    if (
        isinstance(x, type)
        or type(x).__module__.split(".")[0] not in ("torch", "jtorch")
        or not hasattr(x, "grad_fn")
    ):
        return repr(x)
    node = None if x.grad_fn is None else type(x.grad_fn).__name__
    shown = (
        str(x.dtype),
        tuple(x.shape),
        x.stride(),
        x.storage_offset(),
        x.requires_grad,
        node,
        str(x.device),
    )
    return shown if x.device.type == "meta" else (*shown, x.detach().tolist())


def outcome(expression, names):
    """The result or the error of an expression, and the texts of its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            found = describe(eval(expression, names))
        except Exception as error:
            found = f"{type(error).__name__}: {error}"
    texts = [
        str(w.message).partition(" (Triggered internally")[0] for w in caught if w.category is UserWarning
    ]
    return found, texts


@pytest.fixture
def agree(torch):
    """``agree(expression, setup)``: both packages give the same result, error and warnings."""
    before = torch.is_warn_always_enabled()
    torch.set_warn_always(True)

    def check(expression, setup=""):
        results = []
        for package in (torch, jtorch):
            names = {"torch": package, **NAMES}
            exec(setup, names)
            results.append(outcome(expression, names))
        expected, found = results
        assert found == expected

    yield check
    torch.set_warn_always(before)
