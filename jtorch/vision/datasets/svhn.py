"""Street view house numbers (``torchvision.datasets.svhn``)."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from jtorch.vision.datasets.utils import check_integrity, download_url, verify_str_arg
from jtorch.vision.datasets.vision import VisionDataset

__all__ = ["SVHN"]

_URL = "http://ufldl.stanford.edu/housenumbers/"


class SVHN(VisionDataset):
    """Digits of house numbers in colour, 32 x 32 (http://ufldl.stanford.edu/housenumbers). SciPy reads them.

    Args:
        root: folder that holds, or shall hold, the ``.mat`` files.
        split: ``train``, ``test`` or ``extra``.
        transform: of the PIL image.
        target_transform: of the digit, an int.
        download: fetch the file if it is not there.

    Raises:
        RuntimeError: the file is not there, or has another checksum.
    """

    split_list = {
        "train": [f"{_URL}train_32x32.mat", "train_32x32.mat", "e26dedcc434d2e4c54c9b2d4a06d8373"],
        "test": [f"{_URL}test_32x32.mat", "test_32x32.mat", "eb5a983be6a315427106f1b164d9cef3"],
        "extra": [f"{_URL}extra_32x32.mat", "extra_32x32.mat", "a93ce644f1a588dc4d68dda5feec44a7"],
    }

    def __init__(
        self,
        root: str | Path,
        split: str = "train",
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.split = verify_str_arg(split, "split", tuple(self.split_list))
        self.url, self.filename, self.file_md5 = self.split_list[split]
        if download:
            self.download()
        if not self._check_integrity():
            raise RuntimeError("Dataset not found or corrupted. You can use download=True to download it")
        from scipy.io import loadmat  # noqa: PLC0415 (slow to import)

        found = loadmat(os.path.join(self.root, self.filename))
        self.data = np.transpose(found["X"], (3, 2, 0, 1))
        # The files number the digit 0 as 10.
        self.labels = found["y"].astype(np.int64).squeeze() % 10

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image = Image.fromarray(np.transpose(self.data[index], (1, 2, 0)))
        return self._transformed(image, int(self.labels[index]))

    def __len__(self) -> int:
        return len(self.data)

    def _check_integrity(self) -> bool:
        return check_integrity(os.path.join(self.root, self.filename), self.split_list[self.split][2])

    def download(self) -> None:
        """Fetch the file, unless it is there."""
        download_url(self.url, self.root, self.filename, self.split_list[self.split][2])

    def extra_repr(self) -> str:
        """Which part it is."""
        return f"Split: {self.split}"
