"""Layouts and memory formats: constants that PyTorch programs name."""

from __future__ import annotations

from typing import Any

__all__ = ["layout", "memory_format", "strided"]


class _Constant:
    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self) -> Any:
        return _constant, (self.name,)

    def __deepcopy__(self, memo: Any) -> _Constant:
        return self


class layout(_Constant):
    """How elements are stored: tensors are ``torch.strided``, the others are names to compare with."""


class memory_format(_Constant):
    """Order of dimensions in memory (``torch.memory_format``)."""


strided = layout("strided")
sparse_coo = layout("sparse_coo")
sparse_csr = layout("sparse_csr")
sparse_csc = layout("sparse_csc")
sparse_bsr = layout("sparse_bsr")
sparse_bsc = layout("sparse_bsc")
jagged = layout("jagged")
contiguous_format = memory_format("contiguous_format")
preserve_format = memory_format("preserve_format")
channels_last = memory_format("channels_last")
channels_last_3d = memory_format("channels_last_3d")


def _constant(name: str) -> Any:
    return globals()[name]
