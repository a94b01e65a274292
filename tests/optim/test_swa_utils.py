"""Averages of models follow PyTorch's."""

import numpy as np
import pytest

import jtorch
from jtorch import nn
from jtorch.optim import swa_utils

AVERAGES = {
    "equal": lambda s: {},
    "ema": lambda s: {"multi_avg_fn": s.get_ema_multi_avg_fn(0.9)},
    "ema one by one": lambda s: {"avg_fn": s.get_ema_avg_fn(0.9)},
    "buffers": lambda s: {"use_buffers": True},
}


@pytest.mark.parametrize("name", AVERAGES)
def test_averages_match_torch(torch, name):
    found = []
    for t in (jtorch, torch):
        t.manual_seed(0)
        model = t.nn.Sequential(t.nn.Linear(2, 2), t.nn.BatchNorm1d(2))
        averaged = t.optim.swa_utils.AveragedModel(model, **AVERAGES[name](t.optim.swa_utils))
        for step in range(4):
            with t.no_grad():
                for p in model.parameters():
                    p.add_(0.1 * (step + 1))
            model(t.arange(8.0).reshape(4, 2) * step)
            averaged.update_parameters(model)
        found.append({k: v.numpy() for k, v in averaged.state_dict().items()})
    assert list(found[0]) == list(found[1])
    for key, value in found[1].items():
        assert found[0][key].dtype == value.dtype
        assert np.allclose(found[0][key], value, rtol=1e-5), key


@pytest.mark.parametrize("name", AVERAGES)
@pytest.mark.parametrize("before", [0, 1])
def test_models_that_change_meanwhile_match_torch(torch, name, before):
    found = []
    for t in (jtorch, torch):
        model = t.nn.Sequential(t.nn.Linear(2, 2))
        averaged = t.optim.swa_utils.AveragedModel(model, **AVERAGES[name](t.optim.swa_utils))
        for _ in range(before):
            averaged.update_parameters(model)
        model.append(t.nn.Linear(2, 3))
        averaged.update_parameters(model)  # goes as far as both have parameters
        del model[0]
        with pytest.raises(RuntimeError) as caught:
            averaged.update_parameters(model)
        found.append((str(caught.value), averaged.n_averaged.item()))
    assert found[0] == found[1]


def test_averaging_compiles_once(lazy):
    model = nn.Linear(2, 2)
    averaged = swa_utils.AveragedModel(model, multi_avg_fn=swa_utils.get_ema_multi_avg_fn(0.5))
    counts = []
    for _ in range(5):
        averaged.update_parameters(model)
        averaged.module.weight.sum().item()
        counts.append(jtorch.metrics()["programs_compiled"])
    assert counts[2] == counts[4]
    assert averaged.n_averaged.item() == 5


def test_update_bn(torch):
    data = [np.arange(8, dtype="float32").reshape(4, 2) + i for i in range(3)]
    found = []
    for t in (jtorch, torch):
        model = t.nn.Sequential(t.nn.BatchNorm1d(2))
        t.optim.swa_utils.update_bn([[t.tensor(x)] for x in data], model)
        found.append((model[0].running_mean.tolist(), model[0].running_var.tolist(), model[0].momentum))
    assert np.allclose(found[0][0], found[1][0])
    assert np.allclose(found[0][1], found[1][1])
    assert found[0][2] == found[1][2] == 0.1


@pytest.mark.parametrize("strategy", ["cos", "linear"])
def test_swalr_matches_torch(torch, strategy):
    found = []
    for t in (jtorch, torch):
        optimizer = t.optim.SGD([t.nn.Parameter(t.ones(1))], lr=0.1)
        schedule = t.optim.swa_utils.SWALR(optimizer, 0.02, 4, strategy)
        rates = []
        for _ in range(7):
            rates.append(schedule.get_last_lr()[0])
            optimizer.step()
            schedule.step()
        found.append((rates, schedule.state_dict()))
    assert np.allclose(found[0][0], found[1][0], rtol=1e-12)
    assert found[0][1].keys() == found[1][1].keys()
