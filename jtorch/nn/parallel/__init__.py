"""Modules on several devices (``torch.nn.parallel``)."""

from jtorch.nn.parallel.data_parallel import DataParallel as DataParallel
from jtorch.nn.parallel.data_parallel import data_parallel as data_parallel
