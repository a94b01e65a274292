"""Random numbers: PyTorch's CPU streams bit for bit, and counter-based ones for accelerators.

The samplers take an engine, a shape and a NumPy dtype and return NumPy arrays; ``philox`` has the functions
for use in compiled programs, ``philox_sampling`` those that need several numbers for each sample.
"""

from jtorch.rng import _philox as philox
from jtorch.rng import _philox_sampling as philox_sampling
from jtorch.rng._bernoulli import bernoulli, dropout_mask, rrelu_noise
from jtorch.rng._continuous import cauchy, exponential, geometric, log_normal
from jtorch.rng._integers import integers
from jtorch.rng._mt19937 import DEFAULT_SEED, MT19937
from jtorch.rng._multinomial import check_multinomial, check_weights, multinomial
from jtorch.rng._normal import normal
from jtorch.rng._permutation import randperm
from jtorch.rng._philox_state import Philox
from jtorch.rng._rejection import binomial, check_rate, dirichlet, poisson, standard_gamma
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
    "check_multinomial",
    "check_rate",
    "check_weights",
    "dirichlet",
    "dropout_mask",
    "exponential",
    "geometric",
    "integers",
    "log_normal",
    "multinomial",
    "normal",
    "philox",
    "philox_sampling",
    "poisson",
    "randperm",
    "rrelu_noise",
    "standard_gamma",
    "uniform",
]
