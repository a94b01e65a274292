"""A pickle machine that cannot run code: the opcodes that PyTorch writes, a table of inert builders.

Python's own unpickler is never involved. Names are looked up in a dictionary, never imported; a call is
carried out by a builder that checks its arguments (see ``_builders``), or refused. What a file may ask for
in memory and time is bounded by a multiple of its own size.
"""

from __future__ import annotations

import os
import struct
import warnings
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections import Counter, OrderedDict
from collections.abc import Callable
from pickle import UnpicklingError, decode_long
from types import BuiltinFunctionType, FunctionType
from typing import Any, BinaryIO

from jtorch.nn.parameter import Parameter
from jtorch.serialization._budget import Budget
from jtorch.serialization._builders import ALLOWED, BUILDERS, items_in, set_attributes
from jtorch.serialization._loaded import LoadedStorage
from jtorch.serialization._safe_globals import trusted
from jtorch.tensor import Tensor

__all__ = ["Machine", "TruncatedError", "names_in"]

#: Modules of which nothing is ever allowed.
_BLOCKED = frozenset({"sys", "os", "posix", "nt"})
_CALLABLE = (type, FunctionType, BuiltinFunctionType)
_LINE = 1024
#: How deep containers may nest, and how many may be open at a time.
_MAX_DEPTH, _MAX_MARKS = 5000, 20_000
#: What a set takes, for one byte of pickle.
_SET_BYTES = 256

_CONTAINERS = (dict, OrderedDict, Counter)


class TruncatedError(UnpicklingError, EOFError):
    """The file ends in the middle of a pickle."""


