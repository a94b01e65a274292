"""The protocol ``__torch_function__``: classes and modes that take over functions of tensors.

A program without such classes must not pay for it, not even a test per call. So functions are as they are
until the first tensor of a class that takes part is made, or the first mode is entered. Then the code of each
public function and method is exchanged, inside of the function object that programs may hold already, for
code that looks at the arguments first and runs the function's own code if nobody takes over.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from types import CodeType, FunctionType
from typing import Any

from jtorch.ops._registry import Op
from jtorch.tensor import _core
from jtorch.tensor._core import Tensor

__all__ = [
    "EVERYTHING", "Disabled", "ask", "disabled_torch_function", "overloaded", "override", "state",
    "switch_off", "switch_on", "takes_part",
]  # fmt: skip

#: What :class:`Disabled` disables.
SUBCLASSES, EVERYTHING = 1, 2


class _State(threading.local):
    """The protocol in this thread.

    Attributes:
        disabled: 0, or what does not take part now.
        modes: entered ones, innermost last.
    """

    disabled = 0
    modes: tuple[Any, ...] = ()


state = _State()
#: Functions with other code than their own, and that.
_exchanged: dict[FunctionType, CodeType] = {}
_lock = threading.Lock()


def disabled_torch_function(
    func: Callable[..., Any], types: Iterable[type], args: Sequence[Any] = (), kwargs: Any = None
) -> Any:
    """As ``__torch_function__`` of a class: it does not take part."""
    with Disabled(EVERYTHING):
        return func(*args, **(kwargs or {}))


class Disabled:
    """Keep subclasses, or modes as well, from taking over inside."""

    __slots__ = ("before", "what")

    def __init__(self, what: int = SUBCLASSES) -> None:
        self.what = what

    def __enter__(self) -> None:
        self.before = state.disabled
        state.disabled = max(self.what, self.before)

    def __exit__(self, *_: object) -> None:
        state.disabled = self.before


@contextmanager
def _outer_modes() -> Iterator[Any]:
    """Within: the innermost mode is not entered."""
    modes = state.modes
    state.modes = modes[:-1]
    try:
        yield modes[-1]
    finally:
        state.modes = modes


def takes_part(kind: type) -> bool:
    """Whether objects of a class may take over functions; plain tensors do not, nor PyTorch's own."""
    if kind is Tensor or any(c.__module__ == "torch" and c.__name__ == "Tensor" for c in kind.__mro__):
        return False
    found = getattr(kind, "__torch_function__", None)
    return found is not None and found is not disabled_torch_function


def overloaded(arguments: Iterable[Any]) -> list[Any]:
    """Arguments whose classes may take over, subclasses first; one per class, as PyTorch has it."""
    found: list[Any] = []
    if state.disabled:
        return found
    for x in arguments:
        kind = type(x)
        if kind in _PLAIN:
            continue
        if kind is list or kind is tuple:
            for y in x:
                if type(y) not in _PLAIN:
                    _put(y, found)
        else:
            _put(x, found)
    return found


_PLAIN = frozenset({Tensor, int, float, bool, str, type(None), complex, slice, dict, type(Ellipsis)})


def _put(x: Any, found: list[Any]) -> None:
    kind = type(x)
    if not takes_part(kind) or any(type(y) is kind for y in found):
        return
    for i, y in enumerate(found):
        if issubclass(kind, type(y)):
            found.insert(i, x)
            return
    found.append(x)


def override(public: Any, args: Sequence[Any], kwargs: dict[str, Any], original: Callable[..., Any]) -> Any:
    """Call a function: by a mode or an argument that takes over, or itself.

    Args:
        public: the function as the user knows it.
        args: of the call.
        kwargs: of the call.
        original: runs it if nobody takes over.

    Raises:
        TypeError: all that could take over return ``NotImplemented``.
    """
    if state.disabled == EVERYTHING:
        return original(*args, **kwargs)
    found = overloaded((*args, *kwargs.values()) if kwargs else args)
    if not found and not state.modes:
        return original(*args, **kwargs)
    return hand_over(public, found, args, kwargs)


