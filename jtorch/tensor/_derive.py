"""Functions, methods, in-place forms, ``out=`` and operators, derived from the registrations of ops."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jtorch.dispatch import INFERENCE, autocast_state, modes, without_autocast
from jtorch.ops._checks import VALUE_CHECKS
from jtorch.ops._registry import OPS, Op
from jtorch.ops._sizes import is_symbolic_dim
from jtorch.tensor import (
    _core,
    _overrides,  # noqa: F401  (run uses it from now on)
    _specialised,  # noqa: F401
)
from jtorch.tensor._core import Tensor, run
from jtorch.tensor._forms import Called
from jtorch.tensor._inplace import assign, check_apart, check_writable, write_out
from jtorch.tensor._of_jax import of_jax
from jtorch.tensor._old_forms import arranged
from jtorch.tensor._out_checks import check_memory, check_out_dtype, takes_dtype_of
from jtorch.tensor._value_checks import checked, runner

__all__ = ["NAMESPACES", "called", "derived"]

#: Dotted prefixes under which functions are found.
NAMESPACES = (
    "", "nn.functional", "linalg", "fft", "special", "signal.windows", "masked", "sparse", "nested", "_C._nn",
)  # fmt: skip

#: Everything derived: namespace -> name -> function.
derived: dict[str, dict[str, Callable[..., Any]]] = {n: {} for n in NAMESPACES}

NUMBERS = (Tensor, int, float, complex, np.number, np.bool_)


def _missing(op: Op, i: int) -> TypeError:
    missing = [p for p, d in zip(op.params[i:], op.defaults[i:], strict=True) if d is _EMPTY]
    quoted = ", ".join(f'"{p}"' for p in missing)
    return TypeError(f"{op.title}() missing {len(missing)} required positional arguments: {quoted}")


def bind(op: Op, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
    """Arguments in the order of the op's parameters, with defaults filled in.

    Raises:
        TypeError: too many, too few, unknown or repeated arguments.
    """
    given = len(args)
    spelled = (given, *kwargs)
    places = op.bindings.get(spelled)
    if places is None:
        if given > op.positional:
            found = arranged(op.name, args, kwargs)
            if found is not None:
                return bind(op, *found)
        places = op.bindings[spelled] = _places(op, given, kwargs)
    bound = [*args, *op.defaults[given:]]
    for place, x in zip(places, kwargs.values(), strict=True):
        bound[place] = x
    return bound


def _places(op: Op, given: int, names: Iterable[str]) -> tuple[int, ...]:
    """Positions of keyword arguments beside so many positional ones, worked out once per way to call."""
    if given > op.positional:
        raise TypeError(
            f"{op.title}() takes {op.positional} positional argument{'s' * (op.positional != 1)} but "
            f"{given} were given"
        )
    filled = set(range(given))
    places = []
    for key in names:
        place = op.places.get(key)
        if place is None:
            place = _renamed(op, key)
        if place < given:
            raise TypeError(f"{op.title}() got multiple values for argument '{key}'")
        places.append(place)
        filled.add(place)
    if given < op.required:
        for i, default in enumerate(op.defaults):
            if default is _EMPTY and i not in filled:
                raise _missing(op, i)
    return tuple(places)


def _by_name(error: TypeError, names: Iterable[str]) -> TypeError:
    """The error, without the position of an argument that was given by its name."""
    text = str(error)
    for name in names:
        start = f"argument '{name}' (position "
        if start in text:
            head, _, rest = text.partition(start)
            return TypeError(f"{head}argument '{name}'{rest.partition(')')[2]}")
    return error


def _last(name: str) -> str:
    return name.rsplit(".", 1)[-1]


#: NumPy's names, which PyTorch accepts for its own.
_RENAMED = {"axis": "dim", "axes": "dim", "keepdims": "keepdim", "x": "input", "self": "input", "x2": "other"}
_EMPTY: Any = inspect.Parameter.empty


def _renamed(op: Op, key: str) -> int:
    other = _RENAMED.get(key)
    if other in op.params:
        return op.params.index(other)
    if key in ("input", "self") and op.params[0] not in op.static:
        return 0  # functions of `torch` call their first operand so, whatever it is called in a namespace
    raise TypeError(f"{op.title}() got an unexpected keyword argument '{key}'")


def called(op: Op, name: str | None = None, method: bool = False) -> Called:
    """An op's function or method, as errors name it."""
    space, _, last = (name or op.name).rpartition(".")
    signature = op.params, op.defaults, op.positional
    return Called("Tensor" if method else space, last, signature)


