"""Any optax transformation as an optimizer of a PyTorch loop."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from typing import Any

import jax
import optax

from jtorch.devices import META
from jtorch.dispatch import Plan
from jtorch.optim._fused import _write, zeros_like
from jtorch.optim.optimizer import Optimizer
from jtorch.tensor import Tensor
from jtorch.tensor._autograd import enable_grad
from jtorch.tensor._core import from_value, value_of
from jtorch.trace import Aval, Value, computed, from_jax, record

__all__ = ["Optax"]


def _wide(avals: Iterable[Aval]) -> bool:
    """Whether a step uses JAX's 64-bit types: some operand has one, or the user switched them on."""
    return any(a.dtype.itemsize > 4 + 4 * a.dtype.is_complex for a in avals) or bool(
        jax.config.read("jax_enable_x64")
    )


def _is_key(x: Any) -> bool:
    return jax.numpy.issubdtype(x.dtype, jax.dtypes.prng_key)


def _looks(x: Any) -> bool:
    return isinstance(x, optax.LookaheadState)


def _begin(transformation: Any, arrays: list[Any]) -> Any:
    """The transformation's state, without lookahead's warning that it is given fast weights alone."""
    log = logging.getLogger("absl")
    before, log.disabled = log.disabled, True
    try:
        return transformation.init(arrays)
    finally:
        log.disabled = before


def _takes(function: Any, name: str) -> bool:
    """Whether a function has an argument of this name or takes any."""
    found = inspect.signature(function).parameters
    return name in found or any(p.kind is p.VAR_KEYWORD for p in found.values())


class _Extras:
    """What ``update`` takes besides, as operands of the step.

    Attributes:
        operands: values and numbers.
        key: what else decides on the program.
        build: makes the arguments of arrays for the operands, and of the gradients.
    """

    def __init__(self, extra_args: dict[str, Any], params: list[Tensor], update: Any) -> None:
        self.operands: list[Any] = []
        parts: dict[str, Any] = {}
        functions: dict[str, Any] = {}
        keys: list[Any] = []
        for name, x in extra_args.items():
            start = len(self.operands)
            if callable(x) and not isinstance(x, Tensor):
                noted, single = _noted(name, x, params)
                self.operands += [value_of(r) if isinstance(r, Tensor) else r for r in noted.rest]
                functions[name] = noted.call, single, slice(start, len(self.operands))
                keys.append((name, noted.key, single))
            else:
                leaves, tree = jax.tree.flatten(x, is_leaf=lambda leaf: isinstance(leaf, Tensor))
                self.operands += [value_of(t.detach()) if isinstance(t, Tensor) else t for t in leaves]
                parts[name] = tree, slice(start, len(self.operands))
                keys.append((name, tree))
        self.key = tuple(keys)

        def build(others: Sequence[Any], gradients: list[Any]) -> dict[str, Any]:
            made = {name: jax.tree.unflatten(tree, others[at]) for name, (tree, at) in parts.items()}
            for name, (call, single, at) in functions.items():
                made[name] = _function(call, single, others[at])
            return {"grad": gradients, **made} if functions and _takes(update, "grad") else made

        self.build = build


def _noted(name: str, function: Callable[..., Any], params: list[Tensor]) -> tuple[Any, bool]:
    """A function of the parameters as a function of arrays; whether it returns one tensor."""
    required = [
        p for p in inspect.signature(function).parameters.values()
        if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]  # fmt: skip
    if len(required) != 1:
        raise NotImplementedError(
            f"Optax.step({name}=...): a function of {len(required)} arguments; it is given the list of "
            "parameters alone, and may use tensors from outside"
        )
    # Functions are noted by a layer above this one, which loads when it is needed.
    return import_module("jtorch.func._noting").noted(function, params)  # type: ignore[no-any-return]


def _function(call: Any, single: bool, rest: Sequence[Any]) -> Callable[..., Any]:
    def function(params: Any, *_: Any, **__: Any) -> Any:
        made = call([*params, *rest])
        return made[0] if single else list(made)

    return function


