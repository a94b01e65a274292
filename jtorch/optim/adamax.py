"""Adamax."""

from __future__ import annotations

from typing import Any

import optax

from jtorch.optim._adaptive import Counting
from jtorch.optim._chain import prelude, updated
from jtorch.optim._function_form import check_singletons, take_step
from jtorch.optim._fused import Rule, check_settings
from jtorch.optim.adam import check_betas
from jtorch.tensor import Tensor

__all__ = ["Adamax", "adamax"]


class Adamax(Counting):
    """Adam with the largest recent gradient in place of the root of the average square.

    Args:
        params: tensors or groups to optimize.
        lr: learning rate.
        betas: decay rates of the average and of the maximum.
        eps: added to gradients' sizes.
        weight_decay: L2 penalty, added to the gradient.
        maximize: climb instead of descend.
        foreach, differentiable, capturable: accepted; every step is one fused operation here.

    Reference: Kingma and Ba, 2014, section 7, https://arxiv.org/abs/1412.6980
    """

    _numbers = ("lr", "betas", "eps", "weight_decay")

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_settings(lr, eps=(eps, f"Invalid epsilon value: {eps}"))
        check_betas(betas)
        check_settings(lr, weight_decay=(weight_decay, f"Invalid weight_decay value: {weight_decay}"))
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _slots(self, flags: tuple[Any, ...]) -> tuple[str, ...]:
        return ("exp_avg", "exp_inf")

    @staticmethod
    def _rule(flags: tuple[Any, ...]) -> Rule:
        maximize, has_decay = flags

        def rule(p: Any, g: Any, state: Any, numbers: Any, settings: Any) -> Any:
            lr, beta1, beta2, eps, decay = settings
            steps = prelude(maximize, decay if has_decay else None)
            steps.append(
                (optax.scale_by_adamax(beta1, beta2, eps), optax.ScaleByAdamState(numbers[0] - 1, *state))
            )
            p, states = updated(p, g, steps, lr)
            return p, (states[-1].mu, states[-1].nu)

        return rule


def adamax(
    params: list[Tensor],
    grads: list[Tensor],
    exp_avgs: list[Tensor],
    exp_infs: list[Tensor],
    state_steps: list[Tensor],
    foreach: bool | None = None,
    maximize: bool = False,
    differentiable: bool = False,
    capturable: bool = False,
    has_complex: bool = False,
    *,
    eps: float,
    beta1: float,
    beta2: float,
    lr: float,
    weight_decay: float,
) -> None:
    """One step of :class:`Adamax` on given tensors, in place.

    Beside the tensors to change and their gradients, other arguments being the class's settings:

    * ``exp_avgs``: averages of gradients;
    * ``exp_infs``: their largest recent sizes;
    * ``state_steps``: counts of steps, tensors of one element;
    * ``has_complex``: makes no difference;
    * ``beta1``, ``beta2``: the class's ``betas``.
    """
    check_singletons("state_steps", state_steps)
    take_step(
        Adamax,
        params,
        grads,
        {"exp_avg": exp_avgs, "exp_inf": exp_infs},
        {"step": state_steps},
        foreach=foreach,
        maximize=maximize,
        differentiable=differentiable,
        capturable=capturable,
        eps=eps,
        betas=(beta1, beta2),
        lr=lr,
        weight_decay=weight_decay,
    )
