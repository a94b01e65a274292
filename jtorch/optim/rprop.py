"""Rprop."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from jtorch.optim._adaptive import Counting
from jtorch.optim._chain import prelude
from jtorch.optim._function_form import check_singletons, take_step
from jtorch.optim._fused import Rule, check_settings, zeros_like
from jtorch.tensor import Tensor

__all__ = ["Rprop", "rprop"]


class Rprop(Counting):
    """Steps by the sign of the gradient; their size grows while the sign stays and shrinks when it changes.

    Args:
        params: tensors or groups to optimize.
        lr: first size of all steps.
        etas: factors of shrinking and growing.
        step_sizes: least and largest size.
        maximize: climb instead of descend.
        capturable, foreach, differentiable: accepted; every step is one fused operation here.

    Reference: Riedmiller and Braun, 1993, https://doi.org/10.1109/ICNN.1993.298623
    """

    _foreach_on_xla = True
    _numbers = ("etas", "step_sizes")

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_settings(lr)
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(f"Invalid eta values: {etas[0]}, {etas[1]}")
        defaults = {
            "lr": lr,
            "etas": etas,
            "step_sizes": step_sizes,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _slots(self, flags: tuple[Any, ...]) -> tuple[str, ...]:
        return ("prev", "step_size")

    def _fill(self, param: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        lr = float(group["lr"])
        state["prev"] = zeros_like(param)
        state["step_size"] = zeros_like(param, complex(lr, lr) if param._aval().dtype.is_complex else lr)

    @staticmethod
    def _rule(flags: tuple[Any, ...]) -> Rule:
        (maximize,) = flags

        def rule(p: Any, g: Any, state: Any, numbers: Any, settings: Any) -> Any:
            # Like optax.scale_by_rprop, but a step waits for one turn after a change of sign, as in PyTorch,
            # while optax keeps the waiting in its state.
            shrink, grow, least, most = settings
            previous, size = state
            for transformation, start in prelude(maximize):
                g, _ = transformation.update(g, start, p)
            agreement = g * previous
            factor = jnp.where(agreement > 0, grow, jnp.where(agreement < 0, shrink, 1.0)).astype(size.dtype)
            size = jnp.clip(size * factor, least, most)
            g = jnp.where(agreement < 0, jnp.zeros_like(g), g)
            return p - jnp.sign(g) * size, (g, size)

        return rule


def rprop(
    params: list[Tensor],
    grads: list[Tensor],
    prevs: list[Tensor],
    step_sizes: list[Tensor],
    state_steps: list[Tensor],
    foreach: bool | None = None,
    capturable: bool = False,
    maximize: bool = False,
    differentiable: bool = False,
    has_complex: bool = False,
    *,
    step_size_min: float,
    step_size_max: float,
    etaminus: float,
    etaplus: float,
) -> None:
    """One step of :class:`Rprop` on given tensors, in place.

    Beside the tensors to change and their gradients, other arguments being the class's settings:

    * ``prevs``: the gradients before;
    * ``step_sizes``: of each element;
    * ``state_steps``: counts of steps, tensors of one element;
    * ``has_complex``: makes no difference;
    * ``step_size_min``, ``step_size_max``: the class's ``step_sizes``;
    * ``etaminus``, ``etaplus``: the class's ``etas``.
    """
    check_singletons("state_steps", state_steps)
    take_step(
        Rprop,
        params,
        grads,
        {"prev": prevs, "step_size": step_sizes},
        {"step": state_steps},
        foreach=foreach,
        capturable=capturable,
        maximize=maximize,
        differentiable=differentiable,
        step_sizes=(step_size_min, step_size_max),
        etas=(etaminus, etaplus),
    )
