"""How programs are compiled: options that XLA's CPU compiler needs to be fast."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import jax

__all__ = ["compiler_options", "jit", "tolerant"]

#: Which operations YNNPACK computes. Left to itself, XLA (jaxlib 0.10) hands it convolutions as well, for
#: which it is slower than XLA's own: on 2 cores the gradient of 10 x 10 filters of 3 x 3 over 32 images of
#: 62 x 62 takes 49 ms against 7.7. These are the rest of its default kinds; ``DOT``, products fused with what
#: follows them, would save up to a tenth but ends the process in attention over 1,024 places.
LIBRARY_KINDS = "xla_cpu_experimental_ynn_fusion_type"
LIBRARY_CHOICE = "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT,LIBRARY_FUSION_TYPE_REDUCE"

_known = True


def compiler_options(platform: str) -> dict[str, Any] | None:
    """Options for ``jax.jit`` and ``lowered.compile`` on a platform such as ``"cpu"``.

    What the user says in ``XLA_FLAGS`` stands.
    """
    if platform != "cpu" or not _known or LIBRARY_KINDS in os.environ.get("XLA_FLAGS", ""):
        return None
    return {LIBRARY_KINDS: LIBRARY_CHOICE}


def jit(function: Callable[..., Any], platform: str, **arguments: Any) -> Any:
    """``jax.jit`` with the options of the platform."""
    return jax.jit(function, compiler_options=compiler_options(platform), **arguments)


def tolerant(build: Callable[[], Any], *operands: Any) -> tuple[Any, Any]:
    """What ``build`` returns, and the result of its first call, which compiles.

    A version of XLA that does not know the options refuses them; they are not used again then.
    """
    global _known
    call = build()
    try:
        return call, call(*operands)
    except jax.errors.JaxRuntimeError as error:
        if not _known or LIBRARY_KINDS not in str(error):
            raise
    _known = False
    call = build()
    return call, call(*operands)
