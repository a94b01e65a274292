"""Data, keywords, memory order and out=: results, strides, errors and warnings, against torch."""

import pytest

SETUP = """
x = torch.arange(24.0).reshape(2, 3, 4)
m = x[0]
z = torch.tensor([[1 + 2j, 3], [4, 5j]])
a = np.arange(6).reshape(2, 3)
"""

DATA = [
    "torch.tensor(np.float32(1.5), dtype=torch.float64)",
    "torch.tensor(np.float16(1.5), dtype=torch.complex64)",
    "torch.tensor(np.array(1, dtype='uint16'), dtype=torch.int32)",
    "x.new_tensor(np.int64(2))",
    "torch.as_tensor(np.float32(1), dtype=torch.float64)",
    "torch.tensor(np.float64(1.5), dtype=torch.int32)",
    "torch.tensor(np.float32(1.5), dtype=torch.int32)",
    "torch.tensor(np.bool_(True), dtype=torch.int32)",
    "torch.tensor(np.bool_(True), dtype=torch.bool)",
    "torch.tensor([np.float32(1.5), 2], dtype=torch.int32)",
    "torch.tensor([np.int8(2), 2.5], dtype=torch.int32)",
    "torch.tensor([torch.tensor(1.5), 2], dtype=torch.int32)",
    "torch.tensor([torch.tensor(True), 2], dtype=torch.int32)",
    "torch.tensor([torch.ones(2), torch.ones(2)], dtype=torch.int64)",
    "torch.tensor(None, dtype=torch.float32)",
    "torch.tensor([None], dtype=torch.bool)",
    "torch.tensor({1: 2}, dtype=torch.int32)",
    "torch.tensor([b'a'])",
    "torch.tensor(a.T)",
    "torch.tensor(a.T, dtype=torch.float32)",
    "torch.tensor(a[:, ::2])",
    "torch.tensor(np.broadcast_to(np.arange(3), (2, 3)))",
    "torch.tensor(np.arange(24).reshape(2, 3, 4).transpose(2, 0, 1)[:, ::2])",
    "torch.as_tensor(a.T, dtype=torch.float32)",
    "torch.asarray(a.T, dtype=torch.float32)",
    "x.new_tensor(a.T)",
    "torch.tensor(a[::-1])",
    "torch.asarray(torch.ones(2, requires_grad=True))",
    "torch.asarray(torch.ones(2, requires_grad=True), requires_grad=False)",
    "torch.asarray(torch.ones(2, requires_grad=True), dtype=torch.float64)",
    "torch.asarray(torch.ones(2))",
]

KEYWORDS = [
    "x.view(size=(6, 4))",
    "x.view()",
    "x.view(2.5)",
    "x.view('a')",
    "x.reshape(shape=(24,))",
    "x.reshape(2.5)",
    "x.reshape(2, 2.5)",
    "x.reshape([24.0])",
    "x.reshape()",
    "x.permute(dims=(2, 0, 1))",
    "x.permute(1.5)",
    "x.expand(size=(2, 2, 3, 4))",
    "x.expand(2.5)",
    "x[:1].squeeze(dim=0)",
    "x[:1].squeeze(dim=(0, 1))",
    "x.squeeze((0, 0))",
    "x.squeeze((0, -3))",
    "x.unflatten(0, 2)",
    "x.unflatten(dim=0, sizes=(1, -1))",
    "x.contiguous(memory_format=torch.preserve_format)",
    "x.mT.contiguous(memory_format=torch.preserve_format)",
    "x.mT.to(torch.float64, memory_format=torch.contiguous_format)",
    "torch.tensor(x.mT)",
    "torch.tensor(x.mT, dtype=torch.float64)",
    "x.new_tensor(m.t()[1:])",
]

CONVERSIONS = [
    "x.to(dtype='float32')",
    "x.to('cpu', 'float32')",
    "x.to([])",
    "x.to(np.float32)",
    "x.to(torch.strided)",
    "x.to(torch.float32, layout=torch.strided)",
    "x.to(torch.float32, 'cpu')",
    "x.to('float32')",
    "x.type_as(1)",
    "m.type('torch.ComplexFloatTensor')",
    "m.type(z.type())",
    "m.type('torch.FooTensor')",
    "torch.Tensor({1, 2})",
    "torch.DoubleTensor(torch.ones(2).storage())",
    "torch.IntTensor([np.float32(1.5)])",
    "torch.IntTensor([1, 2.5])",
]

TURNED = [
    f"{tensor}.{turn}"
    for tensor in ("x", "m", "z", "m[0]", "m[0, 0]", "z[0, 0]")
    for turn in ("T", "H", "mT", "mH", "adjoint()")
]

