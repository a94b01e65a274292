"""What a recorded function depends on besides its arguments, found by looking where Python would look.

A function reaches objects through its closure, the globals that its code names, its defaults, the object it
is bound to, and from these through attributes and items. All of that is looked through once; numbers and
strings are remembered by value, everything else by identity. A replay is right as long as nothing of it
changed.
"""

from __future__ import annotations

import array
import builtins
import functools
import importlib.util
import os
import sys
import types
import weakref
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from operator import call, is_, itemgetter
from typing import Any

import numpy as np

from jtorch.amp import GradScaler
from jtorch.compiler._code import (
    INDIRECT,
    attributes_of,
    attributes_of_class,
    fixed,
    functions_in,
    imports_of,
    names_of,
    texts_of,
)
from jtorch.compiler._contents import SEQUENCES, Bytes, Slots, hidden, is_own, slots_of
from jtorch.compiler._keys import describe, parts_of
from jtorch.compiler._switches import switches_named
from jtorch.nn import Module
from jtorch.nn.modules._hooks import changes, global_hooks
from jtorch.optim import Optimizer
from jtorch.optim.lr_scheduler import LRScheduler
from jtorch.optim.optimizer import global_step_hooks
from jtorch.tape import hook_changes
from jtorch.tensor import Tensor
from jtorch.tensor._storage import place_changes

__all__ = ["Guards", "Names"]

_SCALARS = (int, float, str, bool, complex, bytes, type(None))
_DEPTH, _ITEMS, _OBJECTS = 50, 4096, 50_000
_LARGE = np.ndarray, array.array, bytearray
_MISSING: Any = object()
#: Attributes that every module has; what matters of them is compared by :func:`_contents`.
#: Code of the user that names one of these sees settings of optimizers, which are operands otherwise.
_SETTINGS = frozenset({"param_groups", "state_dict", "get_last_lr", "get_lr", "last_epoch", "_last_lr"})
#: Code that names one of these sees of a tensor what no operation reads.
_LOOKS = frozenset({
    "requires_grad", "is_leaf", "shape", "size", "ndim", "dim", "ndimension", "numel", "nelement", "dtype",
    "stride", "is_contiguous", "len", "device", "layout", "is_floating_point", "is_complex", "nbytes",
    "itemsize", "element_size", "__len__",
})  # fmt: skip
#: Code that names one of these may look up globals, or a module, by a text.
_LOOK_UP = frozenset({"globals", "eval", "exec", "vars"})
_MODULE_LOOK_UP = frozenset({"modules", "import_module", "__import__"})
#: Code that names one of these may read variables of the environment by texts that it has.
_ENVIRONMENT = frozenset({"environ", "getenv"})
#: Members of classes that hold nothing themselves.
_EMPTY = (types.MemberDescriptorType, types.GetSetDescriptorType)
#: Names in code that writes to the process's output without ``print``.
_STREAMS = frozenset({"stdout", "stderr", "__stdout__", "__stderr__"})
_HELD = ("_parameters", "_buffers", "_modules")
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
_FUNCTION_PRIVATE = frozenset({"__wrapped__", "_compiled_function", "_torchdynamo_disable"})
_MODULE_PRIVATE = (frozenset(Module().__dict__) | {"_compiled_call_impl"}) - {"training"}


def _same(a: Any, b: Any) -> bool:
    if a is b:
        return True
    if type(a) is not type(b) or not isinstance(a, _SCALARS):
        return False
    if a == b:
        return bool(a) or type(a) is not float or repr(a) == repr(b)  # 0.0 is not -0.0
    return bool(a != a and b != b)


