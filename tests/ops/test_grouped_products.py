"""Products of groups of matrices and of scaled 8-bit matrices, compared with PyTorch."""

import numpy as np
import pytest

import jtorch
import jtorch.nn.functional as F

RNG = np.random.default_rng(0)
# Quarters, whose sums of products are exact.
FLAT, OTHER = (RNG.integers(-8, 9, (8, 8)).astype(np.float32) / 4 for _ in range(2))
BATCH, BATCH2 = (RNG.integers(-8, 9, (3, 8, 8)).astype(np.float32) / 4 for _ in range(2))
ENDS = np.array([2, 2, 8], np.int32)


def test_groups_by_hand():
    rows = jtorch.ones(4, 2)
    matrices = jtorch.arange(3.0).reshape(3, 1, 1).expand(3, 2, 1)
    ends = jtorch.tensor([1, 1, 3], dtype=jtorch.int32)
    # 1 row of group 0, none of group 1, 2 rows of group 2, and one that belongs to none
    assert F.grouped_mm(rows, matrices, offs=ends).tolist() == [[0], [4], [4], [0]]


@pytest.mark.parametrize(
    ("a", "b", "ends"),
    [(FLAT, BATCH, ENDS), (BATCH, FLAT, ENDS), (FLAT, OTHER, ENDS), (BATCH, BATCH2, None)],
    ids=["rows", "columns", "inner", "batches"],
)
def test_grouped_mm_matches_torch(compare, a, b, ends):
    compare("nn.functional.grouped_mm", a, b, offs=ends)
    compare("_grouped_mm", a, b, ends, grad=False)


def test_half_types_accumulate_in_float32(torch):
    a, b = (jtorch.from_numpy(x).bfloat16() for x in (FLAT, BATCH))
    c, d = (torch.from_numpy(x).bfloat16() for x in (FLAT, BATCH))
    mine = F.grouped_mm(a, b, offs=jtorch.from_numpy(ENDS.copy()))
    theirs = torch.nn.functional.grouped_mm(c, d, offs=torch.from_numpy(ENDS.copy()))
    # one rounding to 8 bits
    np.testing.assert_allclose(mine.float().numpy(), theirs.float().numpy(), rtol=2**-7, atol=1e-6)


def test_grouped_errors_are_torchs(same_error):
    name = "nn.functional.grouped_mm"
    same_error(name, FLAT.astype(np.float64), BATCH, offs=ENDS)
    same_error(name, FLAT, BATCH.astype(np.float64), offs=ENDS)
    same_error(name, FLAT[0], BATCH, offs=ENDS)
    same_error(name, FLAT[:, :4].copy(), BATCH, offs=ENDS)
    same_error(name, FLAT, BATCH)
    same_error(name, BATCH, BATCH2, offs=ENDS)
    same_error(name, FLAT, BATCH[:2], offs=ENDS)
    same_error(name, FLAT, BATCH, offs=ENDS.astype(np.int64))
    same_error(name, BATCH, BATCH2, bias=FLAT[0])


def eights(library, dtype="float8_e4m3fn"):
    return (library.from_numpy(x.copy()).to(getattr(library, dtype)) for x in (FLAT, OTHER))


@pytest.mark.parametrize("dtype", ["float8_e4m3fn", "float8_e5m2"])
def test_scaled_mm_matches_torch(torch, dtype):
    results = []
    for library in (jtorch, torch):
        nn = library.nn.functional
        a, b = eights(library, dtype)
        whole, rows = nn.ScalingType.TensorWise, nn.ScalingType.RowWise
        half, up = library.tensor(0.5), library.arange(1, 9, dtype=library.float32)
        bias = up.bfloat16()
        results.append(
            [
                nn.scaled_mm(a, b.t(), half, whole, half, whole, output_dtype=library.float32),
                nn.scaled_mm(a, b.t(), up[:, None], rows, up[None], rows, output_dtype=library.float32),
                nn.scaled_mm(a, b.t(), [half], [whole], [half], [whole], bias=bias),
                library._scaled_mm(a, b.t(), half, half, out_dtype=library.bfloat16),
            ]
        )
    for mine, theirs in zip(*results, strict=True):
        assert str(mine.dtype) == str(theirs.dtype)
        rtol = 1e-5 if theirs.dtype is torch.float32 else 2**-7
        np.testing.assert_allclose(mine.float().numpy(), theirs.float().numpy(), rtol=rtol, atol=1e-4)


def scaled(library, a, b, scale):
    nn = library.nn.functional
    return nn.scaled_mm(a, b, scale, nn.ScalingType.TensorWise, scale, nn.ScalingType.TensorWise)


def test_scaled_errors_are_torchs(torch):
    calls = [
        lambda t, a, b, s: t._scaled_mm(a.float(), b.t(), s, t.ones(1, 3)),
        lambda t, a, b, s: t._scaled_mm(a, b[:4].t()[:4], s, s),
        lambda t, a, b, s: t._scaled_mm(a, b.t(), s, s, scale_result=t.ones(3)),
        lambda t, a, b, s: scaled(t, a, b[:4].t()[:4], s),
        lambda t, a, b, s: scaled(t, a[0], b, s),
        lambda t, a, b, s: t._scaled_mm(a[0], b.t(), s, s),
        lambda t, a, b, s: t._scaled_mm(a, b.t(), s, s, bias=t.ones(3)),
        lambda t, a, b, s: t._scaled_mm(a, b.t(), s.double(), s),
    ]
    for call in calls:
        raised = []
        for library in (jtorch, torch):
            with pytest.raises((ValueError, RuntimeError)) as error:
                call(library, *eights(library), library.tensor(0.5))
            raised.append((type(error.value), str(error.value)))
        assert raised[0] == raised[1]


def test_scales_of_blocks_are_refused():
    a, b = eights(jtorch)
    with pytest.raises(NotImplementedError, match="scales of blocks"):
        F.scaled_mm(
            a, b.t(), jtorch.ones(1), F.ScalingType.BlockWise1x16, jtorch.ones(1), F.ScalingType.RowWise
        )
