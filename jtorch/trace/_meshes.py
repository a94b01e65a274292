"""What surrounds a call of the engine in JAX: transforms that trace and meshes, and how to leave them.

What is traced within ``shard_map``, ``pmap`` or ``jax.set_mesh`` carries their mesh and holds there alone. So
plans are traced outside of it, and what applies them inside traces their functions anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp

# JAX has no public way to leave a transform or `jax.set_mesh` for a while.
from jax._src import config, core
from jax._src.mesh import empty_abstract_mesh
from jax.extend.core import get_opaque_trace_state
from jax.sharding import get_abstract_mesh, reshard

__all__ = [
    "beside_meshes",
    "in_no_mesh",
    "in_no_transform",
    "outside_meshes",
    "outside_transforms",
    "pull_back",
]

_CLEAN = get_opaque_trace_state()


def in_no_transform() -> bool:
    """Whether JAX is not tracing."""
    return bool(get_opaque_trace_state() == _CLEAN)


def in_no_mesh() -> bool:
    """Whether JAX traces outside of meshes, as a trace that was made there needs it."""
    return get_abstract_mesh() is empty_abstract_mesh


@contextmanager
def outside_meshes() -> Iterator[None]:
    """For tracing what shall hold everywhere, with 64-bit types."""
    mesh = config.abstract_mesh_context_manager.swap_local(config.config_ext.unset)
    if not in_no_mesh():  # one of the whole process
        config.abstract_mesh_context_manager.set_local(empty_abstract_mesh)
    try:
        with jax.enable_x64(True):
            yield
    finally:
        config.abstract_mesh_context_manager.set_local(mesh)


@contextmanager
def outside_transforms() -> Iterator[None]:
    """For running programs of one device now, with 64-bit types, whatever JAX is tracing."""
    devices = config.device_context.swap_local(None)
    try:
        with outside_meshes(), core.set_current_trace(core.eval_trace):
            yield
    finally:
        config.device_context.set_local(devices)


def beside_meshes() -> Any:
    """For running a program of one device where JAX does not trace, but maybe in ``jax.set_mesh``."""
    return jax.enable_x64(True) if in_no_mesh() else outside_transforms()


def pull_back(function: Callable[..., Any], primals: Sequence[Any], cotangents: Sequence[Any]) -> Any:
    """The gradients of a function of several results within a mesh.

    Inside ``shard_map`` they are each device's own: JAX adds up over devices what belongs to an operand that
    is the same on all, but here an operand that the gradient does not read may have been left out, and looks
    like one.
    """
    results, pull = jax.vjp(lambda *x: [_own(r) for r in function(*x)], *map(_own, primals))
    return pull([_own(_placed(c, r)) for c, r in zip(cotangents, results, strict=True)])


def _own(array: Any) -> Any:
    """An array that may differ from device to device where a function is mapped over them."""
    for axis in get_abstract_mesh().manual_axes:
        here = jax.lax.axis_index(axis)
        # A choice varies where its condition does; XLA knows that this one is false.
        array = jnp.where(here != here, 0, array)
    return array


def _placed(array: Any, other: Any) -> Any:
    """An array that is spread as the other one is, in a mesh where that is part of types."""
    wanted = jax.typeof(other).sharding
    return array if jax.typeof(array).sharding == wanted else reshard(array, wanted)
