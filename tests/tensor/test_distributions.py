"""Samples as tensors: PyTorch's numbers after a seed, forms of the functions, and their errors."""

import pytest

import jtorch


def test_multinomial_draws_the_documented_categories():
    weights = jtorch.arange(1, 51) / 7
    jtorch.manual_seed(42)
    assert jtorch.multinomial(weights, 7).tolist() == [37, 24, 25, 47, 41, 20, 29]  # PyTorch 2.13
    jtorch.manual_seed(42)
    assert weights.multinomial(7, True).tolist() == [11, 12, 17, 11, 36, 34, 48]


def test_multinomial_wants_int64_for_its_result():
    with pytest.raises(RuntimeError, match="multinomial expects Long tensor out, got: Float"):
        jtorch.multinomial(jtorch.ones(3), 2, out=jtorch.empty(2))


@pytest.mark.parametrize("replacement", [False, True])
def test_multinomial_takes_a_generator(replacement):
    weights = jtorch.ones(2, 9)
    first = weights.multinomial(4, replacement, generator=jtorch.Generator().manual_seed(3))
    state = jtorch.get_rng_state()
    again = jtorch.multinomial(weights, 4, replacement, generator=jtorch.Generator().manual_seed(3))
    assert first.tolist() == again.tolist()
    assert jtorch.equal(state, jtorch.get_rng_state())


CALLS = {
    "exponential": lambda t: t.empty(20).exponential_(1.5),
    "geometric": lambda t: t.empty(20).geometric_(0.3),
    "geometric of integers": lambda t: t.empty(20, dtype=t.int64).geometric_(0.3),
    "cauchy": lambda t: t.empty(20).cauchy_(0.1, 1.3),
    "log_normal": lambda t: t.empty(20).log_normal_(0.1, 0.7),
    "strided": lambda t: t.zeros(5, 4).t().exponential_(),
    "view": lambda t: t.zeros(5, 4)[:, 1:3].cauchy_(),
    "poisson": lambda t: t.poisson(t.arange(20.0)),
    "binomial": lambda t: t.binomial(t.arange(20.0), t.full((20,), 0.4)),
    "gamma": lambda t: t._standard_gamma(t.arange(1.0, 20.0) / 4),
    "multinomial": lambda t: t.multinomial(t.arange(1.0, 41.0).reshape(2, 20), 5),
    "bernoulli": lambda t: t.full((20,), 0.4).bernoulli(),
}


@pytest.mark.parametrize("call", CALLS)
def test_samples_match_torch(torch, call):
    jtorch.manual_seed(7)
    torch.manual_seed(7)
    ours, theirs = CALLS[call](jtorch), CALLS[call](torch)
    assert ours.tolist() == theirs.tolist()
    assert str(ours.dtype) == str(theirs.dtype)
    assert jtorch.get_rng_state().tolist() == torch.get_rng_state().tolist()


def test_torch_continues_from_our_state(torch):
    jtorch.manual_seed(5)
    jtorch.randn(3)
    torch.set_rng_state(torch.from_numpy(jtorch.get_rng_state().numpy()))
    assert jtorch.randn(40).tolist() == torch.randn(40).tolist()


def test_fork_rng_restores_the_stream():
    jtorch.manual_seed(0)
    with jtorch.random.fork_rng():
        first = jtorch.rand(5)
    assert jtorch.equal(first, jtorch.rand(5))
    with jtorch.random.fork_rng(enabled=False):
        jtorch.manual_seed(0)
        jtorch.rand(5)
    assert not jtorch.equal(first, jtorch.rand(5))


@pytest.mark.parametrize("name", ["rand_like", "randn_like"])
@pytest.mark.parametrize("format", ["preserve_format", "contiguous_format", "channels_last"])
def test_like_draws_in_order_of_memory(torch, name, format):
    results = []
    for library in (jtorch, torch):
        library.manual_seed(7)
        x = library.zeros(2, 4, 3, 3).transpose(1, 2).contiguous().transpose(1, 2)
        drawn = getattr(library, name)(x, memory_format=getattr(library, format))
        results.append((drawn.tolist(), drawn.stride()))
    assert results[0] == results[1]
