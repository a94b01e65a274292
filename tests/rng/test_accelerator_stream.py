"""The counter-based stream of accelerators behind PyTorch's functions, forced onto the CPU; JAX keys."""

import jax
import numpy as np
import pytest

import jtorch
from jtorch import nn
from jtorch.rng import Philox, philox
from jtorch.tensor import _random


@pytest.fixture
def stream(monkeypatch):
    """Makes the default stream of the CPU one of accelerators."""
    engine = Philox(0)
    monkeypatch.setattr(_random.default_generator, "_engine", engine)
    return engine


def counter_based(seed=0):
    generator = jtorch.Generator()
    generator._engine = Philox(seed)
    return generator


def test_numbers_of_cuda(stream):
    # Widely seen outputs of PyTorch on CUDA devices with seed 0.
    assert jtorch.rand(5).tolist() == pytest.approx([0.3990, 0.5167, 0.0249, 0.9401, 0.9459], abs=5e-5)
    assert stream.get_offset() == 4
    jtorch.manual_seed(0)
    assert jtorch.randn(5).tolist() == pytest.approx([-0.9247, -0.4253, -2.6438, 0.1452, -0.1209], abs=2e-4)


CALLS = {
    "rand": lambda g: jtorch.rand(1000, generator=g),
    "rand float64": lambda g: jtorch.rand(1000, dtype=jtorch.float64, generator=g),
    "randn complex": lambda g: jtorch.randn(500, dtype=jtorch.complex64, generator=g),
    "randn bfloat16": lambda g: jtorch.randn(500, dtype=jtorch.bfloat16, generator=g),
    "rand_like": lambda g: jtorch.rand_like(jtorch.empty(3, 4).T, generator=g),
    "randint": lambda g: jtorch.randint(-5, 10, (1000,), generator=g),
    "randint of many": lambda g: jtorch.randint(0, 2**40, (1000,), generator=g),
    "randperm": lambda g: jtorch.randperm(1000, generator=g),
    "normal": lambda g: jtorch.normal(jtorch.zeros(4), jtorch.ones(4), generator=g),
    "bernoulli": lambda g: jtorch.bernoulli(jtorch.full((1000,), 0.25), generator=g),
    "uniform_": lambda g: jtorch.empty(2, 3).T.uniform_(-1, 1, generator=g),
    "normal_": lambda g: jtorch.empty(6)[::2].normal_(2, 0.5, generator=g),
    "random_": lambda g: jtorch.empty(100, dtype=jtorch.uint8).random_(generator=g),
    "random_ of floats": lambda g: jtorch.empty(100).random_(7, 9, generator=g),
    "random_ of bool": lambda g: jtorch.empty(100, dtype=jtorch.bool).random_(generator=g),
    "bernoulli_": lambda g: jtorch.empty(100).bernoulli_(0.25, generator=g),
    "exponential_": lambda g: jtorch.empty(100).exponential_(2.0, generator=g),
    "geometric_": lambda g: jtorch.empty(100).geometric_(0.5, generator=g),
    "cauchy_": lambda g: jtorch.empty(100).cauchy_(generator=g),
    "log_normal_": lambda g: jtorch.empty(100).log_normal_(generator=g),
    "poisson": lambda g: jtorch.poisson(jtorch.linspace(0, 30, 100), generator=g),
    "binomial": lambda g: jtorch.binomial(jtorch.full((100,), 50.0), jtorch.full((100,), 0.3), generator=g),
    "_standard_gamma": lambda g: jtorch._standard_gamma(jtorch.full((100,), 0.7), g),
    "_sample_dirichlet": lambda g: jtorch._sample_dirichlet(jtorch.ones(20, 5), g),
    "multinomial": lambda g: jtorch.multinomial(jtorch.arange(1.0, 40.0), 20, generator=g),
    "multinomial with replacement": lambda g: jtorch.multinomial(jtorch.ones(3, 5), 50, True, generator=g),
    "rrelu": lambda g: jtorch.rrelu(jtorch.full((100,), -1.0), 0.1, 0.9, True, g),
}


