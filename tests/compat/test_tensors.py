"""Tensors of the documents: creation, dtypes, devices, attributes, arithmetic, views, NumPy, statistics.

Values are those that the documents print, unless a line names another source.
"""

import inspect
import re

import numpy as np
import pytest

import jtorch as torch


def test_sales_and_grey_picture_as_tensors():
    sales = torch.tensor([[3, 6, 9], [2, 4, 5]])
    assert (sales.ndim, sales.shape, sales.dtype, str(sales.device)) == (2, (2, 3), torch.int64, "cpu")
    assert f"{sales.shape} {sales.dtype}" == "torch.Size([2, 3]) torch.int64"
    assert list(enumerate(sales.shape)) == [(0, 2), (1, 3)]
    assert (sales[0, 1].item(), sales[1, 0].item()) == (6, 2)
    assert str(sales.view(-1)) == "tensor([3, 6, 9, 2, 4, 5])"
    picture = torch.tensor([[[128, 200], [255, 50]]])
    assert picture.shape == torch.Size([1, 2, 2])
    values = [picture[0, i, j] for i in range(2) for j in range(2)]
    assert str(values) == "[tensor(128), tensor(200), tensor(255), tensor(50)]"


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        ("ByteTensor", "uint8"),
        ("CharTensor", "int8"),
        ("ShortTensor", "int16"),
        ("IntTensor", "int32"),
        ("LongTensor", "int64"),
        ("FloatTensor", "float32"),
        ("DoubleTensor", "float64"),
        ("BoolTensor", "bool"),
    ],
)
def test_the_table_of_types(name, dtype):
    kind = getattr(torch, name)
    x = kind([1, 0])
    assert x.dtype is getattr(torch, dtype)
    assert x.type() == f"torch.{name}"
    assert isinstance(x, kind)
    assert not isinstance(x, torch.IntTensor if name != "IntTensor" else torch.LongTensor)
    assert torch.tensor([1.5, 0]).type(kind).dtype is x.dtype


def test_names_of_dtypes():
    for name, alias in [("float32", "float"), ("float64", "double"), ("int32", "int"), ("int64", "long")]:
        assert getattr(torch, name) is getattr(torch, alias)
    for name in ("float16", "int8", "uint8", "int16", "bool", "complex64", "complex128"):
        assert str(getattr(torch, name)) == f"torch.{name}"
    default = torch.tensor([3.0, 6.0, 9.0], dtype=None)
    assert (default.shape, default.dtype, default.device) == ((3,), torch.float32, torch.device("cpu"))
    assert repr(default.device) == "device(type='cpu')"
    assert torch.tensor([3.0, 6.0, 9.0], dtype=torch.float16).dtype is torch.float16
    assert repr(torch.device("cuda", 0)) == "device(type='cuda', index=0)"


def test_sizes_and_values_in_the_old_constructors():
    assert torch.Tensor(2, 3).shape == (2, 3)
    assert str(torch.Tensor([2, 3])) == "tensor([2., 3.])"
    assert torch.FloatTensor(2, 3).shape == (2, 3)
    assert torch.FloatTensor([2.0, 8.3]).tolist() == pytest.approx([2.0, 8.3], rel=1e-7)
    assert torch.empty(2, 2).shape == (2, 2)
    assert str(torch.full([], 7.0)) == "tensor(7.)"
    assert str(torch.tensor(2.2)) == "tensor(2.2000)"
    assert str(torch.from_numpy(np.ones(2))) == "tensor([1., 1.], dtype=torch.float64)"


