"""A grid of samples with their classes and predictions, drawn by matplotlib.

In a program: ``show(dataset, model)``. From a shell:
``python -m jtorch.vision.show MNIST data --out digits.png``.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

import jtorch
from jtorch.tensor import Tensor
from jtorch.vision import datasets
from jtorch.vision._host import contents
from jtorch.vision.transforms import functional as F

__all__ = ["show"]


def show(
    dataset: Any,
    model: Any = None,
    *,
    count: int = 16,
    columns: int = 8,
    classes: Sequence[str] | None = None,
    shuffle: bool = True,
    seed: int = 0,
    figure: Any = None,
) -> Any:
    """Draw samples of a data set with their classes; with a model also what it predicts, red where it errs.

    Args:
        dataset: of (image, class); images are PIL images, or tensors ``(C, H, W)`` of any range.
        model: called with a batch of one image after the other in evaluation mode; returns a score per class.
        count: of samples.
        columns: of the grid.
        classes: names; ``None``: the data set's ``classes``, or numbers.
        shuffle: choose samples at random, else the first.
        seed: of the choice, which leaves PyTorch's generators alone.
        figure: of matplotlib, to draw into; ``None``: a new one.

    Returns:
        The figure; ``figure.savefig(path)`` writes it, ``matplotlib.pyplot.show()`` opens a window.
    """
    import matplotlib.pyplot as plt  # noqa: PLC0415 (optional package)

    count = min(count, len(dataset))
    chosen = range(count)
    if shuffle:
        chosen = np.random.default_rng(seed).permutation(len(dataset))[:count].tolist()
    samples = [dataset[i] for i in chosen]
    predicted = None if model is None else _predict(model, [image for image, _ in samples])
    names = classes if classes is not None else getattr(dataset, "classes", None)
    columns = min(columns, count)
    rows = math.ceil(count / columns)
    figure = figure or plt.figure(figsize=(1.6 * columns, 1.9 * rows))
    for k, (image, target) in enumerate(samples):
        axes = figure.add_subplot(rows, columns, k + 1)
        pixels = _pixels(image)
        axes.imshow(pixels, cmap="gray" if pixels.ndim == 2 else None)
        axes.set_axis_off()
        title, right = _name(target, names), True
        if predicted is not None:
            right = predicted[k] == int(target)
            title = _name(predicted[k], names) + ("" if right else f"\n(is {title})")
        axes.set_title(title, fontsize=8, color="black" if right else "red")
    figure.tight_layout()
    return figure


def _predict(model: Any, images: Sequence[Any]) -> list[int]:
    batch = jtorch.stack([i if isinstance(i, Tensor) else F.to_tensor(i) for i in images])
    first = next(iter(model.parameters()), None) if hasattr(model, "parameters") else None
    was_training = getattr(model, "training", False)
    if was_training:
        model.eval()
    with jtorch.no_grad():
        scores = model(batch if first is None else batch.to(first.device))
    if was_training:
        model.train()
    return scores.argmax(1).tolist()


def _pixels(image: Any) -> Any:
    """``(H, W)`` or ``(H, W, 3)`` for drawing; floats beyond [0, 1] are stretched to it."""
    if not isinstance(image, Tensor):
        return np.asarray(image)
    pixels = contents(image.detach())
    if pixels.dtype.kind == "f" and pixels.size and (pixels.min() < 0 or pixels.max() > 1):
        pixels = (pixels - pixels.min()) / max(float(pixels.max() - pixels.min()), 1e-12)
    if pixels.ndim == 3:
        pixels = pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0)
    return pixels


def _name(target: Any, names: Sequence[str] | None) -> str:
    return str(int(target)) if names is None else str(names[int(target)])


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw samples of a data set that lies in a folder, into a file or a window."""
    parser = argparse.ArgumentParser(prog="python -m jtorch.vision.show", description=__doc__)
    parser.add_argument("dataset", help="MNIST, FashionMNIST, CIFAR10, ImageFolder, ...")
    parser.add_argument("root", help="folder of the data set")
    parser.add_argument("--count", type=int, default=32, help="number of samples")
    parser.add_argument("--seed", type=int, default=0, help="of the choice of samples")
    parser.add_argument("--download", action="store_true", help="fetch the data set if it is not there")
    parser.add_argument("--out", help="file to write; without it a window opens")
    given = parser.parse_args(arguments)
    if given.dataset not in datasets.__all__:
        parser.error(f"unknown data set {given.dataset}; known are {', '.join(datasets.__all__)}")
    kind = getattr(datasets, given.dataset)
    options = {"download": True} if given.download else {}
    figure = show(kind(given.root, **options), count=given.count, seed=given.seed)
    if given.out:
        figure.savefig(given.out)
    else:
        import matplotlib.pyplot as plt  # noqa: PLC0415 (optional package)

        plt.show()


if __name__ == "__main__":
    main()
