"""Averages of models along a training run (``torch.optim.swa_utils``)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any, Literal

import jax.numpy as jnp

from jtorch import dtypes
from jtorch.dispatch import Plan
from jtorch.nn import Module
from jtorch.nn.modules._count import count_one
from jtorch.nn.modules.batchnorm import _BatchNorm
from jtorch.ops._checks import check_broadcast, check_result_shape
from jtorch.optim._fused import _write
from jtorch.optim._scheduler import LRScheduler, per_group
from jtorch.optim.optimizer import Optimizer
from jtorch.tensor import Tensor
from jtorch.tensor._autograd import no_grad
from jtorch.tensor._core import value_of
from jtorch.tensor._creation import tensor
from jtorch.trace import record, session

__all__ = [
    "SWALR",
    "AveragedModel",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]

_plans: dict[Any, Plan] = {}


def _share(count: Any) -> Any:
    """What a new member weighs; a function that is recorded computes it, to count on when it is replayed."""
    if session() is not None and isinstance(count, Tensor):
        return 1 / (count.double() + 1)
    return 1 / (float(count) + 1)


def _blend(averages: list[Any], current: list[Any], share: Any, *, lerp: bool = False) -> None:
    """Move averages towards the current values by a share, all in one operation per device.

    Args:
        averages: what changes.
        current: the values.
        share: a number or a 0-dim tensor.
        lerp: PyTorch calls ``lerp``, which names the averages first where shapes differ.
    """
    for device in {a.device: None for a in averages}:
        mine = [a for a in averages if a.device is device]
        values = [value_of(a) for a in mine]
        values += [
            value_of(c.to(device)) for a, c in zip(averages, current, strict=True) if a.device is device
        ]
        part = value_of(share.to(device)) if isinstance(share, Tensor) else share
        avals = (*[v.aval for v in values], part.aval if isinstance(share, Tensor) else float)
        plan = _plans.get((lerp, avals))
        if plan is None:
            plan = _plans[lerp, avals] = _blend_plan(avals, lerp)
        made = record(plan.signature, [*values, part])
        if plan.signature.single is not None:
            made = [made]
        del values
        for a, value in zip(mine, made, strict=True):
            _write(a, value)


def _blend_plan(avals: tuple[Any, ...], lerp: bool) -> Plan:
    count = len(avals) // 2
    for average, current in zip(avals[:count], avals[count:-1], strict=True):
        pair = (average, current) if lerp else (current, average)
        check_result_shape(average.shape, check_broadcast(*pair))

    def blend(*operands: Any) -> tuple[Any, ...]:
        results = []
        for average, current in zip(operands[:count], operands[count:-1], strict=True):
            wide = average.dtype if jnp.issubdtype(average.dtype, jnp.inexact) else jnp.float32
            a, c = average.astype(wide), current.astype(wide)
            results.append((a + operands[-1].astype(a.real.dtype) * (c - a)).astype(average.dtype))
        return tuple(results)

    return Plan("average", blend, avals, device=avals[0].device, node=None, single=False)


def _check_decay(decay: float) -> None:
    if decay < 0.0 or decay > 1.0:
        raise ValueError(f"Invalid decay value {decay} provided. Please provide a value in [0,1] range.")


def get_ema_multi_avg_fn(decay: float = 0.999) -> Callable[..., None]:
    """The update of exponential averages, for lists of parameters."""
    _check_decay(decay)

    @no_grad()
    def ema_update(ema_param_list: list[Tensor], current_param_list: list[Tensor], _: Any) -> None:
        _blend(ema_param_list, current_param_list, 1 - decay, lerp=True)

    return ema_update


def get_swa_multi_avg_fn() -> Callable[..., None]:
    """The update of equally weighted averages, for lists of parameters."""

    @no_grad()
    def swa_update(
        averaged_param_list: list[Tensor], current_param_list: list[Tensor], num_averaged: Any
    ) -> None:
        _blend(averaged_param_list, current_param_list, _share(num_averaged))

    return swa_update


def get_ema_avg_fn(decay: float = 0.999) -> Callable[..., Tensor]:
    """The update of an exponential average, for one parameter."""
    _check_decay(decay)

    @no_grad()
    def ema_update(ema_param: Tensor, current_param: Tensor, num_averaged: Any) -> Any:
        return decay * ema_param + (1 - decay) * current_param

    return ema_update


def get_swa_avg_fn() -> Callable[..., Tensor]:
    """The update of an equally weighted average, for one parameter."""

    @no_grad()
    def swa_update(averaged_param: Tensor, current_param: Tensor, num_averaged: Any) -> Any:
        return averaged_param + (current_param - averaged_param) / (num_averaged + 1)

    return swa_update


class AveragedModel(Module):
    """A copy of a model that holds the average of its parameters.

    Args:
        model: what is averaged.
        device: where the copy lives.
        avg_fn: ``avg_fn(average, current, count)``, for one parameter; equal weights by default.
        multi_avg_fn: ``multi_avg_fn(averages, current, count)`` for lists, in place.
        use_buffers: average buffers too, instead of copying them.

    Reference: Izmailov et al., 2018, https://arxiv.org/abs/1803.05407
    """

    n_averaged: Any

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: Callable[..., Tensor] | None = None,
        multi_avg_fn: Callable[..., None] | None = None,
        use_buffers: Any = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", tensor(0, dtype=dtypes.int64, device=device))
        self.avg_fn, self.multi_avg_fn, self.use_buffers = avg_fn, multi_avg_fn, use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The averaged model's."""
        return self.module(*args, **kwargs)

    def _members(self, model: Module) -> list[Any]:
        return list(itertools.chain(model.parameters(), model.buffers() if self.use_buffers else ()))

    def update_parameters(self, model: Module) -> None:
        """Take the model's present parameters into the average."""
        # A model that has got other parameters since is averaged as far as both go, or fails at a shape.
        pairs = list(zip(self._members(self.module), self._members(model), strict=False))
        averages, current = [a.detach() for a, _ in pairs], [c.detach() for _, c in pairs]
        first = bool(self.n_averaged == 0) if session() is not None else int(self.n_averaged) == 0
        with no_grad():
            if first:
                for a, c in zip(averages, current, strict=True):
                    a.copy_(c)
            elif self.multi_avg_fn is not None:
                self.multi_avg_fn(averages, current, self.n_averaged)
            elif self.avg_fn is not None:
                for a, c in zip(averages, current, strict=True):
                    a.copy_(self.avg_fn(a, c.to(a.device), self.n_averaged.to(a.device)))
            else:
                _blend(averages, current, _share(self.n_averaged))
            if not self.use_buffers:
                for b, source in zip(self.module.buffers(), model.buffers(), strict=True):
                    b.detach().copy_(source.detach())
        count_one(self.n_averaged)