class Guards:
    """The objects that a function can reach and the values that it can read.

    Attributes:
        tensors: all that were found, by ``id``.
        optimizers: all that were found.
        scopes: globals of the functions that were found, by ``id``.
        fixed: a tensor and what it has to keep: its storage, and whether it wants a gradient;
            ``places``: the rest of it, which seldom changes.
    """

    def __init__(self, function: Any, args: Any, kwargs: Any) -> None:
        self.names: list[tuple[Any, Any, Any, str]] = []
        self.cells: list[tuple[Any, Any, str]] = []
        self.sequences: list[tuple[Any, tuple[Any, ...], str]] = []
        self.modules: list[tuple[Any, dict[str, Any], tuple[Any, ...], str, bool]] = []
        self.tensors: dict[int, Any] = {}
        self.optimizers: list[Any] = []
        self.fixed: list[tuple[Any, Any, bool]] = []
        self.places: list[tuple[Any, tuple[Any, ...]]] = []
        self.scopes: dict[int, dict[str, Any]] = {}
        self.scalers: list[tuple[Any, str]] = []
        self.objects: list[tuple[Any, int, str]] = []
        self.classes: list[tuple[Any, type, str]] = []
        #: functions with their code and defaults, by ``id``
        self.functions: dict[int, tuple[Any, Any, Any, Any]] = {}
        #: what is reached that changes unseen, by name: kind of object
        self._hidden: dict[str, str] = {}
        self._schedules: list[tuple[Any, str]] = []
        self._hooked: list[tuple[Any, str]] = []
        self._named: set[str] = set()
        self._called: set[str] = set()
        self._texts: set[str] = set()
        self._waiting: list[tuple[str, Any, str, int]] = []
        #: attributes that are guarded if code names them: ``(owner, name, value, where)``
        self._exactly: list[tuple[Any, str, Any, str]] = []
        self._python_modules: dict[int, tuple[Any, str, bool]] = {}
        self._methods: list[tuple[Any, str, Any, str]] = []
        self._libraries: set[tuple[int, types.CodeType]] = set()
        self._forwards: dict[type, tuple[Any, Any, Any, str]] = {}
        self._seen: dict[int, Any] = {}
        self._visit(function, "", 0)
        for i, x in enumerate(args):
            self._argument(x, f"argument {i}")
        for name, x in kwargs.items():
            self._argument(x, f"argument {name}")
        for hooks in (*global_hooks(), *global_step_hooks()):
            self._visit_hooks(hooks, "global", 0)
        self._visit_read()
        self.names += [x for x in self._methods if x[1] == "forward" or _special(x[1]) or self._reads(x[1])]
        if self._hooked and (self._reads("backward") or self._reads("grad")):  # they run in the call
            for x, where in self._hooked:
                self._visit_hooks(x._hooks, where, 0)
                self._visit_hooks(x._post_hooks, where, 0)
        if not _SETTINGS.isdisjoint(self._named):
            self._settings()
        self.names += self._forwards.values()
        for own, keys in switches_named(self._named | self._called):
            self.names += [(own, key, own.get(key, _MISSING), f"the switch {key}") for key in keys]
        self.names = list({(id(x[0]), x[1]): x for x in self.names}.values())
        self._note_modules()
        self.epoch, self.place_epoch = changes[0], place_changes[0]
        self.hook_epoch, self.hooks = hook_changes[0], self._hook_numbers()

    # ---- looking

    def _argument(self, x: Any, where: str) -> None:
        """Tensors and containers belong to the key of the call; other objects are looked through."""
        parts = parts_of(x)
        if parts is not None:
            items = isinstance(x, list | tuple | dict)
            for i, y in parts:
                self._argument(y, f"{where}[{i!r}]" if items else f"{where}.{i}")
            if not fixed(type(x).__module__):
                self._visit_class(type(x), where, 0)
        elif isinstance(x, Tensor):
            for key in [key for key in x.__dict__ if key[0] != "_"]:
                self._hidden[f"{where}.{key}"] = "what was noted on an argument"
        else:
            self._visit(x, where, 0)

    def _visit(self, x: Any, where: str, depth: int) -> None:
        if isinstance(x, _SCALARS) or id(x) in self._seen:
            return
        if depth > _DEPTH or len(self._seen) > _OBJECTS:
            self._hidden[where] = "more objects than can be looked through"
            return
        self._seen[id(x)] = x
        if isinstance(x, Tensor):
            self._visit_tensor(x, where, depth)
        elif isinstance(x, Module):
            self._visit_module(x, where, depth)
        elif isinstance(x, Optimizer):
            self.visit_optimizer(x, where)
        elif isinstance(x, GradScaler):
            self._visit_scaler(x, where)
        elif isinstance(x, LRScheduler):
            self._schedules.append((x, where))
            self._visit(x.optimizer, f"{where}.optimizer", depth)
            self._exactly += [(x.__dict__, k, y, f"{where}.{k}") for k, y in x.__dict__.items()]
        elif isinstance(x, types.FunctionType):
            self._visit_function(x, where, depth)
        elif isinstance(x, types.MethodType):
            self._visit(x.__func__, where, depth)
            self._visit(x.__self__, where, depth)
        elif isinstance(x, functools.partial):
            for i, y in enumerate((x.func, *x.args, *x.keywords.values())):
                self._visit(y, f"{where}.args[{i}]", depth + 1)
        elif isinstance(x, (*SEQUENCES, tuple, frozenset, dict, types.MappingProxyType)):
            if len(x) <= _ITEMS:
                self._visit_container(x, where, depth)
            else:
                self._hidden[where] = f"a {type(x).__name__} of {len(x)} items"
            if not fixed(type(x).__module__):
                self._visit_instance(x, where, depth)
        elif isinstance(x, type):
            if not fixed(x.__module__):
                self._visit_class(x, where, depth)
        elif isinstance(_own(x).get("__wrapped__"), types.FunctionType):
            self._visit(x.__wrapped__, where, depth)
        elif isinstance(x, weakref.ref):
            self._visit(x(), where, depth)
        elif isinstance(x, types.ModuleType):
            self._note_module(x, where, True)
        elif is_own(type(x)) or not fixed(type(x).__module__):
            self._visit_instance(x, where, depth)
        else:
            memory, kind = Bytes.of(x), hidden(x)
            if memory is not None:
                self.names.append((memory, "", memory.get("", None), where))
            elif kind is not None:
                self._hidden[where] = kind
            elif isinstance(x, _LARGE):
                self._hidden[where] = "a large array"

    def _visit_instance(self, x: Any, where: str, depth: int) -> None:
        """Attributes and class of an object of the user."""
        self.classes.append((x, type(x), where))
        own = getattr(x, "__dict__", None)
        if isinstance(own, dict):
            self._attributes(own, where, depth)
        slots = Slots(x)
        for name in slots_of(x):
            y = slots.get(name, _MISSING)
            self.names.append((slots, name, y, f"{where}.{name}"))
            self._visit(y, f"{where}.{name}", depth + 1)
        self._visit_class(type(x), where, depth)

    def _visit_container(self, x: Any, where: str, depth: int) -> None:
        """Entries of lists, dictionaries and the like."""
        if isinstance(x, dict | types.MappingProxyType):
            self.sequences.append((x, tuple(x), where))
            for key, y in list(x.items()):
                self.names.append((x, key, y, f"{where}[{key!r}]"))
                self._visit(y, f"{where}[{key!r}]", depth + 1)
            return
        if isinstance(x, SEQUENCES):
            self.sequences.append((x, tuple(x), where))
        for i, y in enumerate(x):
            self._visit(y, f"{where}[{i}]", depth + 1)

    def _visit_tensor(self, x: Any, where: str, depth: int) -> None:
        """A tensor, its hooks, and what the user noted on it."""
        self.tensors[id(x)] = x
        own = x.__dict__
        for key in [key for key in own if key[0] != "_"]:
            self.names.append((own, key, own[key], f"{where}.{key}"))
            self._visit(own[key], f"{where}.{key}", depth + 1)
        if x._hooks or x._post_hooks:
            self._hooked.append((x, where))

    def _visit_hooks(self, hooks: Any, where: str, depth: int) -> None:
        for hook in list((hooks or {}).values()):
            self._visit(hook, f"a hook of {where}", depth + 1)

    def _hook_numbers(self) -> list[int]:
        """The hooks that a call may run, but for those of modules."""
        found: list[int] = []
        for t in self.tensors.values():
            found.extend(t._hooks or ())
            found.extend(t._post_hooks or ())
        for optimizer in self.optimizers:
            found.extend(optimizer._optimizer_step_pre_hooks)
            found.extend(optimizer._optimizer_step_post_hooks)
        for hooks in (*global_hooks(), *global_step_hooks()):
            found.extend(n for n, hook in hooks.items() if not fixed(getattr(hook, "__module__", None)))
        return found

    def found(self, x: Any) -> bool:
        """Whether an object is one of those that the function could reach before."""
        return id(x) in self._seen

    def unseen(self) -> str | None:
        """What the function reaches by name that changes without a guard noticing; ``None``: nothing."""
        if not _STREAMS.isdisjoint(self._named):
            return "it names a stream of the process"
        for where, kind in self._hidden.items():
            name = where.rpartition(".")[2]
            if "." not in where or "[" in name or self._reads(name):
                return f"it uses {kind} ({where})"
        return None

    def _attributes(self, own: dict[str, Any], where: str, depth: int) -> None:
        self.objects.append((own, len(own), where))
        for key, y in list(own.items()):
            self.names.append((own, key, y, f"{where}.{key}"))
            self._visit(y, f"{where}.{key}", depth + 1)

    def _visit_class(self, cls: type, where: str, depth: int) -> None:
        for base in cls.__mro__:
            if fixed(base.__module__) or (id(base) in self._seen and base is not cls):
                continue
            self._seen[id(base)] = base
            own = vars(base)
            self.objects.append((own, len(own), base.__name__))
            for name, y in list(own.items()):
                functions = [] if isinstance(y, type) else functions_in(y)
                for function in functions:
                    self._visit_function(function, where, depth + 1)
                if functions:
                    self._methods.append((own, name, y, f"{base.__name__}.{name}"))
                elif name.startswith("__") or isinstance(y, _EMPTY):
                    continue
                elif isinstance(y, (*_SCALARS, list, tuple, dict)):
                    self.names.append((own, name, y, f"{base.__name__}.{name}"))
                    self._visit(y, f"{base.__name__}.{name}", depth + 1)
                else:
                    self._exactly.append((own, name, y, f"{base.__name__}.{name}"))
        if not fixed(type(cls).__module__) and id(type(cls)) not in self._seen:
            self._visit_class(type(cls), where, depth + 1)

    def _visit_function(self, function: Any, where: str, depth: int) -> None:
        wrapped = getattr(function, "__wrapped__", None)
        if wrapped is not None:
            self._visit(wrapped, where, depth)
        if fixed(function.__module__) and wrapped is None:
            return
        code, scope = function.__code__, function.__globals__
        named = function.__kwdefaults__
        self.functions[id(function)] = function, code, function.__defaults__, named
        for key, y in (named or {}).items():
            self.names.append((named, key, y, f"the default {key} of {function.__name__}"))
        self.scopes[id(scope)] = scope
        self._named |= attributes_of(code)
        self._called.update(names_of(code))
        self._texts |= texts_of(code)
        noted = {k: y for k, y in function.__dict__.items() if k not in _FUNCTION_PRIVATE}
        for name, y in noted.items():
            self.names.append((function.__dict__, name, y, f"{function.__name__}.{name}"))
            self._visit(y, f"{function.__name__}.{name}", depth + 1)
        for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=False):
            try:
                y = cell.cell_contents
            except ValueError:
                continue
            self.cells.append((cell, y, name))
            self._visit_named(y, code, name, depth)
        for name in names_of(code):
            y = scope.get(name, _MISSING)
            self.names.append((scope, name, y, name))
            if y is not _MISSING or not hasattr(builtins, name):
                self._visit_named(y, code, name, depth)
            elif name != "print":  # which is another one while a call is recorded
                self.names.append((vars(builtins), name, vars(builtins)[name], name))
        if not _ENVIRONMENT.isdisjoint(attributes_of(code)):
            for text in texts_of(code):
                self.names.append((os.environ, text, os.environ.get(text, _MISSING), f"the variable {text}"))
        for level, name in imports_of(code):
            package = scope.get("__package__") or ""
            name = importlib.util.resolve_name("." * level + name, package) if level else name
            self._visit_imported(name, code, depth)
        for y in (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()):
            self._visit(y, f"default of {function.__name__}", depth + 1)

    def _visit_named(self, y: Any, code: types.CodeType, where: str, depth: int) -> None:
        """What a name in a function's code stands for, or an attribute of a module that it names."""
        if isinstance(y, types.ModuleType):
            self._visit_python_module(y, code, where, depth)
        else:
            self._visit(y, where, depth + 1)

    def _visit_imported(self, name: str, code: types.CodeType, depth: int) -> None:
        """A module that a function imports when it runs."""
        if not fixed(name):
            y = sys.modules.get(name, _MISSING)
            self.names.append((sys.modules, name, y, f"the module {name}"))
            self._visit_named(y, code, name, depth)

    def _visit_python_module(self, module: Any, code: types.CodeType, where: str, depth: int) -> None:
        """Attributes of a module of the user that the code may read."""
        file = getattr(module, "__file__", None) or ""
        if depth > _DEPTH:
            return
        if fixed(module.__name__):
            self._visit_library(module, code, where)
            return
        if "site-packages" in file:
            self._named |= INDIRECT
            return
        self._note_module(module, where, False)
        for name in attributes_of(code):
            y = vars(module).get(name, _MISSING)
            if y is not _MISSING and y is not module:
                self.names.append((vars(module), name, y, f"{where}.{name}"))
                self._visit_named(y, code, f"{where}.{name}", depth + 1)

    def _visit_library(self, module: Any, code: types.CodeType, where: str) -> None:
        """Functions, classes and switches of a package that code names: somebody may put others there."""
        if (id(module), code) in self._libraries:
            return
        self._libraries.add((id(module), code))
        own = vars(module)
        for name in attributes_of(code) & own.keys():
            y = own[name]
            if isinstance(y, types.ModuleType):
                self._visit_library(y, code, f"{where}.{name}")
            elif callable(y) or isinstance(y, _SCALARS):
                self.names.append((own, name, y, f"{where}.{name}"))

    def _note_module(self, module: Any, where: str, anywhere: bool) -> None:
        """A module of the user that code may look into by texts, or (``anywhere``) by any name."""
        if not fixed(module.__name__) and "site-packages" not in (getattr(module, "__file__", None) or ""):
            known = self._python_modules.get(id(module))
            self._python_modules[id(module)] = module, where, anywhere or (known is not None and known[2])

    def _visit_module(self, module: Any, where: str, depth: int) -> None:
        own = module.__dict__
        cls: Any = type(module)
        ours = all(base in (Module, object) or not fixed(base.__module__) for base in cls.__mro__)
        self._named |= attributes_of_class(cls)
        self.classes.append((module, cls, where or cls.__name__))
        self.modules.append((module, _plain(own), _contents(own), where or cls.__name__, ours))
        for kind in _HELD:
            for name, y in own.get(kind, {}).items():
                self._visit(y, f"{where}.{name}".lstrip("."), depth if kind == "_modules" else depth + 1)
        for name, y in own.items():
            if name not in _MODULE_PRIVATE:
                self._waiting.append((name if ours else "", y, f"{where}.{name}".lstrip("."), depth + 1))
        for kind in _HOOKS:
            self._visit_hooks(own.get(kind), where, depth)
        if not fixed(type(module).__module__):
            self._visit_class(type(module), where, depth)
        else:
            owner = next(base for base in cls.__mro__ if "forward" in vars(base))
            own = vars(owner)
            self._forwards.setdefault(owner, (own, "forward", own["forward"], f"{cls.__name__}.forward"))

    def _reads(self, name: str) -> bool:
        """Whether code that was found may read an attribute of this name from a module of the user."""
        return name in self._named or not INDIRECT.isdisjoint(self._named)

    def _visit_read(self) -> None:
        """Attributes of modules that some code reads; what a loop notes on its model is no concern of it."""
        found: set[tuple[int, str]] = set()
        while True:
            ready = [x for x in self._waiting if not x[0] or self._reads(x[0])]
            self._waiting = [x for x in self._waiting if x[0] and not self._reads(x[0])]
            for _, y, where, depth in ready:
                self._visit(y, where, depth)
            named = [x for x in self._named_exactly() if (id(x[0]), x[1]) not in found]
            for owner, name, y, where in named:
                found.add((id(owner), name))
                self.names.append((owner, name, y, where))
                self._visit(y, where, 1)
            if not ready and not named:
                break
        self._waiting.clear()
        self._exactly.clear()
        self.modules = [
            (module, self._read_of(plain) if ours else plain, contents, where, ours)
            for module, plain, contents, where, ours in self.modules
        ]

    def _named_exactly(self) -> list[tuple[Any, str, Any, str]]:
        """Attributes and globals that code names, or may look up by a text that it has."""
        named, texts = self._named, set()
        if not INDIRECT.isdisjoint(named) or not _LOOK_UP.isdisjoint(self._called):
            texts = self._texts
            named = named | texts
        ready = [x for x in self._exactly if x[1] in named]
        if not _MODULE_LOOK_UP.isdisjoint(named):
            own = {str(scope.get("__name__")) for scope in self.scopes.values()}
            for name in (self._texts | own) & sys.modules.keys():
                self._note_module(sys.modules[name], name, True)
        for module, where, anywhere in list(self._python_modules.values()):
            for name in (named if anywhere else texts) & vars(module).keys():
                ready.append((vars(module), name, vars(module)[name], f"{where}.{name}"))
        if not _LOOK_UP.isdisjoint(self._called):
            for scope in list(self.scopes.values()):
                for name in texts & scope.keys():
                    ready.append((scope, name, scope[name], name))
        return ready

    def _read_of(self, plain: dict[str, Any]) -> dict[str, Any]:
        return {name: y for name, y in plain.items() if name == "training" or self._reads(name)}

    def _visit_scaler(self, scaler: Any, where: str) -> None:
        """Scale, count and settings; what a scaler notes between ``unscale_`` and ``update`` is forgotten."""
        own = scaler.__dict__
        for key, y in own.items():
            if key == "_per_optimizer_states":
                self.scalers.append((own, where))
            else:
                self.names.append((own, key, y, f"{where}.{key}"))
                self._visit(y, f"{where}.{key}", 0)

    def _settings(self) -> None:
        """Settings of optimizers and schedules by value."""
        for optimizer in self.optimizers:
            for i, group in enumerate(optimizer.param_groups):
                for key, y in group.items():
                    if key != "params":
                        self.names.append((group, key, y, f"param_groups[{i}][{key!r}]"))
        for schedule, where in self._schedules:
            for key, y in schedule.__dict__.items():
                if isinstance(y, _SCALARS):
                    self.names.append((schedule.__dict__, key, y, f"{where}.{key}"))

    def visit_optimizer(self, optimizer: Any, where: str = "optimizer") -> None:
        """Groups and state; settings of optimizers whose step is one operation are operands."""
        self._seen[id(optimizer)] = optimizer
        if optimizer not in self.optimizers:
            self.optimizers.append(optimizer)
        own = optimizer.__dict__
        for key in ("state", "param_groups"):
            self.names.append((own, key, own[key], f"{where}.{key}"))
        self.sequences.append((own["param_groups"], tuple(own["param_groups"]), f"{where}.param_groups"))
        operands = hasattr(optimizer, "_step_group")
        for i, group in enumerate(own["param_groups"]):
            place = f"{where}.param_groups[{i}]"
            self.names.append((group, "params", group["params"], f"{place}['params']"))
            self._visit(group["params"], f"{place}['params']", 0)
            if not operands:
                for key, y in group.items():
                    if key != "params":
                        self.names.append((group, key, y, f"{place}['{key}']"))
        self.visit_state(optimizer, where)
        self._visit_hooks(optimizer._optimizer_step_pre_hooks, where, 0)
        self._visit_hooks(optimizer._optimizer_step_post_hooks, where, 0)
        if not fixed(type(optimizer).__module__):
            for key, y in list(own.items()):
                if key not in ("state", "param_groups"):
                    self.names.append((own, key, y, f"{where}.{key}"))
                    self._visit(y, f"{where}.{key}", 1)
            self._visit_class(type(optimizer), where, 0)
        else:
            others = own.keys() - {"state", "param_groups"}
            self._exactly += [(own, k, own[k], f"{where}.{k}") for k in others]

    def visit_state(self, optimizer: Any, where: str = "optimizer") -> None:
        """The tensors that an optimizer keeps."""
        for state in list(optimizer.state.values()):
            if not isinstance(state, dict) or id(state) in self._seen:
                continue
            self._seen[id(state)] = state
            for key, y in state.items():
                if isinstance(y, Tensor):
                    self.tensors[id(y)] = y
                    self.names.append((state, key, y, f"{where}.state[...]['{key}']"))

    # ---- checking

    def broken(self) -> str | None:
        """What changed since; ``None`` if nothing did."""
        for own, key, value, where in self.names:
            found = own.get(key, _MISSING)
            if found is not value and not _same(found, value):
                return _changed(where, value, found)
        for cell, value, where in self.cells:
            try:
                found = cell.cell_contents
            except ValueError:
                found = _MISSING
            if found is not value and not _same(found, value):
                return _changed(where, value, found)
        for sequence, contents, where in self.sequences:
            if len(sequence) != len(contents) or not all(map(is_, sequence, contents)):
                return f"the contents of {where} changed"
        for own, count, where in self.objects:
            if len(own) != count:
                return f"attributes of {where} were added"
        for x, cls, where in self.classes:
            if type(x) is not cls:
                return f"{where} is a {type(x).__name__}, was a {cls.__name__}"
        for function, code, defaults, named in self.functions.values():
            if function.__code__ is not code:
                return f"the code of {function.__name__} is another one now"
            if function.__defaults__ is not defaults or function.__kwdefaults__ is not named:
                return f"defaults of {function.__name__} changed"
        for own, where in self.scalers:
            if own["_per_optimizer_states"]:
                return f"{where} waits for update()"
        for tensor, storage, requires in self.fixed:
            if tensor._storage is not storage:
                return f"a tensor of shape {tuple(tensor.shape)} got other memory"
            if tensor._requires is not requires:
                return f"requires_grad of a tensor of shape {tuple(tensor.shape)} is {tensor._requires} now"
        if place_changes[0] != self.place_epoch:
            for tensor, place in self.places:
                if _place(tensor) != place:
                    return f"the memory order or history of a tensor of shape {tuple(tensor.shape)} changed"
            self.place_epoch = place_changes[0]
        if hook_changes[0] != self.hook_epoch:
            if self._hook_numbers() != self.hooks:
                return "hooks were registered or removed"
            self.hook_epoch = hook_changes[0]
        if changes[0] != self.epoch or not self._modules_kept():
            reason = self._modules_changed()
            if reason is not None:
                return reason
            self.epoch = changes[0]
            self._note_modules()
        return None

    def conditions(self, name: Callable[[Any], str], names: dict[str, Any]) -> Iterator[str]:
        """Source of expressions of which one is true whenever :meth:`broken` finds something.

        Args:
            name: gives an object a name that the source uses.
            names: what else it names is added here.
        """
        names.update(guards=self, is_=is_, same=_same, MISSING=_MISSING)
        names.update(changes=changes, hook_changes=hook_changes, place_changes=place_changes)
        for own, key, value, _ in self.names:
            found = f"(x := {name(own)}.get({name(key)}, MISSING))"
            yield f"{found} is not {name(value)} and not same(x, {name(value)})"
        for cell, value, _ in self.cells:
            yield f"(x := {name(cell)}.cell_contents) is not {name(value)} and not same(x, {name(value)})"
        for sequence, contents, _ in self.sequences:
            yield f"len({name(sequence)}) != {len(contents)}"
            if type(sequence) in (list, tuple):
                for i, y in enumerate(contents):
                    yield f"{name(sequence)}[{i}] is not {name(y)}"
            else:
                yield f"not all(map(is_, {name(sequence)}, {name(contents)}))"
        for own, count, _ in self.objects:
            yield f"len({name(own)}) != {count}"
        for x, cls, _ in self.classes:
            yield f"type({name(x)}) is not {name(cls)}"
        for function, code, defaults, named in self.functions.values():
            text = f"{name(function)}.__code__ is not {name(code)}"
            if code.co_argcount:
                text += f" or {name(function)}.__defaults__ is not {name(defaults)}"
            if code.co_kwonlyargcount:
                text += f" or {name(function)}.__kwdefaults__ is not {name(named)}"
            yield text
        for module, plain, *_ in self.modules:
            own = module.__dict__
            held = _filled(own, _HELD)
            parts = [f"len({name(x)}) != {len(x)}" for x in (own, *held, *_filled(own, _HOOKS))]
            for key, y in plain.items():
                text = f"{name(own)}[{key!r}] is not {name(y)}"
                if not isinstance(y, bool | None):  # equal ones are the same
                    text = f"(x := {name(own)}[{key!r}]) is not {name(y)} and not same(x, {name(y)})"
                parts.append(text)
            parts += [f"{name(x)}[{key!r}] is not {name(y)}" for x in held for key, y in x.items()]
            yield " or ".join(parts)
        for own, _ in self.scalers:
            yield f"{name(own)}['_per_optimizer_states']"
        for tensor, storage, requires in self.fixed:
            yield f"{name(tensor)}._storage is not {name(storage)}"
            yield f"{name(tensor)}._requires is not {requires}"
        later = "hook_changes[0] != guards.hook_epoch or changes[0] != guards.epoch"
        later += " or place_changes[0] != guards.place_epoch"
        yield f"({later}) and guards.broken() is not None"

    def _note_modules(self) -> None:
        """What modules hold now, in a form that is compared at once.

        Lines that set attributes of a module count (``changes``); those that go around it, by its
        ``__dict__`` or the dictionary of its parameters, do not.
        """
        self._getters: list[Callable[[Any], Iterable[Any]]] = []
        self._owners: list[dict[str, Any]] = []
        self._sized: list[Any] = []
        for module, plain, *_ in self.modules:
            own = module.__dict__
            held = _filled(own, _HELD)
            self._getters += [itemgetter("training", *plain), *[dict.values] * len(held)]
            self._owners += [own, *held]
            self._sized += [own, *held, *_filled(own, _HOOKS)]
        self._sizes = [*map(len, self._sized)]
        self._values = [*chain.from_iterable(map(call, self._getters, self._owners))]

    def _modules_kept(self) -> bool:
        try:
            if [*map(len, self._sized)] != self._sizes:
                return False
            return all(map(is_, chain.from_iterable(map(call, self._getters, self._owners)), self._values))
        except KeyError:
            return False

    def _modules_changed(self) -> str | None:
        for module, plain, contents, where, ours in self.modules:
            now = module.__dict__
            for name, value in plain.items():
                found = now.get(name, _MISSING)
                if found is not value and not _same(found, value):
                    return _changed(f"{where}.{name}".lstrip("."), value, found)
            if len(self._read_of(_plain(now)) if ours else _plain(now)) != len(plain):
                return f"attributes of {where} were added"
            mine = _contents(now)
            if len(mine) != len(contents) or not all(map(is_, mine, contents)):
                return f"parameters, buffers, submodules or hooks of {where} changed"
        return None

    def fix(self, storages: Any) -> None:
        """Tensors on one of these storages (by ``id``) have to stay as they are, but for their contents.

        All others as well, if code asks for what can be seen of a tensor without reading it.
        """
        looks = not _LOOKS.isdisjoint(self._named | self._called) or not INDIRECT.isdisjoint(self._named)
        for tensor in self.tensors.values():
            storage = tensor.__dict__.get("_storage")
            if looks or id(storage) in storages:
                self.fixed.append((tensor, storage, tensor._requires))
                self.places.append((tensor, _place(tensor)))


