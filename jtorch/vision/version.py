"""The torchvision release whose behaviour this package follows."""

__all__ = ["__version__"]

__version__ = "0.28.0"
