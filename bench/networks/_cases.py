"""What is compared: each network once in PyTorch's spelling, its data, and how it is trained.

The functions that build models take the library as their argument; jtorch and PyTorch run them alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

#: Learning rate of both optimizers.
RATE = {"SGD": 1e-2, "Adam": 1e-3}


def dense(torch: Any, widths: tuple[int, ...]) -> Any:
    """Linear layers with ReLU between them."""
    nn = torch.nn
    layers = [m for n, k in pairwise(widths) for m in (nn.Linear(n, k), nn.ReLU())]
    return nn.Sequential(*layers[:-1])


def tiny_vgg(torch: Any, width: int, pixels: int, classes: int) -> Any:
    """Two blocks of two convolutions without padding, each halved by a pool."""
    nn = torch.nn

    def block(inputs: int) -> Any:
        return nn.Sequential(
            nn.Conv2d(inputs, width, 3), nn.ReLU(), nn.Conv2d(width, width, 3), nn.ReLU(), nn.MaxPool2d(2)
        )

    side = ((pixels - 4) // 2 - 4) // 2
    return nn.Sequential(block(3), block(width), nn.Flatten(), nn.Linear(width * side**2, classes))


def residual(torch: Any, width: int, pixels: int, classes: int) -> Any:
    """ResNet-18 for small images: its stem is one convolution, its widths start at ``width``."""
    nn, functional = torch.nn, torch.nn.functional

    class Block(nn.Module):  # type: ignore[name-defined, misc]
        def __init__(self, inputs: int, width: int, stride: int) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(inputs, width, 3, stride, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(width)
            self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(width)
            self.down = None
            if stride > 1:
                self.down = nn.Sequential(
                    nn.Conv2d(inputs, width, 1, stride, bias=False), nn.BatchNorm2d(width)
                )

        def forward(self, x: Any) -> Any:
            y = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(x)))))
            return functional.relu(y + (x if self.down is None else self.down(x)))

    widths = [width, 2 * width, 4 * width, 8 * width]
    blocks = [Block(width, width, 1), Block(width, width, 1)]
    for n, k in pairwise(widths):
        blocks += [Block(n, k, 2), Block(k, k, 1)]
    stem = [nn.Conv2d(3, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(widths[-1], classes)]
    return nn.Sequential(*stem, nn.Sequential(*blocks), *head)


def gpt(torch: Any, width: int, heads: int, layers: int, length: int, kinds: int) -> Any:
    """Layers of causal attention and a GELU network, normed before; logits of all places in one list."""
    nn, functional = torch.nn, torch.nn.functional

    class Layer(nn.Module):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

        def forward(self, x: Any) -> Any:
            batch = x.shape[0]
            q, k, v = (
                t.view(batch, length, heads, width // heads).transpose(1, 2)
                for t in self.qkv(self.norm1(x)).split(width, dim=2)
            )
            y = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.out(y.transpose(1, 2).reshape(batch, length, width))
            return x + self.mlp(self.norm2(x))

    class Model(nn.Module):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            super().__init__()
            self.token, self.place = nn.Embedding(kinds, width), nn.Embedding(length, width)
            self.layers = nn.Sequential(*[Layer() for _ in range(layers)])
            self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, kinds)

        def forward(self, x: Any) -> Any:
            h = self.token(x) + self.place(torch.arange(length, device=x.device))
            return self.head(self.norm(self.layers(h))).flatten(0, 1)

    return Model()


def lstm(torch: Any, inputs: int, units: int, length: int, classes: int) -> Any:
    """One recurrent layer, and a linear one on its last output."""
    nn = torch.nn

    class Model(nn.Module):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            super().__init__()
            self.lstm, self.head = nn.LSTM(inputs, units, batch_first=True), nn.Linear(units, classes)

        def forward(self, x: Any) -> Any:
            return self.head(self.lstm(x)[0][:, -1])

    return Model()


@dataclass(frozen=True)
class Case:
    """One comparison.

    Attributes:
        title: row of the tables.
        build: function of this module that makes the model.
        sizes: its arguments, without the library.
        small: the same for a quick check.
        batch: samples per step; of the quick check, 4.
        loss: criterion, as PyTorch calls its class; empty for inference.
        optimizer: as PyTorch calls its class.
    """

    title: str
    build: Callable[..., Any]
    sizes: dict[str, Any]
    small: dict[str, Any]
    batch: int
    loss: str = ""
    optimizer: str = ""

    def data(self) -> tuple[Any, Any]:
        """Inputs and targets as NumPy arrays, images with channels first."""
        rng = np.random.default_rng(0)
        n, s = self.batch, self.sizes
        if self.build is gpt:
            tokens = rng.integers(0, s["kinds"], (n, s["length"] + 1))
            return np.ascontiguousarray(tokens[:, :-1]), np.ascontiguousarray(tokens[:, 1:]).reshape(-1)
        shapes = {
            dense: lambda: (s["widths"][0],),
            lstm: lambda: (s["length"], s["inputs"]),
            tiny_vgg: lambda: (3, s["pixels"], s["pixels"]),
            residual: lambda: (3, s["pixels"], s["pixels"]),
        }
        x = rng.standard_normal((n, *shapes[self.build]()), np.float32)
        if self.loss == "L1Loss":
            return x, 0.7 * x + 0.3
        if self.loss == "BCEWithLogitsLoss":
            return x, (x.sum(1, keepdims=True) > 0).astype(np.float32)
        return x, rng.integers(0, s["widths"][-1] if self.build is dense else s["classes"], n)

    def state(self) -> dict[str, Any]:
        """The weights that every contender starts from, as NumPy arrays under PyTorch's names."""
        import jtorch  # not above: whoever runs another contender should not load it

        jtorch.manual_seed(0)
        return {k: v.numpy().copy() for k, v in self.build(jtorch, **self.sizes).state_dict().items()}


