"""Functions that are written by hand, with PyTorch's errors for arguments that they do not take."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from types import FunctionType
from typing import Any

from jtorch.tensor import _derive, _value_checks
from jtorch.tensor._core import Tensor
from jtorch.tensor._derive import derived
from jtorch.tensor._forms import Called, names_of, signature_of
from jtorch.tensor._python_forms import PASSED

__all__ = ["guard", "guard_python", "guarded"]

#: Methods that loops call again and again, where a call more would be felt, or that look at who called them.
_OFTEN = frozenset({
    "clone", "contiguous", "detach", "detach_", "dim", "div", "div_", "fill_", "float", "item",
    "ndimension", "numel", "requires_grad_", "reshape", "size", "t", "to", "tolist", "transpose",
    "unsqueeze", "view", "zero_",
})  # fmt: skip
#: Functions that make tensors: they say what is wrong with sizes themselves.
_MADE_OFTEN = frozenset({"empty", "ones", "zeros"})
#: Functions that would take more than PyTorch's do; they are called seldom.
_STRICT = frozenset({
    "bartlett_window", "blackman_window", "cholesky", "eye", "fftfreq", "hamming_window", "hann_window",
    "kaiser_window", "linspace", "logspace", "multinomial", "randint", "randint_like", "random_", "randperm",
    "result_type", "rfftfreq", "tril_indices", "triu_indices", "type", "uniform_",
})  # fmt: skip


def guarded(space: str, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function; if it fails because PyTorch has no such form, with PyTorch's error."""
    python = space == "nn.functional" and name in PASSED
    what = Called(space, name, signature_of(function) if python else None)

    @wraps(function)
    def guarding(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except Exception:
            refusal = what.refusal(args, kwargs)
            if refusal is None:
                raise
            raise refusal from None

    @wraps(function)
    def strict(*args: Any, **kwargs: Any) -> Any:
        refusal = what.refusal(args, kwargs)
        if refusal is not None:
            raise refusal
        return function(*args, **kwargs)

    return strict if name in _STRICT else guarding


def _guard_functions(space: str, names: dict[str, Any]) -> None:
    """Guard the functions of a namespace that are not derived from an op, for they guard themselves."""
    for name in names_of(space):
        function = names.get(name)
        often = name in (_OFTEN if space == "Tensor" else _MADE_OFTEN)
        if not isinstance(function, FunctionType) or often or name[0] == "_":
            continue
        if not _guards_itself(function):
            key = space, name, function
            made = _made.get(key)
            if made is None:
                made = _made[key] = guarded(*key)
                if space != "Tensor":
                    made.__module__ = f"jtorch.{space}" if space else "jtorch"
            names[name] = made


def guard_python(names: dict[str, Any]) -> None:
    """Guard the functions of ``nn.functional`` that pass their arguments on in PyTorch."""
    for name in PASSED:
        function = names.get(name)
        if isinstance(function, FunctionType) and not _guards_itself(function):
            names[name] = guarded("nn.functional", name, function)


def guard(names: dict[str, Any]) -> None:
    """Guard methods and functions, and those among the names of the package itself."""
    for space in ("", "linalg", "fft", "special"):
        _guard_functions(space, derived[space])
    _guard_functions("", names)
    methods = dict(vars(Tensor))
    _guard_functions("Tensor", methods)
    for name in names_of("Tensor"):
        if methods.get(name) is not vars(Tensor).get(name):
            setattr(Tensor, name, methods[name])


def _guards_itself(function: FunctionType) -> bool:
    return function.__code__.co_filename in _GUARDING


_made: dict[tuple[str, str, FunctionType], Callable[..., Any]] = {}
#: Files whose functions ask for the right error themselves.
_GUARDING = frozenset({__file__, _derive.__file__, _value_checks.__file__})
