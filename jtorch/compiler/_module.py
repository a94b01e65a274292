"""What ``jtorch.compile`` makes of a module."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jtorch.compiler._compiled import compiled
from jtorch.nn import Module

__all__ = ["OptimizedModule"]


class OptimizedModule(Module):
    """A module whose calls are compiled; everything else is that of the module it was made of.

    As in PyTorch the module is its only child, ``_orig_mod``, which shows in the keys of ``state_dict``.
    """

    def __init__(
        self,
        mod: Module,
        fullgraph: bool = False,
        dynamic: bool | None = None,
        recompile_limit: int | None = None,
    ) -> None:
        super().__init__()
        self._orig_mod = mod
        self.__dict__["forward"] = compiled(mod.__call__, fullgraph, dynamic, recompile_limit)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.__dict__["forward"](*args, **kwargs)

    @property
    def _compiled_function(self) -> Any:
        return self.__dict__["forward"]._compiled_function

    @property
    def training(self) -> bool:  # type: ignore[override]
        """The mode of the module that is compiled."""
        return self._orig_mod.training

    def train(self, mode: bool = True) -> Any:
        """Set the mode of the module that is compiled."""
        self._orig_mod.train(mode)
        return self

    def __getattr__(self, name: str) -> Any:
        if name == "_orig_mod":
            return self.__dict__["_modules"]["_orig_mod"]
        return getattr(self._orig_mod, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if "forward" not in self.__dict__:
            super().__setattr__(name, value)
        else:
            setattr(self._orig_mod, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._orig_mod, name)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *dir(self._orig_mod)})

    def __repr__(self) -> str:
        return Module.__repr__(self)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return OptimizedModule, (self._orig_mod,)
