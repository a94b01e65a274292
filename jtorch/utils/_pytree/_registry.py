"""Which types are nodes of trees, and how each comes apart and together again."""

from __future__ import annotations

import dataclasses
import warnings
from collections import OrderedDict, defaultdict, deque, namedtuple
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any, NamedTuple

from jtorch.utils._pytree._keys import GetAttrKey, KeyEntry, MappingKey, SequenceKey
from jtorch.utils._pytree._kinds import is_namedtuple_class, is_return_type

PyTree = Any
Context = Any
DumpableContext = Any
FlattenFn = Callable[[PyTree], tuple[list[Any], Context]]
FlattenWithKeysFn = Callable[[PyTree], tuple[list[tuple[KeyEntry, Any]], Context]]
UnflattenFn = Callable[[Iterable[Any], Context], PyTree]
ToDumpableContextFn = Callable[[Context], DumpableContext]
FromDumpableContextFn = Callable[[DumpableContext], Context]


class NodeDef(NamedTuple):
    """How instances of a type come apart into children and a context, and together again."""

    type: Any
    flatten_fn: FlattenFn
    unflatten_fn: UnflattenFn
    flatten_with_keys_fn: FlattenWithKeysFn | None


class SerializeNodeDef(NamedTuple):
    """How a node is written down in JSON."""

    type: Any
    name: str | None
    to_dumpable_context: ToDumpableContextFn | None
    from_dumpable_context: FromDumpableContextFn | None


SUPPORTED_NODES: dict[Any, NodeDef] = {}
SERIALIZED: dict[Any, SerializeNodeDef] = {}
TYPES_BY_NAME: dict[str, Any] = {}


def _private_register_pytree_node(
    cls: Any,
    flatten_fn: FlattenFn,
    unflatten_fn: UnflattenFn,
    *,
    serialized_type_name: str | None = None,
    to_dumpable_context: ToDumpableContextFn | None = None,
    from_dumpable_context: FromDumpableContextFn | None = None,
    flatten_with_keys_fn: FlattenWithKeysFn | None = None,
) -> None:
    """Like :func:`register_pytree_node`, but a second registration replaces the first after a warning."""
    if cls in SUPPORTED_NODES:
        warnings.warn(
            f"{cls} is already registered as pytree node. Overwriting the previous registration.",
            stacklevel=2,
        )
    if (to_dumpable_context is None) != (from_dumpable_context is None):
        raise ValueError(
            f"Both to_dumpable_context and from_dumpable_context for {cls} must be None or registered."
        )
    SUPPORTED_NODES[cls] = NodeDef(cls, flatten_fn, unflatten_fn, flatten_with_keys_fn)
    SERIALIZED[cls] = SerializeNodeDef(cls, serialized_type_name, to_dumpable_context, from_dumpable_context)
    if serialized_type_name is not None:
        TYPES_BY_NAME[serialized_type_name] = cls


def register_pytree_node(
    cls: type[Any],
    flatten_fn: FlattenFn,
    unflatten_fn: UnflattenFn,
    *,
    serialized_type_name: str | None = None,
    to_dumpable_context: ToDumpableContextFn | None = None,
    from_dumpable_context: FromDumpableContextFn | None = None,
    flatten_with_keys_fn: FlattenWithKeysFn | None = None,
) -> None:
    """Make a class a kind of node.

    Args:
        cls: its instances are nodes; those of subclasses are not.
        flatten_fn: of an instance, the list of its children and a context, which are all that makes it up.
        unflatten_fn: makes an instance of children and context.
        serialized_type_name: name of the class in :func:`treespec_dumps`.
        to_dumpable_context: makes of a context something that JSON can hold.
        from_dumpable_context: undoes that.
        flatten_with_keys_fn: like ``flatten_fn``, with pairs of key and child; functions with paths need it.

    Raises:
        ValueError: the class is registered already, or just one of the functions for contexts is given.
    """
    if cls in SUPPORTED_NODES:
        raise ValueError(f"{cls} is already registered as pytree node.")
    _private_register_pytree_node(
        cls,
        flatten_fn,
        unflatten_fn,
        serialized_type_name=serialized_type_name,
        to_dumpable_context=to_dumpable_context,
        from_dumpable_context=from_dumpable_context,
        flatten_with_keys_fn=flatten_with_keys_fn,
    )


