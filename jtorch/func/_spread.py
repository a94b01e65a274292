"""Functions inside of transforms that ``jax.shard_map`` spreads over several devices."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import jax
from jax.extend.core import ClosedJaxpr, Jaxpr
from jax.sharding import AbstractMesh, NamedSharding, PartitionSpec

__all__ = ["mesh_of", "run_on_mesh"]

MAX_PROGRAMS = 64
_programs: OrderedDict[Any, Any] = OrderedDict()


def mesh_of(jaxpr: Any) -> Any:
    """The mesh of several devices that something in a jaxpr is spread over; ``None``: there is none."""
    for equation in jaxpr.eqns:
        if equation.primitive.name == "shard_map":
            mesh = equation.params["mesh"]
            if mesh.size > 1:
                return jax.sharding.get_mesh() if isinstance(mesh, AbstractMesh) else mesh
        for x in equation.params.values():
            for part in x if isinstance(x, tuple | list) else (x,):
                if isinstance(part, ClosedJaxpr | Jaxpr):
                    found = mesh_of(part.jaxpr if isinstance(part, ClosedJaxpr) else part)
                    if found is not None:
                        return found
    return None


def run_on_mesh(jaxpr: Any, text: str, count: int, arrays: Sequence[Any], mesh: Any) -> list[Any]:
    """Run a program now, on all devices of a mesh; the trace's programs run on one.

    Args:
        jaxpr: the program.
        text: of the program, by which the compiled one is found again.
        count: of its arguments, which come first among the arrays; its constants follow.
        arrays: those on other devices than the mesh's go to each of these.
        mesh: what it is spread over.
    """
    key = text, mesh, tuple((a.shape, a.dtype) for a in arrays)
    program = _programs.get(key)
    if program is None:

        def fn(*arrays: Any) -> list[Any]:
            return list(jax.core.eval_jaxpr(jaxpr, arrays[count:], *arrays[:count]))

        program = _programs[key] = jax.jit(fn)
        if len(_programs) > MAX_PROGRAMS:
            _programs.popitem(last=False)
    everywhere = NamedSharding(mesh, PartitionSpec())
    with jax.enable_x64(True):
        placed = [
            a if a.sharding.device_set == everywhere.device_set else jax.device_put(a, everywhere)
            for a in arrays
        ]
        return list(program(*placed))
