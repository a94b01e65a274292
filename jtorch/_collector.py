"""Garbage collection rests while ``jtorch`` is imported: the first of its modules to be imported.

What is made then stays, and JAX's own objects are many; looking through all of them once takes 0.1 s, a third
of ``import jtorch``.
"""

import gc

__all__ = ["resume"]

_collecting = gc.isenabled()
gc.disable()


def resume() -> None:
    """Collect again, unless the user had turned it off."""
    if _collecting:
        gc.enable()
