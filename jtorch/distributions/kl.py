"""Kullback-Leibler divergences (``torch.distributions.kl_divergence``).

KL(p || q) = E_p[-log q] - H(p). For pairs of different families the cross entropy E_p[-log q] needs few
expectations of p: its mean and variance, and those of log x, log(1 - x) and exp(-t x), listed in tables.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import jtorch
from jtorch import inf
from jtorch.distributions.bernoulli import Bernoulli
from jtorch.distributions.beta import Beta
from jtorch.distributions.binomial import Binomial
from jtorch.distributions.categorical import Categorical
from jtorch.distributions.cauchy import Cauchy
from jtorch.distributions.continuous_bernoulli import ContinuousBernoulli
from jtorch.distributions.dirichlet import Dirichlet
from jtorch.distributions.distribution import Distribution
from jtorch.distributions.exp_family import ExponentialFamily
from jtorch.distributions.exponential import Exponential
from jtorch.distributions.gamma import Gamma
from jtorch.distributions.geometric import Geometric
from jtorch.distributions.gumbel import Gumbel
from jtorch.distributions.half_normal import HalfNormal
from jtorch.distributions.independent import Independent
from jtorch.distributions.laplace import Laplace
from jtorch.distributions.lowrank_multivariate_normal import LowRankMultivariateNormal
from jtorch.distributions.multivariate_normal import (
    MultivariateNormal,
    _half_log_det,
    _squared_distance,
)
from jtorch.distributions.normal import Normal
from jtorch.distributions.one_hot_categorical import OneHotCategorical
from jtorch.distributions.pareto import Pareto
from jtorch.distributions.poisson import Poisson
from jtorch.distributions.transformed_distribution import TransformedDistribution
from jtorch.distributions.uniform import Uniform
from jtorch.distributions.utils import _sum_rightmost, euler_constant
from jtorch.nn.functional import softplus
from jtorch.tensor import Tensor

__all__ = ["kl_divergence", "register_kl"]

Formula = Callable[[Any, Any], Any]
_KL_REGISTRY: dict[tuple[type, type], Formula] = {}
_found: dict[tuple[type, type], Formula | None] = {}


def register_kl(type_p: type, type_q: type) -> Callable[[Formula], Formula]:
    """A decorator: the function computes KL(p || q) for objects of these classes and their subclasses.

    Raises:
        TypeError: an argument is no class.
    """
    for name, kind in (("type_p", type_p), ("type_q", type_q)):
        if not isinstance(kind, type):
            raise TypeError(f"Expected {name} to be a Distribution subclass but got {kind}")

    def decorator(fun: Formula) -> Formula:
        _KL_REGISTRY[type_p, type_q] = fun
        _found.clear()
        return fun

    return decorator


def _nearest(pairs: list[tuple[type, ...]]) -> tuple[type, ...]:
    """The most derived pair, the first classes deciding before the second."""
    best = pairs[0]
    for pair in pairs[1:]:
        for mine, other in zip(pair, best, strict=True):
            if mine is not other:
                best = pair if issubclass(mine, other) else best
                break
    return best


def _dispatch(type_p: type, type_q: type) -> Formula | None:
    pairs = [(p, q) for p, q in _KL_REGISTRY if issubclass(type_p, p) and issubclass(type_q, q)]
    if not pairs:
        return None
    left = _nearest(list(pairs))
    right = _nearest([(q, p) for p, q in pairs])[::-1]
    if _KL_REGISTRY[left] is not _KL_REGISTRY[right]:  # type: ignore[index]
        warnings.warn(
            f"Ambiguous kl_divergence({type_p.__name__}, {type_q.__name__}). "
            f"Please register_kl({left[0].__name__}, {right[1].__name__})",
            RuntimeWarning,
            stacklevel=3,
        )
    return _KL_REGISTRY[left]  # type: ignore[index]


def kl_divergence(p: Distribution, q: Distribution) -> Tensor:
    """KL(p || q) = E_p[log p - log q], for each place of the batch.

    Raises:
        NotImplementedError: no formula for the two classes is known; :func:`register_kl` adds one.
    """
    key = (type(p), type(q))
    if key not in _found:
        _found[key] = _dispatch(*key)
    formula = _found[key]
    if formula is None:
        raise NotImplementedError(
            f"No KL(p || q) is implemented for p type {type(p).__name__} and q type {type(q).__name__}"
        )
    return formula(p, q)


def _same(kind: type) -> Callable[[Formula], Formula]:
    return register_kl(kind, kind)


# ---- one family --------------------------------------------------------------------------------------


@_same(Bernoulli)
def _(p: Any, q: Any) -> Any:
    one = p.probs * (softplus(-q.logits) - softplus(-p.logits))
    one = one.masked_fill(q.probs == 0, inf).masked_fill(p.probs == 0, 0)
    zero = (1 - p.probs) * (softplus(q.logits) - softplus(p.logits))
    return one + zero.masked_fill(q.probs == 1, inf).masked_fill(p.probs == 1, 0)


@_same(Beta)
def _(p: Any, q: Any) -> Any:
    p1, p0, q1, q0 = p.concentration1, p.concentration0, q.concentration1, q.concentration0
    normalizers = _log_beta(q1, q0) - _log_beta(p1, p0)
    moments = (p1 - q1) * p1.digamma() + (p0 - q0) * p0.digamma()
    return normalizers + moments + (q1 + q0 - p1 - p0) * (p1 + p0).digamma()


@_same(Binomial)
def _(p: Any, q: Any) -> Any:
    if bool((p.total_count < q.total_count).any()):
        raise NotImplementedError(
            "KL between Binomials where q.total_count > p.total_count is not implemented"
        )
    single = p.probs * (p.logits - q.logits) + (-p.probs).log1p() - (-q.probs).log1p()
    return (p.total_count * single).masked_fill(p.total_count > q.total_count, inf)


@_same(Categorical)
def _(p: Any, q: Any) -> Any:
    t = p.probs * (p.logits - q.logits)
    return t.masked_fill(q.probs == 0, inf).masked_fill(p.probs == 0, 0).sum(-1)


@_same(ContinuousBernoulli)
def _(p: Any, q: Any) -> Any:
    own = p._cont_bern_log_norm() + (-p.probs).log1p()
    return p.mean * (p.logits - q.logits) + own - q._cont_bern_log_norm() - (-q.probs).log1p()


@_same(Dirichlet)
def _(p: Any, q: Any) -> Any:
    a, b, total = p.concentration, q.concentration, p.concentration.sum(-1)
    normalizers = total.lgamma() - b.sum(-1).lgamma() - (a.lgamma() - b.lgamma()).sum(-1)
    return normalizers + ((a - b) * (a.digamma() - total.digamma().unsqueeze(-1))).sum(-1)


@_same(Exponential)
def _(p: Any, q: Any) -> Any:
    ratio = q.rate / p.rate
    return -ratio.log() + ratio - 1


@_same(ExponentialFamily)
def _(p: Any, q: Any) -> Any:
    """The Bregman divergence of the log normalizer."""
    if type(p) is not type(q):
        raise NotImplementedError(
            "The cross KL-divergence between different exponential families cannot"
            + " " * 29
            + "be computed using Bregman divergences"
        )
    of_p = [n.detach().requires_grad_() for n in p._natural_params]
    normalizer = p._log_normalizer(*of_p)
    slopes = jtorch.autograd.grad(normalizer.sum(), of_p, create_graph=True)
    result = q._log_normalizer(*q._natural_params) - normalizer
    for mine, other, slope in zip(of_p, q._natural_params, slopes, strict=True):
        result = result - _sum_rightmost((other - mine) * slope, len(q.event_shape))
    return result


@_same(Gamma)
def _(p: Any, q: Any) -> Any:
    a, b = p.concentration, q.concentration
    normalizers = b * (p.rate / q.rate).log() + b.lgamma() - a.lgamma()
    return normalizers + (a - b) * a.digamma() + (q.rate - p.rate) * (a / p.rate)


@_same(Gumbel)
def _(p: Any, q: Any) -> Any:
    ratio, apart = p.scale / q.scale, (p.loc - q.loc) / q.scale
    last = (-apart + (1 + ratio).lgamma()).exp()
    return -ratio.log() + apart + ratio * euler_constant + last - (1 + euler_constant)


@_same(Geometric)
def _(p: Any, q: Any) -> Any:
    return -p.entropy() - (-q.probs).log1p() / p.probs - q.logits


@_same(Normal)
def _normal(p: Any, q: Any) -> Any:
    ratio = (p.scale / q.scale).pow(2)
    return 0.5 * (ratio + ((p.loc - q.loc) / q.scale).pow(2) - 1 - ratio.log())


@_same(HalfNormal)
def _(p: Any, q: Any) -> Any:
    return _normal(p.base_dist, q.base_dist)


@_same(Laplace)
def _(p: Any, q: Any) -> Any:
    ratio, apart = p.scale / q.scale, (p.loc - q.loc).abs()
    return -ratio.log() + apart / q.scale + ratio * (-apart / p.scale).exp() - 1


@_same(MultivariateNormal)
def _(p: Any, q: Any) -> Any:
    if p.event_shape != q.event_shape:
        raise ValueError(
            "KL-divergence between two Multivariate Normals with"
            + " " * 26
            + "different event shapes cannot be computed"
        )
    mine, other = p._unbroadcasted_scale_tril, q._unbroadcasted_scale_tril
    trace = jtorch.linalg.solve_triangular(other, mine, upper=False).pow(2).sum((-2, -1))
    distance = _squared_distance(other, q.loc - p.loc)
    return _half_log_det(other) - _half_log_det(mine) + 0.5 * (trace + distance - p.event_shape[0])


def _low_rank_event(p: Any, q: Any, what: str) -> None:
    if p.event_shape != q.event_shape:
        raise ValueError(
            f"KL-divergence between two {what} Normals with"
            + " " * 26
            + "different event shapes cannot be computed"
        )


@_same(LowRankMultivariateNormal)
def _(p: Any, q: Any) -> Any:
    _low_rank_event(p, q, "Low Rank Multivariate")
    solved, mine = q._solved(), p._unbroadcasted_cov_diag
    ratio, root = mine / q._unbroadcasted_cov_diag, q._unbroadcasted_cov_diag.rsqrt().unsqueeze(-1)
    trace = ratio.sum(-1) + (p._unbroadcasted_cov_factor * root).pow(2).sum((-2, -1))
    trace = trace - (solved * mine.sqrt().unsqueeze(-2)).pow(2).sum((-2, -1))
    trace = trace - (solved @ p._unbroadcasted_cov_factor).pow(2).sum((-2, -1))
    return 0.5 * (q._log_det() - p._log_det() + trace + q._distance(q.loc - p.loc) - p.event_shape[0])


@register_kl(MultivariateNormal, LowRankMultivariateNormal)
def _(p: Any, q: Any) -> Any:
    _low_rank_event(p, q, "(Low Rank) Multivariate")
    mine, root = p._unbroadcasted_scale_tril, q._unbroadcasted_cov_diag.rsqrt().unsqueeze(-1)
    trace = (mine * root).pow(2).sum((-2, -1)) - (q._solved() @ mine).pow(2).sum((-2, -1))
    apart = q._log_det() - 2 * _half_log_det(mine)
    return 0.5 * (apart + trace + q._distance(q.loc - p.loc) - p.event_shape[0])


@register_kl(LowRankMultivariateNormal, MultivariateNormal)
def _(p: Any, q: Any) -> Any:
    _low_rank_event(p, q, "(Low Rank) Multivariate")
    other = q._unbroadcasted_scale_tril
    parts = (p._unbroadcasted_cov_factor, p._unbroadcasted_cov_diag.sqrt().diag_embed())
    trace = sum(
        jtorch.linalg.solve_triangular(other, part, upper=False).pow(2).sum((-2, -1)) for part in parts
    )
    apart = 2 * _half_log_det(other) - p._log_det()
    return 0.5 * (apart + trace + _squared_distance(other, q.loc - p.loc) - p.event_shape[0])


@_same(OneHotCategorical)
def _(p: Any, q: Any) -> Any:
    return kl_divergence(p._categorical, q._categorical)


@_same(Pareto)
def _(p: Any, q: Any) -> Any:
    ratio = q.alpha / p.alpha
    result = q.alpha * (p.scale / q.scale).log() - ratio.log() + ratio - 1
    return result.masked_fill(p.scale < q.scale, inf)


@_same(Poisson)
def _(p: Any, q: Any) -> Any:
    return p.rate * (p.rate.log() - q.rate.log()) - (p.rate - q.rate)


@_same(TransformedDistribution)
def _(p: Any, q: Any) -> Any:
    if p.transforms != q.transforms or p.event_shape != q.event_shape:
        raise NotImplementedError
    return kl_divergence(p.base_dist, q.base_dist)


@_same(Uniform)
def _(p: Any, q: Any) -> Any:
    result = ((q.high - q.low) / (p.high - p.low)).log()
    return result.masked_fill((q.low > p.low) | (q.high < p.high), inf)


@_same(Independent)
def _(p: Any, q: Any) -> Any:
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise NotImplementedError
    return _sum_rightmost(kl_divergence(p.base_dist, q.base_dist), p.reinterpreted_batch_ndims)


@_same(Cauchy)
def _(p: Any, q: Any) -> Any:
    return ((p.scale + q.scale).pow(2) + (p.loc - q.loc).pow(2)).log() - (4 * p.scale * q.scale).log()


# ---- two families: expectations of p -----------------------------------------------------------------


def _log_beta(a: Tensor, b: Tensor) -> Tensor:
    return a.lgamma() + b.lgamma() - (a + b).lgamma()


def _mean_log(low: Tensor, high: Tensor) -> Tensor:
    """E[log x] for x uniform between two bounds."""
    return (high.xlogy(high) - low.xlogy(low)) / (high - low) - 1


#: E[log x].
_LOG: dict[type, Callable[[Any], Tensor]] = {
    Beta: lambda p: p.concentration1.digamma() - (p.concentration1 + p.concentration0).digamma(),
    Exponential: lambda p: -euler_constant - p.rate.log(),
    Pareto: lambda p: p.scale.log() + p.alpha.reciprocal(),
    Uniform: lambda p: _mean_log(p.low, p.high),
}
#: E[exp(-t x)].
_LAPLACE: dict[type, Callable[[Any, Tensor], Tensor]] = {
    Exponential: lambda p, t: p.rate / (p.rate + t),
    Gamma: lambda p, t: (1 + t / p.rate).pow(-p.concentration),
    Normal: lambda p, t: (-p.loc * t + 0.5 * (p.scale * t).pow(2)).exp(),
    Uniform: lambda p, t: ((-p.low * t).exp() - (-p.high * t).exp()) / ((p.high - p.low) * t),
}


def _on_half_line(p: Any, q: Any, result: Tensor) -> Tensor:
    """Infinite where p is uniform and begins below 0."""
    return result.masked_fill(p.low < 0, inf) if isinstance(p, Uniform) else result


def _to_normal(p: Any, q: Any) -> Any:
    squared = (p.variance + (p.mean - q.loc).pow(2)) / (2 * q.scale.pow(2))
    result = 0.5 * math.log(2 * math.pi) + q.scale.log() + squared - p.entropy()
    return result.masked_fill(p.alpha <= 2, inf) if isinstance(p, Pareto) else result


def _to_exponential(p: Any, q: Any) -> Any:
    result = -q.rate.log() + q.rate * p.mean - p.entropy()
    return _on_half_line(p, q, result)


def _to_gamma(p: Any, q: Any) -> Any:
    c, log_x = q.concentration, _LOG[_family(p, _LOG)](p)
    result = c.lgamma() - c * q.rate.log() - (c - 1) * log_x + q.rate * p.mean - p.entropy()
    return _on_half_line(p, q, result)


def _to_gumbel(p: Any, q: Any) -> Any:
    t = q.scale.reciprocal()
    tail = (q.loc * t).exp() * _LAPLACE[_family(p, _LAPLACE)](p, t)
    return q.scale.log() + (p.mean - q.loc) * t + tail - p.entropy()


def _family(p: Any, table: dict[type, Any]) -> type:
    return next(kind for kind in table if isinstance(p, kind))


_p: type
for _p in (Beta, ContinuousBernoulli, Exponential, Gamma, Gumbel, Laplace, Pareto, Uniform):
    register_kl(_p, Normal)(_to_normal)
for _p in (Beta, ContinuousBernoulli, Gamma, Pareto, Uniform):
    register_kl(_p, Exponential)(_to_exponential)
for _p in _LOG:
    register_kl(_p, Gamma)(_to_gamma)
for _p in _LAPLACE:
    register_kl(_p, Gumbel)(_to_gumbel)


@register_kl(Bernoulli, Poisson)
def _(p: Any, q: Any) -> Any:
    return -p.entropy() - (p.probs * q.rate.log() - q.rate)


@register_kl(Beta, ContinuousBernoulli)
def _to_continuous_bernoulli(p: Any, q: Any) -> Any:
    return -p.entropy() - p.mean * q.logits - (-q.probs).log1p() - q._cont_bern_log_norm()


@register_kl(Uniform, ContinuousBernoulli)
def _(p: Any, q: Any) -> Any:
    result = _to_continuous_bernoulli(p, q)
    return result.masked_fill((p.high >= 1) | (p.low <= 0), inf)  # closed bounds count as outside, as PyTorch


@register_kl(Beta, Uniform)
def _(p: Any, q: Any) -> Any:
    result = -p.entropy() + (q.high - q.low).log()
    return result.masked_fill((q.low > 0) | (q.high < 1), inf)


@register_kl(ContinuousBernoulli, Uniform)
def _(p: Any, q: Any) -> Any:
    result = -p.entropy() + (q.high - q.low).log()
    return result.masked_fill((q.low >= 0) | (q.high <= 1), inf)  # as PyTorch


@register_kl(Normal, Laplace)
def _(p: Any, q: Any) -> Any:
    apart = p.loc - q.loc
    z = apart / p.scale
    spread = math.sqrt(2 / math.pi) * p.scale * (-0.5 * z.pow(2)).exp()
    distance = spread + apart * (math.sqrt(0.5) * z).erf()
    return (2 * q.scale).log() + distance / q.scale - p.entropy()


@register_kl(Uniform, Beta)
def _(p: Any, q: Any) -> Any:
    a, b = q.concentration1, q.concentration0
    moments = (a - 1) * _mean_log(p.low, p.high) + (b - 1) * _mean_log(1 - p.high, 1 - p.low)
    result = _log_beta(a, b) - moments - p.entropy()
    return result.masked_fill((p.high > 1) | (p.low < 0), inf)


@register_kl(Uniform, Pareto)
def _(p: Any, q: Any) -> Any:
    normalizer = (q.alpha * q.scale.pow(q.alpha) * (p.high - p.low)).log()
    result = _mean_log(p.low, p.high) * (q.alpha + 1) - normalizer
    return result.masked_fill(p.low < q.scale, inf)


#: p has values where q has none. The first parameter of p lends its shape.
_INFINITE: tuple[tuple[tuple[type, ...], str, tuple[type, ...]], ...] = (
    ((Beta,), "concentration1", (Pareto,)),
    ((ContinuousBernoulli,), "probs", (Pareto,)),
    ((Exponential,), "rate", (Beta, ContinuousBernoulli, Pareto, Uniform)),
    ((Gamma,), "concentration", (Beta, ContinuousBernoulli, Pareto, Uniform)),
    ((Gumbel, Laplace, Normal), "loc", (Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform)),
    ((Pareto,), "scale", (Beta, ContinuousBernoulli, Uniform)),
    ((Poisson,), "rate", (Bernoulli, Binomial)),
)


def _infinite(name: str) -> Formula:
    return lambda p, q: jtorch.full_like(getattr(p, name), inf)


for _ps, _name, _qs in _INFINITE:
    for _p in _ps:
        for _q in _qs:
            register_kl(_p, _q)(_infinite(_name))
