"""The Tensor: a storage, a view of it, and its place in the autograd graph.

And how an op is applied to tensors.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NoReturn
from weakref import ref

import numpy as np

from jtorch.devices import CPU, META, device
from jtorch.dispatch import (
    AMBIGUOUS,
    GRAD,
    INFERENCE,
    NO_GRAD,
    Baked,
    Plan,
    autocast_state,
    modes,
    plan_call,
    told_apart,
    untagged,
    wrong_type,
)
from jtorch.dtypes import dtype
from jtorch.ops._registry import LIST, OPERAND, OPS, STATIC, Op
from jtorch.tape import Node
from jtorch.tensor._attaching import attach
from jtorch.tensor._history import (
    MADE_IN_INFERENCE,
    MADE_IN_NO_GRAD,
)
from jtorch.tensor._host_memory import strided_host
from jtorch.tensor._named_results import named_result
from jtorch.tensor._orders import order_by_columns, order_results
from jtorch.tensor._size import Size
from jtorch.tensor._storage import (
    Snapshot,
    Storage,
    Version,
    contents,
)
from jtorch.tensor._strides import (
    COLUMNS,
    KEEPS_CHANNELS_LAST,
)
from jtorch.tensor._values import meta_value, move, outside, record_or_meta, to_device
from jtorch.tensor._view_history import autograd_base, refresh, view_fn
from jtorch.trace import (
    Aval,
    TracedValue,
    Value,
    counters,
    detaching,
    flush,
    forwards_only,
    from_host,
    host_array,
    record,
    recorder,
    settings,
    user_line,
)
from jtorch.trace._read_numbers import ReadNumber, known_number

__all__ = [
    "Tensor", "View", "apply", "call", "from_value", "host_contents", "read_for_shape", "run", "value_of",
]  # fmt: skip

_NUMBERS = (int, float, bool)
_new = object.__new__


class View:
    """How a tensor reads its storage: one view operation after another, starting at the base.

    Attributes:
        parent: the view before this step; ``None``: the base.
        plan: of the step.
        numbers: its operands besides the viewed array.
        op: the view op; ``None`` for several steps in one (:func:`jtorch.tensor._writing.steps_to_write`).
        static: static arguments of both; the plans of several steps.
        aval: of the result.
    """

    __slots__ = ("aval", "numbers", "op", "parent", "plan", "static")

    def __init__(
        self, parent: View | None, op: Any, plan: Plan, numbers: tuple[int, ...], static: tuple[Any, ...]
    ) -> None:
        self.parent, self.op, self.plan, self.numbers, self.static = parent, op, plan, numbers, static
        self.aval = plan.outputs[0]

    def steps(self) -> list[View]:
        """From the base outwards."""
        steps: list[View] = []
        view: View | None = self
        while view is not None:
            steps.append(view)
            view = view.parent
        return steps[::-1]


class TensorMeta(type):
    """Gives the legacy type names their ``isinstance`` rules; see ``tensor/_legacy.py``."""

    def __repr__(cls) -> str:
        # Programs print type(x); the class itself stays importable, and so picklable, under its own name.
        if not cls.__module__.startswith("jtorch"):
            return super().__repr__()
        return f"<class '{cls.__module__.removeprefix('j')}.{cls.__qualname__}'>"


class Tensor(metaclass=TensorMeta):
    """A multi-dimensional array that records its history (``torch.Tensor``).

    ``Tensor(2, 3)`` makes an uninitialised tensor of that shape, ``Tensor([2, 3])`` one with that data, both
    of the default dtype; :func:`jtorch.tensor` is the usual way to make one from data.
    """

    # Most tensors are temporaries with all of these at their defaults; instances hold what differs.
    _view: View | None = None
    _fn: Any = None
    _nr = 0
    _requires: Any = False
    _grad: Any = None
    _hooks: dict[int, Any] | None = None
    _post_hooks: dict[int, Any] | None = None
    _acc: Any = None
    _strides: tuple[int, ...] | None = None
    _offset = 0
    _abase: Any = None
    _adepth = 0
    #: what views of this tensor are views of, after it was itself made another view of its memory in place
    _turned: Any = None
    #: of such a stand-in: weak reference to the tensor in whose place it is
    _stands_for: Any = None
    _creation = 0
    _seen = 0
    _cached: Value | None = None
    _cached_writes = -1
    _inference = False
    _own_version: Version | None = None
    _retains = False
    _snapshot: ref[Snapshot] | None = None
    _tangent: Any = None
    _storage: Storage

    if TYPE_CHECKING:
        # Most methods are derived from the registered ops or attached by the other files of this folder.
        def __getattr__(self, name: str) -> Any: ...
        def _operator(self, other: Any) -> Tensor: ...
        def _unary(self) -> Tensor: ...

        __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _operator
        __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __pow__ = __rpow__ = __matmul__ = __rmatmul__ = (
            _operator
        )
        __and__ = __rand__ = __or__ = __ror__ = __xor__ = __rxor__ = __lshift__ = __rshift__ = _operator
        __iadd__ = __isub__ = __imul__ = __itruediv__ = _operator
        __lt__ = __le__ = __gt__ = __ge__ = __getitem__ = _operator
        __neg__ = __pos__ = __abs__ = __invert__ = _unary
        __eq__ = __ne__ = _operator  # type: ignore[assignment]

        def __setitem__(self, index: Any, value: Any) -> None: ...
        def __len__(self) -> int: ...
        def __iter__(self) -> Iterator[Tensor]: ...
        def __bool__(self) -> bool: ...
        def __int__(self) -> int: ...
        def __index__(self) -> int: ...
        def __float__(self) -> float: ...

    # ---- reading
    # -------------------------------------------------------------------------------------------------

    def _aval(self) -> Aval:
        view = self._view
        if view is not None:
            return view.aval
        value = self._storage.value
        return value.aval if value is not None else self._storage.aval()

    def _read(self) -> Value:
        """The current contents as an immutable value."""
        storage = self._storage
        view = self._view
        if view is None:
            return storage.read()
        if storage.buffer is not None:
            return _read_view(self, storage, view)
        if self._cached_writes == storage.writes:
            return self._cached  # type: ignore[return-value]
        value = self._cached = _read_view(self, storage, view)
        self._cached_writes = storage.writes
        return value

    def _host(self) -> np.ndarray[Any, Any]:
        """The contents for looking at right now; not to be kept or written to."""
        storage = self._storage
        value = storage.value
        if value is not None and value.host is not None:
            view = self._view
            if view is None:
                return value.host
            if storage.strides is None and view.aval.device is CPU:
                return strided_host(self, value.host)
        if storage.buffer is not None:
            return strided_host(self, storage.buffer)
        return host_array(self._read())

    # ---- autograd
    # ------------------------------------------------------------------------------------------------

    @property
    def grad_fn(self) -> Node | None:
        """The node that made this tensor; ``None`` for leaves."""
        if self._abase is not None:
            self._renew()
        fn = self._fn
        return fn if isinstance(fn, Node) else None

    @property
    def _tracked(self) -> bool:
        """Whether operations on this tensor are recorded; ``requires_grad`` knows of transforms as well."""
        if self._requires or self._fn is not None:
            return True
        # A view made while history was off requires grad as its base does, but gradients that reach it go
        # nowhere.
        return self._abase is not None and self._abase._tracked

    def _edge(self) -> tuple[Any, int] | None:
        """Where a gradient of this tensor goes."""
        if self._abase is not None:
            self._renew()
        fn = self._fn
        if fn is not None:
            return fn, self._nr
        return (self, 0) if self._requires else None

    def _renew(self) -> None:
        """Bring a view's history up to date after the base was written to."""
        own = self._own_version
        if self._seen != (self._storage.version if own is None else own.version):
            refresh(self)

    def __hash__(self) -> int:
        return id(self)