def test_filled_tensors_and_ranges():
    zeros, ones = torch.zeros(size=(3, 4)), torch.ones(size=(3, 4))
    rows = ",\n        ".join(["[0., 0., 0., 0.]"] * 3)
    assert f"{zeros} {zeros.dtype}" == f"tensor([{rows}]) torch.float32"
    assert str(ones) == str(zeros).replace("0.", "1.")
    with pytest.warns(UserWarning, match=re.escape("torch.range is deprecated")):
        assert str(torch.range(1, 10, 2)) == "tensor([1., 3., 5., 7., 9.])"
    with pytest.warns(UserWarning, match=re.escape("torch.range is deprecated")):
        assert torch.range(0, 10).tolist() == list(range(11))
    zero_to_ten = torch.arange(start=0, end=10, step=1)
    assert str(zero_to_ten) == "tensor([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])"
    assert str(torch.zeros_like(input=zero_to_ten)) == "tensor([0, 0, 0, 0, 0, 0, 0, 0, 0, 0])"
    assert torch.linspace(0, 10, steps=5).tolist() == [0.0, 2.5, 5.0, 7.5, 10.0]
    assert torch.eye(2).tolist() == [[1.0, 0.0], [0.0, 1.0]]
    data = torch.tensor([[1, 2], [3, 4]])
    assert str(torch.ones_like(data)) == "tensor([[1, 1],\n        [1, 1]])"
    assert torch.rand_like(data, dtype=torch.float).dtype is torch.float32
    assert torch.from_numpy(np.array([1, 2, 3])).tolist() == [1, 2, 3]


def test_random_factories_take_their_size_in_every_form():
    for make in (torch.rand, torch.randn):
        assert (
            make(2, 3).shape == make((2, 3)).shape == make(size=(2, 3)).shape == make([2, 3]).shape == (2, 3)
        )
    assert torch.rand(size=(224, 224, 3)).permute(2, 0, 1).shape == (3, 224, 224)
    x = torch.randint(0, 10, (3, 3))
    assert x.shape == (3, 3)
    assert x.dtype is torch.int64
    assert ((x >= 0) & (x < 10)).all()
    assert sorted(torch.randperm(10).tolist()) == list(range(10))
    assert torch.rand(3, 4, 5).numel() == 60


def test_attributes():
    x = torch.tensor([[1, 2, 3], [4, 5, 6]])
    assert (x.shape, x.size(), x.size(0), x.shape[1], list(x.shape)) == ((2, 3), (2, 3), 2, 3, [2, 3])
    assert [t.ndimension() for t in (torch.tensor(7), x[0], x, torch.randn(2, 3, 4))] == [0, 1, 2, 3]
    assert (x.dim(), x.numel(), x.is_cuda) == (2, 6, False)
    assert torch.tensor([1.0, 2.0], requires_grad=True).requires_grad
    assert not torch.tensor([1.0, 2.0]).requires_grad
    assert torch.tensor([3.14]).item() == pytest.approx(3.14, rel=1e-7)


def test_arithmetic_leaves_operands_alone():
    x = torch.tensor([1, 2, 3])
    assert str(x + 10) == "tensor([11, 12, 13])"
    assert str(x * 10) == str(torch.multiply(x, 10)) == "tensor([10, 20, 30])"
    assert str(x - 10) == "tensor([-9, -8, -7])"
    assert str(x - 10 + 10) == str(x) == "tensor([1, 2, 3])"
    assert f"Equals: {x * x}" == "Equals: tensor([1, 4, 9])"
    assert str(torch.matmul(x, x)) == str(x @ x) == str(sum(a * a for a in x)) == "tensor(14)"
    zeros = torch.zeros(size=(3, 4))
    zeros.zero_()
    zeros.add(1)
    assert zeros.sum() == 0
    zeros.add_(1)
    assert zeros.sum() == 12
    t = torch.ones(4, 4)
    t[:, 1] = 0
    product, elements = torch.rand(4, 4), torch.rand(4, 4)
    torch.matmul(t, t.T, out=product)
    torch.mul(t, t, out=elements)
    assert (t @ t.T == product).all()
    assert (t.matmul(t.T) == 3).all()
    assert (t.mul(t) == elements).all()
    assert repr(t.sum().item()) == "12.0"
    assert t.add_(5)[0].tolist() == [6.0, 5.0, 6.0, 6.0]


