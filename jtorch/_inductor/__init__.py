"""Names of PyTorch's code generator that programs set: XLA stands in its place, and heeds none of them."""

from __future__ import annotations

from typing import Any

from jtorch._inductor import config
from jtorch.compiler._known_settings import INDUCTOR, MODES

__all__ = ["config", "list_mode_options", "list_options"]


def list_options() -> list[str]:
    """Names that ``torch.compile(options=...)`` takes."""
    return list(INDUCTOR)


def list_mode_options(mode: str | None = None, dynamic: bool | None = None) -> dict[str, Any]:
    """The options that a ``mode`` of ``torch.compile`` stands for; without one, all modes with theirs.

    Raises:
        RuntimeError: there is no such mode.
    """
    del dynamic
    if mode is None:
        return {k: dict(v) for k, v in MODES.items()}
    if mode not in MODES:
        raise RuntimeError(f"Unrecognized mode={mode}, should be one of: {', '.join(MODES)}")
    return dict(MODES[mode])