def from_value(value: Value) -> Tensor:
    """A new tensor that owns ``value``."""
    tensor = _new(Tensor)
    storage = tensor._storage = _new(Storage)
    storage.value = value
    return tensor


def value_of(tensor: Tensor) -> Value:
    """The current contents as an immutable value."""
    if tensor._view is None:
        value = tensor._storage.value
        if value is not None:
            return value
    return tensor._read()


# ---- views
# ---------------------------------------------------------------------------------------------------------


def _read_view(tensor: Tensor, storage: Storage, view: View) -> Value:
    if storage.buffer is not None:
        return contents(strided_host(tensor, storage.buffer), tensor, view.aval)
    base = storage.value
    assert base is not None
    if base.host is not None and storage.strides is None and view.aval.device is CPU:
        return from_host(
            np.ascontiguousarray(strided_host(tensor, base.host)).reshape(view.aval.shape), view.aval
        )
    if base.aval.device is META:
        return meta_value(view.aval)
    for step in view.steps():
        base = record(step.plan.signature, [base, *step.numbers])
    if tensor._creation and type(base) is TracedValue and modes.functional:
        # The view was made without history; a transform would follow what is read now.
        if tensor._creation == MADE_IN_NO_GRAD:
            base = record(detaching(base.aval, forwards_only), [base])
        elif tensor._creation == MADE_IN_INFERENCE:
            base = record(detaching(base.aval), [base])
    return base


