"""Autocast: dtypes and numbers as PyTorch's on the CPU, nesting, cache, decorators, settings."""

import contextlib

import numpy as np
import pytest

import jtorch
from jtorch.dispatch._autocast import POLICIES, autocast_state
from jtorch.ops._registry import OPS

F32, BF16, F16 = "torch.float32", "torch.bfloat16", "torch.float16"


@pytest.fixture(autouse=True)
def _nothing_stays_switched_on():
    yield
    assert not autocast_state.enabled
    assert autocast_state.hook is None
    assert autocast_state.nesting == 0
    assert not autocast_state.cache


def dtypes_of(x):
    return str(x.dtype) if hasattr(x, "dtype") else tuple(dtypes_of(y) for y in x)


def numbers_of(x):
    return [x.detach().double().numpy()] if hasattr(x, "detach") else [n for y in x for n in numbers_of(y)]


#: name -> call; the operands are 3 x 3 matrices, a batch of them, an image, classes.
CALLS = {
    "matmul": lambda t, a, b, s, x, c: a @ b,
    "mm": lambda t, a, b, s, x, c: a.mm(b),
    "vector": lambda t, a, b, s, x, c: t.mv(a, b[0]),
    "matmul of a vector": lambda t, a, b, s, x, c: a @ b[0],
    "bmm": lambda t, a, b, s, x, c: t.bmm(s, s),
    "addmm": lambda t, a, b, s, x, c: t.addmm(a, a, b),
    "baddbmm": lambda t, a, b, s, x, c: t.baddbmm(s, s, s),
    "linear": lambda t, a, b, s, x, c: t.nn.functional.linear(a, b, a[0]),
    "conv2d": lambda t, a, b, s, x, c: t.nn.functional.conv2d(x, x[:, :, :2, :2]),
    "conv_transpose2d": lambda t, a, b, s, x, c: t.nn.functional.conv_transpose2d(x, x[:, :, :2, :2]),
    "attention": lambda t, a, b, s, x, c: t.nn.functional.scaled_dot_product_attention(s, s, s),
    "einsum": lambda t, a, b, s, x, c: t.einsum("ij,jk->ik", a, b),
    "einsum without a sum": lambda t, a, b, s, x, c: t.einsum("ij,ij->ij", a, b),
    "tensordot": lambda t, a, b, s, x, c: t.tensordot(a, b, 1),
    "inner of vectors": lambda t, a, b, s, x, c: t.inner(a[0], b[0]),
    "prelu": lambda t, a, b, s, x, c: t.nn.functional.prelu(a, b[0]),
    "sum": lambda t, a, b, s, x, c: (a @ b).sum(),
    "exp": lambda t, a, b, s, x, c: (a @ b).exp(),
    "softmax": lambda t, a, b, s, x, c: (a @ b).softmax(-1),
    "layer_norm": lambda t, a, b, s, x, c: t.nn.functional.layer_norm(a @ b, (3,), a[0], b[0]),
    "mixed sum": lambda t, a, b, s, x, c: (a @ b) + a,
    "mse": lambda t, a, b, s, x, c: t.nn.functional.mse_loss(a @ b, b),
    "cross_entropy": lambda t, a, b, s, x, c: t.nn.functional.cross_entropy(a @ b, c),
    "nll": lambda t, a, b, s, x, c: t.nn.functional.nll_loss((a @ b).log_softmax(-1), c),
    "bce": lambda t, a, b, s, x, c: t.nn.functional.binary_cross_entropy((a @ b).sigmoid(), b.sigmoid()),
    "bce with logits": lambda t, a, b, s, x, c: t.nn.functional.binary_cross_entropy_with_logits(
        a @ b, b.sigmoid()
    ),
    "cat": lambda t, a, b, s, x, c: t.cat([a, a @ b]),
    "stack": lambda t, a, b, s, x, c: t.stack([a @ b, a @ b]),
    "prod": lambda t, a, b, s, x, c: (a @ b).prod(),
    "fft": lambda t, a, b, s, x, c: t.fft.rfft(a @ b).real,
    "pad": lambda t, a, b, s, x, c: t.nn.functional.pad(a @ b, (1, 1), "reflect"),
    "zero pad": lambda t, a, b, s, x, c: t.nn.functional.pad(a @ b, (1, 1)),
    "pool": lambda t, a, b, s, x, c: t.nn.functional.max_pool3d((a @ b).view(1, 1, 1, 3, 3), (1, 2, 2)),
    "pool with places": lambda t, a, b, s, x, c: t.nn.functional.max_pool3d(
        (a @ b).view(1, 1, 1, 3, 3), (1, 2, 2), return_indices=True
    )[0],
    "quantile": lambda t, a, b, s, x, c: (a @ b).quantile(0.3),
    "double": lambda t, a, b, s, x, c: a.double() @ b.double(),
    "in place": lambda t, a, b, s, x, c: a.clone().addmm_(a, b),
    "out": lambda t, a, b, s, x, c: t.mm(a.detach(), b.detach(), out=t.empty(3, 3)),
    "inverse": lambda t, a, b, s, x, c: t.linalg.inv(a @ b + 5 * t.eye(3)),
}


