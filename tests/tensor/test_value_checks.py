"""Errors that depend on values, and what an ``out=`` tensor must be."""

import pytest

import jtorch


def test_indices_on_the_host_are_checked_at_the_call():
    x, bad = jtorch.zeros(2, 3), jtorch.tensor([3])
    with pytest.raises(RuntimeError, match="index 3 is out of bounds for dimension 1 with size 3"):
        x.gather(1, bad[None])
    with pytest.raises(IndexError, match="index out of range in self"):
        x[0].index_add_(0, bad, jtorch.ones(1))
    assert x.tolist() == [[0, 0, 0], [0, 0, 0]]


@pytest.mark.usefixtures("lazy")
def test_indices_that_are_not_computed_yet_are_not_waited_for():
    x = jtorch.zeros(3)
    pending = jtorch.tensor([1]) + 1
    jtorch.reset_metrics()
    x.index_select(0, pending)
    assert not jtorch.metrics()["flushes"]


def test_out_must_not_lie_on_an_operand():
    x = jtorch.ones(6)
    text = "some elements of the input tensor and the written-to tensor refer to a single memory location"
    with pytest.raises(RuntimeError, match=text):
        jtorch.add(x[:4], 1, out=x[1:5])
    with pytest.raises(RuntimeError, match="more than one element of the written-to tensor"):
        jtorch.add(x, 1, out=jtorch.zeros(1).expand(6))
    assert jtorch.add(x, 1, out=x) is x
    assert x.tolist() == [2] * 6


def test_out_keeps_its_dtype_where_pytorch_wants_the_same():
    a = jtorch.eye(2)
    with pytest.raises(RuntimeError) as error:
        jtorch.mm(a, a, out=jtorch.zeros(2, 2, dtype=jtorch.float64))
    assert str(error.value) == "Expected out tensor to have dtype float, but got double instead"
    assert jtorch.add(a, a, out=jtorch.zeros(2, 2, dtype=jtorch.float64)).dtype is jtorch.float64
