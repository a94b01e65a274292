"""Adadelta."""

from __future__ import annotations

from typing import Any

import optax

from jtorch.optim._adaptive import Counting
from jtorch.optim._chain import prelude, updated
from jtorch.optim._function_form import check_singletons, take_step
from jtorch.optim._fused import Rule, check_settings
from jtorch.tensor import Tensor

__all__ = ["Adadelta", "adadelta"]


class Adadelta(Counting):
    """Steps in proportion to the average size of earlier steps over that of gradients.

    Args:
        params: tensors or groups to optimize.
        lr: learning rate.
        rho: decay rate of both averages.
        eps: added under the roots.
        weight_decay: L2 penalty, added to the gradient.
        maximize: climb instead of descend.
        foreach, capturable, differentiable: accepted; every step is one fused operation here.

    Reference: Zeiler, 2012, https://arxiv.org/abs/1212.5701
    """

    _numbers = ("lr", "rho", "eps", "weight_decay")
    _alone_on_xla = False

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_settings(lr)
        if not 0.0 <= rho <= 1.0:
            raise ValueError(f"Invalid rho value: {rho}")
        check_settings(
            lr,
            eps=(eps, f"Invalid epsilon value: {eps}"),
            weight_decay=(weight_decay, f"Invalid weight_decay value: {weight_decay}"),
        )
        defaults = {
            "lr": lr,
            "rho": rho,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "capturable": capturable,
            "foreach": foreach,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _slots(self, flags: tuple[Any, ...]) -> tuple[str, ...]:
        return ("square_avg", "acc_delta")

    @staticmethod
    def _rule(flags: tuple[Any, ...]) -> Rule:
        maximize, has_decay = flags

        def rule(p: Any, g: Any, state: Any, numbers: Any, settings: Any) -> Any:
            lr, rho, eps, decay = settings
            steps = prelude(maximize, decay if has_decay else None)
            steps.append((optax.scale_by_adadelta(rho, eps), optax.ScaleByAdaDeltaState(*state)))
            p, states = updated(p, g, steps, lr)
            return p, (states[-1].e_g, states[-1].e_x)

        return rule


def adadelta(
    params: list[Tensor],
    grads: list[Tensor],
    square_avgs: list[Tensor],
    acc_deltas: list[Tensor],
    state_steps: list[Tensor],
    capturable: bool = False,
    foreach: bool | None = None,
    differentiable: bool = False,
    has_complex: bool = False,
    *,
    lr: float,
    rho: float,
    eps: float,
    weight_decay: float,
    maximize: bool,
) -> None:
    """One step of :class:`Adadelta` on given tensors, in place.

    Beside the tensors to change and their gradients, other arguments being the class's settings:

    * ``square_avgs``: averages of the gradients' squares;
    * ``acc_deltas``: averages of the steps' squares;
    * ``state_steps``: counts of steps, tensors of one element;
    * ``has_complex``: makes no difference.
    """
    check_singletons("state_steps", state_steps)
    take_step(
        Adadelta,
        params,
        grads,
        {"square_avg": square_avgs, "acc_delta": acc_deltas},
        {"step": state_steps},
        capturable=capturable,
        foreach=foreach,
        differentiable=differentiable,
        lr=lr,
        rho=rho,
        eps=eps,
        weight_decay=weight_decay,
        maximize=maximize,
    )