class Machine:
    """Interprets one pickle.

    Args:
        file: where to read; may hold more after the pickle.
        persistent_load: gives the object of a persistent id, which has been checked to be a tuple that begins
            with ``"storage"``, or an int.
        encoding: of Python 2's strings; ``"bytes"`` keeps them as bytes.
        budget: what the file may still ask for, where it holds several pickles.
    """

    def __init__(
        self,
        file: BinaryIO,
        persistent_load: Callable[[Any], Any] | None = None,
        *,
        encoding: str = "ASCII",
        budget: Budget | None = None,
    ) -> None:
        self._file, self._persistent, self._encoding = file, persistent_load, encoding
        self._stack: list[Any] = []
        self._marks: list[list[Any]] = []
        self._memo: dict[int, Any] = {}
        self._budget = budget = Budget() if budget is None else budget
        self.charge = budget.charge
        self._trusted = trusted()
        self._foreign = False
        self._result: Any = None

    # ---- reading

    def _read(self, count: int) -> bytes:
        if count > _LINE:
            here = self._file.tell()
            left = self._file.seek(0, os.SEEK_END) - here
            self._file.seek(here)
            if count > left:
                raise TruncatedError("pickle data was truncated")
        data = self._file.read(count)
        if len(data) != count:
            raise TruncatedError("pickle data was truncated")
        self._budget.consumed += count
        return data

    def _line(self) -> str:
        data = self._file.readline(_LINE)
        if not data.endswith(b"\n"):
            raise TruncatedError("pickle data was truncated")
        self._budget.consumed += len(data)
        return data[:-1].decode()

    # ---- running

    def load(self) -> Any:
        """The object that the pickle describes.

        Raises:
            UnpicklingError: anything that is not allowed, makes no sense or is cut off.
        """
        dispatch, read = _DISPATCH, self._file.read
        try:
            while True:
                key = read(1)
                if not key:
                    raise TruncatedError("pickle data was truncated")
                self._budget.consumed += 1
                handler = dispatch.get(key[0])
                if handler is None:
                    raise UnpicklingError(f"Unsupported operand {key[0]}")
                handler(self)
                if key == b".":
                    break
            _check_depth(self._result)
            return self._result
        except (
            IndexError, KeyError, TypeError, ValueError, AttributeError, OverflowError, struct.error,
            MemoryError, RecursionError, LookupError,
        ) as error:  # fmt: skip
            if self._foreign:
                raise  # from a function that the user trusts
            raise UnpicklingError(f"The pickle makes no sense ({type(error).__name__}: {error})") from None

    def _call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run something that the user has allowed."""
        self._foreign = True
        result = function(*args)
        self._foreign = False
        return result

    def _allowed_by_user(self, obj: Any) -> bool:
        return any(obj is entry for entry in self._trusted.values())

    def _pop_mark(self) -> list[Any]:
        items = self._stack
        self._stack = self._marks.pop()
        return items

    # ---- opcodes

    def _global(self) -> None:
        module, name = self._line(), self._line()
        if (module, name) in NAME_MAPPING:
            module, name = NAME_MAPPING[module, name]
        else:
            module = IMPORT_MAPPING.get(module, module)
        full = f"{module}.{name}"
        if module in _BLOCKED:
            raise UnpicklingError(
                f"Trying to load unsupported GLOBAL {full} whose module {module} is blocked."
            )
        if full in ALLOWED:
            self._stack.append(ALLOWED[full])
        elif full in self._trusted:
            self._stack.append(self._trusted[full])
        else:
            full = full.removeprefix("builtins.")
            raise UnpicklingError(
                f"Unsupported global: GLOBAL {full} was not an allowed global by default. Please use "
                f"`torch.serialization.add_safe_globals([{full}])` or the "
                f"`torch.serialization.safe_globals([{full}])` context manager to allowlist this global if "
                "you trust this class/function."
            )

    def _new_object(self) -> None:
        args, cls = self._stack.pop(), self._stack.pop()
        if type(args) is not tuple:
            raise UnpicklingError(f"Expected arguments as a tuple, but got {type(args)}")
        if cls is Parameter:
            self._stack.append(BUILDERS[Parameter](args, self._budget))
        elif isinstance(cls, type) and self._allowed_by_user(cls):
            self._stack.append(self._call(cls.__new__, cls, *args))
        else:
            raise UnpicklingError(
                "Can only create new object for nn.Parameter or classes allowlisted via `add_safe_globals` "
                f"but got {_shown(cls)}"
            )

    def _reduce(self) -> None:
        args, function = self._stack.pop(), self._stack[-1]
        if type(args) is not tuple:
            raise UnpicklingError(f"Expected arguments as a tuple, but got {type(args)}")
        builder = BUILDERS.get(function) if isinstance(function, _CALLABLE) else None
        if builder is not None:
            self._stack[-1] = builder(args, self._budget)
        elif self._allowed_by_user(function):
            self._stack[-1] = self._call(function, *args)
        else:
            raise UnpicklingError(f"Trying to call reduce for unrecognized function {_shown(function)}")

    def _build(self) -> None:
        state, made = self._stack.pop(), self._stack[-1]
        kind = type(made)
        if kind is OrderedDict:
            _attributes(made, state, self.charge)
        elif kind is Tensor or kind is Parameter:
            self._build_tensor(made, state)
        elif self._allowed_by_user(kind):
            self._build_users(made, state)
        else:
            raise UnpicklingError(
                "Can only build Tensor, Parameter, OrderedDict or types allowlisted via `add_safe_globals`, "
                f"but got {kind}"
            )

    def _build_tensor(self, made: Any, state: Any) -> None:
        """State of files that predate functions which rebuild tensors, or attributes."""
        if type(state) is tuple and len(state) == 4 and isinstance(state[0], LoadedStorage):
            source = BUILDERS[ALLOWED["torch._utils._rebuild_tensor"]](state, self._budget)
            for name in ("_storage", "_view", "_strides", "_offset"):
                setattr(made, name, getattr(source, name))
        else:
            self.charge(500 * items_in(state))
            set_attributes(made, state)

    def _build_users(self, made: Any, state: Any) -> None:
        setter = getattr(made, "__setstate__", None)
        if setter is not None:
            self._call(setter, state)
            return
        slots = None
        if isinstance(state, tuple) and len(state) == 2:
            state, slots = state
        if state:
            made.__dict__.update(state)
        for name, value in (slots or {}).items():
            self._call(setattr, made, name, value)

    def _append(self) -> None:
        item, target = self._stack.pop(), self._stack[-1]
        if type(target) is not list:
            raise UnpicklingError(f"Can only append to lists, but got {type(target)}")
        target.append(item)

    def _appends(self) -> None:
        items = self._pop_mark()
        target = self._stack[-1]
        if type(target) is not list:
            raise UnpicklingError(f"Can only extend lists, but got {type(target)}")
        target.extend(items)

    def _container(self, opcode: str) -> Any:
        target = self._stack[-1]
        if type(target) not in _CONTAINERS:
            raise UnpicklingError(
                f"Can only {opcode} for dict, collections.OrderedDict, collections.Counter, but got "
                f"{type(target)}"
            )
        return target

    def _set_item(self) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        target = self._container("SETITEM")
        self._budget.fill(target, [(key, value)])

    def _set_items(self) -> None:
        items = self._pop_mark()
        target = self._container("SETITEMS")
        if len(items) % 2:
            raise UnpicklingError("A key of a dictionary has no value")
        self._budget.fill(target, zip(items[::2], items[1::2], strict=True))

    def _set(self) -> None:
        self.charge(_SET_BYTES)
        self._stack.append(set())

    def _mark(self) -> None:
        if len(self._marks) >= _MAX_MARKS:
            raise UnpicklingError(f"More than {_MAX_MARKS} containers are open at a time")
        self._marks.append(self._stack)
        self._stack = []

    def _tuple(self) -> None:
        items = tuple(self._pop_mark())
        self._stack.append(items)

    def _tuple_of(self, count: int) -> None:
        if len(self._stack) < count:
            raise UnpicklingError("The stack of the pickle is empty")
        self._stack[-count:] = [tuple(self._stack[-count:])]

    def _short_string(self) -> None:
        data = self._read(self._read(1)[0])
        self._stack.append(data if self._encoding == "bytes" else data.decode(self._encoding, "strict"))

    def _unicode(self) -> None:
        data = self._read(int.from_bytes(self._read(4), "little"))
        self._stack.append(str(data, "utf-8", "surrogatepass"))

    def _persistent_id(self) -> None:
        pid = self._stack.pop()
        if type(pid) is not tuple and type(pid) is not int:
            raise UnpicklingError(f"persistent_load id must be tuple or int, but got {type(pid)}")
        if type(pid) is tuple and (not pid or pid[0] not in ("storage", b"storage")):
            raise UnpicklingError(
                f"Only persistent_load of storage is allowed, but got {type(pid[0]) if pid else pid}"
            )
        if self._persistent is None:
            raise UnpicklingError("unsupported persistent id encountered")
        self.charge(1024)
        self._stack.append(self._call(self._persistent, pid))

    def _get(self, width: int) -> None:
        self._stack.append(self._memo[int.from_bytes(self._read(width), "little")])

    def _put(self, width: int) -> None:
        self._memo[int.from_bytes(self._read(width), "little")] = self._stack[-1]

    def _proto(self) -> None:
        protocol = self._read(1)[0]
        if protocol != 2:
            warnings.warn(
                f"Detected pickle protocol {protocol} in the checkpoint, which was not the default pickle "
                "protocol used by `torch.load` (2). The weights_only Unpickler might not support all "
                "instructions implemented by this protocol, please file an issue for adding support if you "
                "encounter this.",
                stacklevel=2,
            )

    def _stop(self) -> None:
        self._result = self._stack.pop()


def _pushes(make: Callable[[], Any]) -> Callable[[Machine], None]:
    return lambda machine: machine._stack.append(make())


def _number(size: int, form: str) -> Callable[[Machine], None]:
    unpack = struct.Struct(form).unpack
    return lambda machine: machine._stack.append(unpack(machine._read(size))[0])


_DISPATCH: dict[int, Callable[[Machine], None]] = {
    ord("c"): Machine._global, 0x81: Machine._new_object, ord("R"): Machine._reduce, ord("b"): Machine._build,
    ord("a"): Machine._append, ord("e"): Machine._appends, ord("s"): Machine._set_item,
    ord("u"): Machine._set_items, ord("("): Machine._mark, ord("t"): Machine._tuple,
    0x85: lambda machine: machine._tuple_of(1), 0x86: lambda machine: machine._tuple_of(2),
    0x87: lambda machine: machine._tuple_of(3),
    ord("N"): _pushes(lambda: None), 0x88: _pushes(lambda: True), 0x89: _pushes(lambda: False),
    ord(")"): _pushes(tuple), ord("]"): _pushes(list), ord("}"): _pushes(dict), 0x8F: Machine._set,
    ord("J"): _number(4, "<i"), ord("K"): _number(1, "<B"), ord("M"): _number(2, "<H"),
    ord("G"): _number(8, ">d"), ord("X"): Machine._unicode, ord("U"): Machine._short_string,
    0x8A: lambda machine: machine._stack.append(decode_long(machine._read(machine._read(1)[0]))),
    ord("Q"): Machine._persistent_id,
    ord("h"): lambda machine: machine._get(1), ord("j"): lambda machine: machine._get(4),
    ord("q"): lambda machine: machine._put(1), ord("r"): lambda machine: machine._put(4),
    0x80: Machine._proto, ord("."): Machine._stop,
}  # fmt: skip


def _shown(obj: Any) -> str:
    """What an error text says of an object, without asking the object."""
    if isinstance(obj, _CALLABLE):
        return f"{obj.__module__}.{obj.__qualname__}"
    return f"an object of {type(obj)}"


_METHODS = frozenset(dir(OrderedDict))


def _attributes(made: Any, state: Any, charge: Callable[[int], None]) -> None:
    """Attributes of an ``OrderedDict``, such as a state dict's ``_metadata``."""
    if type(state) not in (dict, OrderedDict):
        raise UnpicklingError(f"Expected attributes as a dictionary, but got {type(state)}")
    if len(state) > 100:
        raise UnpicklingError(f"Can not set {len(state)} attributes of an OrderedDict")
    charge(500 * len(state))
    for name, value in state.items():
        if type(name) is not str or name in _METHODS:
            raise UnpicklingError(f"Can not set attribute {name!r} of an OrderedDict")
        made.__dict__[name] = value