def test_elementwise_and_rounding_functions():
    # Values by hand.
    a = torch.tensor([-1.5, 2.25, 4.0])
    assert a.floor().tolist() == [-2.0, 2.0, 4.0]
    assert a.ceil().tolist() == [-1.0, 3.0, 4.0]
    assert a.trunc().tolist() == [-1.0, 2.0, 4.0]
    assert a.frac().tolist() == [-0.5, 0.25, 0.0]
    assert torch.abs(a).tolist() == [1.5, 2.25, 4.0]
    assert a.clamp(0).tolist() == [0.0, 2.25, 4.0]
    assert torch.clamp(a, 0, 3).tolist() == a.clamp(max=3, min=0).tolist() == [0.0, 2.25, 3.0]
    assert a[1:].sqrt().tolist() == [1.5, 2.0]
    assert a[1:].rsqrt().tolist() == pytest.approx([1 / 1.5, 0.5], rel=1e-6)
    assert a.pow(2).tolist() == (a**2).tolist() == torch.pow(a, 2).tolist() == [2.25, 5.0625, 16.0]
    assert torch.log(torch.exp(a)).tolist() == pytest.approx(a.tolist(), rel=1e-6)
    assert torch.div(a, 2).tolist() == (a / 2).tolist() == [-0.75, 1.125, 2.0]
    assert a.sub(1).tolist() == (a - 1).tolist() == [-2.5, 1.25, 3.0]
    assert torch.add(a, 1).tolist() == (a + 1).tolist()
    matrix = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert torch.mv(matrix, torch.tensor([1.0, 1.0])).tolist() == [3.0, 7.0]
    assert torch.mm(matrix, matrix.T).tolist() == [[5.0, 11.0], [11.0, 25.0]]
    assert torch.diag(matrix).tolist() == [1.0, 4.0]
    assert torch.diag_embed(torch.tensor([1.0, 4.0])).tolist() == [[1.0, 0.0], [0.0, 4.0]]
    assert torch.matmul(torch.ones(4, 3, 28, 64), torch.ones(4, 1, 64, 32)).shape == (4, 3, 28, 32)


def test_statistics():
    x = torch.arange(0, 100, 10)
    assert str(x) == "tensor([ 0, 10, 20, 30, 40, 50, 60, 70, 80, 90])"
    assert f"{x.min()} {x.max()} {x.type(torch.float32).mean()} {x.sum()}" == "0 90 45.0 450"
    found = [torch.max(x), torch.min(x), torch.mean(x.type(torch.float32)), torch.sum(x)]
    assert str(found) == "[tensor(90), tensor(0), tensor(45.), tensor(450)]"
    tensor = torch.arange(10, 100, 10)
    assert f"{tensor.argmax()} {tensor.argmin()}" == "8 0"
    # By hand: norms, products, values along a dimension, comparisons.
    a = torch.tensor([[1.0, -2.0, 3.0], [6.0, 5.0, -4.0]])
    assert a.norm(1) == 21
    assert a.norm(2) == pytest.approx(91**0.5, rel=1e-6)
    assert a.norm(2, dim=1).tolist() == pytest.approx([14**0.5, 77**0.5], rel=1e-6)
    assert (a.prod(), a.argmax(), a.argmin()) == (720, 3, 5)
    values, places = a.max(dim=1)
    assert (values.tolist(), places.tolist()) == ([3.0, 6.0], [2, 0])
    assert a.max(dim=1, keepdim=True).values.shape == (2, 1)
    assert a.argmax(dim=1).tolist() == [2, 0]
    assert a.topk(2, dim=1).values.tolist() == [[3.0, 1.0], [6.0, 5.0]]
    assert a.topk(2, dim=1, largest=False).indices.tolist() == [[1, 0], [2, 1]]
    assert [t.tolist() for t in a.kthvalue(2, dim=1)] == [[1.0, 5.0], [0, 1]]
    assert torch.eq(a, a.abs()).tolist() == [[True, False, True], [True, True, False]]
    assert torch.equal(a, a.clone())
    assert (a > 4).sum() == (a >= 5).sum() == 2
    assert (a != a).sum() == (a < -4).sum() == 0


