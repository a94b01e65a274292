"""Settings of compilation (``torch._dynamo.config``) and the state of the process."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any
from weakref import WeakSet

from jtorch.compiler._known_settings import ANY, DYNAMO

__all__ = ["Settings", "config", "state"]


class Settings(ModuleType):
    """A module of settings with PyTorch's names; to set one that PyTorch lacks is an error, as there.

    Args:
        name: of the module.
        defaults: of each setting; names with a dot stand for a group, ``config.triton.cudagraphs``.
        aliases: further names of some of them.
        whole: for a group, the settings that it is part of, and ``prefix`` its name with a dot.

    Raises:
        AttributeError: at access, if there is no such setting.
    """

    def __init__(
        self, name: str, defaults: dict[str, Any], aliases: dict[str, str] | None = None,
        whole: Settings | None = None, prefix: str = "",
    ) -> None:  # fmt: skip
        super().__init__(name)
        own = self.__dict__
        own["_values"] = {k: None if v is ANY else v for k, v in defaults.items()}
        own["_defaults"] = dict(self._values)
        own["_aliases"], own["_whole"], own["_prefix"] = aliases or {}, whole or self, prefix

    def _key(self, name: str) -> str:
        key: str = self._prefix + self._aliases.get(name, name)
        if key not in self._whole._values:
            raise AttributeError(f"{self.__name__}.{name} does not exist")
        return key

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        group = f"{self._prefix}{name}."
        if any(k.startswith(group) for k in self._whole._values):
            made = Settings(f"{self.__name__}.{name}", {}, whole=self._whole, prefix=group)
            self.__dict__[name] = made
            return made
        return self._whole._values[self._key(name)]

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("__"):
            super().__setattr__(name, value)
            return
        key = self._key(name)
        self._whole._values[key] = value
        if self._whole is config and key == "disable":
            state.disabled = bool(value)

    def __delattr__(self, name: str) -> None:
        setattr(self, name, self._whole._defaults[self._key(name)])

    def get_config_copy(self) -> dict[str, Any]:
        """All settings, by name."""
        return dict(self._whole._values)

    def patch(self, arg1: Any = None, arg2: Any = None, **kwargs: Any) -> Any:
        """Other settings in a ``with`` block or a function: ``patch(a=1)``, ``patch("a", 1)``, ``patch({})``.

        Raises:
            AttributeError: there is no such setting.
        """
        changes = dict(kwargs)
        if isinstance(arg1, str):
            changes[arg1] = arg2
        elif arg1 is not None:
            changes.update(arg1)
        return _patched(self, changes)

    def _set(self, name: str, value: Any) -> Any:
        """Set one whose name may have dots; returns what it was."""
        *groups, last = name.split(".")
        owner: Any = functools.reduce(getattr, groups, self)
        before = getattr(owner, last)
        setattr(owner, last, value)
        return before


@contextmanager
def _patched(settings: Settings, changes: dict[str, Any]) -> Iterator[None]:
    before: list[tuple[str, Any]] = []
    try:
        before.extend((name, settings._set(name, value)) for name, value in changes.items())
        yield
    finally:
        for name, value in reversed(before):
            settings._set(name, value)


class State:
    """State of the process.

    Attributes:
        stance: what calls of compiled functions do (``compiler.set_stance``); ``"force_eager"`` while
            ``config.disable`` is set.
        generation: recordings of earlier generations are forgotten.
    """

    def __init__(self) -> None:
        self.stance = self._chosen = "default"
        self.generation = 0
        self._disabled = False
        self._warned: WeakSet[Any] = WeakSet()

    def warned(self, function: Any) -> bool:
        """Whether this was asked for the function before."""
        if function in self._warned:
            return True
        self._warned.add(function)
        return False

    @property
    def disabled(self) -> bool:
        """Whether compiled functions run uncompiled."""
        return self._disabled

    @disabled.setter
    def disabled(self, value: bool) -> None:
        if value and not self._disabled:
            self._chosen, self.stance = self.stance, "force_eager"
        elif self._disabled and not value:
            self.stance = self._chosen
        self._disabled = value


#: What jtorch heeds: ``recompile_limit`` and ``accumulated_recompile_limit``, also by their old names,
#: ``disable``, ``error_on_recompile`` and ``fail_on_recompile_limit_hit``.
config = Settings(
    "torch._dynamo.config",
    DYNAMO,
    {
        "cache_size_limit": "recompile_limit",
        "accumulated_cache_size_limit": "accumulated_recompile_limit",
        "fail_on_cache_limit_hit": "fail_on_recompile_limit_hit",
        "skip_code_recursive_on_cache_limit_hit": "skip_code_recursive_on_recompile_limit_hit",
    },
)
state = State()
