"""Names and arguments of the namespaces of functions, compared with PyTorch's."""

import inspect
from functools import reduce

import pytest

import jtorch

NAMESPACES = ["nn.functional", "linalg", "fft", "special", "signal.windows", "masked"]

#: Functions that are absent, and why.
ABSENT = {
    # implementation of PyTorch's own files
    "assert_int_or_pair", "boolean_dispatch", "handle_torch_function", "has_torch_function",
    "has_torch_function_unary", "has_torch_function_variadic",
    # 8-bit products of groups, which PyTorch has on CUDA only
    "scaled_grouped_mm",
    # masked tensors, a prototype
    "as_masked_tensor", "is_masked_tensor", "masked_tensor",
}  # fmt: skip

#: Functions whose ``out`` is not in the signature, since it is added to the op's function.
WITH_OUT = {"normalize"}


def namespace(library, path):
    return reduce(getattr, path.split("."), library)


def functions(space):
    names = (n for n in dir(space) if not n.startswith("_"))
    return {n: f for n in names if inspect.isroutine(f := getattr(space, n))}


def parameters(function):
    """Names, kinds and defaults, without those that PyTorch keeps to itself."""
    found = inspect.signature(function).parameters.values()
    return [(p.name, p.kind, str(p.default)) for p in found if not p.name.startswith("_")]


@pytest.mark.parametrize("path", NAMESPACES)
def test_every_function_is_there(torch, path):
    theirs, mine = (set(functions(namespace(library, path))) for library in (torch, jtorch))
    assert theirs - mine - ABSENT == set()


@pytest.mark.parametrize("path", NAMESPACES)
def test_arguments_are_torchs(torch, path):
    mine = functions(namespace(jtorch, path))
    different = {}
    for name, function in functions(namespace(torch, path)).items():
        try:
            theirs = parameters(function)
        except ValueError:  # a builtin, whose signature is nowhere but in its text
            continue
        if name not in mine or "args" in inspect.signature(function).parameters:
            continue
        ours = parameters(mine[name])
        if name in WITH_OUT:
            theirs = [p for p in theirs if p[0] != "out"]
        if ours != theirs:
            different[name] = (ours, theirs)
    assert different == {}


def test_sigmoid_and_tanh_have_no_inplace():
    with pytest.raises(TypeError):
        jtorch.nn.functional.tanh(jtorch.ones(1), inplace=True)
    assert not hasattr(jtorch.nn.functional, "silu_")
