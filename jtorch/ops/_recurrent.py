"""Recurrent networks: one scan over time per layer and direction.

What the input contributes to every step is one product before the scan. So is what the gradient of the
recurrent weight needs after it: the scan's derivative takes the weight's part as one more input of each
step, instead of adding up a product per step. The derivative does not run the steps again: it computes their
gates from the outputs, all at once, so that a training step has one loop forward and one back. On NVIDIA's
GPUs cuDNN computes the LSTMs that it can.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from jtorch.ops._checks import scalar_type, wrap_dim
from jtorch.ops._cudnn_lstm import cudnn_layers, fits_cudnn
from jtorch.ops._precision import precision
from jtorch.ops._registry import register

State = tuple[Array, ...]

#: Gates per cell: rows of the weights are this many times the hidden size.
GATES = {"rnn_tanh": 1, "rnn_relu": 1, "lstm": 4, "gru": 3}


def times(x: Array, weight: Array) -> Array:
    """``x @ weight.T`` in the weight's dtype, as the rows of weights are outputs."""
    x = x.astype(weight.dtype)
    return lax.dot_general(x, weight, (((x.ndim - 1,), (1,)), ((), ())), precision=precision())


# ---- cells: what one step does -------------------------------------------------------------------------


def rnn_step(squash: Callable[[Array], Array], u: Array, r: Array, state: State) -> State:
    """``h = squash(u + r)``."""
    return (squash(u + r),)


def lstm_step(u: Array, r: Array, state: State) -> State:
    """Gates in the order input, forget, cell, output."""
    i, f, g, o = lstm_gates(u + r)
    c = f * state[1] + i * g
    return o * jnp.tanh(c), c


def lstm_gates(x: Array) -> list[Array]:
    """The squashed gates; a sigmoid of all four at once is a loop of its own and half the time of three."""
    i, f, _, o = jnp.split(lax.logistic(x), 4, -1)
    return [i, f, jnp.tanh(jnp.split(x, 4, -1)[2]), o]


def gru_step(u: Array, r: Array, state: State) -> State:
    """Gates in the order reset, update, new; the reset gate acts on what the new gate gets of the state."""
    _, z, new, _ = gru_gates(u, r)
    return (new + z * (state[0] - new),)


def gru_gates(u: Array, r: Array) -> tuple[Array, Array, Array, Array]:
    """The squashed gates, and what the new gate gets of the state before the reset gate acts on it."""
    un, rn = jnp.split(u, 3, -1)[2], jnp.split(r, 3, -1)[2]
    reset, z, _ = jnp.split(lax.logistic(u + r), 3, -1)
    return reset, z, jnp.tanh(un + reset * rn), rn


def relu(x: Array) -> Array:
    """``max(x, 0)`` with gradient 0 at 0."""
    return jnp.where(x <= 0, jnp.zeros_like(x), x)


STEPS: dict[str, Callable[[Array, Array, State], State]] = {
    "rnn_tanh": partial(rnn_step, jnp.tanh),
    "rnn_relu": partial(rnn_step, relu),
    "lstm": lstm_step,
    "gru": gru_step,
}


# ---- one layer in one direction ------------------------------------------------------------------------


def scan_steps(
    cell: str, reverse: bool, u: Array, r: Array | None, weights: State, state: State, valid: Array | None
) -> tuple[Array, State]:
    """The outputs of all steps, and the state after the last.

    Args:
        cell: which step to take.
        reverse: begin at the end.
        u: what the inputs contribute, shape ``(T, B, gates)``.
        r: what is added to the states' contribution, the same shape; ``None`` for nothing.
        weights: recurrent weight and, if there is one, projection.
        state: to begin with, ``(B, H)`` each.
        valid: steps to take, ``(T, B)``; at others the state stays.
    """
    step, (weight, *projection) = STEPS[cell], weights
    if projection:
        state = (state[0].astype(weight.dtype), *state[1:])

    def advance(state: State, given: tuple[Array, Array | None, Array | None]) -> tuple[State, Array]:
        u_t, r_t, valid_t = given
        recurrent = times(state[0], weight)
        new = step(u_t, recurrent if r_t is None else recurrent + r_t, state)
        if projection:
            new = (times(new[0], projection[0]), *new[1:])
        out = new[0]
        if valid_t is not None:
            keep = valid_t[:, None]
            new = tuple(jnp.where(keep, n, s) for n, s in zip(new, state, strict=True))
            out = jnp.where(keep, out, 0)
        return new, out

    last, outputs = lax.scan(advance, state, (u, r, valid), reverse=reverse)
    return outputs, last


@partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def recurrence(
    cell: str,
    reverse: bool,
    u: Array,
    bias: Array | None,
    weights: State,
    state: State,
    valid: Array | None,
) -> tuple[Array, State]:
    """:func:`scan_steps`, a bias being added to the states' contribution."""
    r = None if bias is None else jnp.broadcast_to(bias, u.shape)
    return scan_steps(cell, reverse, u, r, weights, state, valid)


@recurrence.defjvp
def _recurrence_jvp(cell: str, reverse: bool, primals: Any, tangents: Any) -> Any:
    u, bias, weights, state, valid = primals
    du, dbias, dweights, dstate, _ = tangents
    if valid is not None or len(weights) > 1 or any(s.dtype != u.dtype for s in (*weights, *state)):
        return _general_jvp(cell, reverse, primals, tangents)
    # The same computation as in the forward pass, which XLA then runs once.
    results = recurrence(cell, reverse, u, bias, weights, state, valid)
    before = shifted(results[0], state[0], reverse)
    r = times(before, weights[0])
    dr = times(before, dweights[0])
    if bias is not None:
        r, dr = r + bias, dr + dbias
    factors, slope = SLOPES[cell](u, r, before, state, results[0], reverse)

    def advance(carried: State, given: Any) -> tuple[State, Array]:
        du_t, dr_t, factors_t = given
        new = slope(du_t, dr_t + times(carried[0], weights[0]), carried, factors_t)
        return new, new[0]

    last, outputs = lax.scan(advance, dstate, (du, dr, factors), reverse=reverse)
    return results, (outputs, last)


def shifted(outputs: Array, first: Array, reverse: bool) -> Array:
    """What each step has got as its state: the outputs, one step later."""
    if reverse:
        return jnp.concatenate([outputs[1:], first[None]])
    return jnp.concatenate([first[None], outputs[:-1]])


def rnn_slope(
    squash: str, u: Array, r: Array, before: Array, state: State, h: Array, reverse: bool
) -> tuple[Any, Any]:
    """Derivative of :func:`rnn_step`."""

    def slope(du: Array, dr: Array, carried: State, factor: Array) -> State:
        return (factor * (du + dr),)

    return 1 - h * h if squash == "tanh" else jnp.where(h <= 0, jnp.zeros_like(h), 1), slope


def lstm_slope(u: Array, r: Array, before: Array, state: State, h: Array, reverse: bool) -> tuple[Any, Any]:
    """Derivative of :func:`lstm_step`."""
    i, f, g, o = lstm_gates(u + r)

    def advance(c: Array, given: tuple[Array, Array]) -> tuple[Array, Array]:
        new = given[0] * c + given[1]
        return new, new

    _, c = lax.scan(advance, state[1], (f, i * g), reverse=reverse)
    squashed = jnp.tanh(c)
    of_each = [g * i * (1 - i), shifted(c, state[1], reverse) * f * (1 - f), i * (1 - g * g)]
    of_gates = jnp.concatenate([*of_each, squashed * o * (1 - o)], -1)

    def slope(du: Array, dr: Array, carried: State, factors: Any) -> State:
        of_gates, of_cell, to_output = factors
        di, df, dg, do = jnp.split(of_gates * (du + dr), 4, -1)
        dc = of_cell * carried[1] + di + df + dg
        return do + to_output * dc, dc

    return (of_gates, f, o * (1 - squashed * squashed)), slope


