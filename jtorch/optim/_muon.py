"""Muon."""

from __future__ import annotations

import math
from operator import le
from typing import Any

import jax.numpy as jnp
from jax import lax

from jtorch.ops._plain import larger
from jtorch.optim._function_form import take_step
from jtorch.optim._fused import FusedOptimizer, Rule, setting, zeros_like
from jtorch.tensor import Tensor

__all__ = ["Muon"]


class Muon(FusedOptimizer):
    """Momentum whose matrix is made nearly orthogonal before it is applied.

    Args:
        params: matrices to optimize.
        lr: learning rate.
        weight_decay: shrinks the weights apart from the gradient's path.
        momentum: share of the average that is kept.
        nesterov: look ahead along the momentum.
        ns_coefficients: of the Newton-Schulz polynomial.
        eps: least norm to divide by.
        ns_steps: number of Newton-Schulz iterations.
        adjust_lr_fn: how the rate depends on the shape: ``"original"`` or ``"match_rms_adamw"``.

    Reference: Jordan, 2024, https://kellerjordan.github.io/posts/muon/
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        if isinstance(lr, Tensor) and lr.numel() != 1:  # type: ignore[unreachable]
            raise ValueError("Tensor lr must be 1-element")
        if not le(0.0, lr):
            raise ValueError(f"Learning rate should be >= 0 but is: {lr}")
        if not le(0.0, momentum):
            raise ValueError(f"momentum should be >= 0 but is: {momentum}")
        if not le(0.0, weight_decay):
            raise ValueError(f"weight decay should be >= 0 but is: {weight_decay}")
        if adjust_lr_fn is not None and adjust_lr_fn not in ("original", "match_rms_adamw"):
            raise ValueError(f"Adjust learning rate function {adjust_lr_fn} is not supported")
        defaults = {
            "lr": lr,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "nesterov": nesterov,
            "ns_coefficients": ns_coefficients,
            "eps": eps,
            "ns_steps": ns_steps,
            "adjust_lr_fn": adjust_lr_fn,
        }
        super().__init__(params, defaults)
        for group in self.param_groups:
            for p in group["params"]:
                if p.ndim != 2:
                    raise ValueError(
                        f"Muon only supports 2D parameters whereas we found a parameter with size: {p.size()}"
                    )

    def _settings(self, group: dict[str, Any]) -> tuple[tuple[Any, ...], tuple[float, ...]]:
        if group["ns_steps"] >= 100:
            raise ValueError("Number of steps must be less than 100 for computational efficiency")
        if len(group["ns_coefficients"]) != 3:
            raise ValueError("Coefficients must be a tuple of exactly 3 values")
        flags = (group["nesterov"], group["ns_steps"], group["adjust_lr_fn"])
        numbers = (group["weight_decay"], group["momentum"], group["eps"], *group["ns_coefficients"])
        return flags, (setting(group["lr"]), *(float(x) for x in numbers))

    def _slots(self, flags: tuple[Any, ...]) -> tuple[str, ...]:
        return ("momentum_buffer",)

    def _prepare(self, param: Tensor, state: dict[str, Any], group: dict[str, Any]) -> tuple[float, ...]:
        if param._aval().dtype.is_complex:
            raise RuntimeError("Muon does not support complex parameters")
        if not state:
            state["momentum_buffer"] = zeros_like(param)
        return ()

    @staticmethod
    def _rule(flags: tuple[Any, ...]) -> Rule:
        nesterov, steps, adjust = flags

        def rule(p: Any, g: Any, state: Any, numbers: Any, settings: Any) -> Any:
            lr, decay, momentum, eps, *coefficients = settings
            (average,) = state
            average = average + (1 - momentum) * (g - average)
            update = g + momentum * (average - g) if nesterov else average
            update = orthogonalized(update, coefficients, steps, eps).astype(p.dtype)
            rows, columns = p.shape
            if adjust == "match_rms_adamw":
                ratio = 0.2 * math.sqrt(max(rows, columns))
            else:
                ratio = math.sqrt(max(1, rows / columns))
            return p * (1 - lr * decay) - lr * ratio * update, (average,)

        return rule


def orthogonalized(matrix: Any, coefficients: Any, steps: int, eps: Any) -> Any:
    """A matrix with its singular values moved near 1 by an odd polynomial.

    Every result is rounded to bfloat16, as PyTorch computes it; sums of products are float32.
    """
    a, b, c = (x.astype(jnp.float32) for x in coefficients)
    tall = matrix.shape[0] > matrix.shape[1]
    x = _half(matrix.astype(jnp.float32))
    x = x.T if tall else x
    x = _half(x / larger(_half(jnp.linalg.norm(x)), _half(eps.astype(jnp.float32))))
    for _ in range(steps):
        gram = _half(_product(x, x.T))
        correction = _half(b * gram + c * _product(gram, gram))
        x = _half(a * x + _product(correction, x))
    return x.T if tall else x


def _half(x: Any) -> Any:
    """Rounded to bfloat16 for certain: XLA may leave out a conversion there and back."""
    return lax.reduce_precision(x, exponent_bits=8, mantissa_bits=7)


def _product(left: Any, right: Any) -> Any:
    return jnp.matmul(left, right, precision="highest")


def muon(
    params: list[Tensor],
    grads: list[Tensor],
    muon_momentum_bufs: list[Tensor],
    *,
    foreach: bool | None = None,
    lr: float,
    weight_decay: float,
    momentum: float,
    nesterov: bool,
    ns_coefficients: tuple[float, float, float],
    ns_steps: int,
    eps: float,
    adjust_lr_fn: str | None,
    has_complex: bool,
) -> None:
    """One step of :class:`Muon` on given tensors, in place.

    Beside the tensors to change and their gradients, other arguments being the class's settings:

    * ``muon_momentum_bufs``: averages of gradients;
    * ``foreach``: must not be true;
    * ``has_complex``: must be false.
    """
    if foreach:
        raise RuntimeError("Foreach is not supported for Muon yet")
    if has_complex:
        raise ValueError("Complex parameters are not supported")
    if any(g.ndim != 2 for g in grads):
        raise ValueError("Param gradient must be a 2D matrix")
    take_step(
        Muon,
        params,
        grads,
        {"momentum_buffer": muon_momentum_bufs},
        {},
        lr=lr,
        weight_decay=weight_decay,
        momentum=momentum,
        nesterov=nesterov,
        ns_coefficients=ns_coefficients,
        ns_steps=ns_steps,
        eps=eps,
        adjust_lr_fn=adjust_lr_fn,
    )
