"""Custom functions inside JAX's transforms: their own derivatives, as rules that JAX follows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jtorch.dispatch import GRAD, NO_GRAD, modes
from jtorch.tensor import Tensor
from jtorch.tensor._core import from_value
from jtorch.tensor._custom import Saved, connect
from jtorch.tensor._duals import tangent_of
from jtorch.trace import TracedValue, from_jax
from jtorch.utils._pytree import tree_flatten
from jtorch.utils._pytree._functions import _broadcast_to_and_flatten

__all__ = ["apply_traced", "check_batchable", "is_traced"]


def is_traced(x: Any) -> bool:
    """Whether a tensor's contents are a tracer."""
    return isinstance(x, Tensor) and type(x._storage.value) is TracedValue


def _is_followed(x: Any) -> bool:
    """Whether a derivative may lead to a tensor."""
    return isinstance(x, Tensor) and (is_traced(x) or x._tracked or tangent_of(x) is not None)


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
    """One call of a function as a function of some of its arguments, of the tracers for JAX.

    Attributes:
        places: of these arguments.
        output: what ``forward`` returned last; ``node``: the ``ctx`` of the last ``setup_context``.
    """

    def __init__(self, cls: Any, args: tuple[Any, ...], takes: Any) -> None:
        self.cls, self.args = cls, args
        self.places = [i for i, x in enumerate(args) if takes(x)]
        self.output: Any = None
        self.node: Any = None

    def given(self, arrays: Any) -> list[Any]:
        """The arguments, with other contents."""
        return self.placed(
            [from_value(from_jax(a, self.args[i].device)) for i, a in zip(self.places, arrays, strict=True)]
        )

    def placed(self, tensors: Sequence[Tensor]) -> list[Any]:
        """The arguments, with these tensors in the places of the tracers."""
        args = list(self.args)
        for i, t in zip(self.places, tensors, strict=True):
            args[i] = t
        return args

    # ---- the user's code, on tensors

    def call(self, args: Sequence[Any]) -> list[Tensor]:
        """Run ``forward``; the tensors among its results."""
        with _Level(NO_GRAD):
            self.output = self.cls.forward(*args)
        results = self.output if isinstance(self.output, tuple) else (self.output,)
        return [r for r in results if isinstance(r, Tensor)]

    def context(self, args: Sequence[Any], output: Any, needs: Sequence[bool]) -> Any:
        """``ctx`` after ``setup_context``.

        Args:
            args: the arguments.
            output: as ``forward`` returned it, of other tensors.
            needs: whether each argument has a gradient.
        """
        node = self.cls._backward_cls()
        node.needs_input_grad = tuple(needs)
        with _Level(GRAD):
            self.cls.setup_context(node, tuple(args), output)
        connect(node, args, output if isinstance(output, tuple) else (output,))
        return node

    def pull(self, node: Any, saved: Sequence[Any], cotangents: Sequence[Any]) -> list[Any]:
        """Run ``backward``; the gradients of the arguments at ``places``.

        Args:
            node: the ``ctx``.
            saved: tensors for ``ctx.saved_tensors``.
            cotangents: one per result, ``None`` where there is none.
        """
        node._saved = [None if t is None else Saved(t, -1) for t in saved]
        node.edges = [(None, 0)] * len(node.places)
        with _Level(GRAD):
            found = dict(zip(node.places, node.backward(cotangents, True, True), strict=True))
        return [found[i] for i in self.places]

    def push(self, node: Any, tangents: Sequence[Any]) -> tuple[Any, ...]:
        """Run ``jvp``; the tangents of the results. ``tangents``: of the arguments at ``places``."""
        node._saved = [None if t is None else Saved(t, -1) for t in node.saved_for_forward or node.to_save]
        given: list[Any] = [None] * len(self.args)
        for i, t in zip(self.places, tangents, strict=True):
            given[i] = t
        with _Level(GRAD):
            made = self.cls.jvp(node, *given)
        return made if isinstance(made, tuple) else (made,)

    # ---- the same on arrays

    def forward(self, *arrays: Any) -> tuple[Any, ...]:
        """The tensors among the results, as arrays."""
        return tuple(r.jax() for r in self.call(self.given(arrays)))

    def rebuilt(self, tensors: Sequence[Tensor]) -> Any:
        """The results, with other tensors."""
        several = isinstance(self.output, tuple)
        left = iter(tensors)
        made = tuple(
            next(left) if isinstance(r, Tensor) else r for r in (self.output if several else (self.output,))
        )
        return made if several else made[0]

    def wrapped(self, arrays: Any) -> list[Tensor]:
        """Results as tensors."""
        results = self.output if isinstance(self.output, tuple) else (self.output,)
        places = [r.device for r in results if isinstance(r, Tensor)]
        return [from_value(from_jax(a, where)) for a, where in zip(arrays, places, strict=True)]

    def set_up(self, arrays: Any, results: Any) -> Any:
        """``ctx`` after ``setup_context``, and the arguments and results that it saw."""
        args = self.given(arrays)
        needs = [is_traced(x) and (x.is_floating_point() or x.is_complex()) for x in args]
        return self.context(args, self.rebuilt(self.wrapped(results)), needs)

    def backward(self, saved: Any, cotangents: Any) -> tuple[Any, ...]:
        """Gradients of the tracers from those of the results."""
        node, where = self.node, self.args[self.places[0]].device
        left = iter(cotangents)
        given: list[Any] = []
        for aval in node.made:
            ct = None if aval is None else next(left)
            real = ct is not None and ct.dtype != jax.dtypes.float0
            given.append(from_value(from_jax(_conjugate(ct), aval.device)) if real else None)
        tensors = [None if a is None else from_value(from_jax(a, where)) for a in saved]
        found = self.pull(node, tensors, given)
        return tuple(self._cotangent(i, g) for i, g in zip(self.places, found, strict=True))

    def _cotangent(self, place: int, gradient: Any) -> Any:
        aval = self.args[place]._aval()
        if not jnp.issubdtype(aval.dtype.numpy, jnp.inexact):
            return jnp.zeros(aval.shape, jax.dtypes.float0)
        return jnp.zeros(aval.shape, aval.dtype.numpy) if gradient is None else _conjugate(gradient.jax())

    def tangents(self, arrays: Any, results: Any, tangents: Any) -> tuple[Any, ...]:
        """Tangents of the results from those of the tracers, by the function's ``jvp``."""
        given = [
            None if t.dtype == jax.dtypes.float0 else from_value(from_jax(t, self.args[i].device))
            for i, t in zip(self.places, tangents, strict=True)
        ]
        made = self.push(self.set_up(arrays, results), given)
        return tuple(
            (jnp.zeros_like(r) if t is None else t.jax())
            if jnp.issubdtype(r.dtype, jnp.inexact)
            else jnp.zeros(r.shape, jax.dtypes.float0)
            for r, t in zip(results, made, strict=True)
        )

    def with_rule(self, forwards: bool, inner: Any = None) -> Any:
        """The function of arrays, with the user's rule for its derivative.

        Args:
            forwards: the rule is ``jvp``, not ``backward``.
            inner: the function with the rules for derivatives of that derivative; itself by default.
        """
        forward = self.forward if inner is None else inner
        if forwards:
            rule = jax.custom_jvp(forward)

            @rule.defjvp
            def derivative(primals: Any, tangents: Any) -> Any:
                results = (inner or rule)(*primals)
                return results, self.tangents(primals, results, tangents)

            return rule
        other = jax.custom_vjp(forward)

        def first(*arrays: Any) -> Any:
            results = (inner or other)(*arrays)
            self.node = self.set_up(arrays, results)
            return results, [None if t is None else t.jax() for t in self.node.to_save]

        other.defvjp(first, self.backward)
        return other

    def rule(self, derivatives: Sequence[bool], backward: bool) -> Any:
        """The function of arrays, with the user's rules for all its derivatives.

        Args:
            derivatives: that are taken, innermost last, as in ``modes``.
            backward: the rule that counts where none is.
        """
        if not derivatives:
            return self.with_rule(not backward)
        # The rule of a transform is differentiated by those around it.
        made = self.forward
        for forwards in derivatives:
            made = self.with_rule(forwards, made)
        return made

    def batchable(self) -> Any:
        """:meth:`forward` with the function's own rule for batches."""
        rule = jax.custom_batching.custom_vmap(self.forward)
        mapped = modes.mapped  # JAX may call the rule when the transforms are over: where it differentiates

        @rule.def_vmap
        def batch(size: int, batched: Any, *arrays: Any) -> Any:
            outer, modes.mapped = modes.mapped, mapped[:-1]
            try:
                return self.batch(VmapInfo(size, mapped[-1].randomness), batched, arrays)
            finally:
                modes.mapped = outer

        return rule

    def batch(self, info: VmapInfo, batched: Sequence[bool], arrays: Any) -> tuple[tuple[Any, ...], Any]:
        """Results for a batch by the user's ``vmap``, and which of them are batches.

        Raises:
            RuntimeError: it does not return what it should.
        """
        dims: list[Any] = [None] * len(self.args)
        for i, b in zip(self.places, batched, strict=True):
            dims[i] = 0 if b else None
        made = self.cls.vmap(info, tuple(dims), *self.given(arrays))
        if not isinstance(made, tuple) or len(made) != 2:
            raise RuntimeError(
                "Expected the vmap staticmethod to have two returns, an output and out_dims with pytree "
                f"structure compatible with the output. Got a {type(made)} instead"
            )
        self.output, out_dims = made
        leaves, spec = tree_flatten(self.output)
        places = _broadcast_to_and_flatten(out_dims, spec)
        if places is None:
            raise RuntimeError(
                "The autograd.Function's vmap staticmethod returned an incompatible (output, out_dims) "
                f"tuple. Expected out_dims={out_dims} to be compatible with the structure of `output`. "
                f"out_dims has structure {tree_flatten(out_dims)[1]} but output has structure {spec}. {_MORE}"
            )
        found = [(x.jax(), d) for x, d in zip(leaves, places, strict=True) if isinstance(x, Tensor)]
        return (
            tuple(x if d is None else jnp.moveaxis(x, d, 0) for x, d in found),
            tuple(d is not None for _, d in found),
        )


