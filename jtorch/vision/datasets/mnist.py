"""MNIST and its relatives (``torchvision.datasets.mnist``)."""

from __future__ import annotations

import os
import shutil
import string
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
from PIL import Image

import jtorch
from jtorch.errors import with_hint
from jtorch.tensor import Tensor
from jtorch.vision._host import contents, to_tensor
from jtorch.vision.datasets._extraction import openers
from jtorch.vision.datasets.utils import (
    check_integrity,
    download_and_extract_archive,
    extract_archive,
    verify_str_arg,
)
from jtorch.vision.datasets.vision import VisionDataset

__all__ = [
    "EMNIST",
    "KMNIST",
    "MNIST",
    "QMNIST",
    "FashionMNIST",
    "read_image_file",
    "read_label_file",
    "read_sn3_pascalvincent_tensor",
]

_DIGITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


class MNIST(VisionDataset):
    """Handwritten digits: 28 x 28 grey images (http://yann.lecun.com/exdb/mnist).

    Args:
        root: folder that holds, or shall hold, ``MNIST/raw`` with the four files, compressed or not.
        train: the 60,000 training images, else the 10,000 test images.
        transform: of the image, which is a PIL image of mode ``L``.
        target_transform: of the digit, an int.
        download: fetch the files if they are not there.

    Attributes:
        data: uint8, ``(N, 28, 28)``.
        targets: int64, ``(N,)``.
        classes: names of the digits.

    Raises:
        RuntimeError: the files are not there.
    """

    mirrors = ["https://ossci-datasets.s3.amazonaws.com/mnist/", "http://yann.lecun.com/exdb/mnist/"]
    resources: Any = [
        ("train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
        ("train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432"),
        ("t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3"),
        ("t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c"),
    ]
    training_file = "training.pt"
    test_file = "test.pt"
    classes = [f"{i} - {name}" for i, name in enumerate(_DIGITS)]

    def __init__(
        self,
        root: str | Path,
        train: bool = True,
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.train = train
        if self._check_legacy_exist():
            self.data, self.targets = self._load_legacy_data()
            return
        if download:
            self.download()
        if not self._check_exists():
            raise with_hint(
                RuntimeError("Dataset not found. You can use download=True to download it"),
                f"looked for its files in {self.raw_folder}",
            )
        self.data, self.targets = self._load_data()

    def _renamed(self, old: str, new: str) -> Any:
        warnings.warn(f"{old} has been renamed {new}", stacklevel=3)
        return getattr(self, new)

    @property
    def train_labels(self) -> Tensor:
        """Old name of ``targets``."""
        return self._renamed("train_labels", "targets")

    @property
    def test_labels(self) -> Tensor:
        """Old name of ``targets``."""
        return self._renamed("test_labels", "targets")

    @property
    def train_data(self) -> Tensor:
        """Old name of ``data``."""
        return self._renamed("train_data", "data")

    @property
    def test_data(self) -> Tensor:
        """Old name of ``data``."""
        return self._renamed("test_data", "data")

    def _check_legacy_exist(self) -> bool:
        """Whether files of torchvision before 0.9 are there."""
        folder = self.processed_folder
        return os.path.exists(folder) and all(
            check_integrity(os.path.join(folder, file)) for file in (self.training_file, self.test_file)
        )

    def _load_legacy_data(self) -> tuple[Tensor, Tensor]:
        file = self.training_file if self.train else self.test_file
        return jtorch.load(os.path.join(self.processed_folder, file), weights_only=True)

    def _load_data(self) -> tuple[Tensor, Tensor]:
        name = "train" if self.train else "t10k"
        data = read_image_file(os.path.join(self.raw_folder, f"{name}-images-idx3-ubyte"))
        targets = read_label_file(os.path.join(self.raw_folder, f"{name}-labels-idx1-ubyte"))
        return data, targets

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image = Image.fromarray(contents(self.data)[index])
        return self._transformed(image, int(contents(self.targets)[index]))

    def __len__(self) -> int:
        return len(self.data)

    @property
    def raw_folder(self) -> str:
        """Folder of the files."""
        return os.path.join(self.root, type(self).__name__, "raw")

    @property
    def processed_folder(self) -> str:
        """Folder of the files of torchvision before 0.9."""
        return os.path.join(self.root, type(self).__name__, "processed")

    @property
    def class_to_idx(self) -> dict[str, int]:
        """Numbers of the classes."""
        return {name: i for i, name in enumerate(self.classes)}

    def _files(self) -> list[str]:
        """Paths of the files that are needed, without the suffix of a compression."""
        names = (os.path.splitext(os.path.basename(url))[0] for url, _ in self.resources)
        return [os.path.join(self.raw_folder, name) for name in names]

    def _check_exists(self) -> bool:
        return all(_existing(path) is not None for path in self._files())

    def download(self) -> None:
        """Fetch the files that are not there.

        Raises:
            RuntimeError: no mirror has one of them.
        """
        if self._check_exists():
            return
        os.makedirs(self.raw_folder, exist_ok=True)
        for filename, md5 in self.resources:
            self._download_from_mirrors(filename, md5)

    def _download_from_mirrors(self, filename: str, md5: str) -> None:
        failures = ""
        for mirror in self.mirrors:
            try:
                download_and_extract_archive(
                    f"{mirror}{filename}", download_root=self.raw_folder, filename=filename, md5=md5
                )
            except (RuntimeError, URLError) as error:
                failures += f"Tried {mirror}, got:\n{error}\n"
            else:
                return
        raise with_hint(
            RuntimeError(f"Error downloading {filename}:\n{failures}"),
            f"without a connection, put the file into {self.raw_folder} yourself",
        )

    def extra_repr(self) -> str:
        """Which part it is."""
        return f"Split: {'Train' if self.train is True else 'Test'}"


class FashionMNIST(MNIST):
    """Articles of clothing, like :class:`MNIST` (https://github.com/zalandoresearch/fashion-mnist)."""

    mirrors = ["http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"]
    resources = [
        ("train-images-idx3-ubyte.gz", "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
        ("train-labels-idx1-ubyte.gz", "25c81989df183df01b3e8a0aad5dffbe"),
        ("t10k-images-idx3-ubyte.gz", "bef4ecab320f06d8554ea6380940ec79"),
        ("t10k-labels-idx1-ubyte.gz", "bb300cfdad3c16e7a12a480ee83cd310"),
    ]
    classes = [
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ]


class KMNIST(MNIST):
    """Cursive Japanese characters, like :class:`MNIST` (http://codh.rois.ac.jp/kmnist)."""

    mirrors = ["http://codh.rois.ac.jp/kmnist/dataset/kmnist/"]
    resources = [
        ("train-images-idx3-ubyte.gz", "bdb82020997e1d708af4cf47b453dcf7"),
        ("train-labels-idx1-ubyte.gz", "e144d726b3acfaa3e44228e80efcd344"),
        ("t10k-images-idx3-ubyte.gz", "5c965bf0a639b31b8f53240b1b52f4d7"),
        ("t10k-labels-idx1-ubyte.gz", "7320c461ea6c1c855c0b718fb2a4b134"),
    ]
    classes = ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"]


class EMNIST(MNIST):
    """Handwritten letters and digits (https://www.nist.gov/itl/products-and-services/emnist-dataset).

    Args:
        root: folder that holds, or shall hold, ``EMNIST/raw``.
        split: ``byclass``, ``bymerge``, ``balanced``, ``letters``, ``digits`` or ``mnist``.
        **kwargs: as :class:`MNIST`'s.
    """

    url = "https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip"
    md5 = "58c8d27c78d21e728a6bc7b3cc06412e"
    splits = ("byclass", "bymerge", "balanced", "letters", "digits", "mnist")
    # Letters whose capitals look the same.
    _merged_classes = set("cijklmopsuvwxyz")
    _all_classes = set(string.digits + string.ascii_letters)
    classes_split_dict = {
        "byclass": sorted(_all_classes),
        "bymerge": sorted(_all_classes - _merged_classes),
        "balanced": sorted(_all_classes - _merged_classes),
        "letters": ["N/A", *string.ascii_lowercase],
        "digits": list(string.digits),
        "mnist": list(string.digits),
    }

    def __init__(self, root: str | Path, split: str, **kwargs: Any) -> None:
        self.split = verify_str_arg(split, "split", self.splits)
        self.training_file = f"training_{split}.pt"
        self.test_file = f"test_{split}.pt"
        super().__init__(root, **kwargs)
        self.classes = self.classes_split_dict[self.split]

    @property
    def _file_prefix(self) -> str:
        return f"emnist-{self.split}-{'train' if self.train else 'test'}"

    @property
    def images_file(self) -> str:
        """Path of the images."""
        return os.path.join(self.raw_folder, f"{self._file_prefix}-images-idx3-ubyte")

    @property
    def labels_file(self) -> str:
        """Path of the classes."""
        return os.path.join(self.raw_folder, f"{self._file_prefix}-labels-idx1-ubyte")

    def _load_data(self) -> tuple[Tensor, Tensor]:
        return read_image_file(self.images_file), read_label_file(self.labels_file)

    def _files(self) -> list[str]:
        return [self.images_file, self.labels_file]

    def download(self) -> None:
        """Fetch the archive and unpack it, unless the files are there."""
        if self._check_exists():
            return
        os.makedirs(self.raw_folder, exist_ok=True)
        download_and_extract_archive(self.url, download_root=self.raw_folder, md5=self.md5)
        folder = os.path.join(self.raw_folder, "gzip")
        for file in os.listdir(folder):
            if file.endswith(".gz"):
                extract_archive(os.path.join(folder, file), self.raw_folder)
        shutil.rmtree(folder)


_QMNIST = "https://raw.githubusercontent.com/facebookresearch/qmnist/master/"


class QMNIST(MNIST):
    """MNIST with its full test set and with what is known of each digit (facebookresearch/qmnist).

    Args:
        root: folder that holds, or shall hold, ``QMNIST/raw``.
        what: ``train``, ``test``, ``test10k``, ``test50k`` or ``nist``; ``None``: as ``train`` says.
        compat: targets are digits; else all eight numbers (digit, writer, ...).
        train: the training or the test part.
        **kwargs: as :class:`MNIST`'s.
    """

    subsets = {"train": "train", "test": "test", "test10k": "test", "test50k": "test", "nist": "nist"}
    resources = {
        "train": [
            (f"{_QMNIST}qmnist-train-images-idx3-ubyte.gz", "ed72d4157d28c017586c42bc6afe6370"),
            (f"{_QMNIST}qmnist-train-labels-idx2-int.gz", "0058f8dd561b90ffdd0f734c6a30e5e4"),
        ],
        "test": [
            (f"{_QMNIST}qmnist-test-images-idx3-ubyte.gz", "1394631089c404de565df7b7aeaf9412"),
            (f"{_QMNIST}qmnist-test-labels-idx2-int.gz", "5b5b05890a5e13444e108efe57b788aa"),
        ],
        "nist": [
            (f"{_QMNIST}xnist-images-idx3-ubyte.xz", "7f124b3b8ab81486c9d8c2749c17f834"),
            (f"{_QMNIST}xnist-labels-idx2-int.xz", "5ed0e788978e45d4a8bd4b7caec3d79d"),
        ],
    }

    def __init__(
        self,
        root: str | Path,
        what: str | None = None,
        compat: bool = True,
        train: bool = True,
        **kwargs: Any,
    ) -> None:
        if what is None:
            what = "train" if train else "test"
        self.what = verify_str_arg(what, "what", tuple(self.subsets))
        self.compat = compat
        self.data_file = f"{what}.pt"
        self.training_file = self.test_file = self.data_file
        super().__init__(root, train, **kwargs)

    def _files(self) -> list[str]:
        urls = (url for url, _ in self.resources[self.subsets[self.what]])
        return [os.path.join(self.raw_folder, os.path.splitext(os.path.basename(u))[0]) for u in urls]

    @property
    def images_file(self) -> str:
        """Path of the images."""
        return self._files()[0]

    @property
    def labels_file(self) -> str:
        """Path of the targets."""
        return self._files()[1]

    def _load_data(self) -> tuple[Tensor, Tensor]:
        data = read_image_file(self.images_file)
        targets = read_sn3_pascalvincent_tensor(self.labels_file).long()
        if targets.ndim != 2:
            raise ValueError(f"targets should have 2 dimensions instead of {targets.ndim}")
        part = {"test10k": slice(10000), "test50k": slice(10000, None)}.get(self.what, slice(None))
        return data[part], targets[part]

    def download(self) -> None:
        """Fetch the files that are not there."""
        if self._check_exists():
            return
        os.makedirs(self.raw_folder, exist_ok=True)
        for url, md5 in self.resources[self.subsets[self.what]]:
            download_and_extract_archive(url, self.raw_folder, md5=md5)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image = Image.fromarray(contents(self.data)[index])
        target: Any = self.targets[index]
        return self._transformed(image, int(contents(target)[0]) if self.compat else target)

    def extra_repr(self) -> str:
        """Which part it is."""
        return f"Split: {self.what}"


def _existing(path: str) -> str | None:
    """The file itself or, where only that is there, its compressed form."""
    # Differs from PyTorch: torchvision wants the files unpacked.
    return next((p for p in (path, *(path + suffix for suffix in openers)) if os.path.isfile(p)), None)


_KINDS = {8: np.uint8, 9: np.int8, 11: np.int16, 12: np.int32, 13: np.float32, 14: np.float64}


def read_sn3_pascalvincent_tensor(path: str | Path, strict: bool = True) -> Tensor:
    """Read a file in the IDX format, in which MNIST is published.

    Args:
        path: of the file; one of the same name with ``.gz``, ``.bz2`` or ``.xz`` is read where only that is
            there.
        strict: refuse files with too much or too little data; else only too little is refused.

    Raises:
        ValueError: it is no such file.
    """
    found = _existing(os.fspath(path)) or os.fspath(path)
    with openers.get(os.path.splitext(found)[1], open)(found, "rb") as file:
        raw = file.read()
    ndim, kind = (raw[3], raw[2]) if len(raw) >= 4 else (0, 0)
    if not 1 <= ndim <= 3 or kind not in _KINDS or raw[:2] != b"\0\0":
        raise ValueError(f"{found} is not in the IDX format of MNIST")
    shape = tuple(np.frombuffer(raw, ">u4", ndim, 4).tolist())
    dtype = np.dtype(_KINDS[kind])
    numbers = np.frombuffer(raw, dtype.newbyteorder(">"), offset=4 * (ndim + 1))
    count = int(np.prod(shape))
    if numbers.size < count or (strict and numbers.size != count):
        raise ValueError(f"{found} holds {numbers.size} numbers, but its shape is {shape}")
    return to_tensor(numbers[:count].astype(dtype).reshape(shape))


def _read_bytes(path: str | Path, ndim: int) -> Tensor:
    x = read_sn3_pascalvincent_tensor(path, strict=False)
    if x.dtype != jtorch.uint8:
        raise TypeError(f"x should be of dtype torch.uint8 instead of {x.dtype}")
    if x.ndim != ndim:
        raise ValueError(f"x should have {ndim} dimension instead of {x.ndim}")
    return x


def read_label_file(path: str | Path) -> Tensor:
    """Classes of an IDX file, int64 ``(N,)``."""
    return to_tensor(contents(_read_bytes(path, 1)).astype(np.int64))


def read_image_file(path: str | Path) -> Tensor:
    """Images of an IDX file, uint8 ``(N, H, W)``."""
    return _read_bytes(path, 3)
