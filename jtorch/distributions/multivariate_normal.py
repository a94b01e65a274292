"""Normal vectors."""

from __future__ import annotations

import math
from typing import Any

import jtorch
from jtorch.distributions import constraints
from jtorch.distributions._expanding import Expanding
from jtorch.distributions.utils import (
    _standard_normal,
    lazy_property,
)
from jtorch.tensor import Size, Tensor

__all__ = ["MultivariateNormal"]


def _squared_distance(scale_tril: Tensor, x: Tensor) -> Tensor:
    """x^T (L L^T)^-1 x over the last dimension."""
    solved = jtorch.linalg.solve_triangular(scale_tril, x.unsqueeze(-1), upper=False)
    return solved.pow(2).sum((-2, -1))


def _half_log_det(scale_tril: Tensor) -> Tensor:
    """Logarithm of the determinant of a triangular matrix."""
    return scale_tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)


def _precision_to_scale_tril(precision: Tensor) -> Tensor:
    """Lower factor of the inverse: P = U U^T with U upper triangular gives L = (U^-1)^T."""
    flipped = jtorch.linalg.cholesky(precision.flip(-2, -1)).flip(-2, -1)
    eye = jtorch.eye(precision.shape[-1], dtype=precision.dtype, device=precision.device)
    return jtorch.linalg.solve_triangular(flipped.mT, eye, upper=False)


class MultivariateNormal(Expanding):
    """Normal vectors of mean ``loc``; give exactly one of the matrices.

    Args:
        loc: shape ``(*, n)``.
        covariance_matrix: positive definite, shape ``(*, n, n)``.
        precision_matrix: its inverse, instead.
        scale_tril: its lower Cholesky factor, instead.
        validate_args: as for every distribution.
    """

    arg_constraints = {
        "loc": constraints.real_vector,
        "covariance_matrix": constraints.positive_definite,
        "precision_matrix": constraints.positive_definite,
        "scale_tril": constraints.lower_cholesky,
    }
    support = constraints.real_vector
    has_rsample = True

    def __init__(
        self,
        loc: Tensor,
        covariance_matrix: Tensor | None = None,
        precision_matrix: Tensor | None = None,
        scale_tril: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        if loc.dim() < 1:
            raise ValueError("loc must be at least one-dimensional.")
        every = {
            "scale_tril": scale_tril,
            "covariance_matrix": covariance_matrix,
            "precision_matrix": precision_matrix,
        }
        given = [(name, matrix) for name, matrix in every.items() if matrix is not None]
        if len(given) != 1:
            raise ValueError(
                "Exactly one of covariance_matrix or precision_matrix or scale_tril may be specified."
            )
        [(name, matrix)] = given
        if matrix.dim() < 2:
            what = "scale_tril matrix" if name == "scale_tril" else name
            raise ValueError(
                f"{what} must be at least two-dimensional, with optional leading batch dimensions"
            )
        batch_shape = Size(jtorch.broadcast_shapes(matrix.shape[:-2], loc.shape[:-1]))
        self.__dict__[name] = matrix.expand((*batch_shape, -1, -1))
        self.loc = loc.expand((*batch_shape, -1))
        super().__init__(batch_shape, self.loc.shape[-1:], validate_args=validate_args)
        factor = {"scale_tril": lambda m: m, "covariance_matrix": jtorch.linalg.cholesky}
        self._unbroadcasted_scale_tril = factor.get(name, _precision_to_scale_tril)(matrix)

    def _whole(self, matrix: Tensor) -> Tensor:
        return matrix.expand((*self._batch_shape, *self._event_shape, *self._event_shape))

    @lazy_property
    def scale_tril(self) -> Tensor:
        """Lower Cholesky factor of the covariance matrix."""
        return self._whole(self._unbroadcasted_scale_tril)

    @lazy_property
    def covariance_matrix(self) -> Tensor:
        """Covariance matrix."""
        return self._whole(self._unbroadcasted_scale_tril @ self._unbroadcasted_scale_tril.mT)

    @lazy_property
    def precision_matrix(self) -> Tensor:
        """Inverse of the covariance matrix."""
        return self._whole(jtorch.cholesky_inverse(self._unbroadcasted_scale_tril))

    @property
    def mean(self) -> Tensor:
        return self.loc

    mode = mean

    @property
    def variance(self) -> Tensor:
        squares = self._unbroadcasted_scale_tril.pow(2).sum(-1)
        return squares.expand((*self._batch_shape, *self._event_shape))

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        eps = _standard_normal(self._extended_shape(sample_shape), self.loc.dtype, self.loc.device)
        return self.loc + (self._unbroadcasted_scale_tril @ eps.unsqueeze(-1)).squeeze(-1)

    def log_prob(self, value: Any) -> Tensor:
        self._check_value(value)
        distance = _squared_distance(self._unbroadcasted_scale_tril, value - self.loc)
        constant = self._event_shape[0] * math.log(2 * math.pi)
        return -0.5 * (constant + distance) - _half_log_det(self._unbroadcasted_scale_tril)

    def entropy(self) -> Tensor:
        constant = 0.5 * self._event_shape[0] * (1.0 + math.log(2 * math.pi))
        return (constant + _half_log_det(self._unbroadcasted_scale_tril)).expand(self._batch_shape)
