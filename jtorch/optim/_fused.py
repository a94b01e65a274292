"""A whole optimizer step of a parameter group as one recorded operation.

An optimizer states its update of one parameter as a pure function, built of optax's transformations.
Parameters, gradients, state, step counts and settings are operands: what changes from step to step never
changes the program.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from operator import is_, le
from types import FunctionType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core.primitives import convert_element_type_p

from jtorch import dtypes
from jtorch.devices import CPU
from jtorch.dispatch import NO_GRAD, Plan, modes
from jtorch.errors import type_name
from jtorch.optim.optimizer import Optimizer
from jtorch.tensor import Tensor
from jtorch.tensor._autograd import enable_grad
from jtorch.tensor._core import apply, from_value, value_of
from jtorch.tensor._leaks import check_once, refuse
from jtorch.tensor._storage import Storage
from jtorch.tensor._values import to_device
from jtorch.tensor._writing import write
from jtorch.trace import TracedValue, Value, aval_of, from_host, leave_session, record, session, spend

__all__ = [
    "FusedOptimizer",
    "Rule",
    "advance",
    "check_settings",
    "number_tensor",
    "read_number",
    "setting",
    "zeros_like",
]

_new = object.__new__


class NumberStorage(Storage):
    """The storage of a state tensor that the optimizer keeps as a Python number until someone looks.

    Attributes:
        number: the contents; ``None`` once someone else wrote to the tensor.
    """

    __slots__ = ("_made", "_number", "kind")

    def __init__(self, number: float, kind: Any) -> None:
        self.kind = kind
        super().__init__(None)
        self.number = number

    @property
    def number(self) -> float | None:
        return self._number

    @number.setter
    def number(self, number: float) -> None:
        self._number: float | None = number
        self._made: Value | None = None

    @property
    def value(self) -> Value | None:
        leave_session("reads a count that an optimizer keeps")
        made = self._made
        if made is None and self._number is not None:
            made = self._made = from_host(np.array(self._number, self.kind))
        return made

    @value.setter
    def value(self, value: Value | None) -> None:
        self._made = value
        self._number = None


def number_tensor(number: float, kind: Any = None) -> Tensor:
    """A 0-dim CPU tensor, of the default dtype unless ``kind`` is given, that is kept as a number."""
    made = _new(Tensor)
    if kind is None:
        kind = np.float64 if dtypes.get_default_dtype() is dtypes.float64 else np.float32
    made._storage = NumberStorage(number, kind)
    return made


def read_number(state: dict[str, Any], name: str) -> tuple[NumberStorage, float]:
    """The number in a state tensor and the storage to write it to; loaded tensors are converted."""
    tensor = state[name]
    if isinstance(tensor, Tensor):
        storage = tensor._storage
        if type(storage) is NumberStorage and storage._number is not None:
            return storage, storage._number
        number = float(tensor.item())
        kind = tensor._aval().dtype.numpy
        made = number_tensor(number, kind.type if kind.kind == "f" and kind.itemsize >= 4 else None)._storage
        tensor._storage, tensor._view, tensor._strides, tensor._offset = made, None, None, 0
    else:
        number = float(tensor)
        state[name] = number_tensor(number)
        made = state[name]._storage
    return made, number  # type: ignore[return-value]


def advance(state: dict[str, Any]) -> float:
    """Count one more step; returns the count."""
    tensor = state["step"]
    storage = tensor._storage if isinstance(tensor, Tensor) else None
    if type(storage) is NumberStorage and storage._number is not None:
        number = storage._number = storage._number + 1
        storage._made = None
        return number
    storage, number = read_number(state, "step")
    storage.number = number + 1
    return number + 1


def setting(x: Any) -> Any:
    """A setting as an operand: a float, or the tensor it is in, which nobody needs to read."""
    if type(x) is float:
        return x
    if not isinstance(x, Tensor):
        if x is None or isinstance(x, str):
            raise TypeError(f"bad operand type for unary -: '{type(x).__name__}'")
        return float(x or 0.0)  # no new object for a setting that is 0, the usual integer
    recording = session()
    if recording is None:
        return x
    with recording.paused():  # a replay reads it anew
        return float(x.item())


def check_settings(lr: Any, *, nan: bool = False, **checks: tuple[Any, str]) -> None:
    """Refuse negative settings.

    Args:
        lr: the learning rate.
        nan: settings that are no numbers are taken.
        **checks: a value and the text of the error each.

    Raises:
        ValueError: one is negative, or ``lr`` is a tensor of several elements.
    """
    if isinstance(lr, Tensor) and lr.numel() != 1:
        raise ValueError("Tensor lr must be 1-element")
    for value, text in ((lr, f"Invalid learning rate: {lr}"), *checks.values()):
        # In the order of PyTorch's comparison, which is that of errors about types.
        if (value < 0.0) if nan else not le(0.0, value):
            raise ValueError(text)


#: One parameter's update: ``rule(param, grad, state arrays, its numbers, settings) -> (param, state)``.
Rule = Callable[[Any, Any, tuple[Any, ...], tuple[Any, ...], tuple[Any, ...]], tuple[Any, tuple[Any, ...]]]

#: Where PyTorch takes ``capturable`` and ``fused``; the texts of errors name them.
CAPTURABLE = ["cuda", "xpu", "hpu", "privateuseone", "xla"]
FUSED = ["mps", "cuda", "xpu", "hpu", "cpu", "mtia", "privateuseone"]

_FLOATS = {float}

#: Everything recorded so far, shared by all optimizers: (class, flags, avals) -> plan.
_plans: dict[Any, Plan] = {}


class FusedOptimizer(Optimizer):
    """An optimizer whose step is one operation per group.

    ``_varying``: parameters have only some of the tensors that ``_slots`` names.
    ``_counting``: if parameters have one number, it is the count of their steps.
    ``_captured``: what has to be on an accelerator for ``capturable=True``, in the words of PyTorch's error.
    ``_foreach_on_xla``, ``_alone_on_xla``: whether XLA's devices count, with ``foreach`` and without.

    A subclass defines:

    * ``_settings(group)``: ``(flags, numbers)``: what is part of the program, and settings that may change,
      each a float or a tensor;
    * ``_slots(flags)``: names of the state tensors;
    * ``_prepare(param, state, group)``: fills the state of a parameter before its first update, and returns
      the numbers of this parameter that change at each step (its count);
    * ``_rule(flags)``: the update of one parameter.
    """

    _varying = False
    _counting = False
    _captured = "params and state_steps"
    _foreach_on_xla, _alone_on_xla = False, True

    def __init__(self, params: Any, defaults: dict[str, Any]) -> None:
        super().__init__(params, defaults)
        if defaults.get("fused"):
            if defaults["differentiable"]:
                raise RuntimeError("`fused` does not support `differentiable`")
            if defaults["foreach"]:
                raise RuntimeError("`fused` and `foreach` cannot be `True` together.")

    def __init_subclass__(cls, **kwargs: Any) -> None:
        step = inspect.unwrap(cls.step)
        if step.__qualname__.startswith("FusedOptimizer.") and cls.__name__ != "Counting":
            # A function of each optimizer's own, as errors about its arguments name it.
            own = FunctionType(step.__code__, step.__globals__, "step", step.__defaults__)
            own.__qualname__, own.__doc__ = f"{cls.__name__}.step", step.__doc__
            own.__annotations__ = step.__annotations__
            cls.step = own  # type: ignore[method-assign]
        super().__init_subclass__(**kwargs)

    def _settings(self, group: dict[str, Any]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        raise NotImplementedError

    def _slots(self, flags: tuple[Any, ...]) -> tuple[str, ...]:
        raise NotImplementedError

    def _prepare(self, param: Tensor, state: dict[str, Any], group: dict[str, Any]) -> tuple[float, ...]:
        raise NotImplementedError

    @staticmethod
    def _rule(flags: tuple[Any, ...]) -> Rule:
        raise NotImplementedError

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change every parameter that has a gradient.

        Args:
            closure: computes the loss anew and returns it.

        Returns:
            What ``closure`` returned.
        """
        differentiable = self.defaults.get("differentiable", False)
        if differentiable is not False and differentiable is not True:
            given = type_name(type(differentiable))
            raise TypeError(f"set_grad_enabled(): argument 'enabled' (position 1) must be bool, not {given}")
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        for group in self.param_groups:
            if group.get("differentiable"):
                with enable_grad():
                    self._step_differentiable(group)
            else:
                self._step_group(group)
        return loss

    def _step_group(self, group: dict[str, Any]) -> None:
        flags, settings = self._settings(group)
        slots = self._slots(flags)
        params: list[Any] = []
        values: list[Any] = []
        gradients: list[Any] = []
        held: list[Any] = []
        states: list[Any] = []
        numbers: list[Any] = []
        counts: list[int] = []
        if slots:
            state_of, prepare, varying = self.state, self._prepare, self._varying
        for p in group["params"]:
            g = p._grad
            if g is None:
                continue
            params.append(p)
            value = p._storage.value if p._view is None else None
            values.append(value_of(p) if value is None else value)
            value = g._storage.value if g._view is None else None
            gradients.append(value_of(g) if value is None else value)
            if slots:
                state = state_of[p]
                numbers.extend(prepare(p, state, group))
                names = slots
                if varying:
                    names = tuple([name for name in slots if name in state])
                    counts.append(len(names))
                for name in names:
                    t = state[name]
                    states.append(t)
                    value = t._storage.value if t._view is None else None
                    held.append(value_of(t) if value is None else value)
        if not params:
            return
        if group.get("capturable") and not group.get("fused"):
            self._check_capturable(group, params)
        if group.get("fused"):
            _check_fused([v.aval for v in values])
        each = len(numbers) // len(params)
        # Nearly always all parameters have made equally many steps. What depends on the count is then part of
        # the program once; for each parameter anew, it took XLA a third of its time to compile a ResNet.
        shared = self._counting and each == 1 and numbers.count(numbers[0]) == len(numbers)
        if shared:
            del numbers[1:]
        operands = [*values, *gradients, *held]
        avals = tuple([v.aval for v in operands])
        kinds = None
        if {*map(type, settings)} != _FLOATS:
            settings = tuple([_operand(x, avals[0].device) for x in settings])
            kinds = tuple([float if type(x) is float else x.aval for x in settings])
        key = (type(self), flags, avals, kinds, shared, *counts)
        plan = _plans.get(key)
        if plan is None:
            if len({a.device for a in avals}) > 1:
                self._step_devices(group, params, numbers * len(params) if shared else numbers)
                return
            counts = counts or [len(slots)] * len(params)
            hyper = kinds or (float,) * len(settings)
            plan = _plans[key] = _plan(self, flags, avals, counts, each, hyper, shared=shared)
        if plan.signature is None:
            return
        recording = session()
        if recording is not None:
            recording.numbers(len(numbers) + len(settings), StepNumbers(self, group, params, flags, shared))
        counted = len(numbers)
        numbers += settings
        if kinds is None and (not counted or {*map(type, numbers)} == _FLOATS):
            made = record(plan.signature, operands, numbers)
        else:
            # A count may be NumPy's, which would be taken for an operand of its own type.
            plain = [float(x) if isinstance(x, np.generic) else x for x in numbers]
            made = record(plan.signature, operands + plain)
        spend(gradients)
        if plan.signature.single is not None:
            made = [made]
        if TracedValue.seen and type(values[0]) is Value:
            if type(made[0]) is TracedValue:
                refuse(params[0]._storage, params[0])
            check_once(params[0]._storage)
        for t, value in zip((*params, *states), made, strict=True):
            storage = t._storage
            if t._view is None and storage.buffer is None:
                storage.value = value
                storage.version += 1
                storage.writes += 1
            else:
                _write(t, value)

    def _step_differentiable(self, group: dict[str, Any]) -> None:
        """The same operation with history: results are functions of gradients, state and tensor settings."""
        if group["foreach"]:
            raise AssertionError("_foreach ops don't support autograd")
        flags, settings = self._settings(group)
        slots = self._slots(flags)
        params = [p for p in group["params"] if p.grad is not None]
        if group.get("capturable") and not group.get("fused"):
            self._check_capturable(group, params)
        for p in params:
            state = self.state[p] if slots else {}
            numbers = self._prepare(p, state, group) if slots else ()
            changed = [p, *(state[name] for name in slots)]
            # Copies: what the gradient needs must survive that its source is overwritten.
            tensors = [x.clone() for x in changed]
            tensors.insert(1, p.grad)
            avals = tuple(x._aval() for x in tensors)
            hyper = [_on(x, p.device) for x in settings]
            kinds = tuple(float if type(x) is float else x._aval() for x in hyper)
            key = (type(self), flags, avals, kinds, "differentiable")
            plan = _plans.get(key)
            if plan is None:
                node = type(self).__name__ + "StepBackward0"
                plan = _plans[key] = _plan(self, flags, avals, [len(slots)], len(numbers), kinds, node)
            for x, new in zip(changed, apply(plan, [*tensors, *numbers, *hyper]), strict=True):
                x.copy_(new)

    def _check_capturable(self, group: dict[str, Any], params: Sequence[Any]) -> None:
        """Refuse to capture what is on the CPU, as PyTorch does."""
        if any(p.device.type == "cpu" for p in params):
            on_xla = self._foreach_on_xla if group["foreach"] else self._alone_on_xla
            devices = CAPTURABLE if on_xla else CAPTURABLE[:-1]
            raise AssertionError(
                f"If capturable=True, {self._captured} must be on supported devices: {devices}."
            )

    def _step_devices(self, group: dict[str, Any], params: Sequence[Any], numbers: Sequence[Any]) -> None:
        """A group whose parameters are on several devices: one operation per device."""
        each = len(numbers) // len(params)
        planned = {id(p): numbers[i * each : (i + 1) * each] for i, p in enumerate(params)}
        by_device: dict[Any, list[Any]] = {}
        for p in params:
            by_device.setdefault(p.device, []).append(p)
        try:
            for members in by_device.values():
                queue = iter([planned[id(p)] for p in members])
                self._prepare = lambda *_, queue=queue: tuple(next(queue))  # type: ignore[method-assign]
                self._step_group({**group, "params": members})
        finally:
            del self._prepare


