"""Taking over functions of tensors: ``__torch_function__`` (``torch.overrides``)."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from types import FunctionType
from typing import Any

import jtorch
from jtorch.ops._registry import Op
from jtorch.tensor import Tensor
from jtorch.tensor import _overrides as protocol
from jtorch.tensor._derive import derived

__all__ = [
    "TorchFunctionMode", "enable_reentrant_dispatch", "function_of", "functions", "get_ignored_functions",
    "get_overridable_functions", "handle_torch_function", "has_torch_function", "has_torch_function_unary",
    "has_torch_function_variadic", "is_tensor_like", "is_tensor_method_or_property", "resolve_name",
    "wrap_torch_function",
]  # fmt: skip

_SPACES = ("", "nn.functional", "linalg", "fft", "special")
#: Methods that are no operation on a tensor.
_NO_METHODS = frozenset({
    "__class_getitem__", "__delattr__", "__dir__", "__getattr__", "__hash__", "__init__",
    "__init_subclass__", "__new__", "__setstate__", "__torch_function__", "as_subclass",
})  # fmt: skip
#: Beginnings of names that are about the library, not about tensors, and names that are not so.
_ABOUT = ("get_", "is_", "set_", "manual_", "initial_")
_OF_TENSORS = frozenset({
    "get_device", "is_complex", "is_conj", "is_floating_point", "is_inference", "is_neg", "is_nonzero",
    "is_same_size", "is_signed",
})  # fmt: skip
_NO_FUNCTIONS = frozenset({
    "can_cast", "compile", "explain", "load", "metrics", "promote_types", "reset_metrics", "save", "seed",
    "synchronize", "typename",
})  # fmt: skip


def _public(space: str) -> Iterator[tuple[str, FunctionType]]:
    module = import_module(f"jtorch.{space}") if space else jtorch
    for name, found in list(vars(module).items()):
        about = name.startswith(_ABOUT) and name not in _OF_TENSORS
        if isinstance(found, FunctionType) and not (name.startswith("_") or about or name in _NO_FUNCTIONS):
            yield name, found


def _methods() -> Iterator[tuple[str, FunctionType]]:
    for name, found in list(vars(Tensor).items()):
        hidden = name.startswith("_") and not (name.startswith("__") and name.endswith("__"))
        if isinstance(found, FunctionType) and not hidden and name not in _NO_METHODS:
            yield name, found


def functions() -> list[FunctionType]:
    """Functions and methods that can be taken over."""
    found = [f for space in _SPACES for _, f in _public(space)] + [f for _, f in _methods()]
    return list({id(f): f for f in found}.values())


def function_of(op: Op) -> Any:
    """The function that applies an op."""
    for name in (op.name, *op.aliases):
        space, _, last = name.rpartition(".")
        found = derived.get(space, {}).get(last) or (None if space else vars(Tensor).get(last))
        if found is not None:
            return found
    return vars(Tensor).get(op.name.partition(".")[0], op.fn)


def get_overridable_functions() -> dict[Any, list[Any]]:
    """Functions that can be taken over, by the namespace that they are found in."""
    found: dict[Any, list[Any]] = {}
    for space in _SPACES:
        module = import_module(f"jtorch.{space}") if space else jtorch
        found[module] = [f for _, f in _public(space)]
    properties = [p.__get__ for n, p in vars(Tensor).items() if isinstance(p, property) and n[0] != "_"]
    found[Tensor] = [f for _, f in _methods()] + properties
    return found


def get_ignored_functions() -> set[Any]:
    """Public functions of ``torch`` that cannot be taken over."""
    known = {id(f) for f in functions()}
    return {
        f
        for n, f in vars(jtorch).items()
        if isinstance(f, FunctionType) and n[0] != "_" and id(f) not in known
    }


@functools.cache
def _names() -> dict[Any, str]:
    found: dict[Any, str] = {}
    for space in _SPACES:
        prefix = f"torch.{space}." if space else "torch."
        for name, f in _public(space):
            found.setdefault(f, prefix + name)
    for name, f in _methods():
        found.setdefault(f, f"torch.Tensor.{name}")
    for name, p in vars(Tensor).items():
        if isinstance(p, property):
            found[p.__get__], found[p.__set__] = (f"torch.Tensor.{name}.__{m}__" for m in ("get", "set"))
    return found


def resolve_name(f: Any) -> str | None:
    """The name of a function that can be taken over, ``torch.nn.functional.relu``; else ``None``."""
    try:
        return _names().get(f)
    except TypeError:
        return None


def is_tensor_method_or_property(func: Callable[..., Any]) -> bool:
    """Whether a function is a method of tensors, or reads or sets a property of theirs."""
    return func in {f for _, f in _methods()} or getattr(func, "__name__", "") in ("__get__", "__set__")


def is_tensor_like(inp: Any) -> bool:
    """Whether an object is a tensor or takes over functions of tensors."""
    return type(inp) is Tensor or hasattr(inp, "__torch_function__")


def has_torch_function(relevant_args: Iterable[Any]) -> bool:
    """Whether an argument, or a mode, may take over a function."""
    if protocol.state.disabled == protocol.EVERYTHING:
        return False
    return bool(protocol.state.modes) or bool(protocol.overloaded(relevant_args))


def has_torch_function_unary(tensor: Any) -> bool:
    """:func:`has_torch_function` of one argument."""
    return has_torch_function((tensor,))


def has_torch_function_variadic(*args: Any) -> bool:
    """:func:`has_torch_function` of several arguments."""
    return has_torch_function(args)


def handle_torch_function(
    public_api: Callable[..., Any], relevant_args: Iterable[Any], *args: Any, **kwargs: Any
) -> Any:
    """Let a mode or an argument take over a call.

    Args:
        public_api: the function.
        relevant_args: arguments that may take over.
        *args: of the call.
        **kwargs: of the call.

    Raises:
        TypeError: all return ``NotImplemented``.
    """
    found = protocol.overloaded(relevant_args)
    result = protocol.ask(public_api, found, args, kwargs)
    if result is not NotImplemented:
        return result
    text = (
        f"no implementation found for '{public_api.__module__}.{public_api.__name__}' on types that "
        f"implement __torch_function__: {[type(x) for x in found]}"
    )
    if protocol.state.modes:
        text += f" nor in mode {protocol.state.modes[-1]}"
    raise TypeError(text)


def wrap_torch_function(dispatcher: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator for functions that can be taken over.

    Args:
        dispatcher: gets the arguments of a call and returns those that may take over.
    """

    def decorate(func: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(func)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            relevant = dispatcher(*args, **kwargs)
            if has_torch_function(relevant):
                return handle_torch_function(wrapper, relevant, *args, **kwargs)
            return func(*args, **kwargs)

        return wrapper

    return decorate


class TorchFunctionMode:
    """Takes over all functions of tensors in a ``with`` block.

    A subclass defines ``__torch_function__(self, func, types, args=(), kwargs=None)``, within which the mode
    is not entered.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Iterable[type], args: Any = (), kwargs: Any = None
    ) -> Any:
        raise NotImplementedError

    def __enter__(self) -> Any:
        protocol.switch_on()
        protocol.state.modes = (*protocol.state.modes, self)
        return self

    def __exit__(self, *_: object) -> None:
        protocol.state.modes = protocol.state.modes[:-1]

    @classmethod
    def push(cls, *args: Any, **kwargs: Any) -> Any:
        """The old way to make a mode."""
        warnings.warn(
            "`Mode.push()` is no longer necessary and can be replaced with just `with Mode()`", stacklevel=2
        )
        return cls(*args, **kwargs)


class BaseTorchFunctionMode(TorchFunctionMode):
    """A mode that changes nothing."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Iterable[type], args: Any = (), kwargs: Any = None
    ) -> Any:
        return func(*args, **(kwargs or {}))


class enable_reentrant_dispatch:
    """A block in which functions can be taken over again, inside of a function that was."""

    def __enter__(self) -> None:
        self.before, protocol.state.disabled = protocol.state.disabled, 0

    def __exit__(self, *_: object) -> None:
        protocol.state.disabled = self.before
