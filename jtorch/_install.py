"""Programs that say ``import torch``, on jtorch: ``torch`` and ``torchvision`` lead to its modules."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.metadata import Distribution, DistributionFinder
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from jtorch._version import PYTORCH

__all__ = ["install", "installed"]

#: The package that each name leads to, and the version that its metadata states.
PACKAGES = {"torch": ("jtorch", PYTORCH), "torchvision": ("jtorch.vision", "0.28.0")}


class _Alias(Loader):
    """Loads a module by handing out the one that exists under its own name."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.spec: ModuleSpec | None = None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = import_module(self.target)
        self.spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        # The import system has just replaced it; relative imports and reloading need the module's own.
        module.__spec__ = self.spec


class _Metadata(Distribution):
    """What ``importlib.metadata`` finds under an aliased name."""

    def __init__(self, name: str, version: str) -> None:
        self._text = (
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
            f"Summary: {name} as provided by jtorch\n"
        )

    def read_text(self, filename: str) -> str | None:
        return self._text if filename in ("METADATA", "PKG-INFO") else None

    def locate_file(self, path: Any) -> Any:
        raise FileNotFoundError(f"{path}: jtorch stands in for this distribution, which has no files")


class _Finder(MetaPathFinder):
    """Leads ``torch.x`` to ``jtorch.x``.

    Attributes:
        metadata: also answer those who look for the distributions.
    """

    metadata = False

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        package, _, rest = fullname.partition(".")
        if package in PACKAGES:
            name = PACKAGES[package][0] + ("." + rest if rest else "")
        else:
            return None
        try:
            found = find_spec(name)
        except ModuleNotFoundError:  # of the package that would hold it
            found = None
        if found is None:
            raise ModuleNotFoundError(
                f"No module named {fullname!r}: {package} is provided by jtorch here, which has no {name!r}",
                name=fullname,
            )
        return ModuleSpec(
            fullname, _Alias(name), origin=found.origin, is_package=bool(found.submodule_search_locations)
        )

    def find_distributions(self, context: DistributionFinder.Context | None = None) -> Iterator[Distribution]:
        """Distributions by the aliased names, if that was asked for (called by ``importlib.metadata``)."""
        if self.metadata:
            wanted = None if context is None else context.name
            for name, (_, version) in PACKAGES.items():
                if wanted is None or wanted.lower().replace("_", "-") == name:
                    yield _Metadata(name, version)


_finder = _Finder()


def installed() -> bool:
    """Whether ``import torch`` leads to jtorch in this process."""
    return _finder in sys.meta_path


def install(*, metadata: bool = False) -> None:
    """From now on ``import torch`` and ``import torchvision`` mean jtorch, in this process.

    Call it before anything imports torch: at the top of a program, or in a notebook's first cell. Calling it
    again is harmless. ``python -m jtorch script.py`` does it for a script.

    Args:
        metadata: also let ``importlib.metadata.version("torch")`` answer, for packages that look for the
            distribution instead of the module.

    Raises:
        ImportError: PyTorch itself, or its torchvision, was imported before.
    """
    for name, (target, _) in PACKAGES.items():
        present = sys.modules.get(name)
        if present is not None and present is not sys.modules.get(target):
            where = getattr(present, "__file__", None) or "an unknown place"
            raise ImportError(
                f"{name} was already imported from {where}; call jtorch.install() before anything imports "
                "it, in a process of its own",
                name=name,
            )
    _finder.metadata = _finder.metadata or metadata
    if not installed():
        sys.meta_path.insert(0, _finder)
        spawn: Any = import_module("multiprocessing.spawn")  # which most programs never need
        spawn.get_preparation_data = partial(_preparation_data, spawn.get_preparation_data)


class _Installed:
    """Installs jtorch where it is unpickled."""

    def __reduce__(self) -> Any:
        return _install_again, (_finder.metadata,)


def _install_again(metadata: bool) -> None:
    install(metadata=metadata)


def _preparation_data(original: Callable[[str], dict[str, Any]], name: str) -> dict[str, Any]:
    """What Python sends ahead to a spawned process: torch has to be jtorch when that imports the program."""
    return {**original(name), "jtorch": _Installed()}