class StepNumbers:
    """The numbers among a step's operands, asked for anew whenever a recorded step is replayed."""

    __slots__ = ("flags", "given", "group", "known", "optimizer", "params", "settings", "shared", "states")

    def __init__(
        self,
        optimizer: FusedOptimizer,
        group: dict[str, Any],
        params: Sequence[Any],
        flags: tuple[Any, ...],
        shared: bool,
    ) -> None:
        self.optimizer, self.group, self.params, self.flags = optimizer, group, params, flags
        self.shared = shared
        self.states = [optimizer.state[p] for p in params] if optimizer._slots(flags) else None
        self.known: Sequence[Any] = ()
        self.given: Sequence[Any] = ()
        self.settings: list[float] = []

    def holds(self) -> bool:
        """Whether the step is still the same operation; changes nothing."""
        flags, settings = self.optimizer._settings(self.group)
        if len(settings) != len(self.given) or not all(map(is_, settings, self.given)):
            self.settings = [x if type(x) is float else float(x) for x in settings]
            # What is in a tensor may change.
            self.given = settings if all(type(x) is float for x in settings) else ()
        if self.states is not None:
            now = self.optimizer.state.values()
            if len(now) != len(self.known) or not all(map(is_, now, self.known)):
                state_of = self.optimizer.state.get
                if any(state_of(p) is not state for p, state in zip(self.params, self.states, strict=True)):
                    return False  # somebody cleared or replaced it
                self.known = tuple(now)
            if self.shared:
                counts = [_count(state) for state in self.states]
                if counts.count(counts[0]) != len(counts):
                    return False
        return flags == self.flags

    def __call__(self) -> list[float]:
        """Count a step; what :meth:`holds` found goes with it."""
        if self.states is None:
            return self.settings
        numbers: list[float] = []
        prepare, group = self.optimizer._prepare, self.group
        for p, state in zip(self.params, self.states, strict=True):
            numbers.extend(prepare(p, state, group))
        if self.shared:
            del numbers[1:]
        numbers.extend(self.settings)
        return numbers


