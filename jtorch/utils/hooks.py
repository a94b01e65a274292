"""Handles of registered hooks (``torch.utils.hooks``)."""

from jtorch.tape import RemovableHandle

__all__ = ["RemovableHandle"]