ORDER = [
    f"{tensor}{call}"
    for tensor in ("x.permute(2, 0, 1)", "x[None].contiguous(memory_format=torch.channels_last)", "m.t()[1:]")
    for call in (
        ".isnan()",
        ".floor()",
        ".sign()",
        ".logical_not()",
        ".flip(0)",
        ".conj_physical()",
        ".nan_to_num()",
        ".signbit()",
        ".round(decimals=1)",
    )
]

COPIES = [
    f"torch.{name}"
    for name in (
        "transpose_copy(x, 0, 2)",
        "t_copy(m)",
        "permute_copy(x, (2, 0, 1))",
        "diagonal_copy(x)",
        "unbind_copy(x.mT)",
        "split_copy(x.mT, 1)",
        "select_copy(x.mT, 0, 0)",
        "narrow_copy(x.mT, 0, 0, 1)",
        "expand_copy(m.t(), (4, 3))",
        "squeeze_copy(m.t())",
        "alias_copy(m.t())",
        "unfold_copy(m.t(), 0, 2, 1)",
    )
]


@pytest.mark.parametrize("expression", [*COPIES, *DATA, *KEYWORDS, *CONVERSIONS, *TURNED, *ORDER])
def test_agrees_with_torch(agree, expression):
    agree(expression, SETUP)


WRITES = [
    "x.copy_(2.5)",
    "x.long().copy_(2.5)",
    "x.copy_('a')",
    "x.copy_()",
    "x.copy_(x, False, 3)",
    "x.copy_(src=x)",
    "x.copy_(x, 1)",
    "x.copy_(1, non_blocking=None)",
    "x.copy_(m[:2])",
    "x.copy_(m[:2] + 1)",
    "m.copy_(x + 1)",
    "m[0].copy_(m[:1])",
    "m[0].copy_(m[:1] + 1)",
    "m[:, :1].copy_(m + 1)",
    "m.copy_(z[0, 0])",
    "x.fill_('a')",
    "x.bool().fill_('a')",
    "x.fill_(None)",
    "x.__setitem__(None, x[0]) or x",
    "m.__setitem__(slice(None), m[0]) or m",
    "m.__setitem__(slice(1, None), m[:-1])",
    "m.__setitem__([0, 1], torch.tensor([1, 2]))",
    "m.index_put_((torch.tensor([True, False, True]),), torch.tensor(1))",
    "m.index_put_((torch.tensor([True, False, True]),), torch.tensor(1), True)",
    "m.index_put_((torch.tensor([0, 0]),), torch.ones(2, dtype=torch.int64))",
    "torch.median(m, 0, out=torch.empty(2))",
    "torch.kthvalue(m, 1, out=(torch.empty(0),))",
    "torch.aminmax(m, out=torch.empty(2))",
    "torch.add(m, m, out=(torch.empty(2),))",
    "torch.add(m, m, out=[torch.empty(2)])",
    "torch.exp(m, out='a')",
    "x.bool().__setitem__(0, 1j)",
    "torch.full((2,), 1j, dtype=torch.bool)",
    "torch.full((2,), 1j, dtype=torch.int32)",
    "torch.ones(2, 2, device='meta').resize_(3, 3)",
    "torch.ones(2, 2, device='meta').resize_(3)",
    "torch.full((2,), 1, out=torch.empty(0), dtype=torch.float64)",
    "torch.eye(2, out=torch.empty(0), dtype=torch.float64)",
    "torch.randperm(4, device='meta')",
    "torch.rand_like(x.mT, device='meta')",
    "torch.manual_seed(0) and torch.rand_like(x.permute(2, 0, 1)[:, :, ::2])",
    "np.arange(1.0, 5.0) / torch.arange(1.0, 5.0)",
    "np.array(2.0) / torch.ones(3)",
    "torch.tensor(2) ** torch.tensor([62, 63, 64, 65, 2**62])",
    "2 ** torch.tensor([1, 64, 100])",
    "torch.tensor([3, -3, 1, -1, 0]) ** torch.tensor(101)",
    "torch.tensor([3, -1], dtype=torch.int8) ** torch.tensor([101, 127], dtype=torch.int8)",
    "torch.tensor([3, 2], dtype=torch.uint8) ** torch.tensor([201, 7], dtype=torch.uint8)",
]


@pytest.mark.parametrize("expression", WRITES)
def test_writes_agree_with_torch(agree, expression):
    agree(expression, SETUP)


ON_META = """
a = torch.ones(2, 3, device="meta", requires_grad=True)
b = torch.ones(3, device="meta", requires_grad=True)
c = torch.ones(2, 3, device="meta")
def gradients(y, *inputs, **kwargs):
    return torch.autograd.grad(y.sum(), inputs or (a, b), allow_unused=True, **kwargs)
def assigned(x, index, value):
    x[index] = value
    return x
def through(module, x):
    module = module.to("meta")
    return gradients(module(x), *module.parameters())
def packed(y, seen):
    with torch.autograd.graph.saved_tensors_hooks(lambda x: seen.append(x) or x, lambda x: x):
        return gradients(y()), len(seen)
"""


