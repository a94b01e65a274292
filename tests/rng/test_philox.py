import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jtorch.rng import Philox, philox


def words(*values):
    return [jnp.full((1,), value, jnp.uint32) for value in values]


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        # From the known-answer vectors of the Random123 library.
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((2**32 - 1,) * 4, (2**32 - 1,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_known_answers(counter, key, expected):
    assert [int(word[0]) for word in philox.philox(words(*counter), words(*key))] == list(expected)


def test_numbers_of_cuda():
    # Widely seen outputs of torch.manual_seed(...) and rand or randn on CUDA devices.
    assert np.round(philox.uniform(0, 0, (5,), "float32"), 4).tolist() == pytest.approx(
        [0.3990, 0.5167, 0.0249, 0.9401, 0.9459]
    )
    assert np.round(philox.uniform(42, 0, (4,), "float32"), 4).tolist() == pytest.approx(
        [0.6130, 0.0101, 0.3984, 0.0403]
    )
    assert np.round(philox.normal(0, 0, (5,), "float32"), 4).tolist() == pytest.approx(
        [-0.9247, -0.4253, -2.6438, 0.1452, -0.1209], abs=1.5e-4
    )


def words_of_threads(seed, counter, threads):
    """The four words of each thread, by the definition of the counter."""
    key = words(seed & 0xFFFFFFFF, seed >> 32)
    zeros = jnp.zeros(threads, jnp.uint32)
    low, high = zeros + np.uint32(counter & 0xFFFFFFFF), zeros + np.uint32(counter >> 32)
    return np.stack(philox.philox([low, high, jnp.arange(threads, dtype=jnp.uint32), zeros], key))


@pytest.mark.parametrize("offset", [0, 4, 4 * (2**32 - 1), 2**40])
def test_layout_of_elements(monkeypatch, offset):
    # 512 threads, each with a whole call and a part of one, which may carry into the counter's high word.
    monkeypatch.setattr(philox, "MAX_THREADS", 512)
    seed = 2**35 + 12345
    calls = [words_of_threads(seed, offset // 4 + r, 512) for r in range(2)]
    expected = np.concatenate([call.reshape(-1) for call in calls])
    found = philox.random_words(seed, offset, (3000,))
    assert np.array_equal(found, expected[:3000])
    assert philox.consumed(3000) == 8
    assert philox.consumed(2048) == 4
    assert philox.consumed(2049) == 8
    assert philox.consumed(2048, per_call=2) == 8


def test_the_next_draw_takes_the_next_words():
    generator = Philox(1)
    first = philox.random_words(*generator.draw(1000), (1000,))
    second = philox.random_words(*generator.draw(1000), (1000,))
    assert generator.get_offset() == 8
    assert np.intersect1d(first, second).size < 3
    assert np.array_equal(second, philox.random_words(1, 4, (1000,)))


def test_seed_and_offset_are_operands():
    traced = []

    @jax.jit
    def draw(seed, offset):
        traced.append(1)
        return philox.uniform(seed, offset, (300,), "float32"), philox.integers(
            seed, offset, (9,), "int32", 0, 5
        )

    generator = Philox(2**40)
    results = [draw(*generator.draw(300)) for _ in range(3)]
    assert len(traced) == 1
    for i, (u, k) in enumerate(results):
        assert np.array_equal(u, philox.uniform(2**40, 4 * i, (300,), "float32"))
        assert np.array_equal(k, philox.integers(2**40, 4 * i, (9,), "int32", 0, 5))


def test_scalars_of_64_bits():
    with jax.enable_x64(True):
        found = jax.jit(lambda s, o: philox.random_words(s, o, (10,)))(np.uint64(2**63 + 7), np.uint64(2**34))
    assert np.array_equal(found, philox.random_words(2**63 + 7, 2**34, (10,)))
    assert np.array_equal(philox.random_words(-1, 0, (5,)), philox.random_words(2**64 - 1, 0, (5,)))


N = 100_000


def assert_moments(x, mean, std):
    """Mean and variance within 5 standard errors."""
    x = np.asarray(x, np.float64).reshape(-1)
    deviation = (x - mean) / std
    assert abs(deviation.mean()) < 5 / math.sqrt(x.size)
    assert abs((deviation**2).mean() - 1) < 5 * (deviation**2).std() / math.sqrt(x.size)


def assert_distributed(x, cdf):
    """Kolmogorov-Smirnov distance at a level of about 1e-6."""
    x = np.sort(np.asarray(x, np.float64).reshape(-1))
    steps = np.arange(x.size + 1) / x.size
    values = cdf(x)
    distance = max(np.max(np.abs(values - steps[1:])), np.max(np.abs(values - steps[:-1])))
    assert distance < 2.7 / math.sqrt(x.size)


erf = np.vectorize(math.erf)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_distributions(dtype):
    with jax.enable_x64(True):
        draw = {
            name: np.asarray(getattr(philox, name)(5, 8, (N,), dtype, *parameters))
            for name, *parameters in [
                ("uniform", -2.0, 3.0),
                ("normal", 1.0, 2.0),
                ("exponential", 3.0),
                ("cauchy", 0.5, 2.0),
                ("log_normal", 0.1, 0.5),
            ]
        }
    assert all(x.dtype == dtype for x in draw.values())
    assert_distributed(draw["uniform"], lambda x: (x + 2) / 5)
    assert_moments(draw["normal"], 1, 2)
    assert_distributed(draw["normal"], lambda x: (1 + erf((x - 1) / 2 / math.sqrt(2))) / 2)
    assert_distributed(draw["exponential"], lambda x: 1 - np.exp(-3 * x))
    assert_distributed(draw["cauchy"], lambda x: np.arctan((x - 0.5) / 2) / math.pi + 0.5)
    assert_distributed(np.log(draw["log_normal"]), lambda x: (1 + erf((x - 0.1) / 0.5 / math.sqrt(2))) / 2)


def test_neighbours_are_independent():
    z = np.asarray(philox.normal(3, 0, (400, 256), "float32"), np.float64)
    for a, b in [
        (z[:, 1:], z[:, :-1]),
        (z[1:], z[:-1]),
        (z, np.asarray(philox.normal(3, 4, (400, 256), "float32"))),
    ]:
        assert abs((a * b).mean()) < 5 / math.sqrt(a.size)
    assert (
        abs(np.corrcoef(philox.normal(3, 0, (N,), "float32"), philox.normal(4, 0, (N,), "float32"))[0, 1])
        < 0.02
    )


def test_both_numbers_of_a_pair_are_used(monkeypatch):
    monkeypatch.setattr(philox, "MAX_THREADS", 256)
    z = np.asarray(philox.normal(9, 0, (N,), "float32"))
    assert_moments(z, 0, 1)
    blocks = z[: N // 512 * 512].reshape(-1, 2, 256)
    assert_moments(np.sum(blocks**2, 1), 2, 2)  # chi-square with 2 degrees of freedom
    assert_distributed(z, lambda x: (1 + erf(x / math.sqrt(2))) / 2)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_uniform_leaves_out_the_upper_bound(dtype):
    u = np.asarray(philox.uniform(0, 0, (N,), dtype), np.float32)
    assert u.min() >= 0
    assert u.max() < 1
    assert_moments(u, 0.5, math.sqrt(1 / 12)) if dtype == "float32" else None


def test_complex_numbers():
    z = philox.normal(0, 0, (N // 2,), "complex64", 0.0, 2.0)
    assert z.dtype == np.complex64
    assert_moments(np.real(z), 0, math.sqrt(2))
    assert_moments(np.imag(z), 0, math.sqrt(2))


@pytest.mark.parametrize(("low", "high"), [(0, 10), (-5, 7), (0, 2**28 - 1), (0, 2**28), (-(2**62), 2**62)])
def test_integers_cover_their_range(low, high):
    with jax.enable_x64(True):
        k = np.asarray(philox.integers(7, 0, (N,), "int64", low, high))
    assert k.min() >= low
    assert k.max() < high
    if high - low < 20:
        counts = np.bincount(k - low, minlength=high - low)
        expected = N / (high - low)
        assert np.sum((counts - expected) ** 2) / expected < high - low + 6 * math.sqrt(2 * (high - low))
    else:
        assert_distributed(k, lambda x: (x - low) / (high - low))


def test_bernoulli_and_geometric():
    for p in (0.0, 0.3, 1.0):
        hits = np.asarray(philox.bernoulli(1, 0, (N,), "bool", p))
        assert hits.dtype == np.bool_
        assert abs(hits.mean() - p) <= 5 * math.sqrt(p * (1 - p) / N)
    p = np.linspace(0, 1, 5, dtype=np.float32)
    rates = np.asarray(philox.bernoulli(1, 0, (N // 5, 5), "float32", p)).mean(0)
    assert np.max(np.abs(rates - p)) < 5 * 0.5 / math.sqrt(N / 5)
    waits = philox.geometric(1, 0, (N,), "int32", 0.25)
    assert np.min(waits) == 1
    assert_moments(waits, 4, math.sqrt(0.75) / 0.25)


def test_permutations():
    for n in (0, 1, 2, 1000):
        assert sorted(np.asarray(philox.randperm(3, 0, n)).tolist()) == list(range(n))
    seeds = jnp.stack([jnp.arange(200, dtype=jnp.uint32), jnp.zeros(200, jnp.uint32)], 1)
    firsts = jax.jit(jax.vmap(lambda seed: philox.randperm(seed, 0, 4)[0]))(seeds).tolist()
    assert set(firsts) == {0, 1, 2, 3}


def test_empty_draws():
    assert philox.uniform(0, 0, (0, 3), "float32").shape == (0, 3)
    assert philox.normal(0, 0, (0,), "complex64").shape == (0,)
    assert philox.consumed(0) == 0


def test_state_of_a_generator():
    generator = Philox(-2)
    generator.set_offset(12)
    state = generator.get_state()
    assert state.dtype == np.uint8
    assert state.view("<u8").tolist() == [2**64 - 2, 12]
    other = Philox()
    other.set_state(state)
    assert other.initial_seed() == 2**64 - 2
    assert other.get_offset() == 12
    assert np.array_equal(other.clone_state().get_state(), state)
    other.set_state(state[:8])
    assert other.get_offset() == 0
    other.manual_seed(5)
    assert other.get_state().view("<u8").tolist() == [5, 0]
    assert other.seed() == other.initial_seed()
    for wrong, text in [(13, "offset must be a multiple of 4")]:
        with pytest.raises(RuntimeError, match=text):
            other.set_offset(wrong)
    with pytest.raises(RuntimeError, match="RNG state is wrong size"):
        other.set_state(np.zeros(5, np.uint8))
    with pytest.raises(TypeError, match=r"RNG state must be a torch\.ByteTensor"):
        other.set_state(np.zeros(16, np.int8))
    with pytest.raises(ValueError, match="Overflow when unpacking long long"):
        Philox(2**64)
