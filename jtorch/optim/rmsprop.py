"""RMSprop."""

from __future__ import annotations

from typing import Any

import optax

from jtorch.optim._adaptive import Counting
from jtorch.optim._chain import prelude, updated
from jtorch.optim._function_form import check_singletons, take_step
from jtorch.optim._fused import Rule, check_settings
from jtorch.tensor import Tensor

__all__ = ["RMSprop", "rmsprop"]


class RMSprop(Counting):
    """Gradients divided by the root of their average square.

    Args:
        params: tensors or groups to optimize.
        lr: learning rate.
        alpha: decay rate of the average.
        eps: added to the root.
        weight_decay: L2 penalty, added to the gradient.
        momentum: share of the last step that is kept.
        centered: divide by the standard deviation instead.
        maximize: climb instead of descend.
        capturable, foreach, differentiable: accepted; every step is one fused operation here.

    Reference: Hinton, lecture 6 of "Neural networks for machine learning", 2012; Graves, 2013 (centered)
    """

    _foreach_on_xla = True
    _numbers = ("lr", "alpha", "eps", "weight_decay", "momentum")

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_settings(
            lr,
            eps=(eps, f"Invalid epsilon value: {eps}"),
            momentum=(momentum, f"Invalid momentum value: {momentum}"),
            weight_decay=(weight_decay, f"Invalid weight_decay value: {weight_decay}"),
            alpha=(alpha, f"Invalid alpha value: {alpha}"),
        )
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "alpha": alpha,
            "eps": eps,
            "centered": centered,
            "weight_decay": weight_decay,
            "capturable": capturable,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _later_settings(self) -> tuple[tuple[str, Any], ...]:
        return ("momentum", 0), ("centered", False), *super()._later_settings()

    def _settings(self, group: dict[str, Any]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        flags, numbers = super()._settings(group)
        return (*flags, group["momentum"] > 0, bool(group["centered"])), numbers

    def _slots(self, flags: tuple[Any, ...]) -> tuple[str, ...]:
        names: tuple[str, ...] = ("square_avg",)
        if flags[-2]:
            names += ("momentum_buffer",)
        return (*names, "grad_avg") if flags[-1] else names

    @staticmethod
    def _rule(flags: tuple[Any, ...]) -> Rule:
        maximize, has_decay, has_momentum, centered = flags

        def rule(p: Any, g: Any, state: Any, numbers: Any, settings: Any) -> Any:
            lr, alpha, eps, decay, momentum = settings
            steps = prelude(maximize, decay if has_decay else None)
            place = len(steps)
            if centered:
                start: Any = optax.ScaleByRStdDevState(mu=state[-1], nu=state[0])
                steps.append((optax.scale_by_stddev(alpha, eps, eps_in_sqrt=False), start))
            else:
                steps.append(
                    (optax.scale_by_rms(alpha, eps, eps_in_sqrt=False), optax.ScaleByRmsState(state[0]))
                )
            if has_momentum:
                steps.append((optax.trace(momentum), optax.TraceState(state[1])))
            p, states = updated(p, g, steps, lr)
            made = [states[place].nu]
            if has_momentum:
                made.append(states[place + 1].trace)
            if centered:
                made.append(states[place].mu)
            return p, tuple(made)

        return rule


def rmsprop(
    params: list[Tensor],
    grads: list[Tensor],
    square_avgs: list[Tensor],
    grad_avgs: list[Tensor],
    momentum_buffer_list: list[Tensor],
    state_steps: list[Tensor],
    foreach: bool | None = None,
    maximize: bool = False,
    differentiable: bool = False,
    capturable: bool = False,
    has_complex: bool = False,
    *,
    lr: float,
    alpha: float,
    eps: float,
    weight_decay: float,
    momentum: float,
    centered: bool,
) -> None:
    """One step of :class:`RMSprop` on given tensors, in place.

    Beside the tensors to change and their gradients, other arguments being the class's settings:

    * ``square_avgs``: averages of the gradients' squares;
    * ``grad_avgs``: averages of gradients; read if ``centered``;
    * ``momentum_buffer_list``: read with ``momentum`` only;
    * ``state_steps``: counts of steps, tensors of one element;
    * ``has_complex``: makes no difference.
    """
    check_singletons("state_steps", state_steps)
    tensors: dict[str, list[Any]] = {"square_avg": square_avgs}
    if momentum > 0:
        tensors["momentum_buffer"] = momentum_buffer_list
    if centered:
        tensors["grad_avg"] = grad_avgs
    take_step(
        RMSprop,
        params,
        grads,
        tensors,
        {"step": state_steps},
        foreach=foreach,
        maximize=maximize,
        differentiable=differentiable,
        capturable=capturable,
        lr=lr,
        alpha=alpha,
        eps=eps,
        weight_decay=weight_decay,
        momentum=momentum,
        centered=centered,
    )
