"""What the code of functions names: globals, attributes, modules that it imports, texts."""

from __future__ import annotations

import dis
import functools
import re
import sys
import types
from typing import Any

__all__ = [
    "INDIRECT", "attributes_of", "attributes_of_class", "fixed", "functions_in", "imports_of", "names_of",
    "texts_of",
]  # fmt: skip

#: Packages whose own functions and objects do not change under a program.
_FIXED = frozenset({"jtorch", "jax", "jaxlib", "numpy", "optax", "torch", "scipy", "matplotlib", "tqdm"})
_FIXED_MODULES = (_FIXED | sys.stdlib_module_names) - {"test"}
#: Code that names one of these may read attributes that it does not name.
INDIRECT = frozenset({
    "getattr", "hasattr", "getattr_static", "getmembers", "attrgetter", "vars", "dir", "eval", "exec",
    "__dict__", "__getattr__", "__getattribute__",
})  # fmt: skip
_GLOBAL = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "STORE_GLOBAL"})
_WORD = re.compile(r"[^\W\d]\w*")


def fixed(name: Any) -> bool:
    """Whether a module is of a package whose own functions and objects do not change under a program."""
    return isinstance(name, str) and name.partition(".")[0] in _FIXED_MODULES and name != "__main__"


@functools.cache
def names_of(code: types.CodeType) -> tuple[str, ...]:
    """Globals that a function's code reads or sets, nested functions included."""
    names = {i.argval for i in dis.get_instructions(code) if i.opname in _GLOBAL}
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names.update(names_of(constant))
    return tuple(sorted(names))


@functools.cache
def attributes_of(code: types.CodeType) -> frozenset[str]:
    """Names of attributes and globals that a function's code reads, nested functions included."""
    found = {
        i.argval
        for i in dis.get_instructions(code)
        if i.opcode in dis.hasname and not i.opname.startswith(("STORE", "DELETE"))
    }
    nested = (attributes_of(c) for c in code.co_consts if isinstance(c, types.CodeType))
    # The pattern `case Model(deep=True)` keeps its names in a tuple.
    patterns = ((x for x in c if isinstance(x, str)) for c in code.co_consts if isinstance(c, tuple))
    return frozenset(found).union(*nested, *patterns)


@functools.cache
def attributes_of_class(cls: type) -> frozenset[str]:
    """Names in the code of a module's class that is not the user's; it may ask its submodules for them."""
    bases = [base for base in cls.__mro__ if fixed(base.__module__) and base.__name__ not in _BASES]
    functions = (y for base in bases for y in vars(base).values() if isinstance(y, types.FunctionType))
    return frozenset(name for f in functions for name in f.__code__.co_names) - INDIRECT


_BASES = ("Module", "object")


@functools.cache
def imports_of(code: types.CodeType) -> tuple[tuple[int, str], ...]:
    """``(level, name)`` of the modules that a function imports when it runs, nested functions included."""
    found: list[tuple[int, str]] = []
    before: list[Any] = []
    for i in dis.get_instructions(code):
        if i.opname == "IMPORT_NAME":
            level = before[-2].argval if len(before) > 1 else 0
            found.append((level if isinstance(level, int) else 0, i.argval))
        before.append(i)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found.extend(imports_of(constant))
    return tuple(found)


@functools.cache
def texts_of(code: types.CodeType) -> frozenset[str]:
    """Identifiers in the texts of a function's code, by which it may look something up."""
    found: set[str] = set()
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found |= texts_of(constant)
        for x in constant if isinstance(constant, tuple) else (constant,):
            if isinstance(x, str):
                found.update(_WORD.findall(x), (x,))
    return frozenset(found)


def functions_in(x: Any) -> list[types.FunctionType]:
    """The functions behind a method, property or other descriptor of a class."""
    if isinstance(x, types.FunctionType):
        return [x]
    parts = (getattr(x, name, None) for name in ("__func__", "__wrapped__", "fget", "fset", "fdel", "func"))
    return [y for y in parts if isinstance(y, types.FunctionType)]
