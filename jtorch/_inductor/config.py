"""Settings of Inductor (``torch._inductor.config``): taken, and without effect."""

import sys

from jtorch.compiler._config import Settings
from jtorch.compiler._known_settings import INDUCTOR

config = Settings("torch._inductor.config", INDUCTOR)
config.__dict__.update({k: v for k, v in globals().items() if k in ("__spec__", "__file__", "__loader__")})
sys.modules[__name__] = config
