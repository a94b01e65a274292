"""How objects without a text of their own are shown: under PyTorch's names of modules."""

from __future__ import annotations

__all__ = ["as_pytorch_shows"]


def as_pytorch_shows(instance: object) -> str:
    """What Python shows of an object, ``<torch.utils.data.dataloader.DataLoader object at 0x...>``.

    Classes of users keep their own module's name.
    """
    return object.__repr__(instance).replace("<jtorch.", "<torch.", 1)
