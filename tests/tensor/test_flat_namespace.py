"""Functions of torch's flat namespace that are no single op, against PyTorch."""

import warnings

import numpy as np
import pytest

import jtorch

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 4)).astype(np.float32)


def copies():
    """Copying forms of views: name, arguments."""
    yield "alias_copy", X
    yield "as_strided_copy", X, [2, 2], [1, 2], 1
    yield "detach_copy", X
    yield "diagonal_copy", X, 1
    yield "expand_copy", X[:1], [5, 4]
    yield "narrow_copy", X, 1, 1, 2
    yield "permute_copy", X, [1, 0]
    yield "select_copy", X, 1, 2
    yield "slice_copy", X, 1, 0, 4, 2
    yield "squeeze_copy", X[:1]
    yield "squeeze_copy", X[:1], 0
    yield "t_copy", X
    yield "transpose_copy", X, 0, 1
    yield "unfold_copy", X, 1, 2, 1
    yield "unsqueeze_copy", X, 0
    yield "view_copy", X, [4, 3]
    yield "view_as_real_copy", X + 1j * X
    yield "view_as_complex_copy", X.reshape(3, 2, 2)


@pytest.mark.parametrize("call", list(copies()), ids=lambda call: call[0])
def test_copies_of_views_match_torch(torch, call):
    name, x, *rest = call
    theirs = getattr(torch, name)(torch.from_numpy(x), *rest)
    given = jtorch.from_numpy(x)
    mine = getattr(jtorch, name)(given, *rest)
    out = jtorch.empty(0, dtype=mine.dtype)
    assert getattr(jtorch, name)(given, *rest, out=out) is out
    for result in (mine, out):
        np.testing.assert_array_equal(result.numpy(), theirs.numpy(force=True))
        assert result.dtype is mine.dtype
        assert tuple(result.shape) == tuple(theirs.shape)
    assert not mine._is_view()
    assert mine.data_ptr() != given.data_ptr()


def test_copies_of_several_views_go_to_several_tensors(torch):
    for name, rest in (("unbind_copy", ()), ("split_copy", (2,)), ("split_with_sizes_copy", ([1, 2],))):
        theirs = getattr(torch, name)(torch.from_numpy(X), *rest)
        mine = getattr(jtorch, name)(jtorch.from_numpy(X), *rest)
        out = [jtorch.empty(0) for _ in theirs]
        assert getattr(jtorch, name)(jtorch.from_numpy(X), *rest, out=out) is None
        for a, b, c in zip(mine, out, theirs, strict=True):
            np.testing.assert_array_equal(a.numpy(), c.numpy())
            np.testing.assert_array_equal(b.numpy(), c.numpy())
        with pytest.raises(RuntimeError) as wanted:
            getattr(torch, name)(torch.from_numpy(X), *rest, out=[torch.empty(0)])
        with pytest.raises(RuntimeError) as got:
            getattr(jtorch, name)(jtorch.from_numpy(X), *rest, out=[jtorch.empty(0)])
        assert str(got.value) == str(wanted.value)


DROPOUTS = ["dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout"]


@pytest.mark.parametrize("name", DROPOUTS)
def test_dropouts_draw_as_torch(torch, name):
    results = []
    for library in (jtorch, torch):
        library.manual_seed(3)
        x = library.from_numpy(X.copy())
        plain = getattr(library, name)(x, 0.4, True)
        same = getattr(library, name)(x, 0.4, False)
        assert same is x
        y = x.clone()
        changed = getattr(library, name + "_")(y, 0.4, True)
        assert changed is y
        zero = getattr(library, name)(x, 1.0, True)
        results.append([t.numpy() for t in (plain, changed, zero)])
        with pytest.raises(
            RuntimeError, match=r"^dropout probability has to be between 0 and 1, but got 1.5$"
        ):
            getattr(library, name)(x, 1.5, True)
    for mine, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(mine, theirs, 1e-6, 1e-6)


@pytest.mark.parametrize(("p", "train"), [(0.3, True), (0.3, False), (0.3, None), (1.0, True)])
def test_native_dropout_returns_its_mask(torch, p, train):
    results = []
    for library in (jtorch, torch):
        library.manual_seed(3)
        y, kept = library.native_dropout(library.from_numpy(X), p, train)
        assert kept.dtype is library.bool
        results.append((y.numpy(), kept.numpy()))
    np.testing.assert_allclose(results[0][0], results[1][0], 1e-6)
    np.testing.assert_array_equal(results[0][1], results[1][1])


LOG = np.log(np.full((2, 3), 1 / 3, np.float32))
SIGN = np.array([[1, -1, 1], [-1, 1, 1]], np.float32)
A, B, C = (RNG.normal(size=(2, 3)).astype(np.float32) for _ in range(3))