def make_function(op: Op, name: str | None = None, method: bool = False) -> Callable[..., Any]:
    """The function ``torch.<op>``.

    Args:
        op: the op.
        name: dotted, if not that of the op.
        method: it is a method of tensors.
    """
    total = len(op.params)
    has_out = op.out and not method
    apply = runner(op)
    what = called(op, name, method)
    name = _last(name or op.name)

    def function(*args: Any, **kwargs: Any) -> Any:
        out = None
        try:
            if kwargs:
                if has_out:
                    out = kwargs.pop("out", None)
                bound = bind(op, args, kwargs)
                if out is None:
                    return apply(op, bound)
                given = takes_dtype_of(op, out, bound)
                return give_out(op, out, without_autocast(apply, op, given), given)
            if len(args) != total or total != op.positional:
                return apply(op, bind(op, args, kwargs))
            return apply(op, args)
        except Exception as error:
            refusal = what.refusal(args, kwargs if out is None else {**kwargs, "out": out})
            if refusal is None and isinstance(error, TypeError) and kwargs:
                refusal = _by_name(error, kwargs)
            if refusal is None or refusal is error:
                raise
            raise refusal from None

    if op.name in VALUE_CHECKS:
        return _dress(checked(op, function, bind), name, op)
    if op.varargs in op.lists:
        return _dress(_spreading(function, op.varargs, op.params.index(op.varargs)), name, op)
    return _dress(function, name, op)


def _spreading(function: Callable[..., Any], parameter: str, place: int) -> Callable[..., Any]:
    """``f(a, b)`` besides ``f([a, b])``, for the list of tensors at this position."""

    def spread(*args: Any, **kwargs: Any) -> Any:
        if parameter not in kwargs and (len(args) == place or isinstance(args[place], Tensor)):
            args = (*args[:place], args[place:])
        return function(*args, **kwargs)

    return spread


def give_out(op: Op, out: Any, result: Any, operands: Sequence[Any], name: str | None = None) -> Any:
    """Store a result in ``out=``: a tensor, or as many of them as the op, called ``name``, has results.

    Raises:
        TypeError: something else.
        RuntimeError: memory that overlaps, a dtype that does not fit.
    """
    name = name or _last(op.name)
    if isinstance(result, Tensor) is not isinstance(out, Tensor):
        raise _wrong_out(name, out, result)
    if isinstance(out, Tensor):
        check_memory(name, out, result._aval().shape, operands)
        check_out_dtype(op, out, result)
        return write_out(out, result, name)
    if not isinstance(out, tuple | list) or not all(isinstance(o, Tensor) for o in out):
        raise _wrong_out(name, out, result)
    if len(out) != len(result):
        raise TypeError(f"expected tuple of {len(result)} elements but got {len(out)}")
    for o, r in zip(out, result, strict=True):
        check_memory(name, o, r._aval().shape, operands)
        check_out_dtype(op, o, r)
    return type(result)(write_out(o, r, name) for o, r in zip(out, result, strict=True))


def _wrong_out(name: str, out: Any, result: Any) -> TypeError:
    wanted = "Tensor" if isinstance(result, Tensor) else "tuple of Tensors"
    return TypeError(f"{name}(): argument 'out' must be {wanted}, not {type(out).__name__}")


def make_method(op: Op, name: str | None = None) -> Callable[..., Any]:
    """The method ``Tensor.<op>``; a static parameter in ``varargs`` may be spread over the positions."""
    function = make_function(op, name, method=True)
    if not op.varargs or op.varargs in op.lists:
        return function
    place, total = op.params.index(op.varargs), len(op.params)
    what = called(op, name, method=True)

    def method(*args: Any, **kwargs: Any) -> Any:
        if op.quick is not None and not kwargs and len(args) == total and modes.at_once:
            made = op.quick(args) if modes.level != INFERENCE else None
            if made is not None:
                return made
        try:
            if len(args) > place and isinstance(args[place], int):
                return function(*args[:place], args[place:], **kwargs)
            return function(*args, **kwargs)
        except TypeError:
            refusal = what.refusal(args, kwargs)
            if refusal is None:
                raise
            raise refusal from None

    return _dress(method, _last(name or op.name), op)


def make_inplace(op: Op, function: Callable[..., Any], name: str | None = None) -> Callable[..., Any]:
    """The method ``Tensor.<op>_``, or under another name."""
    name = name or _last(op.name) + "_"
    what = called(op, name, method=True)
    elementwise = op.promote is not None

    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        try:
            check_writable(self)
            if elementwise:
                for x in args:
                    if isinstance(x, Tensor) and x is not self and x._storage is self._storage:
                        check_apart(self, x)
            if autocast_state.hook is not None:
                return assign(self, without_autocast(function, self, *args, **kwargs))
            return assign(self, function(self, *args, **kwargs))
        except Exception:
            refusal = what.refusal((self, *args), kwargs)
            if refusal is None:
                raise
            raise refusal from None

    return _dress(method, name, op)


