"""Kernels of convolutions that are laid out as XLA wants them before a program runs, not in each run.

XLA compiles a loop for the transposition of each shape of kernel (about 35 ms) and passes over the weights in
every run. Programs that are only applied are given the same weights again and again: theirs are packed once,
on the host, for as long as the weights live, which takes their memory twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from weakref import ref

import jax
import numpy as np
from jax.extend.core import Literal

from jtorch.trace._channels_last import PACKED, branch, convolves, jaxpr_of
from jtorch.trace._graph import Signature, series
from jtorch.trace._value import Aval

__all__ = ["kernels", "packed"]


def kernels(body: Sequence[tuple[Signature, Sequence[int]]], live: Sequence[int]) -> list[int]:
    """Leaves that a program may be given in XLA's order: weights of convolutions and nothing else.

    Programs that are only applied have such leaves, where the same weights come again and again. If a result
    that the program itself reads is wanted, too, somebody has kept it, most likely a backward, and the next
    call comes with other weights.
    """
    uses: dict[int, bool] = {}
    wanted = set(live)
    for signature, slots in body:
        for place, slot in enumerate(slots):
            if slot >= 0:
                if slot in wanted:
                    return []
            elif (kind_and_index := series(slot))[0] == 0:
                leaf = kind_and_index[1]
                uses[leaf] = uses.get(leaf, True) and is_kernel(signature, place)
    return [leaf for leaf, only in uses.items() if only]


_kernels: dict[tuple[int, int], bool] = {}


def is_kernel(signature: Signature, place: int) -> bool:
    """Whether an operand of an operation is the kernel of a convolution over images, and only that."""
    key = signature.id, place
    found = _kernels.get(key)
    if found is None:
        found = _kernels[key] = False
        aval = signature.operands[place]
        if isinstance(aval, Aval) and len(aval.shape) == 4 and aval.size and convolves(signature):
            jaxpr = jaxpr_of(signature).jaxpr
            found = _kernels[key] = convolved(jaxpr, jaxpr.invars[place])
    return found


def convolved(jaxpr: Any, kernel: Any) -> bool:
    """Whether all that a jaxpr does with a variable is to convolve images with it."""
    platforms: dict[Any, Any] = {}
    seen = False
    for eqn in jaxpr.eqns:
        name, params = eqn.primitive.name, eqn.params
        if name == "platform_index":
            platforms[eqn.outvars[0]] = params["platforms"]
        places = [i for i, v in enumerate(eqn.invars) if v is kernel]
        if not places:
            continue
        if name == "conv_general_dilated":
            numbers = params["dimension_numbers"]
            if places != [1] or numbers.rhs_spec != (0, 1, 2, 3) or len(numbers.out_spec) != 4:
                return False
        else:
            if name == "cond" and type(eqn.invars[0]) is not Literal and eqn.invars[0] in platforms:
                body, first = params["branches"][branch(platforms[eqn.invars[0]])], 1
            elif name in ("jit", "custom_jvp_call"):
                body, first = params["jaxpr" if name == "jit" else "call_jaxpr"], 0
            else:
                return False
            if not all(convolved(body.jaxpr, body.jaxpr.invars[i - first]) for i in places):
                return False
        seen = True
    return seen and not any(v is kernel for v in jaxpr.outvars)


_packed: dict[int, tuple[ref[Any], Any]] = {}


def packed(array: Any) -> Any:
    """A kernel, an array on the CPU, laid out as XLA wants it: once for as long as the array lives."""
    key = id(array)
    found = _packed.get(key)
    if found is not None and found[0]() is array:
        return found[1]
    turned = np.ascontiguousarray(np.asarray(array).transpose(PACKED))
    made = jax.device_put(turned, None if isinstance(array, np.ndarray) else array.device)
    _packed[key] = ref(array, lambda _: _packed.pop(key, None)), made
    return made
