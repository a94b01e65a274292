"""Random numbers: PyTorch's CPU streams bit for bit, and counter-based ones for accelerators.

The samplers take an engine, a shape and a NumPy dtype and return NumPy arrays; ``philox`` has the functions
for use in compiled programs.
"""

from jtorch.rng import _philox as philox
from jtorch.rng._bernoulli import bernoulli, dropout_mask, rrelu_noise
from jtorch.rng._continuous import cauchy, exponential, geometric, log_normal
from jtorch.rng._integers import integers
from jtorch.rng._mt19937 import DEFAULT_SEED, MT19937
from jtorch.rng._multinomial import multinomial
from jtorch.rng._normal import normal
from jtorch.rng._permutation import randperm
from jtorch.rng._philox_state import Philox
from jtorch.rng._rejection import binomial, dirichlet, poisson, standard_gamma
from jtorch.rng._streams import KeyStream
from jtorch.rng._uniform import uniform

__all__ = [
    "DEFAULT_SEED",
    "MT19937",
    "KeyStream",
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
