"""einsum and its relatives: notation, broadcasting, texts, and comparison with PyTorch."""

import numpy as np
import pytest

import jtorch

RNG = np.random.default_rng(0)
A, B, C = (RNG.normal(size=s).astype(np.float32) for s in ((2, 3), (3, 2), (4, 2, 3)))
S = RNG.normal(size=(3, 3)).astype(np.float32)


def test_einsum_by_hand():
    a = jtorch.tensor([[1, 2], [3, 4]])
    assert jtorch.einsum("ii", a).item() == 5
    assert jtorch.einsum("ij->ji", a).tolist() == [[1, 3], [2, 4]]
    assert jtorch.einsum(a, [0, 1], a, [1, 2], [0]).tolist() == [17, 37]


@pytest.mark.parametrize(
    ("equation", "operands"),
    [
        ("ij,jk", (A, B)),
        ("ii->i", (S,)),
        ("ba", (A,)),
        ("...ij,jk->...ik", (C, B)),
        ("bij,bij->b", (C, C)),
        ("ij,j...", (A, B)),
        ("i...->i", (C,)),
        ("ij,jk", (A[:, :1], B)),
        ("Ai,ik,kl->Al", (A, B, A)),
        ("", (np.array(2, np.float32),)),
    ],
)
def test_einsum_matches_torch(compare, equation, operands):
    compare("einsum", equation, *operands)


def test_tensordot_and_kron_match_torch(compare):
    compare("tensordot", C, B, 1)
    compare("tensordot", A, C, ([0, 1], [1, 2]))
    compare("tensordot", A, B[:1], 1)
    compare("tensordot", A, B, 0)
    compare("kron", A, B[0])
    compare("kron", A, np.array([1, 2]), grad=False)


@pytest.mark.filterwarnings("ignore:torch.chain_matmul is deprecated")
def test_chains_match_torch(compare):
    compare("linalg.multi_dot", [A, B, A, B])
    compare("linalg.multi_dot", [B[0], A, B[:, 0]])
    compare("chain_matmul", A, B, A)


@pytest.mark.parametrize(
    ("equation", "operands"),
    [
        ("ij,j", (A,)),
        ("ij", (A, A)),
        ("ijk", (A,)),
        ("i.j", (A,)),
        ("...i...", (A,)),
        ("i1", (A,)),
        ("ij->k", (A,)),
        ("ij->ii", (A,)),
        ("ii", (A,)),
        ("ij,jk", (A, A)),
        ("ij,jk", (A, B.astype(np.float64))),
        ("i->.", (A[0],)),
        ("...ij,...jk", (C, RNG.normal(size=(5, 3, 2)).astype(np.float32))),
    ],
)
def test_errors_of_einsum_are_torchs(same_error, equation, operands):
    same_error("einsum", equation, *operands)


def test_errors_are_torchs(same_error):
    same_error("einsum", "ij")
    same_error("einsum", A, [0, 99])
    same_error("tensordot", A, B, 3)
    same_error("tensordot", A, B, -1)
    same_error("tensordot", A, B, ([0], [0]))
    same_error("tensordot", A, B, ([1], [0, 1]))
    same_error("linalg.multi_dot", [A])
    same_error("linalg.multi_dot", [A, A])
    same_error("linalg.multi_dot", [A, C])
    same_error("chain_matmul", A, B[0])


def test_tensordot_names_dims_as_they_were_given(same_error):
    a, b = np.ones((2, 3), np.float32), np.ones((3, 4), np.float32)
    same_error("tensordot", a, b, 2)
    same_error("tensordot", a, b, ([-2], [-1]))
    same_error("tensordot", a, b, ([1], [1]))