def _register_pytree_node(
    cls: type[Any],
    flatten_fn: FlattenFn,
    unflatten_fn: UnflattenFn,
    to_str_fn: Any = None,
    maybe_from_str_fn: Any = None,
    **options: Any,
) -> None:
    """The former name of :func:`register_pytree_node`, which old packages call."""
    _private_register_pytree_node(cls, flatten_fn, unflatten_fn, **options)


def _deregister_pytree_node(cls: Any) -> None:
    """Make the instances of a class leaves again."""
    del SUPPORTED_NODES[cls]
    name = SERIALIZED.pop(cls).name
    if name is not None:
        del TYPES_BY_NAME[name]


def _children_fields(cls: type[Any], field_names: list[str] | None, dropped: list[str]) -> list[str]:
    """The fields that are children, once they are known to be complete."""
    if not dataclasses.is_dataclass(cls):
        if field_names is None:
            raise ValueError(
                "field_names must be specified with a list of all fields used to "
                f"initialize {cls}, as it is not a dataclass."
            )
        return field_names
    fields = [field.name for field in dataclasses.fields(cls) if field.init]
    if field_names is None:
        return fields
    missing = set(fields) - set(dropped) - set(field_names)
    unexpected = set(field_names) - (set(fields) - set(dropped))
    message = "field_names does not include all dataclass fields.\n"
    if missing:
        message += (
            f"Missing fields in `field_names`: {missing}. If you want to include these fields in the pytree, "
            "please add them to `field_names`, otherwise please add them to `drop_field_names`.\n"
        )
    if unexpected:
        message += (
            f"Unexpected fields in `field_names`: {unexpected}. Please remove these fields, or add them to "
            "`drop_field_names`.\n"
        )
    if missing or unexpected:
        raise ValueError(message)
    return field_names


def register_dataclass(
    cls: type[Any],
    *,
    field_names: list[str] | None = None,
    drop_field_names: list[str] | None = None,
    serialized_type_name: str | None = None,
) -> None:
    """Make a data class a node whose children are its fields; those that hold ``None`` belong to the context.

    Args:
        cls: a data class, or another class whose constructor takes the fields by name.
        field_names: the fields that are children; needed for other classes than data classes.
        drop_field_names: fields of a data class that ``field_names`` may leave out; they get their defaults
            when an instance is made again.
        serialized_type_name: name of the class in :func:`treespec_dumps`.

    Raises:
        ValueError: ``field_names`` leaves out or invents a field, or lacks where it is needed.
    """
    names = _children_fields(cls, field_names, drop_field_names or [])

    def flatten_with_keys(obj: Any) -> tuple[list[tuple[KeyEntry, Any]], Context]:
        present = [name for name in names if getattr(obj, name) is not None]
        absent = [name for name in names if name not in present]
        return [(GetAttrKey(name), getattr(obj, name)) for name in present], [present, absent]

    def flatten(obj: Any) -> tuple[list[Any], Context]:
        pairs, context = flatten_with_keys(obj)
        return [value for _, value in pairs], context

    def unflatten(values: Iterable[Any], context: Context) -> Any:
        present, absent = context
        return cls(**dict(zip(present, values, strict=True)), **dict.fromkeys(absent))

    _private_register_pytree_node(
        cls,
        flatten,
        unflatten,
        serialized_type_name=serialized_type_name,
        flatten_with_keys_fn=flatten_with_keys,
    )


@dataclasses.dataclass(frozen=True, slots=True)
class ConstantNode:
    """The context of a node that is a constant."""

    value: Any


