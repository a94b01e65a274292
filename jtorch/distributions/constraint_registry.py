"""Transforms from all real numbers to a set (``torch.distributions.biject_to`` and ``transform_to``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jtorch.distributions import constraints
from jtorch.distributions import transforms as t
from jtorch.distributions.utils import NUMBERS

__all__ = ["ConstraintRegistry", "biject_to", "transform_to"]


class ConstraintRegistry:
    """Finds a transform for a set by the set's class."""

    def __init__(self) -> None:
        self._registry: dict[type, Callable[[Any], t.Transform]] = {}

    def register(self, constraint: Any, factory: Any = None) -> Any:
        """Say how transforms for a class of sets are made; without ``factory``, a decorator.

        Raises:
            TypeError: ``constraint`` is neither a set nor a class of sets.
        """
        if factory is None:
            return lambda factory: self.register(constraint, factory)
        kind = type(constraint) if isinstance(constraint, constraints.Constraint) else constraint
        if not (isinstance(kind, type) and issubclass(kind, constraints.Constraint)):
            raise TypeError(
                f"Expected constraint to be either a Constraint subclass or instance, but got {constraint}"
            )
        self._registry[kind] = factory
        return factory

    def __call__(self, constraint: Any) -> t.Transform:
        """A transform onto a set.

        Raises:
            NotImplementedError: none is known.
        """
        try:
            factory = self._registry[type(constraint)]
        except KeyError:
            raise NotImplementedError(f"Cannot transform {type(constraint).__name__} constraints") from None
        return factory(constraint)


#: Bijective transforms, with Jacobians.
biject_to = ConstraintRegistry()
#: Transforms that need not be bijective, for optimization.
transform_to = ConstraintRegistry()


def _above(c: Any) -> t.Transform:
    return t.ComposeTransform([t.ExpTransform(), t.AffineTransform(c.lower_bound, 1)])


def _below(c: Any) -> t.Transform:
    return t.ComposeTransform([t.ExpTransform(), t.AffineTransform(c.upper_bound, -1)])


def _between(c: Any) -> t.Transform:
    bounds = (c.lower_bound, c.upper_bound)
    if all(isinstance(b, NUMBERS) for b in bounds) and bounds == (0, 1):
        return t.SigmoidTransform()
    affine = t.AffineTransform(c.lower_bound, c.upper_bound - c.lower_bound)
    return t.ComposeTransform([t.SigmoidTransform(), affine])


#: Classes of sets for both registries. `positive` is an instance of `greater_than`, so it comes after it.
_BOTH: dict[Any, Callable[[Any], t.Transform]] = {
    constraints.real: lambda c: t.identity_transform,
    constraints.greater_than: _above,
    constraints.greater_than_eq: _above,
    constraints.less_than: _below,
    constraints.interval: _between,
    constraints.half_open_interval: _between,
    constraints.corr_cholesky: lambda c: t.CorrCholeskyTransform(),
}
for _set, _factory in _BOTH.items():
    biject_to.register(_set, _factory)
    transform_to.register(_set, _factory)
for _registry in (biject_to, transform_to):
    _registry.register(
        constraints.independent,
        lambda c, to=_registry: t.IndependentTransform(to(c.base_constraint), c.reinterpreted_batch_ndims),
    )
    _registry.register(
        constraints.cat, lambda c, to=_registry: t.CatTransform([to(s) for s in c.cseq], c.dim, c.lengths)
    )
    _registry.register(
        constraints.stack, lambda c, to=_registry: t.StackTransform([to(s) for s in c.cseq], c.dim)
    )
biject_to.register(constraints.simplex, lambda c: t.StickBreakingTransform())
transform_to.register(constraints.simplex, lambda c: t.SoftmaxTransform())
transform_to.register(constraints.lower_cholesky, lambda c: t.LowerCholeskyTransform())
transform_to.register(constraints.positive_definite, lambda c: t.PositiveDefiniteTransform())
transform_to.register(constraints.positive_semidefinite, lambda c: t.PositiveDefiniteTransform())
