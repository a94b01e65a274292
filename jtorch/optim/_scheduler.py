"""What all schedules of the learning rate have in common."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from functools import wraps
from typing import Any
from weakref import ref

from jtorch._naming import as_pytorch_shows
from jtorch.optim.optimizer import Optimizer
from jtorch.tensor import Tensor

__all__ = [
    "EPOCH_DEPRECATION_WARNING",
    "LRScheduler",
    "_LRScheduler",
    "check_optimizer",
    "copied",
    "per_group",
    "set_value",
    "values",
]

EPOCH_DEPRECATION_WARNING = (
    "The epoch parameter in `scheduler.step()` was not necessary and is being deprecated where possible. "
    "Please use "
    "`scheduler.step()` to step the scheduler. During the deprecation, if epoch is different from None, the "
    "closed form "
    "is used instead of the new chainable form, where available. Please open an issue if you are unable to "
    "replicate your "
    "use case: https://github.com/pytorch/pytorch/issues/new/choose."
)
_SEE = "See more details at https://pytorch.org/docs/stable/optim.html#how-to-adjust-learning-rate"


def copied(x: Any) -> Any:
    return x.clone() if isinstance(x, Tensor) else x


def values(optimizer: Optimizer, key: str) -> list[Any]:
    """A setting of every group."""
    return [copied(group[key]) for group in optimizer.param_groups]


def set_value(group: dict[str, Any], key: str, value: Any) -> None:
    if isinstance(group[key], Tensor):
        group[key].fill_(value.item() if isinstance(value, Tensor) else value)
    else:
        group[key] = value


def per_group(name: str, optimizer: Optimizer, given: Any) -> list[Any]:
    """One value for all groups, or a list of one per group."""
    if not isinstance(given, list | tuple):
        return [copied(given) for _ in optimizer.param_groups]
    if len(given) != len(optimizer.param_groups):
        raise ValueError(
            f"{name} must have the same length as optimizer.param_groups. {name} has {len(given)} values, "
            "param_groups "
            f"has {len(optimizer.param_groups)}."
        )
    return [copied(x) for x in given]


def check_optimizer(optimizer: Any) -> None:
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")


def _watch_steps(optimizer: Any) -> None:
    """Let the optimizer note that it stepped, so that calls in the wrong order are noticed."""
    if hasattr(optimizer.step, "_wrapped_by_lr_sched"):
        return
    function = optimizer.step.__func__
    owner = ref(optimizer)

    @wraps(function)
    def step(*args: Any, **kwargs: Any) -> Any:
        it = owner()
        it._opt_called = True  # type: ignore[union-attr]
        return function(it, *args, **kwargs)

    step._wrapped_by_lr_sched = True  # type: ignore[attr-defined]
    optimizer.step = step


class LRScheduler:
    """Base of schedules: sets the learning rate of every group each time :meth:`step` is called.

    Args:
        optimizer: whose groups are changed.
        last_epoch: the last step that was taken; -1 starts anew.
    """

    _get_lr_called_within_step = False
    _is_initial = False

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        check_optimizer(optimizer)
        self.optimizer = optimizer
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", copied(group["lr"]))
            elif "initial_lr" not in group:
                raise KeyError(
                    f"param 'initial_lr' is not specified in param_groups[{i}] when resuming scheduler with "
                    "last_epoch >= "
                    "0.\nThis typically happens when:\n1. You're trying to resume training from a checkpoint "
                    "but haven't "
                    "properly loaded the optimizer state\n2. You're using last_epoch >= 0 for a fresh "
                    "training run (not "
                    "recommended)"
                )
        self.base_lrs = values(optimizer, "initial_lr")
        self.last_epoch = last_epoch
        _watch_steps(optimizer)
        self._initial_step()

    def __repr__(self) -> str:
        return as_pytorch_shows(self)

    def _initial_step(self) -> None:
        """Set the first learning rate."""
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer."""
        return {key: value for key, value in self.__dict__.items() if key != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what :meth:`state_dict` returned."""
        self.__dict__.update(state_dict)

    def get_last_lr(self) -> list[Any]:
        """The learning rates that were set last, one per group."""
        return self._last_lr

    def get_lr(self) -> list[Any]:
        """The learning rates of this step; a subclass defines it."""
        raise NotImplementedError

    def step(self, epoch: int | None = None) -> None:
        """Go on by one; call it after ``optimizer.step()``."""
        if self._step_count == 1:
            self._check_order()
        self._step_count += 1
        if epoch is not None:
            warnings.warn(EPOCH_DEPRECATION_WARNING, UserWarning, stacklevel=2)
        self._update_lr(epoch)

    def _check_order(self) -> None:
        if not hasattr(self.optimizer.step, "_wrapped_by_lr_sched"):
            warnings.warn(
                "Seems like `optimizer.step()` has been overridden after learning rate scheduler "
                "initialization. Please, "
                "make sure to call `optimizer.step()` before `lr_scheduler.step()`. " + _SEE,
                UserWarning,
                stacklevel=3,
            )
        elif not getattr(self.optimizer, "_opt_called", False):
            warnings.warn(
                "Detected call of `lr_scheduler.step()` before `optimizer.step()`. In PyTorch 1.1.0 and "
                "later, you should "
                "call them in the opposite order: `optimizer.step()` before `lr_scheduler.step()`.  Failure "
                "to do this "
                "will result in PyTorch skipping the first value of the learning rate schedule. " + _SEE,
                UserWarning,
                stacklevel=3,
            )

    @contextmanager
    def _computing(self) -> Any:
        self._get_lr_called_within_step = True
        try:
            yield
        finally:
            self._get_lr_called_within_step = False

    def _update_lr(self, epoch: int | None = None) -> None:
        with self._computing():
            if epoch is None:
                self.last_epoch += 1
                rates = self.get_lr()
            else:
                self.last_epoch = epoch
                closed = getattr(self, "_get_closed_form_lr", None)
                rates = self.get_lr() if closed is None else closed()
        for group, lr in zip(self.optimizer.param_groups, rates, strict=True):
            set_value(group, "lr", lr)
        self._last_lr = values(self.optimizer, "lr")

    def _warn_outside_step(self) -> None:
        if not self._get_lr_called_within_step:
            warnings.warn(
                "To get the last learning rate computed by the scheduler, please use `get_last_lr()`.",
                UserWarning,
                stacklevel=3,
            )

    def _rates(self) -> list[Any]:
        return values(self.optimizer, "lr")


class _LRScheduler(LRScheduler):
    """Old name of :class:`LRScheduler`."""
