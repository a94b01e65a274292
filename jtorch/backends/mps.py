"""Apple's GPUs (``torch.backends.mps``)."""

import platform

from jtorch.devices import device as _device
from jtorch.devices import jax_device, platform_available

__all__ = ["get_name", "is_available", "is_built", "is_macos_or_newer"]


def is_available() -> bool:
    """Whether JAX has an Apple GPU."""
    return platform_available("mps")


def is_built() -> bool:
    """Whether JAX has a backend for Apple GPUs."""
    return platform_available("mps")


def get_name() -> str:
    """The GPU's name.

    Raises:
        RuntimeError: there is none.
    """
    return str(jax_device(_device("mps", 0)).device_kind)


def is_macos_or_newer(major: int, minor: int) -> bool:
    """Whether this is macOS of a version or newer.

    Raises:
        RuntimeError: there is no Apple GPU.
    """
    if not is_available():
        raise RuntimeError("Cannot execute isOnMacOSorNewer() without MPS backend.")
    version = [int(n) for n in platform.mac_ver()[0].split(".")[:2]]
    return version >= [major, minor]
