"""The few functions of PyTorch's native module that packages call (``torch._C``)."""

from __future__ import annotations

__all__: list[str] = []


def _log_api_usage_once(event: str) -> None:
    """PyTorch counts uses of its interfaces inside of Meta; nothing is counted here."""


def _get_tracing_state() -> None:
    """No TorchScript trace is ever being made."""