class VmapInfo(NamedTuple):
    """What the ``vmap`` of a function is told: the size of the batch, and how random functions behave."""

    batch_size: int
    randomness: str


_MORE = "For more details, please see https://pytorch.org/docs/main/notes/extending.func.html"


def check_batchable(name: str, own: bool, generated: bool) -> None:
    """Refuse to apply a function to batches that has no rule for it, or two.

    Args:
        name: of the function.
        own: it defines ``vmap``.
        generated: it wants the rule to be derived.

    Raises:
        RuntimeError: it is so.
    """
    if own is generated:
        raise RuntimeError(
            f"You tried to vmap over {name}, but it "
            + (
                "has both generate_vmap_rule=True and an overridden vmap staticmethod. Please set "
                "generate_vmap_rule=False or delete the overridden vmap staticmethod to avoid ambiguity. "
                if own
                else "does not have vmap support. Please override and implement the vmap staticmethod or "
                "set generate_vmap_rule=True. "
            )
            + _MORE
        )


def apply_traced(cls: Any, args: tuple[Any, ...], *, backward: bool) -> Any:
    """Call a function on tracers, so that JAX follows the function's own rules.

    Args:
        cls: the function.
        args: of its ``forward``.
        backward: it has a ``backward``, which is its rule where JAX alone knows what derivative is taken.
    """
    own = modes.mapped and not cls.generate_vmap_rule
    if modes.captured is not None and not own:
        call = _Traced(cls, args, _is_followed)
        made = modes.captured.note_call(call, backward)
        if made is not None:
            return call.rebuilt(made)
    call = _Traced(cls, args, is_traced)
    if own:
        call.forward = call.batchable()  # type: ignore[method-assign]
    rule = call.rule(modes.derivatives, backward)
    return call.rebuilt(call.wrapped(rule(*(args[i].jax() for i in call.places))))
