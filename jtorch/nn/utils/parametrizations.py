"""Ready parametrizations: orthogonal, weight and spectral norm."""

from __future__ import annotations

from typing import Any

from jtorch.dtypes import finfo
from jtorch.nn import functional as F
from jtorch.nn.modules.conv import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from jtorch.nn.modules.module import Module
from jtorch.nn.utils import parametrize
from jtorch.tensor import Tensor
from jtorch.tensor._autograd import no_grad
from jtorch.tensor._core import call
from jtorch.tensor._creation import empty, eye, zeros, zeros_like
from jtorch.tensor._derive import derived
from jtorch.tensor._forms import forms_of, refusal
from jtorch.tensor._views import wrap_dim

__all__ = ["orthogonal", "spectral_norm", "weight_norm"]

_torch, _linalg = derived[""], derived["linalg"]
_MAPS = ("matrix_exp", "cayley", "householder")


def _is_orthogonal(q: Any) -> bool:
    n = q.size(-2)
    gap = (q.mH @ q - eye(q.size(-1), dtype=q.dtype, device=q.device)).abs().max()
    return float(gap) <= 10 * n * finfo(q.dtype).eps


def _make_orthogonal(a: Any) -> Any:
    """The orthogonal factor of a QR decomposition whose R has a positive diagonal."""
    q, r = _linalg["qr"](a)
    return q * r.diagonal(dim1=-2, dim2=-1).sgn().unsqueeze(-2)


class _Orthogonal(Module):
    """Matrices with orthonormal columns, as a map of free ones."""

    base: Any

    def __init__(self, weight: Any, orthogonal_map: str, *, use_trivialization: bool = True) -> None:
        super().__init__()
        if weight.is_complex() and orthogonal_map == "householder":
            raise ValueError("The householder parametrization does not support complex tensors.")
        self.shape, self.orthogonal_map = weight.shape, orthogonal_map
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, X: Any) -> Any:
        wide = X.size(-2) < X.size(-1)
        x = X.mT if wide else X
        n, k = x.size(-2), x.size(-1)
        if self.orthogonal_map == "householder":
            reflectors = x.tril(diagonal=-1)
            tau = 2.0 / (1.0 + (reflectors * reflectors).sum(dim=-2))
            q = _linalg["householder_product"](reflectors, tau)
            # The diagonal is +-1 and takes no part in training.
            q = q * x.diagonal(dim1=-2, dim2=-1).detach().sgn().unsqueeze(-2)
        else:
            x = x.tril()
            if n != k:
                filling = zeros((*x.shape[:-1], n - k), dtype=x.dtype, device=x.device)
                x = call("cat", [x, filling], -1)
            skew = x - x.mH
            if self.orthogonal_map == "matrix_exp":
                q = _torch["matrix_exp"](skew)
            else:
                one = eye(n, dtype=x.dtype, device=x.device)
                q = _linalg["solve"](one - 0.5 * skew, one + 0.5 * skew)
            if n != k:
                q = q[..., :k]
        if hasattr(self, "base"):
            q = self.base @ q
        return q.mT if wide else q

    @no_grad()
    def right_inverse(self, Q: Any) -> Any:
        """What is trained, so that the map gives an orthogonal matrix near ``Q``."""
        if Q.shape != self.shape:
            raise ValueError(
                f"Expected a matrix or batch of matrices of shape {self.shape}. Got a tensor of shape "
                f"{Q.shape}."
            )
        wide = Q.size(-2) < Q.size(-1)
        q = Q.mT if wide else Q
        n, k = q.size(-2), q.size(-1)
        if not hasattr(self, "base"):
            if self.orthogonal_map != "householder":
                raise NotImplementedError(
                    "It is not possible to assign to the matrix exponential or the Cayley parametrizations "
                    "when "
                    "use_trivialization=False."
                )
            reflectors, tau = _torch["geqrf"](q)
            signs = reflectors.diagonal(dim1=-2, dim2=-1).sign()
            signs = call("where", tau == 0.0, -signs, signs)
            below = reflectors.tril(diagonal=-1) + reflectors.triu(diagonal=1)
            made = below + _diagonal_like(reflectors, signs)
            return made.mT if wide else made
        if n == k:
            q = q.clone() if _is_orthogonal(q) else _make_orthogonal(q)
        else:
            more = empty((*q.shape[:-2], n, n - k), dtype=q.dtype, device=q.device).normal_()
            q = _make_orthogonal(call("cat", [q, more], -1))
        self.base = q
        # Householder's map of minus the identity is the identity.
        minus_one = zeros_like(Q)
        minus_one.diagonal(dim1=-2, dim2=-1).fill_(-1.0)
        return minus_one


def _diagonal_like(matrix: Any, diagonal: Any) -> Any:
    """A matrix of zeros with the given diagonal."""
    made = zeros_like(matrix)
    made.diagonal(dim1=-2, dim2=-1).copy_(diagonal)
    return made


def _weight_of(module: Any, name: str) -> Any:
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    return weight


