"""Apple's GPUs (``torch.backends.mps``)."""

from jtorch.devices import platform_available

__all__ = ["is_available", "is_built"]


def is_available() -> bool:
    """Whether JAX has an Apple GPU."""
    return platform_available("mps")


def is_built() -> bool:
    """Whether JAX has a backend for Apple GPUs."""
    return platform_available("mps")