def _count(state: dict[str, Any]) -> float:
    """The steps a parameter has made."""
    step = state.get("step", 0.0)
    if type(step) is Tensor and type(step._storage) is NumberStorage and step._storage._number is not None:
        return step._storage._number
    return float(step)


def _check_fused(avals: Sequence[Any]) -> None:
    for a in avals:
        if not a.dtype.is_floating_point:
            raise RuntimeError(
                "`fused=True` requires all the params to be floating point Tensors of supported devices: "
                f"{FUSED} but {a.dtype} and {a.device.type}"
            )


def _on(x: Any, where: Any) -> Any:
    """A setting beside the parameters: a tensor of one element may come from the CPU."""
    return x if type(x) is float or x.device is where else x.to(where)


def _operand(x: Any, where: Any) -> Any:
    return x if type(x) is float else value_of(_on(x, where))


def _write(tensor: Any, value: Value) -> None:
    level, modes.level = modes.level, NO_GRAD
    try:
        write(tensor, from_value(value))
    finally:
        modes.level = level


def weak(number: Any) -> Any:
    """A number operand (float64) as one that adapts to the dtype of the array it meets."""
    wide = jnp.asarray(number, jnp.float64).reshape(())
    return convert_element_type_p.bind(wide, new_dtype=np.dtype(np.float64), weak_type=True, sharding=None)


