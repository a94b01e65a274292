"""Distributions, compared with PyTorch's: parameters, samples, densities, moments, gradients, texts."""

import inspect
import pickle
import warnings

import pytest

import jtorch

#: Class, and positional arguments as lists (tensors), numbers or keyword dictionaries.
TABLE = [
    ("Normal", [[0.5, -1.0], [1.0, 2.0]]),
    ("Normal", [0.0, 2.0]),
    ("LogNormal", [[0.5, -1.0], [0.5, 0.3]]),
    ("Uniform", [[0.0, -1.0], [1.0, 2.0]]),
    ("Bernoulli", [[0.2, 0.5]]),
    ("Bernoulli", [{"logits": [0.2, -3.0]}]),
    ("ContinuousBernoulli", [[0.2, 0.5]]),
    ("Categorical", [[[0.2, 0.5, 0.3], [0.1, 0.1, 0.8]]]),
    ("Categorical", [{"logits": [0.2, -3.0, 1.0]}]),
    ("OneHotCategorical", [[[0.2, 0.5, 0.3], [0.1, 0.1, 0.8]]]),
    ("OneHotCategoricalStraightThrough", [{"logits": [0.2, -3.0, 1.0]}]),
    ("Binomial", [5, [0.2, 0.7]]),
    ("Binomial", [{"total_count": 4, "logits": [0.2, -1.0]}]),
    ("NegativeBinomial", [[3.0, 5.0], [0.2, 0.7]]),
    ("Multinomial", [6, [[0.2, 0.5, 0.3], [0.1, 0.1, 0.8]]]),
    ("Poisson", [[0.5, 4.0]]),
    ("Geometric", [[0.2, 0.7]]),
    ("Exponential", [[0.5, 4.0]]),
    ("Gamma", [[0.5, 4.0], [1.0, 2.0]]),
    ("InverseGamma", [[2.5, 4.0], [1.0, 2.0]]),
    ("Chi2", [[0.5, 4.0]]),
    ("FisherSnedecor", [[3.0, 4.0], [5.0, 6.0]]),
    ("Beta", [[0.5, 4.0], [1.0, 2.0]]),
    ("Beta", [2.0, 3.0]),
    ("Kumaraswamy", [[1.5, 4.0], [1.0, 2.0]]),
    ("Dirichlet", [[[0.5, 4.0, 1.0], [0.9, 0.3, 0.2]]]),
    ("Laplace", [[0.5, -1.0], [1.0, 2.0]]),
    ("Cauchy", [[0.5, -1.0], [1.0, 2.0]]),
    ("HalfNormal", [[1.0, 2.0]]),
    ("HalfCauchy", [[1.0, 2.0]]),
    ("StudentT", [[0.5, 1.5, 4.0], 0.5, 2.0]),
    ("Gumbel", [[0.5, -1.0], [1.0, 2.0]]),
    ("Weibull", [[0.5, 1.0], [1.5, 2.0]]),
    ("Pareto", [[0.5, 1.0], [3.0, 2.5]]),
    ("GeneralizedPareto", [[0.5, 1.0], [1.0, 2.0], [0.2, 0.0]]),
    ("VonMises", [[0.5, -1.0], [1.0, 20.0]]),
    ("LogisticNormal", [[0.5, -1.0], [1.0, 2.0]]),
    ("LKJCholesky", [3, 1.5]),
    ("MultivariateNormal", [[0.5, -1.0], [[2.0, 0.5], [0.5, 1.0]]]),
    ("MultivariateNormal", [{"loc": [[0.5, -1.0], [1.0, 0.0]], "scale_tril": [[2.0, 0.0], [0.5, 1.0]]}]),
    ("MultivariateNormal", [{"loc": [0.5, -1.0], "precision_matrix": [[2.0, 0.5], [0.5, 1.0]]}]),
    ("LowRankMultivariateNormal", [[0.5, -1.0, 0.0], [[1.0, 0.5], [0.2, -0.3], [0.0, 1.0]], [0.5, 1.0, 2.0]]),
    ("LowRankMultivariateNormal", [[[0.5, -1.0], [1.0, 0.0]], [[1.0], [0.2]], [0.5, 1.0]]),
    ("Wishart", [{"df": 4.5, "covariance_matrix": [[2.0, 0.5], [0.5, 1.0]]}]),
    ("Wishart", [[3.5, 5.0], {"scale_tril": [[2.0, 0.0], [0.5, 1.0]]}]),
    ("RelaxedBernoulli", [[0.7], [0.2, 0.5]]),
    ("RelaxedOneHotCategorical", [[0.7], [0.2, 0.5, 0.3]]),
]
#: What PyTorch computes by approximations: it is off by more than rounding, jtorch is not.
LOOSE = {
    ("VonMises", "variance"): 1e-5,  # polynomials for the Bessel functions, Abramowitz and Stegun 9.8
    ("Chi2", "gradient"): 5e-3,  # interpolated slopes of gamma and beta distribution functions
    ("Gamma", "gradient"): 5e-3,
    ("InverseGamma", "gradient"): 5e-3,
    ("FisherSnedecor", "gradient"): 5e-3,
    ("StudentT", "gradient"): 5e-3,
    ("Beta", "gradient"): 5e-3,
    ("Dirichlet", "gradient"): 5e-3,
    ("Wishart", "gradient"): 5e-3,
}


