"""The function forms of optimizers in one place (``torch.optim._functional``)."""

from __future__ import annotations

from jtorch.optim._function_form import take_step
from jtorch.optim.adadelta import adadelta as adadelta
from jtorch.optim.adagrad import adagrad as adagrad
from jtorch.optim.adam import adam as adam
from jtorch.optim.adamax import adamax as adamax
from jtorch.optim.adamw import adamw as adamw
from jtorch.optim.asgd import asgd as asgd
from jtorch.optim.nadam import nadam as nadam
from jtorch.optim.radam import radam as radam
from jtorch.optim.rmsprop import rmsprop as rmsprop
from jtorch.optim.rprop import rprop as rprop
from jtorch.optim.sgd import sgd as sgd
from jtorch.optim.sparse_adam import SparseAdam
from jtorch.tensor import Tensor


def sparse_adam(
    params: list[Tensor],
    grads: list[Tensor],
    exp_avgs: list[Tensor],
    exp_avg_sqs: list[Tensor],
    state_steps: list[int],
    *,
    eps: float,
    beta1: float,
    beta2: float,
    lr: float,
    maximize: bool,
) -> None:
    """One step of :class:`jtorch.optim.SparseAdam` on given tensors, in place.

    Beside the tensors to change and their gradients, other arguments being the class's settings:

    * ``exp_avgs``: averages of gradients;
    * ``exp_avg_sqs``: averages of their squares;
    * ``state_steps``: numbers of this step, from 1;
    * ``beta1``, ``beta2``: the class's ``betas``.
    """
    take_step(
        SparseAdam,
        params,
        grads,
        {"exp_avg": exp_avgs, "exp_avg_sq": exp_avg_sqs},
        {"step": [step - 1 for step in state_steps]},
        eps=eps,
        betas=(beta1, beta2),
        lr=lr,
        maximize=maximize,
    )
