"""Data sets of images under torchvision's names and on its disk layout (``torchvision.datasets``).

Other names of torchvision's raise an ``AttributeError`` that says so.
"""

from jtorch.vision.datasets import utils as utils
from jtorch.vision.datasets.cifar import CIFAR10, CIFAR100
from jtorch.vision.datasets.fakedata import FakeData
from jtorch.vision.datasets.folder import DatasetFolder, ImageFolder
from jtorch.vision.datasets.food101 import Food101
from jtorch.vision.datasets.mnist import EMNIST, KMNIST, MNIST, QMNIST, FashionMNIST
from jtorch.vision.datasets.stl10 import STL10
from jtorch.vision.datasets.svhn import SVHN
from jtorch.vision.datasets.vision import VisionDataset

__all__ = [
    "CIFAR10",
    "CIFAR100",
    "EMNIST",
    "KMNIST",
    "MNIST",
    "QMNIST",
    "STL10",
    "SVHN",
    "DatasetFolder",
    "FakeData",
    "FashionMNIST",
    "Food101",
    "ImageFolder",
    "VisionDataset",
]