def gru_slope(u: Array, r: Array, before: Array, state: State, h: Array, reverse: bool) -> tuple[Any, Any]:
    """Derivative of :func:`gru_step`."""
    reset, z, new, rn = gru_gates(u, r)
    of_new = (1 - z) * (1 - new * new)
    of_reset = of_new * rn * reset * (1 - reset)
    of_z = (before - new) * z * (1 - z)
    from_input = jnp.concatenate([of_reset, of_z, of_new], -1)
    from_state = jnp.concatenate([of_reset, of_z, of_new * reset], -1)

    def slope(du: Array, dr: Array, carried: State, factors: Any) -> State:
        from_input, from_state, kept = factors
        return (sum(jnp.split(from_input * du + from_state * dr, 3, -1)) + kept * carried[0],)

    return (from_input, from_state, z), slope


#: Per cell: factors of the derivative of each step, for all steps at once, and the derivative, which is
#: linear in what it gets: the changes of ``u`` and ``r`` and of the state before.
SLOPES: dict[str, Callable[..., tuple[Any, Any]]] = {
    "rnn_tanh": partial(rnn_slope, "tanh"),
    "rnn_relu": partial(rnn_slope, "relu"),
    "lstm": lstm_slope,
    "gru": gru_slope,
}


def _general_jvp(cell: str, reverse: bool, primals: Any, tangents: Any) -> Any:
    """The derivative with projections, several dtypes, or steps left out: steps are linearized one by one."""
    u, bias, weights, state, valid = primals
    du, dbias, dweights, dstate, _ = tangents
    # Only a GRU tells apart what comes from the input and from the state; else one array does for both.
    r = None
    if cell == "gru":
        r = jnp.zeros_like(u) if bias is None else jnp.broadcast_to(bias, u.shape)

    def run(u: Array, r: Array | None, others: State, state: State) -> tuple[Array, State]:
        return scan_steps(cell, reverse, u, r, (weights[0], *others), state, valid)

    results, derivative = jax.linearize(run, u, r, weights[1:], state)
    outputs = results[0]
    if valid is None:
        before = shifted(outputs, state[0], reverse)
    else:
        before = states_before(outputs, state[0], valid, reverse)
    dr = times(before, dweights[0])
    if r is None:
        return results, derivative(du + dr, None, dweights[1:], dstate)
    return results, derivative(du, dr if bias is None else dr + dbias, dweights[1:], dstate)


def states_before(outputs: Array, first: Array, valid: Array, reverse: bool) -> Array:
    """The state before each step, where it stays over steps that are not taken."""

    def carry(state: Array, given: tuple[Array, Array]) -> tuple[Array, Array]:
        out, taken = given
        return jnp.where(taken[:, None], out, state), state

    return lax.scan(carry, first, (outputs, valid), reverse=reverse)[1]


def layer(
    cell: str, reverse: bool, x: Array, params: Sequence[Array], has_biases: bool, state: State, valid: Any
) -> tuple[Array, State]:
    """One layer in one direction, for inputs ``(T, B, I)``.

    Args:
        cell: kind of network.
        reverse: begin at the end.
        x: inputs.
        params: PyTorch's weights: input, recurrent, then both biases, then the projection.
        has_biases: whether there are biases.
        state: to begin with.
        valid: steps to take, or ``None`` for all.
    """
    input_weight, recurrent_weight, *rest = params
    biases, projection = (rest[:2], rest[2:]) if has_biases else ([], rest)
    u = times(x, input_weight)
    bias = None
    if biases:
        # Only the reset gate of a GRU tells the two biases apart.
        u = u + (biases[0] if cell == "gru" else biases[0] + biases[1])
        bias = biases[1] if cell == "gru" else None
    return recurrence(cell, reverse, u, bias, (recurrent_weight, *projection), state, valid)


# ---- stacks of layers ----------------------------------------------------------------------------------


