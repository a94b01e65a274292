"""Custom autograd functions inside transforms: the function's own derivative counts, as in PyTorch."""

import pytest

import jtorch

# Derivatives that differ from those of the forward, so that they cannot be mistaken for them.
SETUP = """
from torch.autograd import Function
from torch.func import grad, jvp, vjp, vmap

class Triple(Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x):
        return x.sin()

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, g):
        return g * ctx.saved_tensors[0].cos() * 3

class Straight(Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x):
        return x.round()

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass

    @staticmethod
    def backward(ctx, g):
        return g

class Forwards(Function):
    @staticmethod
    def forward(x):
        return x.sin()

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_forward(*inputs)

    @staticmethod
    def jvp(ctx, t):
        return t * ctx.saved_tensors[0].cos() * 2

class Both(Triple):
    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def jvp(ctx, t):
        return t * ctx.saved_tensors[0].cos() * 2

class Unbatched(Both):
    generate_vmap_rule = False

class Batched(Unbatched):
    @staticmethod
    def vmap(info, in_dims, x):
        return x.sin() + info.batch_size * 10, in_dims[0]

class Twofold(Batched):
    generate_vmap_rule = True

class Unbatchable(Unbatched):
    @staticmethod
    def vmap(info, in_dims, x):
        return x.sin()

class Mixed(Unbatched):
    @staticmethod
    def vmap(info, in_dims, x):
        return x.sin(), (0, 0)

class Pair(Function):
    @staticmethod
    def forward(x, y, n):
        return x * y, y.sum(), n

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass

    @staticmethod
    def vmap(info, in_dims, x, y, n):
        assert info.randomness == "same" and in_dims == (0, None, None)
        return (x * y[:, None], y.sum(), n), (1, None, None)

class Several(Function):
    @staticmethod
    def forward(x, y, n):
        return x * y * n, x + y, 3

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.n = inputs[2]
        ctx.save_for_backward(inputs[0], inputs[1], output[0])

    @staticmethod
    def backward(ctx, g, h, _):
        x, y, _ = ctx.saved_tensors
        of_y = g * x * ctx.n + h if ctx.needs_input_grad[1] else None
        return g * y * ctx.n + h * 2, of_y, None

class Old(Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, g):
        return g * 2

x, y = torch.tensor([1.0, 2.0], dtype=torch.float64), torch.tensor([3.0, 4.0], dtype=torch.float64)
c = torch.tensor([1 + 2j], dtype=torch.complex128)

def several(i):
    return lambda a, b: Several.apply(a, b, 5)[i].sum()
"""

CALLS = [
    "grad(lambda a: Triple.apply(a).sum())(x)",
    "grad(lambda a: grad(lambda b: Triple.apply(b).sum())(a).sum())(x)",
    "vmap(grad(Triple.apply))(x)",
    "grad(lambda a: (Straight.apply(a) * a).sum())(x)",
    "vjp(Straight.apply, x)[1](y)",
    "vjp(Triple.apply, c)[1](c)",
    "jvp(Forwards.apply, (x,), (y,))",
    "grad(several(0), argnums=(0, 1))(x, y)",
    "grad(several(1), argnums=(0, 1))(x, y)",
    "grad(several(0))(x, y)",
    "grad(lambda a: Old.apply(a).sum())(x)",
    "vmap(Old.apply)(x)",
    # one rule for each direction, also of each other's derivative
    "jvp(Triple.apply, (x,), (y,))",
    "grad(lambda a: Forwards.apply(a).sum())(x)",
    "jvp(Both.apply, (x,), (y,))",
    "grad(lambda a: Both.apply(a).sum())(x)",
    "torch.func.jacfwd(Both.apply)(x)",
    "torch.func.jacrev(Both.apply)(x)",
    "torch.func.hessian(lambda a: Both.apply(a).sum())(x)",
    "torch.func.jacrev(torch.func.jacfwd(Both.apply))(x)",
    "jvp(grad(lambda a: (Both.apply(a) * a).sum()), (x,), (y,))",
    # batches
    "vmap(Unbatched.apply)(x)",
    "torch.func.jacfwd(Unbatched.apply)(x)",
    "torch.func.jacrev(Unbatched.apply)(x)",
    "vmap(Batched.apply)(x)",
    "vmap(grad(Batched.apply))(x)",
    "vmap(lambda a: Unbatched.apply(y).sum() + a)(x)",
    "vmap(vmap(Batched.apply))(x.reshape(2, 1))",
    "jvp(vmap(Both.apply), (x,), (y,))",
    "vmap(Twofold.apply)(x)",
    "vmap(Unbatchable.apply)(x)",
    "vmap(Mixed.apply)(x)",
    "vmap(lambda a: Pair.apply(a, y, 3)[0], randomness='same')(x)",
    "vmap(lambda a: a * Pair.apply(a, y, 3)[1], randomness='same')(x)",
]


def _same(found, expected):
    if isinstance(expected, tuple):
        assert type(found) is type(expected)
        for f, e in zip(found, expected, strict=True):
            _same(f, e)
        return
    assert str(found.dtype) == str(expected.dtype)
    assert tuple(found.shape) == tuple(expected.shape)
    assert found.reshape(-1).tolist() == pytest.approx(expected.reshape(-1).tolist(), rel=1e-12)


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
@pytest.mark.parametrize("call", CALLS)
def test_transforms_match_torch(torch, call):
    results = []
    for package in (torch, jtorch):
        setup = SETUP.replace("from torch.", f"from {package.__name__}.")
        names = {"torch": package}
        exec(setup, names)
        try:
            results.append(eval(call, names))
        except RuntimeError as error:
            results.append(str(error))
    expected, found = results
    if isinstance(expected, str):
        assert found == expected
    else:
        _same(found, expected)


def test_outer_gradients_follow_functions_that_look_alike():
    scale = jtorch.tensor(1.0)

    def tripled(factor):
        class Sine(jtorch.autograd.Function):
            generate_vmap_rule = True

            @staticmethod
            def forward(x):
                return x.sin()

            @staticmethod
            def setup_context(ctx, inputs, output):
                pass

            @staticmethod
            def backward(ctx, g):
                return g * factor * scale

        return Sine.apply

    x = jtorch.ones(3, requires_grad=True)
    for factor in (2.0, 3.0):
        scale = jtorch.tensor(factor)
        (found,) = jtorch.autograd.grad(jtorch.func.vmap(tripled(factor))(x).sum(), x)
        assert found.tolist() == [factor * factor] * 3
        scale = 1.0
        (found,) = jtorch.autograd.grad(jtorch.func.vmap(tripled(factor))(x).sum(), x)
        assert found.tolist() == [factor] * 3