@pytest.mark.parametrize("low", [BF16, F16])
@pytest.mark.parametrize("name", CALLS)
def test_dtypes_and_numbers_match_torch(torch, name, low):
    rng = np.random.default_rng(0)
    shapes = [(3, 3), (3, 3), (2, 3, 3), (1, 1, 4, 4)]
    arrays = [rng.uniform(0.2, 1.2, s).astype("float32") for s in shapes]
    found = []
    for t in (jtorch, torch):
        a, b, s, x = (t.tensor(y, requires_grad=True) for y in arrays)
        with t.autocast("cpu", getattr(t, low[6:])):
            out = CALLS[name](t, a, b, s, x, t.tensor([0, 2, 1]))
        if out.requires_grad:
            out.float().sum().backward()
        found.append((dtypes_of(out), numbers_of(out), [y.grad for y in (a, b)]))
    (mine, values, grads), (theirs, expected, wanted) = found
    assert mine == theirs
    # Half-precision products are added up in another order, then rounded.
    rtol = 2e-2 if low == BF16 else 3e-3
    for a, b in zip(values, expected, strict=True):
        assert np.allclose(a, b, rtol=rtol, atol=rtol)
    for g, w in zip(grads, wanted, strict=True):
        assert (g is None) == (w is None)
        if g is not None:
            assert str(g.dtype) == str(w.dtype)
            assert np.allclose(g.numpy(), w.numpy(), rtol=2 * rtol, atol=2 * rtol)


RECURRENT = [
    ("RNN", {}), ("GRU", {"bidirectional": True}), ("LSTM", {"num_layers": 2}), ("LSTM", {"proj_size": 2}),
    ("RNNCell", {}), ("GRUCell", {}), ("LSTMCell", {}),
]  # fmt: skip


@pytest.mark.filterwarnings(
    "ignore:LSTM with projections is not supported with oneDNN", "ignore:TF32 acceleration on top of oneDNN"
)
@pytest.mark.parametrize(("name", "kwargs"), RECURRENT, ids=str)
def test_recurrent_networks_match_torch(torch, name, kwargs):
    found = []
    for t in (jtorch, torch):
        t.manual_seed(0)
        m = getattr(t.nn, name)(3, 4, **kwargs)
        x = t.randn(5, 3) if "Cell" in name else t.randn(5, 2, 3)
        x.requires_grad_()
        # What oneDNN does depends on the processor; PyTorch's own composition is compared.
        plain = torch.backends.mkldnn.flags(enabled=False) if t is torch else contextlib.nullcontext()
        with plain, t.autocast("cpu"):
            out = m(x)
        sum(y.float().pow(2).sum() for y in flat(out)).backward()
        grads = [x.grad, *(p.grad for p in m.parameters())]
        found.append((dtypes_of(out), numbers_of(out), dtypes_of(grads), numbers_of(grads)))
    assert found[0][0] == found[1][0]
    assert found[0][2] == found[1][2]
    for k in (1, 3):
        for a, b in zip(found[0][k], found[1][k], strict=True):
            # bfloat16 has 8 bits; errors grow over layers and steps.
            assert np.abs(a - b).max() <= 4e-2 * np.abs(b).max()


def flat(x):
    return [x] if hasattr(x, "dtype") else [z for y in x for z in flat(y)]


