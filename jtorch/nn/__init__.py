"""Neural networks: modules, parameters, functions, initialisation (``torch.nn``)."""

from jtorch.nn import attention as attention
from jtorch.nn import common_types as common_types
from jtorch.nn import functional as functional
from jtorch.nn import grad as grad
from jtorch.nn import init as init
from jtorch.nn import modules as modules
from jtorch.nn import parallel as parallel
from jtorch.nn import parameter as parameter
from jtorch.nn import utils as utils
from jtorch.nn._factory import factory_kwargs as factory_kwargs
from jtorch.nn.modules import *  # noqa: F403
from jtorch.nn.modules.linear_cross_entropy_options import (
    LinearCrossEntropyOptions as LinearCrossEntropyOptions,
)
from jtorch.nn.modules.module import Module as Module
from jtorch.nn.parallel import DataParallel as DataParallel
from jtorch.nn.parameter import Buffer as Buffer
from jtorch.nn.parameter import Parameter as Parameter
from jtorch.nn.parameter import UninitializedBuffer as UninitializedBuffer
from jtorch.nn.parameter import UninitializedParameter as UninitializedParameter
