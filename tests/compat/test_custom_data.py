"""Pictures in folders, own data sets, TinyVGG and its table, and a photo, as in the custom data sections."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import jtorch
from jtorch.utils.data import DataLoader, Dataset
from jtorch.vision import datasets, io, transforms

Image = pytest.importorskip("PIL.Image")
PHOTO = Path(__file__).parents[2].parent / "shared" / "data" / "04-pizza-dad.jpeg"
NAMES = ["pizza", "steak", "sushi"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Twelve JPEG files of 48x32 pixels in the document's layout, which has 225 and 75 photographs."""
    root = tmp_path_factory.mktemp("data") / "pizza_steak_sushi"
    generator = np.random.default_rng(0)
    for split, count in (("train", 3), ("test", 1)):
        for name in NAMES:
            (root / split / name).mkdir(parents=True)
            for i in range(count):
                pixels = generator.integers(0, 255, (32, 48, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(root / split / name / f"{i}.jpg")
    return root


class ImageFolderCustom(Dataset):
    def __init__(self, targ_dir, transform=None):
        self.paths = sorted(Path(targ_dir).glob("*/*.jpg"))
        self.transform = transform
        self.classes, self.class_to_idx = find_classes(targ_dir)

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        image = Image.open(self.paths[index]).convert("RGB")
        label = self.class_to_idx[self.paths[index].parent.name]
        return (self.transform(image) if self.transform else image), label


def find_classes(directory):
    classes = sorted(entry.name for entry in os.scandir(directory) if entry.is_dir())
    if not classes:
        raise FileNotFoundError(f"Couldn't find any classes in {directory}.")
    return classes, {name: i for i, name in enumerate(classes)}


def test_image_folder_and_its_own_version_agree(folder, tmp_path):
    steps = transforms.Compose([transforms.Resize((64, 64)), transforms.ToTensor()])
    folder_data = datasets.ImageFolder(root=folder / "train", transform=steps, target_transform=None)
    own = ImageFolderCustom(folder / "train", steps)
    assert len(own) == len(folder_data) == 9
    assert own.classes == folder_data.classes == NAMES
    assert own.class_to_idx == folder_data.class_to_idx == {"pizza": 0, "steak": 1, "sushi": 2}
    for i in (0, 4, 8):
        assert jtorch.equal(own[i][0], folder_data[i][0])
        assert own[i][1] == folder_data[i][1] == i // 3
    image, label = own[0]
    assert (image.shape, image.dtype, type(label)) == ((3, 64, 64), jtorch.float32, int)
    assert image.permute(1, 2, 0).shape == (64, 64, 3)
    for workers in (0, 1):
        images, labels = next(iter(DataLoader(own, batch_size=1, num_workers=workers, shuffle=True)))
        assert (images.shape, labels.shape) == ((1, 3, 64, 64), (1,))
    with pytest.raises(FileNotFoundError, match=r"^Couldn't find any classes in "):
        find_classes(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"^Couldn't find any class folder in "):
        datasets.ImageFolder(tmp_path)


def test_data_sets_print_their_transforms(folder):
    steps = [transforms.Resize(size=(64, 64)), transforms.RandomHorizontalFlip(p=0.5), transforms.ToTensor()]
    data = datasets.ImageFolder(folder / "train", transforms.Compose(steps))
    # antialias=None in the document's older torchvision; torchvision 0.28 has True.
    assert str(data) == (
        f"Dataset ImageFolder\n    Number of datapoints: 9\n    Root location: {folder / 'train'}\n"
        "    StandardTransform\nTransform: Compose(\n"
        "               Resize(size=(64, 64), interpolation=bilinear, max_size=None, antialias=True)\n"
        "               RandomHorizontalFlip(p=0.5)\n               ToTensor()\n           )"
    )
    wide = transforms.TrivialAugmentWide(num_magnitude_bins=31)
    text = "TrivialAugmentWide(num_magnitude_bins=31, interpolation=InterpolationMode.NEAREST, fill=None)"
    assert str(wide) == text


def test_augmentation_keeps_shapes_and_follows_the_seed(folder):
    image = Image.open(folder / "train" / "pizza" / "0.jpg")
    mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    pipelines = [
        [transforms.Resize((224, 224)), transforms.TrivialAugmentWide(num_magnitude_bins=31)],
        [transforms.RandomHorizontalFlip(), transforms.RandomRotation(30), transforms.RandomResizedCrop(128)],
        [
            transforms.RandomRotation(10),
            transforms.ColorJitter(brightness=0.2, contrast=0.2, saturation=0.2, hue=0.2),
        ],
    ]
    shapes = [(3, 224, 224), (3, 128, 128), (3, 32, 48)]
    for steps, shape in zip(pipelines, shapes, strict=True):
        pipeline = transforms.Compose(
            [*steps, transforms.ToTensor(), transforms.Normalize(mean=mean, std=std)]
        )
        results = []
        for _ in range(2):
            jtorch.manual_seed(42)
            results.append(pipeline(image))
        assert results[0].shape == shape
        assert jtorch.equal(*results)


TINY_VGG = """
from torch import nn


def block(inputs, hidden):
    return nn.Sequential(
        nn.Conv2d(inputs, hidden, kernel_size=3, stride=1, padding=1), nn.ReLU(),
        nn.Conv2d(hidden, hidden, kernel_size=3, stride=1, padding=1), nn.ReLU(),
        nn.MaxPool2d(kernel_size=2, stride=2),
    )


class TinyVGG(nn.Module):
    def __init__(self, input_shape, hidden_units, output_shape):
        super().__init__()
        self.conv_block_1 = block(input_shape, hidden_units)
        self.conv_block_2 = block(hidden_units, hidden_units)
        linear = nn.Linear(hidden_units * 16 * 16, output_shape)
        self.classifier = nn.Sequential(nn.Flatten(), linear)

    def forward(self, x):
        return self.classifier(self.conv_block_2(self.conv_block_1(x)))
"""


def tiny_vgg(framework):
    scope = {"nn": framework.nn, "__name__": "tiny"}
    exec(TINY_VGG.replace("from torch import nn", ""), scope)
    return scope["TinyVGG"](input_shape=3, hidden_units=10, output_shape=3)


def test_tiny_vgg_prints_and_trains_as_in_pytorch(torch):
    images = np.random.default_rng(1).random((8, 3, 64, 64), dtype=np.float32)
    labels = np.arange(8) % 3
    results = []
    for framework in (jtorch, torch):
        framework.manual_seed(42)
        model = tiny_vgg(framework)
        optimizer = framework.optim.Adam(params=model.parameters(), lr=0.001)
        x, y = framework.from_numpy(images), framework.from_numpy(labels)
        losses = []
        for _ in range(3):
            loss = framework.nn.CrossEntropyLoss()(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        results.append((str(model), losses))
    assert results[0][0] == results[1][0]
    assert "(1): Linear(in_features=2560, out_features=3, bias=True)" in results[0][0]
    assert results[0][1] == pytest.approx(results[1][1], rel=2e-5)


TABLE = """\
==========================================================================================
Layer (type:depth-idx)                   Output Shape              Param #
==========================================================================================
TinyVGG                                  [1, 3]                    --
├─Sequential: 1-1                        [1, 10, 32, 32]           --
│    └─Conv2d: 2-1                       [1, 10, 64, 64]           280
│    └─ReLU: 2-2                         [1, 10, 64, 64]           --
│    └─Conv2d: 2-3                       [1, 10, 64, 64]           910
│    └─ReLU: 2-4                         [1, 10, 64, 64]           --
│    └─MaxPool2d: 2-5                    [1, 10, 32, 32]           --
├─Sequential: 1-2                        [1, 10, 16, 16]           --
│    └─Conv2d: 2-6                       [1, 10, 32, 32]           910
│    └─ReLU: 2-7                         [1, 10, 32, 32]           --
│    └─Conv2d: 2-8                       [1, 10, 32, 32]           910
│    └─ReLU: 2-9                         [1, 10, 32, 32]           --
│    └─MaxPool2d: 2-10                   [1, 10, 16, 16]           --
├─Sequential: 1-3                        [1, 3]                    --
│    └─Flatten: 2-11                     [1, 2560]                 --
│    └─Linear: 2-12                      [1, 3]                    7,683
==========================================================================================
Total params: 10,693
Trainable params: 10,693
Non-trainable params: 0
Total mult-adds (M): 6.75
==========================================================================================
Input size (MB): 0.05
Forward/backward pass size (MB): 0.82
Params size (MB): 0.04
Estimated Total Size (MB): 0.91
=========================================================================================="""


def test_torchinfo_draws_the_table():
    """The package says ``import torch``; on Python 3.11 it prints the unit of mult-adds as its enum."""
    if find_spec("torchinfo") is None:  # not imported here, where `torch` may be PyTorch
        pytest.skip("needs the package torchinfo")
    program = (
        "import jtorch; jtorch.install()\n" + TINY_VGG + "\nfrom torchinfo import summary\n"
        "print(summary(TinyVGG(3, 10, 3), input_size=[1, 3, 64, 64], verbose=0))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONIOENCODING": "utf-8", "PYTHONPATH": str(Path(__file__).parents[2])},
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().replace("(Units.MEGABYTES)", "(M)") == TABLE


@pytest.fixture(scope="module")
def photo():
    if not PHOTO.is_file():
        pytest.skip("needs ../shared/data/04-pizza-dad.jpeg, which is not there")
    return io.read_image(str(PHOTO))


def test_the_photo(photo):
    assert (photo.shape, photo.dtype) == ((3, 4032, 3024), jtorch.uint8)
    assert str(photo).split("\n") == [
        "tensor([[[154, 173, 181,  ...,  21,  18,  14],",
        "         [146, 165, 181,  ...,  21,  18,  15],",
        "         [124, 146, 172,  ...,  18,  17,  15],",
        "         ...,",
        "         [ 72,  59,  45,  ..., 152, 150, 148],",
        "         [ 64,  55,  41,  ..., 150, 147, 144],",
        "         [ 64,  60,  46,  ..., 149, 146, 143]],",
        "",
        "        [[171, 190, 193,  ...,  22,  19,  15],",
        "         [163, 182, 193,  ...,  22,  19,  16],",
        "         [141, 163, 184,  ...,  19,  18,  16],",
        "         ...,",
        "         [ 55,  42,  28,  ..., 107, 104, 103],",
        "         [ 47,  38,  24,  ..., 108, 104, 102],",
        "         [ 47,  43,  29,  ..., 107, 104, 101]],",
        "",
        "        [[119, 138, 147,  ...,  17,  14,  10],",
        "         [111, 130, 145,  ...,  17,  14,  11],",
        "         [ 87, 111, 136,  ...,  14,  13,  11],",
        "         ...,",
        "         [ 35,  22,   8,  ...,  52,  52,  48],",
        "         [ 27,  18,   4,  ...,  50,  49,  44],",
        "         [ 27,  23,   9,  ...,  49,  46,  43]]], dtype=torch.uint8)",
    ]


def test_the_photo_as_floats_through_the_model(photo):
    image = photo.type(jtorch.float32) / 255.0
    lines = str(image).split("\n")
    assert lines[:2] == [
        "tensor([[[0.6039, 0.6784, 0.7098,  ..., 0.0824, 0.0706, 0.0549],",
        "         [0.5725, 0.6471, 0.7098,  ..., 0.0824, 0.0706, 0.0588],",
    ]
    assert lines[-1] == "         [0.1059, 0.0902, 0.0353,  ..., 0.1922, 0.1804, 0.1686]]])"
    small = transforms.Compose([transforms.Resize((64, 64))])(image)
    assert (image.shape, small.shape, small.unsqueeze(dim=0).shape) == (
        (3, 4032, 3024), (3, 64, 64), (1, 3, 64, 64)
    )  # fmt: skip
    jtorch.manual_seed(42)
    model = tiny_vgg(jtorch).eval()
    with jtorch.inference_mode():
        with pytest.raises(RuntimeError, match=r"^Input type \(unsigned char\) and bias type \(float\)"):
            model(photo[:, :64, :64])
        with pytest.raises(RuntimeError, match=r"multiplied \(10x256 and 2560x3\)$"):
            model(small)
        logits = model(small.unsqueeze(dim=0))
    probabilities = jtorch.softmax(logits, dim=1)
    label = jtorch.argmax(probabilities, dim=1)
    assert NAMES[label.cpu()] in NAMES
    assert probabilities.sum().item() == pytest.approx(1, abs=1e-6)
    # The document's logits come from a training without shuffling seeds; its softmax of them is checkable.
    documented = jtorch.softmax(jtorch.tensor([[0.1172, 0.0160, -0.1425]]), dim=1)
    assert str(documented) == "tensor([[0.3738, 0.3378, 0.2883]])"
