"""Transforms of images (``torchvision.transforms``); ``v2`` loads when first named."""

from importlib import import_module as _import_module
from typing import Any as _Any

from jtorch.vision.transforms.autoaugment import *  # noqa: F403
from jtorch.vision.transforms.transforms import *  # noqa: F403


def __getattr__(name: str) -> _Any:
    if name == "v2":
        return _import_module("jtorch.vision.transforms.v2")
    raise AttributeError(f"module 'jtorch.vision.transforms' has no attribute '{name}'")
