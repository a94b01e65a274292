"""Averaged stochastic gradient descent."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from jtorch.optim._adaptive import Counting, rounded
from jtorch.optim._chain import prelude, updated
from jtorch.optim._function_form import take_step
from jtorch.optim._fused import Rule, advance, check_settings, number_tensor, read_number, zeros_like
from jtorch.tensor import Tensor

__all__ = ["ASGD", "asgd"]


class ASGD(Counting):
    """Gradient descent that also keeps the average of the parameters, in ``state[p]["ax"]``.

    Args:
        params: tensors or groups to optimize.
        lr: learning rate.
        lambd: decay of the parameters and of the rate.
        alpha: power of the rate's decay.
        t0: step at which averaging begins.
        weight_decay: L2 penalty, added to the gradient.
        maximize: climb instead of descend.
        foreach, differentiable, capturable: accepted; every step is one fused operation here.

    Reference: Polyak and Juditsky, 1992, https://doi.org/10.1137/0330046
    """

    _captured = "params, mus, etas, and state_steps"
    _numbers = ("lambd", "weight_decay")

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_settings(lr, weight_decay=(weight_decay, f"Invalid weight_decay value: {weight_decay}"))
        defaults = {
            "lr": lr,
            "lambd": lambd,
            "alpha": alpha,
            "t0": t0,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _slots(self, flags: tuple[Any, ...]) -> tuple[str, ...]:
        return ("ax",)

    def _prepare(self, param: Tensor, state: dict[str, Any], group: dict[str, Any]) -> tuple[float, ...]:
        lr = float(group["lr"])
        if not state:
            state["step"] = number_tensor(0.0)
            state["eta"], state["mu"] = number_tensor(rounded(lr)), number_tensor(1.0)
            state["ax"] = zeros_like(param)
        step = advance(state)
        (eta_storage, eta), (mu_storage, mu) = read_number(state, "eta"), read_number(state, "mu")
        if group["foreach"]:
            # PyTorch works this out with the count, a float32 tensor.
            decayed = np.float32(group["lambd"] * lr) * np.float32(step) + np.float32(1)
            root = np.float32(float(decayed) ** group["alpha"])
            eta_storage.number = float(np.float32(1) / root * np.float32(lr))
        else:
            eta_storage.number = rounded(lr / ((1 + group["lambd"] * lr * step) ** group["alpha"]))
        mu_storage.number = rounded(1 / max(1, step - group["t0"]))
        return eta, mu

    @staticmethod
    def _rule(flags: tuple[Any, ...]) -> Rule:
        maximize, has_decay = flags

        def rule(p: Any, g: Any, state: Any, numbers: Any, settings: Any) -> Any:
            eta, mu = numbers
            lambd, decay = settings
            # The penalty is that of the weights before their decay.
            for transformation, start in prelude(maximize, decay if has_decay else None):
                g, _ = transformation.update(g, start, p)
            p, _ = updated(p * (1 - lambd * eta), g, [], eta)
            (average,) = state
            return p, (jnp.where(mu == 1, p, average + (p - average) * mu),)

        return rule


def asgd(
    params: list[Tensor],
    grads: list[Tensor],
    axs: list[Tensor],
    mus: list[Tensor],
    etas: list[Tensor],
    state_steps: list[Tensor],
    foreach: bool | None = None,
    maximize: bool = False,
    differentiable: bool = False,
    capturable: bool = False,
    has_complex: bool = False,
    *,
    lambd: float,
    lr: float,
    t0: float,
    alpha: float,
    weight_decay: float,
) -> None:
    """One step of :class:`ASGD` on given tensors, in place.

    Beside the tensors to change and their gradients, other arguments being the class's settings:

    * ``axs``: averages of the parameters;
    * ``mus``: their rates, tensors of one element;
    * ``etas``: learning rates of this step, likewise;
    * ``state_steps``: counts of steps, tensors of one element;
    * ``has_complex``: makes no difference.
    """
    take_step(
        ASGD,
        params,
        grads,
        {"ax": axs},
        {"mu": mus, "eta": etas, "step": state_steps},
        foreach=foreach,
        maximize=maximize,
        differentiable=differentiable,
        capturable=capturable,
        lambd=lambd,
        lr=lr,
        t0=t0,
        alpha=alpha,
        weight_decay=weight_decay,
    )
