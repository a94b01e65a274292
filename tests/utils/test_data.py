"""Loaders visit samples in PyTorch's order and make PyTorch's batches."""

import numpy as np
import pytest

import jtorch
from jtorch.utils import data


def pair(torch, make):
    """The same thing made with this library and with PyTorch, from the same seed."""
    jtorch.manual_seed(7)
    torch.manual_seed(7)
    return make(jtorch, data), make(torch, torch.utils.data)


def plain(x):
    """Nested lists of what a batch holds, with the containers' and the dtypes' names."""
    if hasattr(x, "tolist"):
        return str(x.dtype), x.tolist()
    if isinstance(x, dict):
        return type(x).__name__, {k: plain(v) for k, v in x.items()}
    if isinstance(x, list | tuple):
        return type(x).__name__, [plain(v) for v in x]
    return x


LOADERS = {
    "in order": lambda t, d: d.DataLoader(list(range(10)), batch_size=3),
    "shuffled": lambda t, d: d.DataLoader(list(range(10)), batch_size=3, shuffle=True),
    "drop_last": lambda t, d: d.DataLoader(list(range(10)), 3, shuffle=True, drop_last=True),
    "generator": lambda t, d: d.DataLoader(
        list(range(10)), 3, shuffle=True, generator=t.Generator().manual_seed(3)
    ),
    "replacement": lambda t, d: d.DataLoader(
        list(range(10)), 4, sampler=d.RandomSampler(range(10), replacement=True, num_samples=45)
    ),
    "more than all": lambda t, d: d.DataLoader(
        list(range(10)), 4, sampler=d.RandomSampler(range(10), num_samples=25)
    ),
    "subset": lambda t, d: d.DataLoader(list(range(10)), 2, sampler=d.SubsetRandomSampler([7, 1, 4])),
    "batch_sampler": lambda t, d: d.DataLoader(list(range(9)), batch_sampler=[[1, 2], [8], [0, 3, 4]]),
    "single samples": lambda t, d: d.DataLoader([np.ones(2), np.zeros(2)], batch_size=None),
    "tensors": lambda t, d: d.DataLoader(
        d.TensorDataset(t.arange(14.0).reshape(7, 2), t.arange(7)), 3, shuffle=True
    ),
    "split": lambda t, d: d.DataLoader(
        d.random_split(d.TensorDataset(t.arange(9)), [0.5, 0.5])[1], 2, shuffle=True
    ),
    "concatenated": lambda t, d: d.DataLoader(d.ConcatDataset([[1, 2], [3, 4, 5]]), 2, shuffle=True),
    "stacked": lambda t, d: d.DataLoader(d.StackDataset(a=[1, 2, 3], b=[0.5, 1.5, 2.5]), 2),
    "collated": lambda t, d: d.DataLoader([{"x": i, "y": (float(i), "abc")} for i in range(5)], 2),
    "collate_fn": lambda t, d: d.DataLoader(list(range(5)), 2, collate_fn=sum),
    "distributed": lambda t, d: d.DataLoader(
        list(range(11)), 2, sampler=d.DistributedSampler(range(11), num_replicas=3, rank=1)
    ),
}


@pytest.mark.parametrize("name", LOADERS)
def test_batches_match_torch(torch, name):
    mine, theirs = pair(torch, LOADERS[name])
    assert len(mine) == len(theirs)
    for _ in range(2):
        assert [plain(x) for x in mine] == [plain(x) for x in theirs]
    # Both have drawn as much.
    assert jtorch.rand(1).item() == torch.rand(1).item()


def test_iterable_data_sets_match_torch(torch):
    def make(t, d):
        class Counting(d.IterableDataset):
            def __iter__(self):
                return iter(range(7))

        return [
            d.DataLoader(Counting(), 3),
            d.DataLoader(Counting(), 3, drop_last=True),
            d.DataLoader(Counting(), None),
        ]

    for mine, theirs in zip(*pair(torch, make), strict=True):
        assert [plain(x) for x in mine] == [plain(x) for x in theirs]


def test_weighted_sampler_matches_torch(torch):
    if not hasattr(jtorch, "multinomial"):
        pytest.skip("needs multinomial")
    for replacement in (True, False):
        mine, theirs = pair(
            torch, lambda t, d, r=replacement: list(d.WeightedRandomSampler([0.1, 0.5, 0.2, 0.9], 4, r))
        )
        assert mine == theirs


def test_leaving_a_loop_early_draws_no_more(torch):
    def make(t, d):
        for _ in d.DataLoader(range(100), 10, shuffle=True, generator=t.Generator().manual_seed(1)):
            break
        return t.rand(1).item()

    mine, theirs = pair(torch, make)
    assert mine == theirs


def test_rows_of_a_tensor_on_the_host_start_no_program(lazy):
    before = jtorch.metrics()["nodes"]
    loader = data.DataLoader(data.TensorDataset(jtorch.arange(20).reshape(10, 2)), 4)
    (first,) = next(iter(loader))
    assert first.tolist() == [[0, 1], [2, 3], [4, 5], [6, 7]]
    assert jtorch.metrics()["nodes"] == before


def test_the_next_batch_runs_what_is_pending(lazy):
    x = jtorch.ones(3)
    kept = []
    for (row,) in data.DataLoader(data.TensorDataset(jtorch.arange(6.0))):
        kept.append(x * row)
    assert jtorch.metrics()["flushes"]["next batch"] >= 5
    assert kept[2].tolist() == [2.0, 2.0, 2.0]


def test_a_subclass_of_tensor_dataset_is_asked_for_its_items():
    class Doubled(data.TensorDataset):
        def __getitem__(self, index):
            return tuple(2 * t for t in super().__getitem__(index))

    (batch,) = next(iter(data.DataLoader(Doubled(jtorch.arange(4)), 2)))
    assert batch.tolist() == [0, 2]


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda t, d: d.DataLoader([1], batch_size=0), ValueError),
        (lambda t, d: d.DataLoader([1], num_workers=-1), ValueError),
        (lambda t, d: d.DataLoader([1], timeout=-1), ValueError),
        (lambda t, d: d.DataLoader([1], prefetch_factor=2), ValueError),
        (lambda t, d: d.DataLoader([1], persistent_workers=True), ValueError),
        (lambda t, d: d.DataLoader([1], shuffle=True, sampler=[0]), ValueError),
        (lambda t, d: d.DataLoader([1], batch_sampler=[[0]], batch_size=2), ValueError),
        (lambda t, d: d.DataLoader([1], batch_size=None, drop_last=True), ValueError),
        (lambda t, d: d.DataLoader([], shuffle=True), ValueError),
        (lambda t, d: d.TensorDataset(t.ones(2), t.ones(3)), AssertionError),
        (lambda t, d: d.random_split([1, 2, 3], [1, 1]), ValueError),
        (lambda t, d: d.ConcatDataset([]), AssertionError),
        (lambda t, d: d.default_collate([object()]), TypeError),
        (lambda t, d: d.default_collate([[1], [1, 2]]), RuntimeError),
        (lambda t, d: d.default_collate([t.ones(2), t.ones(3)]), RuntimeError),
        (lambda t, d: setattr(d.DataLoader([1]), "batch_size", 2), ValueError),
        (lambda t, d: d.RandomSampler([1], num_samples=0), ValueError),
    ],
    ids=range(17),
)
def test_errors_match_torch(torch, make, error):
    with pytest.raises(error) as mine:
        make(jtorch, data)
    with pytest.raises(error) as theirs:
        make(torch, torch.utils.data)
    assert str(mine.value) == str(theirs.value)
