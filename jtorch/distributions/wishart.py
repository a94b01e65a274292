"""Random positive definite matrices."""

from __future__ import annotations

import math
import warnings
from typing import Any

import jtorch
from jtorch.distributions import constraints
from jtorch.distributions._expanding import Expanding
from jtorch.distributions.chi2 import Chi2
from jtorch.distributions.exp_family import ExponentialFamily
from jtorch.distributions.multivariate_normal import _half_log_det, _precision_to_scale_tril
from jtorch.distributions.utils import lazy_property
from jtorch.tensor import Size, Tensor

__all__ = ["Wishart"]


class Wishart(Expanding, ExponentialFamily):
    """Sums of ``df`` products x x^T of normal vectors without mean; give exactly one of the matrices.

    Args:
        df: degrees of freedom, above n - 1; need not be whole.
        covariance_matrix: of the vectors, positive definite, shape ``(*, n, n)``.
        precision_matrix: its inverse, instead.
        scale_tril: its lower Cholesky factor, instead.
        validate_args: as for every distribution.

    Raises:
        AssertionError: none or several of the matrices.
        ValueError: a matrix without two dimensions, or ``df`` too small.

    Reference: Odell and Feiveson, "A Numerical Procedure to Generate a Sample Covariance Matrix", 1966
    """

    support = constraints.positive_definite
    has_rsample = True
    _mean_carrier_measure = 0

    @property
    def arg_constraints(self) -> dict[str, Any]:
        return {
            "covariance_matrix": constraints.positive_definite,
            "precision_matrix": constraints.positive_definite,
            "scale_tril": constraints.lower_cholesky,
            "df": constraints.greater_than(self.event_shape[-1] - 1),
        }

    def __init__(
        self,
        df: Tensor | float,
        covariance_matrix: Tensor | None = None,
        precision_matrix: Tensor | None = None,
        scale_tril: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        every = {
            "covariance_matrix": covariance_matrix,
            "precision_matrix": precision_matrix,
            "scale_tril": scale_tril,
        }
        given = [(name, matrix) for name, matrix in every.items() if matrix is not None]
        if len(given) != 1:
            raise AssertionError(
                "Exactly one of covariance_matrix or precision_matrix or scale_tril may be specified."
            )
        [(name, matrix)] = given
        if matrix.dim() < 2:
            raise ValueError(
                "scale_tril must be at least two-dimensional, with optional leading batch dimensions"
            )
        number = not isinstance(df, Tensor)
        degrees: Any = jtorch.tensor(df, dtype=matrix.dtype, device=matrix.device) if number else df
        batch_shape = Size(jtorch.broadcast_shapes(matrix.shape[:-2], degrees.shape))
        self.df: Tensor = degrees if number else degrees.expand(batch_shape)
        size = matrix.shape[-1]
        if self.df.le(size - 1).any():
            raise ValueError(f"Value of df={df} expected to be greater than ndim - 1 = {size - 1}.")
        if self.df.lt(size).any():
            warnings.warn(
                "Low df values detected. Singular samples are highly likely to occur for "
                "ndim - 1 < df < ndim.",
                stacklevel=2,
            )
        self.__dict__[name] = matrix.expand((*batch_shape, -1, -1))
        super().__init__(batch_shape, matrix.shape[-2:], validate_args=validate_args)
        factor = {"scale_tril": lambda m: m, "covariance_matrix": jtorch.linalg.cholesky}
        self._unbroadcasted_scale_tril = factor.get(name, _precision_to_scale_tril)(matrix)
        below = jtorch.arange(size, dtype=matrix.dtype, device=matrix.device)
        self._dist_chi2 = Chi2(self.df.unsqueeze(-1) - below.expand((*batch_shape, -1)))

    def _whole(self, matrix: Tensor) -> Tensor:
        return matrix.expand((*self._batch_shape, *self._event_shape))

    @lazy_property
    def scale_tril(self) -> Tensor:
        """Lower Cholesky factor of the covariance matrix."""
        return self._whole(self._unbroadcasted_scale_tril)

    @lazy_property
    def covariance_matrix(self) -> Tensor:
        """Covariance matrix of the vectors."""
        return self._whole(self._unbroadcasted_scale_tril @ self._unbroadcasted_scale_tril.mT)

    @lazy_property
    def precision_matrix(self) -> Tensor:
        """Inverse of the covariance matrix."""
        return self._whole(jtorch.cholesky_inverse(self._unbroadcasted_scale_tril))

    def _times_covariance(self, factor: Tensor) -> Tensor:
        return factor.expand(self._batch_shape)[..., None, None] * self.covariance_matrix

    @property
    def mean(self) -> Tensor:
        return self._times_covariance(self.df)

    @property
    def mode(self) -> Tensor:
        above = self.df - self._event_shape[-1] - 1
        return self._times_covariance(jtorch.where(above > 0, above, math.nan))

    @property
    def variance(self) -> Tensor:
        covariance = self.covariance_matrix
        diagonal = covariance.diagonal(dim1=-2, dim2=-1)
        products = diagonal.unsqueeze(-1) * diagonal.unsqueeze(-2)
        return self.df.expand(self._batch_shape)[..., None, None] * (covariance.pow(2) + products)

    def _bartlett(self, sample_shape: Any) -> Tensor:
        """L A A^T L^T with A lower triangular: roots of chi-squares on its diagonal, normal numbers below."""
        size = self._event_shape[-1]
        roots = self._dist_chi2.rsample(sample_shape).sqrt()
        noise = roots.clamp(min=jtorch.finfo(roots.dtype).eps).diag_embed(dim1=-2, dim2=-1)
        i, j = jtorch.tril_indices(size, size, offset=-1)
        noise[..., i, j] = jtorch.randn(
            (*sample_shape, *self._batch_shape, size * (size - 1) // 2),
            dtype=noise.dtype,
            device=noise.device,
        )
        factor = self._unbroadcasted_scale_tril @ noise
        return factor @ factor.mT

    def _of_any_batch(self, each: Tensor) -> Tensor:
        dims = [-(i + 1) for i in range(len(self._batch_shape))]
        return each.amax(dims) if dims else each

    def rsample(self, sample_shape: Any = (), max_try_correction: int | None = None) -> Tensor:
        """Matrices that remember how they depend on the parameters.

        Args:
            sample_shape: numbers of samples.
            max_try_correction: how often those that came out singular are drawn anew; 10 by default.
        """
        sample = self._bartlett(sample_shape := Size(sample_shape))
        # PyTorch draws the *regular* matrices of the first round anew, and then those that stay singular;
        # only so the samples are the same, and so is its warning, which speaks of them.
        again = self._of_any_batch(self.support.check(sample))
        if again.any():
            warnings.warn("Singular sample detected.", stacklevel=2)
        for _ in range(10 if max_try_correction is None else max_try_correction):
            if not again.any():
                break
            drawn = self._bartlett(again[again].shape)
            sample[again] = drawn
            again[again.clone()] = self._of_any_batch(~self.support.check(drawn))
        return sample

    def log_prob(self, value: Any) -> Tensor:
        self._check_value(value)
        df, size, factor = self.df, self._event_shape[-1], self._unbroadcasted_scale_tril
        trace = jtorch.cholesky_solve(value, factor).diagonal(dim1=-2, dim2=-1).sum(-1)
        return (
            -df * (size * math.log(2) / 2 + _half_log_det(factor))
            - jtorch.mvlgamma(df / 2, p=size)
            + (df - size - 1) / 2 * jtorch.linalg.slogdet(value).logabsdet
            - trace / 2
        )

    def entropy(self) -> Tensor:
        df, size = self.df, self._event_shape[-1]
        steps = jtorch.arange(size, dtype=df.dtype, device=df.device) / 2
        digamma = jtorch.digamma((df / 2).unsqueeze(-1) - steps).sum(-1)
        return (
            (size + 1) * (size * math.log(2) / 2 + _half_log_det(self._unbroadcasted_scale_tril))
            + jtorch.mvlgamma(df / 2, p=size)
            - (df - size - 1) / 2 * digamma
            + df * size / 2
        )

    @property
    def _natural_params(self) -> tuple[Tensor, Tensor]:
        return -self.precision_matrix / 2, (self.df - self._event_shape[-1] - 1) / 2

    def _log_normalizer(self, *natural_params: Tensor) -> Tensor:
        x, y = natural_params
        size = self._event_shape[-1]
        half = y + (size + 1) / 2
        log_det = jtorch.linalg.slogdet(-2 * x).logabsdet
        return half * (-log_det + math.log(2) * size) + jtorch.mvlgamma(half, p=size)
