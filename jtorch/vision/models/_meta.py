"""Facts about published weights: classes, preprocessing, size, accuracy."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import Any

from jtorch.vision.models._api import Weights
from jtorch.vision.transforms._presets import ImageClassification

__all__ = ["entry"]

#: Names of the 1000 classes of ImageNet-1K, by number.
_IMAGENET_CATEGORIES = Path(__file__).with_name("_imagenet.txt").read_text(encoding="utf-8").splitlines()

_FILES = "https://download.pytorch.org/models/"
_VISION = "https://github.com/pytorch/vision/"
_SWAG_LICENSE = "https://github.com/facebookresearch/SWAG/blob/main/LICENSE"

SIMPLE = "Trained with a plain recipe; about as accurate as in the paper."
SCRATCH = "Trained from random weights with torchvision's recipe."
NEWER = "Trained with torchvision's longer, newer recipe; more accurate than in the paper."
PORTED = "Converted from the weights of the paper's authors or of LuaTorch."
SWAG_TUNED = "SWAG's weights (https://arxiv.org/abs/2201.08371), all fine-tuned on ImageNet-1K."
SWAG_LINEAR = "SWAG's frozen weights (https://arxiv.org/abs/2201.08371) below a classifier of ImageNet-1K."
FEATURES = (
    "Only the weights of `features`, trained with the paper's standardization of images; those of "
    "`classifier` are missing, so the model does not classify."
)


def entry(
    file: str,
    num_params: int,
    accuracy: tuple[float, float] | None,
    ops: float,
    file_size: float,
    recipe: str,
    docs: str,
    *,
    min_size: int = 1,
    crop_size: int = 224,
    **preset: Any,
) -> Weights:
    """Weights of a classifier of ImageNet-1K.

    Args:
        file: its name on PyTorch's server, without ``.pth``.
        num_params: number of the model's parameters.
        accuracy: of the first and of the first five guesses, in percent; ``None``: no classifier.
        ops: billions of multiplications for one image.
        file_size: in MiB.
        recipe: how it was trained: an address, or the rest of one in torchvision's repository.
        docs: in words.
        min_size: smallest side of images.
        crop_size: of the preprocessing.
        preset: further arguments of the preprocessing.
    """
    first, five = accuracy or (math.nan, math.nan)
    meta: dict[str, Any] = {
        "categories": _IMAGENET_CATEGORIES if accuracy else None,
        "num_params": num_params,
        "min_size": (min_size, min_size),
        "recipe": recipe if recipe.startswith("https:") else _VISION + recipe,
        "_metrics": {"ImageNet-1K": {"acc@1": first, "acc@5": five}},
        "_ops": ops,
        "_file_size": file_size,
        "_docs": docs,
    }
    if docs in (SWAG_TUNED, SWAG_LINEAR):
        meta["license"] = _SWAG_LICENSE
    transforms = partial(ImageClassification, crop_size=crop_size, **preset)
    return Weights(f"{_FILES}{file}.pth", transforms, meta)
