import numpy as np
import pytest

from jtorch import rng
from jtorch.rng import MT19937


def drawn(engine, sizes):
    return np.concatenate([engine.words(n) for n in sizes])


def test_first_words_are_those_of_the_reference_implementation():
    # Matsumoto and Nishimura's mt19937ar with init_genrand(5489), the seed of C++'s std::mt19937.
    assert MT19937(5489).words(3).tolist() == [3499211612, 581869302, 3890346734]
    assert MT19937(5489).words(10000)[-1] == 4123659995  # C++ standard, [rand.predef]


@pytest.mark.parametrize(
    "sizes", [[1] * 2000, [623, 1, 1, 624, 625], [3, 5000, 7, 100000, 1], [4095, 4096, 0, 4097]]
)
def test_words_do_not_depend_on_the_sizes_of_draws(sizes):
    engine, whole = MT19937(42), MT19937(42)
    assert np.array_equal(drawn(engine, sizes), whole.words(sum(sizes)))
    assert np.array_equal(engine.get_state(), whole.get_state())


@pytest.mark.parametrize("before", [0, 1, 2, 700, 701])
@pytest.mark.parametrize("n", [0, 1, 3, 2047, 2048, 50000])
def test_doublewords_are_pairs_of_words(before, n):
    engine, single = MT19937(7), MT19937(7)
    engine.words(before)
    single.words(before)
    pairs = single.words(2 * n).astype(np.uint64)
    assert np.array_equal(engine.doublewords(n), pairs[0::2] << np.uint64(32) | pairs[1::2])
    assert np.array_equal(engine.get_state(), single.get_state())


@pytest.mark.parametrize("n", [0, 1, 5, 623, 624, 625, 1248, 12345])
def test_a_state_continues_the_stream(n):
    engine = MT19937(-3)
    engine.words(n)
    engine.cached_normal = 0.25
    saved = engine.get_state()
    expected = engine.words(1000).copy()
    for other in (engine, MT19937(1)):
        other.set_state(saved)
        assert np.array_equal(other.get_state(), saved)
        assert other.initial_seed() == 2**64 - 3
        assert other.cached_normal == 0.25
        assert np.array_equal(other.words(1000), expected)


def test_state_layout():
    engine = MT19937(2**40 + 9)
    state = engine.get_state()
    assert state.shape == (5056,)
    assert state.dtype == np.uint8
    assert state[:8].view("<u8")[0] == 2**40 + 9
    assert state[8:16].view("<i4").tolist() == [1, 1]  # left, seeded
    assert state[16:24].view("<u8")[0] == 0  # next
    assert state[24:32].view("<u8")[0] == 9  # the first key word is the seed's low half
    engine.words(10)
    engine.cached_normal = -1.5
    state = engine.get_state()
    assert state[8:12].view("<i4")[0] == 615
    assert state[16:24].view("<u8")[0] == 10
    assert state[5024:5032].view("<f8")[0] == -1.5
    assert state[5040] == 1
    engine.words(614)
    assert engine.get_state()[8:24].tolist() == [
        1,
        0,
        0,
        0,
        1,
        0,
        0,
        0,
        112,
        2,
        0,
        0,
        0,
        0,
        0,
        0,
    ]  # next is 624


@pytest.mark.parametrize(
    ("state", "error", "text"),
    [
        (
            np.zeros(5, np.uint8),
            RuntimeError,
            "Expected a CPUGeneratorImplState of size 5056 but found the input RNG state size to be 5",
        ),
        (np.zeros(5056, np.uint8), RuntimeError, "Invalid mt19937 state"),
        (np.zeros(5056, np.float32), TypeError, "RNG state must be a torch.ByteTensor"),
    ],
    ids=["size", "content", "dtype"],
)
def test_states_of_something_else_are_rejected(state, error, text):
    engine = MT19937(0)
    before = engine.get_state()
    with pytest.raises(error) as raised:
        engine.set_state(state)
    assert str(raised.value) == text
    assert np.array_equal(engine.get_state(), before)


@pytest.mark.parametrize(("seed", "same"), [(2**32, 0), (-1, 2**64 - 1), (-(2**63), 0), (2**32 + 5, 5)])
def test_only_the_low_half_of_a_seed_chooses_the_stream(seed, same):
    assert np.array_equal(MT19937(seed).words(10), MT19937(same).words(10))
    assert MT19937(seed).initial_seed() == seed % 2**64


@pytest.mark.parametrize("seed", [2**64, -(2**63) - 1])
def test_seeds_have_64_bits(seed):
    with pytest.raises(ValueError, match=r"^Overflow when unpacking long long$"):
        MT19937(seed)


def test_a_new_seed_forgets_the_cached_normal():
    engine = MT19937(42)
    rng.normal(engine, (1,), np.dtype(np.float32))
    assert engine.cached_normal is not None
    engine.manual_seed(42)
    assert engine.cached_normal is None


def test_seed_comes_from_the_system():
    engine = MT19937()
    assert engine.initial_seed() == rng.DEFAULT_SEED
    assert engine.seed() != engine.seed()
    assert MT19937(engine.initial_seed()).words(5).tolist() == engine.words(5).tolist()


def test_clones_are_independent():
    engine = MT19937(3)
    rng.normal(engine, (3,), np.dtype(np.float64))
    clone = engine.clone_state()
    values = rng.normal(engine, (50,), np.dtype(np.float32))
    assert np.array_equal(rng.normal(clone, (50,), np.dtype(np.float32)), values)
    clone.words(1)
    assert not np.array_equal(clone.get_state(), engine.get_state())


def test_states_while_words_are_read_ahead():
    # Draws of all sizes leave words read ahead, whose number and origin no state may show.
    engine, sizes = MT19937(5), np.random.default_rng(0).integers(1, 3000, 150).tolist()
    plain = np.random.RandomState(5)
    for i, n in enumerate([*sizes, 5000, 7, 2500, *sizes]):
        assert np.array_equal(engine.words(n), plain.randint(0, 1 << 32, n, np.uint32))
        if i % 40 == 7:
            again = engine.clone_state()
            batch, read = engine.unread(20)
            expected = batch[read : read + 20].copy()
            assert np.array_equal(again.words(20), expected)
        if i % 60 == 11:
            engine.set_state(engine.get_state())