def ask(public: Any, found: Sequence[Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """Ask the innermost mode, then these arguments; ``NotImplemented`` if nobody takes over."""
    types = tuple(type(x) for x in found)
    if state.modes and state.disabled < EVERYTHING:
        with _outer_modes() as mode:
            result = mode.__torch_function__(public, types, args, kwargs)
        if result is not NotImplemented:
            return result
    for x in found:
        result = x.__torch_function__(public, types, args, kwargs)
        if result is not NotImplemented:
            return result
    return NotImplemented


def hand_over(public: Any, found: Sequence[Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """Ask the innermost mode, then these arguments, to take over a call.

    Raises:
        TypeError: all return ``NotImplemented``.
    """
    special = getattr(public, "__name__", "")
    public = _SHOWN.get(public, public)
    result = ask(public, found, args, kwargs)
    if result is not NotImplemented or special in _BINARY:
        return result
    types = [type(x) for x in found]
    name = import_module("jtorch.overrides").resolve_name(public) or special
    if "nn.functional" in name:
        raise TypeError(
            f"no implementation found for '{name}' on types that implement __torch_function__: {types}"
        )
    shown = "".join(
        f"\n  - tensor subclass {t!r}" if issubclass(t, Tensor) else f"\n  - {t!r}" for t in types
    )
    raise TypeError(
        f"Multiple dispatch failed for '{name}'; all __torch_function__ handlers returned NotImplemented:\n"
        f"{shown}\n\nFor more information, try re-running with TORCH_LOGS=not_implemented"
    )


#: Operators, by the method that stands for them where PyTorch hands them over.
_METHODS = {
    "__add__": "add", "__radd__": "add", "__sub__": "sub", "__mul__": "mul", "__rmul__": "mul",
    "__truediv__": "div", "__matmul__": "matmul", "__pow__": "pow", "__neg__": "neg", "__abs__": "abs",
    "__lt__": "lt", "__le__": "le", "__gt__": "gt", "__ge__": "ge", "__ne__": "ne",
    "__iadd__": "add_", "__isub__": "sub_", "__imul__": "mul_",
}  # fmt: skip
_BINARY = frozenset(n for n in _METHODS if n not in ("__neg__", "__abs__")) | {"__eq__"}
_SHOWN: dict[Any, Any] = {}


def _torch_function(
    cls: type, func: Callable[..., Any], types: Iterable[type], args: Sequence[Any] = (), kwargs: Any = None
) -> Any:
    """What subclasses of :class:`Tensor` do: run the function, and make tensors it returns of their kind.

    Args:
        cls: the class.
        func: the function.
        types: of the arguments that may take over.
        args: of the call.
        kwargs: of the call.
    """
    if not all(issubclass(cls, kind) for kind in types):
        return NotImplemented
    with Disabled():
        result = func(*args, **(kwargs or {}))
        return result if func in _AS_THEY_ARE or cls is Tensor else _converted(result, cls)


def _converted(result: Any, cls: type) -> Any:
    if isinstance(result, Tensor):
        return result if isinstance(result, cls) else result.as_subclass(cls)
    if isinstance(result, Iterator):
        return iter([_converted(x, cls) for x in result])
    if isinstance(result, tuple | list):
        made = [_converted(x, cls) for x in result]
        kind = type(result)
        return kind(*made) if hasattr(result, "_fields") else kind(made)
    return result


Tensor.__torch_function__ = classmethod(_torch_function)  # type: ignore[attr-defined]
#: Functions whose results stay as they are.
_AS_THEY_ARE: set[Any] = set()


# ---- exchanging code


def _looking(public: Any, original: Callable[..., Any]) -> Callable[..., Any]:
    """What runs in place of a function.

    Args:
        public: the function, or a property's method, as the user knows it.
        original: the same function with its own code.
    """

    def run(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if not kwargs and not state.modes:
            for x in args:
                if type(x) not in _PLAIN:
                    break
            else:
                return original(*args)
        return override(public, args, kwargs, original)

    return run


_PLACE = "<what runs instead>"


@cache
def _template(cells: int) -> CodeType:
    """Code that calls the object at :data:`_PLACE`, for a closure of so many cells."""
    names = [f"cell{i}" for i in range(cells)]
    made = "".join(f"  {name} = None\n" for name in names)
    mentioned = "".join(f"   if 0: {name}\n" for name in names)
    source = (
        f"def outer():\n{made}"
        f"  def inner(*args, **kwargs):\n{mentioned}   run = {_PLACE!r}\n   return run(args, kwargs)\n"
        "  return inner\n"
    )
    space: dict[str, Any] = {}
    exec(compile(source, __file__, "exec"), space)
    code: CodeType = space["outer"]().__code__
    return code


def _exchange(function: FunctionType, public: Any) -> None:
    """Put other code into a function, unless that was done already."""
    code = function.__code__
    if function in _exchanged:
        return
    _exchanged[function] = code
    original = FunctionType(
        code, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )
    original.__kwdefaults__, original.__annotations__ = function.__kwdefaults__, function.__annotations__
    original.__qualname__, original.__module__ = function.__qualname__, function.__module__
    original.__dict__.update(function.__dict__)
    if not hasattr(function, "__wrapped__") and not hasattr(function, "__signature__"):
        function.__wrapped__ = original  # type: ignore[attr-defined]  # for inspect
    made = _template(len(code.co_freevars))
    runs = _looking(public, original)
    consts = tuple(runs if c == _PLACE else c for c in made.co_consts)
    function.__code__ = made.replace(
        co_consts=consts,
        co_name=code.co_name,
        co_filename=code.co_filename,
        co_firstlineno=code.co_firstlineno,
    )


def switch_off() -> None:
    """Functions do not look at their arguments any more, as at the beginning."""
    with _lock:
        for function, code in _exchanged.items():
            function.__code__ = code
            wrapped = function.__dict__.get("__wrapped__")
            if getattr(wrapped, "__code__", None) is code:
                del function.__wrapped__  # type: ignore[attr-defined]
        _exchanged.clear()


def switch_on() -> None:
    """From now on functions look at their arguments."""
    # Differs from PyTorch: they did not before, which is what programs without such classes are spared.
    with _lock:
        if _exchanged:
            return
        for function in import_module("jtorch.overrides").functions():
            _exchange(function, function)
        _AS_THEY_ARE.add(vars(Tensor)["grad"].__get__)
        for name, found in list(vars(Tensor).items()):
            if isinstance(found, property):
                for method, part in (("__get__", found.fget), ("__set__", found.fset)):
                    if isinstance(part, FunctionType):
                        _exchange(part, getattr(found, method))
            elif isinstance(found, FunctionType) and found.__name__ not in vars(Tensor):
                found.__name__ = name  # it is told by name what was called
            if name in _METHODS:
                _SHOWN[found] = getattr(Tensor, _METHODS[name])


def notice(kind: type) -> None:
    """A tensor of this class is being made."""
    if not _exchanged and takes_part(kind):
        switch_on()


def found_at(op: Op, args: Sequence[Any]) -> Any:
    """An op met an argument that may take over before functions looked for such.

    Returns:
        The result, or ``None`` where nobody takes over.
    """
    if _exchanged or state.disabled:
        return None
    found = overloaded(args)
    if not found:
        return None
    switch_on()
    count = len(args)
    while count > op.required and args[count - 1] is op.defaults[count - 1]:
        count -= 1
    public = import_module("jtorch.overrides").function_of(op)
    return hand_over(public, found, tuple(args[:count]), {})


_core.notice, _core.found_at, _core.takes_part = notice, found_at, takes_part
