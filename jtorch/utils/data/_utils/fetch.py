"""From indices to a batch."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from jtorch.tensor import Tensor
from jtorch.tensor._core import from_value
from jtorch.trace import from_host
from jtorch.utils.data._utils.collate import default_collate
from jtorch.utils.data.dataset import Subset, TensorDataset

__all__: list[str] = []


class _BaseDatasetFetcher:
    """Fetches batches of a data set.

    Args:
        dataset: the data set.
        auto_collation: whether an index is a list that makes a batch.
        collate_fn: makes a batch of samples.
        drop_last: leave out a batch that is too short.
    """

    def __init__(
        self, dataset: Any, auto_collation: bool, collate_fn: Callable[[Any], Any], drop_last: bool
    ) -> None:
        self.dataset, self.auto_collation = dataset, auto_collation
        self.collate_fn, self.drop_last = collate_fn, drop_last

    def fetch(self, possibly_batched_index: Any) -> Any:
        """The batch, or the sample."""
        raise NotImplementedError


class _IterableDatasetFetcher(_BaseDatasetFetcher):
    """Takes the samples that come next."""

    def __init__(
        self, dataset: Any, auto_collation: bool, collate_fn: Callable[[Any], Any], drop_last: bool
    ) -> None:
        super().__init__(dataset, auto_collation, collate_fn, drop_last)
        self.dataset_iter = iter(dataset)
        self.ended = False

    def fetch(self, possibly_batched_index: Any) -> Any:
        """The next batch.

        Raises:
            StopIteration: there are no samples left, or too few.
        """
        if self.ended:
            raise StopIteration
        if not self.auto_collation:
            return self.collate_fn(next(self.dataset_iter))
        wanted = len(possibly_batched_index)
        samples = list(itertools.islice(self.dataset_iter, wanted))
        self.ended = len(samples) < wanted
        if not samples or (self.drop_last and self.ended):
            raise StopIteration
        return self.collate_fn(samples)


class _MapDatasetFetcher(_BaseDatasetFetcher):
    """Looks samples up by index."""

    def __init__(
        self, dataset: Any, auto_collation: bool, collate_fn: Callable[[Any], Any], drop_last: bool
    ) -> None:
        super().__init__(dataset, auto_collation, collate_fn, drop_last)
        self._rows = _row_fetcher(dataset) if auto_collation and collate_fn is default_collate else None

    def fetch(self, possibly_batched_index: Any) -> Any:
        """The samples of a list of indices as a batch, or one sample."""
        dataset = self.dataset
        if not self.auto_collation:
            return self.collate_fn(dataset[possibly_batched_index])
        if self._rows is not None:
            return self._rows(possibly_batched_index)
        if getattr(dataset, "__getitems__", None):
            return self.collate_fn(dataset.__getitems__(possibly_batched_index))
        return self.collate_fn([dataset[i] for i in possibly_batched_index])


def _row_fetcher(dataset: Any) -> Callable[[list[int]], Any] | None:
    """Batches of plain tensors in one gather each, instead of row by row; the result is the same."""
    chosen: list[Any] = []
    while type(dataset) is Subset:
        chosen.append(np.asarray(dataset.indices))
        dataset = dataset.dataset
    if type(dataset) is not TensorDataset or any(c.dtype.kind not in "iu" or c.ndim != 1 for c in chosen):
        return None
    tensors = dataset.tensors
    if any(type(t) is not Tensor or t._requires or t._fn is not None for t in tensors):
        return None
    size = len(dataset)

    def fetch(indices: list[int]) -> Any:
        rows = np.asarray(indices)
        if rows.dtype.kind not in "iu" or rows.ndim != 1:
            return default_collate([dataset[i] for i in indices])
        for c in chosen:
            rows = c[rows]
        if len(rows) and not (-size <= rows.min() and rows.max() < size):
            dataset[int(next(i for i in rows if not -size <= i < size))]
        return [_rows(t, rows) for t in tensors]

    return fetch


def _rows(t: Any, rows: np.ndarray[Any, Any]) -> Tensor:
    storage = t._storage
    if storage.buffer is not None or (storage.value is not None and storage.value.host is not None):
        return from_value(from_host(np.take(t._host(), rows, 0)))
    return t[from_value(from_host(rows.astype(np.int64)))]  # type: ignore[no-any-return]
