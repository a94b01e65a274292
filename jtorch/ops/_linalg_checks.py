"""Checks shared by linear algebra, with PyTorch's texts."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from jtorch.ops._checks import kind, not_implemented, scalar_type

__all__ = ["check_exact", "check_floating", "check_kernel", "check_matrix", "check_square", "is_half"]


def is_half(x: Any) -> bool:
    """Whether a type has fewer than 32 bits, too few for LAPACK."""
    return x.dtype in (jnp.float16, jnp.bfloat16)


def check_floating(op: str, x: Any) -> None:
    """Integers and bool have no factorizations or norms."""
    if kind(x) in "bi":
        raise RuntimeError(
            f"{op}: Expected a floating point or complex tensor as input. Got {scalar_type(x)}"
        )


def check_exact(op: str, x: Any) -> None:
    """Neither integers nor half precision."""
    check_floating(op, x)
    if is_half(x):
        raise RuntimeError(f"{op}: Low precision dtypes not supported. Got {scalar_type(x)}")


def check_kernel(kernel: str, x: Any) -> None:
    """A LAPACK routine exists for the type."""
    if kind(x) in "bi" or is_half(x):
        raise not_implemented(kernel, x)


def check_matrix(op: str, x: Any, name: str = "A") -> None:
    """At least 2 dims."""
    if x.ndim < 2:
        raise RuntimeError(f"{op}: The input tensor {name} must have at least 2 dimensions.")


def check_square(op: str, x: Any, name: str = "A") -> None:
    """The last two sizes are equal."""
    check_matrix(op, x, name)
    if x.shape[-1] != x.shape[-2]:
        raise RuntimeError(
            f"{op}: {name} must be batches of square matrices, but they are {x.shape[-2]} by {x.shape[-1]} "
            "matrices"
        )
