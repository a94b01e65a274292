"""Structures of trees as JSON, in PyTorch's format."""

from __future__ import annotations

import json
from enum import Enum
from importlib import import_module
from typing import Any

from jtorch.utils._pytree._registry import SERIALIZED, TYPES_BY_NAME
from jtorch.utils._pytree._spec import LEAF, TreeSpec

PROTOCOL = 1


class EnumEncoder(json.JSONEncoder):
    """Writes members of enumerations, which may be keys of dictionaries, by their names."""

    def default(self, o: object) -> Any:
        if isinstance(o, Enum):
            cls = type(o)
            return {"__enum__": True, "fqn": f"{cls.__module__}:{cls.__qualname__}", "name": o.name}
        return super().default(o)


def _enum_member(read: dict[str, Any]) -> Any:
    if "__enum__" not in read:
        return read
    module, _, path = read["fqn"].partition(":")
    found: Any = import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    return found[read["name"]]


def _to_json(spec: TreeSpec) -> dict[str, Any]:
    if spec.is_leaf():
        return {"type": None, "context": None, "children_spec": []}
    known = SERIALIZED.get(spec.type)
    if known is None:
        raise NotImplementedError(f"Serializing {spec.type} in pytree is not registered.")
    if known.name is None:
        raise NotImplementedError(
            f"No registered serialization name for {spec.type} found. Please update your "
            "_register_pytree_node call with a `serialized_type_name` kwarg."
        )
    if known.to_dumpable_context is not None:
        context = known.to_dumpable_context(spec.context)
    else:
        try:
            context = json.dumps(spec.context, cls=EnumEncoder)
        except TypeError as error:
            raise TypeError(
                "Unable to serialize context. Please make the context json dump-able, or register a custom "
                "serializer using _register_pytree_node."
            ) from error
    children = [_to_json(child) for child in spec.children_specs]
    return {"type": known.name, "context": context, "children_spec": children}


def _from_json(read: dict[str, Any]) -> TreeSpec:
    if read["type"] is None:
        return LEAF
    if read["type"] not in TYPES_BY_NAME:
        raise NotImplementedError(f"Deserializing {read['type']} in pytree is not registered.")
    cls = TYPES_BY_NAME[read["type"]]
    decode = SERIALIZED[cls].from_dumpable_context
    context = decode(read["context"]) if decode else json.loads(read["context"], object_hook=_enum_member)
    return TreeSpec(cls, context, [_from_json(child) for child in read["children_spec"]])


def treespec_dumps(treespec: TreeSpec, protocol: int | None = None) -> str:
    """A structure as JSON.

    Raises:
        TypeError: not a structure, or a node's context that JSON cannot hold.
        NotImplementedError: a node whose type was registered without a name.
        ValueError: an unknown protocol; 1 is the only one.
    """
    if not isinstance(treespec, TreeSpec):
        raise TypeError(
            f"Expected `treespec` to be an instance of PyTreeSpec but got item of type {type(treespec)}."
        )
    _check_protocol(PROTOCOL if protocol is None else protocol)
    return json.dumps([PROTOCOL, _to_json(treespec)], cls=EnumEncoder)


def treespec_loads(serialized: str) -> TreeSpec:
    """The structure that :func:`treespec_dumps` wrote.

    Names of factories and enumerations in it are imported: read trusted text only.
    """
    protocol, read = json.loads(serialized)
    _check_protocol(protocol)
    return _from_json(read)


def _check_protocol(protocol: int) -> None:
    if protocol != PROTOCOL:
        raise ValueError(f"Unknown protocol {protocol}. Available protocols: [{PROTOCOL}]")
