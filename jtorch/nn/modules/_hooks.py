"""Hooks of modules: on all of them, and what adds and removes those on one."""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from jtorch.tape import RemovableHandle

__all__ = [
    "ModuleHook",
    "add_hook",
    "changes",
    "every_module",
    "global_hooks",
    "register_module_backward_hook",
    "register_module_buffer_registration_hook",
    "register_module_forward_hook",
    "register_module_forward_pre_hook",
    "register_module_full_backward_hook",
    "register_module_full_backward_pre_hook",
    "register_module_module_registration_hook",
    "register_module_parameter_registration_hook",
    "replaced",
]

#: How often attributes or hooks of any module changed: what was derived from a module is checked again only
#: if this moved on.
changes = [0]


class _GlobalHooks:
    """Hooks on every module. ``any``: there are some that a call has to look at."""

    any = False

    def __init__(self) -> None:
        self.forward_pre: dict[int, Any] = OrderedDict()
        self.forward: dict[int, Any] = OrderedDict()
        self.forward_with_kwargs: dict[int, bool] = {}
        self.forward_always: dict[int, bool] = {}
        self.backward_pre: dict[int, Any] = OrderedDict()
        self.backward: dict[int, Any] = OrderedDict()
        self.backward_is_full: bool | None = None
        self.buffer: dict[int, Any] = OrderedDict()
        self.module: dict[int, Any] = OrderedDict()
        self.parameter: dict[int, Any] = OrderedDict()

    def refresh(self) -> None:
        self.any = bool(self.forward_pre or self.forward or self.backward_pre or self.backward)


every_module = _GlobalHooks()


def global_hooks() -> tuple[dict[int, Any], ...]:
    """The hooks that run in the calls of all modules."""
    return every_module.forward_pre, every_module.forward, every_module.backward_pre, every_module.backward


class _Handle(RemovableHandle):
    """Removes a hook, and its number from further places."""

    __slots__ = ("extra",)

    def __init__(self, hooks: dict[int, Any], *extra: dict[int, bool]) -> None:
        super().__init__(hooks)
        self.extra = extra

    def remove(self) -> None:
        changes[0] += 1
        super().remove()
        for kept in self.extra:
            kept.pop(self.id, None)


class _GlobalHandle(_Handle):
    """A hook on all modules."""

    __slots__ = ()

    def remove(self) -> None:
        super().remove()
        every_module.refresh()


def add_hook(
    hooks: dict[int, Any], hook: Any, prepend: bool = False, **extra: dict[int, bool]
) -> RemovableHandle:
    """Add to ``hooks``; each of ``extra`` notes the hook's number too and is cleared with it."""
    changes[0] += 1
    handle = _Handle(hooks, *extra.values())
    hooks[handle.id] = hook
    for kept in extra.values():
        kept[handle.id] = True
    if prepend:
        hooks.move_to_end(handle.id, last=False)  # type: ignore[attr-defined]
    return handle


def _add_global(hooks: dict[int, Any], hook: Any, *extra: dict[int, bool]) -> RemovableHandle:
    changes[0] += 1
    handle = _GlobalHandle(hooks, *extra)
    hooks[handle.id] = hook
    for kept in extra:
        kept[handle.id] = True
    every_module.refresh()
    return handle


_MIXED_GLOBAL = (
    "Cannot use both regular backward hooks and full backward hooks as a global Module hook. Please use only "
    "one of them."
)


def register_module_forward_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(module, args)`` before the forward of every module."""
    return _add_global(every_module.forward_pre, hook)


def register_module_forward_hook(
    hook: Callable[..., Any], *, with_kwargs: bool = False, always_call: bool = False
) -> RemovableHandle:
    """Call ``hook(module, args, output)`` after the forward of every module."""
    extra = [every_module.forward_with_kwargs] * with_kwargs + [every_module.forward_always] * always_call
    return _add_global(every_module.forward, hook, *extra)


def register_module_full_backward_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(module, grad_output)`` before the gradients of every module."""
    return _add_global(every_module.backward_pre, hook)


def register_module_full_backward_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(module, grad_input, grad_output)`` after the gradients of every module."""
    if every_module.backward_is_full is False:
        raise RuntimeError(_MIXED_GLOBAL)
    every_module.backward_is_full = True
    return _add_global(every_module.backward, hook)


def register_module_backward_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """The old form of :func:`register_module_full_backward_hook`, on the last operation of a module only."""
    if every_module.backward_is_full is True:
        raise RuntimeError(_MIXED_GLOBAL)
    every_module.backward_is_full = False
    return _add_global(every_module.backward, hook)


def register_module_buffer_registration_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(module, name, buffer)`` whenever a buffer is registered; its result takes its place."""
    return _add_global(every_module.buffer, hook)


def register_module_module_registration_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(module, name, submodule)`` when a module is registered; its result takes its place."""
    return _add_global(every_module.module, hook)


def register_module_parameter_registration_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(module, name, parameter)`` when a parameter is registered; its result takes its place."""
    return _add_global(every_module.parameter, hook)


def replaced(hooks: dict[int, Any], module: Any, name: str, x: Any) -> Any:
    for hook in hooks.values():
        changed = hook(module, name, x)
        if changed is not None:
            x = changed
    return x


class ModuleHook:
    """A hook that receives its module, without keeping the module alive."""

    def __init__(self, hook: Callable[..., Any], module: Any) -> None:
        self.hook = hook
        self.module = None if module is None else weakref.ref(module)

    def __call__(self, *args: Any) -> Any:
        if self.module is None:
            return self.hook(*args)
        module = self.module()
        if module is None:
            raise RuntimeError("You are trying to call the hook of a dead Module!")
        return self.hook(module, *args)

    def __getstate__(self) -> dict[str, Any]:
        return {"hook": self.hook, "module": None if self.module is None else self.module()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.hook = state["hook"]
        module = state["module"]
        self.module = None if module is None else weakref.ref(module)
