"""The warning that ``torch.cpu.amp`` is an old path."""

from __future__ import annotations

from jtorch.errors import warn_user

__all__ = ["warn"]


def warn(name: str, arguments: str) -> None:
    """Warn that a name is deprecated."""
    warn_user(
        f"`torch.cpu.amp.{name}(args...)` is deprecated. Please use `torch.amp.{name}({arguments})` instead.",
        FutureWarning,
    )
