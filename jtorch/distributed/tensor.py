"""``torch.distributed.tensor``: packages ask whether a tensor is spread over processes; here none is."""

from __future__ import annotations

from typing import Any

from jtorch.tensor import Tensor

__all__ = ["DTensor"]


class DTensor(Tensor):
    """The class of tensors that are spread over processes, for ``isinstance``: no tensor is one."""

    def __new__(cls, *args: Any, **kwargs: Any) -> DTensor:
        """Refused: there is one process.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError("torch.distributed is not available in jtorch: programs run in one process")
