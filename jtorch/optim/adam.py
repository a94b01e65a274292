"""Adam."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import optax

from jtorch.ops._plain import larger
from jtorch.optim._chain import EMPTY, prelude, updated
from jtorch.optim._function_form import check_singletons, take_step
from jtorch.optim._fused import (
    FusedOptimizer,
    Rule,
    advance,
    check_settings,
    number_tensor,
    setting,
    zeros_like,
)
from jtorch.tensor import Tensor

__all__ = ["Adam", "adam"]


def check_betas(betas: Any) -> None:
    """Refuse decay rates outside [0, 1).

    Raises:
        ValueError: one is.
    """
    for i in range(2):
        if not 0.0 <= betas[i] < 1.0:
            raise ValueError(f"Invalid beta parameter at index {i}: {betas[i]}")


def check_tensors(betas: Any, capturable: bool, foreach: bool | None) -> None:
    """Refuse tensors as betas where PyTorch does.

    Raises:
        ValueError: a tensor of several elements, with ``foreach``, or one beta of two.
    """
    if isinstance(betas[0], Tensor) != isinstance(betas[1], Tensor):
        raise ValueError("betas must be either both floats or both Tensors")
    for i, beta in enumerate(betas):
        if isinstance(beta, Tensor):
            if foreach and not capturable:
                raise ValueError(
                    f"betas[{i}] as a Tensor is not supported for capturable=False and foreach=True"
                )
            if beta.numel() != 1:
                raise ValueError(f"Tensor betas[{i}] must be 1-element")


class Adam(FusedOptimizer):
    """Adam: steps of a size that adapts to each element's gradients.

    Args:
        params: tensors or groups to optimize.
        lr: learning rate.
        betas: decay rates of the averages of the gradient and of its square.
        eps: added to the denominator.
        weight_decay: L2 penalty, added to the gradient (or see ``decoupled_weight_decay``).
        amsgrad: divide by the largest average of squares so far.
        maximize: climb instead of descend.
        decoupled_weight_decay: shrink the weights apart from the gradient's path, as AdamW does.
        foreach, capturable, differentiable, fused: accepted; every step is one fused operation here.

    Reference: Kingma and Ba, 2014, https://arxiv.org/abs/1412.6980
    """

    _counting = True

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-3,
        betas: tuple[Any, Any] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        if isinstance(lr, Tensor) and foreach and not capturable:
            raise ValueError("lr as a Tensor is not supported for capturable=False and foreach=True")
        check_settings(lr, eps=(eps, f"Invalid epsilon value: {eps}"))
        check_betas(betas)
        check_settings(0, weight_decay=(weight_decay, f"Invalid weight_decay value: {weight_decay}"))
        check_tensors(betas, capturable, foreach)
        defaults = {
            "lr": lr,
            "betas": tuple(x.squeeze() if isinstance(x, Tensor) and x.dim() else x for x in betas),
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            group.setdefault("amsgrad", False)
            group.setdefault("maximize", False)
            group.setdefault("foreach", None)
            for name in ("capturable", "differentiable", "decoupled_weight_decay"):
                group.setdefault(name, False)
            group.setdefault("fused", None)

    def _settings(self, group: dict[str, Any]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        decay = group["weight_decay"]
        beta1, beta2 = group["betas"]
        flags = (
            bool(group["amsgrad"]),
            bool(decay != 0),
            bool(group["decoupled_weight_decay"]),
            bool(group["maximize"]),
        )
        return flags, (
            setting(group["lr"]),
            setting(beta1),
            setting(beta2),
            setting(group["eps"]),
            setting(decay),
        )

    def _slots(self, flags: tuple[Any, ...]) -> tuple[str, ...]:
        return ("exp_avg", "exp_avg_sq", "max_exp_avg_sq") if flags[0] else ("exp_avg", "exp_avg_sq")

    def _prepare(self, param: Tensor, state: dict[str, Any], group: dict[str, Any]) -> tuple[float, ...]:
        if not state:
            state["step"] = number_tensor(0.0)
            state["exp_avg"] = zeros_like(param)
            state["exp_avg_sq"] = zeros_like(param)
            if group["amsgrad"]:
                state["max_exp_avg_sq"] = zeros_like(param)
        return (advance(state),)

    @staticmethod
    def _rule(flags: tuple[Any, ...]) -> Rule:
        amsgrad, has_decay, decoupled, maximize = flags

        def rule(p: Any, g: Any, state: Any, numbers: Any, settings: Any) -> Any:
            (step,) = numbers
            lr, beta1, beta2, eps, decay = settings
            moments = optax.ScaleByAdamState(step - 1, state[0], state[1])
            steps = prelude(maximize, decay if has_decay and not decoupled else None)
            place = len(steps)
            if amsgrad:
                steps.append((scale_by_largest(beta1, beta2, eps), (moments, state[2])))
            else:
                steps.append((optax.scale_by_adam(beta1, beta2, eps), moments))
            if has_decay and decoupled:
                steps.append((optax.add_decayed_weights(decay), EMPTY))
            p, states = updated(p, g, steps, lr)
            made, *largest = states[place] if amsgrad else (states[place],)
            return p, (made.mu, made.nu, *largest)

        return rule


def scale_by_largest(beta1: Any, beta2: Any, eps: Any) -> optax.GradientTransformation:
    """AMSGrad as PyTorch has it: the largest average of squares is taken before its bias is corrected.

    ``optax.scale_by_amsgrad`` takes it afterwards.
    """

    def update(gradient: Any, state: Any, params: Any = None) -> Any:
        moments, largest = state
        mu = optax.tree.update_moment(gradient, moments.mu, beta1, 1)
        nu = optax.tree.update_moment_per_elem_norm(gradient, moments.nu, beta2, 2)
        count = moments.count + 1
        largest = larger(largest, nu)
        first = optax.tree.bias_correction(mu, beta1, count)
        second = optax.tree.bias_correction(largest, beta2, count)
        return first / (jnp.sqrt(second) + eps), (optax.ScaleByAdamState(count, mu, nu), largest)

    return optax.GradientTransformation(lambda params: None, update)


def adam(
    params: list[Tensor],
    grads: list[Tensor],
    exp_avgs: list[Tensor],
    exp_avg_sqs: list[Tensor],
    max_exp_avg_sqs: list[Tensor],
    state_steps: list[Tensor],
    foreach: bool | None = None,
    capturable: bool = False,
    differentiable: bool = False,
    fused: bool | None = None,
    grad_scale: Tensor | None = None,
    found_inf: Tensor | None = None,
    has_complex: bool = False,
    decoupled_weight_decay: bool = False,
    *,
    amsgrad: bool,
    beta1: float | Tensor,
    beta2: float | Tensor,
    lr: float | Tensor,
    weight_decay: float,
    eps: float,
    maximize: bool,
) -> None:
    """One step of :class:`Adam` on given tensors, in place.

    Beside the tensors to change and their gradients, other arguments being the class's settings:

    * ``exp_avgs``: averages of gradients;
    * ``exp_avg_sqs``: averages of their squares;
    * ``max_exp_avg_sqs``: largest averages of squares; read with ``amsgrad`` only;
    * ``state_steps``: counts of steps, tensors of one element;
    * ``grad_scale``: must be ``None``;
    * ``found_inf``: must be ``None``;
    * ``has_complex``: makes no difference;
    * ``beta1``, ``beta2``: the class's ``betas``.
    """
    check_singletons("state_steps", state_steps)
    tensors: dict[str, list[Any]] = {"exp_avg": exp_avgs, "exp_avg_sq": exp_avg_sqs}
    if amsgrad:
        tensors["max_exp_avg_sq"] = max_exp_avg_sqs
    take_step(
        Adam,
        params,
        grads,
        tensors,
        {"step": state_steps},
        foreach=foreach,
        capturable=capturable,
        differentiable=differentiable,
        fused=fused,
        grad_scale=grad_scale,
        found_inf=found_inf,
        decoupled_weight_decay=decoupled_weight_decay,
        amsgrad=amsgrad,
        betas=(beta1, beta2),
        lr=lr,
        weight_decay=weight_decay,
        eps=eps,
        maximize=maximize,
    )
