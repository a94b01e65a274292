"""How a function finds the kernel for what it is given: an image, a mask, boxes."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from PIL import Image as PILImage

from jtorch.tensor import Tensor
from jtorch.vision import tv_tensors

__all__ = ["functional", "is_pure_tensor", "kernel_of", "register_kernel"]

_Kernel = Callable[..., Any]

#: Function -> kernels by kind of input.
_KERNELS: dict[Any, dict[type, _Kernel]] = {}


def is_pure_tensor(inpt: Any) -> bool:
    """Whether it is a tensor of no special kind."""
    return isinstance(inpt, Tensor) and not isinstance(inpt, tv_tensors.TVTensor)


def functional(
    image: _Kernel,
    pil: _Kernel | None = None,
    mask: _Kernel | None = None,
    boxes: _Kernel | None = None,
    points: _Kernel | None = None,
    still: bool = True,
) -> _Kernel:
    """A function of images, videos and plain tensors (``image``), and of what else has a kernel.

    Kernels of images and masks take and return plain tensors; those of boxes and points return a tensor
    and the attributes that change.
    """
    kernels: dict[type, _Kernel] = {Tensor: image}

    @wraps(image)
    def function(inpt: Any, *args: Any, **kwargs: Any) -> Any:
        kernel = kernel_of(function, type(inpt))
        if kernel is None:
            raise TypeError(
                f"Functional F.{function.__name__} supports inputs of type {kernels.keys()}, but got "
                f"{type(inpt)} instead."
            )
        return kernel(inpt, *args, **kwargs)

    function.__name__ = function.__qualname__ = image.__name__.removesuffix("_image").removesuffix("_video")
    for kind in (tv_tensors.Image, tv_tensors.Video)[not still :]:
        kernels[kind] = _kept(image)
    if mask is not None:
        kernels[tv_tensors.Mask] = _kept(mask)
    if pil is not None:
        kernels[PILImage.Image] = pil
    if boxes is not None:
        kernels[tv_tensors.BoundingBoxes] = _boxed(boxes)
    if points is not None:
        kernels[tv_tensors.KeyPoints] = _boxed(points)
    _KERNELS[function] = kernels
    return function


def _kept(kernel: _Kernel) -> _Kernel:
    @wraps(kernel)
    def wrapped(inpt: Any, *args: Any, **kwargs: Any) -> Any:
        made = kernel(inpt.as_subclass(Tensor), *args, **kwargs)
        if isinstance(made, tuple):
            return tuple(tv_tensors.wrap(m, like=inpt) for m in made)
        return tv_tensors.wrap(made, like=inpt)

    return wrapped


def _boxed(kernel: _Kernel) -> _Kernel:
    @wraps(kernel)
    def wrapped(inpt: Any, *args: Any, **kwargs: Any) -> Any:
        made, changes = kernel(inpt, *args, **kwargs)
        return tv_tensors.wrap(made, like=inpt, **changes)

    return wrapped


def register_kernel(functional: _Kernel, tv_tensor_cls: type) -> Callable[[_Kernel], _Kernel]:
    """Decorates a kernel that a function uses for one's own subclass of ``TVTensor``.

    Raises:
        ValueError: the function has no kernels, or the class is not one's own.
    """
    if functional not in _KERNELS:
        raise ValueError(f"Kernels can only be registered on functionals, but got {functional}.")
    if not (isinstance(tv_tensor_cls, type) and issubclass(tv_tensor_cls, tv_tensors.TVTensor)):
        raise ValueError(
            f"Kernels can only be registered for subclasses of torchvision.tv_tensors.TVTensor, but got "
            f"{tv_tensor_cls}."
        )
    if tv_tensor_cls.__module__ == tv_tensors.__name__:
        raise ValueError(
            f"Kernels cannot be registered for the builtin tv_tensor classes, but got {tv_tensor_cls}"
        )
    if tv_tensor_cls in _KERNELS[functional]:
        raise ValueError(f"Functional {functional} already has a kernel registered for type {tv_tensor_cls}.")

    def enter(kernel: _Kernel) -> _Kernel:
        _KERNELS[functional][tv_tensor_cls] = kernel
        return kernel

    return enter


def kernel_of(function: _Kernel, kind: type) -> _Kernel | None:
    """The kernel of a function for a kind of input; ``None``: there is none."""
    kernels = _KERNELS[function]
    for base in kind.__mro__:
        if base in kernels:
            return kernels[base]
        if base is tv_tensors.TVTensor:
            break
    return None
