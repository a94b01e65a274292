"""Stochastic gradient descent."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import optax

from jtorch.optim._chain import EMPTY, prelude, updated
from jtorch.optim._function_form import refuse_sparse, take_step
from jtorch.optim._fused import FusedOptimizer, Rule, check_settings, setting, zeros_like
from jtorch.tensor import Tensor

__all__ = ["SGD", "sgd"]


class SGD(FusedOptimizer):
    """Stochastic gradient descent, with momentum if wanted.

    Args:
        params: tensors or groups to optimize.
        lr: learning rate.
        momentum: share of the last step's direction that is kept.
        dampening: by how much the gradient counts less beside it.
        weight_decay: L2 penalty, added to the gradient.
        nesterov: look ahead along the momentum.
        maximize: climb instead of descend.
        foreach, differentiable, fused: accepted; every step is one fused operation here.
    """

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float | Tensor = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_settings(
            lr,
            nan=True,
            momentum=(momentum, f"Invalid momentum value: {momentum}"),
            weight_decay=(weight_decay, f"Invalid weight_decay value: {weight_decay}"),
        )
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "foreach": foreach,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            group.setdefault("nesterov", False)
            group.setdefault("maximize", False)
            group.setdefault("foreach", None)
            group.setdefault("differentiable", False)
            group.setdefault("fused", False)

    def _settings(self, group: dict[str, Any]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        lr, momentum, dampening, decay = (
            group["lr"],
            group["momentum"],
            group["dampening"],
            group["weight_decay"],
        )
        flags = (
            momentum != 0,
            dampening != 0,
            bool(decay != 0),
            bool(group["nesterov"]),
            bool(group["maximize"]),
        )
        return flags, (setting(lr), float(momentum or 0.0), float(dampening or 0.0), setting(decay))

    def _slots(self, flags: tuple[Any, ...]) -> tuple[str, ...]:
        return ("momentum_buffer",) if flags[0] else ()

    def _prepare(self, param: Tensor, state: dict[str, Any], group: dict[str, Any]) -> tuple[float, ...]:
        first = state.get("momentum_buffer") is None
        if first:
            # The first buffer is the gradient itself: momentum * 0 + gradient, and no dampening.
            state["momentum_buffer"] = zeros_like(param)
        return (float(not first),) if group["dampening"] else ()

    @staticmethod
    def _rule(flags: tuple[Any, ...]) -> Rule:
        has_momentum, has_dampening, has_decay, nesterov, maximize = flags

        def rule(p: Any, g: Any, state: Any, numbers: Any, settings: Any) -> Any:
            lr, momentum, dampening, decay = settings
            steps = prelude(maximize, decay if has_decay else None)
            if has_momentum:
                if has_dampening:
                    factor = jnp.where(numbers[0] == 0, 1.0, 1 - dampening).astype(p.dtype)
                    steps.append((optax.scale(factor), EMPTY))
                steps.append((optax.trace(momentum, nesterov), optax.TraceState(state[0])))
            p, states = updated(p, g, steps, lr)
            return p, (states[-1].trace,) if has_momentum else ()

        return rule


def sgd(
    params: list[Tensor],
    d_p_list: list[Tensor],
    momentum_buffer_list: list[Tensor | None],
    has_sparse_grad: bool = False,
    foreach: bool | None = None,
    fused: bool | None = None,
    grad_scale: Tensor | None = None,
    found_inf: Tensor | None = None,
    *,
    weight_decay: float,
    momentum: float,
    lr: float,
    dampening: float,
    nesterov: bool,
    maximize: bool,
) -> None:
    """One step of :class:`SGD` on given tensors, in place.

    Beside the tensors to change and their gradients, other arguments being the class's settings:

    * ``momentum_buffer_list``: a tensor per parameter, or ``None``, which is replaced by the first buffer;
    * ``has_sparse_grad``: must be false;
    * ``grad_scale``: must be ``None``;
    * ``found_inf``: must be ``None``.
    """
    refuse_sparse(has_sparse_grad)
    take_step(
        SGD,
        params,
        d_p_list,
        {"momentum_buffer": momentum_buffer_list} if momentum != 0 else {},
        {},
        foreach=foreach,
        fused=fused,
        grad_scale=grad_scale,
        found_inf=found_inf,
        weight_decay=weight_decay,
        momentum=momentum,
        lr=lr,
        dampening=dampening,
        nesterov=nesterov,
        maximize=maximize,
    )
