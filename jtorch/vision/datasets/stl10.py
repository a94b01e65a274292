"""STL-10 (``torchvision.datasets.stl10``)."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from jtorch.vision.datasets.utils import check_integrity, download_and_extract_archive, verify_str_arg
from jtorch.vision.datasets.vision import VisionDataset

__all__ = ["STL10"]


class STL10(VisionDataset):
    """Colour images, 96 x 96, in 10 classes, and many without (https://cs.stanford.edu/~acoates/stl10).

    Args:
        root: folder that holds, or shall hold, ``stl10_binary``.
        split: ``train``, ``train+unlabeled``, ``unlabeled`` or ``test``.
        folds: which of the 10 predefined thousands of training images; ``None``: all 5,000.
        transform: of the PIL image.
        target_transform: of the class, an int; -1 where there is none.
        download: fetch and unpack the archive if the files are not there.

    Raises:
        RuntimeError: the files are not there, or have other checksums.
        ValueError: an unknown split or fold.
    """

    base_folder = "stl10_binary"
    url = "http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz"
    filename = "stl10_binary.tar.gz"
    tgz_md5 = "91f7769df0f17e558f3565bffb0c7dfb"
    class_names_file = "class_names.txt"
    folds_list_file = "fold_indices.txt"
    train_list = [
        ["train_X.bin", "918c2871b30a85fa023e0c44e0bee87f"],
        ["train_y.bin", "5a34089d4802c674881badbb80307741"],
        ["unlabeled_X.bin", "5242ba1fed5e4be9e1e742405eb56ca4"],
    ]
    test_list = [
        ["test_X.bin", "7f263ba9f9e0b06b93213547f721ac82"],
        ["test_y.bin", "36f9794fa4beb8a2c72628de14fa638e"],
    ]
    splits = ("train", "train+unlabeled", "unlabeled", "test")

    def __init__(
        self,
        root: str | Path,
        split: str = "train",
        folds: int | None = None,
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.split = verify_str_arg(split, "split", self.splits)
        self.folds = self._verify_folds(folds)
        if download:
            self.download()
        elif not self._check_integrity():
            raise RuntimeError("Dataset not found or corrupted. You can use download=True to download it")
        self._load()
        names = self._path(self.class_names_file)
        if os.path.isfile(names):
            self.classes = Path(names).read_text().splitlines()

    def _load(self) -> None:
        parts = []
        if self.split == "test":
            parts.append((self._images("test_X.bin"), self._labels("test_y.bin")))
        if self.split.startswith("train"):
            data, labels = self._images("train_X.bin"), self._labels("train_y.bin")
            if self.folds is not None:
                lines = Path(self._path(self.folds_list_file)).read_text().splitlines()
                chosen = np.array(lines[self.folds].split(), np.int64)
                data, labels = data[chosen], labels[chosen]
            parts.append((data, labels))
        if self.split.endswith("unlabeled"):
            data = self._images("unlabeled_X.bin")
            parts.append((data, np.full(len(data), -1)))
        joined: Any = parts[0] if len(parts) == 1 else [np.concatenate(p) for p in zip(*parts, strict=True)]
        self.data, self.labels = joined

    def _path(self, name: str) -> str:
        return os.path.join(self.root, self.base_folder, name)

    def _images(self, name: str) -> Any:
        # The files hold columns, not rows.
        return np.fromfile(self._path(name), np.uint8).reshape(-1, 3, 96, 96).transpose(0, 1, 3, 2)

    def _labels(self, name: str) -> Any:
        return np.fromfile(self._path(name), np.uint8) - 1

    def _verify_folds(self, folds: int | None) -> int | None:
        if folds is not None and not isinstance(folds, int):
            raise ValueError(f"Expected type None or int for argument folds, but got type {type(folds)}.")
        if folds is not None and folds not in range(10):
            raise ValueError(f"Value for argument folds should be in the range [0, 10), but got {folds}.")
        return folds

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image = Image.fromarray(np.transpose(self.data[index], (1, 2, 0)))
        return self._transformed(image, int(self.labels[index]))

    def __len__(self) -> int:
        return len(self.data)

    def _check_integrity(self) -> bool:
        return all(check_integrity(self._path(name), md5) for name, md5 in self.train_list + self.test_list)

    def download(self) -> None:
        """Fetch and unpack the archive, unless the files are there."""
        if not self._check_integrity():
            download_and_extract_archive(self.url, self.root, filename=self.filename, md5=self.tgz_md5)

    def extra_repr(self) -> str:
        """Which part it is."""
        return f"Split: {self.split}"