def made(library, name, arguments, requires_grad=False):
    """The distribution, and the tensors that it was made of."""
    tensors = []

    def convert(value):
        if isinstance(value, list):
            tensors.append(library.tensor(value, requires_grad=requires_grad))
            return tensors[-1]
        return value

    positions = [convert(a) for a in arguments if not isinstance(a, dict)]
    keywords = {k: convert(v) for a in arguments if isinstance(a, dict) for k, v in a.items()}
    return getattr(library.distributions, name)(*positions, **keywords), tensors


def outcome(call):
    """What a call gives, or the type and text of its error."""
    try:
        return call()
    except (NotImplementedError, ValueError) as error:
        # The addresses of modules are the only difference that texts may have.
        return type(error).__name__, str(error).replace("jtorch", "torch")


def same(mine, theirs, rtol, what):
    if not hasattr(theirs, "detach"):
        assert mine == theirs, what
        return
    assert hasattr(mine, "detach"), (what, mine)
    assert str(mine.dtype) == str(theirs.dtype), what
    assert tuple(mine.shape) == tuple(theirs.shape), what
    jtorch.testing.assert_close(
        mine.detach(),
        jtorch.from_numpy(theirs.detach().numpy()),
        rtol=rtol,
        atol=1e-5,
        equal_nan=True,
        msg=str(what),
    )


def ids(row):
    return row[0] + ("-" + "-".join(row[1][0]) if isinstance(row[1][0], dict) else "")


QUERIES = ("mean", "mode", "variance", "stddev", "batch_shape", "event_shape", "has_rsample",
           "has_enumerate_support")  # fmt: skip


#: Wishart says so at every call, of samples that are not singular.
quiet = pytest.mark.filterwarnings("ignore:Singular sample detected")


@quiet
@pytest.mark.parametrize("row", TABLE, ids=ids)
def test_distribution_is_that_of_torch(torch, row):
    name, arguments = row
    results = []
    for library in (jtorch, torch):
        d, _ = made(library, name, arguments)
        got = {"repr": repr(d)}
        library.manual_seed(3)
        got["sample"] = d.sample((2,))
        value = (
            torch.tensor(results[0]["sample"].tolist()).type(got["sample"].dtype)
            if results
            else got["sample"]
        )
        got["log_prob"] = d.log_prob(value)
        for query in QUERIES:
            got[query] = outcome(lambda d=d, query=query: getattr(d, query))
        got["support"] = outcome(lambda d=d: str(d.support))
        got["entropy"] = outcome(d.entropy)
        got["perplexity"] = outcome(d.perplexity)
        got["cdf"] = outcome(lambda d=d, value=value: d.cdf(value))
        middle = library.full(tuple(d.batch_shape), 0.3)
        got["icdf"] = outcome(lambda d=d, middle=middle: d.icdf(middle))
        got["support values"] = outcome(d.enumerate_support)
        expanded = d.expand((3, *d.batch_shape))
        got["expanded"] = repr(expanded)
        library.manual_seed(4)
        got["expanded sample"] = expanded.sample()
        got["expanded log_prob"] = expanded.log_prob(value[0])
        results.append(got)
    mine, theirs = results
    for key, value in theirs.items():
        tolerance = LOOSE.get((name, key), 2e-5)
        same(mine[key], value, tolerance, (name, key))