DIGITS = {"widths": (784, 512, 512, 10)}, {"widths": (12, 8, 8, 10)}
VGG = (
    {"width": 10, "pixels": 64, "classes": 3},
    {"width": 4, "pixels": 16, "classes": 3},
)
RESNET = (
    {"width": 32, "pixels": 64, "classes": 10},
    {"width": 4, "pixels": 16, "classes": 10},
)
GPT = (
    {"width": 192, "heads": 6, "layers": 4, "length": 128, "kinds": 256},
    {"width": 16, "heads": 2, "layers": 1, "length": 8, "kinds": 11},
)
LSTM = (
    {"inputs": 28, "units": 64, "length": 28, "classes": 10},
    {"inputs": 5, "units": 8, "length": 6, "classes": 10},
)

#: By the name that ``--only`` takes.
CASES = {
    "regression": Case(
        "linear regression, 40 x 1, SGD", dense, {"widths": (1, 1)}, {"widths": (1, 1)}, 40, "L1Loss", "SGD"
    ),
    "circles": Case(
        "MLP 2-10-10-1, 800 points, SGD", dense, {"widths": (2, 10, 10, 1)}, {"widths": (2, 5, 1)}, 800,
        "BCEWithLogitsLoss", "SGD",
    ),
    "digits-sgd": Case("MLP 784-512-512-10, batch 64, SGD", dense, *DIGITS, 64, "CrossEntropyLoss", "SGD"),
    "digits": Case("MLP 784-512-512-10, batch 64, Adam", dense, *DIGITS, 64, "CrossEntropyLoss", "Adam"),
    "vgg": Case("TinyVGG, 32 x 64 x 64, Adam", tiny_vgg, *VGG, 32, "CrossEntropyLoss", "Adam"),
    "lstm": Case("LSTM, 64 units, 32 x 28 steps, Adam", lstm, *LSTM, 32, "CrossEntropyLoss", "Adam"),
    "gpt": Case("GPT, 4 layers of 192, 8 x 128 tokens, Adam", gpt, *GPT, 8, "CrossEntropyLoss", "Adam"),
    "resnet": Case(
        "ResNet-18, width 32, 8 x 64 x 64, Adam", residual, *RESNET, 8, "CrossEntropyLoss", "Adam"
    ),
    "digits-inference": Case("MLP 784-512-512-10, batch 64, inference", dense, *DIGITS, 64),
    "vgg-inference": Case("TinyVGG, 32 x 64 x 64, inference", tiny_vgg, *VGG, 32),
    "gpt-inference": Case("GPT, 4 layers of 192, 8 x 128 tokens, inference", gpt, *GPT, 8),
    "resnet-inference": Case("ResNet-18, width 32, 8 x 64 x 64, inference", residual, *RESNET, 8),
}  # fmt: skip
