"""The networks as one writes them in plain JAX: pure functions of trees of arrays, channels last.

``trees`` brings PyTorch's weights into that form; ``forward`` also hands on the statistics of batch norms.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from bench.networks import _cases

State = dict[str, Any]


def linear_tree(state: State, name: str) -> dict[str, Any]:
    """Weights of a linear layer, (inputs, outputs)."""
    return {"w": state[f"{name}.weight"].T, "b": state[f"{name}.bias"]}


def conv_tree(state: State, name: str) -> dict[str, Any]:
    """Weights of a convolution, height, width, inputs, outputs."""
    tree = {"w": state[f"{name}.weight"].transpose(2, 3, 1, 0)}
    return tree | ({"b": state[f"{name}.bias"]} if f"{name}.bias" in state else {})


def norm_tree(state: State, name: str) -> dict[str, Any]:
    """Scale and shift of a norm."""
    return {"scale": state[f"{name}.weight"], "shift": state[f"{name}.bias"]}


def stats_tree(state: State, name: str) -> dict[str, Any]:
    """Running statistics of a batch norm."""
    return {"mean": state[f"{name}.running_mean"], "var": state[f"{name}.running_var"]}


def dense_trees(case: _cases.Case, state: State) -> Any:
    """One tree per layer."""
    return [linear_tree(state, str(i)) for i in range(0, 2 * len(case.sizes["widths"]) - 2, 2)], {}


def vgg_trees(case: _cases.Case, state: State) -> Any:
    """Four convolutions and the head, whose inputs now come channels last."""
    convs = [conv_tree(state, name) for name in ("0.0", "0.2", "1.0", "1.2")]
    head, width = linear_tree(state, "3"), case.sizes["width"]
    side = round((len(head["w"]) / width) ** 0.5)
    w = head["w"].reshape(width, side, side, -1).transpose(1, 2, 0, 3)
    return {"convs": convs, "head": {"w": w.reshape(head["w"].shape), "b": head["b"]}}, {}


def residual_trees(case: _cases.Case, state: State) -> Any:
    """The stem, eight blocks, the head."""
    params, stats = [], []
    for i in range(8):
        at = f"3.{i}."
        block = {"conv1": conv_tree(state, at + "conv1"), "bn1": norm_tree(state, at + "bn1"),
                 "conv2": conv_tree(state, at + "conv2"), "bn2": norm_tree(state, at + "bn2")}  # fmt: skip
        means = {"bn1": stats_tree(state, at + "bn1"), "bn2": stats_tree(state, at + "bn2")}
        if f"{at}down.0.weight" in state:
            block |= {"down": conv_tree(state, at + "down.0"), "bn3": norm_tree(state, at + "down.1")}
            means["bn3"] = stats_tree(state, at + "down.1")
        params.append(block)
        stats.append(means)
    stem = {"conv": conv_tree(state, "0"), "bn": norm_tree(state, "1")}
    head = linear_tree(state, "6")
    return {"stem": stem, "blocks": params, "head": head}, {"stem": stats_tree(state, "1"), "blocks": stats}


def gpt_trees(case: _cases.Case, state: State) -> Any:
    """Embeddings, layers, the last norm and the head."""
    layers = []
    for i in range(case.sizes["layers"]):
        at = f"layers.{i}."
        layers.append({
            "norm1": norm_tree(state, at + "norm1"), "norm2": norm_tree(state, at + "norm2"),
            "qkv": linear_tree(state, at + "qkv"), "out": linear_tree(state, at + "out"),
            "up": linear_tree(state, at + "mlp.0"), "down": linear_tree(state, at + "mlp.2"),
        })  # fmt: skip
    ends = {"norm": norm_tree(state, "norm"), "head": linear_tree(state, "head")}
    return {"token": state["token.weight"], "place": state["place.weight"], "layers": layers} | ends, {}


def lstm_trees(case: _cases.Case, state: State) -> Any:
    """Weights of both products of the cell, and the head."""
    cell = {n: state[f"lstm.{n}_l0"] for n in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}
    cell |= {n: cell[n].T for n in ("weight_ih", "weight_hh")}
    return {"cell": cell, "head": linear_tree(state, "head")}, {}


TREES = {
    _cases.dense: dense_trees,
    _cases.tiny_vgg: vgg_trees,
    _cases.residual: residual_trees,
    _cases.gpt: gpt_trees,
    _cases.lstm: lstm_trees,
}


def linear(p: Any, x: Any) -> Any:
    return x @ p["w"] + p["b"]


def conv(p: Any, x: Any, stride: int = 1, padding: int = 0) -> Any:
    pads, layouts = [(padding, padding)] * 2, ("NHWC", "HWIO", "NHWC")
    y = lax.conv_general_dilated(x, p["w"], (stride, stride), pads, dimension_numbers=layouts)
    return y + p["b"] if "b" in p else y


def max_pool(x: Any) -> Any:
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")


def layer_norm(p: Any, x: Any) -> Any:
    mean, var = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return (x - mean) * lax.rsqrt(var + 1e-5) * p["scale"] + p["shift"]


def batch_norm(p: Any, stats: Any, x: Any, train: bool) -> Any:
    """The normed batch, and the running statistics after it."""
    mean, var = stats["mean"], stats["var"]
    if train:
        mean, var, count = x.mean((0, 1, 2)), x.var((0, 1, 2)), x.size / x.shape[-1]
        unbiased = var * (count / (count - 1))
        stats = {"mean": 0.9 * stats["mean"] + 0.1 * mean, "var": 0.9 * stats["var"] + 0.1 * unbiased}
    return (x - mean) * lax.rsqrt(var + 1e-5) * p["scale"] + p["shift"], stats


def dense(sizes: Any, params: Any, stats: Any, x: Any, train: bool) -> Any:
    for p in params[:-1]:
        x = jax.nn.relu(linear(p, x))
    return linear(params[-1], x), stats


def tiny_vgg(sizes: Any, params: Any, stats: Any, x: Any, train: bool) -> Any:
    for i, p in enumerate(params["convs"]):
        x = jax.nn.relu(conv(p, x))
        x = max_pool(x) if i % 2 else x
    return linear(params["head"], x.reshape(len(x), -1)), stats


def residual(sizes: Any, params: Any, stats: Any, x: Any, train: bool) -> Any:
    def block(p: Any, s: Any, x: Any) -> Any:
        new = {}
        stride = 2 if "down" in p else 1
        y, new["bn1"] = batch_norm(p["bn1"], s["bn1"], conv(p["conv1"], x, stride, 1), train)
        y, new["bn2"] = batch_norm(p["bn2"], s["bn2"], conv(p["conv2"], jax.nn.relu(y), 1, 1), train)
        if "down" in p:
            x, new["bn3"] = batch_norm(p["bn3"], s["bn3"], conv(p["down"], x, stride), train)
        return jax.nn.relu(y + x), new

    x, stem = batch_norm(params["stem"]["bn"], stats["stem"], conv(params["stem"]["conv"], x, 1, 1), train)
    x, blocks = jax.nn.relu(x), []
    for p, s in zip(params["blocks"], stats["blocks"], strict=True):
        x, new = block(p, s, x)
        blocks.append(new)
    return linear(params["head"], x.mean((1, 2))), {"stem": stem, "blocks": blocks}


def gpt(sizes: Any, params: Any, stats: Any, x: Any, train: bool) -> Any:
    batch, length = x.shape
    h = params["token"][x] + params["place"][jnp.arange(length)]
    for p in params["layers"]:
        q, k, v = (
            t.reshape(batch, length, sizes["heads"], -1)
            for t in jnp.split(linear(p["qkv"], layer_norm(p["norm1"], h)), 3, axis=2)
        )
        y = jax.nn.dot_product_attention(q, k, v, is_causal=True)
        h = h + linear(p["out"], y.reshape(h.shape))
        y = jax.nn.gelu(linear(p["up"], layer_norm(p["norm2"], h)), approximate=False)
        h = h + linear(p["down"], y)
    return linear(params["head"], layer_norm(params["norm"], h)).reshape(batch * length, -1), stats


def lstm(sizes: Any, params: Any, stats: Any, x: Any, train: bool) -> Any:
    p, units = params["cell"], sizes["units"]
    # The products with the inputs need not wait for each other.
    inputs = x.swapaxes(0, 1) @ p["weight_ih"] + p["bias_ih"] + p["bias_hh"]

    def cell(carry: Any, inputs: Any) -> Any:
        h, c = carry
        i, f, g, o = jnp.split(inputs + h @ p["weight_hh"], 4, axis=1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        return (jax.nn.sigmoid(o) * jnp.tanh(c), c), None

    zeros = jnp.zeros((len(x), units))
    (h, _), _ = lax.scan(cell, (zeros, zeros), inputs)
    return linear(params["head"], h), stats


FORWARD = {
    _cases.dense: dense,
    _cases.tiny_vgg: tiny_vgg,
    _cases.residual: residual,
    _cases.gpt: gpt,
    _cases.lstm: lstm,
}

LOSSES = {
    "L1Loss": lambda out, y: jnp.abs(out - y).mean(),
    "BCEWithLogitsLoss": lambda out, y: optax.sigmoid_binary_cross_entropy(out, y).mean(),
    "CrossEntropyLoss": lambda out, y: optax.softmax_cross_entropy_with_integer_labels(out, y).mean(),
}


def rule(case: _cases.Case) -> Any:
    """The optimizer."""
    return getattr(optax, case.optimizer.lower())(_cases.RATE[case.optimizer])


def arrays(case: _cases.Case, data: tuple[Any, Any]) -> Any:
    """The data on the device, images with channels last."""
    x, y = data
    x = x.transpose(0, 2, 3, 1) if x.ndim == 4 else x
    return [jnp.array(a.astype(np.int32) if a.dtype == np.int64 else a) for a in (x, y)]


def training(case: _cases.Case, state: State, data: Any) -> Any:
    """One jitted function with donated state; returns the step, which returns the loss."""
    params, stats = jax.tree.map(jnp.array, TREES[case.build](case, state))
    optimizer, loss_of = rule(case), LOSSES[case.loss]
    held = [params, stats, optimizer.init(params)]
    x, y = arrays(case, data)

    @partial(jax.jit, donate_argnums=(0, 1, 2))
    def update(params: Any, stats: Any, state: Any, x: Any, y: Any) -> Any:
        def loss(params: Any) -> Any:
            out, new = FORWARD[case.build](case.sizes, params, stats, x, True)
            return loss_of(out, y), new

        (value, stats), gradients = jax.value_and_grad(loss, has_aux=True)(params)
        updates, state = optimizer.update(gradients, state, params)
        return optax.apply_updates(params, updates), stats, state, value

    def step() -> Any:
        *held[:], value = update(*held, x, y)
        return value

    return step


def inference(case: _cases.Case, state: State, data: Any) -> Any:
    """A jitted forward pass."""
    params, stats = jax.tree.map(jnp.array, TREES[case.build](case, state))
    x, _ = arrays(case, data)

    @jax.jit
    def forward(params: Any, stats: Any, x: Any) -> Any:
        return FORWARD[case.build](case.sizes, params, stats, x, False)[0]

    return lambda: forward(params, stats, x)