def has_gradients(row):
    """Whether samples are a function of tensors, or densities are smooth."""
    given = [a for a in row[1] if isinstance(a, (list, dict))]
    return bool(given) and row[0] not in ("VonMises", "LKJCholesky")


@quiet
@pytest.mark.parametrize("row", [r for r in TABLE if has_gradients(r)], ids=ids)
def test_gradients_are_those_of_torch(torch, unchecked, row):
    """Of samples where they have any, else of log probabilities."""
    name, arguments = row
    results = []
    for library in (jtorch, torch):
        d, tensors = made(library, name, arguments, requires_grad=True)
        library.manual_seed(5)
        out = d.rsample() if d.has_rsample else d.log_prob(d.sample())
        (out * out).sum().backward()
        results.append([t.grad for t in tensors])
    for mine, theirs in zip(*results, strict=True):
        same(mine, theirs, LOOSE.get((name, "gradient"), 1e-4), name)


def pairs_of_kl(torch):
    """Names of families with a formula in PyTorch."""
    from torch.distributions.kl import _KL_REGISTRY

    known = {row[0]: row for row in reversed(TABLE)}
    return [(known[p.__name__], known[q.__name__]) for p, q in _KL_REGISTRY
            if p.__name__ in known and q.__name__ in known]  # fmt: skip


@pytest.fixture
def unchecked(torch):
    """Without checks, which would compile a program each: only formulas are compared."""
    for library in (jtorch, torch):
        library.distributions.Distribution.set_default_validate_args(False)
    yield
    for library in (jtorch, torch):
        library.distributions.Distribution.set_default_validate_args(True)


def test_divergences_are_those_of_torch(torch, unchecked):
    pairs = pairs_of_kl(torch)
    assert len(pairs) > 80
    results = []
    for library in (jtorch, torch):
        kl = library.distributions.kl_divergence
        both = [(made(library, *p)[0], made(library, *q)[0]) for p, q in pairs]
        results.append([outcome(lambda p=p, q=q, kl=kl: kl(p, q)) for p, q in both])
    for (p, q), mine, theirs in zip(pairs, *results, strict=True):
        same(mine, theirs, 1e-4, (p[0], q[0]))


def test_divergence_by_class(torch):
    for library in (jtorch, torch):
        D = library.distributions

        class Mine(D.Normal):
            pass

        one, two = Mine(0.0, 1.0), D.Normal(1.0, 1.0)
        assert D.kl_divergence(one, two).item() == 0.5  # by hand
        D.register_kl(Mine, D.Normal)(lambda p, q: "mine")
        assert D.kl_divergence(one, two) == "mine"
        with pytest.raises(NotImplementedError, match="No KL"):
            D.kl_divergence(D.StudentT(1.0), two)
        independent = D.Independent(D.Normal(library.zeros(3), 1.0), 1)
        other = D.Independent(D.Normal(library.ones(3), 1.0), 1)
        assert D.kl_divergence(independent, other).item() == 1.5  # 3 halves
        log = D.kl_divergence(D.LogNormal(0.0, 1.0), D.LogNormal(1.0, 1.0))
        assert log.item() == 0.5


