"""What transforms of samples share: they reach into tuples, lists and dicts (``v2.Transform``)."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from PIL import Image

from jtorch import nn
from jtorch.tensor import Tensor
from jtorch.vision import tv_tensors
from jtorch.vision.transforms import _draws
from jtorch.vision.transforms.v2 import functional as F
from jtorch.vision.transforms.v2.functional._dispatch import kernel_of

__all__ = [
    "RandomApplied",
    "Transform",
    "check_type",
    "get_bounding_boxes",
    "get_keypoints",
    "has_all",
    "has_any",
    "labels_getter_of",
    "query_chw",
    "query_size",
]

_Check = type | Callable[[Any], bool]


def leaves(tree: Any) -> list[Any]:
    """What tuples, lists and dicts hold, in order."""
    if isinstance(tree, Mapping):
        return [leaf for value in tree.values() for leaf in leaves(value)]
    if isinstance(tree, list | tuple):
        return [leaf for value in tree for leaf in leaves(value)]
    return [tree]


def rebuilt(tree: Any, new: Any) -> Any:
    """The same containers with leaves taken from the iterator ``new``."""
    if isinstance(tree, Mapping):
        return type(tree)({key: rebuilt(value, new) for key, value in tree.items()})  # type: ignore[call-arg]
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*(rebuilt(value, new) for value in tree))
    if isinstance(tree, list | tuple):
        return type(tree)(rebuilt(value, new) for value in tree)
    return next(new)


def check_type(obj: Any, types_or_checks: tuple[_Check, ...]) -> bool:
    """Whether an object is of one of the types, or passes one of the checks."""
    return any(isinstance(obj, t) if isinstance(t, type) else t(obj) for t in types_or_checks)


def has_any(flat_inputs: list[Any], *types_or_checks: _Check) -> bool:
    """Whether any object is of one of the types, or passes one of the checks."""
    return any(check_type(inpt, types_or_checks) for inpt in flat_inputs)


def has_all(flat_inputs: list[Any], *types_or_checks: _Check) -> bool:
    """Whether there is an object for each type or check."""
    return all(has_any(flat_inputs, t) for t in types_or_checks)


_IMAGES: tuple[_Check, ...] = (F.is_pure_tensor, tv_tensors.Image, Image.Image, tv_tensors.Video)


def _only(found: set[tuple[int, ...]], what: str, dims: str) -> tuple[int, ...]:
    if not found:
        raise TypeError(f"No {what} was found in the sample")
    if len(found) > 1:
        shown = "', '".join(str(f) for f in sorted(found))
        raise ValueError(f"Found multiple {dims} dimensions in the sample: '{shown}'")
    return found.pop()


def query_chw(flat_inputs: list[Any]) -> tuple[int, ...]:
    """(channels, height, width) that all images have.

    Raises:
        TypeError, ValueError: there is none, or they differ.
    """
    found = {tuple(F.get_dimensions(i)) for i in flat_inputs if check_type(i, _IMAGES)}
    return _only(found, "image or video", "CxHxW")


def query_size(flat_inputs: list[Any]) -> tuple[int, ...]:
    """(height, width) that all images, masks and boxes have.

    Raises:
        TypeError, ValueError: there is none, or they differ.
    """
    kinds = (*_IMAGES, tv_tensors.Mask, tv_tensors.BoundingBoxes, tv_tensors.KeyPoints)
    found = {tuple(F.get_size(i)) for i in flat_inputs if check_type(i, kinds)}
    return _only(found, "image, video, mask, bounding box of keypoint", "HxW")


def get_bounding_boxes(flat_inputs: list[Any]) -> Any:
    """The boxes of a sample.

    Raises:
        ValueError: there are none.
    """
    return _first(flat_inputs, tv_tensors.BoundingBoxes, "bounding boxes")


def get_keypoints(flat_inputs: list[Any]) -> Any:
    """The key points of a sample.

    Raises:
        ValueError: there are none.
    """
    return _first(flat_inputs, tv_tensors.KeyPoints, "keypoints")


def _first(flat_inputs: list[Any], kind: type, what: str) -> Any:
    for inpt in flat_inputs:
        if isinstance(inpt, kind):
            return inpt
    raise ValueError(f"No {what} were found in the sample")


def labels_getter_of(labels_getter: Any) -> Callable[[Any], Any]:
    """The function that finds labels in a sample.

    Raises:
        ValueError: neither "default" nor a function nor ``None``.
    """
    if labels_getter == "default":
        return _usual_labels
    if callable(labels_getter):
        return labels_getter
    if labels_getter is None:
        return lambda _: None
    raise ValueError(
        f"labels_getter should either be 'default', a callable, or None, but got {labels_getter}."
    )


def _usual_labels(inputs: Any) -> Any:
    """The second part of a sample, or what it holds under "labels", or under a name with "label" in it."""
    if isinstance(inputs, tuple | list):
        inputs = inputs[1]
    if F.is_pure_tensor(inputs):
        return inputs
    if not isinstance(inputs, Mapping):
        raise ValueError(
            "When using the default labels_getter, the input passed to forward must be a dictionary or a "
            f"two-tuple whose second item is a dictionary or a tensor, but got {inputs} instead."
        )
    names = [key for key in inputs if key.lower() == "labels"] + [
        key for key in inputs if "label" in key.lower()
    ]
    if not names:
        raise ValueError(
            "Could not infer where the labels are in the sample. Try passing a callable as the labels_getter "
            "parameter?If there are no labels in the sample by design, pass labels_getter=None."
        )
    return inputs[names[0]]


class Transform(nn.Module):
    """Base: a subclass defines ``transform``, and ``make_params`` for what one sample has in common.

    Images, videos, masks and boxes anywhere in the sample are transformed; of plain tensors only the first,
    and that only if there is no image.
    """

    _transformed_types: ClassVar[tuple[_Check, ...]] = (Tensor, Image.Image)

    def check_inputs(self, flat_inputs: list[Any]) -> None:
        """Refuse samples that the transform does not suit."""

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Random numbers, sizes and so on for one sample."""
        return {}

    def _call_kernel(self, functional: Any, inpt: Any, *args: Any, **kwargs: Any) -> Any:
        kernel = kernel_of(functional, type(inpt))
        return inpt if kernel is None else kernel(inpt, *args, **kwargs)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """One part of a sample, transformed."""
        raise NotImplementedError

    def forward(self, *inputs: Any) -> Any:
        """The sample, transformed."""
        sample = inputs if len(inputs) > 1 else inputs[0]
        flat = leaves(sample)
        self.check_inputs(flat)
        chosen = self._needs_transform_list(flat)
        params = self.make_params([inpt for inpt, yes in zip(flat, chosen, strict=True) if yes])
        new = (self.transform(i, params) if yes else i for i, yes in zip(flat, chosen, strict=True))
        return rebuilt(sample, new)

    def _needs_transform_list(self, flat_inputs: list[Any]) -> list[bool]:
        plain = not has_any(flat_inputs, tv_tensors.Image, tv_tensors.Video, Image.Image)
        chosen = []
        for inpt in flat_inputs:
            yes = check_type(inpt, self._transformed_types)
            if yes and F.is_pure_tensor(inpt):
                yes, plain = plain, False
            chosen.append(yes)
        return chosen

    def extra_repr(self) -> str:
        """Attributes of simple types."""
        kinds: Any = bool | int | float | str | tuple | list | enum.Enum
        shown = (
            f"{name}={value}"
            for name, value in self.__dict__.items()
            if not name.startswith("_") and name != "training" and isinstance(value, kinds)
        )
        return ", ".join(shown)


class RandomApplied(Transform):
    """Base of transforms that act with probability ``p``.

    Raises:
        ValueError: ``p`` is no probability.
    """

    def __init__(self, p: float = 0.5) -> None:
        if not 0.0 <= p <= 1.0:
            raise ValueError("`p` should be a floating point value in the interval [0.0, 1.0].")
        super().__init__()
        self.p = p

    def forward(self, *inputs: Any) -> Any:
        """The sample, transformed or as it is."""
        self.check_inputs(leaves(inputs))
        if _draws.chance() >= self.p:
            return inputs if len(inputs) > 1 else inputs[0]
        return super().forward(*inputs)
