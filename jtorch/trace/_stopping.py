"""Operations that derivatives do not go through."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jax.lax import stop_gradient

from jtorch.trace._graph import Signature
from jtorch.trace._value import Aval

__all__ = ["detaching", "forwards_only", "stop_gradient", "stopped", "stops"]

#: The identity, whose derivative is the identity forwards and zero backwards.
_forwards_p = Primitive("forwards_only")
_forwards_p.def_impl(lambda x: x)
_forwards_p.def_abstract_eval(lambda x: x)
mlir.register_lowering(_forwards_p, lambda context, x: [x])
batching.defvectorized(_forwards_p)
ad.deflinear2(_forwards_p, lambda cotangent, x: [ad.Zero(x.aval)])


def forwards_only(array: Any) -> Any:
    """An array that no gradient flows through; forward derivatives do, as in PyTorch's ``no_grad``."""
    return _forwards_p.bind(array) if jnp.issubdtype(array.dtype, jnp.inexact) else array


@functools.cache
def stopped(signature: Signature, stop: Callable[[Any], Any]) -> Signature:
    """An operation with :func:`stop_gradient` or :func:`forwards_only` behind it."""

    def fn(*arrays: Any) -> tuple[Any, ...]:
        return tuple(map(stop, signature.fn(*arrays)))

    made = Signature(signature.name, fn, signature.operands, signature.outputs)
    _stopping.add(made.id)
    return made


#: numbers of the signatures that :func:`stopped` made
_stopping: set[int] = set()


def stops(signature: Signature) -> bool:
    """Whether no gradient goes through an operation."""
    return signature.id in _stopping


@functools.cache
def detaching(aval: Aval, stop: Callable[[Any], Any] = stop_gradient) -> Signature:
    """The identity that no derivative goes through."""
    return stopped(Signature("detach", lambda x: (x,), (aval,), (aval,)), stop)
