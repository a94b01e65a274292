"""Normal vectors whose covariance is a matrix of low rank and a diagonal."""

from __future__ import annotations

import math
from typing import Any

import jtorch
from jtorch.distributions import constraints
from jtorch.distributions._expanding import Expanding
from jtorch.distributions.multivariate_normal import _half_log_det, _squared_distance
from jtorch.distributions.utils import _standard_normal, lazy_property
from jtorch.tensor import Tensor

__all__ = ["LowRankMultivariateNormal"]


def _scaled(factor: Tensor, diagonal: Tensor) -> Tensor:
    """W^T D^-1."""
    return factor.mT / diagonal.unsqueeze(-2)


def _plus_identity(matrix: Tensor) -> Tensor:
    return matrix + jtorch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)


class LowRankMultivariateNormal(Expanding):
    """Normal vectors of covariance W W^T + D, computed by matrices of the size of W's rank.

    The determinant lemma and Woodbury's identity lead everything back to C = I + W^T D^-1 W.

    Args:
        loc: mean, shape ``(*, n)``.
        cov_factor: W, shape ``(*, n, m)``.
        cov_diag: the diagonal of D, positive, shape ``(*, n)``.
        validate_args: as for every distribution.

    Raises:
        ValueError: shapes do not fit.
    """

    arg_constraints = {
        "loc": constraints.real_vector,
        "cov_factor": constraints.independent(constraints.real, 2),
        "cov_diag": constraints.independent(constraints.positive, 1),
    }
    support = constraints.real_vector
    has_rsample = True

    def __init__(
        self, loc: Tensor, cov_factor: Tensor, cov_diag: Tensor, validate_args: bool | None = None
    ) -> None:
        if loc.dim() < 1:
            raise ValueError("loc must be at least one-dimensional.")
        event_shape = loc.shape[-1:]
        if cov_factor.dim() < 2:
            raise ValueError(
                "cov_factor must be at least two-dimensional, with optional leading batch dimensions"
            )
        if cov_factor.shape[-2:-1] != event_shape:
            raise ValueError(f"cov_factor must be a batch of matrices with shape {event_shape[0]} x m")
        if cov_diag.shape[-1:] != event_shape:
            raise ValueError(f"cov_diag must be a batch of vectors with shape {event_shape}")
        try:
            columns = jtorch.broadcast_tensors(loc.unsqueeze(-1), cov_factor, cov_diag.unsqueeze(-1))
        except RuntimeError as error:
            raise ValueError(
                f"Incompatible batch shapes: loc {loc.shape}, cov_factor {cov_factor.shape}, "
                f"cov_diag {cov_diag.shape}"
            ) from error
        self.loc, self.cov_factor, self.cov_diag = columns[0][..., 0], columns[1], columns[2][..., 0]
        self._unbroadcasted_cov_factor, self._unbroadcasted_cov_diag = cov_factor, cov_diag
        self._capacitance_tril = jtorch.linalg.cholesky(
            _plus_identity(_scaled(cov_factor, cov_diag) @ cov_factor)
        )
        super().__init__(self.loc.shape[:-1], event_shape, validate_args=validate_args)

    def _whole(self, matrix: Tensor) -> Tensor:
        return matrix.expand((*self._batch_shape, *self._event_shape, *self._event_shape))

    def _log_det(self) -> Tensor:
        """Of the covariance: log |C| + log |D|."""
        return 2 * _half_log_det(self._capacitance_tril) + self._unbroadcasted_cov_diag.log().sum(-1)

    def _distance(self, x: Tensor) -> Tensor:
        """x^T (W W^T + D)^-1 x."""
        factor, diagonal = self._unbroadcasted_cov_factor, self._unbroadcasted_cov_diag
        inner = (_scaled(factor, diagonal) @ x.unsqueeze(-1)).squeeze(-1)
        return (x.pow(2) / diagonal).sum(-1) - _squared_distance(self._capacitance_tril, inner)

    def _solved(self) -> Tensor:
        """A with A^T A = D^-1 W C^-1 W^T D^-1, which the inverse of D exceeds the precision matrix by."""
        scaled = _scaled(self._unbroadcasted_cov_factor, self._unbroadcasted_cov_diag)
        return jtorch.linalg.solve_triangular(self._capacitance_tril, scaled, upper=False)

    @property
    def mean(self) -> Tensor:
        return self.loc

    mode = mean

    @lazy_property
    def variance(self) -> Tensor:
        squares = self._unbroadcasted_cov_factor.pow(2).sum(-1) + self._unbroadcasted_cov_diag
        return squares.expand((*self._batch_shape, *self._event_shape))

    @lazy_property
    def scale_tril(self) -> Tensor:
        """Lower Cholesky factor of the covariance matrix."""
        # Of D^1/2 (I + D^-1/2 W W^T D^-1/2) D^1/2, whose middle has no eigenvalue below 1.
        root = self._unbroadcasted_cov_diag.sqrt().unsqueeze(-1)
        scaled = self._unbroadcasted_cov_factor / root
        return self._whole(root * jtorch.linalg.cholesky(_plus_identity(scaled @ scaled.mT)))

    @lazy_property
    def covariance_matrix(self) -> Tensor:
        """Covariance matrix."""
        factor = self._unbroadcasted_cov_factor
        return self._whole(factor @ factor.mT + self._unbroadcasted_cov_diag.diag_embed())

    @lazy_property
    def precision_matrix(self) -> Tensor:
        """Inverse of the covariance matrix."""
        solved = self._solved()
        return self._whole(self._unbroadcasted_cov_diag.reciprocal().diag_embed() - solved.mT @ solved)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        dtype, device = self.loc.dtype, self.loc.device
        inner = _standard_normal((*shape[:-1], self.cov_factor.shape[-1]), dtype, device)
        outer = _standard_normal(shape, dtype, device)
        drawn = (self._unbroadcasted_cov_factor @ inner.unsqueeze(-1)).squeeze(-1)
        return self.loc + drawn + self._unbroadcasted_cov_diag.sqrt() * outer

    def log_prob(self, value: Any) -> Tensor:
        self._check_value(value)
        constant = self._event_shape[0] * math.log(2 * math.pi)
        return -0.5 * (constant + self._log_det() + self._distance(value - self.loc))

    def entropy(self) -> Tensor:
        constant = self._event_shape[0] * (1.0 + math.log(2 * math.pi))
        return (0.5 * (constant + self._log_det())).expand(self._batch_shape)
