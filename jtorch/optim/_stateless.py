"""Steps on borrowed parameters and state."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from jtorch.optim.optimizer import Optimizer
from jtorch.tensor import Tensor

__all__ = ["swap_in_optimizer_params_and_state"]

_NAME = "swap_in_optimizer_params_and_state requires "


def _checked_state(state: Any) -> dict[Any, Any]:
    if not isinstance(state, dict):
        raise RuntimeError(
            f"{_NAME}swapin_optim_state['state'] to be a dict mapping packed parameter ids to per-param "
            f"state dicts, got {type(state).__name__}."
        )
    if any(isinstance(k, Tensor) for k in state):
        raise RuntimeError(f"{_NAME}optimizer.state_dict()-style state keyed by packed parameter ids.")
    if any(isinstance(k, int) and not isinstance(v, dict) for k, v in state.items()):
        raise RuntimeError(f"{_NAME}per-parameter optimizer state entries to be dictionaries.")
    return state


def _checked_numbers(index: int, group: dict[str, Any], given: Any) -> list[int]:
    """The numbers of a given group's parameters, once it fits the optimizer's own group."""
    if not isinstance(given, dict):
        raise RuntimeError(f"{_NAME}each optimizer param group to be a dictionary.")
    numbers = given.get("params")
    if not isinstance(numbers, list) or not all(isinstance(n, int) for n in numbers):
        raise RuntimeError(
            f"{_NAME}optimizer.state_dict()-style param_groups[*]['params'] entries keyed by packed "
            "parameter ids."
        )
    if len(group["params"]) != len(numbers):
        raise RuntimeError(
            f"swapin_optim_state param group {index} has a different number of params than the live "
            "optimizer param group."
        )
    theirs, ours = [k for k in given if k not in group], [k for k in group if k not in given]
    if theirs or ours:
        raise RuntimeError(
            f"{_NAME}optimizer.state_dict()-style param group keys to exactly match the live optimizer group "
            f"keys for group {index}. Keys only in swap-in: {theirs}. Keys only in live: {ours}."
        )
    return numbers


def _checked_groups(optimizer: Optimizer, groups: Any) -> list[list[int]]:
    if not isinstance(groups, list):
        raise RuntimeError(
            f"{_NAME}swapin_optim_state['param_groups'] to be a list of param-group dicts, got "
            f"{type(groups).__name__}."
        )
    if len(optimizer.param_groups) != len(groups):
        raise RuntimeError(
            "swapin_optim_state has a different number of parameter groups than the live optimizer."
        )
    pairs = zip(optimizer.param_groups, groups, strict=True)
    return [_checked_numbers(i, group, given) for i, (group, given) in enumerate(pairs)]


@contextmanager
def swap_in_optimizer_params_and_state(
    optimizer: Optimizer, swapin_parameters: dict[str, Tensor], swapin_optim_state: dict[str, Any]
) -> Iterator[None]:
    """Within the block, ``optimizer`` works on other parameters, state and settings.

    Steps change the given tensors in place; entries that a step adds to the given state are dropped.

    Args:
        optimizer: one that has taken a step.
        swapin_parameters: tensors by name, in the order of the optimizer's parameters.
        swapin_optim_state: what goes with them, laid out as by ``state_dict()``.

    Raises:
        RuntimeError: the optimizer has no state yet, or what is given does not fit it.
    """
    if not optimizer.state:
        raise RuntimeError(f"{_NAME}initialized optimizer state.")
    if not isinstance(swapin_optim_state, dict):
        raise RuntimeError(f"{_NAME}a DCP-style optimizer state_dict.")
    state = _checked_state(swapin_optim_state.get("state"))
    given = swapin_optim_state.get("param_groups")
    numbers = _checked_groups(optimizer, given)
    tensors = list(swapin_parameters.values())
    if sum(map(len, numbers)) > len(tensors):
        raise RuntimeError(f"{_NAME}the explicit parameter state to match optimizer.param_groups ordering.")
    extra = [k for k in state if not any(k in group for group in numbers)]
    if extra:
        raise RuntimeError(
            f"{_NAME}swapin_optim_state['state'] to be keyed only by packed parameter ids from "
            f"param_groups[*]['params']; got extra keys {extra!r}."
        )
    saved = optimizer.state, [dict(group) for group in optimizer.param_groups]
    swapped: defaultdict[Any, Any] = defaultdict(dict)
    queue = iter(tensors)
    try:
        for group, new, members in zip(optimizer.param_groups, given or (), numbers, strict=True):
            params = [next(queue) for _ in members]
            group.update(new, params=params)
            swapped.update((p, dict(state.get(n, {}))) for p, n in zip(params, members, strict=True))
        optimizer.state = swapped
        yield
    finally:
        optimizer.state = saved[0]
        for group, before in zip(optimizer.param_groups, saved[1], strict=True):
            group.clear()
            group.update(before)
