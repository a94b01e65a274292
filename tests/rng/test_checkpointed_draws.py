"""What a checkpoint computes again draws the same numbers again, whatever they come from."""

import jax
import pytest

import jtorch
from jtorch.rng import Philox
from jtorch.tensor import _random
from jtorch.utils.checkpoint import checkpoint

WHERE = jtorch.device("tpu")


def scaled(x):
    """x times numbers of the CPU and of an accelerator; so the gradient is these numbers."""
    mine = jtorch.rand(4)
    noise = 1 + jtorch.rand(4, generator=_random.default_generator_of(WHERE))
    return (x * mine * noise).exp().log()


@pytest.fixture
def accelerator(monkeypatch):
    """A default generator of an accelerator that can be drawn from here; it is unused so far."""
    made = jtorch.Generator()
    made._engine = Philox(7)
    generators = {}

    def used(where):
        return generators.setdefault(where, made)

    monkeypatch.setattr(_random, "_device_generators", generators)
    monkeypatch.setattr(_random, "default_generator_of", used)
    return made


@pytest.mark.parametrize("used_before", [True, False])
@pytest.mark.parametrize("use_reentrant", [True, False])
def test_streams_of_all_devices(accelerator, use_reentrant, used_before):
    if used_before:
        jtorch.rand(3, generator=_random.default_generator_of(WHERE))
    x = jtorch.ones(4, requires_grad=True)
    out = checkpoint(scaled, x, use_reentrant=use_reentrant)
    factors = out.detach().clone()  # x is 1
    cpu, device = jtorch.rand(2), jtorch.rand(2, generator=accelerator)
    states = jtorch.get_rng_state(), accelerator.get_state()
    out.sum().backward()
    assert x.grad.tolist() == pytest.approx(factors.tolist(), rel=1e-5)
    assert jtorch.equal(jtorch.get_rng_state(), states[0])  # the backward has moved no stream
    assert jtorch.equal(accelerator.get_state(), states[1])
    assert not jtorch.equal(jtorch.rand(2), cpu)
    assert not jtorch.equal(jtorch.rand(2, generator=accelerator), device)


def test_without_preserving_other_numbers_are_drawn(accelerator):
    x = jtorch.ones(4, requires_grad=True)
    out = checkpoint(scaled, x, use_reentrant=False, preserve_rng_state=False)
    out.sum().backward()
    assert accelerator.get_offset() == 8
    assert x.grad.tolist() != pytest.approx(out.tolist(), rel=1e-5)


def test_streams_of_keys():
    def noisy(x):
        return (x * (1 + jtorch.rand(4))).exp().log()

    x = jtorch.ones(4, requires_grad=True)
    state = jtorch.get_rng_state()
    with jtorch.random.use_key(jax.random.key(3)):
        out = checkpoint(noisy, x, use_reentrant=False)
        jtorch.rand(5)
    with jtorch.random.use_key(jax.random.key(4)):
        out.sum().backward()  # also where another key is in effect
        after = jtorch.rand(3)
    assert x.grad.tolist() == pytest.approx(out.tolist(), rel=1e-5)
    with jtorch.random.use_key(jax.random.key(4)):
        assert jtorch.equal(jtorch.rand(3), after)
    assert jtorch.equal(jtorch.get_rng_state(), state)
