import numpy as np
import pytest

from jtorch import rng
from jtorch.rng._layout import flatten, is_contiguous, place

F4 = np.dtype(np.float32)


@pytest.mark.parametrize(
    ("shape", "strides", "expected"),
    [
        ((2, 3), None, True),
        ((2, 3), (3, 1), True),
        ((3, 2), (1, 3), False),
        ((2, 3), (6, 1), False),
        ((2, 1, 3), (3, 77, 1), True),
        ((1, 3), (99, 1), True),
        ((0, 3), (5, 7), True),
        ((), (), True),
        ((3,), (2,), False),
    ],
)
def test_is_contiguous(shape, strides, expected):
    assert is_contiguous(shape, strides) is expected


def test_draws_fill_memory_in_order():
    storage = np.arange(24)
    for array in (
        storage.reshape(2, 3, 4).transpose(2, 0, 1),
        storage.reshape(4, 6).T,
        storage.reshape(2, 12),
    ):
        strides = [step // array.itemsize for step in array.strides]
        placed = place(storage.copy(), array.shape, strides)
        assert np.array_equal(placed, array)
        assert placed.strides == array.strides
        assert np.array_equal(flatten(array, array.shape, strides), storage)


def test_gaps_are_skipped():
    # The elements of x[:, ::2] for a 3 x 4 matrix, in the order of its storage.
    assert place(np.arange(6), (3, 2), (4, 2)).tolist() == [[0, 1], [2, 3], [4, 5]]


def test_channels_last_targets_are_drawn_by_pixel():
    shape, strides = (2, 3, 4, 5), (60, 1, 15, 3)
    by_pixel = rng.uniform(rng.MT19937(1), (2, 4, 5, 3), F4)
    channels_last = rng.uniform(rng.MT19937(1), shape, F4, strides=strides)
    assert channels_last.shape == shape
    assert np.array_equal(channels_last, by_pixel.transpose(0, 3, 1, 2))