def orthogonal(
    module: Any,
    name: str = "weight",
    orthogonal_map: str | None = None,
    *,
    use_trivialization: bool = True,
) -> Any:
    """Keep the columns of a matrix (or rows, if there are fewer) orthonormal while it is trained.

    Args:
        module: that has it.
        name: of the matrix.
        orthogonal_map: ``"matrix_exp"``, ``"cayley"`` or ``"householder"``.
        use_trivialization: train around the matrix as it is.

    Reference: Lezcano-Casado, 2019, https://arxiv.org/abs/1909.09501
    """
    weight = _weight_of(module, name)
    if weight.ndim < 2:
        raise ValueError(f"Expected a matrix or batch of matrices. Got a tensor of {weight.ndim} dimensions.")
    if orthogonal_map is None:
        square = weight.size(-2) == weight.size(-1)
        orthogonal_map = "matrix_exp" if square or weight.is_complex() else "householder"
    if orthogonal_map not in _MAPS:
        raise ValueError(
            f'orthogonal_map has to be one of "matrix_exp", "cayley", "householder". Got: {orthogonal_map}'
        )
    made = _Orthogonal(weight, orthogonal_map, use_trivialization=use_trivialization)
    return parametrize.register_parametrization(module, name, made, unsafe=True)


def norm_except(weight: Any, dim: int) -> Any:
    """The 2-norm of every slice along ``dim``, of its shape with sizes 1; of everything if ``dim`` is -1."""
    if type(dim) is not int or not isinstance(weight, Tensor):
        forms = forms_of("torch", "norm_except_dim")
        error = refusal("norm_except_dim", forms or (), (weight, 2, dim), {})
        if error is not None:
            raise error
        dim = int(dim)
    if dim == -1:
        return weight.norm(2)
    kept = wrap_dim(dim, weight.ndim)
    others = [d for d in range(weight.ndim) if d != kept]
    return weight.norm(2, dim=others, keepdim=True) if others else weight.abs()


class _WeightNorm(Module):
    """Length and direction."""

    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g: Any, weight_v: Any) -> Any:
        return weight_v * (weight_g / norm_except(weight_v, self.dim))

    def right_inverse(self, weight: Any) -> Any:
        """Length and direction of a weight."""
        return norm_except(weight, self.dim), weight


def weight_norm(module: Any, name: str = "weight", dim: int = 0) -> Any:
    """Train the length and the direction of a weight apart.

    Args:
        module: that has it.
        name: of the weight.
        dim: along which every slice has a length of its own; ``None``: one length.

    Reference: Salimans and Kingma, 2016, https://arxiv.org/abs/1602.07868
    """
    made = _WeightNorm(dim)
    parametrize.register_parametrization(module, name, made, unsafe=True)

    def rename_old(
        state_dict: Any, prefix: str, metadata: Any, strict: Any, missing: Any, unexpected: Any, errors: Any
    ) -> None:
        old = [f"{prefix}{name}_g", f"{prefix}{name}_v"]
        if all(key in state_dict for key in old):
            for i, key in enumerate(old):
                state_dict[f"{prefix}parametrizations.{name}.original{i}"] = state_dict.pop(key)

    module._register_load_state_dict_pre_hook(rename_old)
    return module


class _SpectralNorm(Module):
    """A weight over its largest singular value, which power iteration follows."""

    _u: Any
    _v: Any

    def __init__(self, weight: Any, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12) -> None:
        super().__init__()
        n = weight.ndim
        if not -n <= dim < n:
            raise IndexError(
                f"Dimension out of range (expected to be in range of [-{n}, {n - 1}] but got {dim})"
            )
        if n_power_iterations <= 0:
            raise ValueError(
                f"Expected n_power_iterations to be positive, but got n_power_iterations={n_power_iterations}"
            )
        self.dim, self.eps = dim % n, eps
        if n > 1:
            self.n_power_iterations = n_power_iterations
            matrix = self._matrix(weight)
            for name, size in zip(("_u", "_v"), matrix.size(), strict=True):
                start = empty(size, dtype=weight.dtype, device=weight.device).normal_(0, 1)
                self.register_buffer(name, F.normalize(start, dim=0, eps=eps))
            self._iterate(matrix, 15)

    def _matrix(self, weight: Any) -> Any:
        if self.dim:
            weight = weight.permute(self.dim, *(d for d in range(weight.dim()) if d != self.dim))
        return weight.flatten(1)

    @no_grad()
    def _iterate(self, matrix: Any, count: int) -> None:
        u, v = self._u, self._v
        for _ in range(count):
            u = F.normalize(matrix.mv(v), dim=0, eps=self.eps)
            v = F.normalize(matrix.mH.mv(u), dim=0, eps=self.eps)
        self._u.copy_(u)
        self._v.copy_(v)

    def forward(self, weight: Any) -> Any:
        if weight.ndim == 1:
            return F.normalize(weight, dim=0, eps=self.eps)
        matrix = self._matrix(weight)
        if self.training:
            self._iterate(matrix, self.n_power_iterations)
        sigma = call("vdot", self._u.clone(), matrix.mv(self._v.clone()))
        return weight / sigma

    def right_inverse(self, value: Any) -> Any:
        """The weight itself: it may not have norm 1 afterwards."""
        return value


def spectral_norm(
    module: Any, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> Any:
    """Divide a weight by its largest singular value.

    Args:
        module: that has it.
        name: of the weight.
        n_power_iterations: per forward pass in training.
        eps: least norm to divide by.
        dim: of the outputs; 1 for transposed convolutions, else 0.

    Reference: Miyato et al., 2018, https://arxiv.org/abs/1802.05957
    """
    weight = _weight_of(module, name)
    if dim is None:
        dim = 1 if isinstance(module, ConvTranspose1d | ConvTranspose2d | ConvTranspose3d) else 0
    made = _SpectralNorm(weight, n_power_iterations, dim, eps)
    return parametrize.register_parametrization(module, name, made)
