"""Arguments of types that a function does not take are refused with PyTorch's type and text."""

import pytest

import jtorch
from jtorch.ops._checks import check_types

NAMES = ["abs", "ceil", "erf", "exp2", "frac", "i0", "selu", "sort", "sign", "lgamma", "trunc", "qr"]

#: Calls with one wrong argument, of functions that PyTorch has in one form.
CALLS = [
    "torch.abs(1.5)", "torch.abs(torch.float32)", "torch.sgn(True)", "torch.sort(1)", "torch.aminmax(1.5)",
    "torch.kron(x, 2.0)", "torch.inner(1.5, x)", "torch.outer(x[0], None)", "torch.mm(x, 3)",
    "torch.addmm(1.0, x, x)", "torch.cumsum(x, 'a')", "torch.cumsum(x, dim='a')", "torch.cumsum(x, 0.5)",
    "torch.topk(x, 1, 0, 7)", "torch.topk(x, k='a')", "torch.argmax(x, keepdim='a')",
    "torch.amax(x, 0, 'a')", "torch.softmax(x, 'a')", "torch.kthvalue(x, 1.5)", "torch.mvlgamma(x, 1.5)",
    "torch.flip(x, (0.5,))", "torch.gather(x, 0.5, x)", "torch.cat([x], 'a')", "torch.linalg.det(None)",
    "torch.linalg.det(1.5)", "torch.linalg.det(x, bad=1)", "torch.linalg.det(x, 1)", "torch.linalg.det()",
    "torch.linalg.svd(x, 7)", "torch.fft.fft(x, 1.5)", "torch.fft.fft(x, bad=1)",
    "torch.special.entr(None)", "torch.nn.functional.relu(1.5)", "torch.nn.functional.gelu(2)",
    "torch.nn.functional.prelu(x, 0.5)", "torch.nn.functional.linear(x, x, 1.5)",
    "torch.nn.functional.cosine_similarity(x, 1.5)", "torch.nn.functional.pad(x, 'a')",
    "x.expand(4, torch.ones(0), 3)", "x.permute(x, 0)", "x.select(1, x)", "x.where(x)",
    "x.min((0, 0), True)", "x.max('a')", "x.narrow('a', 0, 1)", "x.flatten(0, object())",
    "x.squeeze(0, foo=1)", "x.index_fill(0, x[0].long(), 1.0, foo=1)", "x.masked_fill(x > 0, 0.0, 3)",
    "torch.nn.functional.cross_entropy(x)", "torch.nn.functional.multi_margin_loss(x)", "torch.finfo(x)",
    "torch.finfo('a')", "torch.iinfo(1.5)", "torch.nn.functional.pad(x, 3)",
    "torch.nn.functional.avg_pool2d(x[None], 2.5)",
]  # fmt: skip

#: Calls with a type that PyTorch's computation refuses; ``b`` is boolean, ``h`` half, ``c`` complex.
REFUSED = [
    "torch.dist(x, b)", "torch.dist(b, b)", "torch.isin(b, x)", "torch.isin(x, True)", "torch.isin(c, c)",
    "torch.trapezoid(b)", "torch.cumulative_trapezoid(b)", "torch.mvlgamma(b, 1)",
    "torch.searchsorted(x, c)", "torch.bucketize(c, x[0])", "torch.special.erfcx(h)",
    "torch.special.log_ndtr(h)", "torch.special.ndtri(h)", "torch.nn.functional.l1_loss(x, b)",
    "torch.nn.functional.softsign(b)", "torch.nn.functional.tanhshrink(b)",
    "torch.nn.functional.pairwise_distance(b, x)", "torch.nn.functional.triplet_margin_loss(x, x, b)",
    "torch.nn.functional.gaussian_nll_loss(x, b, x)", "torch.nn.functional.gaussian_nll_loss(x, x, b)",
    "torch.nn.functional.gaussian_nll_loss(x, x, x.long())", "torch.nn.functional.gaussian_nll_loss(x, x, c)",
]  # fmt: skip


def message_of(package, call):
    x = package.ones(2, 2)
    with pytest.raises(TypeError) as caught:
        eval(call, {"torch": package, "x": x})
    return str(caught.value)


@pytest.mark.parametrize("name", NAMES)
def test_none_is_refused_as_in_torch(torch, name):
    call = f"torch.{name}(None)"
    assert message_of(jtorch, call) == message_of(torch, call)


@pytest.mark.parametrize("call", CALLS)
def test_wrong_types_are_refused_as_in_torch(torch, call):
    assert message_of(jtorch, call) == message_of(torch, call)


@pytest.mark.parametrize("call", REFUSED)
def test_types_without_a_kernel_are_refused_as_in_torch(torch, call):
    raised = []
    for package in (jtorch, torch):
        x, b = package.ones(2, 2), package.ones(2, 2, dtype=package.bool)
        names = {"torch": package, "x": x, "b": b, "h": x.half(), "c": x.to(package.complex64)}
        with pytest.raises(RuntimeError) as caught:
            eval(call, names)
        raised.append((caught.type, str(caught.value)))
    assert raised[0] == raised[1]


@pytest.mark.parametrize("name", ["add", "sub", "mul", "div", "floor_divide"])
def test_arithmetic_of_two_numbers(torch, name):
    mine, theirs = (getattr(package, name)(7, 2) for package in (jtorch, torch))
    assert (mine.item(), str(mine.dtype)) == (theirs.item(), str(theirs.dtype))


def test_an_op_has_one_check_of_types():
    with pytest.raises(AssertionError, match="add has a check of types"):
        check_types("add", lambda input, other: None)
