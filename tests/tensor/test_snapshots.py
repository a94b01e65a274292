"""Memory shared with NumPy is read anew at each use, and handed to XLA anew only if it changed."""

import numpy as np
import pytest

import jtorch
from jtorch.tensor import _storage
from jtorch.tensor._core import from_value
from jtorch.trace import aligned, from_host


def test_unchanged_memory_is_one_value(lazy):
    x = jtorch.from_numpy(np.arange(6, dtype=np.float32).reshape(2, 3))
    keep = x.numpy()
    first = x._read()
    assert x._read() is first
    keep[1, 2] = 7
    second = x._read()
    assert second is not first
    assert (x * 1).tolist() == [[0, 1, 2], [3, 4, 7]]
    assert first.host.tolist() == [[0, 1, 2], [3, 4, 5]]


def test_views_of_shared_memory(lazy):
    memory = np.arange(6, dtype=np.float32)
    x = jtorch.from_numpy(memory)
    view = x[1:4]
    assert view._read() is view._read()
    memory[2] = -1
    assert (view + 0).tolist() == [1, -1, 3]
    x.add_(1)
    assert (view + 0).tolist() == [2, 0, 4]


def test_the_sign_of_zero_and_nan_count(lazy):
    memory = np.zeros(2, np.float32)
    x = jtorch.from_numpy(memory)
    assert (1 / x).tolist() == [float("inf")] * 2
    memory[0] = -0.0
    assert (1 / x).tolist() == [float("-inf"), float("inf")]
    memory[:] = np.nan
    assert x._read() is x._read()


def test_the_same_bytes_of_another_shape(lazy):
    memory = np.zeros((2, 3), np.float32)
    x = jtorch.from_numpy(memory)
    assert (x + 0).shape == (2, 3)
    memory.shape = (3, 2)
    assert (x + 0).shape == (3, 2)


def test_a_loop_compiles_once_and_reads_what_is_written(lazy):
    memory = np.zeros(4, np.float32)
    x, w = jtorch.from_numpy(memory), jtorch.nn.Parameter(jtorch.ones(4))
    found = []
    for step in range(8):
        memory[:] = step // 2
        w.grad = None
        (w * x).sum().backward()
        found.append(w.grad[0].item())
    assert found == [0, 0, 1, 1, 2, 2, 3, 3]
    assert jtorch.metrics()["programs_compiled"] <= 2


def test_little_is_kept(lazy):
    kept = _storage.Snapshot.kept
    memory = [np.full(8, i, np.float32) for i in range(2 * _storage.SNAPSHOTS)]
    for i, x in enumerate(map(jtorch.from_numpy, memory)):
        assert (x + 1)[0].item() == i + 1
    assert len(kept) == _storage.SNAPSHOTS
    memory.append(np.zeros(_storage.SNAPSHOT_BYTES, np.float32))
    large = jtorch.from_numpy(memory[-1])
    assert large._read() is not large._read()


@pytest.mark.parametrize("dtype", ["bool", "complex64", "int64", "float16", "uint8"])
def test_other_dtypes(lazy, dtype):
    memory = np.array([1, 0, 1], dtype)
    x = jtorch.from_numpy(memory)
    assert x._read() is x._read()
    for number in (1, 0):
        memory[1] = number
        assert (x == 1).tolist() == [True, number == 1, True]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64])
def test_large_memory_is_read_anew_and_lies_where_xla_can_use_it(lazy, dtype):
    memory = np.arange(1 << 16).astype(dtype).reshape(256, 256)
    for source in (memory, memory.T, memory[::2]):
        x = jtorch.from_numpy(source)
        value = x._read()
        assert value.host.ctypes.data % 64 == 0
        assert value.host.strides == np.empty(value.aval.shape, dtype).strides
        pending = x + 0
        memory[0, 1] += 1
        now = source.copy()
        assert not np.array_equal(pending.numpy(), now)
        assert np.array_equal((x + 0).numpy(), now)


@pytest.mark.parametrize("shift", [0, 16])
def test_large_contents_are_in_memory_once(lazy, shift):
    room = aligned((1 << 19) + 64)[shift : shift + (1 << 19)]
    host = room.view(np.float32)
    host[:] = np.arange(host.size)
    value = from_host(host)
    x = from_value(value)
    for _ in range(2):
        assert (x + 1).sum().item() == host.sum(dtype=np.float64) + host.size
        assert value.array is None or value.host is None or shift == 0
    assert np.array_equal(x.numpy(), host)
    x.add_(1)
    assert x[-1].item() == host.size