def register_constant(cls: type[Any]) -> None:
    """Make instances of a class constants: nodes without children, part of the tree's structure.

    Args:
        cls: compares and hashes by value.

    Raises:
        TypeError: it compares by identity, or does not hash.
    """
    if cls.__eq__ is object.__eq__:  # type: ignore[comparison-overlap]
        raise TypeError("register_constant(cls) expects `cls` to have a non-default `__eq__` implementation.")
    if cls.__hash__ is None:
        raise TypeError(
            "register_constant(cls) expects `cls` to have a non-default `__hash__` implementation."
        )
    _private_register_pytree_node(
        cls,
        lambda constant: ([], ConstantNode(constant)),
        lambda _, context: context.value,
        flatten_with_keys_fn=lambda constant: ([], ConstantNode(constant)),
    )


def _register_namedtuple(cls: type[Any], *, serialized_type_name: str) -> None:
    """Give a class of named tuples a name in JSON; all are nodes without that."""
    _private_register_pytree_node(
        cls,
        _namedtuple_flatten,
        _namedtuple_unflatten,
        serialized_type_name=serialized_type_name,
        to_dumpable_context=_namedtuple_to_json,
        from_dumpable_context=_namedtuple_from_json,
        flatten_with_keys_fn=_namedtuple_flatten_with_keys,
    )


def _get_node_type(tree: Any) -> Any:
    """A tree's type as the registry knows it: all named tuples are one."""
    kind = type(tree)
    if is_namedtuple_class(kind):
        return namedtuple  # PyTorch's marker
    if kind not in SUPPORTED_NODES and is_return_type(kind):
        # These classes are made when they are first needed.
        _private_register_pytree_node(
            kind,
            _tuple_flatten,
            lambda values, context: kind(list(values)),
            flatten_with_keys_fn=_tuple_flatten_with_keys,
        )
    return kind


def tree_is_leaf(tree: PyTree, is_leaf: Callable[[PyTree], bool] | None = None) -> bool:
    """Whether this is no node, or one that ``is_leaf`` calls a leaf."""
    return (is_leaf is not None and bool(is_leaf(tree))) or _get_node_type(tree) not in SUPPORTED_NODES


# ---- The containers of Python


def _tuple_flatten(d: tuple[Any, ...]) -> tuple[list[Any], Context]:
    return list(d), None


def _tuple_flatten_with_keys(d: tuple[Any, ...]) -> tuple[list[tuple[KeyEntry, Any]], Context]:
    return [(SequenceKey(i), value) for i, value in enumerate(d)], None


def _tuple_unflatten(values: Iterable[Any], context: Context) -> tuple[Any, ...]:
    return tuple(values)


def _list_flatten(d: list[Any]) -> tuple[list[Any], Context]:
    return d, None


def _list_flatten_with_keys(d: list[Any]) -> tuple[list[tuple[KeyEntry, Any]], Context]:
    return [(SequenceKey(i), value) for i, value in enumerate(d)], None


def _list_unflatten(values: Iterable[Any], context: Context) -> list[Any]:
    return list(values)


def _dict_flatten(d: dict[Any, Any]) -> tuple[list[Any], Context]:
    return list(d.values()), list(d)


def _dict_flatten_with_keys(d: dict[Any, Any]) -> tuple[list[tuple[KeyEntry, Any]], Context]:
    return [(MappingKey(key), value) for key, value in d.items()], list(d)


def _dict_unflatten(values: Iterable[Any], context: Context) -> dict[Any, Any]:
    return dict(zip(context, values, strict=True))


def _ordereddict_unflatten(values: Iterable[Any], context: Context) -> OrderedDict[Any, Any]:
    return OrderedDict(zip(context, values, strict=True))


def _defaultdict_flatten(d: defaultdict[Any, Any]) -> tuple[list[Any], Context]:
    return list(d.values()), [d.default_factory, list(d)]


def _defaultdict_flatten_with_keys(d: defaultdict[Any, Any]) -> tuple[list[tuple[KeyEntry, Any]], Context]:
    return _dict_flatten_with_keys(d)[0], [d.default_factory, list(d)]


