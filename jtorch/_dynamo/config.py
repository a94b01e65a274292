"""Settings of compilation (``torch._dynamo.config``)."""

import sys

from jtorch.compiler import config

config.__dict__.update({k: v for k, v in globals().items() if k in ("__spec__", "__file__", "__loader__")})
sys.modules[__name__] = config
