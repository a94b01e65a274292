"""Strides of results and what shares memory with what, against PyTorch."""

import pytest

import jtorch

SETUP = """
L, F = torch.linalg, torch.nn.functional
a = torch.tensor([[4.0, 1.0, 2.0], [1.0, 3.0, 0.5], [2.0, 0.5, 5.0], [1.0, 2.0, 0.0]])
p = a[:3]
b = torch.stack([p, p + torch.eye(3)])
w = torch.arange(24.0).reshape(2, 4, 3).mT
q = torch.arange(60.0).reshape(2, 3, 2, 5).transpose(1, 2)
v = torch.tensor([1.0, 2.0, 3.0])
"""

RESULTS = [
    "L.qr(a), L.qr(a, mode='complete'), L.qr(b), torch.geqrf(a), L.householder_product(*torch.geqrf(a))",
    "L.svd(a), L.svd(a, full_matrices=False), L.svd(b), torch.svd(a)[0]",
    "L.cholesky(p), L.cholesky(b), L.cholesky_ex(p)",
    "torch.cholesky_inverse(L.cholesky(p)), torch.cholesky_solve(a.mT, L.cholesky(p))",
    "L.inv(p), L.inv(b), L.inv_ex(p), torch.inverse(p), L.inv(torch.eye(1)), L.matrix_power(p, -1)",
    "L.solve(p, v), L.solve(p, a.mT), L.solve(b, b), L.solve(p, a, left=False), L.solve(p, a.mT[:, :1])",
    "L.lu(p), L.lu_factor(b), L.lu_factor_ex(p), L.lu_solve(*L.lu_factor(p), a.mT)",
    "L.lu_solve(*L.lu_factor(p), a, left=False), L.ldl_factor(p), L.ldl_solve(*L.ldl_factor(p), a.mT)",
    "L.eigh(p), L.eigh(b), L.eig(p), L.lstsq(p, p)[0]",
    "L.solve_triangular(p.triu(), a.mT, upper=True)",
    "torch.ormqr(*torch.geqrf(a), a), L.pinv(a), L.matrix_power(p, 0), L.matrix_exp(p), L.multi_dot([a, p])",
    "torch.sort(w, 1), torch.argsort(w, 0), torch.msort(w), torch.frexp(w), torch.sort(w[:, :, ::2])",
    "torch.index_fill(w, 1, torch.tensor([0]), 1.0)",
    "F.binary_cross_entropy(w / 24, w / 24, reduction='none'), F.binary_cross_entropy(w / 24, w / 24)",
    "F.scaled_dot_product_attention(q, q, q), F.scaled_dot_product_attention(q, q, q, is_causal=True)",
    "F.scaled_dot_product_attention(q, q, q[..., :4]), F.scaled_dot_product_attention(q[0], q[0], q[0])",
    "torch.meshgrid(v, v[:2], indexing='ij'), torch.meshgrid(v, v[:2], v[1], indexing='xy')",
    "torch.einsum('ij->ji', a), torch.einsum('ii->i', p), torch.einsum('bii->ib', b)",
    "torch.einsum('...i->i...', w), torch.einsum('iij->ji', torch.ones(2, 2, 3)), torch.einsum('i', v)",
    "torch.slice_scatter(w, w[:, :1], 1, 0, 1), torch.select_scatter(w, w[:, 0], 1, 0)",
    "torch.diagonal_scatter(w, torch.ones(4, 2)), w.index_put((torch.tensor([0]),), torch.ones(4, 3).mT)",
    "torch.unsafe_split(a, 2), torch.unsafe_chunk(a, 3, 1), torch.unsafe_split_with_sizes(a, [1, 3])",
]


def seen(x):
    if isinstance(x, tuple | list):
        return [seen(y) for y in x]
    return tuple(x.shape), x.stride(), x.storage_offset(), str(x.dtype)


@pytest.mark.parametrize("results", RESULTS)
def test_results_have_the_memory_order_of_pytorch(torch, results):
    found = []
    for package in (torch, jtorch):
        names = {"torch": package}
        exec(SETUP, names)
        found.append(seen(eval(results, names)))
    assert found[0] == found[1]


def test_values_do_not_depend_on_the_memory_order():
    a = jtorch.tensor([[4.0, 1.0], [2.0, 3.0]])
    inverse = jtorch.linalg.inv(a)
    assert inverse.T.is_contiguous()
    assert jtorch.allclose(inverse @ a, jtorch.eye(2), atol=1e-6)
    assert jtorch.allclose(inverse.T.reshape(4), jtorch.tensor([0.3, -0.2, -0.1, 0.4]))
    inverse[0] = 7
    assert inverse.numpy().tolist()[0] == [7, 7]


WRITES = [
    "y = torch.einsum('ii->i', x)\ny.mul_(2)",
    "y = torch.einsum('ij->ji', x)[0]\ny.mul_(torch.tensor([1.0, 2.0, 3.0]))",
    "y = torch.unsafe_chunk(x, 3)[1]\ny.mul_(3)",
    "y, z = torch.unsafe_split_with_sizes(x, [1, 2], 1)\nz.mul_(3)\ny = z * y",
    "y, z = torch.meshgrid(x[0], x[1], indexing='ij')\ny[1, 2] = 5",
    "y, z = torch.meshgrid(x[0], x[1], indexing='xy')\ny.mul_(2)",
]


@pytest.mark.parametrize("write", WRITES)
def test_writes_to_results_that_share_memory(torch, write):
    found = []
    for package in (torch, jtorch):
        names = {"torch": package}
        exec("leaf = torch.arange(9.0).reshape(3, 3).requires_grad_()\nx = leaf * 1", names)
        try:
            exec(write, names)
        except RuntimeError as error:
            found.append(str(error))
            continue
        x, y = names["x"], names["y"]
        (y * y).sum().backward()
        node = type(y.grad_fn).__name__
        found.append((x.tolist(), y.tolist(), names["leaf"].grad.tolist(), y._version, x._version, node))
    assert found[0] == found[1]
