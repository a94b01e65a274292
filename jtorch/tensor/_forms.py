"""The forms in which functions may be called: PyTorch's parser of arguments, with its errors.

A function has one or several forms (``_forms.txt``). The first that the arguments fit is taken; where there
is none, the text says what came and what was expected. Nothing here runs in a call that is right and was
made before with arguments of the same types.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from jtorch.devices import device
from jtorch.dispatch import wrong_type
from jtorch.dtypes import FLOAT, dtype
from jtorch.errors import helped, type_name, wrong_argument
from jtorch.ops._registry import Op
from jtorch.tensor._core import Tensor
from jtorch.tensor._layout import layout, memory_format
from jtorch.tensor._python_forms import HELPERS, PASSED

__all__ = ["Called", "Form", "Parameter", "check_types", "forms_of", "names_of", "refusal", "signature_of"]


def _is_tensor(x: Any) -> bool:
    return isinstance(x, Tensor)


def _is_number(x: Any) -> bool:
    return isinstance(x, int | float | complex | np.number | np.bool_)


def _is_scalar(x: Any) -> bool:
    return _is_number(x) or (_is_tensor(x) and not x.requires_grad and not x.dim())


def _is_float(x: Any) -> bool:
    real = isinstance(x, int | float | np.integer | np.floating) and not isinstance(x, bool | np.bool_)
    return real or isinstance(x, bool) or (_is_tensor(x) and not x.requires_grad and not x.dim())


def _is_int(x: Any) -> bool:
    if _is_tensor(x):
        return not x.requires_grad and not x.dim() and 0 < x.dtype.category < FLOAT
    return isinstance(x, int | np.integer) and not isinstance(x, bool)


def _is_index(x: Any) -> bool:
    if isinstance(x, int | np.integer):
        return not isinstance(x, bool)
    if _is_tensor(x):
        return bool(x.numel() == 1 and x.dtype.category < FLOAT)
    return hasattr(type(x), "__index__") and not isinstance(x, np.bool_)


def _is_numbers(x: Any) -> bool:
    return isinstance(x, tuple | list) and all(map(_is_number, x))


def _is_floats(x: Any) -> bool:
    return isinstance(x, tuple | list) and (not x or isinstance(x[0], int | float | complex | np.number))


def _is_device(x: Any) -> bool:
    return isinstance(x, str | device) or (isinstance(x, int) and not isinstance(x, bool))


#: kind of a parameter -> PyTorch's name of it, and whether a value has it; lists are looked at apart
_KINDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "Tensor": ("Tensor", _is_tensor),
    "Tensors": ("tuple of Tensors", lambda x: isinstance(x, tuple | list)),
    "Number": ("Number", _is_scalar),
    "Numbers": ("tuple of Scalars", _is_numbers),
    "float": ("float", _is_float),
    "floats": ("tuple of floats", _is_floats),
    "int": ("int", _is_int),
    "SymInt": ("int", _is_index),
    "ints": ("tuple of ints", lambda x: False),
    "SymInts": ("tuple of ints", lambda x: False),
    "bool": ("bool", lambda x: isinstance(x, bool)),
    "str": ("str", lambda x: isinstance(x, str)),
    "object": ("object", lambda x: True),
    "dtype": ("torch.dtype", lambda x: isinstance(x, dtype) or x in (bool, int, float, complex)),
    "layout": ("torch.layout", lambda x: isinstance(x, layout)),
    "memory_format": ("torch.memory_format", lambda x: isinstance(x, memory_format)),
    "device": ("torch.device", _is_device),
    "Generator": ("torch.Generator", lambda x: type(x).__name__ == "Generator"),
    "Storage": ("torch.Storage", lambda x: type(x).__name__.endswith("Storage")),
    "Stream": ("Stream", lambda x: type(x).__name__ == "Stream"),
}

#: Functions whose tensors may be numbers.
_NUMBERS_AS_TENSORS = frozenset(
    name + end
    for name in (
        "add",
        "copy",
        "div",
        "divide",
        "floor_divide",
        "mul",
        "multiply",
        "sub",
        "subtract",
        "true_divide",
    )
    for end in ("", "_")
)
#: NumPy's names, which are taken for PyTorch's.
_NUMPY_NAMES = {"dim": ("axis",), "keepdim": ("keepdims",), "input": ("x", "a", "x1"), "other": ("x2",)}


class Parameter:
    """One parameter of a form.

    Attributes:
        kind: key of the table of types.
        size: a single int stands for so many; 0: for none.
        text: as errors show it.
        default: in words; ``None`` where the argument is required.
        absent: may be ``None``.
        keyword: given by name only.
    """

    __slots__ = ("absent", "default", "fits", "keyword", "kind", "name", "size", "text", "wanted")

    def __init__(self, text: str, keyword: bool) -> None:
        kind, _, rest = text.partition(" ")
        self.name, assigned, default = rest.partition("=")
        self.keyword = keyword
        self.default = default if assigned else None
        self.absent = kind.endswith("?") or default == "None"
        kind, _, size = kind.removesuffix("?").partition("[")
        self.kind, self.size = kind, int(size.rstrip("]") or 0)
        self.wanted, self.fits = _KINDS[kind]
        self.text = f"{self.wanted} {self.name}" + (f" = {default}" if assigned else "")


class Form:
    """One way to call a function.

    Attributes:
        hidden: old; taken, but not told of.
        least: number of required parameters.
        positional: number of those that may be given by position.
    """

    __slots__ = ("hidden", "least", "parameters", "positional", "text")

    def __init__(self, text: str) -> None:
        self.hidden = text[-1] == "!"
        self.parameters: list[Parameter] = []
        keyword = False
        for piece in re.split(r", (?![^\[]*\])", text.rstrip("!")[1:-1]):
            if piece == "*":
                keyword = True
            elif piece:
                self.parameters.append(Parameter(piece, keyword))
        self.least = sum(p.default is None for p in self.parameters)
        self.positional = sum(not p.keyword for p in self.parameters)
        shown = [p.text for p in self.parameters]
        if keyword:
            shown.insert(self.positional, "*")
        self.text = f"({', '.join(shown)})"


@cache
def _table() -> dict[str, dict[str, list[str]]]:
    """Namespace -> function -> its forms, as text."""
    spaces: dict[str, dict[str, list[str]]] = {}
    space: dict[str, list[str]] = {}
    forms: list[str] = []
    for line in Path(__file__).with_name("_forms.txt").read_text().splitlines():
        if line[0] == "[":
            space = spaces[line[1:-1]] = {}
        elif line[0] == " ":
            forms.append(line.strip())
        else:
            if line[0] != "+":
                forms = []
            space.update(dict.fromkeys(line.removeprefix("+ ").split(), forms))
    return spaces


def names_of(space: str) -> list[str]:
    """Names of functions in a namespace that have forms."""
    names = _table().get(space or "torch", {})
    return [n.removeprefix(space + "_") for n in names]


@cache
def forms_of(space: str, name: str) -> tuple[Form, ...] | None:
    """The forms of a function; none for a method without parameters, ``None`` for what is no function of C++.

    Args:
        space: ``torch``, ``Tensor``, ``nn``, ``linalg``, ``fft`` or ``special``.
        name: as errors call it.
    """
    texts = _table()[space].get(name)
    return None if texts is None else tuple(Form(t) for t in texts if t != "-")


def refusal(
    name: str, forms: Sequence[Form], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> TypeError | None:
    """PyTorch's error for arguments that fit no form of a function; ``None`` if they fit one.

    Args:
        name: of the function.
        forms: its forms.
        args: positional arguments; a method's without the tensor itself.
        kwargs: the others.
    """
    if not forms:
        if kwargs:
            return TypeError(f"TensorBase.{name}() takes no keyword arguments")
        return TypeError(f"TensorBase.{name}() takes no arguments ({len(args)} given)") if args else None
    numbers = name in _NUMBERS_AS_TENSORS
    for form in forms:
        error = _mismatch(name, form, args, kwargs, numbers)
        if error is None or len(forms) == 1 or isinstance(error, _Final):
            return error and TypeError(*error.args)
    given = len(args) + len(kwargs)
    shown = [f for f in forms if not f.hidden]
    plausible = [f for f in shown if f.least <= given <= len(f.parameters)]
    if len(plausible) == 1:
        return _mismatch(name, plausible[0], args, kwargs, numbers)
    return _no_form(name, [f.text for f in shown], args, kwargs)


class _Final(TypeError):
    """Of an element of a list: no other form is tried."""


def _mismatch(
    name: str, form: Form, args: Sequence[Any], kwargs: Mapping[str, Any], numbers: bool
) -> TypeError | None:
    """Why arguments do not fit a form."""
    parameters = form.parameters
    spread = form.positional == 1 and parameters[0].wanted == "tuple of ints"
    if len(args) > form.positional and not (spread and _wrong_element(parameters[0], tuple(args)) is None):
        return _too_many(name, form, len(args))
    place, left = 0, len(kwargs)
    late: TypeError | None = None
    for i, parameter in enumerate(parameters):
        by_name = place >= len(args)
        if not by_name:
            if parameter.keyword:
                return _too_many(name, form, len(args))
            given, x = True, args[place]
        else:
            given, x = _named(parameter, kwargs)
        eligible = spread and place == 0 and not by_name
        if (not given and parameter.default is not None) or (given and x is None and parameter.absent):
            pass
        elif not given:
            return _missing(name, form, i)
        elif parameter.wanted == "tuple of ints":
            bad = _wrong_element(parameter, x)
            if bad is not None and eligible and _wrong_element(parameter, tuple(args)) is None:
                late = late or _unpacking(name, parameter, args)
                place = len(args)
                continue
            if bad is not None:
                return _wrong(name, parameter, place, x, by_name, bad)
            if isinstance(x, tuple | list):
                late = late or _unpacking(name, parameter, x)
        elif parameter.kind == "Tensors" and isinstance(x, tuple | list):
            for k, element in enumerate(x):
                if not _is_tensor(element):
                    return _Final(
                        f"expected Tensor as element {k} in argument {i}, but got {_typed(element)}"
                    )
        elif not (parameter.fits(x) or (numbers and parameter.kind == "Tensor" and _is_number(x))):
            return _wrong(name, parameter, place, x, by_name, -1)
        if not by_name:
            place += 1
        elif given:
            left -= 1
    if place < len(args):
        return _too_many(name, form, len(args))
    if left > 0:
        return _unexpected(name, form, len(args), kwargs)
    return late


def _named(parameter: Parameter, kwargs: Mapping[str, Any]) -> tuple[bool, Any]:
    for key in (parameter.name, *_NUMPY_NAMES.get(parameter.name, ())):
        if key in kwargs:
            return True, kwargs[key]
    return False, None


def _wrong_element(parameter: Parameter, x: Any) -> int | None:
    """The place of an element that is no int, -1 if the whole is nothing of the kind, ``None`` if it fits."""
    if isinstance(x, tuple | list):
        return None if not x or _is_index(x[0]) else 0
    return None if parameter.size and _is_index(x) else -1


def _unpacking(name: str, parameter: Parameter, x: Sequence[Any]) -> TypeError | None:
    for place, element in enumerate(x):
        if not _is_index(element) and not isinstance(element, bool):
            return _Final(
                f"{name}(): argument '{parameter.name}' failed to unpack the object at pos {place + 1} with "
                f'error "type must be tuple of ints,but got {_typed(element)}"'
            )
    return None


def _typed(x: Any) -> str:
    return type_name(type(x))


def _wrong(name: str, parameter: Parameter, place: int, x: Any, by_name: bool, element: int) -> TypeError:
    where = "" if by_name else f" (position {place + 1})"
    text = f"{name}(): argument '{parameter.name}'{where} must be {parameter.wanted}, "
    if by_name or element < 0:
        return wrong_argument(f"{text}not {_typed(x)}", type(x))
    return TypeError(f"{text}but found element of type {_typed(x[element])} at pos {element}")


def _too_many(name: str, form: Form, given: int) -> TypeError:
    most, least = form.positional, form.least
    if most != least:
        takes = f"from {least} to {most} positional arguments"
        return TypeError(f"{name}() takes {takes} but {given} were given")
    takes = f"{most} positional argument{'' if most == 1 else 's'}"
    return TypeError(f"{name}() takes {takes} but {given} {'was' if given == 1 else 'were'} given")


def _missing(name: str, form: Form, first: int) -> TypeError:
    names = [f'"{p.name}"' for p in form.parameters[first:] if p.default is None]
    # The plural is PyTorch's.
    plural = "s" if len(names) == 1 else ""
    return TypeError(
        f"{name}() missing {len(names)} required positional argument{plural}: {', '.join(names)}"
    )


def _unexpected(name: str, form: Form, given: int, kwargs: Mapping[str, Any]) -> TypeError:
    names = [p.name for p in form.parameters]
    for key in kwargs:
        if key not in names:
            return TypeError(f"{name}() got an unexpected keyword argument '{key}'")
        if names.index(key) < given:
            return TypeError(f"{name}() got multiple values for argument '{key}'")
    return TypeError("invalid keyword arguments")


def _no_form(name: str, shown: Sequence[str], args: Sequence[Any], kwargs: Mapping[str, Any]) -> TypeError:
    """What came, and each form with what does not fit it."""
    named = {key: kwargs[key] for key in reversed(list(kwargs))}  # as a C++ map iterates
    count = len(args) + len(named)
    given = "(" + "".join(_typed(x) + ", " for x in args)
    given += "".join(f"{key}={_typed(x)}, " for key, x in named.items())
    given = (given[:-2] if args else given) + ")"
    text = f"{name}() received an invalid combination of arguments - got "
    if len(shown) == 1:
        unknown = _unknown(shown[0], named)
        if unknown:
            return TypeError(f"{text}unrecognized keyword arguments: {', '.join(unknown)}")
        if len(_pieces(shown[0])) == count:
            given = _marked(shown[0], args, named)
        return TypeError(f"{text}{given}, but expected {shown[0]}")
    text += given + ", but expected one of:\n"
    for form in shown:
        text += f" * {form}\n"
        if len(_pieces(form)) != count:
            continue
        unknown = _unknown(form, named)
        if unknown:
            text += f"      didn't match because some of the keywords were incorrect: {', '.join(unknown)}\n"
        else:
            marked = _marked(form, args, named)
            text += f"      didn't match because some of the arguments have invalid types: {marked}\n"
    return TypeError(text)


def _unknown(form: str, named: Mapping[str, Any]) -> list[str]:
    """Names of arguments that are not among the last parameters of a form."""
    pieces = _pieces(form)
    last = pieces[max(len(pieces) - len(named), 0) :]
    names = [p.rpartition(" ")[2] for p in last]
    return [key for key in named if key not in names]


def _pieces(form: str) -> list[str]:
    return form[1:-1].split(", ")


def _marked(form: str, args: Sequence[Any], named: Mapping[str, Any]) -> str:
    """Types of the arguments, those that are not named as the form has it between exclamation marks."""
    pieces = _pieces(form)
    shown = []
    for i in range(len(args) + len(named)):
        kind, _, key = pieces[i].rpartition(" ") if i < len(pieces) else ("", "", "")
        x = args[i] if i < len(args) else named[key]
        typed = _detailed(x)
        fits = i >= len(pieces) or typed == kind or (kind == "float" and typed == "int")
        label = typed if i < len(args) else f"{key}={typed}"
        shown.append(label if fits else f"!{label}!")
    return "(" + ", ".join(shown) + (", " if named and not args else "") + ")"


def _detailed(x: Any) -> str:
    if not isinstance(x, tuple | list):
        return _typed(x)
    elements = ", ".join(map(_detailed, x)) + ("," if isinstance(x, tuple) and len(x) == 1 else "")
    return f"{_typed(x)} of {f'[{elements}]' if isinstance(x, list) else f'({elements})'}"


# ---- what functions of jtorch ask


def signature_of(function: Callable[..., Any]) -> tuple[list[str], list[Any], int]:
    """Names of parameters, their defaults, and how many may be given by position."""
    parameters = inspect.signature(function).parameters.values()
    positional = sum(p.kind is not p.KEYWORD_ONLY for p in parameters)
    return [p.name for p in parameters], [p.default for p in parameters], positional


class Called:
    """A function as errors name it.

    Args:
        space: where it is: ``""``, ``"linalg"`` and so on, ``"Tensor"`` for a method.
        name: within.
        signature: names of parameters, their defaults and how many may be given by position, for functions
            that PyTorch has in Python.
    """

    __slots__ = ("forms", "name", "signature", "space", "stub")

    def __init__(self, space: str, name: str, signature: tuple[Any, ...] | None = None) -> None:
        self.space, self.name, self.signature = space, name, signature
        self.forms: Any = ...
        self.stub: Any = None

    def refusal(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Exception | None:
        """PyTorch's error for these arguments, if it is one that it raises before anything else."""
        if self.forms is ...:
            self._look_up()
        if self.forms is None:
            return None if self.signature is None else self._as_python(args, kwargs)
        if self.space == "Tensor":
            if not args or not _is_tensor(args[0]):
                return None
            args = args[1:]
        error = refusal(self.name, self.forms, args, kwargs)
        return None if error is None else helped(error, map(type, (*args, *kwargs.values())))

    def _look_up(self) -> None:
        space, name = self.space, self.name
        if space in ("linalg", "fft", "special"):
            self.name = name = f"{space}_{name}"
        tables = {"": ["torch"], "_C._nn": ["nn"]}.get(space, [space])
        if space == "nn.functional":
            tables = ["nn", "torch"] if name in _NOT_IN_PYTHON else []
        self.forms = None
        for table in tables:
            if self.forms is None and table in _table():
                self.forms = forms_of(table, name)

    def _as_python(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Exception | None:
        if self.stub is None:
            self.stub = _stub(self.name, *self.signature)  # type: ignore[misc]
        try:
            passed = self.stub(*args, **kwargs)
        except Exception as error:
            return error.with_traceback(None)
        if isinstance(passed, tuple) and not isinstance(passed[0], str):
            passed = passed[-1]  # after what is evaluated before it
        if passed is None:
            return None
        name, forms, args, kwargs = passed
        return refusal(name, forms, args, kwargs)


#: Functions of ``nn.functional`` that PyTorch has in C++.
_NOT_IN_PYTHON = frozenset({
    "adaptive_avg_pool1d", "avg_pool1d", "avg_pool2d", "avg_pool3d", "bilinear", "celu_",
    "channel_shuffle", "conv1d", "conv2d", "conv3d", "conv_tbc", "conv_transpose1d", "conv_transpose2d",
    "conv_transpose3d", "cosine_similarity", "elu_", "gelu", "hardshrink", "hardtanh_", "leaky_relu_",
    "linear", "logsigmoid", "native_channel_shuffle", "one_hot", "pairwise_distance", "pdist",
    "pixel_shuffle", "pixel_unshuffle", "prelu", "relu_", "rrelu_", "scaled_dot_product_attention",
    "selu_", "softplus", "softshrink", "threshold_",
})  # fmt: skip


def _stub(name: str, names: Sequence[str], defaults: Sequence[Any], positional: int) -> Callable[..., Any]:
    """A function that takes arguments as Python does, and says what PyTorch's passes on to which function."""
    empty = inspect.Parameter.empty
    given = enumerate(zip(names, defaults, strict=True))
    shown = [p if d is empty else f"{p}=_defaults[{i}]" for i, (p, d) in given]
    if positional < len(names):
        shown.insert(positional, "*")
    space: dict[str, Any] = {"_defaults": defaults, "_passed": _Passed(), **HELPERS}
    call = re.sub(rf"(?<!\.)\b(?!(?:{'|'.join(HELPERS)})\()(\w+)\(", r"_passed.\1(", PASSED.get(name, "None"))
    exec(f"def {name}({', '.join(shown)}): return {call}", space)
    return space[name]  # type: ignore[no-any-return]


class _Passed:
    """Functions and methods of C++ that return their name, their forms and what they are called with."""

    def __getattr__(self, name: str) -> Callable[..., tuple[Any, ...]]:
        space, _, method = name.partition("_")
        if space == "Tensor":
            name, forms = method, forms_of(space, method)
        else:
            forms = forms_of("nn", name) or forms_of("torch", name)
        return lambda *args, **kwargs: (name, forms, args, kwargs)


def check_types(op: Op, kinds: Sequence[type]) -> None:
    """Refuse types of arguments, one per parameter of an op, that no form of PyTorch's function takes.

    Raises:
        TypeError: with the first argument that does not fit.
    """
    wrong = None
    for form in _forms_of_op(op):
        misfit = _misfit(op, form, kinds)
        if misfit is None:
            return
        wrong = wrong or misfit
    if wrong is not None:
        i, wanted = wrong
        raise wrong_type(op, i, wanted, kinds[i])


def _misfit(op: Op, form: Mapping[str, Parameter], kinds: Sequence[type]) -> tuple[int, str] | None:
    numbers = op.title in _NUMBERS_AS_TENSORS
    # Functions of Python have parameters of their own, and do with None what they want.
    python = op.name.startswith("nn.functional.") and op.name.rpartition(".")[2] not in _NOT_IN_PYTHON
    for i, (name, default, kind) in enumerate(zip(op.params, op.defaults, kinds, strict=True)):
        if kind is type(default):
            continue
        parameter = form.get(name)
        if parameter is None:
            if not python:
                return i, "Tensor"
        elif kind is type(None):
            if not parameter.absent and not python:
                return i, parameter.wanted
        elif kind in _NEVER[parameter.kind] and not (
            numbers and parameter.kind == "Tensor" and kind in _PLAIN_NUMBERS
        ):
            return i, parameter.wanted
    return None


_PLAIN_NUMBERS = frozenset({bool, int, float, complex})
_PLAIN = _PLAIN_NUMBERS | {str, list, tuple, dict, dtype}
_MAY_BE: dict[str, set[type]] = {
    "Number": {bool, int, float, complex}, "float": {bool, int, float}, "int": {int}, "SymInt": {int},
    "ints": {int, list, tuple}, "SymInts": {int, list, tuple}, "bool": {bool}, "str": {str},
    "dtype": {dtype}, "device": {str, int}, "object": set(_PLAIN),
}  # fmt: skip
#: kind of a parameter -> types of Python that it never takes
_NEVER = {kind: _PLAIN - _MAY_BE.get(kind, {list, tuple} if kind[-1] == "s" else set()) for kind in _KINDS}


@cache
def _forms_of_op(op: Op) -> list[dict[str, Parameter]]:
    """Forms that have every required parameter of an op; none where its parameters are not theirs."""
    if op.name[0] == "_" or "._" in op.name:
        return []
    space, _, name = op.name.rpartition(".")
    if space not in ("", "linalg", "fft", "special", "nn.functional"):
        space, name = "", space  # an overload
    tables = {"": "torch", "nn.functional": "nn"}
    title = op.title if space in ("linalg", "fft", "special") else name
    forms = forms_of(tables.get(space, space), title)
    if forms is None and name in _NOT_IN_PYTHON:
        forms = forms_of("torch", name)
    found = []
    for form in forms or ():
        parameters = {p.name: p for p in form.parameters}
        if op.params and op.params[0] not in parameters and form.parameters[0].name in ("input", "self"):
            parameters[op.params[0]] = form.parameters[0]
        if not set(op.params[: op.required]) <= parameters.keys():
            if form.hidden or "." in op.name.removeprefix(space + "."):
                continue  # an old form, or one that another op is for
            return []
        found.append(parameters)
        places = [op.places.get(p.name, -1) for p in form.parameters[1 : form.positional]]
        if places != [*range(1, form.positional)]:
            return []  # what the op has in one parameter is two: std(x, unbiased) and std(x, dim)
    return found