def _plan(
    optimizer: FusedOptimizer,
    flags: tuple[Any, ...],
    avals: tuple[Any, ...],
    counts: Sequence[int],
    each: int,
    kinds: Sequence[Any],
    node: str | None = None,
    *,
    shared: bool = False,
) -> Plan:
    """The operation of a group.

    Args:
        optimizer: whose rule it applies.
        flags: of the rule.
        avals: of parameters, gradients and state tensors.
        counts: state tensors of each parameter.
        each: numbers of each parameter.
        kinds: of the settings: ``float``, or the aval of a tensor.
        node: name of the autograd node, if the step is to have history.
        shared: the numbers of all parameters are the same ones, given once.

    Its operands are parameters, gradients, state tensors (by parameter), numbers (by parameter) and settings;
    its results new parameters and state tensors.
    """
    rule = optimizer._rule(flags)

    def one(*operands: Any) -> tuple[Any, Any]:
        # jax.numpy's functions as Python's: each would be traced by itself for each shape. No rule has loops.
        with jax.disable_jit():
            return _apply(rule, *operands)

    # Parameters of one shape and dtype share a trace, which is written out for each.
    update = jax.jit(one, inline=True)
    arrays, count = len(avals), len(counts)
    given = each if shared else count * each

    def step(*operands: Any) -> tuple[Any, ...]:
        params, gradients = operands[:count], operands[count : 2 * count]
        held = iter(operands[2 * count : arrays])
        numbers = [weak(x) for x in operands[arrays : arrays + given]]
        hyper = tuple(weak(x) for x in operands[arrays + given :])
        new_params, new_state = [], []
        for i, (p, g) in enumerate(zip(params, gradients, strict=True)):
            state = [next(held) for _ in range(counts[i])]
            mine = numbers if shared else numbers[i * each : (i + 1) * each]
            p_new, s_new = update(p, g, state, tuple(mine), hyper)
            new_params.append(p_new)
            new_state.extend(s_new)
        return (*new_params, *new_state)

    title = type(optimizer).__name__ + ".step"
    operands = [*avals, *([float] * given), *kinds]
    return Plan(title, step, operands, device=avals[0].device, node=node, single=False)


