"""Any optax transformation in a PyTorch loop: the steps that optax takes alone."""

import io

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jtorch
from jtorch import nn, optim

STARTS = [np.array([[1.0, -2.0], [0.5, 3.0]], "float32"), np.array([0.25, -1.5], "float32")]
TARGET = np.array([1.0, 2.0], "float32")

TRANSFORMATIONS = {
    "momentum": lambda: optax.sgd(0.1, momentum=0.9, nesterov=True),
    "lion": lambda: optax.lion(0.01),
    "a chain with a schedule": lambda: optax.chain(
        optax.clip_by_global_norm(1.0),
        optax.scale_by_adam(b1=0.8),
        optax.add_decayed_weights(0.1, mask=[True, False]),
        optax.scale_by_learning_rate(optax.warmup_cosine_decay_schedule(0.0, 0.1, 3, 8)),
    ),
    "rates by parameter": lambda: optax.multi_transform(
        {"slow": optax.adamw(1e-3), "fast": optax.rmsprop(0.05)}, ["slow", "fast"]
    ),
    "every second step": lambda: optax.MultiSteps(optax.adam(0.1), 2).gradient_transformation(),
    "settings as state": lambda: optax.inject_hyperparams(optax.adabelief)(
        learning_rate=optax.exponential_decay(0.1, 2, 0.5)
    ),
    "without state": lambda: optax.sgd(0.25),
    # What optax makes of Python's numbers: states, and how far they round, are those of optax alone.
    "rates that depend on counts": lambda: optax.radam(optax.warmup_cosine_decay_schedule(0.0, 0.1, 3, 8)),
    "distances": lambda: optax.chain(optax.scale_by_distance_over_gradients(), optax.scale(-0.1)),
    "limited memory": lambda: optax.lbfgs(0.1, linesearch=None),
    "steps that may be skipped": lambda: optax.MultiSteps(
        optax.adam(0.1), 2, should_skip_update_fn=optax.skip_not_finite
    ),
    "noise": lambda: optax.chain(optax.add_noise(0.1, 0.5, jax.random.key(3)), optax.sgd(0.1)),
}


def plain(x):
    """A random key as its numbers."""
    return jax.random.key_data(x) if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x


#: Transformations of optax that need nothing but a learning rate, those that need none, and parts of them.
BY_NAME = [
    "adabelief", "adadelta", "adagrad", "adam", "adamax", "adamaxw", "adamw", "adan", "amsgrad",
    "fromage", "lamb", "lars", "lion", "nadam", "nadamw", "novograd", "optimistic_adam_v2",
    "optimistic_gradient_descent", "radam", "rmsprop", "rprop", "sgd", "sign_sgd", "signum", "sm3",
    "yogi", "adafactor", "contrib.acprop", "contrib.ademamix", "contrib.adopt", "contrib.madgrad",
    "contrib.simplified_ademamix", "contrib.muon", "contrib.galore",
]  # fmt: skip
ALONE = [
    "contrib.cocob", "contrib.dadapt_adamw", "contrib.prodigy", "contrib.schedule_free_sgd",
    "contrib.schedule_free_adamw",
]  # fmt: skip
SCALES = [
    "scale_by_adadelta", "scale_by_adam", "scale_by_adamax", "scale_by_adan", "scale_by_amsgrad",
    "scale_by_belief", "scale_by_distance_over_gradients", "scale_by_lbfgs", "scale_by_lion",
    "scale_by_novograd", "scale_by_optimistic_gradient", "scale_by_param_block_norm",
    "scale_by_param_block_rms", "scale_by_radam", "scale_by_rms", "scale_by_rss", "scale_by_sign",
    "scale_by_sm3", "scale_by_stddev", "scale_by_trust_ratio", "scale_by_yogi", "centralize",
    "keep_params_nonnegative", "normalize_by_update_norm", "zero_nans", "set_to_zero", "identity",
    "apply_every", "contrib.normalize",
]  # fmt: skip


def named(name):
    """An attribute of optax."""
    found = optax
    for part in name.split("."):
        found = getattr(found, part)
    return found


def loss_of(weight, bias):
    """Of arrays and tensors alike."""
    return ((weight @ bias + bias * bias - TARGET) ** 2).sum()


def by_hand(transformation, steps):
    """What optax does without jtorch."""

    @jax.jit
    def step(params, state):
        updates, state = transformation.update(jax.grad(lambda p: loss_of(*p))(params), state, params)
        return optax.apply_updates(params, updates), state

    params = [jnp.asarray(a) for a in STARTS]
    state = transformation.init(params)
    for _ in range(steps):
        params, state = step(params, state)
    return params, state


