"""Initialisation draws PyTorch's numbers."""

import numpy as np
import pytest

import jtorch
from jtorch.nn import init

DRAWS = {
    "uniform_": (-1.0, 2.0),
    "normal_": (1.0, 2.0),
    "trunc_normal_": (),
    "xavier_uniform_": (),
    "xavier_normal_": (2.0,),
    "kaiming_uniform_": (),
    "kaiming_normal_": (0.1, "fan_out", "relu"),
    "eye_": (),
    "ones_": (),
    "zeros_": (),
    "constant_": (0.5,),
    "sparse_": (0.4,),
}


@pytest.mark.parametrize("name", DRAWS)
def test_init_matches_torch(torch, name):
    jtorch.manual_seed(3)
    torch.manual_seed(3)
    mine, theirs = jtorch.empty(5, 7), torch.empty(5, 7)
    assert getattr(init, name)(mine, *DRAWS[name]) is mine
    getattr(torch.nn.init, name)(theirs, *DRAWS[name])
    assert np.array_equal(mine.numpy(), theirs.numpy())


def test_truncated_far_from_the_mean_matches_torch(torch):
    jtorch.manual_seed(3)
    torch.manual_seed(3)
    mine = init.trunc_normal_(jtorch.empty(6, 4), 0.0, 1.0, 1.5, 2.5)
    assert np.array_equal(
        mine.numpy(), torch.nn.init.trunc_normal_(torch.empty(6, 4), 0.0, 1.0, 1.5, 2.5).numpy()
    )


def test_orthogonal_and_dirac_match_torch(torch):
    for shape in ((3, 5), (5, 3), (2, 2, 3)):
        jtorch.manual_seed(3)
        torch.manual_seed(3)
        mine, theirs = init.orthogonal_(jtorch.empty(shape)), torch.nn.init.orthogonal_(torch.empty(shape))
        # QR of another LAPACK: equal up to rounding.
        assert np.abs(mine.numpy() - theirs.numpy()).max() < 1e-6
    mine, theirs = init.dirac_(jtorch.ones(4, 2, 3, 3), 2), torch.nn.init.dirac_(torch.ones(4, 2, 3, 3), 2)
    assert np.array_equal(mine.numpy(), theirs.numpy())


def test_init_of_parameters_keeps_them_leaves():
    w = jtorch.nn.Parameter(jtorch.empty(3, 3))
    init.xavier_uniform_(w)
    assert w.is_leaf
    assert w.requires_grad


@pytest.mark.parametrize(
    "act",
    [
        lambda t: t.nn.init.xavier_uniform_(t.empty(3)),
        lambda t: t.nn.init.eye_(t.empty(3)),
        lambda t: t.nn.init.dirac_(t.empty(3, 3)),
        lambda t: t.nn.init.dirac_(t.empty(3, 3, 3), 2),
        lambda t: t.nn.init.orthogonal_(t.empty(3)),
        lambda t: t.nn.init.kaiming_normal_(t.empty(3, 3), mode="out"),
        lambda t: t.nn.init.calculate_gain("swish"),
        lambda t: t.nn.init.calculate_gain("leaky_relu", "a"),
    ],
    ids=range(8),
)
def test_errors_match_torch(torch, act):
    texts = []
    for t in (jtorch, torch):
        with pytest.raises(ValueError) as caught:  # noqa: PT011 - the text is compared below
            act(t)
        texts.append(str(caught.value))
    assert texts[0] == texts[1]


def test_old_names_warn():
    with pytest.warns(
        FutureWarning, match="`nn.init.uniform` is now deprecated in favor of `nn.init.uniform_`."
    ):
        init.uniform(jtorch.empty(2))