def test_training_step_matches_torch(torch):
    found = []
    for t in (jtorch, torch):
        t.manual_seed(0)
        conv = t.nn.Conv2d(1, 4, 3)
        m = t.nn.Sequential(
            conv, t.nn.BatchNorm2d(4), t.nn.ReLU(), t.nn.MaxPool2d(2), t.nn.Flatten(), t.nn.Linear(36, 5)
        )
        optimizer = t.optim.SGD(m.parameters(), lr=0.1)
        x, y = t.randn(8, 1, 8, 8), t.arange(8) % 5
        losses = []
        for _ in range(4):
            optimizer.zero_grad()
            with t.autocast("cpu"):
                out = m(x)
                assert str(out.dtype) == BF16
                loss = t.nn.functional.cross_entropy(out, y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        found.append(losses)
        assert str(conv.weight.grad.dtype) == F32
    assert np.allclose(*found, rtol=1e-2)


def test_blocks_nest_and_switch_off():
    a = jtorch.ones(2, 2)
    with jtorch.autocast("cpu"):
        assert jtorch.is_autocast_enabled("cpu")
        assert (a @ a).dtype is jtorch.bfloat16
        with jtorch.autocast("cpu", jtorch.float16):
            assert (a @ a).dtype is jtorch.float16
        with jtorch.autocast("cpu", enabled=False):
            assert not jtorch.is_autocast_enabled("cpu")
            assert (a @ a).dtype is jtorch.float32
        assert (a @ a).dtype is jtorch.bfloat16
        with pytest.raises(ZeroDivisionError), jtorch.autocast("cpu", enabled=False):
            raise ZeroDivisionError
        assert jtorch.is_autocast_enabled("cpu")
    assert (a @ a).dtype is jtorch.float32
    assert jtorch.get_autocast_dtype("cpu") is jtorch.bfloat16


def test_decorator():
    @jtorch.autocast("cpu")
    def product(a):
        """Doc."""
        return a @ a

    assert product(jtorch.ones(2, 2)).dtype is jtorch.bfloat16
    assert product.__doc__ == "Doc."
    assert not jtorch.is_autocast_enabled("cpu")


@pytest.mark.parametrize("cache_enabled", [True, False])
def test_weights_are_cast_once_per_block(torch, cache_enabled):
    counts = []
    for t in (jtorch, torch):
        w = t.ones(2, 2, requires_grad=True)
        with t.autocast("cpu", cache_enabled=cache_enabled):
            y, z = w @ w, w @ w
        nodes = {f for out in (y, z) for f, _ in out.grad_fn.next_functions}
        counts.append((len(nodes), {type(n).__name__ for n in nodes}))
    assert counts[0] == counts[1]
    assert counts[0][0] == (1 if cache_enabled else 4)


def test_a_changed_weight_is_cast_anew():
    w = jtorch.ones(2, 2, requires_grad=True)
    with jtorch.autocast("cpu"):
        assert (w @ w)[0, 0].item() == 2
        with jtorch.no_grad():
            w.mul_(2)
        assert (w @ w)[0, 0].item() == 8
        with jtorch.no_grad():
            (w @ w).sum()
        assert (w @ w).requires_grad


def test_custom_functions_match_torch(torch):
    def use(t):
        seen = []

        class Product(t.autograd.Function):
            @staticmethod
            @t.amp.custom_fwd(device_type="cpu")
            def forward(ctx, a, b):
                ctx.save_for_backward(a, b)
                seen.append(str((a @ b).dtype))
                return a @ b

            @staticmethod
            @t.amp.custom_bwd(device_type="cpu")
            def backward(ctx, g):
                a, b = ctx.saved_tensors
                seen.append(t.is_autocast_enabled("cpu"))
                return g @ b.t(), a.t() @ g

        class Exact(t.autograd.Function):
            @staticmethod
            @t.amp.custom_fwd(device_type="cpu", cast_inputs=t.float32)
            def forward(ctx, a, options):
                seen.append((str(a.dtype), str(options["b"].dtype), t.is_autocast_enabled("cpu")))
                return a * 2

            @staticmethod
            @t.amp.custom_bwd(device_type="cpu")
            def backward(ctx, g):
                seen.append(t.is_autocast_enabled("cpu"))
                return g * 2, None

        a = t.ones(2, 2, requires_grad=True)
        with t.autocast("cpu"):
            out = Product.apply(a, a)
            exact = Exact.apply(out, {"b": out})
        exact.sum().backward()
        Product.apply(a, a).sum().backward()
        return seen, dtypes_of(exact), a.grad.tolist()

    assert use(jtorch) == use(torch)


@pytest.mark.parametrize("reentrant", [False, True])
def test_checkpoint_computes_again_under_autocast(torch, reentrant):
    found = []
    for t in (jtorch, torch):
        t.manual_seed(0)
        m = t.nn.Sequential(t.nn.Linear(3, 3), t.nn.Tanh(), t.nn.Linear(3, 3))
        x = t.ones(2, 3, requires_grad=True)
        seen = []

        def run(x, t=t, m=m, seen=seen):
            seen.append(str((x @ x.t()).dtype))  # before it stops early
            return m(x)

        from importlib import import_module

        checkpoint = import_module(f"{t.__name__}.utils.checkpoint").checkpoint
        with t.autocast("cpu"):
            out = checkpoint(run, x, use_reentrant=reentrant)
        out.float().sum().backward()
        found.append((seen, m[0].weight.grad.numpy()))
    assert found[0][0] == found[1][0] == [BF16, BF16]
    assert np.allclose(found[0][1], found[1][1], rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize(
    ("act", "error"),
    [
        (lambda t: t.autocast("meta"), RuntimeError),
        (lambda t: t.autocast("foo"), RuntimeError),
        (lambda t: t.autocast(1), ValueError),
        (lambda t: t.autocast("cpu")(3), TypeError),
        (lambda t: t.get_autocast_dtype(1), TypeError),
        (lambda t: t.set_autocast_dtype("cpu", 3), TypeError),
        (lambda t: t.set_autocast_enabled("cpu", 3), TypeError),
        (lambda t: t.amp.custom_fwd(device_type=1), ValueError),
    ],
    ids=range(8),
)
def test_errors_match_torch(torch, act, error):
    texts = []
    for t in (jtorch, torch):
        with pytest.raises(error) as caught:
            act(t)
        texts.append(str(caught.value))
    assert texts[0] == texts[1]


def test_unusable_blocks_warn_as_torch(torch):
    for make in (lambda t: t.autocast("cpu", t.float32), lambda t: t.autocast("cuda")):
        texts = []
        for t in (jtorch, torch):
            if t.cuda.is_available() if t is torch else jtorch.devices.platform_available("cuda"):
                pytest.skip("about machines without CUDA")
            with pytest.warns(UserWarning, match="Disabling") as caught:
                block = make(t)
            texts.append(str(caught[0].message))
            with block:
                assert (t.ones(2, 2) @ t.ones(2, 2)).dtype is t.float32
        assert texts[0] == texts[1]


@pytest.mark.filterwarnings("ignore:torch.*autocast.*is deprecated:DeprecationWarning")
def test_settings_match_torch(torch):
    found = []
    for t in (jtorch, torch):
        seen = [t.is_autocast_enabled(), t.is_autocast_cpu_enabled(), t.is_autocast_cache_enabled()]
        seen += [str(t.get_autocast_dtype(d)) for d in ("cpu", "cuda", "xla", "mps")]
        seen += [t.amp.is_autocast_available(d) for d in ("cpu", "cuda", "xla", "mps", "meta")]
        t.set_autocast_enabled("cpu", True)
        seen.append((str((t.ones(2, 2) @ t.ones(2, 2)).dtype), t.is_autocast_cpu_enabled()))
        t.set_autocast_cpu_enabled(False)
        t.set_autocast_dtype("cpu", t.float16)
        seen.append(str(t.get_autocast_cpu_dtype()))
        t.set_autocast_cpu_dtype(t.bfloat16)
        seen.append((t.autocast_increment_nesting(), t.autocast_decrement_nesting()))
        seen.append(t.amp.autocast is t.autocast)
        found.append(seen)
    assert found[0] == found[1]


#: Listed by PyTorch, made of listed ops here.
COMPOSED = {"view_as_complex"}


def test_lists_name_ops_and_contain_those_of_torch(torch):
    for table in POLICIES.values():
        assert not [n for n in table if n not in OPS]
    known = {n.rsplit(".", 1)[-1].lstrip("_"): n for n in OPS if n.count(".") < 2}
    known |= {n.replace(".", "_"): n for n in OPS}
    for kind, key in (("cpu", "AutocastCPU"), ("cuda", "AutocastCUDA")):
        listed = {
            name[6:].partition(".")[0]
            for name in torch._C._dispatch_get_all_op_names()
            if name.startswith("aten::") and torch._C._dispatch_has_kernel_for_dispatch_key(name, key)
        }
        assert len(listed) > 90
        assert {n for n in listed if n in known and known[n] not in POLICIES[kind]} <= COMPOSED


def use_old_paths(t):
    with t.cpu.amp.autocast():
        seen = [str((t.ones(2, 2) @ t.ones(2, 2)).dtype)]
    seen.append(t.cpu.amp.GradScaler(8.0).get_scale())
    seen.append(t.cuda.amp.GradScaler(enabled=False).is_enabled())
    with t.cuda.amp.autocast(False):
        seen.append(t.is_autocast_enabled())
    t.cuda.amp.custom_bwd(t.cuda.amp.custom_fwd(lambda ctx: None))
    return seen


def test_old_paths_match_torch(torch):
    found = []
    for t in (jtorch, torch):
        with pytest.warns(FutureWarning, match="is deprecated") as caught:
            seen = use_old_paths(t)
        found.append((seen, [str(w.message) for w in caught if w.category is FutureWarning]))
    assert len(found[0][1]) == 6
    assert found[0] == found[1]
