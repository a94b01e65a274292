"""Transforms with torchvision's results: same seeds, PIL images, bytes and floats."""

import random

import numpy as np
import pytest
from PIL import Image

import jtorch
from jtorch.vision import transforms

from .conftest import image

#: Transforms by name: how they are made of a module ``T`` of transforms, and for which kinds of images.
CASES = {
    "Resize": lambda T: T.Resize((20, 25)),
    "Resize-one": lambda T: T.Resize(20),
    "Resize-max": lambda T: T.Resize(30, max_size=33),
    "Resize-up": lambda T: T.Resize((60, 50)),
    "Resize-plain": lambda T: T.Resize((20, 60), antialias=None),
    "Resize-nearest": lambda T: T.Resize((20, 60), T.InterpolationMode.NEAREST),
    "Resize-exact": lambda T: T.Resize((20, 60), T.InterpolationMode.NEAREST_EXACT),
    "Resize-cubic": lambda T: T.Resize((20, 60), T.InterpolationMode.BICUBIC),
    "CenterCrop": lambda T: T.CenterCrop(21),
    "CenterCrop-pad": lambda T: T.CenterCrop((50, 20)),
    "Pad": lambda T: T.Pad((1, 2, 3, 4), fill=7),
    "Pad-edge": lambda T: T.Pad((1, 2), padding_mode="edge"),
    "Pad-reflect": lambda T: T.Pad(3, padding_mode="reflect"),
    "Pad-symmetric": lambda T: T.Pad([4], padding_mode="symmetric"),
    "Pad-negative": lambda T: T.Pad((-2, 1, 3, -4), padding_mode="symmetric"),
    "RandomCrop": lambda T: T.RandomCrop(20, padding=4),
    "RandomCrop-pad": lambda T: T.RandomCrop((40, 50), pad_if_needed=True, fill=3),
    "RandomHorizontalFlip": lambda T: T.RandomHorizontalFlip(),
    "RandomVerticalFlip": lambda T: T.RandomVerticalFlip(),
    "RandomResizedCrop": lambda T: T.RandomResizedCrop(16),
    "FiveCrop": lambda T: T.FiveCrop(20),
    "TenCrop": lambda T: T.TenCrop((20, 21), vertical_flip=True),
    "ColorJitter": lambda T: T.ColorJitter(0.5, 0.4, (0.3, 1.9), 0.3),
    "ColorJitter-some": lambda T: T.ColorJitter(contrast=0.4),
    "Grayscale": lambda T: T.Grayscale(),
    "Grayscale-3": lambda T: T.Grayscale(3),
    "RandomGrayscale": lambda T: T.RandomGrayscale(0.5),
    "RandomRotation": lambda T: T.RandomRotation(40),
    "RandomRotation-smooth": lambda T: T.RandomRotation(
        (10, 80), T.InterpolationMode.BILINEAR, expand=True, fill=(9, 8, 7)
    ),
    "RandomRotation-center": lambda T: T.RandomRotation(30, center=(5, 9)),
    "RandomAffine": lambda T: T.RandomAffine(30, (0.1, 0.2), (0.7, 1.4), (-9, 9, -5, 7)),
    "RandomAffine-smooth": lambda T: T.RandomAffine(
        10, scale=(0.7, 1.4), shear=12, interpolation=T.InterpolationMode.BILINEAR, fill=99, center=(3, 4)
    ),
    "RandomPerspective": lambda T: T.RandomPerspective(p=0.8, fill=20),
    "RandomPerspective-nearest": lambda T: T.RandomPerspective(
        0.7, 1.0, interpolation=T.InterpolationMode.NEAREST
    ),
    "GaussianBlur": lambda T: T.GaussianBlur((3, 7)),
    "GaussianBlur-fixed": lambda T: T.GaussianBlur(5, 1.3),
    "RandomInvert": lambda T: T.RandomInvert(),
    "RandomPosterize": lambda T: T.RandomPosterize(3),
    "RandomSolarize": lambda T: T.RandomSolarize(0.4),
    "RandomAdjustSharpness": lambda T: T.RandomAdjustSharpness(2.5, p=0.8),
    "RandomAutocontrast": lambda T: T.RandomAutocontrast(),
    "RandomEqualize": lambda T: T.RandomEqualize(0.9),
    "ElasticTransform": lambda T: T.ElasticTransform(30.0, 2.0),
    "AutoAugment": lambda T: T.AutoAugment(),
    "AutoAugment-cifar": lambda T: T.AutoAugment(T.AutoAugmentPolicy.CIFAR10),
    "AutoAugment-svhn": lambda T: T.AutoAugment(T.AutoAugmentPolicy.SVHN, fill=5),
    "RandAugment": lambda T: T.RandAugment(),
    "TrivialAugmentWide": lambda T: T.TrivialAugmentWide(num_magnitude_bins=31),
    "AugMix": lambda T: T.AugMix(),
    "AugMix-some": lambda T: T.AugMix(5, 2, 2, all_ops=False),
    "RandomApply": lambda T: T.RandomApply([T.Pad(1), T.RandomVerticalFlip()], 0.6),
    "RandomChoice": lambda T: T.RandomChoice([T.Pad(1), T.Pad(2), T.RandomCrop(9)], [1, 2, 3]),
    "RandomOrder": lambda T: T.RandomOrder([T.RandomVerticalFlip(), T.RandomHorizontalFlip(), T.Pad((1, 2))]),
    "Compose": lambda T: T.Compose(
        [T.RandomResizedCrop(20), T.RandomHorizontalFlip(0.3), T.ColorJitter(0.2)]
    ),
}
#: Operations that need bytes.
BYTES_ONLY = ("RandomPosterize", "RandomEqualize", "AutoAugment", "RandAugment", "TrivialAugment", "AugMix")
#: PyTorch adds many products per pixel in another order, so a byte next to a half may round the other way.
SUMS = (
    "Resize",
    "RandomResizedCrop",
    "RandomPerspective",
    "GaussianBlur",
    "ElasticTransform",
    "Compose",
    "RandomOrder",
)