@pytest.mark.parametrize("call", CALLS)
def test_draws_compile_once_and_never_repeat(lazy, call):
    draw, generator, seen, compiled = CALLS[call], counter_based(7), [], []
    for _ in range(4):
        seen.append(draw(generator))
        seen[-1].float().sum().item() if not seen[-1].is_complex() else seen[-1].real.sum().item()
        compiled.append(jtorch.metrics()["programs_compiled"])
    assert compiled[-1] == compiled[0]
    assert (
        len({x.float().numpy().tobytes() if not x.is_complex() else x.numpy().tobytes() for x in seen}) == 4
    )
    again = counter_based(7)
    assert all(jtorch.equal(draw(again), x) for x in seen)  # the same program gives the same numbers
    assert again.get_state().tolist() == generator.get_state().tolist()


def test_bounds_and_rates_are_operands(lazy):
    generator = counter_based()
    for i in range(5):
        x = jtorch.randint(i, 10 + i, (50,), generator=generator)
        assert (x >= i).all().item()
        assert (x < 10 + i).all().item()
        jtorch.empty(50).uniform_(0.5, 1 + i, generator=generator).sum().item()
        if i == 0:
            before = jtorch.metrics()["programs_compiled"]
    assert jtorch.metrics()["programs_compiled"] == before


def test_moments(stream):
    n = 20000
    # Tolerances are five standard errors.
    assert jtorch.rand(n).mean().item() == pytest.approx(0.5, abs=5 * (1 / 12 / n) ** 0.5)
    x = jtorch.randn(n, dtype=jtorch.float64)
    assert x.mean().item() == pytest.approx(0, abs=5 * n**-0.5)
    assert x.var().item() == pytest.approx(1, abs=5 * (2 / n) ** 0.5)
    kept = nn.functional.dropout(jtorch.ones(n), 0.3)
    assert sorted(set(kept.tolist())) == [0.0, pytest.approx(1 / 0.7)]
    assert (kept > 0).float().mean().item() == pytest.approx(0.7, abs=5 * (0.21 / n) ** 0.5)
    counts = jtorch.bincount(jtorch.randint(0, 10, (n,))).numpy()
    # Chi squared with 9 degrees of freedom exceeds 35 with probability 6e-5.
    assert ((counts - n / 10) ** 2 / (n / 10)).sum() < 35
    assert jtorch.empty(n).exponential_(2.0).mean().item() == pytest.approx(0.5, abs=2.5 * n**-0.5)
    assert jtorch.randperm(500).sort().values.tolist() == list(range(500))
    assert not jtorch.equal(jtorch.randperm(500), jtorch.randperm(500))


def test_a_training_loop_with_dropout_compiles_one_program(lazy, stream):
    net = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 1))
    optimizer = jtorch.optim.SGD(net.parameters(), lr=0.1)
    x, counts = jtorch.ones(3, 4), []
    for _ in range(4):
        optimizer.zero_grad()
        net(x).pow(2).mean().backward()
        optimizer.step()
        counts.append(jtorch.metrics()["programs_compiled"])
    assert counts[1:] == [counts[1]] * 3  # the first one also draws the weights


def test_states(stream):
    generator = counter_based(3)
    jtorch.rand(5, generator=generator)
    assert generator.get_state().shape == (16,)
    assert generator.get_offset() == 4
    saved, first = generator.get_state(), jtorch.rand(5, generator=generator)
    generator.set_state(saved)
    assert jtorch.equal(jtorch.rand(5, generator=generator), first)
    generator.set_offset(4)
    assert jtorch.equal(jtorch.rand(5, generator=generator), first)
    with pytest.raises(RuntimeError, match="offset must be a multiple of 4"):
        generator.set_offset(3)
    with pytest.raises(RuntimeError, match="RNG state is wrong size"):
        generator.set_state(jtorch.zeros(5056, dtype=jtorch.uint8))
    with jtorch.random.fork_rng():
        inside = jtorch.rand(3)
    assert jtorch.equal(jtorch.rand(3), inside)