def _defaultdict_unflatten(values: Iterable[Any], context: Context) -> defaultdict[Any, Any]:
    factory, keys = context
    return defaultdict(factory, zip(keys, values, strict=True))


def _defaultdict_to_json(context: Context) -> DumpableContext:
    factory, keys = context
    return {
        "default_factory_module": factory.__module__,
        "default_factory_name": factory.__qualname__,
        "dict_context": keys,
    }


def _defaultdict_from_json(dumped: DumpableContext) -> Context:
    module = import_module(dumped["default_factory_module"])
    return [getattr(module, dumped["default_factory_name"]), dumped["dict_context"]]


def _namedtuple_flatten(d: Any) -> tuple[list[Any], Context]:
    return list(d), type(d)


def _namedtuple_flatten_with_keys(d: Any) -> tuple[list[tuple[KeyEntry, Any]], Context]:
    return [(GetAttrKey(name), value) for name, value in zip(d._fields, d, strict=True)], type(d)


def _namedtuple_unflatten(values: Iterable[Any], context: Context) -> Any:
    return context(*values)


def _namedtuple_to_json(context: Context) -> DumpableContext:
    known = SERIALIZED.get(context)
    if known is None or known.name is None:
        raise NotImplementedError(
            f"Can't serialize TreeSpec of namedtuple class {context} because we didn't register a "
            "serializated_type_name. Please register using `_register_namedtuple`."
        )
    return known.name


def _namedtuple_from_json(dumped: DumpableContext) -> Context:
    if dumped not in TYPES_BY_NAME:
        raise NotImplementedError(
            f"Can't deserialize TreeSpec of namedtuple class {dumped} because we couldn't find a "
            "serializated name."
        )
    return TYPES_BY_NAME[dumped]


def _deque_flatten(d: deque[Any]) -> tuple[list[Any], Context]:
    return list(d), d.maxlen


def _deque_flatten_with_keys(d: deque[Any]) -> tuple[list[tuple[KeyEntry, Any]], Context]:
    return [(SequenceKey(i), value) for i, value in enumerate(d)], d.maxlen


def _deque_unflatten(values: Iterable[Any], context: Context) -> deque[Any]:
    return deque(values, maxlen=context)


def _register_containers() -> None:
    builtin: list[tuple[Any, FlattenFn, UnflattenFn, FlattenWithKeysFn, str]] = [
        (tuple, _tuple_flatten, _tuple_unflatten, _tuple_flatten_with_keys, "builtins.tuple"),
        (list, _list_flatten, _list_unflatten, _list_flatten_with_keys, "builtins.list"),
        (dict, _dict_flatten, _dict_unflatten, _dict_flatten_with_keys, "builtins.dict"),
        (
            OrderedDict,
            _dict_flatten,
            _ordereddict_unflatten,
            _dict_flatten_with_keys,
            "collections.OrderedDict",
        ),
        (deque, _deque_flatten, _deque_unflatten, _deque_flatten_with_keys, "collections.deque"),
    ]
    for cls, flatten, unflatten, with_keys, name in builtin:
        _private_register_pytree_node(
            cls, flatten, unflatten, serialized_type_name=name, flatten_with_keys_fn=with_keys
        )
    _private_register_pytree_node(
        defaultdict,
        _defaultdict_flatten,
        _defaultdict_unflatten,
        serialized_type_name="collections.defaultdict",
        to_dumpable_context=_defaultdict_to_json,
        from_dumpable_context=_defaultdict_from_json,
        flatten_with_keys_fn=_defaultdict_flatten_with_keys,
    )
    _register_namedtuple(namedtuple, serialized_type_name="collections.namedtuple")  # type: ignore[arg-type]


_register_containers()

STANDARD_DICT_TYPES = frozenset([dict, OrderedDict, defaultdict])
BUILTIN_TYPES = frozenset(SUPPORTED_NODES)
