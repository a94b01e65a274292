"""Data sets in folders, one per class (``torchvision.datasets.folder``)."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from jtorch.vision.datasets.vision import VisionDataset

__all__ = [
    "IMG_EXTENSIONS",
    "DatasetFolder",
    "ImageFolder",
    "default_loader",
    "find_classes",
    "has_file_allowed_extension",
    "is_image_file",
    "make_dataset",
    "pil_loader",
]

_Path = str | Path
_Check = Callable[[str], bool]

IMG_EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


def has_file_allowed_extension(filename: str, extensions: str | Sequence[str]) -> bool:
    """Whether a file's name ends in one of those extensions, whatever their case."""
    return filename.lower().endswith(extensions if isinstance(extensions, str) else tuple(extensions))


def is_image_file(filename: str) -> bool:
    """Whether a file's name is that of an image."""
    return has_file_allowed_extension(filename, IMG_EXTENSIONS)


def find_classes(directory: _Path) -> tuple[list[str], dict[str, int]]:
    """Names of the folders in a folder, sorted, and their numbers.

    Raises:
        FileNotFoundError: there is none.
    """
    classes = sorted(entry.name for entry in os.scandir(directory) if entry.is_dir())
    if not classes:
        raise FileNotFoundError(f"Couldn't find any class folder in {directory}.")
    return classes, {name: i for i, name in enumerate(classes)}


def make_dataset(
    directory: _Path,
    class_to_idx: dict[str, int] | None = None,
    extensions: str | tuple[str, ...] | None = None,
    is_valid_file: _Check | None = None,
    allow_empty: bool = False,
) -> list[tuple[str, int]]:
    """Paths and class numbers of the files below ``directory/class``, sorted.

    Args:
        directory: that holds a folder per class.
        class_to_idx: numbers of the classes; ``None``: :func:`find_classes`.
        extensions: of files that count; this or ``is_valid_file``.
        is_valid_file: whether the file at a path counts.
        allow_empty: classes may be without files.

    Raises:
        ValueError: both or none of ``extensions`` and ``is_valid_file``, or no classes.
        FileNotFoundError: a class without files.
    """
    directory = os.path.expanduser(directory)
    if class_to_idx is None:
        class_to_idx = find_classes(directory)[1]
    elif not class_to_idx:
        raise ValueError("'class_to_index' must have at least one entry to collect any samples.")
    if (extensions is None) == (is_valid_file is None):
        raise ValueError("Both extensions and is_valid_file cannot be None or not None at the same time")

    def counts(path: str) -> bool:
        if is_valid_file is not None:
            return is_valid_file(path)
        assert extensions is not None
        return has_file_allowed_extension(path, extensions)

    found: list[tuple[str, int]] = []
    empty = []
    for name in sorted(class_to_idx):
        before = len(found)
        for folder, _, files in sorted(os.walk(os.path.join(directory, name), followlinks=True)):
            paths = (os.path.join(folder, file) for file in sorted(files))
            found.extend((path, class_to_idx[name]) for path in paths if counts(path))
        if len(found) == before:
            empty.append(name)
    if empty and not allow_empty:
        text = f"Found no valid file for the classes {', '.join(empty)}. "
        if extensions is not None:
            shown = extensions if isinstance(extensions, str) else ", ".join(extensions)
            text += f"Supported extensions are: {shown}"
        raise FileNotFoundError(text)
    return found


class DatasetFolder(VisionDataset):
    """Samples in files below ``root/class``, numbered by the classes' order.

    Args:
        root: that holds a folder per class.
        loader: makes a sample of a path.
        extensions: of files that count; this or ``is_valid_file``.
        transform: of the sample.
        target_transform: of the class number.
        is_valid_file: whether the file at a path counts.
        allow_empty: classes may be without files.

    Attributes:
        classes: names, sorted; ``class_to_idx``: their numbers.
        samples: list of (path, number); ``targets``: the numbers alone.
    """

    def __init__(
        self,
        root: _Path,
        loader: Callable[[str], Any],
        extensions: tuple[str, ...] | None = None,
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
        is_valid_file: _Check | None = None,
        allow_empty: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.classes, self.class_to_idx = self.find_classes(self.root)
        self.samples = self.make_dataset(
            self.root,
            class_to_idx=self.class_to_idx,
            extensions=extensions,
            is_valid_file=is_valid_file,
            allow_empty=allow_empty,
        )
        self.loader = loader
        self.extensions = extensions
        self.targets = [target for _, target in self.samples]

    @staticmethod
    def make_dataset(
        directory: _Path,
        class_to_idx: dict[str, int],
        extensions: tuple[str, ...] | None = None,
        is_valid_file: _Check | None = None,
        allow_empty: bool = False,
    ) -> list[tuple[str, int]]:
        """:func:`make_dataset`, which a subclass may replace.

        Raises:
            ValueError: no ``class_to_idx``.
        """
        if class_to_idx is None:
            raise ValueError("The class_to_idx parameter cannot be None.")
        return make_dataset(directory, class_to_idx, extensions, is_valid_file, allow_empty)

    def find_classes(self, directory: _Path) -> tuple[list[str], dict[str, int]]:
        """:func:`find_classes`, which a subclass may replace."""
        return find_classes(directory)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        path, target = self.samples[index]
        return self._transformed(self.loader(path), target)

    def __len__(self) -> int:
        return len(self.samples)


def pil_loader(path: _Path) -> Image.Image:
    """The image of a file in RGB."""
    with open(path, "rb") as file:
        return Image.open(file).convert("RGB")


def default_loader(path: _Path) -> Any:
    """:func:`pil_loader`: pillow is the only backend."""
    return pil_loader(path)


class ImageFolder(DatasetFolder):
    """Images in files below ``root/class``, as RGB PIL images unless ``loader`` makes something else.

    Args:
        root: that holds a folder per class.
        transform: of the image.
        target_transform: of the class number.
        loader: makes an image of a path.
        is_valid_file: whether the file at a path counts; ``None``: by its extension.
        allow_empty: classes may be without files.
    """

    def __init__(
        self,
        root: _Path,
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
        loader: Callable[[str], Any] = default_loader,
        is_valid_file: _Check | None = None,
        allow_empty: bool = False,
    ) -> None:
        super().__init__(
            root,
            loader,
            IMG_EXTENSIONS if is_valid_file is None else None,
            transform=transform,
            target_transform=target_transform,
            is_valid_file=is_valid_file,
            allow_empty=allow_empty,
        )
        self.imgs = self.samples
