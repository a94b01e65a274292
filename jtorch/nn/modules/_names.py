"""Names of modules in programs: what profilers and HLO show as the origin of operations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import jax

from jtorch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from jtorch.tensor._leaks import in_transform
from jtorch.trace._scopes import Scopes, switch

__all__ = ["module_names"]


def label(module: Any, parent: Any) -> str:
    """The attribute of a module in its parent, ``Linear_0`` for numbered ones; else the class."""
    for name, child in parent._modules.items() if parent is not None else ():
        if child is module:
            return f"{type(module).__name__}_{name}" if name.isdigit() else name
    return type(module).__name__


@contextmanager
def module_names(tell: Callable[[str | None], None] | None = None) -> Iterator[Scopes]:
    """Let programs that are built in this block name the modules whose calls recorded their operations.

    Names are scopes of JAX: an operation of ``model.layer1[0].conv`` has the ``op_name``
    ``.../ResNet/layer1/BasicBlock_0/conv/convolution``. Inside ``jax.jit`` modules open the same scopes.

    Args:
        tell: called with the name of a module that is called, and with ``None`` when it returns.
    """
    scopes = Scopes()
    stack: list[tuple[Any, Any]] = []

    def enter(module: Any, args: Any) -> None:
        name = label(module, stack[-1][0] if stack else None)
        scope = jax.named_scope(name) if in_transform() else nullcontext()
        scope.__enter__()
        stack.append((module, scope))
        scopes.enter(name)
        if tell is not None:
            tell(name)

    def leave(module: Any, args: Any, output: Any) -> None:
        if stack and stack[-1][0] is module:
            stack.pop()[1].__exit__(None, None, None)
            scopes.leave()
            if tell is not None:
                tell(None)

    handles = register_module_forward_pre_hook(enter), register_module_forward_hook(leave, always_call=True)
    switch(scopes)
    try:
        yield scopes
    finally:
        switch(None)
        for handle in handles:
            handle.remove()
        while stack:
            stack.pop()[1].__exit__(None, None, None)
