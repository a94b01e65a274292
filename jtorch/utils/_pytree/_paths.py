"""Leaves together with the paths that lead to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from jtorch.utils._pytree._functions import IsLeaf, tree_structure
from jtorch.utils._pytree._keys import (
    GetAttrKey,
    KeyEntry,
    KeyPath,
    MappingKey,
    SequenceKey,
    key_get,
    keystr,
)
from jtorch.utils._pytree._registry import SUPPORTED_NODES, PyTree, _get_node_type, tree_is_leaf
from jtorch.utils._pytree._spec import TreeSpec

__all__ = [
    "GetAttrKey", "KeyEntry", "KeyPath", "MappingKey", "SequenceKey", "key_get", "keystr",
    "tree_flatten_with_path", "tree_leaves_with_path", "tree_map_with_path",
]  # fmt: skip


def _paths(path: KeyPath, tree: PyTree, is_leaf: IsLeaf) -> Iterator[tuple[KeyPath, Any]]:
    if tree_is_leaf(tree, is_leaf):
        yield path, tree
        return
    kind = _get_node_type(tree)
    with_keys = SUPPORTED_NODES[kind].flatten_with_keys_fn
    if with_keys is None:
        raise ValueError(
            f"Did not find a flatten_with_keys_fn for type: {kind}. Please pass a flatten_with_keys_fn "
            "argument to register_pytree_node."
        )
    for key, child in with_keys(tree)[0]:
        yield from _paths((*path, key), child, is_leaf)


def tree_leaves_with_path(tree: PyTree, is_leaf: IsLeaf = None) -> list[tuple[KeyPath, Any]]:
    """Pairs of path and leaf, from left to right.

    Raises:
        ValueError: a type among the nodes was registered without ``flatten_with_keys_fn``.
    """
    return list(_paths((), tree, is_leaf))


def tree_flatten_with_path(
    tree: PyTree, is_leaf: IsLeaf = None
) -> tuple[list[tuple[KeyPath, Any]], TreeSpec]:
    """Pairs of path and leaf, and the structure."""
    return tree_leaves_with_path(tree, is_leaf), tree_structure(tree, is_leaf)


def tree_map_with_path(
    func: Callable[..., Any], tree: PyTree, *rests: PyTree, is_leaf: IsLeaf = None
) -> PyTree:
    """Like ``tree_map``, with the path as the function's first argument."""
    pairs, spec = tree_flatten_with_path(tree, is_leaf)
    parts = [spec.flatten_up_to(rest) for rest in rests]
    return spec.unflatten(func(*pair, *others) for pair, *others in zip(pairs, *parts, strict=True))
