"""What a JAX transform computes must not stay in tensors from before it: such writes are refused by name.

Inside ``jax.jit`` and its like there are tracers instead of values. One that is kept in a parameter, buffer
or gradient is of no use once the transform is over, so the write raises an error that says whose it was.
A value can be kept, but once per tracing and not once per call: that is refused as well. Found are tensors of
modules and optimizers that the functions under way can see.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any

# JAX has no public way to ask whether a transform is under way, and which.
from jax._src.core import trace_ctx, trace_state_clean
from jax._src.interpreters.partial_eval import DynamicJaxprTrace

from jtorch.dispatch import modes
from jtorch.trace import TracedValue

__all__ = [
    "check_once", "in_transform", "is_traced", "lend_inside", "mark_inside", "refuse", "take_back",
    "written_by",
]  # fmt: skip

_KEPT = "what a JAX transform computes cannot be kept outside of it."
_ONCE = "a function is traced once, not at every call."
_CURE = (
    "Pass the module's state as an argument and "
    "return it: `out = jtorch.func.functional_call(module, state, x)` writes what the call changes into the "
    "dictionary `state`; differentiate with jax.grad or jtorch.func.grad instead of backward(). (Or compile "
    "the step with jtorch.compile, which follows such writes.)"
)
_FAR = 64


def in_transform() -> bool:
    """Whether a JAX transform is tracing."""
    return not trace_state_clean()


def _staged() -> bool:
    """Whether JAX is tracing a function for all of its calls, as ``jax.jit`` and ``lax.scan`` do."""
    if trace_state_clean() or modes.captured is not None:
        return False
    trace: Any = trace_ctx.trace
    while trace is not None:
        if isinstance(trace, DynamicJaxprTrace):
            return True
        trace = getattr(trace, "parent_trace", None)
    return False


def check_once(storage: Any) -> None:
    """Refuse to give a storage another value where this would happen once for all calls.

    Called where ``TracedValue.seen``: programs without JAX's transforms do not pay for it.

    Raises:
        RuntimeError: it belongs to a module or optimizer from outside.
    """
    if _staged():
        refuse(storage, reason=_ONCE)


def is_traced(tensor: Any) -> bool:
    """Whether a tensor holds a tracer."""
    storage = tensor.__dict__.get("_storage")
    return storage is not None and type(storage.value) is TracedValue


def mark_inside(tensor: Any) -> None:
    """A parameter or buffer that is made while a transform is under way may hold its tracers."""
    tensor.__dict__["_inside"] = True


def lend_inside(tensors: Iterable[Any]) -> list[Any]:
    """State that a module is called with while a transform is under way may be written to.

    Returns:
        Those among the tensors that were marked, from which :func:`take_back` takes the mark again.
    """
    if not in_transform():
        return []
    marked = [t for t in tensors if t is not None and "_inside" not in t.__dict__]
    for t in marked:
        mark_inside(t)
    return marked


def take_back(marked: list[Any]) -> None:
    """End :func:`lend_inside`."""
    for t in marked:
        t.__dict__.pop("_inside", None)


def refuse(storage: Any, tensor: Any = None, change: str = "", reason: str = _KEPT) -> None:
    """Look for the owner of a storage that is about to hold a tracer in the place of a value.

    Args:
        storage: that is written to.
        tensor: on it, if it is known to be a parameter.
        change: what is changed of it: ``".grad"``.
        reason: why that is no good.

    Raises:
        RuntimeError: it belongs to a module or optimizer from outside.
    """
    name = _owner(storage)
    if name is None and tensor is not None and "_inside" not in tensor.__dict__:
        name = f"a parameter of shape {tuple(tensor.shape)}"
    # Differs from PyTorch: its transforms may write to the state of modules, these give it back as a result.
    if name is not None:
        raise RuntimeError(
            f"{name}{change} would be changed inside a JAX transform (jax.jit, grad, vmap): {reason} {_CURE}"
        )


def written_by() -> str:
    """The in-place operation under way, in the words of PyTorch's dispatcher: ``"add_.Tensor"``."""
    frame, outer = sys._getframe(1), sys._getframe(1).f_back
    while outer is not None and (name := outer.f_globals.get("__name__", "")).partition(".")[0] == "jtorch":
        if name != "jtorch.tensor._guarded":  # which only passes arguments on
            frame = outer
        outer = outer.f_back
    name, known = frame.f_code.co_name, frame.f_locals
    what = known.get("what")
    if name == "operator":
        return f"{known['op'].name}_.{_kind(known['other'])}"
    if name == "function" and what is not None:
        return f"{what.name}.out"
    if name == "method" and what is not None:
        args = known["args"]
        return f"{what.name}.{_kind(args[0])}" if args and "other" in what.signature[0] else str(what.name)
    if name == "fill_":
        return f"fill_.{_kind(known['value'])}"
    return "copy_" if name == "setitem" else name


def _kind(other: Any) -> str:
    return "Tensor" if "_storage" in getattr(other, "__dict__", ()) else "Scalar"


def _owner(storage: Any) -> str | None:
    """The longest path to the tensor on this storage from a module that a frame knows."""
    best: str | None = None
    seen: set[int] = set()
    for x in _visible():
        if id(x) in seen:
            continue
        seen.add(id(x))
        own = getattr(x, "__dict__", None)
        if not isinstance(own, dict):
            continue
        if "_parameters" in own and "_buffers" in own:
            for path, t in (*x.named_parameters(), *x.named_buffers()):
                if t._storage is storage and "_inside" not in t.__dict__:
                    name = f"{type(x).__name__}.{path}"
                    best = name if best is None or name.count(".") > best.count(".") else best
        elif best is None and isinstance(own.get("param_groups"), list):
            for i, group in enumerate(own["param_groups"]):
                for j, t in enumerate(group.get("params", ())):
                    if t._storage is storage and "_inside" not in t.__dict__:
                        best = f"{type(x).__name__}.param_groups[{i}]['params'][{j}]"
    return best


def _visible() -> Iterator[Any]:
    """Objects that the functions under way name: locals, closures, and globals of the user's."""
    frame: Any = sys._getframe(3)
    for _ in range(_FAR):
        if frame is None:
            return
        package = frame.f_globals.get("__name__", "").partition(".")[0]
        if package in ("jtorch", "jax"):
            own = frame.f_locals.get("self") if "self" in frame.f_code.co_varnames else None
            if own is not None:
                yield own
        else:
            yield from list(frame.f_locals.values())
            for name in frame.f_code.co_names:
                if name in frame.f_globals:
                    yield frame.f_globals[name]
        frame = frame.f_back
