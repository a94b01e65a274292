"""Angles."""

from __future__ import annotations

import math
from typing import Any

import jtorch
from jtorch.distributions import constraints
from jtorch.distributions._expanding import Expanding
from jtorch.tensor import Tensor

__all__ = ["VonMises"]


class VonMises(Expanding):
    """Angles around ``loc``; ``concentration`` is near 1 / variance for narrow ones."""

    arg_constraints = {"loc": constraints.real, "concentration": constraints.positive}
    support = constraints.real
    has_rsample = False

    def __init__(self, loc: Any, concentration: Any, validate_args: bool | None = None) -> None:
        super().__init__(self._take(loc=loc, concentration=concentration), validate_args=validate_args)

    def log_prob(self, value: Any) -> Tensor:
        self._check_value(value)
        kappa = self.concentration
        normalizer = math.log(2 * math.pi) + kappa + jtorch.special.i0e(kappa).log()
        return kappa * (value - self.loc).cos() - normalizer

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Angles by rejection from a wrapped Cauchy distribution, computed in float64.

        Reference: Best and Fisher, 1979, https://doi.org/10.2307/2346732
        """
        with jtorch.no_grad():
            loc, kappa = self.loc.double(), self.concentration.double()
            tau = 1 + (1 + 4 * kappa**2).sqrt()
            rho = (tau - (2 * tau).sqrt()) / (2 * kappa)
            r = jtorch.where(kappa < 1e-5, 1 / kappa + kappa, (1 + rho**2) / (2 * rho))
            shape = self._extended_shape(sample_shape)
            angles = jtorch.zeros(shape, dtype=jtorch.double, device=loc.device)
            done = jtorch.zeros(shape, dtype=jtorch.bool, device=loc.device)
            while not bool(done.all()):
                u1, u2, u3 = jtorch.rand((3, *shape), dtype=jtorch.double, device=loc.device).unbind()
                z = (math.pi * u1).cos()
                f = (1 + r * z) / (r + z)
                c = kappa * (r - f)
                accept = (c * (2 - c) - u2 > 0) | ((c / u2).log() + 1 - c >= 0)
                angles = jtorch.where(accept, (u3 - 0.5).sign() * f.acos(), angles)
                done = done | accept
            return ((angles + math.pi + loc) % (2 * math.pi) - math.pi).to(self.loc.dtype)

    @property
    def mean(self) -> Tensor:
        return self.loc

    mode = mean

    @property
    def variance(self) -> Tensor:
        """1 - I1 / I0, the circular variance."""
        return 1 - jtorch.special.i1e(self.concentration) / jtorch.special.i0e(self.concentration)