def _filled(own: dict[str, Any], kinds: Iterable[str]) -> list[Any]:
    """Those of a module's dictionaries that hold something; filling others counts as a change."""
    return [own[kind] for kind in kinds if own[kind]]


def _special(name: str) -> bool:
    """Whether Python calls a method of this name without code that names it."""
    return name.startswith("__") and name.endswith("__")


def _place(tensor: Any) -> tuple[Any, ...]:
    """Where a tensor's elements are in its memory, and its history (of views it is made when asked for)."""
    fn = None if tensor._abase is not None else tensor._fn
    return tensor._view, tensor._strides, tensor._offset, None if fn is None else fn.number


def _own(x: Any) -> dict[str, Any]:
    """Attributes of an object, without asking its class for them."""
    own = getattr(x, "__dict__", None)
    return own if isinstance(own, dict) else {}


class Names:
    """What globals and attributes of modules are, those included that a function sets and never reads.

    Args:
        guards: what was found from the function.
    """

    def __init__(self, guards: Guards) -> None:
        owners = [(scope, "") for scope in guards.scopes.values()]
        owners += [(module.__dict__, f"{where}.") for module, _, _, where, _ in guards.modules]
        self.before = [(own, _plain(own), where) for own, where in owners]

    def changed(self) -> str | None:
        """Which of them changed since; ``None`` if none did."""
        return next((f"sets {where}{name}" for _, name, _, where in self._changes()), None)

    def _changes(self) -> Iterator[tuple[Any, str, Any, str]]:
        for own, before, where in self.before:
            for name, y in _plain(own).items():
                if before.get(name, _MISSING) is not y:
                    yield own, name, y, where

    def keep(self, guards: Guards, assigned: Iterable[tuple[Any, str]]) -> None:
        """A replay sets none of them, nor what was ``assigned``: it is right while they are as they are."""
        guards.names += [(own, name, y, where + name) for own, name, y, where in self._changes()]
        for module, name in assigned:
            y = _plain(module.__dict__).get(name, _MISSING)
            if y is not _MISSING:
                guards.names.append((module.__dict__, name, y, f"{type(module).__name__}.{name}"))


def _plain(own: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in own.items() if k not in _MODULE_PRIVATE}


def _contents(own: dict[str, Any]) -> tuple[Any, ...]:
    found: list[Any] = []
    for kind in _HELD:
        found.extend(own.get(kind, {}).values())
    for kind in _HOOKS:
        found.extend(own.get(kind, {}).values())
    return tuple(found)


def _changed(where: str, old: Any, new: Any) -> str:
    if new is _MISSING:
        return f"{where} is gone"
    if isinstance(old, _SCALARS) and isinstance(new, _SCALARS):
        return f"{where} is {describe(new)}, was {describe(old)}"
    return f"{where} is another object now"
