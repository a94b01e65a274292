"""NAdam."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import optax

from jtorch.optim._adaptive import Counting
from jtorch.optim._chain import prelude
from jtorch.optim._function_form import check_singletons, take_step
from jtorch.optim._fused import (
    Rule,
    advance,
    check_settings,
    number_tensor,
    read_number,
    setting,
    zeros_like,
)
from jtorch.optim.adam import check_betas
from jtorch.tensor import Tensor

__all__ = ["NAdam", "nadam"]


class NAdam(Counting):
    """Adam with Nesterov momentum, whose share grows along a schedule.

    Args:
        params: tensors or groups to optimize.
        lr: learning rate.
        betas: decay rates of the averages of the gradient and of its square.
        eps: added to the denominator.
        weight_decay: L2 penalty, added to the gradient (or see ``decoupled_weight_decay``).
        momentum_decay: speed of the momentum's schedule.
        decoupled_weight_decay: shrink the weights apart from the gradient's path, as AdamW does.
        maximize: climb instead of descend.
        foreach, capturable, differentiable: accepted; every step is one fused operation here.

    Reference: Dozat, 2016, https://openreview.net/forum?id=OM0jvwB8jIp57ZJjtNEZ
    """

    _captured = "params, mu_products and state_steps"
    _numbers = ("lr", "betas", "eps", "weight_decay")
    _flags = ("maximize", "decoupled_weight_decay")

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_settings(lr, eps=(eps, f"Invalid epsilon value: {eps}"))
        check_betas(betas)
        check_settings(
            lr,
            weight_decay=(weight_decay, f"Invalid weight_decay value: {weight_decay}"),
            momentum_decay=(momentum_decay, f"Invalid momentum_decay value: {momentum_decay}"),
        )
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _later_settings(self) -> tuple[tuple[str, Any], ...]:
        flags = ("capturable", "differentiable", "decoupled_weight_decay")
        return ("maximize", False), ("foreach", None), *((name, False) for name in flags)

    def _slots(self, flags: tuple[Any, ...]) -> tuple[str, ...]:
        return ("exp_avg", "exp_avg_sq")

    def _prepare(self, param: Tensor, state: dict[str, Any], group: dict[str, Any]) -> tuple[float, ...]:
        if not state:
            state["step"] = number_tensor(0.0)
            state["mu_product"] = number_tensor(1.0)
            state["exp_avg"], state["exp_avg_sq"] = zeros_like(param), zeros_like(param)
        step = advance(state)
        # Numbers of Python: those of the operation have no other type.
        beta1, decay = float(setting(group["betas"][0])), float(setting(group["momentum_decay"]))
        mu = beta1 * (1.0 - 0.5 * 0.96 ** (step * decay))
        mu_next = beta1 * (1.0 - 0.5 * 0.96 ** ((step + 1) * decay))
        storage, product = read_number(state, "mu_product")
        # A loaded product may have the dtype of the parameter, as in PyTorch.
        product = storage.number = float(storage.kind(product) * storage.kind(mu))
        return step, mu, mu_next, product

    @staticmethod
    def _rule(flags: tuple[Any, ...]) -> Rule:
        maximize, decoupled, has_decay = flags

        def rule(p: Any, g: Any, state: Any, numbers: Any, settings: Any) -> Any:
            step, mu, mu_next, product = numbers
            lr, beta1, beta2, eps, decay = settings
            if decoupled and has_decay:
                p = p * (1 - lr * decay)
            for transformation, start in prelude(maximize, decay if has_decay and not decoupled else None):
                g, _ = transformation.update(g, start, p)
            first = optax.tree.update_moment(g, state[0], beta1, 1)
            second = optax.tree.update_moment_per_elem_norm(g, state[1], beta2, 2)
            root = jnp.sqrt(optax.tree.bias_correction(second, beta2, step)) + eps
            p = p - lr * (1 - mu) / (1 - product) * (g / root)
            p = p - lr * mu_next / (1 - product * mu_next) * (first / root)
            return p, (first, second)

        return rule


def nadam(
    params: list[Tensor],
    grads: list[Tensor],
    exp_avgs: list[Tensor],
    exp_avg_sqs: list[Tensor],
    mu_products: list[Tensor],
    state_steps: list[Tensor],
    decoupled_weight_decay: bool = False,
    foreach: bool | None = None,
    capturable: bool = False,
    differentiable: bool = False,
    has_complex: bool = False,
    maximize: bool = False,
    *,
    beta1: float,
    beta2: float,
    lr: float,
    weight_decay: float,
    momentum_decay: float,
    eps: float,
) -> None:
    """One step of :class:`NAdam` on given tensors, in place.

    Beside the tensors to change and their gradients, other arguments being the class's settings:

    * ``exp_avgs``: averages of gradients;
    * ``exp_avg_sqs``: averages of their squares;
    * ``mu_products``: products of the momenta so far, tensors of one element;
    * ``state_steps``: counts of steps, tensors of one element;
    * ``has_complex``: makes no difference;
    * ``beta1``, ``beta2``: the class's ``betas``.
    """
    check_singletons("state_steps", state_steps)
    check_singletons("mu_products", mu_products)
    take_step(
        NAdam,
        params,
        grads,
        {"exp_avg": exp_avgs, "exp_avg_sq": exp_avg_sqs},
        {"mu_product": mu_products, "step": state_steps},
        decoupled_weight_decay=decoupled_weight_decay,
        foreach=foreach,
        capturable=capturable,
        differentiable=differentiable,
        maximize=maximize,
        betas=(beta1, beta2),
        lr=lr,
        weight_decay=weight_decay,
        momentum_decay=momentum_decay,
        eps=eps,
    )
