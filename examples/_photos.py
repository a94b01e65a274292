"""Pictures for the examples: a folder of small photos by class, and FashionMNIST or what stands in for it."""

import urllib.error
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits, load_sample_image

import jtorch as torch
from jtorch.utils.data import TensorDataset
from jtorch.vision import datasets, transforms

DATA = Path(__file__).parent / "output" / "data"

#: Where each class is cut from scikit-learn's two photos: picture, and the rows and columns to cut from.
SOURCES = {
    "flower": ("flower.jpg", (80, 360), (160, 450)),
    "sky": ("china.jpg", (0, 200), (330, 600)),
    "temple": ("china.jpg", (50, 340), (80, 340)),
}


def photo_folder(count=60, size=64):
    """Cut small photos from scikit-learn's two: ``root/train/class/*.jpg`` and ``root/test/class/*.jpg``.

    Args:
        count: photos per class; a quarter of them is for testing.
        size: sides in pixels.

    Returns:
        The root folder; made once.
    """
    from PIL import Image  # noqa: PLC0415

    root = DATA / "photos"
    if root.exists():
        return root
    random = np.random.default_rng(0)
    for name, (source, rows, columns) in SOURCES.items():
        photo = load_sample_image(source)
        for number in range(count):
            part = "test" if number % 4 == 0 else "train"
            top, left = (int(random.integers(low, high - size)) for low, high in (rows, columns))
            folder = root / part / name
            folder.mkdir(parents=True, exist_ok=True)
            picture = Image.fromarray(photo[top : top + size, left : left + size])
            picture.save(folder / f"{number:03}.jpg", quality=95)
    return root


def fashion(limit=None):
    """FashionMNIST; without a network, scikit-learn's digits at its size.

    Args:
        limit: keep so many training images, and a quarter as many test images.

    Returns:
        Training set, test set, class names, and a sentence that says what they are.
    """
    root, to_tensor = str(DATA), transforms.ToTensor()
    try:
        train, test = (
            datasets.FashionMNIST(root, train=part, download=True, transform=to_tensor)
            for part in (True, False)
        )
    except (RuntimeError, urllib.error.URLError):
        digits = load_digits()
        images = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1) / 16
        images = torch.nn.functional.interpolate(images, size=(28, 28), mode="bilinear")
        labels = torch.tensor(digits.target)
        train, test = (TensorDataset(images[part], labels[part]) for part in (slice(1400), slice(1400, None)))
        names = [str(digit) for digit in range(10)]
        return train, test, names, "scikit-learn's digits, as FashionMNIST is out of reach"
    names = train.classes
    if limit is not None and limit < len(train):
        train = torch.utils.data.Subset(train, range(limit))
        test = torch.utils.data.Subset(test, range(min(len(test), limit // 4)))
    return train, test, names, f"FashionMNIST, {len(train):,} training images"