@no_grad()
def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Compute the running statistics of all batch norms anew, in one pass over the data.

    Args:
        loader: batches; of tuples and lists the first element is the input.
        model: with batch norms.
        device: where the inputs are moved.
    """
    momenta: dict[Any, Any] = {}
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            module.reset_running_stats()
            momenta[module] = module.momentum
    if not momenta:
        return
    was_training = model.training
    model.train()
    for module in momenta:
        module.momentum = None
    for batch in loader:
        inputs = batch[0] if isinstance(batch, list | tuple) else batch
        model(inputs if device is None else inputs.to(device))
    for module, momentum in momenta.items():
        module.momentum = momentum
    model.train(was_training)


class SWALR(LRScheduler):
    """From the present rate to a constant one.

    Args:
        optimizer: whose groups are changed.
        swa_lr: the constant, for all groups or one per group.
        anneal_epochs: steps on the way.
        anneal_strategy: ``"cos"`` or ``"linear"``.
        last_epoch: the last step that was taken; -1 starts anew.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float,
        anneal_epochs: Any = 10,
        anneal_strategy: Literal["cos", "linear"] = "cos",
        last_epoch: Any = -1,
    ) -> None:
        for rate, group in zip(per_group("swa_lr", optimizer, swa_lr), optimizer.param_groups, strict=True):
            group["swa_lr"] = rate
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}"
            )
        self._anneal_strategy = anneal_strategy
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        self.anneal_epochs = anneal_epochs
        super().__init__(optimizer, last_epoch)

    def anneal_func(self, t: float) -> float:
        """Share of the constant rate, at a share of the way."""
        return (1 - math.cos(math.pi * t)) / 2 if self._anneal_strategy == "cos" else t

    def get_lr(self) -> list[Any]:
        self._warn_outside_step()
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        length = max(1, self.anneal_epochs)
        before = self.anneal_func(max(0, min(1, (step - 1) / length)))
        now = self.anneal_func(max(0, min(1, step / length)))
        rates = []
        for group, lr in zip(self.optimizer.param_groups, self._rates(), strict=True):
            goal = group["swa_lr"]
            first = goal if before == 1 else (lr - before * goal) / (1 - before)
            rates.append(goal * now + first * (1 - now))
        return rates