def test_wrong_parameters_have_the_cpus_errors(stream):
    with pytest.raises(RuntimeError, match=r"normal expects std >= 0\.0, but found std -1"):
        jtorch.empty(3).normal_(0, -1)
    with pytest.raises(RuntimeError, match=r"uniform_ expects to return a \[from, to\) range"):
        jtorch.empty(3).uniform_(1, 0)
    with pytest.raises(RuntimeError, match="invalid Poisson rate, expected rate to be non-negative"):
        jtorch.poisson(jtorch.full((3,), -1.0))
    with pytest.raises(NotImplementedError, match="\"poisson_cpu\" not implemented for 'Long'"):
        jtorch.poisson(jtorch.ones(3, dtype=jtorch.int64))
    with pytest.raises(ValueError, match="binomial only supports floating-point dtypes for count, got: Long"):
        jtorch.binomial(jtorch.ones(3, dtype=jtorch.int64), jtorch.ones(3))
    with pytest.raises(RuntimeError, match="cannot sample n_sample > prob_dist"):
        jtorch.multinomial(jtorch.ones(3), 4)
    with pytest.raises(RuntimeError, match="probability tensor contains either `inf`, `nan` or element < 0"):
        jtorch.multinomial(jtorch.tensor([1.0, float("nan")]), 1)
    assert stream.get_offset() == 0


def test_generators_of_another_device_are_refused():
    with pytest.raises(RuntimeError, match="Expected a 'tpu' device type for generator but found 'cpu'"):
        _random.stream_of(jtorch.Generator(), jtorch.device("tpu"))


# ---- inside JAX's transforms


def test_no_constants_are_burnt_into_transforms():
    def draw(x):
        return x + jtorch.rand(3).jax()

    with pytest.raises(RuntimeError, match="random functions inside a JAX transform need a key"):
        jax.jit(draw)(0.0)
    with pytest.raises(RuntimeError, match="random functions inside a JAX transform need a key"):
        jax.vmap(lambda x: x + jtorch.randperm(2).jax())(jax.numpy.zeros(2))
    with pytest.raises(RuntimeError, match="random functions inside a JAX transform need a key"):
        jax.grad(lambda x: x * jtorch.rand((), generator=jtorch.Generator()).jax())(1.0)


def test_a_key_gives_numbers_inside_transforms():
    traced = []

    @jax.jit
    def draw(key):
        traced.append(1)
        with jtorch.random.use_key(key):
            noise = nn.functional.dropout(jtorch.ones(64), 0.5)
            return jtorch.randn(64).jax(), jtorch.randn(64).jax(), noise.jax()

    first, other = draw(jax.random.key(1)), draw(jax.random.key(2))
    assert len(traced) == 1
    assert not np.array_equal(first[0], first[1])
    assert all(not np.array_equal(a, b) for a, b in zip(first, other, strict=True))
    assert all(np.array_equal(a, b) for a, b in zip(first, draw(jax.random.key(1)), strict=True))
    # Outside of transforms a key determines the same numbers.
    with jtorch.random.use_key(jax.random.key(1)):
        nn.functional.dropout(jtorch.ones(64), 0.5)
        assert np.array_equal(jtorch.randn(64).numpy(), first[0])
    words = jax.random.key_data(jax.random.key(1))
    seed = int(words[-1]) | int(words[0]) << 32
    assert np.array_equal(first[0], philox.normal(seed, 4, (64,), "float32"))


def test_keys_of_a_batch_draw_apart():
    def draw(key):
        with jtorch.random.use_key(key):
            return jtorch.rand(8).jax()

    rows = jax.vmap(draw)(jax.random.split(jax.random.key(0), 3))
    assert len({row.tobytes() for row in np.asarray(rows)}) == 3
    state = jtorch.get_rng_state()
    draw(jax.random.key(0))
    assert jtorch.equal(jtorch.get_rng_state(), state)


def test_samples_inside_transforms():
    @jax.jit
    @jax.vmap
    def draw(key):
        with jtorch.random.use_key(key):
            counts = jtorch.poisson(jtorch.full((6,), 1e6))
            chosen = jtorch.multinomial(jtorch.arange(5.0), 3)
            return counts.jax(), chosen.jax(), jtorch._standard_gamma(jtorch.ones(4)).jax()

    keys = jax.random.split(jax.random.key(0), 2)
    counts, chosen, gammas = (np.asarray(x) for x in draw(keys))
    assert len({*counts.reshape(-1)}) > 9
    assert np.all(np.abs(counts - 1e6) < 6000)  # six standard deviations
    assert all(len({*row}) == 3 and 0 not in row for row in chosen.tolist())
    assert not np.array_equal(*gammas)
    with jtorch.random.use_key(keys[1]):
        assert np.array_equal(jtorch.poisson(jtorch.full((6,), 1e6)).numpy(), counts[1])