def stack(
    cell: str,
    x: Array,
    states: Sequence[Array],
    params: Sequence[Array],
    masks: Sequence[Array],
    has_biases: bool,
    num_layers: int,
    bidirectional: bool,
    valid: Array | None = None,
    cudnn: bool = False,
) -> tuple[Array, list[Array]]:
    """All layers, for inputs ``(T, B, I)``.

    Args:
        cell: kind of network.
        x: inputs.
        states: initial states, ``(layers * directions, B, H)`` each.
        params: PyTorch's flat weights.
        masks: what the outputs of each layer but the last are multiplied by (dropout); none for nothing.
        has_biases: whether there are biases.
        num_layers: how many.
        bidirectional: two directions per layer, whose outputs are joined.
        valid: steps to take, ``(T, B)``; ``None`` for all.
        cudnn: whether cuDNN may compute them.

    Returns:
        Outputs of the last layer, and the final states, stacked like the initial ones.
    """
    directions = 2 if bidirectional else 1
    size = len(params) // (num_layers * directions)
    if cudnn and cell == "lstm" and fits_cudnn(x, states, params, masks, size):
        # Batches of calls (vmap) are not among what JAX's call can do.
        with contextlib.suppress(NotImplementedError):
            return cudnn_layers(x, states, params, has_biases, num_layers, bidirectional, valid)
    finals: list[State] = []
    for i in range(num_layers):
        outputs = []
        for j in range(directions):
            k = i * directions + j
            mine = params[k * size : (k + 1) * size]
            state = tuple(s[k] for s in states)
            out, last = layer(cell, j == 1, x, mine, has_biases, state, valid)
            outputs.append(out)
            finals.append(last)
        x = outputs[0] if directions == 1 else jnp.concatenate(outputs, -1)
        if masks and i < num_layers - 1:
            x = x * masks[i]
    return x, [jnp.stack(s) for s in zip(*finals, strict=True)]


def may_mix(x: Array, state: Array) -> bool:
    """Half-precision products on float32 states: what autocast makes of LSTM and GRU."""
    return x.dtype in (jnp.float16, jnp.bfloat16) and state.dtype == jnp.float32


def check_stack(
    cell: str,
    x: Array,
    states: Sequence[Array],
    params: Sequence[Array],
    num_layers: int,
    bidirectional: bool,
) -> None:
    """Sizes and dtypes that PyTorch's layers check."""
    if cell == "lstm" and len(states) != 2:
        raise RuntimeError("lstm expects two hidden states")
    directions = num_layers * (2 if bidirectional else 1)
    if len(params) % directions or not len(params) >= 2 * directions:
        raise RuntimeError(f"{cell} expects {directions} layers of weights, but got {len(params)} tensors")
    if x.shape[-1] != params[0].shape[1]:
        rows = x.shape[-2] if x.ndim < 3 else x.shape[0] * x.shape[1]
        raise RuntimeError(
            f"mat1 and mat2 shapes cannot be multiplied ({rows}x{x.shape[-1]} and "
            f"{params[0].shape[1]}x{params[0].shape[0]})"
        )
    for w in (*(s for s in states if not may_mix(x, s)), *params):
        if w.dtype != x.dtype:
            raise RuntimeError(f"expected scalar type {scalar_type(x)} but found {scalar_type(w)}")
    if 0 in x.shape[:1]:
        raise RuntimeError("Expected sequence length to be larger than 0 in RNN")


def recurrent_node(name: str) -> Callable[[Sequence[Any], Mapping[str, Any]], str]:
    """The last of the nodes that PyTorch composes the outputs of."""

    def node(shapes: Sequence[Any], static: Mapping[str, Any]) -> str:
        if static.get("batch_first"):
            return "TransposeBackward0" if name == "lstm" else "TransposeBackward1"
        if static["bidirectional"]:
            return "CatBackward0"
        return "MkldnnRnnLayerBackward0" if name == "lstm" else "StackBackward0"

    return node


