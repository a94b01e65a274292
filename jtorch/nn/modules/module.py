"""``Module``: a tree of parameters, buffers and submodules with a forward function."""

from __future__ import annotations

import warnings
from collections import OrderedDict, namedtuple
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from jtorch.devices import as_device, device
from jtorch.dtypes import dtype
from jtorch.nn.modules._backward_hooks import BackwardHooks, legacy_backward_hooks
from jtorch.nn.modules._hooks import (
    ModuleHook,
    add_hook,
    changes,
    every_module,
    register_module_backward_hook,
    register_module_buffer_registration_hook,
    register_module_forward_hook,
    register_module_forward_pre_hook,
    register_module_full_backward_hook,
    register_module_full_backward_pre_hook,
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
    replaced,
)
from jtorch.nn.parameter import Buffer, Parameter, is_lazy
from jtorch.tape import RemovableHandle
from jtorch.tensor import Tensor
from jtorch.tensor._autograd import no_grad
from jtorch.tensor._creation import empty_like
from jtorch.tensor._forms import Called
from jtorch.tensor._leaks import check_once, in_transform, is_traced, mark_inside, refuse
from jtorch.trace import TracedValue, flush_all

__all__ = [
    "Module",
    "register_module_backward_hook",
    "register_module_buffer_registration_hook",
    "register_module_forward_hook",
    "register_module_forward_pre_hook",
    "register_module_full_backward_hook",
    "register_module_full_backward_pre_hook",
    "register_module_module_registration_hook",
    "register_module_parameter_registration_hook",
]

Self = TypeVar("Self", bound="Module")

_EXTRA_STATE_KEY_SUFFIX = "_extra_state"


class _IncompatibleKeys(namedtuple("IncompatibleKeys", ["missing_keys", "unexpected_keys"])):
    """What :meth:`Module.load_state_dict` returns."""

    __slots__ = ()

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return super().__repr__()

    __str__ = __repr__


_MIXED = (
    "Cannot use both regular backward hooks and full backward hooks on a single Module. Please use only one "
    "of them."
)


def typename(x: Any) -> str:
    """The type of an object as error texts name it, such as ``torch.nn.modules.linear.Linear``."""
    if isinstance(x, Tensor):
        return x.type()
    kind = x if isinstance(x, type) else type(x)
    module = kind.__module__
    if module is not None and module.startswith("jtorch."):
        module = module[1:]
    prefix = "" if module in ("builtins", "__builtin__", None) else module + "."
    return prefix + (kind.__qualname__ if hasattr(kind, "__qualname__") else kind.__name__)


def _indent(text: str, spaces: int = 2) -> str:
    first, *rest = text.split("\n")
    return "\n".join([first, *(" " * spaces + line for line in rest)])


def _forward_unimplemented(self: Any, *input: Any) -> None:
    """What the module computes at a call; every subclass defines it."""
    raise NotImplementedError(f'Module [{type(self).__name__}] is missing the required "forward" function')


def _keep_value(old: Any, new: Any) -> None:
    """A tracer must not take the place of a value, nor a value where that happens once for all calls."""
    if new is not None and old is not None and not is_traced(old):
        if is_traced(new):
            refuse(old._storage, old)
        elif TracedValue.seen:
            check_once(old._storage)


