"""A sampler that gives each of several processes its share."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from jtorch.utils.data._draws import new_generator, permutation
from jtorch.utils.data.sampler import Sampler

__all__ = ["DistributedSampler"]


class DistributedSampler(Sampler[int]):
    """Every ``num_replicas``-th index of one common order, so that the shares are disjoint and of equal size.

    Args:
        dataset: with a length.
        num_replicas: number of processes.
        rank: of this process.
        shuffle: whether the order is random; call :meth:`set_epoch` for another order in each epoch.
        seed: of the order, the same in all processes.
        drop_last: leave out samples that do not divide evenly, instead of repeating some.
    """

    def __init__(
        self,
        dataset: Any,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        if num_replicas is None or rank is None:
            # Without a process group there is one process.
            num_replicas = 1 if num_replicas is None else num_replicas
            rank = 0 if rank is None else rank
        if rank >= num_replicas or rank < 0:
            raise ValueError(f"Invalid rank {rank}, rank should be in the interval [0, {num_replicas - 1}]")
        self.dataset, self.num_replicas, self.rank = dataset, num_replicas, rank
        self.epoch, self.drop_last = 0, drop_last
        n = len(dataset)
        short = (n - num_replicas) / num_replicas if drop_last and n % num_replicas else n / num_replicas
        self.num_samples = math.ceil(short)
        self.total_size = self.num_samples * num_replicas
        self.shuffle, self.seed = shuffle, seed

    def __iter__(self) -> Iterator[int]:
        n = len(self.dataset)
        indices = permutation(n, new_generator(self.seed + self.epoch)) if self.shuffle else list(range(n))
        if self.drop_last:
            indices = indices[: self.total_size]
        else:
            missing = self.total_size - len(indices)
            indices += (indices * math.ceil(missing / max(len(indices), 1)))[:missing]
        return iter(indices[self.rank : self.total_size : self.num_replicas])

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of an epoch."""
        self.epoch = epoch