def build(transformation, starts=STARTS):
    params = [nn.Parameter(jtorch.tensor(a)) for a in starts]
    return params, optim.Optax(params, transformation)


def take_steps(params, optimizer, steps):
    for _ in range(steps):
        optimizer.zero_grad()
        loss = ((params[0] @ params[1] + params[1] * params[1] - jtorch.tensor(TARGET)) ** 2).sum()
        loss.backward()
        optimizer.step()


@pytest.mark.parametrize("name", TRANSFORMATIONS)
def test_steps_and_state_are_optaxs(name, lazy):
    params, optimizer = build(TRANSFORMATIONS[name]())
    take_steps(params, optimizer, 3)
    programs = jtorch.metrics()["programs_compiled"]
    take_steps(params, optimizer, 3)
    assert jtorch.metrics()["programs_compiled"] == programs  # counts and schedules are operands
    expected, state = by_hand(TRANSFORMATIONS[name](), 6)
    for mine, theirs in zip(params, expected, strict=True):
        np.testing.assert_allclose(mine.detach().numpy(), theirs, rtol=2e-6, atol=2e-7)
    leaves = [plain(x) for x in jax.tree.leaves(state)]
    held = optimizer.state_dict()["state"].get("leaves", [])
    assert len(held) == len(leaves)
    for mine, theirs in zip(held, leaves, strict=True):
        assert str(mine.dtype).split(".")[1] == str(theirs.dtype)
        np.testing.assert_allclose(mine.numpy(), theirs, rtol=2e-4, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*BY_NAME, *ALONE, *SCALES])
def test_all_of_optax_takes_its_own_steps(name):
    make = named(name)

    def transformation():
        if name in BY_NAME:
            return make(learning_rate=0.03)
        return make() if name in ALONE else optax.chain(make(), optax.scale(-0.05))

    expected, state = by_hand(transformation(), 5)
    for compiled in (False, True):
        params, optimizer = build(transformation())
        take = jtorch.compile(take_steps) if compiled else take_steps
        for _ in range(5):
            take(params, optimizer, 1)
        for mine, theirs in zip(params, expected, strict=True):
            np.testing.assert_allclose(mine.detach().numpy(), theirs, rtol=2e-6, atol=2e-7)
        held = optimizer.state_dict()["state"].get("leaves", [])
        dtypes = [str(t.dtype).split(".")[1] for t in held]
        assert dtypes == [str(plain(x).dtype) for x in jax.tree.leaves(state)]


@pytest.mark.parametrize("name", ["a chain with a schedule", "every second step"])
def test_a_saved_state_continues(name):
    through, alone = build(TRANSFORMATIONS[name]()), build(TRANSFORMATIONS[name]())
    take_steps(*alone, 5)
    take_steps(*through, 3)  # in the middle of the accumulation
    file = io.BytesIO()
    jtorch.save({"weights": [p.detach() for p in through[0]], "optimizer": through[1].state_dict()}, file)
    file.seek(0)
    saved = jtorch.load(file)  # weights_only: a state is tensors and numbers
    params, optimizer = build(TRANSFORMATIONS[name](), [w.numpy() for w in saved["weights"]])
    optimizer.load_state_dict(saved["optimizer"])
    take_steps(params, optimizer, 2)
    for mine, theirs in zip(params, alone[0], strict=True):
        assert mine.tolist() == theirs.tolist()


def test_missing_gradients_are_zeros():
    params, optimizer = build(optax.sgd(0.5, momentum=0.5))
    optimizer.step()  # no gradient at all: nothing happens
    assert optimizer.state_dict()["state"] == {}
    params[1].grad = jtorch.ones(2)
    optimizer.step()
    assert params[0].tolist() == STARTS[0].tolist()
    assert params[1].tolist() == [-0.25, -2.0]  # by hand
    params[1].grad = None
    params[0].grad = jtorch.zeros(2, 2)
    optimizer.step()
    assert params[1].tolist() == [-0.5, -2.25]  # the momentum goes on


def test_the_closures_loss_reaches_the_transformation():
    w = nn.Parameter(jtorch.tensor([3.0, -4.0]))
    optimizer = optim.Optax([w], optax.polyak_sgd(max_learning_rate=10.0))

    def closure():
        optimizer.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 25.0
    # By hand: the rate is f / |g|^2 = 25 / 100, and w - 0.25 * 2w = w / 2.
    assert np.allclose(w.tolist(), [1.5, -2.0])
    with pytest.raises(TypeError, match="value"):
        optimizer.step()


