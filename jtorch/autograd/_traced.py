"""Custom functions inside JAX's transforms: their own derivatives, as rules that JAX follows."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jtorch.dispatch import GRAD, NO_GRAD, modes
from jtorch.tensor import Tensor
from jtorch.tensor._core import from_value
from jtorch.tensor._custom import Saved, connect
from jtorch.trace import TracedValue, from_jax

__all__ = ["apply_traced", "is_traced"]


def is_traced(x: Any) -> bool:
    """Whether a tensor's contents are a tracer."""
    return isinstance(x, Tensor) and type(x._storage.value) is TracedValue


def _conjugate(x: Any) -> Any:
    """PyTorch's gradients of complex tensors are the conjugates of JAX's."""
    return jnp.conj(x) if jnp.iscomplexobj(x) else x


class _Level:
    __slots__ = ("inner", "outer")

    def __init__(self, inner: int) -> None:
        self.inner = inner

    def __enter__(self) -> None:
        self.outer, modes.level = modes.level, self.inner

    def __exit__(self, *_: object) -> None:
        modes.level = self.outer


class _Traced:
    """One call of a function as a function of the tracers among its arguments.

    Attributes:
        places: of the tracers among the arguments.
        output: what ``forward`` returned last; ``node``: the ``ctx`` of the last ``setup_context``.
    """

    def __init__(self, cls: Any, args: tuple[Any, ...]) -> None:
        self.cls, self.args = cls, args
        self.places = [i for i, x in enumerate(args) if is_traced(x)]
        self.output: Any = None
        self.node: Any = None

    def given(self, arrays: Any) -> list[Any]:
        """The arguments, with other contents."""
        args = list(self.args)
        for i, a in zip(self.places, arrays, strict=True):
            args[i] = from_value(from_jax(a, args[i].device))
        return args

    def forward(self, *arrays: Any) -> tuple[Any, ...]:
        """The tensors among the results, as arrays."""
        with _Level(NO_GRAD):
            self.output = self.cls.forward(*self.given(arrays))
        results = self.output if isinstance(self.output, tuple) else (self.output,)
        return tuple(r.jax() for r in results if isinstance(r, Tensor))

    def rebuilt(self, arrays: Any) -> Any:
        """The results, with these contents of the tensors."""
        several = isinstance(self.output, tuple)
        left = iter(arrays)
        made = tuple(
            from_value(from_jax(next(left), r.device)) if isinstance(r, Tensor) else r
            for r in (self.output if several else (self.output,))
        )
        return made if several else made[0]

    def set_up(self, arrays: Any, results: Any) -> Any:
        """``ctx`` after ``setup_context``, and the arguments and results that it saw."""
        node = self.cls._backward_cls()
        args = self.given(arrays)
        node.needs_input_grad = tuple(
            is_traced(x) and (x.is_floating_point() or x.is_complex()) for x in args
        )
        output = self.rebuilt(results)
        with _Level(GRAD):
            self.cls.setup_context(node, tuple(args), output)
        connect(node, args, output if isinstance(output, tuple) else (output,))
        return node

    def backward(self, saved: Any, cotangents: Any) -> tuple[Any, ...]:
        """Gradients of the tracers from those of the results."""
        node = self.node
        node._saved = [
            None if a is None else Saved(from_value(from_jax(a, self.args[self.places[0]].device)), -1)
            for a in saved
        ]
        node.edges = [(None, 0)] * len(node.places)
        left = iter(cotangents)
        given: list[Any] = []
        for aval in node.made:
            ct = None if aval is None else next(left)
            real = ct is not None and ct.dtype != jax.dtypes.float0
            given.append(from_value(from_jax(_conjugate(ct), aval.device)) if real else None)
        with _Level(GRAD):
            found = dict(zip(node.places, node.backward(given, True, True), strict=True))
        return tuple(self._cotangent(i, found[i]) for i in self.places)

    def _cotangent(self, place: int, gradient: Any) -> Any:
        x = self.args[place].jax()
        if not jnp.issubdtype(x.dtype, jnp.inexact):
            return jnp.zeros(x.shape, jax.dtypes.float0)
        return jnp.zeros(x.shape, x.dtype) if gradient is None else _conjugate(gradient.jax())

    def tangents(self, arrays: Any, results: Any, tangents: Any) -> tuple[Any, ...]:
        """Tangents of the results from those of the tracers, by the function's ``jvp``."""
        node = self.set_up(arrays, results)
        node._saved = [None if t is None else Saved(t, -1) for t in node.saved_for_forward or node.to_save]
        given: list[Any] = [None] * len(self.args)
        for i, t in zip(self.places, tangents, strict=True):
            given[i] = None if t.dtype == jax.dtypes.float0 else from_value(from_jax(t, self.args[i].device))
        with _Level(GRAD):
            made = self.cls.jvp(node, *given)
        made = made if isinstance(made, tuple) else (made,)
        return tuple(
            (jnp.zeros_like(r) if t is None else t.jax())
            if jnp.issubdtype(r.dtype, jnp.inexact)
            else jnp.zeros(r.shape, jax.dtypes.float0)
            for r, t in zip(results, made, strict=True)
        )


def apply_traced(cls: Any, args: tuple[Any, ...], *, backward: bool) -> Any:
    """Call a function on tracers, so that JAX differentiates it by the function's own rule.

    Args:
        cls: the function.
        args: of its ``forward``.
        backward: by its ``backward``; else by its ``jvp``.
    """
    call = _Traced(cls, args)
    if backward:
        rule = jax.custom_vjp(call.forward)

        def forward(*arrays: Any) -> Any:
            results = rule(*arrays)
            call.node = call.set_up(arrays, results)
            return results, [None if t is None else t.jax() for t in call.node.to_save]

        rule.defvjp(forward, call.backward)
        results = rule(*(args[i].jax() for i in call.places))
    else:
        forwards = jax.custom_jvp(call.forward)

        @forwards.defjvp
        def derivative(primals: Any, tangents: Any) -> Any:
            results = forwards(*primals)
            return results, call.tangents(primals, results, tangents)

        results = forwards(*(args[i].jax() for i in call.places))
    return call.rebuilt(results)
