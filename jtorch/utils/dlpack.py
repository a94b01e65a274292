"""DLPack (``torch.utils.dlpack``)."""

from jtorch.tensor._interop import DLDeviceType, from_dlpack, to_dlpack

__all__ = ["DLDeviceType", "from_dlpack", "to_dlpack"]
