"""Settings of compilation (``torch._dynamo.config``) and the state of the process."""

from __future__ import annotations

from typing import Any
from weakref import WeakSet

__all__ = ["config", "state"]


class Config:
    """Settings that programs change.

    Attributes:
        recompile_limit: recordings of one function before further kinds of calls run uncompiled.
        accumulated_recompile_limit: recordings for different sizes and numbers.
        suppress_errors: accepted; errors of the user's function are always raised.
        verbose: accepted.
    """

    recompile_limit = 8
    accumulated_recompile_limit = 256
    suppress_errors = False
    verbose = False

    @property
    def cache_size_limit(self) -> int:
        """The old name of ``recompile_limit``."""
        return self.recompile_limit

    @cache_size_limit.setter
    def cache_size_limit(self, value: int) -> None:
        self.recompile_limit = value

    @property
    def accumulated_cache_size_limit(self) -> int:
        """The old name of ``accumulated_recompile_limit``."""
        return self.accumulated_recompile_limit

    @accumulated_cache_size_limit.setter
    def accumulated_cache_size_limit(self, value: int) -> None:
        self.accumulated_recompile_limit = value


class State:
    """State of the process.

    Attributes:
        stance: what calls of compiled functions do (``compiler.set_stance``).
        generation: recordings of earlier generations are forgotten.
    """

    stance = "default"
    generation = 0

    def __init__(self) -> None:
        self._warned: WeakSet[Any] = WeakSet()

    def warned(self, function: Any) -> bool:
        """Whether this was asked for the function before."""
        if function in self._warned:
            return True
        self._warned.add(function)
        return False


config = Config()
state = State()