def test_conversions_print_their_dtype():
    tensor = torch.arange(10.0, 100.0, 10.0)
    assert tensor.dtype is torch.float32
    half = "tensor([10., 20., 30., 40., 50., 60., 70., 80., 90.], dtype=torch.float16)"
    assert str(tensor.type(torch.float16)) == half
    assert str(tensor.type(torch.int8)) == "tensor([10, 20, 30, 40, 50, 60, 70, 80, 90], dtype=torch.int8)"


def test_views_share_and_shapes_follow():
    x = torch.arange(1, 7)
    assert str(x.reshape(2, 3)) == "tensor([[1, 2, 3],\n        [4, 5, 6]])"
    y = x.view(2, 3)
    y[0, 0] = 100
    assert str(x) == "tensor([100,   2,   3,   4,   5,   6])"
    x = torch.arange(1.0, 8.0)
    z = x.view(1, 7)
    z[:, 0] = 5
    assert str(z) == "tensor([[5., 2., 3., 4., 5., 6., 7.]])"
    assert str(x) == "tensor([5., 2., 3., 4., 5., 6., 7.])"
    assert x.reshape(1, 7).squeeze().unsqueeze(dim=0).shape == (1, 7)
    assert torch.stack([x, x, x, x], dim=0)[3].tolist() == x.tolist()
    a = torch.rand(4, 1, 28, 28)
    assert (a.view(4, 784).shape, a.view(4, 28, 28).shape) == ((4, 784), (4, 28, 28))
    assert (a.unsqueeze(0).shape, a.unsqueeze(-1).shape) == ((1, 4, 1, 28, 28), (4, 1, 28, 28, 1))
    line = torch.tensor([1, 2, 3])
    assert (line.unsqueeze(dim=0).shape, line.unsqueeze(dim=1).shape) == ((1, 3), (3, 1))
    b = torch.rand(1, 32, 1, 1)
    assert [b.squeeze().shape, b.squeeze(0).shape, b.squeeze(-1).shape, b.squeeze(1).shape] == [
        (32,), (32, 1, 1), (1, 32, 1), (1, 32, 1, 1)
    ]  # fmt: skip
    assert torch.zeros(1, 3, 1, 5).squeeze().shape == (3, 5)
    assert (b.expand(4, 32, 14, 14).shape, b.expand(-1, 32, -1, -1).shape) == ((4, 32, 14, 14), (1, 32, 1, 1))
    assert b.repeat(4, 32, 1, 1).shape == (4, 1024, 1, 1)
    assert (b.repeat(4, 1, 1, 1).shape, b.repeat(4, 1, 32, 32).shape) == ((4, 32, 1, 1), (4, 32, 32, 32))
    assert torch.randn(3, 4).t().shape == (4, 3)
    a = torch.rand(4, 3, 32, 32)
    swapped = a.transpose(1, 3)
    back = swapped.contiguous().view(4, 3 * 32 * 32).view(4, 32, 32, 3).transpose(1, 3)
    assert swapped.shape == (4, 32, 32, 3)
    assert torch.equal(a, back)
    assert torch.rand(4, 3, 28, 32).permute(0, 2, 3, 1).shape == (4, 28, 32, 3)
    assert (torch.rand(4, 32, 14, 14) + b).shape == (4, 32, 14, 14)


