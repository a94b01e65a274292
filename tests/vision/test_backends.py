"""Images on the host, worked on by NumPy, and all others, by tensors' operations: the same results."""

import subprocess
import sys

import numpy as np
import pytest

import jtorch
from jtorch.vision import datasets, transforms
from jtorch.vision.transforms import functional as F
from jtorch.vision.transforms.v2 import functional as F2

from .conftest import image

FUNCTIONS = {
    "hflip": F.hflip,
    "crop": lambda x: F.crop(x, -1, 2, 9, 5),
    "pad": lambda x: F2.pad(x, [1, 2, 3, 4], fill=[0.1, 0.2, 0.3]),
    "pad-reflect": lambda x: F.pad(x, [2, 3], padding_mode="reflect"),
    "resize": lambda x: F.resize(x, [7, 11]),
    "resize-nearest": lambda x: F.resize(x, [7, 11], F.InterpolationMode.NEAREST),
    "rotate": lambda x: F.rotate(x, 25.0, F.InterpolationMode.BILINEAR, expand=True, fill=[0.5]),
    "perspective": lambda x: F.perspective(
        x, [[0, 0], [9, 0], [9, 9], [0, 9]], [[1, 0], [9, 2], [8, 9], [0, 8]]
    ),
    "colors": lambda x: F.adjust_saturation(F.adjust_contrast(F.adjust_brightness(x, 0.9), 0.8), 1.3),
    "hue": lambda x: F.adjust_hue(x, 0.2),
    "gamma": lambda x: F.adjust_gamma(x, 1.3),
    "blur": lambda x: F.gaussian_blur(x, [3, 5], [0.8, 1.1]),
    "sharpness": lambda x: F.adjust_sharpness(x, 0.5),
    "autocontrast": F2.autocontrast,
    "solarize": lambda x: F.solarize(x, 0.5),
    "normalize": lambda x: F.normalize(x, [0.1, 0.2, 0.3], [0.4, 0.5, 0.6]),
    "erase": lambda x: F.erase(x, 1, 2, 3, 4, jtorch.ones(1, 1, 1)),
    "gray": lambda x: F.rgb_to_grayscale(x, 3),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_tensors_with_gradients_give_the_results_of_the_host(name):
    pixels = image(11, 10).transpose(2, 0, 1).astype(np.float32) / 255
    expected = FUNCTIONS[name](jtorch.tensor(pixels)).numpy()
    x = jtorch.tensor(pixels, requires_grad=True)
    made = FUNCTIONS[name](x)
    assert made.requires_grad
    np.testing.assert_allclose(made.detach().numpy(), expected, rtol=1e-4, atol=1e-5)
    made.sum().backward()
    assert x.grad.shape == x.shape
    assert np.isfinite(x.grad.numpy()).all()
    assert x.grad.abs().sum().item() > 0


def test_results_do_not_change_with_their_source():
    pixels = np.arange(27, dtype=np.float32).reshape(3, 3, 3)
    source = jtorch.from_numpy(pixels)
    made = [F.hflip(F.hflip(source)), F.resize(source, [3, 3]), F.pad(source, 0), F.center_crop(source, 3)]
    made[1] = made[1].clone()
    before = [m.numpy().copy() for m in (made[0], made[2])]
    pixels[:] = -1
    for m, b in zip((made[0], made[2]), before, strict=True):
        np.testing.assert_array_equal(m.numpy(), b)


def test_data_and_transforms_start_no_backend(tmp_path):
    """Worker processes may not use XLA, and `fork` is safe before it starts."""
    code = """
import numpy as np, jtorch
from PIL import Image
from jax._src import xla_bridge
from jtorch.vision import datasets, transforms as T
from jtorch.vision.transforms import v2
pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3)).astype(np.uint8)
steps = [
    T.RandomResizedCrop(32), T.RandomHorizontalFlip(), T.ColorJitter(0.4, 0.4, 0.4, 0.1), T.Grayscale(3),
    T.RandomRotation(10), T.RandomPerspective(p=1.0), T.GaussianBlur(3), T.RandomAffine(10), T.AugMix(),
    T.TrivialAugmentWide(), T.AutoAugment(), T.RandAugment(), T.ElasticTransform(), T.RandomCrop(20),
]
erasing = [T.RandomErasing(p=1.0), T.RandomErasing(1.0, value="random")]
end = [T.ToTensor(), T.Normalize((0.5,) * 3, (0.2,) * 3), *erasing]
for step in steps:
    T.Compose([step, *end])(Image.fromarray(pixels))
    T.Compose([T.PILToTensor(), step, T.ConvertImageDtype(jtorch.float32), *end[1:]])(Image.fromarray(pixels))
ends = [v2.ToDtype(jtorch.float32, scale=True), v2.Normalize([0.5] * 3, [0.2] * 3), v2.RandomErasing(p=1.0)]
begin = [v2.ToImage(), v2.RandomResizedCrop(32), v2.RandomHorizontalFlip()]
v2.Compose([*begin, *ends])(Image.fromarray(pixels))
datasets.FakeData(2, (3, 8, 8), transform=T.ToTensor())[0]
print(len(xla_bridge._backends))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0"


@pytest.mark.slow
@pytest.mark.parametrize(("name", "wanted"), [("MNIST", 0.93), ("FashionMNIST", 0.78)])
def test_real_images_are_learnt_in_a_few_epochs(shared_data, name, wanted):
    nn, F = jtorch.nn, jtorch.nn.functional
    jtorch.manual_seed(0)
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.3,), (0.3,))])
    parts = [
        getattr(datasets, name)(shared_data, train=train, transform=transform) for train in (True, False)
    ]
    loader = jtorch.utils.data.DataLoader(parts[0], batch_size=64, shuffle=True, drop_last=True)
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
    optimizer = jtorch.optim.Adam(model.parameters(), lr=2e-3)
    for _ in range(5):
        for images, targets in loader:
            optimizer.zero_grad()
            F.cross_entropy(model(images), targets).backward()
            optimizer.step()
    images = jtorch.stack([image for image, _ in parts[1]])
    with jtorch.no_grad():
        right = (model(images).argmax(1) == parts[1].targets).float().mean().item()
    assert right > wanted
