"""Conversions, normalization, blur, erasing, boxes (``v2``)."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

import jtorch
from jtorch.dtypes import dtype as _dtype
from jtorch.tensor import Tensor
from jtorch.vision import tv_tensors
from jtorch.vision.transforms import _conversions, _distortions, _draws
from jtorch.vision.transforms._arguments import check_sequence
from jtorch.vision.transforms.v2 import functional as F
from jtorch.vision.transforms.v2._transform import RandomApplied, Transform, query_chw

__all__ = [
    "JPEG",
    "ConvertImageDtype",
    "GaussianBlur",
    "GaussianNoise",
    "Identity",
    "Lambda",
    "LinearTransformation",
    "Normalize",
    "PILToTensor",
    "RandomErasing",
    "ToDtype",
    "ToImage",
    "ToPILImage",
    "ToPureTensor",
    "ToTensor",
]


class Identity(Transform):
    """Nothing."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The input."""
        return inpt


class Lambda(Transform):
    """A function as a transform of inputs of some types."""

    _transformed_types = (object,)

    def __init__(self, lambd: Callable[[Any], Any], *types: type) -> None:
        super().__init__()
        self.lambd = lambd
        self.types = types or (object,)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """What the function returns."""
        return self.lambd(inpt) if isinstance(inpt, self.types) else inpt

    def extra_repr(self) -> str:
        """The function's name and the types."""
        name = getattr(self.lambd, "__name__", "")
        return ", ".join(([f"'{name}'"] if name else []) + [f"types={[t.__name__ for t in self.types]}"])


class LinearTransformation(Transform):
    """Flattened images minus a mean, times a square matrix; see ``transforms``.

    Raises:
        TypeError: PIL images.
    """

    _transformed_types = (F.is_pure_tensor, tv_tensors.Image, tv_tensors.Video)

    def __init__(self, transformation_matrix: Tensor, mean_vector: Tensor) -> None:
        super().__init__()
        _conversions.check_linear(transformation_matrix, mean_vector)
        self.transformation_matrix = transformation_matrix
        self.mean_vector = mean_vector

    def check_inputs(self, flat_inputs: list[Any]) -> None:
        """Refuse PIL images."""
        if any(isinstance(inpt, Image.Image) for inpt in flat_inputs):
            raise TypeError(f"{type(self).__name__}() does not support PIL images.")

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The transformed image."""
        plain = inpt.as_subclass(Tensor)
        made = _conversions.linear(plain, self.transformation_matrix, self.mean_vector)
        return made if F.is_pure_tensor(inpt) else tv_tensors.wrap(made, like=inpt)


class Normalize(Transform):
    """``(tensor - mean) / std``, channel by channel.

    Raises:
        TypeError: PIL images.
    """

    def __init__(self, mean: Any, std: Any, inplace: bool = False) -> None:
        super().__init__()
        self.mean, self.std, self.inplace = list(mean), list(std), inplace

    def check_inputs(self, flat_inputs: list[Any]) -> None:
        """Refuse PIL images."""
        if any(isinstance(inpt, Image.Image) for inpt in flat_inputs):
            raise TypeError(f"{type(self).__name__}() does not support PIL images.")

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The normalized image."""
        return self._call_kernel(F.normalize, inpt, mean=self.mean, std=self.std, inplace=self.inplace)


class GaussianBlur(Transform):
    """A Gaussian blur of random width."""

    def __init__(self, kernel_size: Any, sigma: Any = (0.1, 2.0)) -> None:
        super().__init__()
        checked = _distortions.GaussianBlur(kernel_size, sigma)
        self.kernel_size = checked.kernel_size
        self.sigma = [float(s) for s in checked.sigma]

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The deviation."""
        return {"sigma": [_draws.uniform(self.sigma[0], self.sigma[1])] * 2}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The blurred image."""
        return self._call_kernel(F.gaussian_blur, inpt, self.kernel_size, **params)


class GaussianNoise(Transform):
    """Normal noise added, of values up to 1."""

    def __init__(self, mean: float = 0.0, sigma: float = 0.1, clip: bool = True) -> None:
        super().__init__()
        self.mean, self.sigma, self.clip = mean, sigma, clip

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The noisy image."""
        return self._call_kernel(F.gaussian_noise, inpt, mean=self.mean, sigma=self.sigma, clip=self.clip)


class ToDtype(Transform):
    """Another dtype, with ``scale`` with values scaled to its range.

    Args:
        dtype: of images, videos and plain tensors; or a dict by kind, ``"others"`` for all other kinds, where
            ``None`` leaves a kind as it is.
        scale: scale values of images, videos and plain tensors.

    Raises:
        ValueError: neither a dtype nor a dict, or a kind that the dict does not name.
    """

    _transformed_types = (Tensor,)

    def __init__(self, dtype: Any, scale: bool = False) -> None:
        super().__init__()
        if not isinstance(dtype, dict | _dtype):
            raise ValueError(f"dtype must be a dict or a torch.dtype, got {type(dtype)} instead")
        self.dtype = dtype
        self.scale = scale

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The input in the dtype."""
        image = F.is_pure_tensor(inpt) or isinstance(inpt, tv_tensors.Image | tv_tensors.Video)
        if isinstance(self.dtype, _dtype):
            wanted = self.dtype if image else None
        elif type(inpt) in self.dtype or "others" in self.dtype:
            wanted = self.dtype.get(type(inpt), self.dtype.get("others"))
        else:
            raise ValueError(
                f"No dtype was specified for type {type(inpt)}; add it, or 'others', to the dict."
            )
        if wanted is None:
            if image and self.scale:
                warnings.warn(
                    "scale was set to True but no dtype was specified for images or videos: no scaling will "
                    "be done.",
                    stacklevel=2,
                )
            return inpt
        return self._call_kernel(F.to_dtype, inpt, dtype=wanted, scale=self.scale)


