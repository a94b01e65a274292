"""Random numbers: PyTorch's CPU streams bit for bit, and counter-based ones for accelerators.

The samplers take an engine, a shape and a NumPy dtype and return NumPy arrays; ``philox`` has the functions
for use in compiled programs.
"""

from jtorch.random import _philox as philox
from jtorch.random._bernoulli import bernoulli, dropout_mask, rrelu_noise
from jtorch.random._continuous import cauchy, exponential, geometric, log_normal
from jtorch.random._integers import integers
from jtorch.random._mt19937 import DEFAULT_SEED, MT19937
from jtorch.random._multinomial import multinomial
from jtorch.random._normal import normal
from jtorch.random._permutation import randperm
from jtorch.random._philox_state import Philox
from jtorch.random._rejection import binomial, dirichlet, poisson, standard_gamma
from jtorch.random._uniform import uniform

__all__ = [
    "DEFAULT_SEED",
    "MT19937",
    "Philox",
    "bernoulli",
    "binomial",
    "cauchy",
    "dirichlet",
    "dropout_mask",
    "exponential",
    "geometric",
    "integers",
    "log_normal",
    "multinomial",
    "normal",
    "philox",
    "poisson",
    "randperm",
    "rrelu_noise",
    "standard_gamma",
    "uniform",
]