class Optax(Optimizer):
    """An optax ``GradientTransformation`` with PyTorch's way of use; a step is one recorded operation.

    Parameters without a gradient count as having a gradient of zeros. The transformation sees the list of
    parameters, so labels and masks are lists, too. Its state is in ``state_dict()["state"]``, one tensor per
    array, in the order of its leaves; a random key is the tensor of its numbers. The slow weights of
    ``optax.lookahead`` are the last leaves.

    Args:
        params: tensors to optimize, in one group.
        transformation: any of optax's, learning rate included: ``optax.lion(1e-4)``, ``optax.chain(...)``.
            What it needs besides gradients is given to :meth:`step`.

    Raises:
        ValueError: a second group.

    Example:
        >>> import jtorch, optax
        >>> w = jtorch.nn.Parameter(jtorch.ones(2))
        >>> optimizer = jtorch.optim.Optax([w], optax.sgd(0.5))
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> w.tolist()
        [0.0, 0.0]
    """

    def __init__(self, params: Any, transformation: optax.GradientTransformation) -> None:
        super().__init__(params, {})
        self.transformation = optax.with_extra_args_support(transformation)
        self._wants_loss = _takes(self.transformation.update, "value")
        self._tree: Any = None
        self._keys: list[Any] = []
        self._slow = False
        self._plan: Any = None
        self._key: Any = None

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        if self.param_groups:
            raise ValueError("Optax takes one group of parameters; use optax.multi_transform for several")
        super().add_param_group(param_group)

    def _start(self, params: list[Tensor]) -> None:
        """The transformation's first state."""
        arrays = [computed(value_of(p)) for p in params]
        with jax.enable_x64(_wide(value_of(p).aval for p in params)):
            state: Any = _begin(self.transformation, arrays)
            self._slow = any(
                isinstance(x, optax.LookaheadState) for x in jax.tree.leaves(state, is_leaf=_looks)
            )
            if self._slow:
                state = state, arrays
            leaves, self._tree = jax.tree.flatten(state)
            leaves = [jax.numpy.asarray(x) for x in leaves]
        self._keys = [jax.random.key_impl(x) if _is_key(x) else None for x in leaves]
        where = params[0].device
        if "leaves" not in self.state:
            plain = [jax.random.key_data(x) if _is_key(x) else x for x in leaves]
            self.state["leaves"] = [from_value(from_jax(x, where)) for x in plain]

    def step(self, closure: Callable[[], Any] | None = None, **extra_args: Any) -> Any:
        """Change every parameter.

        Args:
            closure: computes the loss anew and returns it; the transformation gets it as ``value``.
            **extra_args: what the transformation's ``update`` takes besides (``optax.lbfgs``: ``value`` and
                ``value_fn``): tensors, numbers, lists of these, and functions of the list of parameters that
                return a tensor or a list of tensors. ``grad`` is given by itself where there is a function.

        Returns:
            What ``closure`` returned.

        Raises:
            NotImplementedError: a function of more than the parameters; let it use tensors from outside.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        params = self.param_groups[0]["params"]
        if all(p._grad is None for p in params) or params[0].device is META:
            return loss
        if self._tree is None:
            self._start(params)
        if self._wants_loss and isinstance(loss, Tensor):
            extra_args.setdefault("value", loss)
        extras = _Extras(extra_args, params, self.transformation.update)
        values = [value_of(p) for p in params]
        gradients = [value_of(zeros_like(p) if p._grad is None else p._grad) for p in params]
        state = self.state["leaves"]
        operands = [*values, *gradients, *(value_of(t) for t in state), *extras.operands]
        kinds = tuple([v.aval if isinstance(v, Value) else type(v) for v in operands])
        key = kinds, extras.key
        if self._plan is None or self._key != key:
            self._plan, self._key = self._make_plan(kinds, len(params), len(state), extras.build), key
        made = record(self._plan.signature, operands)
        if self._plan.signature.single is not None:
            made = [made]
        del values, gradients, operands, extras
        for tensor, value in zip((*params, *state), made, strict=True):
            _write(tensor, value)
        return loss

    def _make_plan(
        self, kinds: tuple[Any, ...], count: int, held: int, build: Callable[..., dict[str, Any]]
    ) -> Plan:
        """The step as one operation: of parameters, gradients, ``held`` state arrays, further arguments."""
        transformation, tree, keys, slow = self.transformation, self._tree, self._keys, self._slow
        wide = _wide(k for k in kinds if isinstance(k, Aval))

        def update(*operands: Any) -> tuple[Any, ...]:
            params, gradients = list(operands[:count]), list(operands[count : 2 * count])
            before, others = operands[2 * count : 2 * count + held], operands[2 * count + held :]
            leaves = [
                x if kind is None else jax.random.wrap_key_data(x, impl=kind)
                for x, kind in zip(before, keys, strict=True)
            ]
            # What optax makes of Python's numbers is as narrow as where it is used without jtorch.
            with jax.enable_x64(wide):
                state, given = jax.tree.unflatten(tree, leaves), params
                if slow:
                    given = optax.LookaheadParams(fast=params, slow=state[1])
                extras = build(others, gradients)
                updates, new = transformation.update(gradients, state[0] if slow else state, given, **extras)
                after: Any = optax.apply_updates(given, updates)
                if slow:
                    after, new = after.fast, (new, after.slow)
                made = [
                    jax.random.key_data(x) if _is_key(x) else jax.numpy.asarray(x).astype(old.dtype)
                    for x, old in zip(jax.tree.leaves(new), before, strict=True)
                ]
            return (*after, *made)

        return Plan("Optax.step", update, kinds, device=kinds[0].device, node=None, single=False)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        # Counts keep their integer dtype.
        self.state["leaves"] = list(state_dict["state"].get("leaves", []))
        if not self.state["leaves"]:
            del self.state["leaves"]
        self._tree = self._plan = None
