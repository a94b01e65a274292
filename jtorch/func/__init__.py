"""Transforms of functions (``torch.func``): JAX's, on functions of tensors.

>>> import jtorch as torch
>>> torch.func.grad(torch.sin)(torch.tensor(0.0))
tensor(1.)
"""

from jtorch.func._gradients import grad, grad_and_value, hessian, jacfwd, jacrev, jvp, linearize, vjp
from jtorch.func._modules import (
    debug_unwrap,
    functional_call,
    functionalize,
    replace_all_batch_norm_modules_,
    stack_module_state,
)
from jtorch.func._vmap import vmap

__all__ = [
    "debug_unwrap", "functional_call", "functionalize", "grad", "grad_and_value", "hessian", "jacfwd",
    "jacrev", "jvp", "linearize", "replace_all_batch_norm_modules_", "stack_module_state", "vjp", "vmap",
]  # fmt: skip
