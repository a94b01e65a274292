"""Forward-mode differentiation with dual tensors (``torch.autograd.forward_ad``)."""

from __future__ import annotations

from typing import Any, NamedTuple

from jtorch.dispatch import modes
from jtorch.tensor import Tensor
from jtorch.tensor import _duals as duals
from jtorch.tensor._autograd import _Mode

__all__ = [
    "UnpackedDualTensor", "dual_level", "enter_dual_level", "exit_dual_level", "make_dual", "unpack_dual",
]  # fmt: skip


def enter_dual_level() -> int:
    """Open the level that dual tensors belong to, and return its number, 0.

    Raises:
        RuntimeError: it is open.
    """
    duals.enter()
    return 0


def exit_dual_level(*, level: int | None = None) -> None:
    """Close the level; tensors are no longer dual.

    Args:
        level: the one to close: the last that was opened.

    Raises:
        RuntimeError: none is open, or another one was opened last.
    """
    current = _current()
    if level is not None and level != current:
        raise RuntimeError(
            "Trying to exit a forward AD level that was not the last one that was created. This is not "
            "supported."
        )
    if current < 0:
        raise RuntimeError("Dual level must be a positive number.")
    duals.leave()


def make_dual(tensor: Tensor, tangent: Tensor, *, level: int | None = None) -> Tensor:
    """A view of ``tensor`` whose derivative is ``tangent``; what is computed from it has derivatives, too.

    Example::

        >>> import jtorch
        >>> from jtorch.autograd import forward_ad
        >>> x, direction = jtorch.tensor([1.0, 2.0]), jtorch.tensor([1.0, 0.0])
        >>> with forward_ad.dual_level():
        ...     y = forward_ad.make_dual(x, direction) ** 2
        ...     forward_ad.unpack_dual(y).tangent
        tensor([2., 0.])

    Args:
        tensor: the value.
        tangent: of the same shape.
        level: that it belongs to; the open one.

    Raises:
        RuntimeError: no level is open, either tensor is dual, or their shapes differ.
        ValueError: either tensor is not of a floating or complex dtype.
    """
    if (_current() if level is None else level) < 0:
        raise RuntimeError(
            "Trying to create a dual Tensor for forward AD but no level exists, make sure to "
            "enter_dual_level() first."
        )
    for name, x in (("primal", tensor), ("tangent", tangent)):
        if not (x.is_floating_point() or x.is_complex()):
            raise ValueError(f"Expected {name} to be floating point or complex, but got: {x.dtype}")
    return duals.make_dual(tensor, tangent)


class UnpackedDualTensor(NamedTuple):
    """What :func:`unpack_dual` returns."""

    primal: Tensor
    tangent: Tensor | None


def unpack_dual(tensor: Tensor, *, level: int | None = None) -> UnpackedDualTensor:
    """A tensor without its derivative, and the derivative: ``(primal, tangent)``.

    Args:
        tensor: any; one that is not dual has the tangent ``None``.
        level: whose tangent is wanted; the open one.
    """
    if (_current() if level is None else level) < 0:
        return UnpackedDualTensor(tensor, None)
    return UnpackedDualTensor(*duals.unpack_dual(tensor))


class dual_level(_Mode):
    """Keep the level open inside; a context manager and decorator."""

    def __enter__(self) -> int:  # type: ignore[override]
        return enter_dual_level()

    def __exit__(self, *_: object) -> None:
        exit_dual_level()


def _current() -> int:
    return -1 if modes.duals is None else 0


def __getattr__(name: str) -> Any:
    if name == "_current_level":
        return _current()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
