"""Masked reductions and normalizations: by hand and against PyTorch."""

import numpy as np
import pytest

import jtorch

X = np.array([[1.0, -2.0, 3.0], [4.0, 0.5, -6.0]])
MASK = np.array([[True, False, True], [False, False, False]])


def test_what_is_masked_out_counts_as_absent():
    x, mask = jtorch.from_numpy(X), jtorch.from_numpy(MASK)
    assert jtorch.masked.sum(x, 1, mask=mask).tolist() == [4, 0]
    assert jtorch.masked.mean(x[0], mask=mask[0]).item() == 2
    assert jtorch.masked.amax(x, 1, mask=mask).tolist() == [3, -float("inf")]
    assert jtorch.masked.softmax(x[0] * 0, 0, mask=mask[0]).tolist() == [0.5, 0, 0.5]


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("sum", ()),
        ("prod", (1,)),
        ("amax", ((0, 1),)),
        ("amin", (0,)),
        ("argmax", (1,)),
        ("argmin", ()),
        ("mean", (1,)),
        ("median", (1,)),
        ("logsumexp", (1,)),
        ("norm", (3.0, 0)),
        ("var", (1,)),
        ("std", (None, False)),
        ("cumsum", (1,)),
        ("cumprod", (0,)),
        ("softmax", (1,)),
        ("log_softmax", (0,)),
        ("softmin", (1,)),
        ("normalize", (2.0, 1)),
    ],
)
def test_functions_match_torch(torch, name, args):
    results = []
    for library in (jtorch, torch):
        x = library.from_numpy(X.copy()).requires_grad_()
        out = getattr(library.masked, name)(x, *args, mask=library.from_numpy(MASK))
        grad = None
        if name not in ("argmax", "argmin"):
            out.nan_to_num(0, 0, 0).sum().backward()
            grad = x.grad.numpy()
        results.append((out.detach().numpy(), grad))
    (mine, my_grad), (theirs, their_grad) = results
    np.testing.assert_allclose(mine, theirs)
    assert mine.dtype == theirs.dtype
    if my_grad is not None:
        np.testing.assert_allclose(my_grad, their_grad, atol=1e-12)


def test_errors_are_torchs(torch):
    calls = [
        lambda t, x, mask: t.masked.sum(x, (0, 0), mask=mask),
        lambda t, x, mask: t.masked.sum(x, 2, mask=mask),
        lambda t, x, mask: t.masked.sum(x[0], mask=mask),
        lambda t, x, mask: t.masked.mean(x.long(), mask=mask),
        lambda t, x, mask: t.masked.amax(x > 0, mask=mask),
        lambda t, x, mask: t.masked.median(x.long(), 1, mask=mask),
    ]
    for call in calls:
        with pytest.raises(Exception) as theirs:  # noqa: PT011
            call(torch, torch.from_numpy(X), torch.from_numpy(MASK))
        with pytest.raises(type(theirs.value)) as mine:
            call(jtorch, jtorch.from_numpy(X), jtorch.from_numpy(MASK))
        assert str(mine.value) == str(theirs.value)
