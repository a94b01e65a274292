"""Data sets of TensorFlow Datasets, read without TensorFlow."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from jtorch.utils.data.dataset import Dataset

__all__ = ["TFDSDataset"]


class TFDSDataset(Dataset[Any]):
    """A split of a TensorFlow Datasets data set as samples by index.

    Reads TFDS's random-access files (ArrayRecord), so the data set must have been prepared in that format:
    ``tfds build NAME --file_format=array_record``, ``download=True`` here, or a builder made with
    ``file_format="array_record"``. Needs the extra ``jtorch-xla[datasets]``; TensorFlow itself is needed only
    to prepare data sets that use it.

    Args:
        source: a data set's name (``"mnist"``, ``"mnist:3.0.1"``), a ``DatasetBuilder``, or any random-access
            source with ``__getitem__`` and ``__len__``.
        split: ``"train"``, or a part as TFDS spells it: ``"train[:80%]"``.
        data_dir: folder of prepared data sets; TFDS's own by default.
        as_supervised: samples are the (input, target) tuple that the data set names, instead of dictionaries.
        transform: applied to each sample, to its input if ``as_supervised``.
        target_transform: applied to the target; only if ``as_supervised``.
        decoders: TFDS's decoders by feature, such as ``{"image": tfds.decode.SkipDecoding()}``.
        download: download and prepare the data set if it is missing.

    Samples hold what TFDS gives: NumPy arrays, numbers, ``bytes`` for texts.

    Raises:
        ModuleNotFoundError: TFDS is not installed.
        ValueError: ``as_supervised`` where the data set names no input and target.
    """

    def __init__(
        self,
        source: Any,
        split: str = "train",
        *,
        data_dir: str | os.PathLike[str] | None = None,
        as_supervised: bool = False,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        decoders: Any = None,
        download: bool = False,
    ) -> None:
        if target_transform is not None and not as_supervised:
            raise ValueError("target_transform needs as_supervised=True: other samples have no target")
        if isinstance(source, str):
            source = _library().builder(source, data_dir=data_dir, file_format="array_record")
            if download:
                source.download_and_prepare()
        if hasattr(source, "as_data_source"):
            source = source.as_data_source(split=split, decoders=decoders)
        self.source = source
        self.info = getattr(source, "dataset_info", None)
        self.as_supervised, self.transform, self.target_transform = as_supervised, transform, target_transform
        self._keys = self._supervised_keys() if as_supervised else None
        self._process, self._reopened = os.getpid(), 0

    def _supervised_keys(self) -> tuple[Any, Any]:
        keys = getattr(self.info, "supervised_keys", None)
        if keys is None or len(keys) != 2:
            raise ValueError(
                f"as_supervised=True, but {getattr(self.info, 'name', 'this data set')} does not name an "
                "input and a target; take them from the dictionaries with transform="
            )
        return keys[0], keys[1]

    def _forked(self) -> bool:
        return self._process != os.getpid()

    def _opened(self) -> Any:
        """The source, with readers of its own in each process."""
        if self._forked() and self._reopened != os.getpid():
            source = copy.copy(self.source)
            inner = getattr(source, "data_source", None)
            if inner is not None:
                # Copied as it is pickled: without open readers, whose files and threads are another's.
                source.data_source = copy.copy(inner)
            self.source, self._reopened = source, os.getpid()
        return self.source

    def _finished(self, sample: Any) -> Any:
        if self._keys is None:
            return sample if self.transform is None else self.transform(sample)
        image, target = (sample[k] for k in self._keys)
        if self.transform is not None:
            image = self.transform(image)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return image, target

    def __getitem__(self, index: Any) -> Any:
        size = len(self.source)
        if not -size <= index < size:
            raise IndexError(f"index {index} is out of range for {size} samples")
        return self._finished(self._opened()[index % size])

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        if self._forked() or not hasattr(self.source, "__getitems__"):
            # ArrayRecord reads batches with threads of the whole process, which a worker has not inherited.
            return [self[i] for i in indices]
        return [self._finished(s) for s in self.source.__getitems__(list(indices))]

    def __len__(self) -> int:
        return len(self.source)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.source!r})"


def _library() -> Any:
    try:
        return import_module("tensorflow_datasets")
    except ModuleNotFoundError as missing:
        raise ModuleNotFoundError(
            "TFDSDataset needs tensorflow-datasets: pip install 'jtorch-xla[datasets]'", name=missing.name
        ) from missing
