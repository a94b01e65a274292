"""What the function forms of optimizers (``torch.optim.adam.adam`` and the like) have in common."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from jtorch.dtypes import float32, float64
from jtorch.optim._fused import FusedOptimizer
from jtorch.tensor import Tensor
from jtorch.tensor._autograd import is_grad_enabled, no_grad
from jtorch.trace import leave_session

__all__ = ["check_singletons", "refuse_sparse", "take_step"]


def check_singletons(name: str, tensors: Sequence[Any], text: str = "API has changed, ") -> None:
    """Refuse numbers where PyTorch wants tensors of one element.

    Raises:
        RuntimeError: one is no tensor.
    """
    if not all(isinstance(t, Tensor) for t in tensors):
        raise RuntimeError(f"{text}`{name}` argument must contain a list of singleton tensors")


def refuse_sparse(has_sparse_grad: bool) -> None:
    """Gradients are dense here.

    Raises:
        NotImplementedError: they are said to be sparse.
    """
    if has_sparse_grad:
        raise NotImplementedError("has_sparse_grad=True is not implemented; pass dense gradients")


def take_step(
    kind: type[FusedOptimizer],
    params: Sequence[Tensor],
    grads: Sequence[Tensor],
    tensors: dict[str, list[Any]],
    counts: dict[str, Sequence[Any]],
    *,
    differentiable: bool = False,
    fused: bool | None = None,
    grad_scale: Tensor | None = None,
    found_inf: Tensor | None = None,
    **settings: Any,
) -> None:
    """One step of an optimizer on borrowed parameters, gradients and state, all changed in place.

    Args:
        kind: the optimizer.
        params: tensors to change.
        grads: their gradients.
        tensors: state by name, an entry per parameter; an empty list for state that the settings exclude.
            ``None`` where an entry is still to be made.
        counts: state that is one number per parameter, by name.
        differentiable: record the step with history.
        fused: PyTorch's choice of kernel.
        grad_scale: factor of the gradients; PyTorch's fused kernels take it.
        found_inf: whether to skip the step; likewise.
        **settings: of the parameter group.

    Raises:
        NotImplementedError: a scale for the fused kernels, or a tensor twice among ``params``.
    """
    if grad_scale is not None or found_inf is not None:
        if not fused:
            raise AssertionError("Expected grad_scale and found_inf to be None")
        raise NotImplementedError(
            "grad_scale and found_inf are not implemented; use torch.amp.GradScaler.unscale_ and step"
        )
    if len({*map(id, params)}) != len(params):
        raise NotImplementedError("the same tensor twice among params is not implemented; call once for each")
    # What the settings are here may be others in the next call, which a replay would not see.
    leave_session("takes a step by an optimizer's function form")
    optimizer = kind.__new__(kind)
    optimizer.state = {}  # type: ignore[assignment]
    for i, p in enumerate(params):
        state = {name: _own_count(t[i]) for name, t in counts.items()}
        state.update((name, t[i]) for name, t in tensors.items() if t and t[i] is not None)
        optimizer.state[p] = state
    group = {"params": params, "differentiable": differentiable, **settings}
    group.setdefault("foreach", None)
    history = differentiable or (is_grad_enabled() and any(p.requires_grad for p in params))
    with _lent(params, grads):
        (optimizer._step_differentiable if history else optimizer._step_group)(group)
    for i, state in enumerate(optimizer.state.values()):
        for name, t in tensors.items():
            if t and t[i] is None and name in state:
                t[i] = state[name]
        for name, numbers in counts.items():
            _hand_back(numbers[i], state[name])


@contextmanager
def _lent(params: Sequence[Tensor], grads: Sequence[Tensor]) -> Iterator[None]:
    """Within the block, ``grads`` are the gradients of ``params``."""
    before = [p._grad for p in params]
    try:
        for p, g in zip(params, grads, strict=True):
            p._grad = g
        yield
    finally:
        for p, g in zip(params, before, strict=True):
            p._grad = g


def _own_count(count: Any) -> Any:
    """A count as the optimizer's state holds it: the tensor itself, if it may become one kept as a number."""
    if not isinstance(count, Tensor):
        return float(count)
    plain = count._view is None and count.dim() == 0 and count.device.type == "cpu"
    return count if plain and count.dtype in (float32, float64) else float(count.item())


def _hand_back(given: Any, count: Any) -> None:
    """Write a count that was read from a tensor back to it."""
    if isinstance(given, Tensor) and count is not given:
        with no_grad():
            given.fill_(count.item())