def whole_sequences(
    cell: str,
    input: Array,
    states: Sequence[Array],
    params: Sequence[Array],
    masks: Sequence[Array],
    has_biases: bool,
    num_layers: int,
    bidirectional: bool,
    batch_first: bool,
    cudnn: bool = False,
) -> tuple[Array, ...]:
    """Outputs and final states, for a batch of sequences of one length."""
    x = jnp.swapaxes(input, 0, 1) if batch_first else input
    check_stack(cell, x, states, params, num_layers, bidirectional)
    out, finals = stack(cell, x, states, params, masks, has_biases, num_layers, bidirectional, None, cudnn)
    return jnp.swapaxes(out, 0, 1) if batch_first else out, *finals


def packed_sequences(
    cell: str,
    data: Array,
    batch_sizes: Array,
    states: Sequence[Array],
    params: Sequence[Array],
    masks: Sequence[Array],
    has_biases: bool,
    num_layers: int,
    bidirectional: bool,
    cudnn: bool = False,
) -> tuple[Array, ...]:
    """Outputs and final states for sequences packed step by step, the longest first.

    Args:
        cell: kind of network.
        data: inputs of all steps, ``(sum of batch_sizes, I)``.
        batch_sizes: sequences that are still there at each step, ``(T,)``.
        states: initial states.
        params: PyTorch's flat weights.
        masks: as of :func:`stack`, but packed.
        has_biases: whether there are biases.
        num_layers: how many.
        bidirectional: two directions per layer.
        cudnn: whether cuDNN may compute them.
    """
    check_stack(cell, data, states, params, num_layers, bidirectional)
    batch = states[0].shape[1]
    ends = jnp.cumsum(batch_sizes)
    valid = jnp.arange(batch) < batch_sizes[:, None]
    # Place of each step of each sequence in the packed data; steps that are not there read anything.
    place = jnp.where(valid, (ends - batch_sizes)[:, None] + jnp.arange(batch), 0)
    x = data[place]
    spread = [m[place] for m in masks]
    out, finals = stack(cell, x, states, params, spread, has_biases, num_layers, bidirectional, valid, cudnn)
    row = jnp.arange(data.shape[0])
    time = jnp.searchsorted(ends, row, side="right")
    return out[time, row - (ends - batch_sizes)[time]], *finals


RECURRENT = "has_biases num_layers bidirectional"


def register_network(cell: str) -> None:
    """The ops of one kind of network, for whole and for packed sequences."""

    @register(
        f"_{cell}",
        node=recurrent_node(cell),
        static=RECURRENT + " batch_first",
        lists="states params masks",
        promote=None,
        cpu=partial(whole_sequences, cell),
    )
    def network(
        input: Array,
        states: Sequence[Array],
        params: Sequence[Array],
        masks: Sequence[Array],
        has_biases: bool,
        num_layers: int,
        bidirectional: bool,
        batch_first: bool,
    ) -> tuple[Array, ...]:
        """Outputs and final states; see :func:`stack`."""
        return whole_sequences(
            cell, input, states, params, masks, has_biases, num_layers, bidirectional, batch_first, True
        )

    @register(
        f"_{cell}.packed",
        node=recurrent_node(cell),
        static=RECURRENT,
        lists="states params masks",
        promote=None,
        cpu=partial(packed_sequences, cell),
    )
    def packed_network(
        data: Array,
        batch_sizes: Array,
        states: Sequence[Array],
        params: Sequence[Array],
        masks: Sequence[Array],
        has_biases: bool,
        num_layers: int,
        bidirectional: bool,
    ) -> tuple[Array, ...]:
        """Outputs and final states of packed sequences; see :func:`packed_sequences`."""
        return packed_sequences(
            cell, data, batch_sizes, states, params, masks, has_biases, num_layers, bidirectional, True
        )


for _cell in GATES:
    register_network(_cell)


# ---- single steps --------------------------------------------------------------------------------------