def seeded(transform, library, img, seed):
    library.manual_seed(seed)
    random.seed(seed)
    return transform(img)


def arrays(result):
    parts = result if isinstance(result, tuple) else (result,)
    return [np.asarray(p) if isinstance(p, Image.Image) else p.numpy() for p in parts]


def compare(name, made, expected, kind):
    assert len(made) == len(expected)
    for a, b in zip(made, expected, strict=True):
        assert a.shape == b.shape
        assert a.dtype == b.dtype
        if kind == "float":
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=2e-5)
        elif name.startswith("AugMix"):
            # Shares are drawn from a Dirichlet distribution, exact to rounding only, and sums are cut off.
            assert np.abs(a.astype(int) - b.astype(int)).max() <= 2
        elif kind == "PIL" or not name.startswith(SUMS):
            np.testing.assert_array_equal(a, b)
        else:
            difference = np.abs(a.astype(int) - b.astype(int))
            assert difference.max(initial=0) <= 1
            assert (difference > 0).mean() < 0.002


@pytest.mark.parametrize("kind", ["PIL", "bytes", "float"])
@pytest.mark.parametrize("name", CASES)
def test_transforms_match_torchvision(torch, torchvision, name, kind):
    if kind == "float" and name.startswith(BYTES_ONLY):
        pytest.skip("torchvision needs bytes for this one, too")
    if kind == "PIL" and name == "RandomSolarize":
        pytest.skip("the threshold of this case is one for floats")
    ours, theirs = CASES[name](transforms), CASES[name](torchvision.transforms)
    assert repr(ours) == repr(theirs)
    for seed in range(4):
        pixels = image(seed=seed)
        img, reference = Image.fromarray(pixels), Image.fromarray(pixels)
        if kind != "PIL":
            channels_first = np.ascontiguousarray(pixels.transpose(2, 0, 1))
            if kind == "float":
                channels_first = channels_first.astype(np.float32) / np.float32(255)
            img, reference = jtorch.tensor(channels_first), torch.tensor(channels_first)
        made = arrays(seeded(ours, jtorch, img, seed))
        expected = arrays(seeded(theirs, torch, reference, seed))
        compare(name, made, expected, kind)
        # Both have drawn the same numbers.
        assert jtorch.rand(1).item() == torch.rand(1).item()
