"""Adagrad."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import optax

from jtorch.optim._adaptive import Counting
from jtorch.optim._chain import prelude, updated
from jtorch.optim._function_form import check_singletons, refuse_sparse, take_step
from jtorch.optim._fused import Rule, check_settings, number_tensor, zeros_like
from jtorch.tensor import Tensor

__all__ = ["Adagrad", "adagrad"]


class Adagrad(Counting):
    """Gradients divided by the root of the sum of their squares so far.

    Args:
        params: tensors or groups to optimize.
        lr: learning rate.
        lr_decay: the rate is divided by 1 + (step - 1) * lr_decay.
        weight_decay: L2 penalty, added to the gradient.
        initial_accumulator_value: what the sum starts from.
        eps: added to the root.
        maximize: climb instead of descend.
        foreach, differentiable, fused: accepted; every step is one fused operation here.

    Reference: Duchi et al., 2011, https://jmlr.org/papers/v12/duchi11a.html
    """

    _numbers = ("lr", "lr_decay", "weight_decay", "eps")

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_settings(
            lr,
            lr_decay=(lr_decay, f"Invalid lr_decay value: {lr_decay}"),
            weight_decay=(weight_decay, f"Invalid weight_decay value: {weight_decay}"),
            start=(
                initial_accumulator_value,
                f"Invalid initial_accumulator_value value: {initial_accumulator_value}",
            ),
            eps=(eps, f"Invalid epsilon value: {eps}"),
        )
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                state["step"] = number_tensor(0.0)
                self._fill(p, state, group)

    def _later_settings(self) -> tuple[tuple[str, Any], ...]:
        return ("foreach", None), ("maximize", False), ("differentiable", False), ("fused", None)

    def _slots(self, flags: tuple[Any, ...]) -> tuple[str, ...]:
        return ("sum",)

    def _fill(self, param: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        state["sum"] = zeros_like(param, group["initial_accumulator_value"])

    def share_memory(self) -> None:
        """Let processes share the sums."""
        for group in self.param_groups:
            for p in group["params"]:
                self.state[p]["sum"].share_memory_()

    @staticmethod
    def _rule(flags: tuple[Any, ...]) -> Rule:
        maximize, has_decay = flags

        def rule(p: Any, g: Any, state: Any, numbers: Any, settings: Any) -> Any:
            lr, lr_decay, decay, eps = settings
            steps = prelude(maximize, decay if has_decay else None)
            steps.append((scale_by_root_of_sum(eps), optax.ScaleByRssState(state[0])))
            p, states = updated(p, g, steps, lr / (1 + (numbers[0] - 1) * lr_decay))
            return p, (states[-1].sum_of_squares,)

        return rule


def scale_by_root_of_sum(eps: Any) -> optax.GradientTransformation:
    """``optax.scale_by_rss`` with eps beside the root, as PyTorch has it, instead of under it."""

    def update(gradient: Any, state: Any, params: Any = None) -> Any:
        total = state.sum_of_squares + gradient * gradient
        return gradient / (jnp.sqrt(total) + eps), optax.ScaleByRssState(total)

    return optax.GradientTransformation(lambda params: None, update)


def adagrad(
    params: list[Tensor],
    grads: list[Tensor],
    state_sums: list[Tensor],
    state_steps: list[Tensor],
    fused: bool | None = None,
    grad_scale: Tensor | None = None,
    found_inf: Tensor | None = None,
    has_sparse_grad: bool = False,
    foreach: bool | None = None,
    differentiable: bool = False,
    has_complex: bool = False,
    *,
    lr: float,
    weight_decay: float,
    lr_decay: float,
    eps: float,
    maximize: bool,
) -> None:
    """One step of :class:`Adagrad` on given tensors, in place.

    Beside the tensors to change and their gradients, other arguments being the class's settings:

    * ``state_sums``: sums of the gradients' squares;
    * ``state_steps``: counts of steps, tensors of one element;
    * ``grad_scale``: must be ``None``;
    * ``found_inf``: must be ``None``;
    * ``has_sparse_grad``: must be false;
    * ``has_complex``: makes no difference.
    """
    check_singletons("state_steps", state_steps)
    refuse_sparse(has_sparse_grad)
    take_step(
        Adagrad,
        params,
        grads,
        {"sum": state_sums},
        {"step": state_steps},
        fused=fused,
        grad_scale=grad_scale,
        found_inf=found_inf,
        foreach=foreach,
        differentiable=differentiable,
        lr=lr,
        weight_decay=weight_decay,
        lr_decay=lr_decay,
        eps=eps,
        maximize=maximize,
    )
