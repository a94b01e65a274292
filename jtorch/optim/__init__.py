"""Optimizers over optax's transformations (``torch.optim``)."""

from jtorch.optim import lr_scheduler as lr_scheduler
from jtorch.optim.adam import Adam as Adam
from jtorch.optim.adam import AdamW as AdamW
from jtorch.optim.optimizer import Optimizer as Optimizer
from jtorch.optim.sgd import SGD as SGD
