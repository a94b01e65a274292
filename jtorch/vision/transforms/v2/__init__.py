"""Transforms of samples: images together with masks and boxes (``torchvision.transforms.v2``).

Boxes of formats that are turned (``XYWHR``, ``CXCYWHR``, ``XYXYXYXY``) can be converted, not transformed.
"""

from jtorch.vision.transforms.autoaugment import AutoAugmentPolicy
from jtorch.vision.transforms.functional import InterpolationMode
from jtorch.vision.transforms.v2 import functional as functional
from jtorch.vision.transforms.v2._auto_augment import *  # noqa: F403
from jtorch.vision.transforms.v2._batches import *  # noqa: F403
from jtorch.vision.transforms.v2._boxes import *  # noqa: F403
from jtorch.vision.transforms.v2._color import *  # noqa: F403
from jtorch.vision.transforms.v2._containers import *  # noqa: F403
from jtorch.vision.transforms.v2._geometry import *  # noqa: F403
from jtorch.vision.transforms.v2._misc import *  # noqa: F403
from jtorch.vision.transforms.v2._transform import (
    Transform,
    check_type,
    get_bounding_boxes,
    get_keypoints,
    has_all,
    has_any,
    query_chw,
    query_size,
)
