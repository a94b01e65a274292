"""Products of matrices and vectors: precision, numbers that hide, texts, and comparison with PyTorch."""

import numpy as np
import pytest

import jtorch

RNG = np.random.default_rng(0)
A, B, V = (RNG.normal(size=s).astype(np.float32) for s in ((2, 3), (3, 2), (3,)))
BATCH, BATCH2 = (RNG.normal(size=s).astype(np.float32) for s in ((4, 2, 3), (4, 3, 2)))
I = np.array([[1, 2], [3, 4]])  # noqa: E741


def test_products_by_hand():
    a = jtorch.tensor([[1, 2], [3, 4]])
    assert (a @ a).tolist() == [[7, 10], [15, 22]]
    assert jtorch.dot(a[0], a[1]).item() == 11
    assert jtorch.vdot(jtorch.tensor([1j]), jtorch.tensor([1j])).item() == 1
    assert jtorch.outer(a[0], a[1]).tolist() == [[3, 4], [6, 8]]


def test_float32_products_are_exact_to_float32():
    x = RNG.normal(size=(64, 64)).astype(np.float32)
    product = jtorch.from_numpy(x) @ jtorch.from_numpy(x)
    np.testing.assert_allclose(product.numpy(), x.astype(np.float64) @ x, atol=2e-5)


def test_beta_of_zero_hides_nan():
    nan = jtorch.full((2, 2), float("nan"))
    a = jtorch.eye(2)
    assert jtorch.addmm(nan, a, a, beta=0).tolist() == [[1, 0], [0, 1]]
    assert jtorch.addmv(nan[0], a, a[0], beta=0).tolist() == [1, 0]


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (V, V),
        (A, V),
        (V, B),
        (A, B),
        (BATCH, V),
        (BATCH, B),
        (V, BATCH2),
        (A, BATCH2),
        (BATCH, BATCH2),
        (BATCH[None], BATCH2),
    ],
    ids=lambda x: str(x.shape),
)
def test_matmul_matches_torch(compare, torch, a, b):
    compare("matmul", a, b)
    leaf = jtorch.from_numpy(a.copy()).requires_grad_() @ jtorch.from_numpy(b.copy()).requires_grad_()
    theirs = torch.from_numpy(a.copy()).requires_grad_() @ torch.from_numpy(b.copy()).requires_grad_()
    assert type(leaf.grad_fn).__name__ == type(theirs.grad_fn).__name__


def test_products_match_torch(compare):
    compare("mm", A, B)
    compare("bmm", BATCH, BATCH2)
    compare("mv", A, V)
    compare("inner", A, BATCH)
    compare("outer", V, V)
    compare("mm", I, I, grad=False)


def test_sums_with_products_match_torch(compare):
    for beta, alpha in ((1, 1), (0.5, 2.0), (0, 1)):
        compare("addmm", V[:2], A, B, beta=beta, alpha=alpha)
        compare("addmv", V[:2], A, V, beta=beta, alpha=alpha)
        compare("addr", A, V[:2], V, beta=beta, alpha=alpha)
        compare("baddbmm", V[:2], BATCH, BATCH2, beta=beta, alpha=alpha)
        compare("addbmm", V[:2], BATCH, BATCH2, beta=beta, alpha=alpha)
    compare("addmm", I, I, I, alpha=1.7, grad=False)


def test_half_precision_rounds_once():
    x = jtorch.full((1, 1), 256.0, dtype=jtorch.bfloat16)
    one = jtorch.ones(1, 1, dtype=jtorch.bfloat16)
    # 256 + 1.5 is 258 in bfloat16; the rounded product 2 gave 258 as well, but 256 + 1 + 1 would give 256.
    assert jtorch.addmm(x, one * 1.5, one).item() == 258


def test_errors_are_torchs(same_error):
    same_error("mm", A, A)
    same_error("mm", A, V)
    same_error("mm", A, B.astype(np.float64))
    same_error("mm", A > 0, B > 0)
    same_error("bmm", BATCH, BATCH)
    same_error("bmm", A, BATCH)
    same_error("mv", A, V[:2])
    same_error("dot", V, V[:2])
    same_error("dot", V, V.astype(np.float64))
    same_error("matmul", V, np.array(1, np.float32))
    same_error("matmul", BATCH, BATCH)
    same_error("matmul", BATCH, BATCH2[:3])
    same_error("matmul", BATCH, V[:2])
    same_error("outer", A, V)
    same_error("inner", A, A[:, :2])
    same_error("addmm", V, A, B)
    same_error("addmm", A[0], A, A)
    same_error("addmm", V[:2].astype(np.float64), A, B)
    same_error("addmv", V, A, V)
    same_error("addr", I, I[0], I[0], alpha=0.5)
    same_error("baddbmm", V, BATCH, BATCH2)
    same_error("addbmm", V, BATCH, BATCH2[:3])
