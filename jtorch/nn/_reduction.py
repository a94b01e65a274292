"""The old pair of arguments ``size_average`` and ``reduce``, which one word replaced."""

from __future__ import annotations

import warnings

__all__ = ["legacy_get_string"]


def legacy_get_string(size_average: bool | None, reduce: bool | None, emit_warning: bool = True) -> str:
    """The ``reduction`` that the old pair means."""
    average = size_average is None or size_average
    found = "none" if reduce is not None and not reduce else "mean" if average else "sum"
    if emit_warning:
        warnings.warn(
            f"size_average and reduce args will be deprecated, please use reduction='{found}' instead.",
            stacklevel=4,
        )
    return found
