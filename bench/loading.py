"""Samples per second through a DataLoader, side by side with PyTorch's on the same data and transforms."""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import jtorch
import jtorch.utils.data
from bench._timing import optional, table

SAMPLES = 4000
BATCH = 64
ROUNDS = 3
MNIST = Path(__file__).parent.parent.parent / "shared" / "data" / "MNIST" / "raw"


def idx_file(name: str) -> np.ndarray[Any, Any]:
    """An array from MNIST's file format; made-up digits where the files are missing."""
    for path in (MNIST / name, MNIST / f"{name}.gz"):
        if path.exists():
            raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
            shape = [int.from_bytes(raw[4 + 4 * d : 8 + 4 * d], "big") for d in range(raw[3])]
            return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(shape)
    shape = (SAMPLES, 28, 28) if "images" in name else (SAMPLES,)
    return np.random.default_rng(0).integers(0, 10, shape, np.uint8)


class Digits:
    """Images as torchvision's MNIST gives them: PIL, then a transform of its ``ToTensor``'s arithmetic."""

    def __init__(self, torch: Any) -> None:
        from PIL import Image

        self.torch, self.image = torch, Image.fromarray
        self.images = torch.from_numpy(idx_file("train-images-idx3-ubyte")[:SAMPLES].copy())
        self.targets = torch.from_numpy(idx_file("train-labels-idx1-ubyte")[:SAMPLES].astype(np.int64))

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        picture = self.image(self.images[index].numpy(), mode="L")
        array = np.array(picture, np.uint8, copy=True)[None]
        return self.torch.from_numpy(array.astype(np.float32) / 255), int(self.targets[index])


class Normalized:
    """Tensor operations per sample: indexing, conversion, arithmetic, flip."""

    def __init__(self, torch: Any) -> None:
        self.torch = torch
        self.images = torch.from_numpy(
            np.random.default_rng(0).integers(0, 256, (SAMPLES, 3, 32, 32), np.uint8)
        )

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Any:
        return ((self.images[index].float() / 255 - 0.5) / 0.25).flip(-1)


def tensors(torch: Any) -> Any:
    """Rows of tensors."""
    rows = torch.from_numpy(np.random.default_rng(0).random((10 * SAMPLES, 32), np.float32))
    return torch.utils.data.TensorDataset(rows, torch.arange(10 * SAMPLES))


def samples_per_second(torch: Any, dataset: Any, workers: int) -> float:
    """One epoch, the start of the workers included."""
    loader = torch.utils.data.DataLoader(dataset, BATCH, shuffle=True, num_workers=workers)
    started = time.perf_counter()
    for batch in loader:
        last = batch[0] if isinstance(batch, list) else batch
    float(last.sum())
    return len(dataset) / (time.perf_counter() - started)


def main() -> None:
    """Print a table; the better of some rounds each, taken in turn."""
    torch = optional("torch")
    if torch is None:
        print("Loading is compared with PyTorch, which is not installed.")
        return
    kinds: dict[str, Callable[[Any], Any]] = {
        "TensorDataset, 32 features": tensors,
        "MNIST, PIL + ToTensor": Digits,
        "3 x 32 x 32, five tensor operations": Normalized,
    }
    rows = []
    for name, make in kinds.items():
        mine, theirs = make(jtorch), make(torch)
        for workers in (0, 2):
            best = [0.0, 0.0]
            for _ in range(ROUNDS):
                best[0] = max(best[0], samples_per_second(jtorch, mine, workers))
                best[1] = max(best[1], samples_per_second(torch, theirs, workers))
            rows.append((name, workers, f"{best[0]:,.0f}", f"{best[1]:,.0f}", f"{best[0] / best[1]:.2f}"))
    table(
        f"Loading in batches of {BATCH}, samples per second, start of workers included",
        ("data set", "workers", "jtorch", "PyTorch", "jtorch / PyTorch"),
        rows,
    )


if __name__ == "__main__":
    main()
