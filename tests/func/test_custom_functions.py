"""Custom autograd functions inside transforms: the function's own derivative counts, as in PyTorch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jtorch
from jtorch.func import _custom, _running

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

class Recursive(Unbatched):
    @staticmethod
    def vmap(info, in_dims, x):
        return Recursive.apply(x), in_dims[0]

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
    "grad(lambda a: vmap(Both.apply)(a).sum())(x)",
    "vmap(Recursive.apply)(x.clone().requires_grad_())",
    "grad(lambda a: vmap(lambda b: b * Recursive.apply(a))(y).sum())(x)",
    "grad(lambda a: vmap(Recursive.apply)(a).sum())(x)",
    "jvp(vmap(Recursive.apply), (x,), (y,))",
    "vmap(grad(Recursive.apply))(x)",
    "torch.func.hessian(lambda a: vmap(Recursive.apply)(a).sum())(x)",
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


LOOPS = {
    "gradient": "grad(lambda a: Triple.apply(a * scale).sum())(x)",
    "of each sample": "vmap(grad(lambda a: Triple.apply(a * scale)))(x)",
    "batch alone": "vmap(lambda a: Triple.apply(a * scale))(x)",
    "batch of a learned argument": "vmap(Triple.apply)(learned)",
    "second derivative": "grad(lambda a: grad(lambda b: (Triple.apply(b) * scale).sum())(a).sum())(x)",
    "forwards": "jvp(lambda a: Both.apply(a * scale), (x,), (y,))[1]",
    "hessian": "torch.func.hessian(lambda a: Both.apply(a * scale).sum())(x)",
    "captured by the function": "vmap(lambda a: Capturing.apply(a))(x)",
    "gradient beside a history": "grad(lambda a: Triple.apply(a * learned * scale).sum())(x)",
    "an argument with a history": "grad(lambda a: (Several.apply(a, learned, 5)[0] * scale).sum())(x)",
    "gradient of what captures": "grad(lambda a: Capturing.apply(a).sum())(x)",
}

CAPTURING = """
class Capturing(Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x):
        return x * y.sum() * scale

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(output, y * 2)
        ctx.factor = scale

    @staticmethod
    def backward(ctx, g):
        out, twice = ctx.saved_tensors
        return g * out * twice.sum() * ctx.factor

learned = x.clone().requires_grad_()
"""


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
@pytest.mark.parametrize("name", list(LOOPS))
def test_loops_trace_nothing_anew(torch, lazy, name):
    def run(package):
        names = {"torch": package}
        exec((SETUP + CAPTURING).replace("from torch.", f"from {package.__name__}."), names)
        made = []
        for i in range(4):
            names["scale"] = 1.0 + i
            if package is jtorch and i == 2:
                jtorch.reset_metrics()
                known = len(_running._plans), len(_custom._signatures)
            result = eval(LOOPS[name], names)
            made.append(result.tolist())
            if result.requires_grad:
                names["learned"].grad = None
                result.sum().backward()
                made.append(names["learned"].grad.tolist())
        if package is jtorch:
            assert jtorch.metrics()["programs_compiled"] == 0
            assert (len(_running._plans), len(_custom._signatures)) == known
        return made

    found, expected = run(jtorch), run(torch)
    for f, e in zip(found, expected, strict=True):
        np.testing.assert_allclose(f, e, rtol=1e-12)


def test_the_users_code_runs_once_per_call_and_backward_at_the_end():
    seen, t = [], jtorch

    class Noisy(t.autograd.Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(x):
            seen.append("forward")
            return x * 2

        @staticmethod
        def setup_context(ctx, inputs, output):
            seen.append(("context", ctx.needs_input_grad))

        @staticmethod
        def backward(ctx, g):
            seen.append("backward")
            return g * 2

    def loss(a, b):
        made = Noisy.apply(a)
        seen.append("between")
        return (Noisy.apply(made) * Noisy.apply(b)).sum()

    x = t.ones(3)
    for _ in range(2):
        t.func.grad(loss)(x, x)
        t.func.vmap(Noisy.apply)(x)
    of_grad = ["forward", ("context", (True,)), "between", "forward", ("context", (True,)), "forward"]
    of_vmap = ["forward", ("context", (False,))]
    once = [*of_grad, ("context", (False,)), "backward", "backward", *of_vmap]
    assert seen == once * 2


def test_arguments_that_a_function_writes_to(torch):
    def run(t):
        class Doubling(t.autograd.Function):
            @staticmethod
            def forward(x):
                x.mul_(2)
                return x

            @staticmethod
            def setup_context(ctx, inputs, output):
                ctx.mark_dirty(inputs[0])

            @staticmethod
            def backward(ctx, g):
                return g * 5

        def loss(a):
            b = a.sin()
            c = Doubling.apply(b)
            return (b * c).sum()

        return t.func.grad(loss)(t.tensor([0.3, 0.4], dtype=t.float64)).tolist()

    assert run(jtorch) == pytest.approx(run(torch), rel=1e-12)


def test_results_without_gradients():
    class Rounded(jtorch.autograd.Function):
        @staticmethod
        def forward(x):
            return x * 2, x * 3

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.mark_non_differentiable(output[1])

        @staticmethod
        def backward(ctx, g, h):
            return g * 2 + h

    def loss(a):
        first, second = Rounded.apply(a)
        return (first + second * 10).sum()

    assert jtorch.func.grad(loss)(jtorch.ones(2)).tolist() == [2.0, 2.0]  # by hand: h is 0


def test_functions_that_ask_jax(lazy):
    class ByJax(jtorch.autograd.Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(x):
            return jtorch.from_jax(jnp.sin(x.jax())) if ahead else x.sin()

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(*inputs)

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * 3 * (x.cos() if ahead else jtorch.from_jax(jnp.cos(x.jax())))

    x = jtorch.tensor([0.1, 0.2, 0.3])
    for ahead in (True, False):  # noqa: B007  # the function above reads it
        found = jtorch.func.grad(lambda a: (ByJax.apply(a * 2) + a).sum())(x)
        np.testing.assert_allclose(found.numpy(), 6 * np.cos(2 * x.numpy()) + 1, rtol=1e-6)


def test_outer_transforms_of_jax_follow_them():
    names = {"torch": jtorch}
    exec(SETUP.replace("from torch.", "from jtorch."), names)
    apply, vmap = names["Triple"].apply, jtorch.func.vmap
    x = jnp.array([0.1, 0.2, 0.3])
    expected = 3 * np.cos(np.asarray(x))
    on_arrays = lambda a: vmap(apply)(jtorch.from_jax(a)).jax()  # noqa: E731
    np.testing.assert_allclose(jax.grad(lambda a: on_arrays(a).sum())(x), expected, rtol=1e-6)
    np.testing.assert_allclose(jax.jit(on_arrays)(x), np.sin(x), rtol=1e-6)
    inner = jtorch.func.grad(lambda a: apply(a).sum())
    np.testing.assert_allclose(
        jax.vmap(lambda a: inner(jtorch.from_jax(a)).jax())(jnp.stack([x, x])), [expected] * 2, rtol=1e-6
    )
    np.testing.assert_allclose(
        jax.grad(lambda a: inner(jtorch.from_jax(a)).sum().jax())(x), -3 * np.sin(x), rtol=1e-6
    )