WRONG = [
    lambda t, D: D.Normal(t.zeros(2), t.tensor([1.0, -1.0])),
    lambda t, D: D.Normal(t.tensor(float("nan")), 1.0),
    lambda t, D: D.Normal("a", 1.0),
    lambda t, D: D.Uniform(1.0, 0.0),
    lambda t, D: D.Bernoulli(),
    lambda t, D: D.Bernoulli(0.5, 0.5),
    lambda t, D: D.Bernoulli(t.tensor([0.5, 1.5])),
    lambda t, D: D.Categorical(t.tensor(0.5)),
    lambda t, D: D.Categorical(logits=t.tensor(0.5)),
    lambda t, D: D.Categorical(t.tensor([-0.5, 1.5])),
    lambda t, D: D.Geometric(t.tensor([0.0, 0.5])),
    lambda t, D: D.Dirichlet(t.tensor(1.0)),
    lambda t, D: D.Multinomial(t.tensor(3), t.ones(2)),
    lambda t, D: D.MultivariateNormal(t.zeros(2)),
    lambda t, D: D.MultivariateNormal(t.tensor(0.0), t.eye(2)),
    lambda t, D: D.MultivariateNormal(t.zeros(2), t.ones(2)),
    lambda t, D: D.MultivariateNormal(t.zeros(2), -t.eye(2)),
    lambda t, D: D.LowRankMultivariateNormal(t.tensor(0.0), t.ones(1, 1), t.ones(1)),
    lambda t, D: D.LowRankMultivariateNormal(t.zeros(2), t.ones(2), t.ones(2)),
    lambda t, D: D.LowRankMultivariateNormal(t.zeros(2), t.ones(3, 1), t.ones(2)),
    lambda t, D: D.LowRankMultivariateNormal(t.zeros(2), t.ones(2, 1), t.ones(3)),
    lambda t, D: D.LowRankMultivariateNormal(t.zeros(3, 2), t.ones(2, 2, 1), t.ones(2)),
    lambda t, D: D.Wishart(3.0),
    lambda t, D: D.Wishart(3.0, t.ones(2)),
    lambda t, D: D.Wishart(0.5, t.eye(2)),
    lambda t, D: D.Wishart(3.0, -t.eye(2)),
    lambda t, D: D.LKJCholesky(1),
    lambda t, D: D.Independent(D.Normal(0.0, 1.0), 1),
    lambda t, D: D.TransformedDistribution(D.Normal(0.0, 1.0), 3),
    lambda t, D: D.TransformedDistribution(D.Normal(0.0, 1.0), [3]),
    lambda t, D: D.TransformedDistribution(D.Normal(0.0, 1.0), D.StickBreakingTransform()),
    lambda t, D: D.MixtureSameFamily(D.Normal(0.0, 1.0), D.Normal(0.0, 1.0)),
    lambda t, D: D.MixtureSameFamily(D.Categorical(t.ones(2)), D.Normal(t.zeros(3), 1.0)),
    lambda t, D: D.Normal(0.0, 1.0).log_prob(1.0),
    lambda t, D: D.Normal(t.zeros(2), 1.0).log_prob(t.zeros(3)),
    lambda t, D: D.Normal(t.zeros(2), 1.0).log_prob(t.tensor([0.0, float("nan")])),
    lambda t, D: D.Bernoulli(0.5).log_prob(t.tensor(0.3)),
    lambda t, D: D.Categorical(t.ones(3)).log_prob(t.tensor(3)),
    lambda t, D: D.Dirichlet(t.ones(3)).log_prob(t.ones(2)),
    lambda t, D: D.Poisson(1.0).log_prob(t.tensor(-1.0)),
    lambda t, D: D.Binomial(t.tensor([2, 3]), t.tensor(0.5)).entropy(),
    lambda t, D: D.Normal(0.0, 1.0).enumerate_support(),
    lambda t, D: D.Poisson(1.0).entropy(),
    lambda t, D: D.Bernoulli(0.5).rsample(),
    lambda t, D: D.Transform(cache_size=2),
    lambda t, D: D.ReshapeTransform((2,), (3,)),
    lambda t, D: D.biject_to(3),
    lambda t, D: D.biject_to(D.constraints.one_hot),
    lambda t, D: D.constraints.dependent.event_dim,
    lambda t, D: D.constraints.independent(3, 1),
    lambda t, D: D.constraints.independent(D.constraints.real, -1),
    lambda t, D: D.Distribution.set_default_validate_args(None),
    lambda t, D: D.register_kl(3, D.Normal),
    lambda t, D: type("Own", (D.Normal,), {"__init__": lambda self: None})().expand((2,)),
]


def test_errors_are_those_of_torch(torch):
    def error(library, call):
        try:
            call(library, library.distributions)
        except Exception as raised:
            return type(raised), str(raised).replace("jtorch", "torch")
        return "no error"

    for call in WRONG:
        theirs = error(torch, call)
        if theirs[0] is TypeError and "issubclass" in theirs[1]:
            assert error(jtorch, call)[0] is TypeError  # Python's text, for an argument that is no class
            continue
        assert error(jtorch, call) == theirs, inspect.getsource(call)


