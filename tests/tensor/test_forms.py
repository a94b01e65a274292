"""Arguments that fit no form of a function are refused with PyTorch's type and text."""

import pytest

import jtorch
from jtorch.tensor._forms import Called, names_of

#: Arguments that hardly any function takes, by position and by name.
ARGUMENTS = [
    ((), {}), ((object(),), {}), (("a", "b"), {}), (([1.5], (2, "a")), {}), ((None,) * 14, {}),
    ((), {"bad": 1}), ((object(),), {"dim": 1.5, "bad": None}),
]  # fmt: skip
SPACES = ["", "Tensor", "_C._nn", "linalg", "fft", "special"]
#: With one argument that is given in a way that PyTorch refuses.
CALLS = [
    "torch.add(object())", "torch.add(x, 'a')", "x.add('a')", "x.add_('a')", "x.add(alpha=2)",
    "torch.absolute(3)", "x.abs(3)", "x.abs(out=x)", "x.abs_(bad=1)", "torch.abs(x, x, x)", "torch.mm(1)",
    "torch.mm(x)", "torch.clamp(x, 'a')", "torch.clamp(x, min='a', max=3)", "torch.cumsum(x, True)",
    "x.cumsum(True)", "torch.sum([1, 2])", "torch.sum(x, (1, 'a'))", "torch.sum(x, dim='a')",
    "x.permute('a')", "x.permute(0, 'a')", "torch.zeros('a')", "torch.zeros(2, 3.5)",
    "torch.full((2,), 'a')", "torch.arange('a')", "torch.eye()", "torch.linspace(1)", "x.new_zeros('a')",
    "torch.linalg.inv(3)", "torch.fft.fftfreq('a')", "torch.cat([3])", "torch.cat(3)", "torch.stack()",
    "x.chunk()", "torch.topk(x, True)", "torch.true_divide([1, 2], x)", "torch.nn.functional.mish()",
    "torch.nn.functional.mish(1.5)", "torch.nn.functional.celu_(3)", "torch.nn.functional.conv2d(1, 2)",
    "torch.nn.functional.mse_loss(x)", "torch.nn.functional.softmax(x, bad=1)", "torch.hann_window(2.5)",
    "torch.tril_indices(2.5, 2)", "torch.randint(0, 2.5, (2,))", "x.uniform_(bad=1)",
    "torch.result_type(None, x)", "torch.nn.functional.relu(x, False, 3)", "torch.randperm(True)",
    "torch.nn.functional.alpha_dropout(None)", "torch.fft.fftfreq(2.5)", "x.random_(None)",
    "torch.eye(True)", "torch.bitwise_and((x,), x)", "torch.squeeze([1, 2], 0)", "x.gather(0)",
    "torch.round(x, decimals='a')",
]  # fmt: skip


def function_of(torch, space, name):
    owner = torch.Tensor if space == "Tensor" else torch
    for part in space.split(".") if space not in ("", "Tensor") else ():
        owner = getattr(owner, part)
    return getattr(owner, name, None)


def error_of(function, *args, **kwargs):
    try:
        function(*args, **kwargs)
    except Exception as error:
        return error
    return None


@pytest.mark.parametrize("space", SPACES)
def test_functions_refuse_as_in_torch(torch, space):
    names, compared = names_of("nn" if space == "_C._nn" else space), 0
    for name in names:
        function = function_of(torch, space, name)
        mine, theirs = ([jtorch.ones(2)], [torch.ones(2)]) if space == "Tensor" else ([], [])
        for args, kwargs in ARGUMENTS if function is not None else ():
            error = error_of(function, *theirs, *args, **kwargs)
            refusal = Called(space, name).refusal([*mine, *args], kwargs)
            if refusal is not None:
                assert (type(error), str(error)) == (TypeError, str(refusal))
                compared += 1
    assert compared > 3 * len(names)


@pytest.mark.parametrize("call", CALLS)
def test_calls_are_refused_as_in_torch(torch, call):
    texts = []
    for package in (jtorch, torch):
        with pytest.raises(TypeError) as caught:
            eval(call, {"torch": package, "x": package.ones(2, 2)})
        texts.append(str(caught.value))
    assert texts[0] == texts[1]


#: Numbers where another form of the function has a tensor.
NUMBERS = [
    "torch.where(x > 0, 2.0, x)", "torch.where(x > 0, x, 3)", "torch.where(x > 0, 1, 2)", "torch.isin(x, 1)",
    "torch.isin(2.0, x)", "torch.searchsorted(x[0], 0.5)", "torch.bucketize(0.5, x[0])", "torch.pow(2, x)",
    "torch.remainder(3.0, x)", "torch.fmod(x, 2)", "torch.xlogy(2.0, x)", "torch.lerp(x, x, 0.5)",
    "torch.clamp(x, 0, 1)", "torch.index_fill(x, 0, torch.tensor([0]), 2.0)", "torch.scatter(x, 0, i, 2.0)",
    "torch.masked_fill(x, x > 0, 2.0)", "torch.copysign(x, -1.0)", "torch.float_power(2, x)", "x.eq(1)",
    "torch.bitwise_and(3, i)", "torch.std(x, False)", "torch.special.zeta(2.0, x)",
    "torch.sum(x, 0, True)", "torch.cumsum(x, i[0, 0])", "torch.heaviside(x, x)", "torch.ldexp(x, x)",
    "torch.repeat_interleave(x, 2)", "torch.quantile(x, 0.5)", "torch.normal(0.0, x)", "torch.arange(True)",
    "torch.any(x, 0)", "torch.norm(x, 2)", "torch.renorm(x, 2, 0, 1)", "torch.histc(x, 4, 0, 1)",
    "torch.linspace(0, x[0, 0], 3)", "torch.max(x, 0)", "torch.addcmul(x, x, x, value=2)", "torch.rsub(x, 2)",
]  # fmt: skip


@pytest.mark.parametrize("call", NUMBERS)
def test_numbers_where_a_form_has_them(torch, call):
    for package in (jtorch, torch):
        names = {"torch": package, "x": package.ones(2, 2), "i": package.zeros(2, 2, dtype=package.int64)}
        eval(call, names)


def test_what_fits_a_form_keeps_its_own_error():
    with pytest.raises(IndexError, match="Dimension out of range"):
        jtorch.cumsum(jtorch.ones(2), 5)
    with pytest.raises(RuntimeError, match="mat1 and mat2 shapes cannot be multiplied"):
        jtorch.mm(jtorch.ones(2, 3), jtorch.ones(2, 3))
