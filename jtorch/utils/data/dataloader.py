"""The loader: batches of a data set, one after the other."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from jtorch.devices import platform_available
from jtorch.tensor import Tensor
from jtorch.tensor._core import from_value
from jtorch.trace import flush_all, from_host, recorders
from jtorch.utils.data._collate import default_collate, default_convert
from jtorch.utils.data._draws import seed
from jtorch.utils.data._worker import get_worker_info
from jtorch.utils.data.dataset import IterableDataset, Subset, TensorDataset
from jtorch.utils.data.sampler import BatchSampler, RandomSampler, SequentialSampler

__all__ = ["DataLoader", "default_collate", "default_convert", "get_worker_info"]


class _DatasetKind:
    Map = 0
    Iterable = 1


class _Forever:
    """Stands for indices where samples come in their own order."""

    def __iter__(self) -> Iterator[None]:
        return itertools.repeat(None)


_InfiniteConstantSampler = _Forever

#: Attributes that decide how the loader works and must not change.
_FIXED = ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers")


class DataLoader:
    """Iterates over a data set in batches.

    Args:
        dataset: samples by index (:class:`Dataset`) or one after the other (:class:`IterableDataset`).
        batch_size: samples per batch; ``None`` gives single samples.
        shuffle: a random order in every epoch.
        sampler: the order of indices instead.
        batch_sampler: lists of indices instead; excludes the four arguments about batches.
        num_workers: worker processes; 0 loads in this process.
        collate_fn: makes a batch of a list of samples; stacks tensors by default.
        pin_memory: place batches in memory from which accelerators copy faster.
        drop_last: leave out a last batch that is shorter.
        timeout: seconds to wait for a worker.
        worker_init_fn: called with the worker's number in each worker.
        multiprocessing_context: how workers are started.
        generator: source of the random order and of the workers' seeds.
        prefetch_factor: batches that each worker loads ahead.
        persistent_workers: keep workers from epoch to epoch.
        pin_memory_device: old way to say which accelerator.
        in_order: give batches in order even if a later one is ready first.
    """

    __initialized = False

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Any = None,
        batch_sampler: Any = None,
        num_workers: int = 0,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: Any = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        self._check_workers(num_workers, timeout, prefetch_factor, persistent_workers)
        if num_workers > 0 and prefetch_factor is None:
            prefetch_factor = 2
        self.dataset, self.num_workers, self.prefetch_factor = dataset, num_workers, prefetch_factor
        self.pin_memory, self.pin_memory_device = pin_memory, pin_memory_device
        self.timeout, self.worker_init_fn = timeout, worker_init_fn
        self.multiprocessing_context, self.in_order = multiprocessing_context, in_order
        if isinstance(dataset, IterableDataset):
            self._dataset_kind = _DatasetKind.Iterable
            self._check_iterable(shuffle, sampler, batch_sampler)
        else:
            self._dataset_kind = _DatasetKind.Map
            shuffle = bool(shuffle)
        if sampler is not None and shuffle:
            raise ValueError("sampler option is mutually exclusive with shuffle")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError(
                    "batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, and "
                    "drop_last"
                )
            batch_size, drop_last = None, False
        elif batch_size is None and drop_last:
            raise ValueError(
                "batch_size=None option disables auto-batching and is mutually exclusive with drop_last"
            )
        if sampler is None:
            if self._dataset_kind == _DatasetKind.Iterable:
                sampler = _Forever()
            elif shuffle:
                sampler = RandomSampler(dataset, generator=generator)
            else:
                sampler = SequentialSampler(dataset)
        if batch_size is not None and batch_sampler is None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.batch_size, self.drop_last = batch_size, drop_last
        self.sampler, self.batch_sampler, self.generator = sampler, batch_sampler, generator
        if collate_fn is None:
            collate_fn = default_collate if self._auto_collation else default_convert
        self.collate_fn = collate_fn
        self.persistent_workers = persistent_workers
        self._IterableDataset_len_called: int | None = None
        self._iterator: Any = None
        self.__initialized = True

    @staticmethod
    def _check_workers(workers: int, timeout: float, prefetch_factor: Any, persistent: bool) -> None:
        if workers < 0:
            raise ValueError(
                "num_workers option should be non-negative; use num_workers=0 to disable multiprocessing."
            )
        if timeout < 0:
            raise ValueError("timeout option should be non-negative")
        if workers == 0 and prefetch_factor is not None:
            raise ValueError(
                "prefetch_factor option could only be specified in multiprocessing.let num_workers > 0 to "
                "enable "
                "multiprocessing, otherwise set prefetch_factor to None."
            )
        if prefetch_factor is not None and prefetch_factor < 0:
            raise ValueError("prefetch_factor option should be non-negative")
        if persistent and workers == 0:
            raise ValueError("persistent_workers option needs num_workers > 0")

    @staticmethod
    def _check_iterable(shuffle: Any, sampler: Any, batch_sampler: Any) -> None:
        given = None
        if shuffle not in (None, False):
            given = f"shuffle option, but got shuffle={shuffle}"
        elif sampler is not None:
            given = f"sampler option, but got sampler={sampler}"
        elif batch_sampler is not None:
            given = f"batch_sampler option, but got batch_sampler={batch_sampler}"
        if given is not None:
            raise ValueError(f"DataLoader with IterableDataset: expected unspecified {given}")

    def __setattr__(self, attr: str, val: Any) -> None:
        if self.__initialized and attr in _FIXED:
            raise ValueError(
                f"{attr} attribute should not be set after {self.__class__.__name__} is initialized"
            )
        super().__setattr__(attr, val)

    @property
    def _auto_collation(self) -> bool:
        return self.batch_sampler is not None

    @property
    def _index_sampler(self) -> Any:
        return self.batch_sampler if self._auto_collation else self.sampler

    def __iter__(self) -> Any:
        return self._get_iterator()

    def _get_iterator(self) -> Any:
        if self.num_workers:
            raise NotImplementedError(
                f"num_workers={self.num_workers}: worker processes are not available yet"
            )
        return _SingleProcessDataLoaderIter(self)

    def __len__(self) -> int:
        if self._dataset_kind == _DatasetKind.Iterable:
            length = self._IterableDataset_len_called = len(self.dataset)
            if self.batch_size is not None:
                return length // self.batch_size if self.drop_last else -(-length // self.batch_size)
            return length
        return len(self._index_sampler)

    def check_worker_number_rationality(self) -> None:
        """PyTorch warns here about more workers than cores."""


class _BaseDataLoaderIter:
    """One pass over a loader."""

    def __init__(self, loader: DataLoader) -> None:
        self._loader = loader
        self._dataset = loader.dataset
        self._kind = loader._dataset_kind
        self._pin_memory = loader.pin_memory and _has_accelerator()
        if loader.pin_memory and not self._pin_memory:
            warnings.warn(
                "'pin_memory' argument is set as true but no accelerator is found, then device pinned memory "
                "won't be used.",
                stacklevel=3,
            )
        self._sampler_iter = iter(loader._index_sampler)
        self._base_seed = seed(loader.generator)
        self._num_yielded = 0

    def __iter__(self) -> Any:
        return self

    def _next_data(self) -> Any:
        raise NotImplementedError

    def __next__(self) -> Any:
        for r in recorders():
            if r.graph.nodes:
                # A loop that reads nothing must not grow one graph over all its batches.
                flush_all("next batch")
                break
        data = self._next_data()
        self._num_yielded += 1
        loader = self._loader
        length = loader._IterableDataset_len_called
        if self._kind == _DatasetKind.Iterable and length is not None and self._num_yielded > length:
            warnings.warn(
                f"Length of IterableDataset {self._dataset} was reported to be {length} (when accessing "
                "len(dataloader)), "
                f"but {self._num_yielded} samples have been fetched. ",
                stacklevel=2,
            )
        return data

    def __len__(self) -> int:
        return len(self._loader._index_sampler)

    def __getstate__(self) -> Any:
        raise NotImplementedError("{} cannot be pickled", self.__class__.__name__)


class _SingleProcessDataLoaderIter(_BaseDataLoaderIter):
    """Loads in this process."""

    def __init__(self, loader: DataLoader) -> None:
        super().__init__(loader)
        if loader.timeout != 0:
            raise AssertionError("_SingleProcessDataLoaderIter requires timeout == 0")
        self._fetch = fetcher(loader)

    def _next_data(self) -> Any:
        return self._fetch(next(self._sampler_iter))


def _has_accelerator() -> bool:
    return any(platform_available(kind) for kind in ("cuda", "tpu", "mps"))


def fetcher(loader: DataLoader) -> Callable[[Any], Any]:
    """The function from an index, or a list of them, to a batch."""
    collate_fn, dataset = loader.collate_fn, loader.dataset
    if loader._dataset_kind == _DatasetKind.Iterable:
        return _iterable_fetcher(loader, iter(dataset))
    if not loader._auto_collation:
        return lambda index: collate_fn(dataset[index])
    rows = _row_fetcher(dataset) if collate_fn is default_collate else None
    if rows is not None:
        return rows
    if callable(getattr(dataset, "__getitems__", None)):
        return lambda indices: collate_fn(dataset.__getitems__(indices))
    return lambda indices: collate_fn([dataset[i] for i in indices])


def _iterable_fetcher(loader: DataLoader, samples: Iterator[Any]) -> Callable[[Any], Any]:
    collate_fn, drop_last = loader.collate_fn, loader.drop_last
    if not loader._auto_collation:
        return lambda _: collate_fn(next(samples))

    def fetch(indices: list[Any]) -> Any:
        batch = list(itertools.islice(samples, len(indices)))
        if not batch or (drop_last and len(batch) < len(indices)):
            raise StopIteration
        return collate_fn(batch)

    return fetch


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
        return from_value(from_host(t._host()[rows]))
    return t[from_value(from_host(rows.astype(np.int64)))]  # type: ignore[no-any-return]