def test_signatures_are_those_of_torch(torch):
    """Names and orders of the parameters of every class and its public methods."""
    compared = 0
    for name in jtorch.distributions.__all__:
        mine, theirs = getattr(jtorch.distributions, name), getattr(torch.distributions, name)
        if not isinstance(mine, type):
            continue
        assert [c.__name__ for c in mine.__mro__ if c.__module__.endswith(("distribution", "transforms"))][
            -1:
        ] == [c.__name__ for c in theirs.__mro__ if c.__module__.endswith(("distribution", "transforms"))][
            -1:
        ], name
        for member in ("__init__", "sample", "rsample", "log_prob", "cdf", "icdf", "expand", "entropy",
                       "enumerate_support", "log_abs_det_jacobian", "with_cache"):  # fmt: skip
            if callable(getattr(theirs, member, None)):
                compared += 1
                wanted, given = (
                    list(inspect.signature(getattr(c, member)).parameters) for c in (theirs, mine)
                )
                assert given == wanted, (name, member)
    assert compared > 300


#: Classes that jtorch lacks, by reason.
MISSING = {}


def test_names_are_those_of_torch(torch):
    assert set(torch.distributions.__all__) - set(jtorch.distributions.__all__) == set(MISSING)
    assert set(jtorch.distributions.__all__) <= set(torch.distributions.__all__)
    for module in ("constraints", "utils", "transforms", "constraint_registry"):
        mine, theirs = (getattr(lib.distributions, module) for lib in (jtorch, torch))
        assert set(mine.__all__) == set(theirs.__all__), module


def transforms_of(t, D):
    square = [[0.5, 0.2], [-0.3, 1.0]]
    vector = [0.5, -0.2, 1.0]
    yield D.ExpTransform(), vector
    yield D.PowerTransform(t.tensor(2.0)), [0.5, 0.2]
    yield D.SigmoidTransform(), vector
    yield D.SoftplusTransform(), vector
    yield D.TanhTransform(), vector
    yield D.AbsTransform(), vector
    yield D.AffineTransform(1.0, -2.0), vector
    yield D.AffineTransform(t.tensor([1.0, 2.0, 3.0]), t.tensor(0.5), event_dim=1), vector
    yield D.SoftmaxTransform(), vector
    yield D.StickBreakingTransform(), vector
    yield D.CorrCholeskyTransform(), vector
    yield D.LowerCholeskyTransform(), square
    yield D.PositiveDefiniteTransform(), square
    yield D.ReshapeTransform((2, 2), (4,)), square
    yield D.ComposeTransform([D.AffineTransform(0.0, 2.0), D.StickBreakingTransform()]), vector
    yield D.IndependentTransform(D.ExpTransform(), 1), vector
    yield D.CatTransform([D.ExpTransform(), D.TanhTransform()], 0, [1, 2]), vector
    yield D.StackTransform([D.ExpTransform(), D.TanhTransform()], 1), square
    yield D.CumulativeDistributionTransform(D.Normal(0.0, 1.0)), vector
    yield D.identity_transform, vector
    yield D.ExpTransform().inv, [0.5, 2.0]
    yield D.ComposeTransform([D.ExpTransform(), D.PowerTransform(t.tensor(2.0))]).inv, [0.5, 2.0]


def test_transforms_are_those_of_torch(torch, unchecked):
    results = []
    for library in (jtorch, torch):
        got = []
        for transform, x in transforms_of(library, library.distributions):
            x = library.tensor(x)
            y = transform(x)
            got.append((
                repr(transform), str(transform.domain), str(transform.codomain), transform.bijective,
                transform.domain.event_dim, transform.codomain.event_dim, y, transform.inv(y),
                outcome(lambda f=transform, x=x, y=y: f.log_abs_det_jacobian(x, y)),
                outcome(lambda f=transform: str(f.sign)), tuple(transform.forward_shape(x.shape)),
                tuple(transform.inverse_shape(y.shape)), transform == transform, transform == 3,
                transform.inv.inv is transform or repr(transform.inv),
            ))  # fmt: skip
        results.append(got)
    assert len(results[0]) == 22
    for mine, theirs in zip(*results, strict=True):
        for a, b in zip(mine, theirs, strict=True):
            same(a, b, 1e-5, theirs[0])


