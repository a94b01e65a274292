"""What transformers over windows or patches share."""

from __future__ import annotations

import jtorch
from jtorch import nn
from jtorch.tensor import Tensor

__all__ = ["draw_mlp", "position_index"]


def position_index(rows: int, columns: int) -> Tensor:
    """Numbers of the offsets between all places of a window.

    Returns:
        int64 ``(places, places)``, below (2 * rows - 1) * (2 * columns - 1).
    """
    i = jtorch.arange(rows * columns)
    row, column = i // columns, i % columns
    down = row[:, None] - row[None, :] + (rows - 1)
    right = column[:, None] - column[None, :] + (columns - 1)
    return down * (2 * columns - 1) + right


def draw_mlp(mlp: nn.Module) -> None:
    """Draw the first weights of linear layers evenly, and biases near 0."""
    for m in mlp.modules():
        if isinstance(m, nn.Linear):
            nn.init.xavier_uniform_(m.weight)
            nn.init.normal_(m.bias, std=1e-6)
