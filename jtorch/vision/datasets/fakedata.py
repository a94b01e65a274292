"""Random images (``torchvision.datasets.fakedata``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jtorch
from jtorch.vision.datasets.vision import VisionDataset
from jtorch.vision.transforms.functional import to_pil_image

__all__ = ["FakeData"]


class FakeData(VisionDataset):
    """Images of normal noise with random classes; each index has its own seed.

    Args:
        size: number of samples.
        image_size: (channels, height, width).
        num_classes: classes are drawn from 0 to this.
        transform: of the PIL image.
        target_transform: of the class, a 0-d int64 tensor.
        random_offset: added to the index for the seed.
    """

    def __init__(
        self,
        size: int = 1000,
        image_size: tuple[int, int, int] = (3, 224, 224),
        num_classes: int = 10,
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
        random_offset: int = 0,
    ) -> None:
        super().__init__(transform=transform, target_transform=target_transform)
        self.size = size
        self.num_classes = num_classes
        self.image_size = image_size
        self.random_offset = random_offset

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        if index >= len(self):
            raise IndexError(f"{type(self).__name__} index out of range")
        state = jtorch.get_rng_state()
        jtorch.manual_seed(index + self.random_offset)
        noise = jtorch.randn(*self.image_size)
        target = jtorch.randint(0, self.num_classes, size=(1,), dtype=jtorch.int64)[0]
        jtorch.set_rng_state(state)
        image, target = self._transformed(to_pil_image(noise), target)
        return image, target.item()

    def __len__(self) -> int:
        return self.size