def test_caches_and_copies_of_transforms():
    D, x = jtorch.distributions, jtorch.tensor([0.5, -1.0])
    transform = D.TanhTransform().with_cache()
    y = transform(x)
    assert transform(x) is y
    assert transform.inv(y) is x
    assert transform.with_cache(1) is transform
    affine = D.AffineTransform(1.0, 2.0, event_dim=1).with_cache(1)
    assert (affine.loc, affine.scale, affine.event_dim, affine._cache_size) == (1.0, 2.0, 1, 1)
    copy = pickle.loads(pickle.dumps(affine))
    assert copy == affine
    assert D.PowerTransform(jtorch.tensor(2.0)) == D.PowerTransform(jtorch.tensor(2.0))


CONSTRAINTS = [
    ("boolean", None), ("one_hot", None), ("real", None), ("real_vector", None), ("positive", None),
    ("nonnegative", None), ("unit_interval", None), ("simplex", None), ("nonnegative_integer", None),
    ("positive_integer", None), ("integer_interval", (0, 2)), ("greater_than", (0.5,)),
    ("greater_than_eq", (0.5,)), ("less_than", (0.5,)), ("interval", (-1.0, 0.5)),
    ("half_open_interval", (-1.0, 1.0)), ("multinomial", (2,)), ("lower_triangular", None),
    ("lower_cholesky", None), ("corr_cholesky", None), ("square", None), ("symmetric", None),
    ("positive_semidefinite", None), ("positive_definite", None), ("dependent", None),
]  # fmt: skip
VALUES = [
    [[1.0, 0.0], [0.5, 2.0]],
    [[0.25, 0.75], [1.0, 1.0]],
    [[2.0, 0.5], [0.5, 2.0]],
    [[-1.0, 0.3], [0.3, 0.5]],
]


def test_constraints_are_those_of_torch(torch):
    for name, arguments in CONSTRAINTS:
        results = []
        for library in (jtorch, torch):
            found = getattr(library.distributions.constraints, name)
            found = found if arguments is None else found(*arguments)
            got = [repr(found), outcome(lambda c=found: c.is_discrete), outcome(lambda c=found: c.event_dim)]
            got += [outcome(lambda c=found, v=v, t=library: c.check(t.tensor(v)).tolist()) for v in VALUES]
            for registry in (library.distributions.biject_to, library.distributions.transform_to):
                got.append(outcome(lambda r=registry, c=found: repr(r(c))))
            results.append(got)
        assert results[0] == results[1], name


def test_constraints_of_parts(torch):
    results = []
    for library in (jtorch, torch):
        c = library.distributions.constraints
        both = [c.positive, c.unit_interval]
        cat, stack = c.cat(both, 0, [1, 2]), c.stack(both, 1)
        x = library.tensor([[2.0, 0.5], [0.5, 2.0], [-1.0, 1.0]])
        to = library.distributions.biject_to
        results.append([
            cat.check(x).tolist(), stack.check(x).tolist(), cat.event_dim, stack.is_discrete,
            to(cat)(x).tolist(), to(stack)(x).tolist(),
            c.MixtureSameFamilyConstraint(c.simplex).check(x[:2]).tolist(),
            repr(c.MixtureSameFamilyConstraint(c.simplex)),
        ])  # fmt: skip
    assert repr(results[0][:4]) == repr(results[1][:4])
    assert results[0][6:] == results[1][6:]
    for mine, theirs in zip(results[0][4:6], results[1][4:6], strict=True):
        same(jtorch.tensor(mine), torch.tensor(theirs), 1e-5, "transform")


def composites(t, D):
    """Distributions made of distributions."""
    logits = t.tensor([0.2, -1.0, 0.5])
    loc = t.tensor([[0.5, -1.0], [1.0, 0.0], [2.0, 2.0]])
    yield D.MixtureSameFamily(D.Categorical(logits=logits), D.Normal(loc[:, 0], 1.0))
    yield D.MixtureSameFamily(D.Categorical(logits=logits), D.Independent(D.Normal(loc, 1.0), 1))
    yield D.Independent(D.Bernoulli(logits=loc), 1)
    parts = [D.SigmoidTransform(), D.AffineTransform(1.0, -2.0)]
    yield D.TransformedDistribution(D.Normal(loc, 1.0), parts)
    yield D.TransformedDistribution(D.Normal(0.0, 1.0), D.AffineTransform(loc, t.tensor(2.0)))
    yield D.TransformedDistribution(D.Normal(loc, 1.0), D.StickBreakingTransform())
    yield D.TransformedDistribution(D.Independent(D.Normal(loc, 1.0), 1), [D.TanhTransform()])


