"""The structure of a tree without its leaves."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from typing import Any

from jtorch.utils._pytree._registry import (
    BUILTIN_TYPES,
    STANDARD_DICT_TYPES,
    SUPPORTED_NODES,
    ConstantNode,
    Context,
    PyTree,
    _get_node_type,
)


class TreeSpec:
    """A node's type, its context, and the structures of its children.

    Attributes:
        type: of the root; ``None`` for a leaf.
        context: what the root holds beside its children.
        num_nodes, num_leaves: of the whole tree.
        num_children: of the root.
    """

    __slots__ = ("_children", "_context", "num_children", "num_leaves", "num_nodes", "type")
    num_nodes: int
    num_leaves: int
    num_children: int

    def __init__(self, type: Any, context: Context, children_specs: list[TreeSpec]) -> None:
        if type is None and (context is not None or children_specs):
            raise AssertionError("leaf node should not have a context or children")
        self.type, self._context, self._children = type, context, children_specs
        self.num_nodes = 1 + sum(child.num_nodes for child in children_specs)
        self.num_leaves = 1 if type is None else sum(child.num_leaves for child in children_specs)
        self.num_children = len(children_specs)

    @property
    def context(self) -> Context:
        return self._context

    @property
    def children_specs(self) -> list[TreeSpec]:
        return self._children

    def is_leaf(self) -> bool:
        """Whether this is the structure of a leaf alone."""
        return self.type is None

    def children(self) -> list[TreeSpec]:
        """The structures of the root's children."""
        return self._children.copy()

    def child(self, index: int) -> TreeSpec:
        """The structure of one of the root's children."""
        return self._children[index]

    def __repr__(self, indent: int = 0) -> str:
        if self.is_leaf():
            return "*"
        inner = indent + 2
        children = f",\n{' ' * inner}".join(child.__repr__(inner) for child in self._children)
        return f"TreeSpec({self.type.__name__}, {self._context}, [{children}])"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TreeSpec):
            return NotImplemented
        return self is other or (
            str(self.type) == str(other.type)
            and bool(self._context == other._context)
            and self._children == other._children
        )

    def __hash__(self) -> int:
        context = self._context
        if self.type is defaultdict:
            context = (context[0], tuple(context[1]))
        elif self.type in STANDARD_DICT_TYPES:
            context = tuple(context)
        elif isinstance(context, ConstantNode):
            context = context.value
        elif self.type is not None and self.type not in BUILTIN_TYPES:
            context = None  # nobody promised that it hashes
        return hash((self.type, context, tuple(self._children)))

    def flatten_up_to(self, tree: PyTree) -> list[PyTree]:
        """The parts of a tree that lie where this structure has its leaves.

        Raises:
            ValueError: the tree does not have this structure as its upper part.
        """
        if self.is_leaf():
            return [tree]
        parts = []
        for spec, child in zip(self._children, self._children_of(tree), strict=True):
            parts += spec.flatten_up_to(child)
        return parts

    def _children_of(self, node: PyTree) -> list[PyTree]:
        """A node's children in the order of this structure's, if it agrees with the root."""
        kind = _get_node_type(node)
        dictionaries = self.type in STANDARD_DICT_TYPES and kind in STANDARD_DICT_TYPES
        if kind != self.type and not dictionaries:
            what = "Node type" if self.type in BUILTIN_TYPES else "Type"
            raise ValueError(f"{what} mismatch; expected {self.type!r}, but got {kind!r}.")
        children, context = SUPPORTED_NODES[kind].flatten_fn(node)
        if len(children) != self.num_children:
            raise ValueError(f"Node arity mismatch; expected {self.num_children}, but got {len(children)}.")
        if dictionaries:
            return self._values_of(node)
        if kind is not deque and context != self._context:
            if self.type not in BUILTIN_TYPES:
                raise ValueError(f"Node context mismatch for custom node type {self.type!r}.")
            raise ValueError(
                f"Node context mismatch for node type {self.type!r}; "
                f"expected {self._context!r}, but got {context!r}."
            )
        return children

    def _values_of(self, node: Mapping[Any, Any]) -> list[PyTree]:
        """The values of a dictionary in the order of the keys here."""
        keys = self._context[1] if self.type is defaultdict else self._context
        missing, extra = set(keys) - set(node), set(node) - set(keys)
        if missing or extra:
            message = (f"; missing key(s): {missing}" if missing else "") + (
                f"; extra key(s): {extra}" if extra else ""
            )
            raise ValueError(f"Node keys mismatch{message}.")
        return [node[key] for key in keys]

    def unflatten(self, leaves: Iterable[Any]) -> PyTree:
        """A tree of this structure with these leaves.

        Raises:
            ValueError: there are more or fewer leaves than places.
        """
        leaves = list(leaves)
        if len(leaves) != self.num_leaves:
            raise ValueError(
                f"treespec.unflatten(leaves): `leaves` has length {len(leaves)} but the spec refers to a "
                f"pytree that holds {self.num_leaves} items ({self})."
            )
        if self.is_leaf():
            return leaves[0]
        children, start = [], 0
        for spec in self._children:
            children.append(spec.unflatten(leaves[start : start + spec.num_leaves]))
            start += spec.num_leaves
        return SUPPORTED_NODES[self.type].unflatten_fn(children, self._context)


class LeafSpec(TreeSpec):
    """The structure of a leaf."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(None, None, [])


PyTreeSpec = TreeSpec
LEAF = LeafSpec()


def treespec_leaf() -> LeafSpec:
    """The structure of a leaf."""
    return LEAF


def treespec_tuple(iterable: Iterable[TreeSpec] = (), /) -> TreeSpec:
    """The structure of a tuple with children of these structures."""
    children = list(iterable)
    if not all(isinstance(child, TreeSpec) for child in children):
        raise ValueError(f"Expected a tuple of TreeSpec values, got: {children!r}.")
    return TreeSpec(tuple, None, children)


def treespec_dict(mapping: Any = (), /, **kwargs: TreeSpec) -> TreeSpec:
    """The structure of a dictionary with values of these structures."""
    given = dict(mapping, **kwargs)
    if not all(isinstance(child, TreeSpec) for child in given.values()):
        raise ValueError(f"Expected a dictionary of TreeSpec values, got: {given!r}.")
    return TreeSpec(dict, list(given), list(given.values()))


class _Asterisk(str):
    """Shows itself without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "*"


def treespec_pprint(treespec: TreeSpec) -> str:
    """A tree of this structure in Python's notation, with stars for leaves."""
    return repr(treespec.unflatten([_Asterisk("*")] * treespec.num_leaves))
