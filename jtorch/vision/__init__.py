"""Images, laid out as torchvision 0.28: ``datasets``, ``transforms``, ``models``, ``io``, ``utils``, ``ops``.

``from jtorch.vision import transforms`` is what ``from torchvision import transforms`` is to PyTorch. The
parts load when first named. Pillow, which ``pip install jtorch-xla[vision]`` brings, reads and writes images.
"""

from __future__ import annotations

from importlib import import_module as _import_module
from typing import Any as _Any

from jtorch.vision.version import __version__

#: Parts that load when first named.
_NAMESPACES = frozenset(["datasets", "io", "models", "ops", "show", "transforms", "tv_tensors", "utils"])

_image_backend = "PIL"


def set_image_backend(backend: str) -> None:
    """Choose what loads the images of data sets: pillow is the only one.

    Raises:
        ValueError: the name is not one of torchvision's backends.
        NotImplementedError: ``accimage``.
    """
    if backend not in ("PIL", "accimage"):
        raise ValueError(f"Invalid backend '{backend}'. Options are 'PIL' and 'accimage'")
    if backend == "accimage":
        raise NotImplementedError("the accimage backend is not available in jtorch.vision; use 'PIL'")


def get_image_backend() -> str:
    """Name of what loads the images of data sets."""
    return _image_backend


def disable_beta_transforms_warning() -> None:
    """Do nothing: there is no such warning any more; old scripts call it."""


def __getattr__(name: str) -> _Any:
    if name in _NAMESPACES:
        full = f"jtorch.vision.{name}"
        try:
            return _import_module(full)
        except ModuleNotFoundError as error:
            if error.name != full:  # a package that this part needs
                raise
    raise AttributeError(f"module 'jtorch.vision' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *_NAMESPACES})
