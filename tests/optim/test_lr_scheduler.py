"""Schedules set the very numbers that PyTorch sets, and their state continues there."""

import warnings

import pytest

import jtorch
from jtorch import nn, optim
from jtorch.optim import lr_scheduler

SCHEDULES = {
    "LambdaLR": lambda L, o: L.LambdaLR(o, lambda e: 0.95**e),
    "MultiplicativeLR": lambda L, o: L.MultiplicativeLR(o, lambda e: 0.95),
    "StepLR": lambda L, o: L.StepLR(o, 3),
    "MultiStepLR": lambda L, o: L.MultiStepLR(o, [2, 2, 5]),
    "ConstantLR": lambda L, o: L.ConstantLR(o, 0.3, 4),
    "LinearLR": lambda L, o: L.LinearLR(o, 0.2, 0.9, 6),
    "ExponentialLR": lambda L, o: L.ExponentialLR(o, 0.9),
    "PolynomialLR": lambda L, o: L.PolynomialLR(o, 8, 2.0),
    "CosineAnnealingLR": lambda L, o: L.CosineAnnealingLR(o, 7, 0.001),
    "warm restarts": lambda L, o: L.CosineAnnealingWarmRestarts(o, 4, 2, 0.001),
    "CyclicLR": lambda L, o: L.CyclicLR(o, 0.01, 0.1, 4, 3),
    "CyclicLR triangular2": lambda L, o: L.CyclicLR(o, [0.01, 0.02], 0.1, 4, mode="triangular2"),
    "CyclicLR exp_range": lambda L, o: L.CyclicLR(o, 0.01, 0.1, 4, mode="exp_range", gamma=0.9),
    "OneCycleLR": lambda L, o: L.OneCycleLR(o, [0.1, 0.3], total_steps=20),
    "OneCycleLR in three": lambda L, o: L.OneCycleLR(
        o, 0.2, epochs=4, steps_per_epoch=5, three_phase=True, anneal_strategy="linear"
    ),
    "SequentialLR": lambda L, o: L.SequentialLR(
        o, [L.ConstantLR(o, 0.1, 3), L.ExponentialLR(o, 0.9), L.CosineAnnealingLR(o, 6)], [3, 9]
    ),
    "SequentialLR of a ramp": lambda L, o: L.SequentialLR(
        o, [L.LinearLR(o, 0.1, 1.0, 4), L.StepLR(o, 2)], [4]
    ),
    "ChainedScheduler": lambda L, o: L.ChainedScheduler([L.ConstantLR(o, 0.5, 3), L.ExponentialLR(o, 0.9)]),
}


def make(parameter, family, name):
    settings = {"momentum": 0.9} if name == "SGD" else {}
    groups = [{"params": [parameter()]}, {"params": [parameter()], "lr": 0.05}]
    return getattr(family, name)(groups, lr=0.1, **settings)


def settings_of(optimizer):
    return [{k: v for k, v in g.items() if k != "params"} for g in optimizer.param_groups]


@pytest.mark.parametrize("name", ["SGD", "Adam"])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_schedule_matches_torch(torch, schedule, name):
    mine = make(lambda: nn.Parameter(jtorch.ones(1)), optim, name)
    theirs = make(lambda: torch.nn.Parameter(torch.ones(1)), torch.optim, name)
    a = SCHEDULES[schedule](lr_scheduler, mine)
    b = SCHEDULES[schedule](torch.optim.lr_scheduler, theirs)
    for step in range(19):
        for found, expected in zip(settings_of(mine), settings_of(theirs), strict=True):
            assert found.keys() == expected.keys()
            for key, value in expected.items():
                assert found[key] == (
                    pytest.approx(value, rel=1e-14) if isinstance(value, float) else value
                ), step
        assert a.get_last_lr() == pytest.approx(b.get_last_lr(), rel=1e-14)
        if step == 7:
            assert repr(a.state_dict()) == repr(b.state_dict())
        mine.step()
        theirs.step()
        a.step()
        b.step()
    # Fresh ones go on with the state of the other framework.
    states, rates = (a.state_dict(), b.state_dict()), (mine.state_dict(), theirs.state_dict())
    mine, theirs = (
        make(lambda: nn.Parameter(jtorch.ones(1)), optim, name),
        make(lambda: torch.nn.Parameter(torch.ones(1)), torch.optim, name),
    )
    a, b = SCHEDULES[schedule](lr_scheduler, mine), SCHEDULES[schedule](torch.optim.lr_scheduler, theirs)
    a.load_state_dict(states[1])
    b.load_state_dict(states[0])
    mine.load_state_dict(rates[1])
    theirs.load_state_dict(rates[0])
    if "OneCycle" in schedule:
        return  # is at its end
    for _ in range(5):
        for it in (mine, theirs, a, b):
            it.step()
        assert a.get_last_lr() == pytest.approx(b.get_last_lr(), rel=1e-14)


def test_reduce_on_plateau_matches_torch(torch):
    mine = make(lambda: nn.Parameter(jtorch.ones(1)), optim, "SGD")
    theirs = make(lambda: torch.nn.Parameter(torch.ones(1)), torch.optim, "SGD")
    a = lr_scheduler.ReduceLROnPlateau(mine, patience=1, cooldown=1)
    b = torch.optim.lr_scheduler.ReduceLROnPlateau(theirs, patience=1, cooldown=1)
    for measured in [1, 0.9, 0.95, 0.93, 0.99, 0.5, 0.6, 0.7, 0.8, 0.9]:
        a.step(jtorch.tensor(measured))
        b.step(torch.tensor(measured))
        assert a.state_dict() == b.state_dict()
        assert settings_of(mine) == settings_of(theirs)


