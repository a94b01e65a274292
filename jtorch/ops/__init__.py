"""Pure JAX functions by family, each with its registration.

Importing the package imports every family, which fills :data:`jtorch.ops._registry.OPS`.
"""

from importlib import import_module
from pkgutil import iter_modules

for _family in iter_modules(__path__):
    import_module(f"{__name__}.{_family.name}")
