"""Comparing tensors, and making them for tests (``torch.testing``); comparing whole programs."""

from __future__ import annotations

from typing import Any

from jtorch.testing._comparison import assert_allclose, assert_close
from jtorch.testing._creation import make_tensor

__all__ = ["assert_allclose", "assert_close", "compare", "make_tensor"]


def compare(program: Any, *arguments: str, **options: Any) -> Any:
    """Run one program under PyTorch and under jtorch, and compare number by number.

    The same as :func:`jtorch.compare.compare`, which documents the options.
    """
    from jtorch.compare import compare as run  # noqa: PLC0415 - its parts are large and rarely needed

    return run(program, *arguments, **options)
