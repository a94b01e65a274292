"""How PyTorch's fused linear map and cross entropy cuts its work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["LinearCrossEntropyOptions"]


@dataclass
class LinearCrossEntropyOptions:
    """Accepted by the loss and its function; XLA plans the work itself."""

    allow_retain_graph: bool = False
    batch_chunk_size: int | None = None
    chunking_method: str | None = "auto"
    acc_policy: Literal["accurate", "balanced", "compact", "auto"] = "auto"
    acc_dtype: Any | None = None