def losses():
    yield "binary_cross_entropy_with_logits", A, (SIGN > 0).astype(np.float32), None, np.abs(B[0])
    yield "cosine_embedding_loss", A, B, SIGN[:, 0].copy(), 0.1
    yield "hinge_embedding_loss", A, SIGN, 0.5
    yield "kl_div", LOG, np.exp(A)
    yield "margin_ranking_loss", A, B, SIGN, 0.1
    yield "poisson_nll_loss", A, np.abs(B), True, True, 1e-8
    yield "triplet_margin_loss", A, B, C, 1.0, 2, 1e-6, True


@pytest.mark.parametrize("call", list(losses()), ids=lambda call: call[0])
@pytest.mark.parametrize("reduction", [0, 1, 2])
def test_losses_take_numbers_for_reductions(torch, call, reduction):
    name, *args = call
    place = {"kl_div": 2}.get(name, len(args))

    def value(library):
        given = [library.from_numpy(x) if isinstance(x, np.ndarray) else x for x in args]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return getattr(library, name)(*given[:place], reduction).numpy()

    np.testing.assert_allclose(value(jtorch), value(torch), 1e-5, 1e-6)


def pools():
    line = RNG.normal(size=(1, 2, 8)).astype(np.float32)
    yield "max_pool1d", line, 2
    yield "max_pool1d_with_indices", line, 3, 2, 1
    yield "adaptive_max_pool1d", line, 3
    yield "max_pool2d", line.reshape(1, 1, 4, 4), 2, (), 1
    yield "max_pool3d", line.reshape(1, 1, 4, 2, 2), [2, 1, 1]
    yield "convolution", line, np.ones((2, 1, 3), np.float32), None, [2], [1], [1], False, [0], 2
    yield (
        "convolution",
        line,
        np.ones((2, 3, 3), np.float32),
        np.ones(3, np.float32),
        [2],
        [1],
        [1],
        True,
        [1],
        1,
    )


@pytest.mark.parametrize("call", list(pools()), ids=lambda call: call[0])
def test_pools_and_convolutions_match_torch(torch, call):
    name, *args = call
    results = []
    for library in (jtorch, torch):
        given = [library.from_numpy(x) if isinstance(x, np.ndarray) else x for x in args]
        made = getattr(library, name)(*given)
        results.append(made if isinstance(made, tuple) else (made,))
    for mine, theirs in zip(*results, strict=True):
        assert str(mine.dtype) == str(theirs.dtype)
        np.testing.assert_allclose(mine.numpy(), theirs.numpy(), 1e-5, 1e-6)


def test_fill_copies(torch):
    for library in (jtorch, torch):
        x = library.zeros(2, requires_grad=True)
        y = library.fill(x, 3)
        y.sum().backward()
        assert y.tolist() == [3, 3]
        assert x.tolist() == [0, 0]
        assert x.grad.tolist() == [0, 0]
        assert library.fill(x, library.tensor(2.0)).tolist() == [2, 2]


def test_random_results_have_gradients_of_zero(torch):
    """As PyTorch has it: draws count as differentiable in their parameters."""
    for library in (jtorch, torch):
        p = library.full((3,), 0.5, requires_grad=True)
        for made, node in (
            (library.bernoulli(p), "BernoulliBackward0"),
            (library.normal(p, p), "NormalBackward3"),
            (library.normal(p, 1.0), "NormalBackward1"),
            (library.normal(1.0, p), "NormalBackward2"),
            (library.poisson(p), "PoissonBackward0"),
        ):
            assert type(made.grad_fn).__name__ == node
            p.grad = None
            made.sum().backward()
            assert p.grad.tolist() == [0, 0, 0]
        with library.no_grad():
            assert library.bernoulli(p).grad_fn is None


ATEN = [
    ("_softmax_backward_data", A, np.exp(B), 1, "float32"),
    ("_log_softmax_backward_data", A, B, -1, "float32"),
    ("_safe_softmax", np.array([[-np.inf, -np.inf], [0, 1]], np.float32), 1),
    ("native_dropout_backward", A, B > 0, 2.0),
    ("slice", X, 1, 0, 4, 2),
    ("_upsample_bilinear2d_aa", RNG.normal(size=(1, 1, 6, 7)).astype(np.float32), [3, 4], False, 0.7, 0.4),
    ("add", A, B),
    ("addmm", A[:, :2].copy(), A, B.T[:, :2].copy()),
]


@pytest.mark.parametrize("call", ATEN, ids=lambda call: call[0])
def test_operators_of_the_library_match_torch(torch, call):
    name, *args = call
    results = []
    for library in (jtorch, torch):
        given = [library.from_numpy(x.copy()) if isinstance(x, np.ndarray) else x for x in args]
        given = [getattr(library, x) if isinstance(x, str) else x for x in given]
        made = getattr(library.ops.aten, name)(*given)
        results.append(made.numpy())
    np.testing.assert_allclose(*results, 1e-5, 1e-6)


