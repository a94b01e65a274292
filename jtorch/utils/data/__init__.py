"""Data sets, samplers and loaders (``torch.utils.data``)."""

from jtorch.utils.data._datapipes import DataChunk as DataChunk
from jtorch.utils.data._datapipes import DFIterDataPipe as DFIterDataPipe
from jtorch.utils.data._datapipes import IterDataPipe as IterDataPipe
from jtorch.utils.data._datapipes import MapDataPipe as MapDataPipe
from jtorch.utils.data._datapipes import functional_datapipe as functional_datapipe
from jtorch.utils.data._datapipes import guaranteed_datapipes_determinism as guaranteed_datapipes_determinism
from jtorch.utils.data._datapipes import non_deterministic as non_deterministic
from jtorch.utils.data._iterators import _DatasetKind as _DatasetKind
from jtorch.utils.data._tfds import TFDSDataset as TFDSDataset
from jtorch.utils.data.dataloader import DataLoader as DataLoader
from jtorch.utils.data.dataloader import default_collate as default_collate
from jtorch.utils.data.dataloader import default_convert as default_convert
from jtorch.utils.data.dataloader import get_worker_info as get_worker_info
from jtorch.utils.data.dataset import ChainDataset as ChainDataset
from jtorch.utils.data.dataset import ConcatDataset as ConcatDataset
from jtorch.utils.data.dataset import Dataset as Dataset
from jtorch.utils.data.dataset import IterableDataset as IterableDataset
from jtorch.utils.data.dataset import StackDataset as StackDataset
from jtorch.utils.data.dataset import Subset as Subset
from jtorch.utils.data.dataset import TensorDataset as TensorDataset
from jtorch.utils.data.dataset import random_split as random_split
from jtorch.utils.data.distributed import DistributedSampler as DistributedSampler
from jtorch.utils.data.sampler import BatchSampler as BatchSampler
from jtorch.utils.data.sampler import RandomSampler as RandomSampler
from jtorch.utils.data.sampler import Sampler as Sampler
from jtorch.utils.data.sampler import SequentialSampler as SequentialSampler
from jtorch.utils.data.sampler import SubsetRandomSampler as SubsetRandomSampler
from jtorch.utils.data.sampler import WeightedRandomSampler as WeightedRandomSampler

__all__ = [
    "BatchSampler",
    "ChainDataset",
    "ConcatDataset",
    "DFIterDataPipe",
    "DataChunk",
    "DataLoader",
    "Dataset",
    "DistributedSampler",
    "IterDataPipe",
    "IterableDataset",
    "MapDataPipe",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "StackDataset",
    "Subset",
    "SubsetRandomSampler",
    "TFDSDataset",
    "TensorDataset",
    "WeightedRandomSampler",
    "default_collate",
    "default_convert",
    "functional_datapipe",
    "get_worker_info",
    "guaranteed_datapipes_determinism",
    "non_deterministic",
    "random_split",
]
