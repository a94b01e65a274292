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

#: XLA's newer emitters of loops need twice the time and memory to compile. What they make of networks with
#: convolutions that are only applied is no faster; training steps of an MLP, an LSTM and a GPT are, by 5 to
#: 20 %.
EMITTERS = "xla_cpu_use_fusion_emitters"

_known = True


def compiler_options(platform: str, quick: bool = False) -> dict[str, Any] | None:
    """Options for ``jax.jit`` and ``lowered.compile`` on a platform such as ``"cpu"``.

    What the user says in ``XLA_FLAGS`` stands.

    Args:
        platform: JAX's name of it.
        quick: choose what compiles fast.
    """
    if platform != "cpu" or not _known:
        return None
    options = {LIBRARY_KINDS: LIBRARY_CHOICE} | ({EMITTERS: False} if quick else {})
    said = os.environ.get("XLA_FLAGS", "")
    return {name: choice for name, choice in options.items() if name not in said} or None


def jit(function: Callable[..., Any], platform: str, quick: bool = False, **arguments: Any) -> Any:
    """``jax.jit`` with the options of the platform; see :func:`compiler_options`."""
    return jax.jit(function, compiler_options=compiler_options(platform, quick), **arguments)


def tolerant(build: Callable[[], Any], *operands: Any) -> tuple[Any, Any]:
    """What ``build`` returns, and the result of its first call, which compiles.

    A version of XLA that does not know the options refuses them; they are not used again then.
    """
    global _known
    call = build()
    try:
        return call, call(*operands)
    except jax.errors.JaxRuntimeError as error:
        if not _known or not any(name in str(error) for name in (LIBRARY_KINDS, EMITTERS)):
            raise
    _known = False
    call = build()
    return call, call(*operands)