def make_binary_operator(op: Op) -> Callable[..., Any]:
    """``Tensor.__add__`` and the like."""
    rest = op.defaults[2:]
    apply = runner(op)
    wanted: Any = NUMBERS if op.numbers else Tensor

    def operator(self: Tensor, other: Any) -> Any:
        if not isinstance(other, wanted):
            return _unknown(op, self, other)
        return apply(op, (self, other, *rest))

    return operator


def make_reverse_operator(op: Op) -> Callable[..., Any]:
    """``Tensor.__radd__`` and the like."""
    rest = op.defaults[2:]
    apply = runner(op)
    wanted: Any = NUMBERS if op.numbers else Tensor
    product = op.name == "mul"

    def operator(self: Tensor, other: Any) -> Any:
        if not isinstance(self, Tensor):
            raise TypeError(
                f"descriptor '{operator.__name__}' for 'torch._C.TensorBase' objects doesn't apply to a "
                f"'{type(self).__name__}' object"
            )
        if not isinstance(other, wanted):
            return _unknown(op, other, self)
        # A product takes its second factor, if that is a number, as it is.
        return apply(op, (self, other, *rest) if product else (other, self, *rest))

    return operator


def _unknown(op: Op, first: Any, second: Any) -> Any:
    """An operator's result with something that is neither tensor nor number."""
    made = _core.found_at(op, (first, second))
    if made is None and isinstance(second, jax.Array):
        return run(op, (first, of_jax(second, first._aval().device), *op.defaults[2:]))
    if made is None and is_symbolic_dim(second):
        return run(op, (first, of_jax(jnp.asarray(second), first._aval().device), *op.defaults[2:]))
    return NotImplemented if made is None else made


def make_inplace_operator(op: Op) -> Callable[..., Any]:
    """``Tensor.__iadd__`` and the like."""
    rest = op.defaults[2:]
    apply = runner(op)

    def operator(self: Tensor, other: Any) -> Any:
        if not isinstance(other, NUMBERS):
            if not isinstance(other, jax.Array):
                return NotImplemented
            other = of_jax(other, self._aval().device)
        check_writable(self)
        if isinstance(other, Tensor) and other is not self and other._storage is self._storage:
            check_apart(self, other)
        if autocast_state.hook is not None:
            return assign(self, without_autocast(apply, op, (self, other, *rest)))
        return assign(self, apply(op, (self, other, *rest)))

    return operator


def _dress(function: Callable[..., Any], name: str, op: Op) -> Callable[..., Any]:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = op.fn.__doc__
    function.__wrapped__ = op.fn  # type: ignore[attr-defined]
    function.__module__ = "jtorch"
    return function


def _split(name: str) -> tuple[str, str] | None:
    """Namespace and name; ``None`` for overloads and internal ops, which other functions call."""
    space, _, last = name.rpartition(".")
    if space not in derived or last.startswith("_"):
        return None
    return space, last


def derive() -> None:
    """Fill :data:`derived` and give :class:`Tensor` its methods."""
    for op in list(OPS.values()):
        if op.name.startswith("_"):
            continue
        for name in (op.name, *op.aliases):
            found = _split(name)
            if found is not None and (op.function or name != op.name or "." in name):
                derived[found[0]][found[1]] = make_function(op, name)
        if op.method:
            for name in dict.fromkeys([op.method, *(a for a in op.aliases if "." not in a)]):
                made = make_method(op, name) if op.varargs else make_function(op, name, method=True)
                if name not in Tensor.__dict__:
                    setattr(Tensor, name, made)
                if op.inplace and name + "_" not in Tensor.__dict__:
                    setattr(Tensor, name + "_", make_inplace(op, made, name + "_"))
        for special in op.operators:
            setattr(Tensor, special, _operator(op, special))


def _operator(op: Op, special: str) -> Callable[..., Any]:
    if len(op.params) == 1:
        made = lambda self: run(op, (self,))  # noqa: E731
    elif special.startswith("__r") and special not in ("__rshift__",):
        made = make_reverse_operator(op)
    elif special.startswith("__i"):
        made = make_inplace_operator(op)
    else:
        made = make_binary_operator(op)
    made.__name__ = made.__qualname__ = special
    return made


derive()
