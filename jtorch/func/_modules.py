"""Modules as functions of their parameters and buffers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from jtorch.nn import Module
from jtorch.nn.modules.batchnorm import _BatchNorm
from jtorch.nn.utils import stateless

__all__ = [
    "debug_unwrap", "functional_call", "functionalize", "replace_all_batch_norm_modules_",
    "stack_module_state",
]  # fmt: skip


def functional_call(
    module: Module,
    parameter_and_buffer_dicts: dict[str, Any] | Sequence[dict[str, Any]],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """Call a module with other parameters and buffers than its own (``torch.func.functional_call``).

    Args:
        module: it is as before afterwards.
        parameter_and_buffer_dicts: tensors by name, in one or several dictionaries. Buffers that the call
            changes are changed in them.
        args: one argument, or a tuple of them.
        kwargs: keyword arguments.
        tie_weights: what is given for one name of a shared tensor counts for all its names.
        strict: the names must be exactly those of the module.

    Raises:
        ValueError: a name comes twice, or something else than dictionaries was given.
    """
    given = parameter_and_buffer_dicts
    if not isinstance(given, dict):
        if not isinstance(given, Sequence):
            raise ValueError(
                f"Expected parameter_and_buffer_dicts to be a dict, or a list/tuple of dicts, but got "
                f"{type(given)}"
            )
        if not all(isinstance(d, dict) for d in given):
            raise ValueError("Expected all elements of parameter_and_buffer_dicts to be dictionaries")
        repeated = [key for key, n in Counter(k for d in given for k in d).items() if n > 1]
        if repeated:
            raise ValueError(
                f"{repeated} appeared in multiple dictionaries; behavior of functional call is ambiguous"
            )
        given = {k: v for d in given for k, v in d.items()}
    return stateless._functional_call(module, given, args, kwargs, tie_weights=tie_weights, strict=strict)


def stack_module_state(models: Sequence[Module]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Parameters and buffers of several equal modules, stacked for :func:`vmap`.

    Args:
        models: modules of one class, all in the same mode.

    Returns:
        ``(params, buffers)`` by name; stacked parameters are new leaves.

    Raises:
        RuntimeError: no modules, or modules that differ.
    """
    models = list(models)
    if not models:
        raise RuntimeError("stack_module_state: Expected at least one model, got 0.")
    if len({m.training for m in models}) > 1:
        raise RuntimeError("stack_module_state: Expected all models to have the same training/eval mode.")
    if any(type(m) is not type(models[0]) for m in models):
        raise RuntimeError("stack_module_state: Expected all models to be of the same class.")
    params = [dict(m.named_parameters()) for m in models]
    buffers = [dict(m.named_buffers()) for m in models]
    return (
        {k: _stacked([p[k] for p in params], k) for k in params[0]},
        {k: _stacked([b[k] for b in buffers], k) for k in buffers[0]},
    )


def _stacked(tensors: list[Any], name: str) -> Any:
    from jtorch import stack  # noqa: PLC0415  # the package's own name, complete by now

    wants = {t.requires_grad for t in tensors}
    if len(wants) > 1:
        raise RuntimeError(f"Expected {name} from each model to have the same .requires_grad")
    return stack([t.detach() for t in tensors]).requires_grad_(wants.pop())


def functionalize(func: Callable[..., Any], *, remove: str = "mutations") -> Callable[..., Any]:
    """``func`` without in-place changes inside (``torch.func.functionalize``).

    Programs here never contain any: in-place operations and views are recorded as functions of values. What
    ``func`` does to its arguments is visible to the caller, as in PyTorch.

    Args:
        func: any function.
        remove: ``"mutations"`` or ``"mutations_and_views"``.

    Raises:
        RuntimeError: another ``remove``.
    """
    if remove not in ("mutations", "mutations_and_views"):
        raise RuntimeError(
            f"functionalize(f, remove='mutations'): received invalid argument for remove={remove}. Valid "
            f"options "
            "are:\n     remove='mutations': all inplace and out= operators will be removed from the "
            "program, and "
            "replaced with their out-of-place equivalents.\n     remove='mutations_and_views': In "
            "addition to "
            "the above, all aliasing operators {view} will be replaced with their non-aliasing counterparts, "
            "{view}_copy.\n"
        )
    return func


def replace_all_batch_norm_modules_(root: Module) -> Module:
    """Let every batch normalization in ``root`` use the statistics of the batch; returns ``root``."""
    for module in root.modules():
        if isinstance(module, _BatchNorm) and module.track_running_stats:
            module.running_mean = module.running_var = module.num_batches_tracked = None
            module.track_running_stats = False
    return root


def debug_unwrap(tensor: Any, *, recurse: bool = True) -> Any:
    """The tensor behind the wrappers of transforms; here there are none."""
    return tensor
