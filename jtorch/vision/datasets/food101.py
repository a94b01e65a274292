"""Food-101 (``torchvision.datasets.food101``)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jtorch.vision.datasets.folder import default_loader
from jtorch.vision.datasets.utils import download_and_extract_archive, verify_str_arg
from jtorch.vision.datasets.vision import VisionDataset

__all__ = ["Food101"]


class Food101(VisionDataset):
    """Photos of 101 dishes (https://data.vision.ee.ethz.ch/cvl/datasets_extra/food-101).

    Args:
        root: folder that holds, or shall hold, ``food-101``.
        split: ``train`` (750 images per class) or ``test`` (250).
        transform: of the image.
        target_transform: of the class, an int.
        download: fetch and unpack the archive (5 GB) if the files are not there.
        loader: makes an image of a path.

    Raises:
        RuntimeError: the files are not there.
    """

    _URL = "http://data.vision.ee.ethz.ch/cvl/food-101.tar.gz"
    _MD5 = "85eeb15f3717b99a5da872d97d918f87"

    def __init__(
        self,
        root: str | Path,
        split: str = "train",
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
        download: bool = False,
        loader: Callable[[Any], Any] = default_loader,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self._split = verify_str_arg(split, "split", ("train", "test"))
        self._base_folder = Path(self.root) / "food-101"
        self._meta_folder = self._base_folder / "meta"
        self._images_folder = self._base_folder / "images"
        if download:
            self._download()
        if not self._check_exists():
            raise RuntimeError("Dataset not found. You can use download=True to download it")
        listed = json.loads((self._meta_folder / f"{split}.json").read_text())
        self.classes = sorted(listed)
        self.class_to_idx = {name: i for i, name in enumerate(self.classes)}
        self._labels = [self.class_to_idx[name] for name, paths in listed.items() for _ in paths]
        self._image_files = [
            self._images_folder.joinpath(*f"{path}.jpg".split("/"))
            for paths in listed.values()
            for path in paths
        ]
        self.loader = loader

    def __len__(self) -> int:
        return len(self._image_files)

    def __getitem__(self, idx: int) -> tuple[Any, Any]:
        return self._transformed(self.loader(self._image_files[idx]), self._labels[idx])

    def extra_repr(self) -> str:
        """Which part it is."""
        return f"split={self._split}"

    def _check_exists(self) -> bool:
        return self._meta_folder.is_dir() and self._images_folder.is_dir()

    def _download(self) -> None:
        if not self._check_exists():
            download_and_extract_archive(self._URL, download_root=self.root, md5=self._MD5)