class ConvertImageDtype(Transform):
    """Another dtype, with values scaled to its range."""

    def __init__(self, dtype: _dtype = jtorch.float32) -> None:
        super().__init__()
        self.dtype = dtype

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The input in the dtype."""
        return self._call_kernel(F.to_dtype, inpt, dtype=self.dtype, scale=True)


class RandomErasing(RandomApplied):
    """A random part overwritten with probability ``p``; see ``transforms``."""

    def __init__(
        self,
        p: float = 0.5,
        scale: Any = (0.02, 0.33),
        ratio: Any = (0.3, 3.3),
        value: Any = 0.0,
        inplace: bool = False,
    ) -> None:
        super().__init__(p=p)
        _distortions.RandomErasing(p, scale, ratio, value, inplace)  # checks
        self.scale, self.ratio = scale, ratio
        if isinstance(value, str):
            self.value = None
        else:
            self.value = [float(v) for v in (value if isinstance(value, tuple | list) else [value])]
        self.inplace = inplace

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Place and contents of the part."""
        shape = query_chw(flat_inputs)
        if self.value is not None and len(self.value) not in (1, shape[0]):
            raise ValueError(
                "If value is a sequence, it should have either a single value or "
                f"{shape[0]} (number of inpt channels)"
            )
        canvas = jtorch.zeros(1).expand(*shape)
        place = _distortions.RandomErasing.get_params(canvas, self.scale, self.ratio, self.value)
        return dict(
            zip(
                ("i", "j", "h", "w", "v"), (*place[:4], None if place[4] is canvas else place[4]), strict=True
            )
        )

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The input, with a part overwritten."""
        if params["v"] is None:
            return inpt
        return self._call_kernel(F.erase, inpt, **params, inplace=self.inplace)


class JPEG(Transform):
    """As if it had been saved as JPEG of random quality.

    Raises:
        ValueError: the quality is not from 1 to 100.
    """

    def __init__(self, quality: Any) -> None:
        super().__init__()
        if isinstance(quality, bool):
            raise TypeError("quality can't be bool")
        if isinstance(quality, int):
            quality = [quality, quality]
        else:
            check_sequence(quality, "quality", (2,))
        if not 1 <= quality[0] <= quality[1] <= 100 or not all(isinstance(q, int) for q in quality):
            raise ValueError(f"quality must be an integer from 1 to 100, got quality ={quality!r}")
        self.quality = quality

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The quality."""
        return {"quality": _draws.integer(self.quality[0], self.quality[1] + 1)}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The image after it."""
        return self._call_kernel(F.jpeg, inpt, **params)


class PILToTensor(Transform):
    """PIL images as tensors of the same dtype."""

    _transformed_types = (Image.Image,)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The tensor."""
        return F.pil_to_tensor(inpt)


class ToImage(Transform):
    """PIL images, NumPy arrays ``(H, W, C)`` and plain tensors as ``tv_tensors.Image``."""

    _transformed_types = (F.is_pure_tensor, Image.Image, np.ndarray)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The image."""
        return F.to_image(inpt)


class ToPILImage(Transform):
    """Tensors and NumPy arrays as PIL images."""

    _transformed_types = (F.is_pure_tensor, tv_tensors.Image, np.ndarray)

    def __init__(self, mode: str | None = None) -> None:
        super().__init__()
        self.mode = mode

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The PIL image."""
        return F.to_pil_image(inpt, mode=self.mode)


class ToPureTensor(Transform):
    """Images, masks and boxes as plain tensors."""

    _transformed_types = (tv_tensors.TVTensor,)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The tensor."""
        return inpt.as_subclass(Tensor)


class ToTensor(Transform):
    """As ``transforms.ToTensor``; deprecated in torchvision."""

    _transformed_types = (Image.Image, np.ndarray)

    def __init__(self) -> None:
        warnings.warn(
            "The transform `ToTensor()` is deprecated and will be removed in a future release. Instead, "
            "please use `v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])`."
            "Output is equivalent up to float precision.",
            stacklevel=2,
        )
        super().__init__()

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The tensor."""
        return F.to_tensor(inpt)
