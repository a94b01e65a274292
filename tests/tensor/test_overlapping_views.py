"""Writing to parts of tensors whose elements share memory: every place that shows one sees the change."""

import pytest

import jtorch
from jtorch.testing import assert_close


def ones(*shape):
    """A tensor with a history, whose contents are computed and not on the host."""
    leaf = jtorch.ones(*shape, requires_grad=True)
    return leaf, leaf * 1


def test_a_row_of_an_expanded_tensor_is_all_rows():
    base = jtorch.zeros(1, 3) * 1
    rows = base.expand(4, 3)
    rows[2] = jtorch.arange(3.0)
    rows[1:][2, :2] = jtorch.tensor([5.0, 6.0])
    rows[0].mul_(2)
    assert_close(base, jtorch.tensor([[10.0, 12.0, 4.0]]))
    assert_close(rows, base.expand(4, 3))


def test_the_diagonal_of_an_expanded_tensor():
    leaf, base = ones(2, 1)
    new = jtorch.tensor([3.0, 4.0], requires_grad=True)
    square = base.expand(2, 2)
    square.diagonal().copy_(new * 2)
    (square * jtorch.tensor([[1.0, 2.0], [3.0, 4.0]])).sum().backward()
    assert_close(square.detach(), jtorch.tensor([[6.0, 6.0], [8.0, 8.0]]))
    assert_close(new.grad, jtorch.tensor([6.0, 14.0]))  # twice the sum of each row
    assert_close(leaf.grad, jtorch.zeros(2, 1))


def test_a_window_is_part_of_its_neighbours():
    leaf, base = ones(5)
    base.unfold(0, 3, 1)[1].mul_(jtorch.tensor([2.0, 3.0, 4.0]))
    base.as_strided((3, 3), (1, 1))[:, 0].add_(1)
    base.sum().backward()
    assert_close(base.detach(), jtorch.tensor([2.0, 3.0, 4.0, 4.0, 1.0]))
    assert_close(leaf.grad, jtorch.tensor([1.0, 2.0, 3.0, 4.0, 1.0]))


def test_index_tensors_write_to_the_memory_of_windows():
    leaf, base = ones(4)
    new = jtorch.tensor([5.0, 6.0], requires_grad=True)
    windows = base.unfold(0, 2, 1)
    windows[[0, 1], [1, 1]] = new * 1
    assert_close(windows.detach(), jtorch.tensor([[1.0, 5.0], [5.0, 6.0], [6.0, 1.0]]))
    windows.sum().backward()
    assert_close(new.grad, jtorch.tensor([2.0, 2.0]))
    assert_close(leaf.grad, jtorch.tensor([1.0, 0.0, 0.0, 1.0]))  # what is overwritten has no gradient


@pytest.mark.parametrize("accumulate", [False, True])
def test_index_tensors_write_to_expanded_tensors(accumulate):
    base = jtorch.zeros(1, 2) * 1
    with pytest.warns(UserWarning, match="index_put_ on expanded tensors is deprecated"):
        base.expand(3, 2).index_put_(
            (jtorch.tensor([0, 1]),), jtorch.tensor([[1.0, 2.0], [3.0, 4.0]]), accumulate
        )
    assert_close(base, jtorch.tensor([[4.0, 6.0]] if accumulate else [[3.0, 4.0]]))


def test_tangents_of_a_row_of_an_expanded_tensor():
    with jtorch.autograd.forward_ad.dual_level():
        base = jtorch.autograd.forward_ad.make_dual(jtorch.ones(1, 2), jtorch.ones(1, 2))
        rows = (base * 1).expand(3, 2)
        rows[1].mul_(3)
        assert_close(jtorch.autograd.forward_ad.unpack_dual(rows).tangent, jtorch.full((3, 2), 3.0))


def test_expanded_rows_seen_as_real_numbers_are_refused():
    rows = (jtorch.zeros(1, 2, dtype=jtorch.complex64) * 1).expand(3, 2)
    with pytest.raises(NotImplementedError, match="clone"):
        jtorch.view_as_real(rows)[1].zero_()


def test_windows_of_no_elements():
    nothing = (jtorch.zeros(0, 1) * 1).unfold(0, 0, 2)
    assert nothing.shape == (nothing * 2).shape == (1, 1, 0)
    assert (jtorch.tensor(1.0) * 1).unfold(0, 0, 1).tolist() == []
    nothing.zero_()


OVERLAPS = [
    "y.mul_(y[1])", "y += y[1]", "y[:1].add_(y[1:])", "y.add_(y)", "y.add_(y.view(4))", "y.mul_(y.t())",
    "y[:, 0].add_(y[:, 1])", "y[0].add_(y[0])", "y.view(4)[1:].sub_(y.view(4)[:3])", "y.copy_(y.t())",
    "y.addcmul_(y[0], y)", "y.mul_(y.detach())",
]  # fmt: skip


@pytest.mark.parametrize("write", OVERLAPS)
def test_operands_that_share_part_of_the_memory_are_refused(torch, write):
    found = []
    for package in (torch, jtorch):
        y = package.arange(4.0).reshape(2, 2) * 1
        try:
            exec(write, {"y": y})
            found.append(y.tolist())
        except RuntimeError as error:
            found.append(str(error))
    assert found[0] == found[1]