def check_cell(input: Array, states: State, w_ih: Array, w_hh: Array) -> None:
    """Sizes of one step."""
    for x in (input, *states):
        wrap_dim(1, x.ndim)
    if input.shape[1] != w_ih.shape[1]:
        raise RuntimeError(
            f"input has inconsistent input_size: got {input.shape[1]} expected {w_ih.shape[1]}"
        )
    for i, hidden in enumerate(states):
        if input.shape[0] != hidden.shape[0]:
            raise RuntimeError(
                f"Input batch size {input.shape[0]} doesn't match hidden{i} batch size {hidden.shape[0]}"
            )
        if hidden.shape[1] != w_hh.shape[1]:
            raise RuntimeError(
                f"hidden{i} has inconsistent hidden_size: got {hidden.shape[1]}, expected {w_hh.shape[1]}"
            )


def check_same_type(x: Array, weight: Array) -> None:
    """Types of the factors of a product."""
    if x.dtype != weight.dtype:
        raise RuntimeError(
            f"mat1 and mat2 must have the same dtype, but got {scalar_type(x)} and {scalar_type(weight)}"
        )


def cell_step(
    cell: str,
    input: Array,
    state: State,
    w_ih: Array,
    w_hh: Array,
    b_ih: Array | None,
    b_hh: Array | None,
) -> State:
    """The state after one step."""
    check_cell(input, state, w_ih, w_hh)
    if not may_mix(input, state[0]):
        check_same_type(state[0], w_hh)
    check_same_type(input, w_ih)
    u, r = times(input, w_ih), times(state[0], w_hh)
    u, r = (x if b is None else x + b for x, b in ((u, b_ih), (r, b_hh)))
    return STEPS[cell](u, r, state)


@register(node="AddBackward0", lists="hx", promote=None)
def lstm_cell(
    input: Array,
    hx: Sequence[Array],
    w_ih: Array,
    w_hh: Array,
    b_ih: Array | None = None,
    b_hh: Array | None = None,
) -> tuple[Array, ...]:
    """One step of a long short-term memory: the new hidden and cell state.

    Args:
        input: shape ``(B, I)``.
        hx: hidden and cell state, ``(B, H)`` each.
        w_ih: weight of the input, ``(4 * H, I)``: input, forget, cell and output gate.
        w_hh: weight of the state, ``(4 * H, H)``.
        b_ih: bias, ``(4 * H,)``.
        b_hh: bias, ``(4 * H,)``.

    Raises:
        RuntimeError: sizes that do not agree.
    """
    if len(hx) != 2:
        raise RuntimeError("lstm_cell expects two hidden states")
    return cell_step("lstm", input, tuple(hx), w_ih, w_hh, b_ih, b_hh)


@register(node="AddBackward0", promote=None)
def gru_cell(
    input: Array,
    hx: Array,
    w_ih: Array,
    w_hh: Array,
    b_ih: Array | None = None,
    b_hh: Array | None = None,
) -> Array:
    """One step of a gated recurrent unit, gates in the order reset, update, new; see :func:`lstm_cell`."""
    return cell_step("gru", input, (hx,), w_ih, w_hh, b_ih, b_hh)[0]


@register(node="TanhBackward0", promote=None)
def rnn_tanh_cell(
    input: Array,
    hx: Array,
    w_ih: Array,
    w_hh: Array,
    b_ih: Array | None = None,
    b_hh: Array | None = None,
) -> Array:
    """``tanh(w_ih @ input + b_ih + w_hh @ hx + b_hh)``; see :func:`lstm_cell`."""
    return cell_step("rnn_tanh", input, (hx,), w_ih, w_hh, b_ih, b_hh)[0]


@register(node="ReluBackward0", promote=None)
def rnn_relu_cell(
    input: Array,
    hx: Array,
    w_ih: Array,
    w_hh: Array,
    b_ih: Array | None = None,
    b_hh: Array | None = None,
) -> Array:
    """``relu(w_ih @ input + b_ih + w_hh @ hx + b_hh)``; see :func:`lstm_cell`."""
    return cell_step("rnn_relu", input, (hx,), w_ih, w_hh, b_ih, b_hh)[0]
