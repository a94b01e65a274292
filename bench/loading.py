"""Samples per second through a DataLoader, side by side with PyTorch's on the same data and transforms."""

from __future__ import annotations

import gzip
import importlib
import math
import multiprocessing
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

import jtorch
import jtorch.utils.data
import jtorch.vision
from bench._timing import Table, optional, table

SAMPLES = 4000
PICTURES = 512
BATCH = 64
ROUNDS = 5
ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared"
TOOL = SHARED / "tools" / "torchvision_reference"


def torchvision() -> Any:
    """torchvision, or its Python part as the tests use it; ``None`` without either."""
    try:
        found = optional("torchvision")
    except RuntimeError:  # built for another PyTorch: its operators cannot be loaded
        found = None
    unpacked = ROOT / ".pytest_cache" / "torchvision_reference"
    if found is None and TOOL.is_dir() and (unpacked / "torchvision").is_dir():
        sys.path.insert(0, str(TOOL))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = importlib.import_module("torchvision_reference").load(unpacked)
    return found


def digits(folder: Path) -> Callable[[Any, Any], Any]:
    """MNIST's test images; made-up ones where its files are missing."""
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for kind, shape in (("images-idx3-ubyte", (SAMPLES, 28, 28)), ("labels-idx1-ubyte", (SAMPLES,))):
        packed = SHARED / "data" / "MNIST" / "raw" / f"t10k-{kind}.gz"
        head = b"".join(n.to_bytes(4, "big") for n in (0x800 + len(shape), *shape))
        content = head + np.random.default_rng(0).bytes(math.prod(shape))
        if packed.exists():
            content = gzip.decompress(packed.read_bytes())
        for part in ("t10k", "train"):  # the class wants all files
            (raw / f"{part}-{kind}").write_bytes(content)

    def make(torch: Any, vision: Any) -> Any:
        data = vision.datasets.MNIST(folder, train=False, transform=vision.transforms.ToTensor())
        return torch.utils.data.Subset(data, range(min(SAMPLES, len(data))))

    return make


def pictures(folder: Path) -> Callable[[Any, Any], Any]:
    """An ImageFolder of small JPEGs with the transforms of a training script."""
    from PIL import Image

    rng = np.random.default_rng(0)
    y, x = np.mgrid[:120, :160]
    for i in range(PICTURES):
        (folder / f"class{i % 2}").mkdir(exist_ok=True)
        waves = np.stack([np.sin(x / (9 + i % 7 + c)) + np.cos(y / (11 + c)) for c in range(3)], -1)
        pixels = np.clip(waves * 60 + 120 + rng.integers(-12, 12, (120, 160, 1)), 0, 255)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"class{i % 2}" / f"{i}.jpg", quality=90)

    def make(torch: Any, vision: Any) -> Any:
        t = vision.transforms
        steps = [
            t.Resize(72),
            t.RandomCrop(64),
            t.RandomHorizontalFlip(),
            t.ToTensor(),
            t.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
        return vision.datasets.ImageFolder(folder, t.Compose(steps))

    return make


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


def arithmetic(torch: Any, vision: Any) -> Any:
    """Tensor operations per sample."""
    return Normalized(torch)


def tensors(torch: Any, vision: Any) -> Any:
    """Rows of tensors."""
    rows = torch.from_numpy(np.random.default_rng(0).random((10 * SAMPLES, 32), np.float32))
    return torch.utils.data.TensorDataset(rows, torch.arange(10 * SAMPLES))


def processor_seconds() -> float:
    """What this process and its workers have used so far."""
    used = time.process_time()
    for child in multiprocessing.active_children():
        fields = Path(f"/proc/{child.pid}/stat").read_text().rsplit(")", 1)[1].split()
        used += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return used


def epoch(loader: Any) -> tuple[float, float]:
    """Samples per second of one pass, and microseconds of processor time per sample, workers included."""
    used, started = processor_seconds(), time.perf_counter()
    for batch in loader:
        last = batch[0] if isinstance(batch, list) else batch
    float(last.sum())
    seconds = time.perf_counter() - started
    count = len(loader.dataset)
    return count / seconds, (processor_seconds() - used) / count * 1e6


def compared(mine: Any, theirs: Any, workers: int) -> list[str]:
    """Cells of a row: passes in turn, after one that starts the workers."""
    libraries = [(jtorch, mine)] + ([] if theirs is None else [(optional("torch"), theirs)])
    loaders = []
    for library, data in libraries:
        keywords = {"num_workers": workers, "persistent_workers": workers > 0}
        loaders.append(library.utils.data.DataLoader(data, BATCH, shuffle=True, **keywords))
        epoch(loaders[-1])
    times = [[epoch(loader) for loader in loaders] for _ in range(ROUNDS)]
    speeds = [median(t[k][0] for t in times) for k in range(len(loaders))]
    used = [median(t[k][1] for t in times) for k in range(len(loaders))]
    if theirs is None:
        return [f"{speeds[0]:,.0f}", "-", "-", f"{used[0]:,.1f}", "-", "-"]
    faster = median(t[0][0] / t[1][0] for t in times)
    cheaper = median(t[1][1] / t[0][1] if t[0][1] else float("nan") for t in times)
    return [
        *(f"{s:,.0f}" for s in speeds),
        f"{faster:.2f}",
        *(f"{u:,.1f}" for u in used),
        f"{cheaper:.2f}",
    ]


def tables() -> list[Table]:
    """Medians; none without PyTorch to compare with."""
    torch = optional("torch")
    if torch is None:
        return []
    vision = torchvision()
    warnings.filterwarnings("ignore", ".*fork", RuntimeWarning)  # PyTorch's loader, beside JAX's threads
    rows = []
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        kinds: dict[str, Callable[[Any, Any], Any]] = {
            "TensorDataset, 32 features": tensors,
            "MNIST, PIL, ToTensor": digits(Path(first)),
            "3 x 32 x 32, five tensor operations": arithmetic,
            "ImageFolder, JPEG, five transforms": pictures(Path(second)),
        }
        for name, make in kinds.items():
            mine = make(jtorch, jtorch.vision)
            needs_vision = make not in (tensors, arithmetic)
            theirs = None if needs_vision and vision is None else make(torch, vision)
            rows += [(name, workers, *compared(mine, theirs, workers)) for workers in (0, 2)]
    title = f"Loading in batches of {BATCH}: samples per second, microseconds of processor time per sample"
    header = ["data set", "workers", "jtorch", "PyTorch", "ratio", "jtorch CPU", "PyTorch CPU", "ratio"]
    return [(title, header, rows)]


def main() -> None:
    """Print the table."""
    for found in tables():
        table(*found)
    if optional("torch") is None:
        print("Loading is compared with PyTorch, which is not installed.")


if __name__ == "__main__":
    main()