def host_contents(x: Any) -> np.ndarray[Any, Any] | None:
    """Contents of a row-major host tensor that has no history, to look at; ``None`` for anything else."""
    if type(x) is not Tensor or x._fn is not None or x._requires or x._strides is not None:
        return None
    storage = x._storage
    value = storage.value
    if x._view is None:
        if value is None:
            return storage.buffer
        host = value.host
        return host if host is not None and value.aval.device is CPU and type(value) is Value else None
    if x._abase is not None and x._abase._tracked:
        return None
    if value is None:
        return strided_host(x, storage.buffer)  # type: ignore[arg-type]
    if value.host is None or type(value) is not Value or storage.strides is not None:
        return None
    return strided_host(x, value.host) if value.aval.device is CPU else None


def seen_contents(x: Any) -> np.ndarray[Any, Any] | None:
    """:func:`host_contents`, and those of a view that somebody has read."""
    found = host_contents(x)
    if found is not None or type(x) is not Tensor or x._view is None or x._strides is not None:
        return found
    if x._tracked or x._cached_writes != x._storage.writes:
        return None
    value = x._cached
    return value.host if type(value) is Value and value.aval.device is CPU else None


def view(
    source: Tensor,
    name: str,
    numbers: tuple[int, ...],
    static: tuple[Any, ...],
    strides: tuple[int, ...] | None,
    offset: int,
    fn: Node | None = None,
    parent_aval: Aval | None = None,
) -> Tensor:
    """A tensor that shares ``source``'s storage.

    Args:
        source: what is viewed.
        name: the view op's name after ``_view.``.
        numbers: its operands besides the array; they follow it in the op's parameters.
        static: its static arguments, which come last.
        strides: of the result in elements; ``None``: row-major without gaps.
        offset: of its first element in the storage, in elements of the result's dtype.
        fn: its history, where that is not the op's own node.
        parent_aval: the source's, if it is known.
    """
    op = OPS["_view." + name]
    if parent_aval is None:
        parent_aval = source._aval()
    key = (parent_aval, *map(type, numbers), *static)
    plan = op.plans.get(key)
    if plan is None:
        plan = op.plans[key] = plan_call(op, key)
    result = _new(Tensor)
    storage = result._storage = source._storage
    result._view = View(source._view, op, plan, numbers, static)
    if strides is not None:
        result._strides = strides
    if offset:
        result._offset = offset
    own = source._own_version
    if own is None:
        result._seen = storage.version
    else:
        result._own_version = own
        result._seen = own.version
    if source._inference:
        result._inference = True
    if plan.node is None:
        # Another dtype: the same memory, outside of the source's history.
        return result
    level = modes.level
    if level != GRAD:
        result._creation = MADE_IN_NO_GRAD if level == NO_GRAD else MADE_IN_INFERENCE
    elif source._creation:
        result._creation = source._creation
    base = source._abase
    if base is None:
        result._abase, result._adepth = source, 1
    else:
        if base._turned is not None:
            base = autograd_base(source)
        if level == GRAD:
            source._renew()
        result._abase, result._adepth = base, source._adepth + 1
    if level == GRAD and (source._fn is not None or source._requires or (base is not None and base._tracked)):
        result._fn = view_fn(plan, source._edge(), numbers) if fn is None else fn
    return result


# ---- applying ops
# --------------------------------------------------------------------------------------------------


