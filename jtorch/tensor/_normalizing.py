"""Normalizations that keep running statistics: the ops return them, and here they go into the buffers."""

from __future__ import annotations

from typing import Any

from jtorch.dispatch import NO_GRAD, modes
from jtorch.ops._registry import OPS
from jtorch.tensor._core import Tensor, call, from_value, run, value_of
from jtorch.tensor._derive import derived
from jtorch.tensor._inplace import write_out
from jtorch.tensor._writing import write

__all__: list[str] = []

_BATCH_NORM, _INSTANCE_NORM = OPS["_batch_norm"], OPS["_instance_norm"]
_MOMENTUM = _BATCH_NORM.defaults[_BATCH_NORM.places["momentum"]]


def _frozen(statistic: Tensor | None) -> Tensor | None:
    """The present contents of a running statistic, which later writes do not touch."""
    return None if statistic is None else from_value(value_of(statistic))


def _keep(statistic: Tensor | None, new: Tensor) -> None:
    """Write a running statistic without autograd noticing."""
    if statistic is None:
        return
    level, modes.level = modes.level, NO_GRAD
    try:
        write(statistic, from_value(value_of(new)))
    finally:
        modes.level = level


def _batch_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """Result, mean and inverse deviation; the running statistics are updated in training."""
    if input.dim() == 1 and not input.numel():
        return call("_clone", input), input.detach(), input.detach()
    statistics = _frozen(running_mean), _frozen(running_var)
    # At its default it is part of the program, so that XLA compiles the statistics of equal layers once.
    share = _MOMENTUM if type(momentum) is float and momentum == _MOMENTUM else float(momentum)
    operands = (input, *statistics, weight, bias, training, share, eps)
    y, mean, inverse, new_mean, new_var = run(_BATCH_NORM, operands)
    if training:
        _keep(running_mean, new_mean)
        _keep(running_var, new_var)
    return y, mean, inverse


def native_layer_norm(
    input: Tensor, normalized_shape: Any, weight: Tensor | None, bias: Tensor | None, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """``nn.functional.layer_norm`` with the mean and the inverse standard deviation of each sample."""
    y, mean, inverse = call("_native_layer_norm", input, normalized_shape, weight, bias, eps)
    return y, mean.detach(), inverse.detach()


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Each channel to mean 0 and variance 1, then times ``weight`` plus ``bias``.

    Args:
        input: shape ``(N, C, *)``.
        running_mean: means of earlier batches, ``(C,)``: updated in training, used otherwise.
        running_var: their unbiased variances.
        weight: factor of each channel.
        bias: per channel.
        training: use this batch's moments.
        momentum: share of this batch in the running statistics.
        eps: added to the variance.

    Raises:
        ValueError: one value per channel only, in training; ``eps`` that is not positive.
        RuntimeError: sizes that do not agree.
    """
    if training and input.dim() > 1:
        _check_several(input)
    if eps <= 0.0 and (training or eps < 0.0):
        wanted = "positive during training" if training else "non-negative"
        raise ValueError(f"batch_norm eps must be {wanted}, but got {eps}")
    return _batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps)[0]


def _check_several(input: Tensor) -> None:
    shape = input.shape
    count = shape[0]
    for n in shape[2:]:
        count *= n
    if count == 1:
        raise ValueError(f"Expected more than 1 value per channel when training, got input size {shape}")


def torch_batch_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool = True,
) -> Tensor:
    """``nn.functional.batch_norm`` in another order; the switch has no meaning here."""
    return _batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps)[0]


def native_batch_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
    *,
    out: tuple[Tensor, Tensor, Tensor] | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """``nn.functional.batch_norm`` with mean and inverse deviation of the batch, empty if not in training."""
    y, mean, inverse = _batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps)
    results = y, mean.detach(), inverse.detach()
    if out is None:
        return results
    return tuple(write_out(o, r, "native_batch_norm") for o, r in zip(out, results, strict=True))  # type: ignore[return-value]


def native_batch_norm_legit(*args: Any, **kwargs: Any) -> tuple[Tensor, Tensor, Tensor]:
    """:func:`native_batch_norm`, which may be called without running statistics at all."""
    if len(args) > 3 and isinstance(args[3], bool):
        args = (*args[:3], None, None, *args[3:])
    return native_batch_norm(*args, **kwargs)


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Each channel of each sample to mean 0 and variance 1, then times ``weight`` plus ``bias``.

    Args:
        input: shape ``(N, C, *)``.
        running_mean: means of earlier batches, ``(C,)``: updated with ``use_input_stats``, used otherwise.
        running_var: their unbiased variances.
        weight: factor of each channel.
        bias: per channel.
        use_input_stats: use each sample's own moments.
        momentum: share of this batch in the running statistics.
        eps: added to the variance.

    Raises:
        ValueError: one value per channel and sample only.
        RuntimeError: sizes that do not agree.
    """
    if use_input_stats:
        size = 1
        for n in input.shape[2:]:
            size *= n
        if size == 1:
            raise ValueError(
                f"Expected more than 1 spatial element when training, got input size {input.shape}"
            )
    statistics = _frozen(running_mean), _frozen(running_var)
    operands = (input, *statistics, weight, bias, use_input_stats, float(momentum), eps)
    y, new_mean, new_var = run(_INSTANCE_NORM, operands)
    if use_input_stats and running_mean is not None and running_var is not None:
        _keep(running_mean, new_mean)
        _keep(running_var, new_var)
    return y  # type: ignore[no-any-return]


def torch_instance_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    use_input_stats: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool = True,
) -> Tensor:
    """``nn.functional.instance_norm`` in another order; the switch has no meaning here."""
    return instance_norm(input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps)


def _install(space: str, name: str, function: Any) -> None:
    function.__name__ = function.__qualname__ = name
    function.__module__ = "jtorch"
    derived[space][name] = function


_install("nn.functional", "batch_norm", batch_norm)
_install("nn.functional", "instance_norm", instance_norm)
_install("", "batch_norm", torch_batch_norm)
_install("", "instance_norm", torch_instance_norm)
_install("", "native_layer_norm", native_layer_norm)
_install("", "native_batch_norm", native_batch_norm)
_install("", "_native_batch_norm_legit", native_batch_norm_legit)
