"""Whole training steps of larger networks: one model and one loop, run by jtorch and by PyTorch.

jtorch runs it twice, as it is and through ``jtorch.compile``. Beside the time of a step in the steady state
stands that of the first one, which compiles.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

import jtorch
from bench._timing import optional, ratio, rounds, table

Step = Callable[[], float]


def tiny_vgg(torch: Any) -> tuple[Any, list[Any]]:
    """Two blocks of two convolutions on 32 images of 64 x 64."""
    nn = torch.nn

    def block(inputs: int) -> Any:
        return nn.Sequential(
            nn.Conv2d(inputs, 10, 3), nn.ReLU(), nn.Conv2d(10, 10, 3), nn.ReLU(), nn.MaxPool2d(2)
        )

    model = nn.Sequential(block(3), block(10), nn.Flatten(), nn.Linear(10 * 13 * 13, 3))
    return model, [torch.randn(32, 3, 64, 64), torch.randint(0, 3, (32,))]


def residual(torch: Any) -> tuple[Any, list[Any]]:
    """ResNet-18's shape at half its width, on 8 images of 64 x 64."""
    nn, functional = torch.nn, torch.nn.functional

    class Block(nn.Module):  # type: ignore[name-defined, misc]
        def __init__(self, inputs: int, width: int, stride: int) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(inputs, width, 3, stride, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(width)
            self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(width)
            self.down = None
            if stride > 1 or inputs != width:
                self.down = nn.Sequential(
                    nn.Conv2d(inputs, width, 1, stride, bias=False), nn.BatchNorm2d(width)
                )

        def forward(self, x: Any) -> Any:
            y = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(x)))))
            return functional.relu(y + (x if self.down is None else self.down(x)))

    widths = [32, 64, 128, 256]
    layers = [nn.Conv2d(3, 32, 3, 1, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU()]
    inputs = 32
    for i, width in enumerate(widths):
        layers += [Block(inputs, width, 1 if i == 0 else 2), Block(width, width, 1)]
        inputs = width
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, 10))
    return model, [torch.randn(8, 3, 64, 64), torch.randint(0, 10, (8,))]


def gpt(torch: Any) -> tuple[Any, list[Any]]:
    """Four layers, 192 wide, six heads, 8 x 128 tokens of 256 kinds."""
    nn, functional = torch.nn, torch.nn.functional
    width, heads, length = 192, 6, 128

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
            self.token, self.place = nn.Embedding(256, width), nn.Embedding(length, width)
            self.layers = nn.Sequential(*[Layer() for _ in range(4)])
            self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 256)

        def forward(self, x: Any) -> Any:
            h = self.token(x) + self.place(torch.arange(length))
            return self.head(self.norm(self.layers(h))).flatten(0, 1)

    tokens = torch.randint(0, 256, (8, length + 1))
    return Model(), [tokens[:, :-1].contiguous(), tokens[:, 1:].reshape(-1)]


def lstm(torch: Any) -> tuple[Any, list[Any]]:
    """One layer of 64 units over 32 sequences of 28 steps, and a linear layer on the last."""
    nn = torch.nn

    class Model(nn.Module):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            super().__init__()
            self.lstm, self.head = nn.LSTM(28, 64, batch_first=True), nn.Linear(64, 10)

        def forward(self, x: Any) -> Any:
            return self.head(self.lstm(x)[0][:, -1])

    return Model(), [torch.randn(32, 28, 28), torch.randint(0, 10, (32,))]


NETWORKS = {"TinyVGG": tiny_vgg, "LSTM": lstm, "GPT, 4 layers": gpt, "ResNet-18, width 32": residual}


def training_step(torch: Any, build: Any, *, compiled: bool) -> tuple[Step, float]:
    """A step of the ordinary loop, and the seconds that its first run took."""
    torch.manual_seed(0)
    model, (x, y) = build(torch)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    criterion = torch.nn.CrossEntropyLoss()

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        return loss.detach()

    run = torch.compile(step) if compiled else step
    started = time.perf_counter()
    run(x, y).item()
    first = time.perf_counter() - started
    return lambda: run(x, y).item(), first


def main() -> None:
    """Print milliseconds per step, seconds of the first one, and ratios."""
    torch = optional("torch")
    rows = []
    for name, build in NETWORKS.items():
        steps, firsts = {}, {}
        steps["lazy"], firsts["lazy"] = training_step(jtorch, build, compiled=False)
        steps["compiled"], firsts["compiled"] = training_step(jtorch, build, compiled=True)
        if torch is not None:
            steps["torch"], firsts["torch"] = training_step(torch, build, compiled=False)
        losses = {key: step() for key, step in steps.items()}
        spread = max(losses.values()) - min(losses.values())
        assert spread < 1e-2, f"{name}: not the same training: {losses}"
        times = rounds(steps, count=9, seconds=0.3, warmup=3)
        middle = {key: f"{np.median(t) * 1e3:.1f}" for key, t in times.items()}
        compare = [f"{ratio(times, key, 'torch'):.2f}" if torch else "-" for key in ("lazy", "compiled")]
        rows.append(
            [
                name,
                middle["lazy"],
                middle["compiled"],
                middle.get("torch", "-"),
                *compare,
                f"{firsts['lazy']:.1f}",
            ]
        )
    table(
        "Training step with Adam, milliseconds",
        ["network", "lazy", "compiled", "PyTorch", "lazy / PyTorch", "compiled / PyTorch", "first step, s"],
        rows,
    )


if __name__ == "__main__":
    main()