def plan_for(op: Op, key: tuple[Any, ...]) -> Plan:
    """The plan of a call whose arguments are given as :func:`plan_call` wants them."""
    plan = op.plans.get(key)
    if plan is None:
        plan = op.plans[key] = plan_call(op, key)
    return plan


def run(op: Op, args: Sequence[Any]) -> Any:
    """Apply an op.

    Args:
        op: the op.
        args: one per parameter, in order.

    Returns:
        A tensor, or a tuple of tensors.
    """
    hook = autocast_state.hook
    if hook is not None:
        args = hook(op, args)
        if modes.duals is not None:
            return _run(op, args, dual=True)
    if op.quick is not None and (modes.at_once or op.quick_always) and modes.level != INFERENCE:
        made = op.quick(args)
        if made is not None:
            return made
    kinds = tuple(map(type, args))
    variant = op.variants.get(kinds)
    if variant:
        made = variant(*args)
        if made is not None:
            return made
    elif variant is None and specialise(op, kinds):
        made = found_at(op, args)
        if made is not None:
            return made
    return _run(op, args)


def _run(op: Op, args: Sequence[Any], *, dual: bool = False) -> Any:
    """The general way to apply an op; with ``dual`` tensors may have tangents."""
    key: list[Any] = []
    operands: list[Any] = []
    tensors: list[Any] = []
    track = strided = False
    for x, kind in zip(args, op.kinds, strict=True):
        if kind == OPERAND:
            if isinstance(x, Tensor):
                if x._view is None:
                    value = x._storage.value
                    if value is None:
                        value = x._read()
                else:
                    value = x._read()
                    base = x._abase
                    if base is not None and modes.level == GRAD:
                        x._renew()
                        if base._requires or base._fn is not None:
                            track = True
                key.append(value.aval)
                operands.append(value)
                tensors.append(x)
                if x._fn is not None or x._requires:
                    track = True
                if x._strides is not None:
                    strided = True
            elif x is None or x is op.defaults[len(key)]:
                key.append(x)
            else:
                key.append(_number(op, len(key), x, operands, args))
                if len(tensors) < len(operands):
                    tensors.append(None)
        elif kind == STATIC or x is None:
            key.append(told_apart(x) if type(x) in AMBIGUOUS else x)
        else:
            avals: list[Aval] = []
            if not isinstance(x, list | tuple):
                _refuse(op, len(key), x, "tuple of Tensors")
            if len(x) > LONG_LIST and op.joins is not None:
                joined = _run_in_stretches(op, op.joins, args)
                if joined is not None:
                    return joined
            for t in x:
                if not isinstance(t, Tensor):
                    made = found_at(op, args)
                    if made is not None:
                        return made
                    raise TypeError(
                        f"expected Tensor as element {len(avals)} in argument {len(key)}, but got "
                        f"{type(t).__name__}"
                    )
                value = value_of(t)
                if t._abase is not None and modes.level == GRAD:
                    t._renew()
                    track = track or t._tracked
                avals.append(value.aval)
                operands.append(value)
                tensors.append(t)
                if t._fn is not None or t._requires:
                    track = True
                if t._strides is not None and op.name in KEEPS_CHANNELS_LAST:
                    strided = True
            key.append(tuple(avals))
    frozen = tuple(key)
    try:
        plan = op.plans.get(frozen)
    except TypeError:
        plan = None
    if plan is None:
        frozen = _freeze(op, key)
        plan = op.plans.get(frozen)
        if plan is None:
            if op.host:
                return _run_host(op, args)
            plan = plan_call(op, untagged(frozen))
            op.plans[frozen] = plan
    if plan.moved:
        move(plan, operands)
    signature = plan.signature
    if signature is None:
        return _run_on_meta(plan, track, tensors, operands, dual)
    made = record(signature, operands)
    level = modes.level
    if plan.single:
        result = _new(Tensor)
        storage = result._storage = _new(Storage)
        storage.value = made
        if strided or op.name in COLUMNS:
            order_results(op, args, tensors, (result,), strided=strided, single=True)
        if track and level == GRAD and plan.differentiable:
            attach(plan, tensors, operands, (result,))
        elif level == INFERENCE:
            result._inference = True
        if dual:
            modes.duals.push(plan, tensors, operands, (result,))
        return result
    if signature.single is not None:
        made = [made]
    results = _results(plan, made)
    if strided or op.name in COLUMNS:
        order_results(op, args, tensors, results, strided=strided, single=False)
    if track and level == GRAD and plan.differentiable:
        attach(plan, tensors, operands, results)
    elif level == INFERENCE:
        for r in results:
            r._inference = True
    if dual:
        modes.duals.push(plan, tensors, operands, results)
    return results