SEARCHES = {
    "zoom": optax.lbfgs,
    "backtracking": lambda: optax.chain(optax.sgd(1.0), optax.scale_by_backtracking_linesearch(15)),
}


@pytest.mark.parametrize("name", SEARCHES)
def test_line_searches_take_a_function_of_the_parameters(name):
    params, optimizer = build(SEARCHES[name]())
    shift = jtorch.zeros(2)  # from outside, and another one in every step

    def loss(p):
        return ((p[0] @ p[1] + p[1] * p[1] - jtorch.tensor(TARGET) - shift) ** 2).sum()

    def closure():
        optimizer.zero_grad()
        out = loss(params)
        out.backward()
        return out

    programs = []
    for i in range(4):
        shift = jtorch.full((2,), 0.1 * i)
        optimizer.step(closure, value_fn=loss)
        params[0].sum().item()
        programs.append(jtorch.metrics()["programs_compiled"])
    assert programs[-1] == programs[1]  # what the function uses is an operand

    transformation = SEARCHES[name]()
    arrays = [jnp.asarray(a) for a in STARTS]
    state = transformation.init(arrays)
    step = jax.jit(
        lambda arrays, state, value, grad, shift: transformation.update(
            grad, state, arrays, value=value, grad=grad, value_fn=lambda p: by_arrays(p, shift)
        )
    )
    for i in range(4):
        value, grad = jax.value_and_grad(by_arrays)(arrays, np.float32(0.1 * i))
        updates, state = step(arrays, state, value, grad, np.float32(0.1 * i))
        arrays = optax.apply_updates(arrays, updates)
    for mine, theirs in zip(params, arrays, strict=True):
        np.testing.assert_allclose(mine.detach().numpy(), theirs, rtol=2e-4, atol=2e-5)  # minima are flat


def by_arrays(p, shift):
    return ((p[0] @ p[1] + p[1] * p[1] - TARGET - shift) ** 2).sum()


def test_gradients_elsewhere_are_a_function_too():
    sharp = optax.contrib.sam(optax.sgd(0.1), optax.sgd(0.05), opaque_mode=True)
    w = nn.Parameter(jtorch.tensor([3.0]))
    optimizer = optim.Optax([w], sharp)

    def loss(p):
        return (p[0] ** 3).sum()

    loss([w]).backward()
    optimizer.step(grad_fn=jtorch.func.grad(loss))
    # By hand: 3 w^2 = 27, there 3 (3 + 0.05 * 27)^2 = 56.7675.
    assert np.allclose(w.tolist(), [3.0 - 5.67675])
    with pytest.raises(NotImplementedError, match=r"a function of 2 arguments; it is given the list"):
        optimizer.step(grad_fn=lambda p, i: [p[0] * i])


def test_numbers_and_tensors_reach_the_transformation():
    w = nn.Parameter(jtorch.tensor([1.0]))
    optimizer = optim.Optax([w], optax.contrib.reduce_on_plateau(factor=0.5, patience=1))
    for value in (1.0, jtorch.tensor(1.0), 1.0, 1.0):
        w.grad = jtorch.tensor([-1.0])
        optimizer.step(value=value)
    # By hand: the first loss is an improvement, each of the others halves the step that it comes with.
    assert w.item() == 1.0 - (1.0 + 0.5 + 0.25 + 0.125)


def test_lookahead_keeps_its_slow_weights():
    w = nn.Parameter(jtorch.tensor([1.0]))
    optimizer = optim.Optax([w], optax.lookahead(optax.sgd(1.0), 2, 0.5))
    seen = []
    for _ in range(4):
        w.grad = jtorch.tensor([1.0])
        optimizer.step()
        seen.append((w.item(), optimizer.state_dict()["state"]["leaves"][-1].item()))
    # By hand: every second step goes half the way from the slow weights to the fast ones.
    assert seen == [(0.0, 1.0), (0.0, 0.0), (-1.0, 0.0), (-1.0, -1.0)]


def test_one_group_without_settings():
    params, optimizer = build(optax.sgd(0.1))
    assert list(optimizer.param_groups[0]) == ["params"]
    assert optimizer.state_dict() == {"state": {}, "param_groups": [{"params": [0, 1]}]}
    with pytest.raises(ValueError, match=r"use optax\.multi_transform"):
        optimizer.add_param_group({"params": nn.Parameter(jtorch.ones(1))})
    with pytest.raises(ValueError, match=r"use optax\.multi_transform"):
        optim.Optax([{"params": params[:1]}, {"params": params[1:]}], optax.sgd(0.1))