def test_the_library_is_honest():
    assert jtorch.ops.aten.add.Tensor(jtorch.ones(2), 1).tolist() == [2, 2]
    assert repr(jtorch.ops.aten.add) == "<OpOverloadPacket(op='aten.add')>"
    with pytest.raises(AttributeError, match=r"^'_OpNamespace' 'aten' object has no attribute 'no_such_op'$"):
        jtorch.ops.aten.no_such_op  # noqa: B018
    with pytest.raises(
        AttributeError, match=r"^The underlying op of 'aten.add' has no overload name 'nothing'$"
    ):
        jtorch.ops.aten.add.nothing  # noqa: B018


def test_max_pool_backward_of_the_library(torch):
    x = RNG.normal(size=(1, 2, 5, 5)).astype(np.float32)
    grads = []
    for library in (jtorch, torch):
        t = library.from_numpy(x)
        y, at = library.nn.functional.max_pool2d(t, 3, 1, return_indices=True)
        backward = library.ops.aten.max_pool2d_with_indices_backward.default
        grads.append(backward(library.ones_like(y), t, [3, 3], [1, 1], [0, 0], [1, 1], False, at).numpy())
    np.testing.assert_array_equal(*grads)


def test_splits_and_lists_refuse_as_torch(torch):
    calls = [
        lambda t: t.cat(t.zeros(2, 3)),
        lambda t: t.stack([t.zeros(2), 5]),
        lambda t: t.cat(5),
        lambda t: t.hsplit(t.zeros(4), "ab"),
        lambda t: t.hsplit(t.zeros(5, 5), 0),
        lambda t: t.vsplit(t.zeros(5), 1),
        lambda t: t.dsplit(t.zeros(5, 5, 5), -1),
        lambda t: t.tensor_split(t.zeros(4), t.tensor([1.0])),
        lambda t: t.tensor_split(t.zeros(4), "ab"),
        lambda t: t.narrow(t.zeros(4), 0, t.tensor([1, 2]), 1),
        lambda t: t.narrow_copy(t.zeros(4), 1, 0, 1),
        lambda t: t.narrow_copy(t.zeros(4), 0, 0, -1),
        lambda t: t.unbind(t.tensor(1.0)),
        lambda t: t.movedim(t.zeros(2, 3, 4), (0, 1, -3), (1, 0, 2)),
        lambda t: t.arange(0, 3, 0.5, dtype=t.int64),
        lambda t: t.arange(0, 3, 0),
        lambda t: t.aminmax(t.zeros(2, 2), dim=0, out=(t.zeros(2), t.zeros(2).double())),
        lambda t: t.complex(t.zeros(2).double(), t.zeros(2).double(), out=t.zeros(2, dtype=t.complex64)),
    ]
    for call in calls:
        with pytest.raises(Exception) as wanted:  # noqa: PT011
            call(torch)
        with pytest.raises(Exception) as got:  # noqa: PT011
            call(jtorch)
        assert type(got.value) is type(wanted.value), got.value
        assert str(got.value) == str(wanted.value)


def test_out_must_not_lie_on_what_is_still_read(torch):
    for library in (jtorch, torch):
        x, nothing = library.zeros(10), library.zeros(0)
        with pytest.raises(RuntimeError, match="refer to a single memory location"):
            library.kthvalue(x, 5, out=(x, library.tensor(0)))
        with pytest.raises(RuntimeError, match="refer to a single memory location"):
            library.cat([nothing, x], out=nothing)


def test_switches_and_symbolic_numbers(torch):
    for library in (jtorch, torch):
        library.use_deterministic_algorithms(True, warn_only=True)
        assert library.are_deterministic_algorithms_enabled()
        assert library.get_deterministic_debug_mode() == 1
        library.set_deterministic_debug_mode("error")
        assert not library.is_deterministic_algorithms_warn_only_enabled()
        library.set_deterministic_debug_mode(0)
        assert not library.are_deterministic_algorithms_enabled()
        assert library.sym_max(1, 2.5) == 2.5
        assert type(library.sym_min(1, 2.5)) is float
        assert library.sym_sum([1, 2]) == 3
        assert library.sym_not(False) is True
        assert library.sym_int(-2.7) == -2
        assert library.sym_ite(True, 1, 2) == 1
        with pytest.raises(RuntimeError, match="invalid value of debug_mode"):
            library.set_deterministic_debug_mode(7)
        assert (library.e, library.pi, library.newaxis) == (np.e, np.pi, None)
    assert jtorch.get_num_threads() > 0
