"""Indexing and slicing of the documents."""

import jtorch as torch


def test_brackets_one_after_the_other():
    x = torch.arange(1, 10).reshape(1, 3, 3)
    assert str(x) == "tensor([[[1, 2, 3],\n         [4, 5, 6],\n         [7, 8, 9]]])"
    assert str(x[0]) == "tensor([[1, 2, 3],\n        [4, 5, 6],\n        [7, 8, 9]])"
    assert f"Second square bracket: {x[0][0]}" == "Second square bracket: tensor([1, 2, 3])"
    assert f"Third square bracket: {x[0][0][0]}" == "Third square bracket: 1"
    assert str(x[:, 0]) == "tensor([[1, 2, 3]])"
    assert str(x[:, :, 1]) == "tensor([[2, 5, 8]])"
    assert str(x[:, 1, 1]) == "tensor([5])"
    assert str(x[0, 0, :]) == "tensor([1, 2, 3])"
    assert (x[0, 2, 2].item(), x[0, :, 2].tolist()) == (9, [3, 6, 9])


def test_four_dimensions_print_in_blocks():
    # The document prints 54 numbers for arange(1, 19), which has 18: it means arange(1, 55).
    printed = str(torch.arange(1, 55).reshape(2, 3, 3, 3)).split("\n")
    assert len(printed) == 24
    assert printed[0] == "tensor([[[[ 1,  2,  3],"
    assert printed[4:7] == ["         [[10, 11, 12],", "          [13, 14, 15],", "          [16, 17, 18]],"]
    assert printed[11:14] == ["", "", "        [[[28, 29, 30],"]
    assert printed[-1] == "          [52, 53, 54]]]])"


def test_rows_columns_and_the_last_column():
    t = torch.ones(4, 4)
    found = f"{t[0]} {t[:, 0]} {t[..., -1]}"
    assert found == " ".join(["tensor([1., 1., 1., 1.])"] * 3)
    t[:, 1] = 0
    assert str(t) == "tensor([" + ",\n        ".join(["[1., 0., 1., 1.]"] * 4) + "])"
    joined = torch.cat([t, t, t], dim=1)
    row = "[1., 0., 1., 1., 1., 0., 1., 1., 1., 0., 1., 1.]"
    assert str(joined) == "tensor([" + ",\n        ".join([row] * 4) + "])"
    t[1:] = t[-1, -1] = 100
    assert t[1:].sum() == 1200


def test_slices_of_a_batch_of_pictures():
    a = torch.rand(4, 3, 28, 28)
    shapes = {
        "a[0]": (3, 28, 28),
        "a[0, 0]": (28, 28),
        "a[0, 0, 2, 4]": (),
        "a[:2]": (2, 3, 28, 28),
        "a[:2, :1, :, :]": (2, 1, 28, 28),
        "a[:2, 1:, :, :]": (2, 2, 28, 28),
        "a[:2, -1:, :, :]": (2, 1, 28, 28),
        "a[:, :, 0:28:2, 0:28:2]": (4, 3, 14, 14),
        "a.index_select(0, torch.tensor([0, 2]))": (2, 3, 28, 28),
        "a.index_select(1, torch.tensor([1, 2]))": (4, 2, 28, 28),
        "a.index_select(2, torch.arange(8))": (4, 3, 8, 28),
        "a[...]": (4, 3, 28, 28),
        "a[0, ...]": (3, 28, 28),
        "a[:, 1, ...]": (4, 28, 28),
        "a[..., :2]": (4, 3, 28, 2),
    }
    for expression, shape in shapes.items():
        assert eval(expression, {"a": a, "torch": torch}).shape == torch.Size(shape), expression


def test_masks_and_flat_positions():
    x = torch.tensor([[0.2, 0.5, 0.9], [-1.0, 0.7, 0.4]])
    assert torch.masked_select(x, x.ge(0.5)).tolist() == x[x >= 0.5].tolist()
    assert torch.masked_select(x, x.ge(0.5)).shape == (3,)
    src = torch.tensor([[4, 3, 5], [6, 7, 8]])
    assert str(torch.take(src, torch.tensor([0, 2, 5]))) == "tensor([4, 5, 8])"
    one_hot = torch.zeros(10, dtype=torch.float).scatter_(0, torch.tensor(3), value=1)
    assert one_hot.tolist() == [0, 0, 0, 1, 0, 0, 0, 0, 0, 0]
    rows = torch.zeros(2, 4)
    rows.scatter_(dim=1, index=torch.LongTensor([1, 3]).view(-1, 1), value=1)
    assert rows.tolist() == [[0, 1, 0, 0], [0, 0, 0, 1]]
