"""Every sampler beside real PyTorch: bits of the numbers, state afterwards, texts of errors."""

import warnings

import ml_dtypes
import numpy as np
import pytest

from jtorch import rng

FLOATS = ["float32", "float64", "float16", "bfloat16"]
INTEGERS = ["int64", "int32", "int16", "int8", "uint8", "bool"]
SIZES = [0, 1, 2, 15, 16, 17, 100, 623, 2049, 70001]


def numpy_dtype(name):
    return np.dtype(ml_dtypes.bfloat16 if name == "bfloat16" else name)


def outcome(call, convert):
    """The bytes of a result, or its error; and the warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = convert(call())
            result = result.dtype.name, result.shape, np.ascontiguousarray(result).tobytes()
        except (RuntimeError, NotImplementedError, ValueError, TypeError) as error:
            result = type(error).__name__, str(error)
    return result, [str(warning.message).split(" (Triggered")[0] for warning in caught]


class Pair:
    """An engine and PyTorch's default generator, seeded alike."""

    def __init__(self, torch, seed=42):
        torch.manual_seed(seed)
        torch.set_warn_always(True)
        self.torch, self.engine = torch, rng.MT19937(seed)

    def check(self, draw, reference, *operands):
        """``draw(engine, *operands)``, with NumPy's arrays for tensors, gives ``reference(*operands)``."""
        expected = outcome(lambda: reference(*operands), self.to_numpy)
        assert outcome(lambda: draw(self.engine, *map(self.to_numpy, operands)), np.asarray) == expected

    def check_filling(self, name, target, *parameters):
        """The sampler ``name`` gives what PyTorch's method of that name puts into ``target``."""
        dtype = numpy_dtype(str(target.dtype).removeprefix("torch."))
        sampler, method = getattr(rng, name), "random_" if name == "integers" else name + "_"
        self.check(
            lambda engine, *values: sampler(engine, target.shape, dtype, *values, strides=target.stride()),
            getattr(target, method),
            *parameters,
        )

    def to_numpy(self, x):
        """A tensor's array, with its strides; anything else as it is."""
        if not isinstance(x, self.torch.Tensor):
            return x
        if x.dtype == self.torch.bfloat16:
            return x.view(self.torch.int16).numpy().view(ml_dtypes.bfloat16)
        return x.numpy()

    def check_state(self):
        assert np.array_equal(self.engine.get_state(), self.torch.get_rng_state().numpy())


@pytest.fixture
def pair(torch):
    return Pair(torch)


IN_PLACE = {
    "uniform": [(), (-0.1, 0.7), (-0.3, 0.3), (0.0, 3.0), (1e-6, 1.0), (1.0, 1.0000001), (2.0, 2.0)],
    "normal": [(), (0.3, 0.02), (0.0, 0.5), (1.0, 1.0), (-2.0, 0.0)],
    "exponential": [(), (1.3,), (1e-3,)],
    "geometric": [(0.3,), (0.999,), (1e-3,)],
    "cauchy": [(), (0.1, 1.3)],
    "log_normal": [(), (0.1, 0.9), (0.0, 500.0)],
    "bernoulli": [(), (0.3,), (0.0,), (1.0,), (1e-17,)],
}


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", IN_PLACE)
def test_fillings(torch, pair, name, dtype):
    for parameters in IN_PLACE[name]:
        for n in SIZES:
            x = torch.empty(n, dtype=getattr(torch, dtype))
            pair.check_filling(name, x, *parameters)
    pair.check_state()


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", IN_PLACE)
def test_fillings_of_strided_targets(torch, pair, name, dtype):
    for shape in [(5, 7), (2, 3, 4, 5), (1, 40), (40, 1), (0, 3)]:
        whole = torch.empty(*shape, 2, dtype=getattr(torch, dtype))
        for x in (whole.transpose(0, -2), whole[..., 0], whole.movedim(1, -1), whole[1:]):
            parameters = IN_PLACE[name][-1]
            pair.check_filling(name, x, *parameters)
    pair.check_state()


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
@pytest.mark.parametrize(
    ("name", "parameters"), [("uniform", (-1.0, 2.0)), ("normal", ()), ("normal", (1.0, 2.0))]
)
def test_complex_fillings(torch, pair, name, parameters, dtype):
    for n in [0, 1, 7, 8, 9, 500]:
        for x in (
            torch.empty(n, dtype=getattr(torch, dtype)),
            torch.empty(3, n, dtype=getattr(torch, dtype)).T,
        ):
            pair.check_filling(name, x, *parameters)
    pair.check_state()