@pytest.mark.parametrize(
    "expression",
    [
        "a * 2",
        "(a @ b, a.max(1), a.sort())",
        "(a.argmax(), a > 0, a.long())",
        "c.mul_(a)",
        "assigned(c.clone(), 0, b)",
        "a.fill_(1)",
        "gradients(a * b)",
        "gradients(a.exp() + a)",
        "gradients(torch.cat([a, c]) ** 2)",
        "gradients(a.double() @ b.double())",
        "gradients(a.exp(), create_graph=True)[0]",
        "gradients(a.exp().add_(1))",
        "gradients(assigned(c.clone(), 0, b * 2))",
        "gradients(c.clone().view(6).mul_(a.view(6)))",
        "gradients(a.exp(), b)",
        "packed(lambda: a.exp() * b, [])",
        "through(torch.nn.Linear(3, 4), c)",
        "through(torch.nn.LayerNorm(3), c)",
    ],
)
def test_history_on_the_meta_device_agrees_with_torch(agree, expression):
    agree(expression, ON_META)


OUT = [
    "torch.sum(m, 0, out=torch.empty(4, dtype=torch.int64))",
    "torch.sum(m / 3, 0, out=torch.empty(4, dtype=torch.float64))",
    "torch.sum(m.half() * 300, 0, out=torch.empty(4, dtype=torch.float32))",
    "torch.sum(z, 0, out=torch.empty(2))",
    "torch.sum(m > 1, 0, out=torch.empty(4, dtype=torch.bool))",
    "torch.sum(m, 0, dtype=torch.float64, out=torch.empty(4))",
    "torch.prod(m.to(torch.uint8), 0, out=torch.empty(4, dtype=torch.uint8))",
    "torch.cumsum(m + 0.5, 0, out=torch.empty(3, 4, dtype=torch.int32))",
    "torch.mean(m, 0, dtype=torch.float64, out=torch.empty(4))",
    "torch.mean(m, 0, out=torch.empty(4, dtype=torch.int64))",
    "torch.nansum(m.int(), 0, out=torch.empty(4, dtype=torch.int32))",
    "torch.nansum(m, 0, dtype=torch.float64, out=torch.empty(4))",
    "torch.searchsorted(m, m, out=torch.empty(3, 4))",
    "torch.searchsorted(m, m, out_int32=True, out=torch.empty(3, 4, dtype=torch.int64))",
    "torch.bucketize(m, m[0], out=torch.empty(3, 4, dtype=torch.int32))",
    "torch.matmul(m, m.T, out=torch.empty(3, 3, dtype=torch.float64))",
    "torch.softmax(m, 0, out=torch.empty(3, 4, dtype=torch.float64))",
    "torch.masked_select(m, m > 2, out=torch.empty(0, dtype=torch.float64))",
    "torch.zeros(2, out=torch.empty(2, requires_grad=True))",
    "torch.ones(2, out=torch.empty(2), requires_grad=True)",
    "torch.full((2,), 1.0, out=torch.empty(2, requires_grad=True))",
    "torch.empty(2, out=torch.empty(2, requires_grad=True))",
    "torch.eye(2, out=torch.empty(2, 2, requires_grad=True))",
    "torch.arange(2.0, out=torch.empty(2, requires_grad=True))",
    "torch.arange(3.0, out=torch.empty(1).expand(3))",
    "torch.linspace(0, 1, 3, out=torch.empty(3), requires_grad=True)",
    "torch.zeros(3, out=torch.ones(1).expand(3))",
    "torch.rand(2, out=torch.empty(2, requires_grad=True))",
    "torch.randn(2, out=torch.empty(2, requires_grad=True))",
    "torch.rand(3, out=torch.empty(3, device='meta'))",
    "torch.randperm(3, out=torch.empty(3, device='meta'))",
    "torch.normal(m, 1.0, out=torch.empty(3, 4, requires_grad=True))",
    "m.float_power_(2)",
    "m.double().float_power_(m + 1)",
    "z.float_power_(2)",
    "torch.ones(2).resize_(1)._version",
    "(m[:1].resize_(2, 8), m._version)",
    "m.set_(torch.ones(3))._version",
    "(m[0].set_(), m._version)",
]


@pytest.mark.parametrize("expression", OUT)
def test_out_agrees_with_torch(agree, expression):
    agree(expression, SETUP)


def test_without_history_creation_functions_stop_the_gradient_of_their_out(agree):
    agree(
        "stopped()",
        "@torch.no_grad()\ndef stopped(): return torch.ones(2, out=torch.empty(2, requires_grad=True))",
    )
