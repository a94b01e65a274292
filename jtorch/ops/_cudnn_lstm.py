"""Long short-term memories by cuDNN, which runs all steps and layers in one call, on NVIDIA's GPUs."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import Array
from jax.experimental.rnn import gpu_rnn, lstm  # type: ignore[attr-defined]
from jax.lax import Precision

from jtorch.ops._precision import precision

__all__ = ["cudnn_enabled", "cudnn_layers", "fits_cudnn", "set_cudnn_enabled"]

_enabled = True


def cudnn_enabled() -> bool:
    """Whether layers may run by cuDNN (``torch.backends.cudnn.enabled``)."""
    return _enabled


def set_cudnn_enabled(value: bool) -> None:
    """Change it for the ops traced from now on."""
    global _enabled
    _enabled = value


@functools.cache
def has_cudnn() -> bool:
    """Whether there is an NVIDIA GPU, and JAX's plugin for it brings cuDNN's recurrent networks."""
    if not hasattr(gpu_rnn, "compute_rnn_workspace_reserve_space_sizes"):
        return False
    try:
        found = jax.local_devices(backend="cuda")
    except RuntimeError:
        return False
    return bool(found)


def fits_cudnn(
    x: Array, states: Sequence[Array], params: Sequence[Array], masks: Sequence[Array], size: int
) -> bool:
    """Whether cuDNN computes what PyTorch specifies.

    JAX's call is for float32; it has no projections, and draws the dropout's bits itself.

    Args:
        x: inputs, ``(T, B, I)``.
        states: initial states.
        params: flat weights.
        masks: of the dropout.
        size: how many weights a layer has in one direction; an odd number includes a projection.
    """
    floats = all(a.dtype == jnp.float32 for a in (x, *states, *params))
    return _enabled and not masks and size in (2, 4) and x.size > 0 and floats and has_cudnn()


def cudnn_layers(
    x: Array,
    states: Sequence[Array],
    params: Sequence[Array],
    has_biases: bool,
    num_layers: int,
    bidirectional: bool,
    valid: Array | None,
) -> tuple[Array, list[Array]]:
    """All layers, for inputs ``(T, B, I)``; arguments as of ``stack`` in ``_recurrent``.

    Returns:
        Outputs of the last layer, 0 at steps that are not taken, and the final states.
    """
    steps, batch, inputs = x.shape
    lengths = jnp.full((batch,), steps, jnp.int32) if valid is None else valid.sum(0, dtype=jnp.int32)
    rounded = Precision.HIGHEST if precision() == Precision.HIGHEST else Precision.HIGH
    out, *finals = lstm(
        jnp.swapaxes(x, 0, 1),
        states[0],
        states[1],
        flat_weights(params, has_biases),
        lengths,
        inputs,
        states[0].shape[-1],
        num_layers,
        0.0,
        bidirectional,
        rounded,
    )
    return jnp.swapaxes(out, 0, 1), finals


def flat_weights(params: Sequence[Array], has_biases: bool) -> Array:
    """Weights as cuDNN lays them out: first the matrices of all layers and directions, then the biases.

    Within both, the input's precedes the state's; gates have PyTorch's order.
    """
    size = 4 if has_biases else 2
    layers = [params[i : i + size] for i in range(0, len(params), size)]
    matrices = [w for layer in layers for w in layer[:2]]
    if has_biases:
        biases = [b for layer in layers for b in layer[2:]]
    else:
        biases = [jnp.zeros(w.shape[:1], w.dtype) for w in matrices]
    return jnp.concatenate([w.reshape(-1) for w in (*matrices, *biases)])
