"""Modules on several devices (``torch.nn.parallel``)."""

from jtorch.nn.parallel.data_parallel import DataParallel as DataParallel
from jtorch.nn.parallel.data_parallel import data_parallel as data_parallel
from jtorch.nn.parallel.distributed import DistributedDataParallel as DistributedDataParallel
from jtorch.nn.parallel.parallel_apply import parallel_apply as parallel_apply
from jtorch.nn.parallel.replicate import replicate as replicate
from jtorch.nn.parallel.scatter_gather import gather as gather
from jtorch.nn.parallel.scatter_gather import scatter as scatter

__all__ = [
    "DataParallel",
    "DistributedDataParallel",
    "data_parallel",
    "gather",
    "parallel_apply",
    "replicate",
    "scatter",
]
