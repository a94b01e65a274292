"""RAdam."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import optax

from jtorch.optim._adaptive import Counting
from jtorch.optim._chain import prelude, updated
from jtorch.optim._function_form import check_singletons, take_step
from jtorch.optim._fused import Rule, check_settings
from jtorch.optim.adam import check_betas
from jtorch.tensor import Tensor

__all__ = ["RAdam", "radam"]


class RAdam(Counting):
    """Adam that adapts step sizes only once it has seen enough gradients to know their variance.

    Args:
        params: tensors or groups to optimize.
        lr: learning rate.
        betas: decay rates of the averages of the gradient and of its square.
        eps: added to the denominator.
        weight_decay: L2 penalty, added to the gradient (or see ``decoupled_weight_decay``).
        decoupled_weight_decay: shrink the weights apart from the gradient's path, as AdamW does.
        maximize: climb instead of descend.
        foreach, capturable, differentiable: accepted; every step is one fused operation here.

    Reference: Liu et al., 2019, https://arxiv.org/abs/1908.03265
    """

    _numbers = ("lr", "betas", "eps", "weight_decay")
    _flags = ("maximize", "decoupled_weight_decay")

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_settings(lr, eps=(eps, f"Invalid epsilon value: {eps}"))
        check_betas(betas)
        check_settings(lr, weight_decay=(weight_decay, f"Invalid weight_decay value: {weight_decay}"))
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "decoupled_weight_decay": decoupled_weight_decay,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _later_settings(self) -> tuple[tuple[str, Any], ...]:
        *first, last = super()._later_settings()
        return *first, ("decoupled_weight_decay", False), last

    def _slots(self, flags: tuple[Any, ...]) -> tuple[str, ...]:
        return ("exp_avg", "exp_avg_sq")

    @staticmethod
    def _rule(flags: tuple[Any, ...]) -> Rule:
        maximize, decoupled, has_decay = flags

        def rule(p: Any, g: Any, state: Any, numbers: Any, settings: Any) -> Any:
            (step,) = numbers
            lr, beta1, beta2, eps, decay = settings
            if decoupled and has_decay:
                p = p * (1 - lr * decay)
            steps = prelude(maximize, decay if has_decay and not decoupled else None)
            moments = optax.ScaleByAdamState(step - 1, *state)
            p, states = updated(p, g, [*steps, (scale_by_rectified_adam(beta1, beta2, eps), moments)], lr)
            return p, (states[-1].mu, states[-1].nu)

        return rule


def scale_by_rectified_adam(beta1: Any, beta2: Any, eps: Any) -> optax.GradientTransformation:
    """``optax.scale_by_radam`` with eps added before the root's bias is corrected, as PyTorch does.

    Also, its gradient is finite in the first steps: the root of what is negative there is never taken.
    """

    def update(gradient: Any, state: Any, params: Any = None) -> Any:
        mu = optax.tree.update_moment(gradient, state.mu, beta1, 1)
        nu = optax.tree.update_moment_per_elem_norm(gradient, state.nu, beta2, 2)
        count = state.count + 1
        bias = 1 - beta2**count
        longest = 2 / (1 - beta2) - 1
        length = longest - 2 * count * beta2**count / bias
        known = jnp.maximum(length, 5.0)
        factor = (known - 4) * (known - 2) * longest / ((longest - 4) * (longest - 2) * known)
        adapted = jnp.sqrt(factor * bias) / (jnp.sqrt(nu) + eps)
        scale = jnp.where(length > 5.0, adapted, 1.0)
        return optax.tree.bias_correction(mu, beta1, count) * scale, optax.ScaleByAdamState(count, mu, nu)

    return optax.GradientTransformation(lambda params: None, update)


def radam(
    params: list[Tensor],
    grads: list[Tensor],
    exp_avgs: list[Tensor],
    exp_avg_sqs: list[Tensor],
    state_steps: list[Tensor],
    decoupled_weight_decay: bool = False,
    foreach: bool | None = None,
    differentiable: bool = False,
    capturable: bool = False,
    has_complex: bool = False,
    maximize: bool = False,
    *,
    beta1: float,
    beta2: float,
    lr: float,
    weight_decay: float,
    eps: float,
) -> None:
    """One step of :class:`RAdam` on given tensors, in place.

    Beside the tensors to change and their gradients, other arguments being the class's settings:

    * ``exp_avgs``: averages of gradients;
    * ``exp_avg_sqs``: averages of their squares;
    * ``state_steps``: counts of steps, tensors of one element;
    * ``has_complex``: makes no difference;
    * ``beta1``, ``beta2``: the class's ``betas``.
    """
    check_singletons("state_steps", state_steps)
    take_step(
        RAdam,
        params,
        grads,
        {"exp_avg": exp_avgs, "exp_avg_sq": exp_avg_sqs},
        {"step": state_steps},
        decoupled_weight_decay=decoupled_weight_decay,
        foreach=foreach,
        differentiable=differentiable,
        capturable=capturable,
        maximize=maximize,
        betas=(beta1, beta2),
        lr=lr,
        weight_decay=weight_decay,
        eps=eps,
    )
