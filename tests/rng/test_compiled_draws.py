"""Random numbers of compiled functions: drawn anew in each call, from the stream of an uncompiled one."""

import jax
import numpy as np
import pytest

import jtorch
from jtorch import nn
from jtorch.rng import MT19937, Philox
from jtorch.tensor import _random

pytestmark = pytest.mark.usefixtures("lazy")


@pytest.fixture(params=["cpu", "accelerator"])
def generator(request, monkeypatch):
    """The default generator, with the stream of a CPU or of an accelerator."""
    engine = MT19937(5) if request.param == "cpu" else Philox(5)
    monkeypatch.setattr(_random.default_generator, "_engine", engine)
    return _random.default_generator


@pytest.fixture
def counter(monkeypatch):
    """The default generator, with the stream of an accelerator."""
    monkeypatch.setattr(_random.default_generator, "_engine", Philox(5))
    return _random.default_generator


def same_numbers(generator, function, *args, calls=3):
    """Call a function and its compiled twin from the same state; returns what all calls gave."""
    start = generator.get_state()
    expected = [[x.tolist() for x in function(*args)] for _ in range(calls)]
    end = generator.get_state().tolist()
    generator.set_state(start)
    compiled = jtorch.compile(function)
    found = [[x.tolist() for x in compiled(*args)] for _ in range(calls)]
    assert found == expected
    assert generator.get_state().tolist() == end
    assert jtorch.compiler.explain(compiled).count("\n") == 0  # recorded once, and replayed
    assert len({str(x) for x in found}) == calls
    return compiled


def test_draws_advance_and_never_repeat(generator):
    own = generator.clone_state()

    def draw(x):
        noise = nn.functional.dropout(x, 0.25) + jtorch.randn(40)
        return (
            noise,
            jtorch.randint(0, 1000, (4,)),
            jtorch.randperm(9),
            jtorch.rand(3, generator=own),
            x.sum(),
        )

    start = own.get_state()
    compiled = jtorch.compile(draw)
    first = [[x.tolist() for x in compiled(jtorch.ones(40))] for _ in range(2)]
    own.set_state(start)
    generator.set_state(start)
    assert [[x.tolist() for x in draw(jtorch.ones(40))] for _ in range(2)] == first
    same_numbers(generator, lambda x: draw(x)[:3], jtorch.ones(40))


def test_draws_with_operands(counter):
    rates = jtorch.linspace(0, 20, 100).requires_grad_()

    def draw(rates):
        with jtorch.no_grad():
            counts = jtorch.poisson(rates)
        row = jtorch.multinomial(rates.detach() + 1, 5, True)
        return (
            counts,
            row,
            jtorch.bernoulli(rates.detach() / 20),
            nn.functional.rrelu(rates - 10, training=True),
        )

    same_numbers(counter, draw, rates)
    programs = jtorch.metrics()["programs_compiled"]
    same_numbers(counter, draw, rates + 0)  # another offset: nothing compiles
    assert jtorch.metrics()["programs_compiled"] - programs <= 4  # the sum above; its history is another call


def test_training_steps_and_epochs(generator):
    def train(how):
        jtorch.manual_seed(3)
        net = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 1))
        optimizer = jtorch.optim.SGD(net.parameters(), lr=0.1)

        def step(x):
            optimizer.zero_grad()
            loss = (net(x) + 0.1 * jtorch.randn(3, 1)).pow(2).mean()
            loss.backward()
            optimizer.step()
            return loss.detach()

        xs = jtorch.linspace(0, 1, 72).reshape(6, 3, 4)
        if how == "scan":
            return jtorch.scan(step, xs).tolist(), generator.get_state().tolist()
        run = step if how == "loop" else jtorch.compile(step)
        return [run(x).item() for x in xs], generator.get_state().tolist()

    losses, state = train("loop")
    for how in ("compile", "scan"):
        found, end = train(how)
        assert found == pytest.approx(losses, rel=1e-5)
        assert end == state


def test_a_generator_that_takes_over_another_state(generator):
    compiled = jtorch.compile(lambda x: x + jtorch.rand(5))
    compiled(jtorch.zeros(5))
    other = generator.clone_state()
    other.manual_seed(9)
    generator.graphsafe_set_state(other)  # gives the generator another engine
    expected = (
        jtorch.rand(10, generator=other)[:5] if other.device is None else jtorch.rand(5, generator=other)
    )
    assert jtorch.equal(compiled(jtorch.zeros(5)), expected)
    assert generator.get_state().tolist() == other.get_state().tolist()


def test_keys_around_compiled_functions():
    compiled = jtorch.compile(lambda x: (x + jtorch.rand(3), jtorch.randn(3)))

    def draw(key, function):
        with jtorch.random.use_key(key):
            return [x.tolist() for x in function(jtorch.zeros(3))]

    keys = [jax.random.key(i) for i in (1, 2, 1)]
    found = [draw(key, compiled) for key in keys]
    assert found == [draw(key, compiled._compiled_function.function) for key in keys]
    assert found[0] == found[2] != found[1]
    jtorch.manual_seed(0)
    free = compiled(jtorch.zeros(3))  # the default stream again
    jtorch.manual_seed(0)
    assert jtorch.equal(free[0], jtorch.rand(3))


def test_a_key_inside_a_compiled_function_gives_its_numbers_in_each_call():
    key = jax.random.key(4)

    @jtorch.compile
    def draw(x):
        with jtorch.random.use_key(key):
            return x + jtorch.rand(3), jtorch.randperm(5)

    expected = [x.tolist() for x in draw._compiled_function.function(jtorch.zeros(3))]
    for _ in range(3):
        assert [x.tolist() for x in draw(jtorch.zeros(3))] == expected
    assert jtorch.compiler.explain(draw).endswith("draw: first call")


def test_compiled_functions_inside_of_transforms_need_a_key():
    compiled = jtorch.compile(lambda: jtorch.zeros(3) + jtorch.rand(3))
    compiled()
    with pytest.raises(RuntimeError, match="random functions inside a JAX transform need a key"):
        jax.jit(lambda x: x + compiled().jax())(0.0)

    @jax.jit
    def keyed(key):
        with jtorch.random.use_key(key):
            return compiled().jax()

    rows = [np.asarray(keyed(jax.random.key(i))) for i in (1, 2)]
    assert not np.array_equal(*rows)
    with jtorch.random.use_key(jax.random.key(1)):
        assert np.array_equal(compiled().numpy(), rows[0])


def test_lowering_draws_nothing(generator):
    own = generator.clone_state()
    before = generator.get_state().tolist()

    def draw(x):
        return x + jtorch.rand(3) + jtorch.rand(3, generator=own)

    jtorch.compiler.lower(draw, jtorch.zeros(3)).compile()
    assert generator.get_state().tolist() == before
    assert own.get_state().tolist() == before


def test_draws_before_a_decision_are_made_once(generator):
    own = generator.clone_state()

    def draw(x):
        y = x + jtorch.rand(3) + jtorch.rand(3, generator=own)
        return jtorch.randn(2) if y.sum() > 3 else y, y

    def run(function):
        generator.manual_seed(1)
        own.manual_seed(2)
        free = [[x.tolist() for x in function(jtorch.zeros(3))] for _ in range(8)]
        with jtorch.random.use_key(jax.random.key(5)):
            return free + [[x.tolist() for x in function(jtorch.zeros(3))] for _ in range(8)]

    expected = run(draw)
    assert (
        len({len(x) for x, _ in expected[:8]}) == len({len(x) for x, _ in expected[8:]}) == 2
    )  # both outcomes
    assert run(jtorch.compile(draw)) == expected
