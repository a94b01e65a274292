"""Lists of many tensors are joined by few small programs, whatever their length."""

import numpy as np
import pytest

import jtorch


@pytest.mark.parametrize("dim", [0, 1, -1])
@pytest.mark.parametrize("name", ["stack", "cat"])
def test_values_are_numpys(name, dim):
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=(2, 3)).astype(np.float32) for _ in range(150)]
    joined = getattr(jtorch, name)([jtorch.from_numpy(a) for a in arrays], dim)
    expected = {"stack": np.stack, "cat": np.concatenate}[name](arrays, dim)
    assert joined.shape == expected.shape
    assert np.array_equal(joined.numpy(), expected)


def test_lengths_share_programs(lazy):
    def joined(count):
        return jtorch.stack([jtorch.full((2,), float(i)) for i in range(count)])[:, 0].sum().item()

    assert joined(2048) == sum(range(2048))
    jtorch.reset_metrics()
    assert joined(2048) == sum(range(2048))
    assert jtorch.metrics()["programs_compiled"] == 0
    assert joined(1024) == sum(range(1024))
    # One program joins 32 stretches instead of 64, and one reads the sum.
    assert jtorch.metrics()["programs_compiled"] <= 2


def test_pending_values_and_gradients():
    leaves = [jtorch.tensor([float(i)], requires_grad=True) for i in range(100)]
    joined = jtorch.cat([2 * x for x in leaves])
    assert joined.grad_fn.name() == "CatBackward0"
    (joined * jtorch.arange(100)).sum().backward()
    assert [x.grad.item() for x in leaves] == [2.0 * i for i in range(100)]


def test_dtypes_promote_as_over_short_lists():
    tensors = [jtorch.ones(1, dtype=jtorch.int32)] * 80 + [jtorch.ones(1, dtype=jtorch.float16)] * 80
    assert jtorch.cat(tensors).dtype is jtorch.float16
    assert jtorch.cat(tensors, 0, out=jtorch.empty(0, dtype=jtorch.float64)).shape == (160,)


def test_errors_name_the_entry_of_the_whole_list():
    with pytest.raises(RuntimeError, match=r"got \[2\] at entry 0 and \[3\] at entry 100"):
        jtorch.stack([jtorch.ones(2)] * 100 + [jtorch.ones(3)])
    with pytest.raises(IndexError, match=r"Dimension out of range \(expected to be in range of \[-1, 0\]"):
        jtorch.cat([jtorch.ones(2)] * 100, 3)
    with pytest.raises(TypeError, match="expected Tensor as element 99 in argument 0, but got int"):
        jtorch.cat([jtorch.ones(2)] * 99 + [1])
