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


DIVISIONS = {
    "//": lambda x, y: x // y,
    "%": lambda x, y: x % y,
    "fmod": lambda x, y: x.fmod(y),
    "floor_divide": lambda x, y: jtorch.floor_divide(x, other=y),
    "remainder out": lambda x, y: jtorch.remainder(x, y, out=jtorch.empty_like(x)),
    "div floor": lambda x, y: jtorch.div(x, y, rounding_mode="floor"),
    "div trunc": lambda x, y: x.div(y, rounding_mode="trunc"),
    "//=": lambda x, y: x.__ifloordiv__(y),
    "remainder_": lambda x, y: x.remainder_(y),
    "div_": lambda x, y: x.div_(y, rounding_mode="trunc"),
    "number //": lambda x, y: 7 // y if isinstance(y, jtorch.Tensor) else x // y,
}


@pytest.mark.parametrize("divide", DIVISIONS.values(), ids=DIVISIONS)
@pytest.mark.parametrize("zero", [0, False, jtorch.tensor([2, 0])], ids=["0", "False", "tensor"])
def test_integers_are_not_divided_by_a_zero_that_is_known(divide, zero):
    x = jtorch.tensor([5, 7])
    with pytest.raises(RuntimeError, match=r"^ZeroDivisionError$"):
        divide(x, zero)
    assert x.tolist() == [5, 7]


def test_what_is_no_division_of_integers_by_zero():
    x, nothing = jtorch.tensor([5, 7]), jtorch.zeros(0, 2, dtype=jtorch.int64)
    assert (x // 0.0).tolist() == [float("inf")] * 2
    assert (jtorch.tensor([1.0, 4.0]) // jtorch.tensor([0, 2])).tolist() == [float("inf"), 2.0]
    assert (nothing // 0).shape == (nothing % jtorch.tensor([0, 1])).shape == (0, 2)
    assert (x.to("meta") // 0).shape == (2,)
    assert (0 // x).tolist() == [0, 0]


@pytest.mark.usefixtures("lazy")
def test_divisors_that_are_not_computed_yet_are_not_waited_for():
    x = jtorch.tensor([5, 7])
    pending = jtorch.tensor([1, 2]) - 1
    jtorch.reset_metrics()
    rest = x % pending
    assert not jtorch.metrics()["flushes"]
    assert rest[1] == 0
