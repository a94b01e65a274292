"""Which tuples have named places: named tuples, and the interpreter's struct sequences."""

from __future__ import annotations

#: CPython's flag of types that may be subclassed; struct sequences may not.
BASETYPE = 1 << 10


def is_namedtuple_class(cls: object) -> bool:
    """Whether a class was made by ``namedtuple``, or derives from one that was."""
    return (
        isinstance(cls, type)
        and issubclass(cls, tuple)
        and isinstance(fields := getattr(cls, "_fields", None), tuple)
        and all(type(field) is str for field in fields)
        and callable(getattr(cls, "_make", None))
        and callable(getattr(cls, "_asdict", None))
    )


def is_namedtuple_instance(obj: object) -> bool:
    """Whether an object's class is a named tuple's."""
    return is_namedtuple_class(type(obj))


def is_namedtuple(obj: object) -> bool:
    """Whether this is a named tuple, or the class of one."""
    return is_namedtuple_class(obj if isinstance(obj, type) else type(obj))


def is_return_type(cls: type) -> bool:
    """Whether results of an operation with several have this class (``torch.return_types.max``)."""
    return cls.__module__ == "torch.return_types"


def is_structseq_class(cls: object) -> bool:
    """Whether a class is a struct sequence, such as ``time.struct_time`` and ``torch.return_types.max``."""
    return (
        isinstance(cls, type)
        and cls.__bases__ == (tuple,)
        and all(
            isinstance(getattr(cls, name, None), int)
            for name in ("n_fields", "n_sequence_fields", "n_unnamed_fields")
        )
        and (is_return_type(cls) or not cls.__flags__ & BASETYPE)
    )


def is_structseq_instance(obj: object) -> bool:
    """Whether an object is a struct sequence."""
    return is_structseq_class(type(obj))


def is_structseq(obj: object) -> bool:
    """Whether this is a struct sequence, or the class of one."""
    return is_structseq_class(obj if isinstance(obj, type) else type(obj))
