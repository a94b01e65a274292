"""How files name things: PyTorch's names for jtorch's objects, and back."""

from __future__ import annotations

import importlib
import types
from typing import Any

from jtorch import dtypes
from jtorch.devices import device
from jtorch.dtypes import dtype
from jtorch.nn import functional
from jtorch.nn.modules._attention import MultiheadAttention
from jtorch.tensor import Size, Tensor

__all__ = ["StorageType", "find", "storage_type", "torch_name"]


class StorageType:
    """The kind of storage that a file names, such as ``torch.FloatStorage``: a dtype, nothing that runs.

    Args:
        name: ``FloatStorage``, ...; ``UntypedStorage`` means bytes.

    Raises:
        KeyError: there is no such storage.
    """

    def __init__(self, name: str) -> None:
        self.name, self._dtype = name, _STORAGE_DTYPES[name]

    @property
    def dtype(self) -> dtype:
        """The type of its elements."""
        return self._dtype

    def __str__(self) -> str:
        return f"StorageType(dtype={self.dtype})"

    def __reduce__(self) -> Any:
        return StorageType, (self.name,)


_STORAGE_DTYPES: dict[str, dtype] = {
    "DoubleStorage": dtypes.float64, "FloatStorage": dtypes.float32, "HalfStorage": dtypes.float16,
    "BFloat16Storage": dtypes.bfloat16, "LongStorage": dtypes.int64, "IntStorage": dtypes.int32,
    "ShortStorage": dtypes.int16, "CharStorage": dtypes.int8, "ByteStorage": dtypes.uint8,
    "BoolStorage": dtypes.bool_, "ComplexFloatStorage": dtypes.complex64,
    "ComplexDoubleStorage": dtypes.complex128, "UntypedStorage": dtypes.uint8,
}  # fmt: skip

#: The one object per name: a pickle refers to what it has named before.
STORAGE_TYPES = {name: StorageType(name) for name in _STORAGE_DTYPES}
UNTYPED = STORAGE_TYPES["UntypedStorage"]
_OF_DTYPE = {t.dtype: t for t in STORAGE_TYPES.values() if t is not UNTYPED}

#: Objects whose place in PyTorch does not follow from their place in jtorch; builders add themselves.
SPECIAL: dict[Any, tuple[str, str]] = {
    Tensor: ("torch", "Tensor"),
    Size: ("torch", "Size"),
    device: ("torch", "device"),
    dtype: ("torch", "dtype"),
    MultiheadAttention: ("torch.nn.modules.activation", "MultiheadAttention"),
}
#: Where PyTorch had things before 1.8, and functions that it writes in C++.
_MOVED = {"torch.tensor": "torch._tensor", "torch.functional": "torch", "torch._C._nn": "torch.nn.functional"}
#: The same table read backwards, by ``module.name``.
BY_NAME: dict[str, Any] = {}


def storage_type(kind: dtype) -> StorageType:
    """The storage that holds elements of this type; bytes for types younger than typed storages."""
    return _OF_DTYPE.get(kind, UNTYPED)


def torch_name(obj: Any, name: str | None = None) -> tuple[str, str]:
    """Module and name under which PyTorch has an object; the object's own where that is not jtorch."""
    if isinstance(obj, StorageType):
        return ("torch.storage" if obj is UNTYPED else "torch"), obj.name
    if isinstance(obj, dtype):
        return "torch", obj.name
    if isinstance(obj, type | types.FunctionType):
        found = SPECIAL.get(obj)
        if found is not None:
            return found
    name = name or getattr(obj, "__qualname__", None) or obj.__name__
    module = getattr(obj, "__module__", None) or "__main__"
    if module == "jtorch" or module.startswith("jtorch."):
        if isinstance(obj, types.FunctionType) and getattr(functional, name, None) is obj:
            return "torch.nn.functional", name
        module = module[1:]
    return module, name


def find(module: str, name: str) -> Any:
    """The object of jtorch that a name of PyTorch means; nothing outside jtorch is imported.

    Raises:
        AttributeError: jtorch has nothing of that name.
    """
    module = _MOVED.get(module, module)
    known = BY_NAME.get(f"{module}.{name}")
    if known is not None:
        return known
    if "Storage" in name and name in STORAGE_TYPES:
        return STORAGE_TYPES[name]
    place = "jtorch" + module.removeprefix("torch")
    try:
        found: Any = importlib.import_module(place)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError):
        raise AttributeError(
            f"the file refers to {module}.{name}, which jtorch does not have; load it with PyTorch and save "
            "its state_dict instead"
        ) from None
    return found


def register(module: str, name: str, obj: Any) -> None:
    """State where PyTorch has an object."""
    SPECIAL[obj] = module, name
    BY_NAME[f"{module}.{name}"] = obj


for _obj, (_module, _name) in list(SPECIAL.items()):
    BY_NAME[f"{_module}.{_name}"] = _obj