def test_composites_are_those_of_torch(torch, unchecked):
    results = []
    for library in (jtorch, torch):
        got = []
        for d in composites(library, library.distributions):
            library.manual_seed(7)
            x = d.sample((2,))
            wider = d.expand((4, *d.batch_shape))
            got.append((
                repr(d), tuple(d.batch_shape), tuple(d.event_shape), str(d.support), x, d.log_prob(x),
                outcome(lambda d=d: d.mean), outcome(lambda d=d: d.variance),
                outcome(lambda d=d, x=x: d.cdf(x)),
                outcome(d.entropy), tuple(wider.batch_shape), wider.log_prob(x[0]),
            ))  # fmt: skip
        results.append(got)
    assert len(results[0]) == 7
    for mine, theirs in zip(*results, strict=True):
        for a, b in zip(mine, theirs, strict=True):
            same(a, b, 1e-4, theirs[0])


def own_distribution(library, parameter):
    """A subclass as users write it."""

    class Unit(library.distributions.Distribution):
        def __init__(self):
            super().__init__(library.Size([2]))

        def rsample(self, sample_shape=()):
            return library.ones(self._extended_shape(sample_shape)) * parameter

        def log_prob(self, value):
            self._validate_sample(value)
            return value * 0

    return Unit


def test_own_distributions(torch):
    """The base's defaults, and warnings for what a subclass leaves out."""
    for library in (jtorch, torch):
        make = own_distribution(library, library.tensor(2.0, requires_grad=True))
        with pytest.warns(UserWarning, match="does not define `arg_constraints`"):
            unit = make()
        assert unit.sample((3,)).shape == (3, 2)
        assert not unit.sample().requires_grad
        assert unit.rsample().requires_grad
        with pytest.warns(UserWarning, match="does not define `support`"):
            unit.log_prob(library.zeros(2))
        for name in ("mean", "variance", "stddev", "support"):
            with pytest.raises(NotImplementedError):
                getattr(unit, name)
        with pytest.raises(NotImplementedError, match="does not implement mode"):
            _ = unit.mode
        with pytest.warns(FutureWarning, match="sample_n"):
            assert unit.sample_n(4).shape == (4, 2)


def test_validation_can_be_switched_off():
    D = jtorch.distributions
    assert D.Normal(0.0, -1.0, validate_args=False).scale.item() == -1
    try:
        D.Distribution.set_default_validate_args(False)
        assert D.Normal(0.0, -1.0).scale.item() == -1
    finally:
        D.Distribution.set_default_validate_args(True)
    with warnings.catch_warnings(), pytest.raises(ValueError, match="GreaterThan"):
        D.Normal(0.0, -1.0)


def test_lazy_forms_keep_gradients_and_appear_in_the_printed_form():
    logits = jtorch.tensor([0.0, 1.0], requires_grad=True)
    d = jtorch.distributions.Bernoulli(logits=logits)
    assert repr(d) == "Bernoulli(logits: torch.Size([2]))"
    with jtorch.no_grad():
        probs = d.probs
    assert probs.requires_grad
    assert repr(d) == "Bernoulli(probs: torch.Size([2]), logits: torch.Size([2]))"
    assert d.probs is probs


def test_slopes_of_beta_samples_are_exact():
    """For beta(a, 1) the distribution function is x ** a, so dx/da = -x log(x) / a, by hand."""
    x = jtorch.tensor([0.1, 0.5, 0.9, 0.999], dtype=jtorch.float64)
    a = jtorch.tensor([0.5, 2.0, 30.0, 3.0], dtype=jtorch.float64)
    slope = jtorch._dirichlet_grad(x, a, a + 1) * (1 - x)
    jtorch.testing.assert_close(slope, -x * x.log() / a, rtol=1e-6, atol=0)


def test_wishart_warns_as_in_torch(torch):
    for library in (jtorch, torch):
        d = library.distributions.Wishart(library.tensor(4.0), library.eye(2))
        with pytest.warns(UserWarning, match="^Singular sample detected.$"):
            d.rsample()
