"""Adafactor."""

from __future__ import annotations

from operator import ge, le
from typing import Any

import jax.numpy as jnp

from jtorch.ops._plain import larger
from jtorch.optim._adaptive import Counting
from jtorch.optim._chain import prelude
from jtorch.optim._function_form import check_singletons, take_step
from jtorch.optim._fused import Rule, zeros_like
from jtorch.tensor import Tensor

__all__ = ["Adafactor", "adafactor"]


class Adafactor(Counting):
    """Adam with the average square kept as one row and one column per matrix.

    Args:
        params: tensors or groups to optimize.
        lr: upper bound of the relative step size, and factor of the weight decay.
        beta2_decay: power by which the averages' memory grows.
        eps: (added to averages, the dtype's epsilon if ``None``; least size of a parameter's root mean
            square).
        d: larger updates are clipped.
        weight_decay: shrinks the weights apart from the gradient's path.
        foreach: accepted; every step is one fused operation here.
        maximize: climb instead of descend.

    Reference: Shazeer and Stern, 2018, https://arxiv.org/abs/1804.04235
    """

    _varying = True

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        if not le(0.0, lr):
            raise ValueError(f"Learning rate should be >= 0 but is: {lr}")
        if not ge(0.0, beta2_decay):
            raise ValueError(f"beta2_decay should be <= 0 but is: {beta2_decay}")
        if eps[0] is not None and not le(0.0, eps[0]):
            raise ValueError(f"epsilon1 should be >= 0 but is: {eps[0]}")
        if not le(0.0, eps[1]):
            raise ValueError(f"epsilon2 should be >= 0 but is: {eps[1]}")
        if not le(1.0, d):
            raise ValueError(f"Clipping threshold d should be >= 1 but is: {d}")
        if not le(0.0, weight_decay):
            raise ValueError(f"weight_decay should be >= 0 but is: {weight_decay}")
        defaults = {
            "lr": lr,
            "beta2_decay": beta2_decay,
            "eps": eps,
            "d": d,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _later_settings(self) -> tuple[tuple[str, Any], ...]:
        return (("foreach", None),)

    def _settings(self, group: dict[str, Any]) -> tuple[tuple[Any, ...], tuple[float, ...]]:
        eps1, eps2 = group["eps"]
        decay = group["weight_decay"]
        flags = (group["maximize"], decay != 0, eps1 is None)
        numbers = (group["lr"], group["beta2_decay"], eps1 or 0.0, eps2, group["d"], decay)
        return flags, tuple(float(x) for x in numbers)

    def _slots(self, flags: tuple[Any, ...]) -> tuple[str, ...]:
        return ("row_var", "col_var", "variance")

    def _fill(self, param: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        shape = tuple(param.shape)
        if param._aval().dtype.is_complex:
            raise RuntimeError("Adafactor does not support complex parameters")
        if len(shape) > 1:
            state["row_var"] = zeros_like(param, shape=(*shape[:-1], 1))
            state["col_var"] = zeros_like(param, shape=(*shape[:-2], 1, shape[-1]))
        else:
            state["variance"] = zeros_like(param)

    @staticmethod
    def _rule(flags: tuple[Any, ...]) -> Rule:
        maximize, has_decay, default_eps = flags

        def rule(p: Any, g: Any, state: Any, numbers: Any, settings: Any) -> Any:
            (step,) = numbers
            lr, beta2_decay, eps1, eps2, clip, decay = settings
            if default_eps:
                eps1 = float(jnp.finfo(p.dtype).eps)
            for transformation, start in prelude(maximize):
                g, _ = transformation.update(g, start, p)
            fresh = (step**beta2_decay).astype(p.dtype)
            rate = jnp.minimum(lr, 1 / jnp.sqrt(step))
            scale = larger(_root_mean_square(p), eps2) * rate
            if has_decay:
                p = p * (1 - lr * decay)
            square = g * g
            if g.ndim > 1:
                rows = _blend(state[0], square.mean(-1, keepdims=True), fresh)
                columns = _blend(state[1], square.mean(-2, keepdims=True), fresh)
                state = (rows, columns)
                estimate = rows * columns / larger(rows.mean(-2, keepdims=True), eps1)
            else:
                estimate = _blend(state[0], square, fresh)
                state = (estimate,)
            update = g / jnp.sqrt(larger(estimate, eps1 * eps1))
            size = larger(_root_mean_square(update) / clip, 1.0)
            return p - (scale / size).astype(p.dtype) * update, state

        return rule


def _root_mean_square(x: Any) -> Any:
    return jnp.sqrt(jnp.mean(x * x))


def _blend(old: Any, new: Any, share: Any) -> Any:
    return old + share * (new - old)


def adafactor(
    params: list[Tensor],
    grads: list[Tensor],
    row_vars: list[Tensor | None],
    col_vars: list[Tensor | None],
    variances: list[Tensor | None],
    state_steps: list[Tensor],
    foreach: bool | None = None,
    grad_scale: Tensor | None = None,
    found_inf: Tensor | None = None,
    has_complex: bool = False,
    *,
    d: float,
    lr: float | Tensor,
    beta2_decay: float,
    weight_decay: float,
    eps1: float,
    eps2: float,
    maximize: bool,
) -> None:
    """One step of :class:`Adafactor` on given tensors, in place.

    Beside the tensors to change and their gradients, other arguments being the class's settings:

    * ``row_vars``: average squares by row; ``None`` for parameters of one dimension;
    * ``col_vars``: average squares by column; likewise;
    * ``variances``: average squares; ``None`` for those of several dimensions;
    * ``state_steps``: counts of steps, tensors of one element;
    * ``grad_scale``: must be ``None``;
    * ``found_inf``: must be ``None``;
    * ``has_complex``: makes no difference;
    * ``eps1``, ``eps2``: the class's ``eps``.
    """
    check_singletons("state_steps", state_steps, "")
    take_step(
        Adafactor,
        params,
        grads,
        {"row_var": row_vars, "col_var": col_vars, "variance": variances},
        {"step": state_steps},
        foreach=foreach,
        grad_scale=grad_scale,
        found_inf=found_inf,
        d=d,
        lr=lr,
        beta2_decay=beta2_decay,
        weight_decay=weight_decay,
        eps=(eps1, eps2),
        maximize=maximize,
    )
