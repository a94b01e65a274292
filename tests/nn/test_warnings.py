"""Warnings about a call come at every such call, at the caller's line, as Python's filters expect."""

import warnings

import pytest


def _encoder(t, **options):
    layer = t.nn.TransformerEncoderLayer(**{"d_model": 6, "nhead": 2, "batch_first": True, **options})
    return t.nn.TransformerEncoder(layer, 1)


CALLS = {
    "mse_loss": lambda t: t.nn.functional.mse_loss(t.ones(3, 1), t.ones(3)),
    "l1_loss": lambda t: t.nn.functional.l1_loss(t.ones(3, 1), target=t.ones(3), reduction="sum"),
    "smooth_l1_loss": lambda t: t.nn.functional.smooth_l1_loss(t.ones(3, 1), t.ones(3)),
    "huber_loss": lambda t: t.nn.functional.huber_loss(t.ones(3, 1), t.ones(3), delta=2.0),
    "MSELoss": lambda t: t.nn.MSELoss()(t.ones(3, 1), t.ones(3)),
    "equal sizes": lambda t: t.nn.functional.mse_loss(t.ones(3), t.ones(3)),
    "softmax": lambda t: t.nn.functional.softmax(t.ones(3)),
    "log_softmax": lambda t: t.nn.functional.log_softmax(t.ones(3, 2)),
    "softmin": lambda t: t.nn.functional.softmin(t.ones(3, 2)),
    "dim given": lambda t: t.nn.functional.softmax(t.ones(3), dim=0),
    "grid_sample": lambda t: t.nn.functional.grid_sample(t.ones(1, 1, 2, 2), t.zeros(1, 1, 1, 2)),
    "encoder": _encoder,
    "encoder with norm first": lambda t: _encoder(t, norm_first=True),
    "encoder of sequences first": lambda t: _encoder(t, batch_first=False),
    "encoder with odd heads": lambda t: _encoder(t, nhead=3),
    "encoder without bias": lambda t: _encoder(t, bias=False),
    "encoder with another activation": lambda t: _encoder(t, activation=t.tanh),
    "encoder of linear layers": lambda t: t.nn.TransformerEncoder(t.nn.Linear(2, 2), 1),
    "transformer": lambda t: t.nn.Transformer(4, 2, 1, 1, 4),
    "affine_grid": lambda t: t.nn.functional.affine_grid(t.ones(1, 2, 3), (1, 1, 2, 2)),
}


@pytest.mark.parametrize("case", CALLS)
def test_warnings_match_torch(torch, case):
    import jtorch

    found = []
    for t in (jtorch, torch):
        for mode in ("always", "default"):
            with warnings.catch_warnings(record=True) as seen:
                warnings.simplefilter(mode)
                for _ in range(3):
                    CALLS[case](t)
            here = [w.filename == __file__ for w in seen if case != "MSELoss"]
            found.append([(w.category, str(w.message)) for w in seen] + here)
    assert found[0] == found[2]
    assert found[1] == found[3]
    assert len(found[0]) in (0, 3, 6)