def _run_on_meta(plan: Plan, track: bool, tensors: Sequence[Any], operands: Sequence[Any], dual: bool) -> Any:
    """Results that have avals and a history, and nothing else."""
    results = _results(plan, [meta_value(a) for a in plan.outputs])
    made = (results,) if plan.single else results
    if track and modes.level == GRAD and plan.differentiable:
        attach(plan, tensors, operands, made)
    elif modes.level == INFERENCE:
        for r in made:
            r._inference = True
    if dual:
        modes.duals.push(plan, tensors, operands, made)
    return results


def specialise(op: Op, kinds: tuple[type, ...]) -> bool:
    """Set by ``_specialised.py``: called for types of arguments that ``op.variants`` lacks.

    Returns:
        Whether one of them may take over functions of tensors (``_overrides.py``).
    """
    return False


def found_at(op: Op, args: Sequence[Any]) -> Any:
    """Set by ``_overrides.py``: the result from an argument that takes over the op, or ``None``."""


def takes_part(kind: type) -> bool:
    """Set by ``_overrides.py``: whether objects of a class may take over functions of tensors."""
    return False


def notice(kind: type) -> None:
    """Set by ``_overrides.py``: called for the class of a tensor that is made."""


#: Lists up to this length are operands of one program. XLA's time to compile a concatenation grows faster
#: than its length (2,000 vectors: 8 s; in stretches: 0.2 s), and users' lists often have a new length.
LONG_LIST = 64
STRETCH = 32


def _run_in_stretches(op: Op, joins: str, args: Sequence[Any]) -> Tensor | None:
    """Join a long list stretch by stretch, so that programs are shared by lists of any length.

    Returns:
        The result; ``None`` where the list has to be taken as it is: inside a JAX transform, while a function
        is being recorded, and if something is wrong with it, which the op itself says best.
    """
    place = op.kinds.index(LIST)
    given = args[place]
    if settings.session is not None:
        return None
    values = [value_of(t) if isinstance(t, Tensor) else None for t in given]
    if any(type(v) is not Value or v.aval.device is META for v in values):
        return None
    device = values[0].aval.device  # type: ignore[union-attr]
    if any(v.pending for v in values):  # type: ignore[union-attr]
        flush(recorder(device), "long list")
    results = list(given)
    try:
        while len(results) > LONG_LIST:
            parts = []
            for start in range(0, len(results), STRETCH):
                operands = [*args]
                operands[place] = results[start : start + STRETCH]
                parts.append(run(op, operands))
                flush(recorder(device), "long list")
            results, op = parts, OPS[joins]
        operands = [*args]
        operands[place] = results
        return run(op, operands)  # type: ignore[no-any-return]
    except (RuntimeError, IndexError, TypeError):
        return None


def _results(plan: Plan, made: Sequence[Value]) -> Any:
    if plan.single:
        return from_value(made[0])
    results = tuple(from_value(v) for v in made)
    return results if plan.returns is None else named_result(plan.returns)(results)


def _number(op: Op, i: int, x: Any, operands: list[Any], args: Sequence[Any]) -> Any:
    """Put a Python number among the operands; returns its entry of the plan's key."""
    kind = type(x)
    if kind is ReadNumber:
        where = next((t._aval().device for t in args if isinstance(t, Tensor)), None)
        known = op.params[i] in op.baked or where is None
        number = x.plain(f"{op.name}()") if known else x.operand(where)
        if type(number) is Value:
            kind = x.__class__
            operands.append(number)
            return kind
        x, kind = number, type(number)
    if kind not in _NUMBERS:
        if isinstance(x, bool | np.bool_):
            x, kind = bool(x), bool
        elif isinstance(x, int | np.integer):
            x, kind = int(x), int
        elif isinstance(x, float | np.floating):
            x, kind = float(x), float
        elif isinstance(x, complex | np.complexfloating):
            x, kind = complex(x), complex
        else:
            _refuse(op, i, x)
    if op.params[i] in op.baked:
        return Baked(x)
    if kind is complex:
        operands.append(from_host(np.asarray(x, np.complex128)))
    elif kind is bool:
        operands.append(int(x))
    elif kind is int and not -(1 << 63) <= x < 1 << 63:
        if x >= 1 << 64:
            raise RuntimeError("Overflow when unpacking long long")
        operands.append(x - (1 << 64))
    else:
        operands.append(x)
    return kind


