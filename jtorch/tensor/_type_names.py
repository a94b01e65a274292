"""Names of tensor types from before dtypes."""

from __future__ import annotations

from jtorch import dtypes
from jtorch.trace import Aval

__all__ = ["legacy_name", "type_name"]

#: Dtypes that errors call by their legacy type name.
_LEGACY = frozenset({
    dtypes.float16, dtypes.float32, dtypes.float64, dtypes.uint8, dtypes.int8, dtypes.int16, dtypes.int32,
    dtypes.int64,
})  # fmt: skip


def legacy_name(aval: Aval) -> str:
    """``torch.FloatTensor``, ``torch.cuda.LongTensor``: what ``Tensor.type()`` returns."""
    kind = aval.device.type
    where = "" if kind in ("cpu", "meta") else f"{kind}."
    return f"torch.{where}{dtypes.scalar_type_name(aval.dtype)}Tensor"


def type_name(aval: Aval) -> str:
    """What errors of PyTorch's C++ call a tensor: ``torch.FloatTensor``, but ``CPUBoolType``."""
    kind, d = aval.device.type, aval.dtype
    if kind != "meta" and d in _LEGACY:
        return legacy_name(aval)
    where = "Meta" if kind == "meta" else kind.upper()
    return f"{where}{dtypes.scalar_type_name(d)}Type"