def _check_depth(result: Any) -> None:
    """Refuse containers nested so deeply that nobody could print, copy or compare them."""
    level, seen = [result], set()
    for _ in range(_MAX_DEPTH):
        inner: list[Any] = []
        for item in level:
            kind = type(item)
            if id(item) in seen or kind not in (list, tuple, dict, OrderedDict, set, Counter):
                continue
            seen.add(id(item))
            inner.extend(item.values() if isinstance(item, dict) else item)
        if not inner:
            return
        level = inner
    raise UnpicklingError(f"Containers are nested more than {_MAX_DEPTH} levels deep")


_FIXED = {
    **dict.fromkeys(b"\x81Rbaesu(t\x85\x86\x87N\x88\x89)]}\x8fQ", 0),
    **dict.fromkeys(b"Khq\x80", 1),
    ord("M"): 2, ord("J"): 4, ord("j"): 4, ord("r"): 4, ord("G"): 8,
}  # fmt: skip


def names_in(file: BinaryIO) -> set[str]:
    """Names of all classes and functions that a pickle refers to; nothing is built.

    Raises:
        UnpicklingError: an opcode that the machine does not have, or a truncated pickle.
    """
    machine, found = Machine(file), set()
    while True:
        key = machine._read(1)[0]
        if key == ord("c"):
            module, name = machine._line(), machine._line()
            if (module, name) in NAME_MAPPING:
                module, name = NAME_MAPPING[module, name]
            else:
                module = IMPORT_MAPPING.get(module, module)
            found.add(f"{module}.{name}")
        elif key in _FIXED:
            machine._read(_FIXED[key])
        elif key == ord("X"):
            machine._read(int.from_bytes(machine._read(4), "little"))
        elif key in (ord("U"), 0x8A):
            machine._read(machine._read(1)[0])
        elif key == ord("."):
            return found
        else:
            raise UnpicklingError(f"Unsupported operand {key}")
