"""Calls of several modules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jtorch.nn.modules.module import Module
from jtorch.tensor import Tensor

__all__ = ["get_a_var", "parallel_apply"]


def get_a_var(obj: Any) -> Tensor | None:
    """Some tensor in lists, tuples and dictionaries, or ``None``."""
    if isinstance(obj, Tensor):
        return obj
    inner = obj.items() if isinstance(obj, dict) else obj if isinstance(obj, list | tuple) else ()
    return next((found for found in map(get_a_var, inner) if found is not None), None)


def parallel_apply(
    modules: Sequence[Module],
    inputs: Sequence[Any],
    kwargs_tup: Sequence[dict[str, Any]] | None = None,
    devices: Sequence[Any] | None = None,
) -> list[Any]:
    """Call each module with its own arguments.

    The calls are recorded one after the other; the devices compute side by side.

    Args:
        modules: to call, each on its device.
        inputs: the positional arguments of each, or its only one.
        kwargs_tup: the named arguments of each.
        devices: where each computes; its arguments say so already.

    Raises:
        AssertionError: of these there are not equally many.
        Exception: what a module raised, with a note which one it was.
    """
    for name, given in (("inputs", inputs), ("kwargs_tup", kwargs_tup), ("devices", devices)):
        if given is not None and len(modules) != len(given):
            raise AssertionError(
                f"The number of modules {len(modules)} is not equal to the number of {name} {len(given)}"
            )
    outputs = []
    for i, (module, arguments) in enumerate(zip(modules, inputs, strict=True)):
        arguments = arguments if isinstance(arguments, list | tuple) else (arguments,)
        try:
            outputs.append(module(*arguments, **(kwargs_tup[i] if kwargs_tup is not None else {})))
        except Exception as error:
            error.add_note(f"in replica {i}" + (f" on device {devices[i]}" if devices is not None else ""))
            raise
    return outputs