def test_a_schedule_compiles_nothing(lazy):
    p = nn.Parameter(jtorch.ones(2))
    optimizer = optim.SGD([p], lr=0.1)
    schedule = lr_scheduler.CosineAnnealingLR(optimizer, 10)
    p.grad = jtorch.ones(2)
    optimizer.step()
    optimizer.step()
    before = jtorch.metrics()["programs_compiled"]
    for _ in range(8):
        schedule.step()
        optimizer.step()
    assert jtorch.metrics()["programs_compiled"] == before


def test_calls_in_the_wrong_order_warn():
    optimizer = optim.SGD([nn.Parameter(jtorch.ones(1))], lr=0.1)
    schedule = lr_scheduler.StepLR(optimizer, 2)
    with pytest.warns(
        UserWarning, match=r"Detected call of `lr_scheduler.step\(\)` before `optimizer.step\(\)`"
    ):
        schedule.step()


def test_calls_in_the_right_order_do_not_warn():
    optimizer = optim.SGD([nn.Parameter(jtorch.ones(1))], lr=0.1)
    schedule = lr_scheduler.StepLR(optimizer, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        optimizer.step()
        schedule.step()


def test_a_tensor_as_learning_rate():
    p = nn.Parameter(jtorch.ones(1))
    optimizer = optim.SGD([p], lr=jtorch.tensor(0.5))
    schedule = lr_scheduler.ExponentialLR(optimizer, 0.5)
    p.grad = jtorch.ones(1)
    optimizer.step()
    schedule.step()
    assert optimizer.param_groups[0]["lr"].item() == 0.25
    optimizer.step()
    assert p.item() == 0.25


ERRORS = {
    "optimizer": lambda L, o: L.StepLR(3, 1),
    "resume": lambda L, o: L.StepLR(o, 1, last_epoch=3),
    "lambdas": lambda L, o: L.LambdaLR(o, [abs]),
    "no function": lambda L, o: L.MultiplicativeLR(o, 3),
    "constant": lambda L, o: L.ConstantLR(o, 2.0),
    "start": lambda L, o: L.LinearLR(o, 0.0),
    "end": lambda L, o: L.LinearLR(o, 0.5, 2.0),
    "plateau factor": lambda L, o: L.ReduceLROnPlateau(o, factor=1.0),
    "plateau mode": lambda L, o: L.ReduceLROnPlateau(o, mode="x"),
    "plateau threshold": lambda L, o: L.ReduceLROnPlateau(o, threshold_mode="x"),
    "plateau lengths": lambda L, o: L.ReduceLROnPlateau(o, min_lr=[0.1]),
    "T_0": lambda L, o: L.CosineAnnealingWarmRestarts(o, 0),
    "T_mult": lambda L, o: L.CosineAnnealingWarmRestarts(o, 1, 0),
    "eta_min": lambda L, o: L.CosineAnnealingWarmRestarts(o, 1, 1, "x"),
    "cycle mode": lambda L, o: L.CyclicLR(o, 0.1, 0.2, mode="x"),
    "cycle lengths": lambda L, o: L.CyclicLR(o, [0.1], 0.2),
    "no length": lambda L, o: L.OneCycleLR(o, 0.1),
    "total_steps": lambda L, o: L.OneCycleLR(o, 0.1, total_steps=0),
    "epochs": lambda L, o: L.OneCycleLR(o, 0.1, epochs=-1, steps_per_epoch=2),
    "pct_start": lambda L, o: L.OneCycleLR(o, 0.1, total_steps=5, pct_start=2.0),
    "strategy": lambda L, o: L.OneCycleLR(o, 0.1, total_steps=5, anneal_strategy="x"),
    "too far": lambda L, o: [
        s.step() or o.step() for s in [L.OneCycleLR(o, 0.1, total_steps=2)] for _ in range(4)
    ],
    "milestones": lambda L, o: L.SequentialLR(o, [L.StepLR(o, 1)], [3]),
    "no schedule": lambda L, o: L.ChainedScheduler([]),
    "plateau in a sequence": lambda L, o: L.SequentialLR(o, [L.ReduceLROnPlateau(o)], []),
    "no momentum": lambda L, o: L.CyclicLR(type(o)(o.param_groups[0]["params"]), 0.1, 0.2),
}


def go_on(schedule):
    for _ in range(4):
        schedule.step()


@pytest.mark.parametrize("case", ERRORS)
def test_errors_match_torch(torch, case):
    found = []
    for t in (jtorch, torch):
        name = "RMSprop" if case == "no momentum" else "SGD"
        optimizer = make(lambda t=t: t.nn.Parameter(t.ones(1)), t.optim, name)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # steps in the wrong order
            try:
                ERRORS[case](t.optim.lr_scheduler, optimizer)
                found.append(None)
            except Exception as error:
                found.append((type(error), str(error)))
    assert found[0] == found[1]
    assert case == "no momentum" or found[0] is not None


def test_warnings_match_torch(torch):
    def seen(t, act):
        optimizer = t.optim.SGD([t.nn.Parameter(t.ones(1))], lr=0.1)
        schedule = t.optim.lr_scheduler.StepLR(optimizer, 2)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            act(optimizer, schedule)
        return [(w.category, str(w.message)) for w in caught]

    for act in (
        lambda o, s: s.step(),
        lambda o, s: (o.step(), s.step(3)),
        lambda o, s: s.get_lr(),
        lambda o, s: (setattr(o, "step", lambda: None), s.step()),
    ):
        assert seen(jtorch, act) == seen(torch, act) != []