BOUNDS = [
    (0, 10),
    (-5, 7),
    (0, 2**28 - 1),
    (0, 2**28),
    (0, 128),
    (-(2**31), 2**31),
    (-(2**62), 2**62),
    (0, 2**63 - 1),
    (-300, 70000),
    (2**24 + 1, 2**24 + 4),
    (5, 5),
    (0, None),
    (-7, None),
    (2**53 + 1, None),
    (),
]


@pytest.mark.parametrize("dtype", [*INTEGERS, *FLOATS, "uint16", "uint32", "uint64", "complex64"])
@pytest.mark.parametrize("bounds", BOUNDS, ids=str)
def test_integers(torch, pair, bounds, dtype):
    for shape in [(0,), (1,), (1000,), (3, 5)]:
        x = torch.empty(shape, dtype=getattr(torch, dtype))
        x = x.T if len(shape) == 2 else x
        pair.check_filling("integers", x, *bounds)
    pair.check_state()


def test_all_integers_of_64_bits(torch, pair):
    for dtype in ("int64", "float64", "bfloat16", "int32", "float16", "bool"):
        x = torch.empty(50, dtype=getattr(torch, dtype))
        pair.check_filling("integers", x, -(2**63), None)
    pair.check_state()


@pytest.mark.parametrize(
    "dtype", ["int64", "int32", "int16", "uint8", "float32", "float16", "bfloat16", "bool", "uint16"]
)
def test_permutations(torch, pair, dtype):
    for n in [-1, 0, 1, 2, 10, 129, 257, 699, 700, 701, 2050, 30000, 70000]:
        pair.check(
            lambda engine, n: rng.randperm(engine, n, numpy_dtype(dtype)),
            lambda n: torch.randperm(n, dtype=getattr(torch, dtype)),
            n,
        )
    pair.check_state()


@pytest.mark.parametrize("dtype", [*INTEGERS, *FLOATS, "uint16", "complex64"])
@pytest.mark.parametrize("p_dtype", [*FLOATS, "int64"])
def test_bernoulli_by_element(torch, pair, p_dtype, dtype):
    p = torch.linspace(0, 1, 30).reshape(5, 1, 6).to(getattr(torch, p_dtype))
    x = torch.empty(5, 4, 6, dtype=getattr(torch, dtype))
    pair.check_filling("bernoulli", x, p)
    pair.check_filling("bernoulli", x.permute(2, 1, 0).contiguous().permute(2, 1, 0), p)
    pair.check_state()


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9, 1 / 3])
def test_dropout(torch, pair, p):
    def draw(engine, x):
        strides = [step // x.itemsize for step in x.strides]
        return rng.dropout_mask(engine, x.shape, p, strides) / np.float32(1 - p)

    for x in (
        torch.ones(1000),
        torch.ones(40, 30).T,
        torch.ones(2, 3, 4, 5).to(memory_format=torch.channels_last),
    ):
        pair.check(draw, lambda x: torch.nn.functional.dropout(x, p), x)
    pair.check_state()


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "float16"])
def test_rrelu(torch, pair, dtype):
    def draw(engine, x):
        slopes = rng.rrelu_noise(engine, x, 1 / 8, 1 / 3)
        return (x.astype(slopes.dtype) * slopes).astype(x.dtype)

    x = torch.linspace(-3, 3, 101).to(getattr(torch, dtype))
    pair.check(draw, lambda x: torch.rrelu(x, 1 / 8, 1 / 3, training=True), x)
    if dtype != "float16":  # PyTorch has drawn before it finds that it lacks float16
        pair.check_state()


@pytest.mark.parametrize("dtype", [*FLOATS, "int64"])
@pytest.mark.parametrize("scale", [0.01, 0.5, 3.0, 50.0, 1000.0])
def test_rejection_samplers(torch, pair, scale, dtype):
    a = (torch.linspace(0, 1, 402).reshape(3, 134) * scale).to(getattr(torch, dtype))
    p = torch.linspace(-0.1, 1.1, 402).reshape(3, 134).to(getattr(torch, dtype))
    pair.check(rng.poisson, torch.poisson, a)
    pair.check(rng.standard_gamma, torch._standard_gamma, a)
    pair.check(rng.binomial, torch.binomial, a.floor(), p)
    pair.check_state()


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_dirichlet(torch, pair, dtype):
    a = torch.linspace(0.01, 5, 60).reshape(12, 5).to(getattr(torch, dtype))
    pair.check(rng.dirichlet, torch._sample_dirichlet, a)
    pair.check_state()