def test_joining_and_splitting():
    a, b = torch.rand(4, 32, 8), torch.rand(5, 32, 8)
    assert torch.cat([a, b], dim=0).shape == (9, 32, 8)
    c = torch.stack([torch.rand(32, 8), torch.rand(32, 8)], dim=0)
    assert c.shape == (2, 32, 8)
    for parts in (c.split([1, 1], dim=0), c.split(1, dim=0), c.chunk(2, dim=0), torch.chunk(c, 2, 0)):
        assert [p.shape for p in parts] == [(1, 32, 8)] * 2
    with pytest.raises(ValueError, match=re.escape("not enough values to unpack (expected 2, got 1)")):
        _, _ = c.split(2, dim=0)
    x, y, z = torch.arange(1, 10).view(3, 3)
    assert str(torch.stack([x, y, z], dim=0)) == "tensor([[1, 2, 3],\n        [4, 5, 6],\n        [7, 8, 9]])"


def test_numpy_arrays_share_memory_until_a_new_tensor_is_made():
    array = np.arange(1.0, 8.0)
    tensor = torch.from_numpy(array)
    assert str(tensor) == "tensor([1., 2., 3., 4., 5., 6., 7.], dtype=torch.float64)"
    array = array + 1
    assert tensor[0] == 1
    # The document's print names the dtype; PyTorch 2.13 leaves float32 out, since it is the default.
    assert str(torch.from_numpy(array).type(torch.float32)) == "tensor([2., 3., 4., 5., 6., 7., 8.])"
    ones = torch.ones(7)
    before = ones.numpy()
    # The document prints an array of twos after `tensor = tensor + 1`; PyTorch makes a new tensor there.
    ones = ones + 1
    assert (ones.tolist(), before.tolist()) == ([2.0] * 7, [1.0] * 7)
    t = torch.ones(5)
    n = t.numpy()
    t.add_(1)
    assert f"t: {t} n: {n}" == "t: tensor([2., 2., 2., 2., 2.]) n: [2. 2. 2. 2. 2.]"
    n = np.ones(5)
    t = torch.from_numpy(n)
    np.add(n, 1, out=n)
    assert f"{t} {n}" == "tensor([2., 2., 2., 2., 2.], dtype=torch.float64) [2. 2. 2. 2. 2.]"


def test_devices_and_versions():
    assert torch.cuda.is_available() in (True, False)
    assert torch.backends.mps.is_available() is False
    assert torch.cuda.device_count() >= 0
    assert isinstance(torch.version.cuda, str | None)
    assert torch.__version__ >= "1.10.0"
    device = "cuda" if torch.cuda.is_available() else "cpu"
    tensor = torch.tensor([1, 2, 3])
    moved = tensor.to(device)
    assert (moved + tensor.to(device)).cpu().numpy().tolist() == [2, 4, 6]
    assert moved.device.type == device
    if device == "cpu":
        with pytest.raises((RuntimeError, AssertionError)):
            torch.tensor([1, 2], device="cuda:0")


def test_where_and_gather():
    cond = torch.tensor([[0.6, 0.7], [0.8, 0.4]])
    assert torch.where(cond > 0.5, torch.zeros(2, 2), torch.ones(2, 2)).tolist() == [[0, 0], [0, 1]]
    index = torch.tensor([[7, 4, 9], [7, 4, 9], [8, 1, 3], [8, 6, 0]])
    labels = torch.arange(10) + 100
    gathered = torch.gather(labels.expand(4, 10), dim=1, index=index.long())
    assert gathered.tolist() == [[107, 104, 109], [107, 104, 109], [108, 101, 103], [108, 106, 100]]


def test_loaders_arguments_are_those_of_the_table():
    names = list(inspect.signature(torch.utils.data.DataLoader.__init__).parameters)
    listed = ["dataset", "batch_size", "shuffle", "sampler", "batch_sampler", "num_workers", "collate_fn"]
    listed += ["pin_memory", "drop_last", "timeout", "worker_init_fn", "multiprocessing_context"]
    assert names[1 : len(listed) + 1] == listed