def _refuse(op: Op, i: int, x: Any, wanted: str = "Tensor") -> NoReturn:
    raise wrong_type(op, i, wanted, x)


def _freeze(op: Op, key: Sequence[Any]) -> tuple[Any, ...]:
    """Static arguments in hashable form, with tensors among them as the numbers they hold."""
    return tuple(
        told_apart(_frozen(x)) if kind not in (OPERAND, LIST) else x
        for x, kind in zip(key, op.kinds, strict=True)
    )


def _frozen(x: Any) -> Any:
    if isinstance(x, Tensor):
        return x.item() if x.ndim == 0 else tuple(x.tolist())
    if isinstance(x, list | tuple):
        return tuple(_frozen(y) for y in x)
    if isinstance(x, np.generic):
        return x.item()
    return known_number(x, "what shapes a program")


def read_for_shape(x: Tensor) -> np.ndarray[Any, Any]:
    """The contents, which a result's shape depends on: a synchronisation if they are not computed yet."""
    if x._storage.buffer is None:
        value = value_of(x)
        if type(value) is TracedValue:
            return host_array(outside(value))
        if value.pending:
            counters.shape_syncs[user_line()] += 1
    return x._host()


def _run_host(op: Op, args: Sequence[Any]) -> Any:
    """An op whose result's shape depends on values: read the operands, compute with NumPy."""
    where = CPU
    read: list[Any] = []
    for x, kind in zip(args, op.kinds, strict=True):
        if isinstance(x, Tensor):
            where = x.device if x.device is not CPU else where
            read.append(read_for_shape(x))
        elif kind == LIST and x is not None:
            read.append(tuple(read_for_shape(t) for t in x))
        else:
            read.append(_frozen(x))
    made = op.fn(
        *read[: op.positional], **dict(zip(op.params[op.positional :], read[op.positional :], strict=True))
    )
    single = not isinstance(made, tuple | list)
    results = [_host_result(a, where) for a in ((made,) if single else made)]
    if op.name in COLUMNS:
        order_by_columns(op, args, results)
    if single:
        return results[0]
    return tuple(results) if op.returns is None else named_result(op.returns)(results)


def _host_result(array: Any, where: device) -> Any:
    if isinstance(array, bool | int | float | complex) or array is None:
        return array
    value = from_host(np.array(array, order="C"))
    return from_value(value if where is CPU else to_device(value, where))


def apply(plan: Plan, operands: Sequence[Any], values: list[Any] | None = None) -> list[Tensor]:
    """Run a plan on tensors and numbers, recording history; results as a list.

    Args:
        plan: of the operation.
        operands: tensors and numbers.
        values: the same with the values of the tensors, if they are known.
    """
    if values is None:
        values = [value_of(x) if isinstance(x, Tensor) else x for x in operands]
    if plan.moved:
        move(plan, values)
    results = [from_value(v) for v in record_or_meta(plan, values)]
    track = modes.level == GRAD and plan.differentiable
    if track or modes.duals is not None:
        tensors = [x if isinstance(x, Tensor) else None for x in operands]
        if track and any(x is not None and (x._fn is not None or x._requires) for x in tensors):
            attach(plan, tensors, values, results)
        if modes.duals is not None:
            modes.duals.push(plan, tensors, values, results)
    return results


def call(name: str, *args: Any) -> Any:
    """Apply the op of that name to leading arguments, the others at their defaults."""
    op = OPS[name]
    return run(op, (*args, *op.defaults[len(args) :]))


def shape_of(tensor: Tensor) -> Size:
    return Size(tensor._aval().shape)


def dtype_of(tensor: Tensor) -> dtype:
    return tensor._aval().dtype
