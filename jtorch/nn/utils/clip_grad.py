"""Limiting gradients."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import jax.numpy as jnp

from jtorch.dispatch import NO_GRAD, Plan, modes
from jtorch.ops._plain import smaller
from jtorch.ops._ranking import extreme
from jtorch.tensor import Tensor
from jtorch.tensor._autograd import no_grad
from jtorch.tensor._core import apply, from_value, value_of
from jtorch.tensor._creation import tensor
from jtorch.tensor._derive import derived
from jtorch.tensor._writing import write
from jtorch.trace import record

__all__ = [
    "clip_grad_norm",
    "clip_grad_norm_",
    "clip_grad_value_",
    "clip_grads_with_norm_",
    "get_total_norm",
]

_plans: dict[Any, Plan] = {}


def _norm(x: Any, p: float) -> Any:
    wide = jnp.abs(x).astype(jnp.promote_types(jnp.float32, x.real.dtype))
    axes = tuple(range(wide.ndim))
    if p == math.inf:
        result = extreme(wide, axes, True) if x.size else jnp.zeros((), wide.dtype)
    elif p == -math.inf:
        result = extreme(wide, axes, False)
    elif p == 0:
        result = (wide != 0).sum().astype(wide.dtype)
    elif p == 2:
        result = jnp.sqrt((wide * wide).sum())
    elif p == 1:
        result = wide.sum()
    else:
        result = (wide**p).sum() ** (1 / p)
    return result.astype(x.real.dtype)


def _total(arrays: Sequence[Any], p: float) -> Any:
    norms = [_norm(x, p) for x in arrays]
    common = jnp.result_type(*norms)
    return _norm(jnp.stack([n.astype(common) for n in norms]), p)


def _norm_plan(avals: tuple[Any, ...], p: float) -> Plan:
    key = ("norm", p, avals)
    plan = _plans.get(key)
    if plan is None:
        plan = _plans[key] = Plan(
            "get_total_norm",
            lambda *arrays: (_total(arrays, p),),
            avals,
            device=avals[0].device,
            node="LinalgVectorNormBackward0",
        )
    return plan


def _clip_plan(avals: tuple[Any, ...]) -> Plan:
    key = ("clip", avals)
    plan = _plans.get(key)
    if plan is None:
        # The maximum comes last, as a number; it may change from step to step.
        def clip(norm: Any, *rest: Any) -> tuple[Any, ...]:
            factor = smaller(rest[-1].astype(norm.dtype) / (norm + 1e-6), 1.0)
            return tuple((x * factor).astype(x.dtype) for x in rest[:-1])

        plan = _plans[key] = Plan(
            "clip_grads_with_norm_", clip, [*avals, float], device=avals[0].device, node=None, single=False
        )
    return plan


def _listed(tensors: Any) -> list[Tensor]:
    return [tensors] if isinstance(tensors, Tensor) else list(tensors)


@no_grad()
def get_total_norm(
    tensors: Tensor | Iterable[Tensor],
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """The norm of all elements of all tensors together.

    Args:
        tensors: one or several.
        norm_type: the p of the norm; ``inf`` for the largest element.
        error_if_nonfinite: raise if it is infinite or nan; waits for the value.
        foreach: accepted.

    Raises:
        RuntimeError: see ``error_if_nonfinite``.
    """
    given = _listed(tensors)
    p = float(norm_type)
    if not given:
        return tensor(0.0)
    devices = {t.device: None for t in given}
    if len(devices) > 1:
        first = given[0].device
        parts = [get_total_norm([t for t in given if t.device is d], p).to(first) for d in devices]
        total = get_total_norm(parts, p)
    else:
        plan = _norm_plan(tuple(t._aval() for t in given), p)
        total = apply(plan, given)[0]
    if error_if_nonfinite and not math.isfinite(total.item()):
        raise RuntimeError(
            f"The total norm of order {p} for gradients from `parameters` is non-finite, so it cannot be "
            "clipped. To disable this error and scale the gradients by the non-finite norm anyway, set "
            "`error_if_nonfinite=False`"
        )
    return total


def clip_grads_with_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    total_norm: Tensor,
    foreach: bool | None = None,
) -> None:
    """Scale gradients down by ``max_norm / total_norm`` where that is below 1.

    Args:
        parameters: whose gradients are changed.
        max_norm: the largest norm that is allowed.
        total_norm: the norm they have.
        foreach: accepted.

    Raises:
        RuntimeError: ``total_norm`` has dimensions.
    """
    gradients = [p.grad for p in _listed(parameters) if p.grad is not None]
    if not gradients:
        return
    if not isinstance(total_norm, Tensor):  # the call says what was expected
        derived[""]["clamp"](float(max_norm) / (total_norm + 1e-6), max=1.0)  # type: ignore[unreachable]
    if total_norm.dim():
        raise RuntimeError(
            f"scalar tensor expected to be 0 dim but it has {total_norm.dim()} dimensions and "
            f"{total_norm.numel()} elements."
        )
    for device in {g.device: None for g in gradients}:
        mine = [g for g in gradients if g.device is device]
        _scale(mine, total_norm.to(device), float(max_norm))


def _scale(gradients: list[Any], norm: Tensor, max_norm: float) -> None:
    values = [value_of(norm), *(value_of(g) for g in gradients)]
    plan = _clip_plan(tuple(v.aval for v in values))
    if plan.signature is None:
        return
    made = record(plan.signature, [*values, max_norm])
    if plan.signature.single is not None:
        made = [made]
    level, modes.level = modes.level, NO_GRAD
    try:
        for g, value in zip(gradients, made, strict=True):
            write(g, from_value(value))
    finally:
        modes.level = level


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale all gradients by one factor so that their common norm is at most ``max_norm``.

    Args:
        parameters: whose gradients are changed.
        max_norm: the largest norm that is allowed.
        norm_type: the p of the norm; ``inf`` for the largest element.
        error_if_nonfinite: raise if the norm is infinite or nan; waits for the value.
        foreach: accepted.

    Returns:
        The norm before.
    """
    generator = not isinstance(parameters, Tensor | list | tuple)
    params = _listed(parameters)
    if generator and not params:
        warnings.warn("`parameters` is an empty generator, no gradient clipping will occur.", stacklevel=2)
    with no_grad():
        gradients = [p.grad for p in params if p.grad is not None]
        total = get_total_norm(gradients, norm_type, error_if_nonfinite)
        clip_grads_with_norm_(params, max_norm, total)
    return total


def clip_grad_norm(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """The old name of :func:`clip_grad_norm_`."""
    warnings.warn(
        "`torch.nn.utils.clip_grad_norm` is now deprecated in favor of `torch.nn.utils.clip_grad_norm_`.",
        FutureWarning,
        stacklevel=2,
    )
    return clip_grad_norm_(parameters, max_norm, norm_type, error_if_nonfinite, foreach)


def clip_grad_value_(
    parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None
) -> None:
    """Limit every element of the gradients to [-clip_value, clip_value]."""
    limit = float(clip_value)
    with no_grad():
        for p in _listed(parameters):
            if p.grad is not None:
                p.grad.clamp_(min=-limit, max=limit)
