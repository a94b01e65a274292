"""Programs that run without the code that made them (``torch.export``): StableHLO, by ``jax.export``.

>>> import jtorch as torch
>>> program = torch.export.export(torch.nn.Linear(2, 3), (torch.ones(1, 2),))
>>> program.module()(torch.ones(1, 2)).shape
torch.Size([1, 3])
"""

from jtorch.export._program import Dim, ExportedProgram, dims, export, load, save

__all__ = ["Dim", "ExportedProgram", "dims", "export", "load", "save"]
