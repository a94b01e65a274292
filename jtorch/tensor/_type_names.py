"""Names of tensor types from before dtypes."""

from __future__ import annotations

from jtorch import dtypes
from jtorch.trace import Aval

__all__ = ["legacy_name"]


def legacy_name(aval: Aval) -> str:
    """``torch.FloatTensor``, ``torch.cuda.LongTensor``: what ``Tensor.type()`` returns."""
    kind = aval.device.type
    where = "" if kind in ("cpu", "meta") else f"{kind}."
    return f"torch.{where}{dtypes.scalar_type_name(aval.dtype)}Tensor"
