"""Transforms of samples: images together with masks and boxes (``torchvision.transforms.v2``).

Not here: ``MixUp``, ``CutMix``, ``RandomIoUCrop``, ``SanitizeBoundingBoxes``, ``UniformTemporalSubsample``
and key points; boxes cannot be turned.
"""

from jtorch.vision.transforms.autoaugment import AutoAugmentPolicy
from jtorch.vision.transforms.functional import InterpolationMode
from jtorch.vision.transforms.v2 import functional as functional
from jtorch.vision.transforms.v2._auto_augment import *  # noqa: F403
from jtorch.vision.transforms.v2._color import *  # noqa: F403
from jtorch.vision.transforms.v2._containers import *  # noqa: F403
from jtorch.vision.transforms.v2._geometry import *  # noqa: F403
from jtorch.vision.transforms.v2._misc import *  # noqa: F403
from jtorch.vision.transforms.v2._transform import (
    Transform,
    check_type,
    has_all,
    has_any,
    query_chw,
    query_size,
)