class Module:
    """Base class of neural networks: assign parameters and submodules in ``__init__``, define ``forward``.

    Calling the module runs ``forward`` and the hooks registered on it.
    """

    dump_patches = False
    _version = 1
    training: bool
    _parameters: dict[str, Any]
    _buffers: dict[str, Any]
    _modules: dict[str, Any]
    call_super_init = False
    _compiled_call_impl: Any = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if self.call_super_init is False:
            if kwargs:
                raise TypeError(
                    f"{type(self).__name__}.__init__() got an unexpected keyword argument "
                    f"'{next(iter(kwargs))}'"
                )
            if args:
                raise TypeError(
                    f"{type(self).__name__}.__init__() takes 1 positional argument but {len(args) + 1} were "
                    "given"
                )
        self.__dict__.update(
            training=True,
            _parameters={},
            _buffers={},
            _non_persistent_buffers_set=set(),
            _backward_pre_hooks=OrderedDict(),
            _backward_hooks=OrderedDict(),
            _is_full_backward_hook=None,
            _forward_hooks=OrderedDict(),
            _forward_hooks_with_kwargs=OrderedDict(),
            _forward_hooks_always_called=OrderedDict(),
            _forward_pre_hooks=OrderedDict(),
            _forward_pre_hooks_with_kwargs=OrderedDict(),
            _state_dict_hooks=OrderedDict(),
            _state_dict_pre_hooks=OrderedDict(),
            _load_state_dict_pre_hooks=OrderedDict(),
            _load_state_dict_post_hooks=OrderedDict(),
            _modules={},
        )
        if self.call_super_init:
            super().__init__(*args, **kwargs)

    forward: Callable[..., Any] = _forward_unimplemented

    # ---- registration ------------------------------------------------------------------------------------

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Make a tensor part of the module's state without training it.

        Args:
            name: attribute under which it is found.
            tensor: the buffer, or ``None``: a name that ``to`` and ``state_dict`` pass over.
            persistent: whether ``state_dict`` contains it.
        """
        if "_buffers" not in self.__dict__:
            raise AttributeError("cannot assign buffer before Module.__init__() call")
        changes[0] += 1
        self._check_name("buffer", name, self._buffers)
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"cannot assign '{typename(tensor)}' object to buffer '{name}' (torch Tensor or None "
                "required)"
            )
        if every_module.buffer:
            tensor = replaced(every_module.buffer, self, name, tensor)
        if tensor is not None and in_transform():
            mark_inside(tensor)
        self._buffers[name] = tensor
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter under an attribute name; ``None`` reserves the name."""
        if "_parameters" not in self.__dict__:
            raise AttributeError("cannot assign parameter before Module.__init__() call")
        changes[0] += 1
        self._check_name("parameter", name, self._parameters)
        if param is not None:
            if not isinstance(param, Parameter):
                raise TypeError(
                    f"cannot assign '{typename(param)}' object to parameter '{name}' (torch.nn.Parameter or "
                    "None required)"
                )
            if param.grad_fn is not None:
                raise ValueError(
                    f"Cannot assign non-leaf Tensor to parameter '{name}'. Model parameters must be created "
                    "explicitly. To "
                    f"express '{name}' as a function of another Tensor, compute the value in the forward() "
                    "method."
                )
            if every_module.parameter:
                param = replaced(every_module.parameter, self, name, param)
        _keep_value(self._parameters.get(name), param)
        self._parameters[name] = param

    def _check_name(self, kind: str, name: Any, known: Mapping[str, Any]) -> None:
        if not isinstance(name, str):
            raise TypeError(f"{kind} name should be a string. Got {typename(name)}")
        if "." in name:
            raise KeyError(f'{kind} name can\'t contain "."')
        if name == "":
            raise KeyError(f'{kind} name can\'t be empty string ""')
        if name not in known and hasattr(self, name):
            raise KeyError(f"attribute '{name}' already exists")

    def add_module(self, name: str, module: Module | None) -> None:
        """Add a submodule under an attribute name."""
        if not isinstance(module, Module) and module is not None:
            raise TypeError(f"{typename(module)} is not a Module subclass")
        if not isinstance(name, str):
            raise TypeError(f"module name should be a string. Got {typename(name)}")
        if name not in self._modules and hasattr(self, name):
            raise KeyError(f"attribute '{name}' already exists")
        if "." in name:
            raise KeyError(f'module name can\'t contain ".", got: {name}')
        if name == "":
            raise KeyError('module name can\'t be empty string ""')
        changes[0] += 1
        self._modules[name] = replaced(every_module.module, self, name, module)

    def register_module(self, name: str, module: Module | None) -> None:
        """Another name of :meth:`add_module`."""
        self.add_module(name, module)

    # ---- attributes --------------------------------------------------------------------------------------

    def __getattr__(self, name: str) -> Any:
        # Only what is no ordinary attribute comes here.
        own = self.__dict__
        if "_parameters" in own:
            found = own["_parameters"]
            if name in found:
                return found[name]
            found = own["_modules"]
            if name in found:
                return found[name]
            found = own["_buffers"]
            if name in found:
                return found[name]
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __setattr__(self, name: str, value: Any) -> None:
        changes[0] += 1
        own = self.__dict__
        params = own.get("_parameters")
        if isinstance(value, Parameter):
            if params is None:
                raise AttributeError("cannot assign parameters before Module.__init__() call")
            self._forget(name, own, own["_buffers"], own["_modules"], own["_non_persistent_buffers_set"])
            self.register_parameter(name, value)
            return
        if params is not None and name in params:
            if value is not None:
                raise TypeError(
                    f"cannot assign '{typename(value)}' as parameter '{name}' (torch.nn.Parameter or None "
                    "expected)"
                )
            self.register_parameter(name, None)
            return
        modules = own.get("_modules")
        if isinstance(value, Module):
            if modules is None:
                raise AttributeError("cannot assign module before Module.__init__() call")
            self._forget(name, own, own["_parameters"], own["_buffers"], own["_non_persistent_buffers_set"])
            modules[name] = replaced(every_module.module, self, name, value)
            return
        if modules is not None and name in modules:
            if value is not None:
                raise TypeError(
                    f"cannot assign '{typename(value)}' as child module '{name}' (torch.nn.Module or None "
                    "expected)"
                )
            modules[name] = replaced(every_module.module, self, name, value)
            return
        self._set_buffer_or_attribute(name, value)

    def _set_buffer_or_attribute(self, name: str, value: Any) -> None:
        buffers = self.__dict__.get("_buffers")
        known = buffers is not None and name in buffers
        if not known and not (isinstance(value, Tensor) and isinstance(value, Buffer)):
            super().__setattr__(name, value)
            return
        if buffers is None:
            raise AttributeError("cannot assign buffer before Module.__init__() call")
        if value is not None and not isinstance(value, Tensor):
            raise TypeError(
                f"cannot assign '{typename(value)}' as buffer '{name}' (torch.nn.Buffer, torch.Tensor or "
                "None expected)"
            )
        if isinstance(value, Buffer):
            own = self.__dict__
            self._forget(name, own, own["_parameters"], own["_modules"])
            self.register_buffer(name, value, value.persistent)
        else:
            _keep_value(buffers[name], value)
            buffers[name] = replaced(every_module.buffer, self, name, value)

    @staticmethod
    def _forget(name: str, *places: Any) -> None:
        for place in places:
            if name in place:
                if isinstance(place, dict):
                    del place[name]
                else:
                    place.discard(name)

    def __delattr__(self, name: str) -> None:
        changes[0] += 1
        for kind in ("_parameters", "_buffers", "_modules"):
            if name in self.__dict__.get(kind, ()):
                del self.__dict__[kind][name]
                if kind == "_buffers":
                    self._non_persistent_buffers_set.discard(name)
                return
        super().__delattr__(name)

    def __dir__(self) -> list[str]:
        names = [*dir(self.__class__), *self.__dict__, *self._parameters, *self._modules, *self._buffers]
        # What is no identifier can only be reached by indexing.
        return sorted(name for name in names if not name[0].isdigit())

    def get_submodule(self, target: str) -> Module:
        """The module at a dotted path; the empty path is the module itself.

        Raises:
            AttributeError: there is none.
        """
        module: Module = self
        for name in target.split(".") if target != "" else ():
            if not hasattr(module, name):
                raise AttributeError(f"{module._get_name()} has no attribute `{name}`")
            module = getattr(module, name)
            if not isinstance(module, Module):
                raise AttributeError(f"`{name}` is not an nn.Module")
        return module

    def set_submodule(self, target: str, module: Module, strict: bool = False) -> None:
        """Put a module at a dotted path.

        Args:
            target: the path.
            module: what is put there.
            strict: only replace a module that is there already.
        """
        if target == "":
            raise ValueError("Cannot set the submodule without a target name!")
        *path, name = target.split(".")
        if not isinstance(module, Module):
            raise ValueError(f"`module` is not an nn.Module, found {type(module)}")
        parent = self.get_submodule(".".join(path))
        if strict and not hasattr(parent, name):
            raise AttributeError(f"{parent._get_name()} has no attribute `{name}`")
        if hasattr(parent, name) and not isinstance(getattr(parent, name), Module):
            raise AttributeError(f"`{name}` is not an nn.Module")
        setattr(parent, name, module)

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at a dotted path."""
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        if not hasattr(module, name):
            raise AttributeError(f"{module._get_name()} has no attribute `{name}`")
        found = getattr(module, name)
        if not isinstance(found, Parameter):
            raise AttributeError(f"`{name}` is not an nn.Parameter")
        return found

    def get_buffer(self, target: str) -> Tensor:
        """The buffer at a dotted path."""
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        if not hasattr(module, name):
            raise AttributeError(f"{module._get_name()} has no attribute `{name}`")
        if name not in module._buffers:
            raise AttributeError(f"`{name}` is not a buffer")
        found: Tensor = getattr(module, name)
        return found

    def get_extra_state(self) -> Any:
        """More state for ``state_dict``; a subclass that has some defines this and ``set_extra_state``."""
        raise RuntimeError(_UNREACHED.format("get"))

    def set_extra_state(self, state: Any) -> None:
        """Take over what :meth:`get_extra_state` returned."""
        raise RuntimeError(_UNREACHED.format("set"))

    # ---- conversion --------------------------------------------------------------------------------------

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Any:
        """Replace parameters, gradients and buffers by ``fn`` of them; parameters keep their identity."""
        changes[0] += 1
        if recurse:
            for module in self.children():
                module._apply(fn)
        for param in self._parameters.values():
            if param is None:
                continue
            with no_grad():
                param.data = fn(param)
                if param.grad is not None:
                    changed = fn(param.grad)
                    param.grad = changed.requires_grad_(param.grad.requires_grad)
        for name, buffer in self._buffers.items():
            if buffer is not None:
                self._buffers[name] = fn(buffer)
        return self

    def apply(self: Self, fn: Callable[[Module], None]) -> Self:
        """Call ``fn`` on every submodule, children first, and on the module itself."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def to(self: Self, *args: Any, **kwargs: Any) -> Self:
        """Move parameters and buffers to a device or convert floating ones to a dtype, in place.

        ``to(device=None, dtype=None, non_blocking=False)``, ``to(dtype)``, ``to(tensor)``,
        ``to(memory_format=...)``.
        """
        target, kind, non_blocking, memory_format = _parse_to(*args, **kwargs)
        if kind is not None:
            if not (kind.is_floating_point or kind.is_complex):
                raise TypeError(
                    "nn.Module.to only accepts floating point or complex dtypes, but got desired "
                    f"dtype={kind}"
                )
            if kind.is_complex:
                warnings.warn(_COMPLEX, stacklevel=2)

        def convert(t: Tensor) -> Tensor:
            wanted = kind if t.is_floating_point() or t.is_complex() else None
            try:
                if memory_format is not None and t.dim() in (4, 5):
                    return t.to(target, wanted, non_blocking, memory_format=memory_format)
                return t.to(target, wanted, non_blocking)
            except NotImplementedError as error:
                if str(error) == "Cannot copy out of meta tensor; no data!":
                    raise NotImplementedError(
                        f"{error} Please use torch.nn.Module.to_empty() instead of torch.nn.Module.to() when "
                        "moving "
                        "module from meta to a different device."
                    ) from None
                raise

        return self._apply(convert)

    def to_empty(self: Self, *, device: Any, recurse: bool = True) -> Self:
        """Move to a device without copying contents."""
        return self._apply(lambda t: empty_like(t, device=device), recurse=recurse)

    def type(self: Self, dst_type: Any) -> Self:
        """Convert all parameters and buffers to a dtype."""
        return self._apply(lambda t: t.type(dst_type))

    def _convert_floating(self: Self, name: str) -> Self:
        return self._apply(lambda t: getattr(t, name)() if t.is_floating_point() else t)

    def float(self: Self) -> Self:
        """Floating parameters and buffers as float32."""
        return self._convert_floating("float")

    def double(self: Self) -> Self:
        """Floating parameters and buffers as float64."""
        return self._convert_floating("double")

    def half(self: Self) -> Self:
        """Floating parameters and buffers as float16."""
        return self._convert_floating("half")

    def bfloat16(self: Self) -> Self:
        """Floating parameters and buffers as bfloat16."""
        return self._convert_floating("bfloat16")

    def cpu(self: Self) -> Self:
        """Move to the CPU."""
        return self._apply(lambda t: t.cpu())

    def cuda(self: Self, device: Any = None) -> Self:
        """Move to a GPU, the current one by default."""
        return self._move("cuda", device)

    def xpu(self: Self, device: Any = None) -> Self:
        """Move to an XPU."""
        return self._move("xpu", device)

    def ipu(self: Self, device: Any = None) -> Self:
        """Move to an IPU."""
        return self._move("ipu", device)

    def mtia(self: Self, device: Any = None) -> Self:
        """Move to an MTIA device."""
        return self._move("mtia", device)

    def _move(self: Self, kind: str, index: Any) -> Self:
        target = kind if index is None else f"{kind}:{index}" if isinstance(index, int) else index
        return self._apply(lambda t: t.to(target))

    def share_memory(self: Self) -> Self:
        """Let processes share the parameters and buffers."""
        return self._apply(lambda t: t.share_memory_())

    # ---- hooks -------------------------------------------------------------------------------------------

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, args)`` before ``forward``; what it returns replaces the arguments.

        Args:
            hook: the function; with ``with_kwargs``, ``hook(module, args, kwargs)`` that returns both.
            prepend: run it before the hooks that are there already.
            with_kwargs: see ``hook``.
        """
        extra = {"a": self._forward_pre_hooks_with_kwargs} if with_kwargs else {}
        return add_hook(self._forward_pre_hooks, hook, prepend, **extra)

    def register_forward_hook(
        self,
        hook: Callable[..., Any],
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """Call ``hook(module, args, output)`` after ``forward``; what it returns replaces the output.

        Args:
            hook: the function; with ``with_kwargs``, ``hook(module, args, kwargs, output)``.
            prepend: run it before the hooks that are there already.
            with_kwargs: see ``hook``.
            always_call: call it even if ``forward`` raises.
        """
        extra = {}
        if with_kwargs:
            extra["a"] = self._forward_hooks_with_kwargs
        if always_call:
            extra["b"] = self._forward_hooks_always_called
        return add_hook(self._forward_hooks, hook, prepend, **extra)

    def register_full_backward_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, grad_output)`` before the module's gradients are made; it may replace it."""
        return add_hook(self._backward_pre_hooks, hook, prepend)

    def register_backward_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """The old form of :meth:`register_full_backward_hook`: sees the module's last operation only."""
        if self._is_full_backward_hook is True:  # type: ignore[has-type]
            raise RuntimeError(_MIXED)
        self._is_full_backward_hook = False
        return add_hook(self._backward_hooks, hook)

    def register_full_backward_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call ``hook(module, grad_input, grad_output)`` when both are known; it may replace the former."""
        if self._is_full_backward_hook is False:
            raise RuntimeError(_MIXED)
        self._is_full_backward_hook = True
        return add_hook(self._backward_hooks, hook, prepend)

    # ---- call --------------------------------------------------------------------------------------------

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        own = self.__dict__
        if (
            own["_forward_hooks"]
            or own["_forward_pre_hooks"]
            or own["_backward_hooks"]
            or own["_backward_pre_hooks"]
            or every_module.any
            or "_compiled_call_impl" in own
        ):
            if "_compiled_call_impl" in own:
                return own["_compiled_call_impl"](*args, **kwargs)
            return self._call_with_hooks(args, kwargs)
        if kwargs:
            return self.forward(*args, **kwargs)
        return self.forward(*args)

    def _call_impl(self, *args: Any, **kwargs: Any) -> Any:
        return self._call_with_hooks(args, kwargs)

    def _wrapped_call_impl(self, *args: Any, **kwargs: Any) -> Any:
        return Module.__call__(self, *args, **kwargs)

    def _call_with_hooks(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        called: set[int] = set()
        try:
            args, kwargs = self._run_pre_hooks(args, kwargs)
            full, legacy = self._backward_hook_lists()
            pre = [*every_module.backward_pre.values(), *self._backward_pre_hooks.values()]
            hooks = BackwardHooks(self, full, pre) if full or pre else None
            if hooks is not None:
                args = hooks.enter(args)
            result = self.forward(*args, **kwargs)
            result = self._run_forward_hooks(args, kwargs, result, called)
            if hooks is not None:
                if not isinstance(result, Tensor | tuple):
                    warnings.warn(
                        "For backward hooks to be called, module output should be a Tensor or a tuple of "
                        "Tensors but "
                        f"received {type(result)}",
                        stacklevel=3,
                    )
                result = hooks.leave(result)
            if legacy:
                legacy_backward_hooks(self, legacy, args, result)
            return result
        except Exception:
            self._run_always_called(args, kwargs, called)
            raise

    def _backward_hook_lists(self) -> tuple[list[Any], list[Any]]:
        full: list[Any] = []
        legacy: list[Any] = []
        (full if every_module.backward_is_full else legacy).extend(every_module.backward.values())
        (full if self._is_full_backward_hook else legacy).extend(self._backward_hooks.values())
        return full, legacy

    def _run_pre_hooks(self, args: Any, kwargs: Any) -> tuple[Any, Any]:
        for number, hook in (*every_module.forward_pre.items(), *self._forward_pre_hooks.items()):
            if number in self._forward_pre_hooks_with_kwargs:
                changed = hook(self, args, kwargs)
                if changed is not None:
                    if not (isinstance(changed, tuple) and len(changed) == 2):
                        raise RuntimeError(
                            "forward pre-hook must return None or a tuple of (new_args, new_kwargs), but "
                            f"got {changed}."
                        )
                    args, kwargs = changed
            else:
                changed = hook(self, args)
                if changed is not None:
                    args = changed if isinstance(changed, tuple) else (changed,)
        return args, kwargs

    def _run_forward_hooks(self, args: Any, kwargs: Any, result: Any, called: set[int]) -> Any:
        for number, hook in (*every_module.forward.items(), *self._forward_hooks.items()):
            if number in self._forward_hooks_always_called or number in every_module.forward_always:
                called.add(number)
            if number in self._forward_hooks_with_kwargs or number in every_module.forward_with_kwargs:
                changed = hook(self, args, kwargs, result)
            else:
                changed = hook(self, args, result)
            if changed is not None:
                result = changed
        return result

    def _run_always_called(self, args: Any, kwargs: Any, called: set[int]) -> None:
        """After an exception: the hooks that want to know. Their own exceptions only warn."""
        for number, hook in (*every_module.forward.items(), *self._forward_hooks.items()):
            always = number in self._forward_hooks_always_called or number in every_module.forward_always
            if not always or number in called:
                continue
            of_module = number in self._forward_hooks
            try:
                if number in self._forward_hooks_with_kwargs or number in every_module.forward_with_kwargs:
                    hook(self, args, kwargs, None)
                else:
                    hook(self, args, None)
            except Exception as error:
                kind = "module" if of_module else "global module"
                warnings.warn(
                    f"{kind} forward hook with ``always_call=True`` raised an exception that was silenced as "
                    "another "
                    f"error was raised in forward: {error}",
                    stacklevel=3,
                )

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Compile calls of this module as :func:`jtorch.compile` does, in place."""
        from jtorch import compile as compile_  # noqa: PLC0415  # a layer above this one

        self.__dict__["_compiled_call_impl"] = compile_(self._call_impl, *args, **kwargs)

    # ---- state -------------------------------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        state.pop("_compiled_call_impl", None)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        # Modules saved by earlier versions lack what came later.
        for name in _HOOK_DICTS:
            self.__dict__.setdefault(name, OrderedDict())
        self.__dict__.setdefault("_non_persistent_buffers_set", set())
        self.__dict__.setdefault("_is_full_backward_hook", None)

    def register_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, prefix, keep_vars)`` before ``state_dict`` collects the module's state."""
        return add_hook(self._state_dict_pre_hooks, hook)

    def register_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, state_dict, prefix, local_metadata)`` after it did."""
        hook._from_public_api = True  # type: ignore[attr-defined]
        return add_hook(self._state_dict_hooks, hook)

    def _register_state_dict_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        if getattr(hook, "_from_public_api", False):
            raise RuntimeError(
                "Cannot register the same function as the state dict post hook that was previously "
                "registered via "
                "register_state_dict_post_hook"
            )
        return add_hook(self._state_dict_hooks, hook)

    def _register_load_state_dict_pre_hook(
        self, hook: Callable[..., Any], with_module: bool = False
    ) -> RemovableHandle:
        return add_hook(self._load_state_dict_pre_hooks, ModuleHook(hook, self if with_module else None))

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, state_dict, prefix, metadata, strict, missing, unexpected, errors)`` first."""
        return self._register_load_state_dict_pre_hook(hook, with_module=True)

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, incompatible_keys)`` after ``load_state_dict``; it may edit the lists."""
        return add_hook(self._load_state_dict_post_hooks, hook)

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        """Put this module's own state into ``destination``."""
        for name, param in self._parameters.items():
            if param is not None:
                destination[prefix + name] = param if keep_vars else param.detach()
        for name, buffer in self._buffers.items():
            if buffer is not None and name not in self._non_persistent_buffers_set:
                destination[prefix + name] = buffer if keep_vars else buffer.detach()
        if type(self).get_extra_state is not Module.get_extra_state:
            destination[prefix + _EXTRA_STATE_KEY_SUFFIX] = self.get_extra_state()

    def state_dict(
        self, *args: Any, destination: Any = None, prefix: str = "", keep_vars: bool = False
    ) -> Any:
        """Parameters and persistent buffers of the whole tree by dotted name.

        Args:
            *args: ``destination``, ``prefix``, ``keep_vars`` by position, as old programs give them.
            destination: a dictionary to fill.
            prefix: put before every name.
            keep_vars: the tensors themselves instead of detached ones.
        """
        if args:
            warnings.warn(
                "Positional args are being deprecated, use kwargs instead. Refer to "
                "https://pytorch.org/docs/main/generated/torch.nn.Module.html#torch.nn.Module.state_dict for "
                "details.",
                FutureWarning,
                stacklevel=2,
            )
            given = dict(zip(("destination", "prefix", "keep_vars"), args, strict=False))
            destination = given.get("destination", destination) if destination is None else destination
            prefix = given.get("prefix", prefix) if prefix == "" else prefix
            keep_vars = given.get("keep_vars", keep_vars) if keep_vars is False else keep_vars
        if destination is None:
            destination = OrderedDict()
            destination._metadata = OrderedDict()
        local_metadata = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = local_metadata
        for hook in self._state_dict_pre_hooks.values():
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(destination=destination, prefix=prefix + name + ".", keep_vars=keep_vars)
        for hook in self._state_dict_hooks.values():
            changed = hook(self, destination, prefix, local_metadata)
            if getattr(hook, "_from_public_api", False):
                if changed is not None:
                    raise RuntimeError("state_dict post-hook must return None")
            elif changed is not None:
                destination = changed
        return destination

    def _load_from_state_dict(
        self,
        state_dict: Any,
        prefix: str,
        local_metadata: Any,
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Take this module's own state out of ``state_dict``; append to the three lists what does not fit."""
        for hook in self._load_state_dict_pre_hooks.values():
            hook(state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)
        assign = local_metadata.get("assign_to_params_buffers", False)
        buffers = {k: v for k, v in self._buffers.items() if k not in self._non_persistent_buffers_set}
        for name, mine in (*self._parameters.items(), *buffers.items()):
            if mine is None:
                continue
            key = prefix + name
            if key in state_dict:
                problem = self._load_tensor(name, key, mine, state_dict[key], assign)
                if problem:
                    error_msgs.append(problem)
            elif strict:
                missing_keys.append(key)
        extra = prefix + _EXTRA_STATE_KEY_SUFFIX
        if type(self).set_extra_state is not Module.set_extra_state:
            if extra in state_dict:
                self.set_extra_state(state_dict[extra])
            elif strict:
                missing_keys.append(extra)
        elif strict and extra in state_dict:
            unexpected_keys.append(extra)
        if strict:
            for key in state_dict:
                if not key.startswith(prefix) or key == extra:
                    continue
                first, _, rest = key[len(prefix) :].partition(".")
                if rest or "." in key[len(prefix) :]:
                    if first not in self._modules:
                        unexpected_keys.append(key)
                elif first not in self._parameters and first not in buffers:
                    unexpected_keys.append(key)

    def _load_tensor(self, name: str, key: str, mine: Any, given: Any, assign: bool) -> str | None:
        """Load one parameter or buffer; the text of what is wrong, if anything."""
        if not isinstance(given, Tensor):
            return (
                f'While copying the parameter named "{key}", expected torch.Tensor or Tensor-like object '
                "from "
                "checkpoint "
                f"but received {type(given)}"
            )
        lazy = is_lazy(mine)
        if not lazy and mine.dim() == 0 and given.dim() == 1 and given.shape[0] == 1:
            # Scalars of version 0.3 have one element in one dimension.
            given = given[0]
        if not lazy and given.shape != mine.shape:
            return (
                f"size mismatch for {key}: copying a param with shape {given.shape} from checkpoint, the "
                "shape in "
                f"current model is {mine.shape}."
            )
        if mine.is_meta and not given.is_meta and not assign:
            warnings.warn(
                f"for {key}: copying from a non-meta parameter in the checkpoint to a meta parameter in the "
                "current model, "
                "which is a no-op. (Did you mean to pass `assign=True` to assign items in the state "
                "dictionary to their "
                "corresponding key in the module instead of copying them in place?)",
                stacklevel=5,
            )
        try:
            with no_grad():
                if assign:
                    self._assign_loaded(name, mine, given)
                else:
                    mine.copy_(given)
        except Exception as error:
            return (
                f'While copying the parameter named "{key}", whose dimensions in the model are {mine.size()} '
                "and whose "
                f"dimensions in the checkpoint are {given.size()}, an exception occurred : {error.args}."
            )
        return None

    def _assign_loaded(self, name: str, mine: Any, given: Any) -> None:
        if isinstance(mine, Parameter):
            if not isinstance(given, Parameter):
                given = Parameter(given, requires_grad=mine.requires_grad)
            else:
                given.requires_grad_(mine.requires_grad)
        setattr(self, name, given)

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        """Copy parameters and buffers from a dictionary that :meth:`state_dict` made.

        Args:
            state_dict: tensors by dotted name.
            strict: raise if names are missing or unexpected.
            assign: take the given tensors themselves instead of copying their values.

        Returns:
            A named tuple of ``missing_keys`` and ``unexpected_keys``.

        Raises:
            RuntimeError: names do not match (``strict``), or shapes differ.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
        missing: list[str] = []
        unexpected: list[str] = []
        errors: list[str] = []
        metadata = getattr(state_dict, "_metadata", None)
        state: Any = OrderedDict(state_dict)
        if metadata is not None:
            state._metadata = metadata

        def load(module: Module, local: Any, prefix: str) -> None:
            local_metadata = {} if metadata is None else metadata.get(prefix[:-1], {})
            if assign:
                local_metadata["assign_to_params_buffers"] = assign
            module._load_from_state_dict(local, prefix, local_metadata, True, missing, unexpected, errors)
            for name, child in module._modules.items():
                if child is not None:
                    inner = prefix + name + "."
                    load(child, {k: v for k, v in local.items() if k.startswith(inner)}, inner)
            keys = _IncompatibleKeys(missing, unexpected)
            for hook in module._load_state_dict_post_hooks.values():
                if hook(module, keys) is not None:
                    raise AssertionError(
                        "Hooks registered with ``register_load_state_dict_post_hook`` are not expected to "
                        "return new "
                        "values, if incompatible_keys need to be modified, it should be done inplace."
                    )

        load(self, state, "")
        if strict:
            if unexpected:
                errors.insert(0, f"Unexpected key(s) in state_dict: {_quoted(unexpected)}. ")
            if missing:
                errors.insert(0, f"Missing key(s) in state_dict: {_quoted(missing)}. ")
        if errors:
            raise RuntimeError(
                f"Error(s) in loading state_dict for {self.__class__.__name__}:\n\t" + "\n\t".join(errors)
            )
        return _IncompatibleKeys(missing, unexpected)

    # ---- walking the tree --------------------------------------------------------------------------------

    def _named_members(
        self,
        get_members_fn: Callable[[Module], Any],
        prefix: str = "",
        recurse: bool = True,
        remove_duplicate: bool = True,
    ) -> Iterator[tuple[str, Any]]:
        seen: set[Any] = set()
        modules = (
            self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate)
            if recurse
            else [(prefix, self)]
        )
        for path, module in modules:
            for name, member in get_members_fn(module):
                if member is None or member in seen:
                    continue
                if remove_duplicate:
                    seen.add(member)
                yield path + ("." if path else "") + name, member

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """All parameters, each once."""
        for _, param in self.named_parameters(recurse=recurse):
            yield param

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """All parameters with their dotted names."""
        yield from self._named_members(lambda m: m._parameters.items(), prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """All buffers, each once."""
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """All buffers with their dotted names."""
        yield from self._named_members(lambda m: m._buffers.items(), prefix, recurse, remove_duplicate)

    def children(self) -> Iterator[Module]:
        """The submodules one level down, each once."""
        for _, module in self.named_children():
            yield module

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The submodules one level down with their names."""
        seen = set()
        for name, module in self._modules.items():
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def modules(self, remove_duplicate: bool = True) -> Iterator[Module]:
        """The module itself and all below it."""
        for _, module in self.named_modules(remove_duplicate=remove_duplicate):
            yield module

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """The module itself and all below it with their dotted names.

        Args:
            memo: modules that were seen already.
            prefix: put before every name.
            remove_duplicate: name a module once, however often it is used.
        """
        if memo is None:
            memo = set()
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, module in self._modules.items():
            if module is not None:
                path = prefix + ("." if prefix else "") + name
                yield from module.named_modules(memo, path, remove_duplicate)

    # ---- modes -------------------------------------------------------------------------------------------

    def train(self: Self, mode: bool = True) -> Self:
        """Switch the whole tree to training (or, with ``False``, evaluation) behaviour."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        own = self.__dict__
        if own.get("training") is not mode:
            self.training = mode
        # Not `children()`: training loops call this in every step.
        for module in own["_modules"].values():
            if module is not None:
                module.train(mode)
        return self

    def eval(self: Self) -> Self:
        """Switch the whole tree to evaluation behaviour."""
        if self.training:
            flush_all("eval")  # what prepared the data is no part of the first call, as with a new optimizer
        return self.train(False)

    def requires_grad_(self: Self, requires_grad: bool = True) -> Self:
        """Train these parameters, or freeze them."""
        for param in self.parameters():
            param.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the gradients of all parameters, or set them to zero."""
        if getattr(self, "_is_replica", False):
            warnings.warn(
                "Calling .zero_grad() from a module created with nn.DataParallel() has no effect. The "
                "parameters are "
                "copied (in a differentiable manner) from the original module. This means they are not leaf "
                "nodes in "
                "autograd and so don't accumulate gradients. If you need gradients in your forward method, "
                "consider "
                "using autograd.grad instead.",
                stacklevel=2,
            )
        for param in self.parameters():
            if set_to_none:
                param._grad = None
            elif param._grad is not None:
                clear_gradient(param, set_to_none)

    # ---- printing ----------------------------------------------------------------------------------------

    def _get_name(self) -> str:
        return self.__class__.__name__

    def extra_repr(self) -> str:
        """The arguments shown between the brackets."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        children = [f"({name}): {_indent(repr(module))}" for name, module in self._modules.items()]
        if not children and len(lines) <= 1:
            return f"{self._get_name()}({''.join(lines)})"
        body = "\n  ".join([*lines, *children])
        return f"{self._get_name()}(\n  {body}\n)"

    def _replicate_for_data_parallel(self) -> Any:
        replica = self.__new__(type(self))
        replica.__dict__ = self.__dict__.copy()
        replica.__dict__.update(
            _parameters={}, _buffers=replica._buffers.copy(), _modules=replica._modules.copy()
        )
        replica._is_replica = True
        return replica


_HOOK_DICTS = (
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
    "_forward_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_backward_hooks",
    "_backward_pre_hooks",
    "_state_dict_hooks",
    "_state_dict_pre_hooks",
    "_load_state_dict_pre_hooks",
    "_load_state_dict_post_hooks",
)
_UNREACHED = (
    "Reached a code path in Module.{}_extra_state() that should never be called. Please file an issue at "
    "https://github.com/pytorch/pytorch/issues/new?template=bug-report.yml to report this bug."
)
_COMPLEX = (
    "Complex modules are a new feature under active development whose design may change, and some modules "
    "might not work "
    "as expected when using complex tensors as parameters or buffers. Please file an issue at "
    "https://github.com/pytorch/pytorch/issues/new?template=bug-report.yml if a complex module does not work "
    "as expected."
)


def clear_gradient(param: Any, set_to_none: bool) -> None:
    """Drop a parameter's gradient, or make it zero."""
    if set_to_none:
        param._grad = None
    else:
        if param._grad.grad_fn is not None:
            param._grad.detach_()
        else:
            param._grad.requires_grad_(False)
        param._grad.zero_()


def _quoted(keys: list[str]) -> str:
    return ", ".join(f'"{key}"' for key in keys)


_TO = Called("nn", "to")


def _parse_to(*args: Any, **kwargs: Any) -> tuple[Any, dtype | None, bool, Any]:
    """Device, dtype, ``non_blocking`` and memory format of the forms of ``to``."""
    misfit = _TO.refusal(args, kwargs)
    if misfit is not None:
        raise misfit
    memory_format = kwargs.pop("memory_format", None)
    given = list(args)
    target = kwargs.pop("device", None)
    kind = kwargs.pop("dtype", None)
    other = kwargs.pop("tensor", None)
    non_blocking = kwargs.pop("non_blocking", False)
    kwargs.pop("copy", None)
    if given and isinstance(given[0], Tensor):
        other = given.pop(0)
    elif given and isinstance(given[0], dtype):
        kind = given.pop(0)
    elif given:
        target = given.pop(0)
        if given and (given[0] is None or isinstance(given[0], dtype)):
            kind = given.pop(0)
    if given:
        non_blocking = given[0]
    if other is not None:
        target, kind = other.device, other.dtype
    if target is not None and not isinstance(target, device):
        target = as_device(target)
    return target, kind, non_blocking, memory_format