def multinomial(engine, weights, *parameters):
    strides = [step // weights.itemsize for step in weights.strides]
    return rng.multinomial(engine, weights, *parameters, strides=strides)


@pytest.mark.parametrize("dtype", [*FLOATS, "int64"])
@pytest.mark.parametrize(
    ("samples", "replacement"), [(1, False), (1, True), (7, True), (500, True), (0, True)]
)
def test_multinomial(torch, pair, samples, replacement, dtype):
    weights = (torch.arange(1, 151).reshape(3, 50) / 7).to(getattr(torch, dtype))
    for w in (weights[0], weights, weights.T, weights[:0], weights.reshape(3, 5, 10)):
        pair.check(multinomial, torch.multinomial, w, samples, replacement)
    pair.check_state()


@pytest.mark.parametrize("samples", [2, 49, 50, 51])
def test_multinomial_without_replacement(torch, pair, samples):
    for dtype in (torch.float32, torch.float64):
        pair.check(
            multinomial, torch.multinomial, (torch.arange(1, 151).reshape(3, 50) / 7).to(dtype), samples
        )
    pair.check_state()


@pytest.mark.parametrize(
    "weights", [[0.0, 0.0], [1.0, -1.0], [1.0, float("inf")], [float("nan"), 1.0]], ids=str
)
def test_multinomial_of_wrong_weights(torch, pair, weights):
    for dtype in FLOATS:
        w = torch.tensor(weights, dtype=getattr(torch, dtype))
        pair.check(multinomial, torch.multinomial, w, 1)
        pair.check(multinomial, torch.multinomial, w, 2, True)


WRONG = [
    ("uniform", (1.0, 0.0)),
    ("uniform", (0.0, float("inf"))),
    ("uniform", (float("nan"), 1.0)),
    ("uniform", (0.0, 1e40)),
    ("uniform", (-3e38, 3e38)),
    ("uniform", (0.0, 70000.0)),
    ("uniform", ()),
    ("normal", (0.0, -1.0)),
    ("normal", (0.0, float("nan"))),
    ("normal", ()),
    ("bernoulli", (1.5,)),
    ("bernoulli", (float("nan"),)),
    ("bernoulli", (0.5,)),
    ("exponential", (0.0,)),
    ("exponential", (-1.0,)),
    ("exponential", ()),
    ("geometric", (0.0,)),
    ("geometric", (1.0,)),
    ("geometric", (0.5,)),
    ("cauchy", (0.0, 0.0)),
    ("cauchy", ()),
    ("log_normal", (0.0, 0.0)),
    ("log_normal", ()),
]


@pytest.mark.parametrize(("name", "parameters"), WRONG, ids=str)
def test_errors(torch, pair, name, parameters):
    for dtype in [*FLOATS, *INTEGERS, "complex64", "uint16"]:
        if dtype == "complex64" and name in ("uniform", "normal"):
            continue  # texts of the real parts, which are checked above
        for n in (3, 0):
            x = torch.empty(n, dtype=getattr(torch, dtype))
            pair.check_filling(name, x, *parameters)
    pair.check_state()


def test_wrong_parameters_by_element(torch, pair):
    for p in ([0.5, 2.0], [float("nan"), 0.5]):
        pair.check_filling("bernoulli", torch.empty(2), torch.tensor(p))
    for rate in ([-1.0], [float("nan")]):
        pair.check(rng.poisson, torch.poisson, torch.tensor(rate))


def test_states_are_interchangeable(torch):
    engine = rng.MT19937(9)
    rng.normal(engine, (3,), np.dtype(np.float32))
    rng.uniform(engine, (1000,), np.dtype(np.float32))
    torch.set_rng_state(torch.from_numpy(engine.get_state()))
    assert torch.initial_seed() == 9
    expected = torch.randn(7).numpy()
    assert np.array_equal(rng.normal(engine, (7,), np.dtype(np.float32)), expected)
    generator = torch.Generator().manual_seed(3)
    torch.randn(5, generator=generator)
    engine.set_state(generator.get_state().numpy())
    assert np.array_equal(
        rng.normal(engine, (20,), np.dtype(np.float64)),
        torch.randn(20, dtype=torch.float64, generator=generator).numpy(),
    )


def test_mixed_draws_keep_in_step(torch, pair):
    choice = np.random.default_rng(0)
    for _ in range(400):
        n = int(choice.choice([1, 3, 16, 50, 100, 333, 1000, 5000]))
        dtype = str(choice.choice(FLOATS))
        x = torch.empty(n, dtype=getattr(torch, dtype))
        name = str(choice.choice(["uniform", "normal", "normal", "exponential", "log_normal", "integers"]))
        pair.check_filling(name, x)
        if choice.random() < 0.1:
            pair.check_state()
        if choice.random() < 0.05:
            seed = int(choice.integers(0, 2**63))
            torch.manual_seed(seed)
            pair.engine.manual_seed(seed)
    pair.check_state()
