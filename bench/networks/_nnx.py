"""The networks in flax's nnx, trained as its documentation shows, from the trees of the plain JAX version."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from bench.networks import _by_hand, _cases

#: Layers want random numbers and rules for weights that are replaced at once.
RNGS, ZEROS = nnx.Rngs(0), nnx.initializers.zeros_init()


def fill(layer: Any, **values: Any) -> Any:
    """The layer, with these arrays in its variables."""
    for name, value in values.items():
        variable = getattr(layer, name)
        assert variable.shape == value.shape, (name, variable.shape, value.shape)
        variable[...] = jnp.array(value)
    return layer


def linear(tree: Any) -> nnx.Linear:
    return fill(nnx.Linear(*tree["w"].shape, kernel_init=ZEROS, rngs=RNGS), kernel=tree["w"], bias=tree["b"])


def conv(tree: Any, stride: int = 1, padding: int = 0) -> nnx.Conv:
    *kernel, inputs, outputs = tree["w"].shape
    layer = nnx.Conv(
        inputs, outputs, kernel, stride,
        padding=padding, use_bias="b" in tree, kernel_init=ZEROS, rngs=RNGS,
    )  # fmt: skip
    return fill(layer, kernel=tree["w"], **({"bias": tree["b"]} if "b" in tree else {}))


def embed(rows: Any) -> nnx.Embed:
    return fill(nnx.Embed(*rows.shape, embedding_init=ZEROS, rngs=RNGS), embedding=rows)


def layer_norm(tree: Any) -> nnx.LayerNorm:
    layer = nnx.LayerNorm(len(tree["scale"]), epsilon=1e-5, rngs=RNGS)
    return fill(layer, scale=tree["scale"], bias=tree["shift"])


def batch_norm(tree: Any, stats: Any) -> nnx.BatchNorm:
    layer = nnx.BatchNorm(len(tree["scale"]), momentum=0.9, epsilon=1e-5, rngs=RNGS)
    return fill(layer, scale=tree["scale"], bias=tree["shift"], mean=stats["mean"], var=stats["var"])


def max_pool(x: Any) -> Any:
    return nnx.max_pool(x, (2, 2), (2, 2))


def dense(sizes: Any, params: Any, stats: Any) -> nnx.Module:
    layers = [m for tree in params for m in (linear(tree), nnx.relu)]
    return nnx.Sequential(*layers[:-1])


def tiny_vgg(sizes: Any, params: Any, stats: Any) -> nnx.Module:
    layers: list[Any] = []
    for i, tree in enumerate(params["convs"]):
        layers += [conv(tree), nnx.relu, *[max_pool] * (i % 2)]
    return nnx.Sequential(*layers, lambda x: x.reshape(len(x), -1), linear(params["head"]))


class Block(nnx.Module):
    def __init__(self, tree: Any, stats: Any) -> None:
        stride = 2 if "down" in tree else 1
        self.conv1 = conv(tree["conv1"], stride, 1)
        self.bn1 = batch_norm(tree["bn1"], stats["bn1"])
        self.conv2 = conv(tree["conv2"], 1, 1)
        self.bn2 = batch_norm(tree["bn2"], stats["bn2"])
        self.down = nnx.Sequential(
            conv(tree["down"], stride), batch_norm(tree["bn3"], stats["bn3"])
        ) if "down" in tree else None  # fmt: skip

    def __call__(self, x: Any) -> Any:
        y = self.bn2(self.conv2(nnx.relu(self.bn1(self.conv1(x)))))
        return nnx.relu(y + (x if self.down is None else self.down(x)))


def residual(sizes: Any, params: Any, stats: Any) -> nnx.Module:
    stem = params["stem"]
    blocks = [Block(p, s) for p, s in zip(params["blocks"], stats["blocks"], strict=True)]
    return nnx.Sequential(
        conv(stem["conv"], 1, 1), batch_norm(stem["bn"], stats["stem"]), nnx.relu, *blocks,
        lambda x: x.mean((1, 2)), linear(params["head"]),
    )  # fmt: skip


class Layer(nnx.Module):
    def __init__(self, tree: Any, heads: int) -> None:
        self.heads = heads
        self.norm1, self.norm2 = layer_norm(tree["norm1"]), layer_norm(tree["norm2"])
        self.qkv, self.out = linear(tree["qkv"]), linear(tree["out"])
        self.up, self.down = linear(tree["up"]), linear(tree["down"])

    def __call__(self, x: Any) -> Any:
        batch, length, _ = x.shape
        q, k, v = (
            t.reshape(batch, length, self.heads, -1)
            for t in jnp.split(self.qkv(self.norm1(x)), 3, axis=2)
        )  # fmt: skip
        y = jax.nn.dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(y.reshape(x.shape))
        return x + self.down(nnx.gelu(self.up(self.norm2(x)), approximate=False))


class GPT(nnx.Module):
    def __init__(self, sizes: Any, params: Any) -> None:
        self.token, self.place = embed(params["token"]), embed(params["place"])
        self.layers = nnx.Sequential(*[Layer(p, sizes["heads"]) for p in params["layers"]])
        self.norm, self.head = layer_norm(params["norm"]), linear(params["head"])

    def __call__(self, x: Any) -> Any:
        h = self.token(x) + self.place(jnp.arange(x.shape[1]))
        logits = self.head(self.norm(self.layers(h)))
        return logits.reshape(-1, logits.shape[-1])


class LSTM(nnx.Module):
    def __init__(self, sizes: Any, params: Any) -> None:
        p = params["cell"]
        cell = nnx.OptimizedLSTMCell(
            sizes["inputs"], sizes["units"], kernel_init=ZEROS, recurrent_kernel_init=ZEROS, rngs=RNGS
        )
        # PyTorch's cell has two biases, which counts: the optimizer moves both.
        cell.dense_i = linear({"w": p["weight_ih"], "b": p["bias_ih"]})
        cell.dense_h = linear({"w": p["weight_hh"], "b": p["bias_hh"]})
        self.rnn, self.head = nnx.RNN(cell), linear(params["head"])

    def __call__(self, x: Any) -> Any:
        return self.head(self.rnn(x)[:, -1])


MODELS = {
    _cases.dense: dense,
    _cases.tiny_vgg: tiny_vgg,
    _cases.residual: residual,
    _cases.gpt: lambda sizes, params, stats: GPT(sizes, params),
    _cases.lstm: lambda sizes, params, stats: LSTM(sizes, params),
}


def training(case: _cases.Case, state: Any, data: Any, *, cached: bool) -> Any:
    """The step, which returns the loss; ``cached`` spares it the walk through the modules in each call."""
    model = MODELS[case.build](case.sizes, *_by_hand.TREES[case.build](case, state))
    optimizer = nnx.Optimizer(model, _by_hand.rule(case), wrt=nnx.Param)
    loss_of = _by_hand.LOSSES[case.loss]
    x, y = _by_hand.arrays(case, data)

    @nnx.jit
    def train_step(model: Any, optimizer: Any, x: Any, y: Any) -> Any:
        loss, gradients = nnx.value_and_grad(lambda model: loss_of(model(x), y))(model)
        optimizer.update(model, gradients)
        return loss

    if cached:
        step = nnx.cached_partial(train_step, model, optimizer)
        return lambda: step(x, y)
    return lambda: train_step(model, optimizer, x, y)


def inference(case: _cases.Case, state: Any, data: Any, *, cached: bool) -> Any:
    """The forward pass of a model in evaluation mode."""
    model = MODELS[case.build](case.sizes, *_by_hand.TREES[case.build](case, state))
    model.eval()
    x, _ = _by_hand.arrays(case, data)
    forward = nnx.jit(lambda model, x: model(x))
    if cached:
        step = nnx.cached_partial(forward, model)
        return lambda: step(x)
    return lambda: forward(model, x)
