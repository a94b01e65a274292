"""Logs for TensorBoard (``torch.utils.tensorboard``); needs the package ``tensorboard``."""

from jtorch.utils.tensorboard.writer import FileWriter, SummaryWriter

__all__ = ["FileWriter", "SummaryWriter"]
