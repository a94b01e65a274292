"""Registration: what the rest of jtorch needs to know of a pure function to make a PyTorch operation of it.

An op is ``fn(*arrays, **static) -> array | tuple``: jittable, without side effects. One ``@register`` line
adds what cannot be read off the function; functions, methods, in-place and ``out=`` forms, operators,
gradients and documentation are derived from it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

__all__ = ["OPS", "Op", "register"]

F = TypeVar("F", bound=Callable[..., Any])

#: Every registered op by its PyTorch name below ``torch`` (``add``, ``nn.functional.gelu``, ``linalg.inv``).
OPS: dict[str, Op] = {}

#: Kinds of parameters. An operand is an array or a number that may change from call to call; static ones are
#: part of the program; a list is a sequence of operands.
OPERAND, STATIC, LIST = 0, 1, 2


class Op:
    """A pure function with its registration. See :func:`register` for the attributes."""

    __slots__ = (
        "aliases",
        "baked",
        "bindings",
        "cpu",
        "defaults",
        "fn",
        "function",
        "host",
        "inplace",
        "joins",
        "kinds",
        "lists",
        "method",
        "name",
        "node",
        "numbers",
        "operators",
        "opmath",
        "out",
        "params",
        "places",
        "plans",
        "positional",
        "promote",
        "promoted",
        "quick",
        "quick_always",
        "raw",
        "required",
        "result_like",
        "returns",
        "saves",
        "static",
        "title",
        "varargs",
        "variants",
        "watches",
    )
    node: str | Callable[..., str] | None
    promote: str | None
    saves: frozenset[str] | Callable[[dict[str, Any]], str | None] | None
    watches: tuple[str, ...] | Callable[[dict[str, Any]], str]
    returns: str | None
    result_like: str | None
    joins: str | None
    method: str
    varargs: str
    baked: frozenset[str]
    raw: frozenset[str]
    numbers: frozenset[str] | None
    operators: tuple[str, ...]
    aliases: tuple[str, ...]
    opmath: bool
    function: bool
    inplace: bool
    out: bool
    host: bool
    cpu: Callable[..., Any] | None

    def __init__(
        self,
        name: str,
        fn: Callable[..., Any],
        static: str,
        lists: str,
        promoted: str | None,
        **attributes: Any,
    ) -> None:
        self.name, self.fn = name, fn
        #: what errors about its arguments call it (``linalg_inv``)
        self.title = _title(name)
        self.static, self.lists = frozenset(static.split()), frozenset(lists.split())
        self.params, self.defaults, self.positional = _parameters(fn)
        self.places = {p: i for i, p in enumerate(self.params)}
        unknown = (self.static | self.lists) - set(self.params)
        assert not unknown, f"{name}: {unknown} are no parameters of it"
        self.kinds = tuple(
            STATIC if p in self.static else LIST if p in self.lists else OPERAND for p in self.params
        )
        self.required = sum(d is inspect.Parameter.empty for d in self.defaults)
        for key, value in attributes.items():
            setattr(self, key, value)
        operands = [p for p in self.params if p not in self.static]
        self.promoted = frozenset(operands if promoted is None else promoted.split())
        #: computes it at once where that is all the same, or returns ``None`` (``tensor/_at_once.py``)
        self.quick: Callable[[Sequence[Any]], Any] | None = None
        #: whether that is so for any code, not just while samples are made
        self.quick_always = False
        #: plan cache of dispatch: call signature -> Plan
        self.plans: dict[Any, Any] = {}
        #: functions that apply the op to arguments of certain types; ``False`` where there can be none
        self.variants: dict[tuple[type, ...], Any] = {}
        #: how calls spell their arguments: (number of positional ones, *names) -> positions of the named ones
        self.bindings: dict[tuple[Any, ...], tuple[int, ...]] = {}

    def __repr__(self) -> str:
        return f"<op {self.name}>"


def _title(name: str) -> str:
    space, *rest = name.removeprefix("nn.functional.").split(".")
    return f"{space}_{rest[0]}" if space in ("fft", "linalg", "special") else space


def _parameters(fn: Callable[..., Any]) -> tuple[tuple[str, ...], tuple[Any, ...], int]:
    """Names and defaults of a function's parameters and how many of them are positional.

    ``inspect.signature`` says the same in 100 times the time, at each import.
    """
    plain = inspect.unwrap(fn)
    code = plain.__code__
    count = code.co_argcount
    names = code.co_varnames[: count + code.co_kwonlyargcount]
    given = plain.__defaults__ or ()
    keyword = plain.__kwdefaults__ or {}
    empty = inspect.Parameter.empty
    defaults = (empty,) * (count - len(given)) + given + tuple(keyword.get(n, empty) for n in names[count:])
    return names, defaults, count


def register(
    name: str | None = None,
    *,
    node: str | Callable[..., str] | None,
    static: str = "",
    lists: str = "",
    promote: str | None,
    promoted: str | None = None,
    baked: str = "",
    raw: str = "",
    numbers: str | None = None,
    opmath: bool | None = None,
    saves: str | Callable[[dict[str, Any]], str | None] | None = None,
    watches: str | Callable[[dict[str, Any]], str] = "",
    function: bool = True,
    method: bool | str = False,
    varargs: str = "",
    inplace: bool = False,
    out: bool = False,
    operators: str = "",
    aliases: str = "",
    returns: str | None = None,
    host: bool = False,
    result_like: str | None = None,
    cpu: Callable[..., Any] | None = None,
    joins: str | None = None,
) -> Callable[[F], F]:
    """Make an op of a pure function; the function itself is returned unchanged.

    The function's parameters have PyTorch's names, order, defaults and keyword-only marker. What arrives in
    them:

    * operands: JAX arrays (or tracers). A Python number passed by the user arrives as a 0-dim array, of the
      common dtype if the operand is promoted, else of ``result_type(first tensor, number)``; a number left at
      its default arrives as that Python number; ``None`` stays ``None``.
    * static parameters: hashable Python values; lists become tuples, dtypes are :class:`jtorch.dtypes.dtype`.
    * lists: tuples of arrays.

    Args:
        name: PyTorch's name below ``torch``, dotted (``"linalg.inv"``); the function's own by default.
        node: name of the autograd node, with PyTorch's number (``"MulBackward0"``); a function of
            ``(input_shapes, static values)`` where it depends on the call; ``None`` if not differentiable.
        static: names of static parameters, separated by blanks.
        lists: names of parameters that are sequences of operands.
        promote: ``"default"``: operands are converted to their common dtype, as PyTorch's arithmetic;
            ``"float"``: the same, integers becoming the default floating dtype; ``None``: dtypes are left as
            they are.
        promoted: the operands that take part in promotion; all by default.
        baked: operands whose Python numbers are part of the program (an exponent) instead of its inputs.
        raw: operands whose Python numbers keep their own type (int64, float64), such as positions.
        numbers: operands that may be Python numbers, where PyTorch has no such signature for the others;
            every operand by default.
        opmath: compute in float32 for float16 and bfloat16 arrays and round once at the end, as PyTorch's CPU
            kernels do. Default: on where ``promote`` is set.
        saves: what PyTorch's backward reads: names of operands, ``"result"``, fields of ``returns``,
            ``"intermediate"`` for what the caller never sees, or ``""`` for nothing. Modifying what is listed
            in place before ``backward`` is an error. Operands left out are not kept alive (only their shape
            and dtype reach the gradient) unless something other than operands is listed, which is computed
            from them. Default: every operand. A function of the call's arguments by name
            (avals and static values) where it depends on them.
        watches: what PyTorch's backward keeps and this one's does not read (an input that is kept for its
            sizes): operands, ``"result"`` or fields of ``returns``, or a function as for ``saves``. Modifying
            it is an error all the same, but it is not kept alive. ``"result@exponent"``: if that operand
            requires grad.
        function: exists as ``torch.<name>``.
        method: exists as ``Tensor.<name>``, or under the name given.
        varargs: a static parameter that may be spread over the positions of the method (``x.permute(1, 0)``).
        inplace: ``Tensor.<name>_`` exists; for ``nn.functional`` names a static ``inplace`` argument does.
        out: the function takes ``out=``.
        operators: special methods, separated by blanks (``"__add__ __radd__ __iadd__"``).
        aliases: other names, dotted like ``name``; everything derived exists under them as well.
        returns: name and fields of a named result: ``"max values indices"``.
        host: the function takes and returns NumPy arrays and runs when called (its result's shape depends on
            values).
        cpu: the same function in a form that XLA's CPU compiler runs faster, used for operands on the CPU.
        result_like: operand whose dtype an in-place or floating result is cast to, where it is not
            promotion's.
        joins: name of an op that joins results of this one: for a long list, ``fn(list, dim)`` equals that op
            applied to ``[fn(stretch, dim), ...]`` of its stretches, along the same dim.
    """

    def decorate(fn: F) -> F:
        full = name or fn.__name__
        assert full not in OPS, f"{full} is registered twice"
        OPS[full] = Op(
            full,
            fn,
            static,
            lists,
            node=node,
            promote=promote,
            promoted=promoted,
            baked=frozenset(baked.split()),
            raw=frozenset(raw.split()),
            numbers=None if numbers is None else frozenset(numbers.split()),
            opmath=promote is not None if opmath is None else opmath,
            saves=frozenset(saves.split()) if isinstance(saves, str) else saves,
            watches=tuple(watches.split()) if isinstance(watches, str) else watches,
            function=function,
            method=(full.rsplit(".", 1)[-1] if method is True else method) or "",
            varargs=varargs,
            inplace=inplace,
            out=out,
            operators=tuple(operators.split()),
            aliases=tuple(aliases.split()),
            returns=returns,
            host=host,
            result_like=result_like,
            cpu=cpu,
            joins=joins,
        )
        return fn

    return decorate


def named(names: Sequence[str]) -> list[Op]:
    """The ops of these names, for tests and tables."""
    return [OPS[n] for n in names]