def _apply(rule: Rule, p: Any, g: Any, state: Any, numbers: Any, hyper: Any) -> tuple[Any, Any]:
    """One parameter: complex numbers as pairs of reals, half precision in float32."""
    kinds = [x.dtype for x in (p, *state)]
    if jnp.iscomplexobj(p):
        p, g, *state = (_pairs(x) if x.shape == p.shape else x for x in (p, g, *state))
    elif p.dtype in (jnp.float16, jnp.bfloat16):
        p, g, *state = (x.astype(jnp.float32) for x in (p, g, *state))
    elif g.dtype != p.dtype:
        g = g.astype(p.dtype)
    p, state = rule(p, g, tuple(state), numbers, hyper)
    results = [_back(x, kind) for x, kind in zip((p, *state), kinds, strict=True)]
    return results[0], results[1:]


def _pairs(x: Any) -> Any:
    return jnp.stack([x.real, x.imag], -1)


def _back(x: Any, kind: Any) -> Any:
    if jnp.issubdtype(kind, jnp.complexfloating):
        return jax.lax.complex(x[..., 0], x[..., 1])
    return x.astype(kind)


def zeros_like(param: Any, fill: complex = 0.0, shape: tuple[int, ...] | None = None) -> Tensor:
    """State of a parameter's shape (or another), dtype and device."""
    aval = param._aval()
    if shape is not None:
        aval = aval_of(shape, aval.dtype, aval.device)
    value = from_host(
        np.zeros(aval.shape, aval.dtype.numpy) if not fill else np.full(aval.shape, fill, aval.dtype.numpy)
    )
    return from_value(value if aval.device is CPU else to_device(value, aval.device))
