"""SparseAdam."""

from __future__ import annotations

from operator import lt
from typing import Any

import jax.numpy as jnp

from jtorch.optim._adaptive import Counting
from jtorch.optim._chain import prelude
from jtorch.optim._fused import Rule, check_settings
from jtorch.optim.adam import check_betas
from jtorch.tensor import Tensor

__all__ = ["SparseAdam"]


class SparseAdam(Counting):
    """Adam that leaves rows without gradient, and their averages, as they are.

    Gradients are dense here; rows that are all zero count as not given.

    Args:
        params: tensors or groups to optimize.
        lr: learning rate.
        betas: decay rates of the averages of the gradient and of its square.
        eps: added to the denominator.
        maximize: climb instead of descend.
    """

    _numbers = ("lr", "betas", "eps")

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        maximize: bool = False,
    ) -> None:
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        if not lt(0.0, lr):
            raise ValueError(f"Invalid learning rate: {lr}")
        if not lt(0.0, eps):
            raise ValueError(f"Invalid epsilon value: {eps}")
        check_settings(lr)
        check_betas(betas)
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "maximize": maximize})
        complex_params = [
            (g, i)
            for g, group in enumerate(self.param_groups)
            for i, p in enumerate(group["params"])
            if p.is_complex()
        ]
        if complex_params:
            raise ValueError(
                f"Complex params at indices {complex_params}: SparseAdam does not support complex parameters"
            )

    def _prepare(self, param: Tensor, state: dict[str, Any], group: dict[str, Any]) -> tuple[float, ...]:
        if not state:
            state["step"] = 0
            self._fill(param, state, group)
        state["step"] += 1
        return (float(state["step"]),)

    def _later_settings(self) -> tuple[tuple[str, Any], ...]:
        return (("maximize", False),)

    def _slots(self, flags: tuple[Any, ...]) -> tuple[str, ...]:
        return ("exp_avg", "exp_avg_sq")

    @staticmethod
    def _rule(flags: tuple[Any, ...]) -> Rule:
        (maximize,) = flags

        def rule(p: Any, g: Any, state: Any, numbers: Any, settings: Any) -> Any:
            (step,) = numbers
            lr, beta1, beta2, eps = settings
            for transformation, start in prelude(maximize):
                g, _ = transformation.update(g, start, p)
            # Differs from PyTorch: it takes sparse gradients, which name the rows, and refuses dense ones.
            given = jnp.any(g != 0, axis=tuple(range(1, g.ndim)), keepdims=True)
            first = jnp.where(given, state[0] + (1 - beta1) * (g - state[0]), state[0])
            second = jnp.where(given, state[1] + (1 - beta2) * (g * g - state[1]), state[1])
            size = lr * jnp.sqrt(1 - beta2**step) / (1 - beta1**step)
            update = size * (first / (jnp.sqrt(second) + eps))
            return jnp.where(given, p - update, p), (first, second)

        return rule
