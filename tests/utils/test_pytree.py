"""Trees of nested containers, compared with PyTorch's."""

import collections
import dataclasses
import enum
import time

import pytest

import jtorch
from jtorch.utils import _pytree as mine

Point = collections.namedtuple("Point", "x y")


class Colour(enum.Enum):
    RED = 1


@pytest.fixture
def theirs(torch):
    import torch.utils._pytree as theirs

    return theirs


TREES = [
    1,
    None,
    [1, (2, None), {"b": 3, "a": [4, []]}],
    Point(1, [2, 3]),
    collections.OrderedDict(b=1, a=(2,)),
    collections.defaultdict(list, a=1, b=[2]),
    collections.deque([1, {"k": 2}], maxlen=4),
    {Colour.RED: 1, 2: ({}, ())},
]


@pytest.mark.parametrize("tree", TREES, ids=repr)
def test_trees_come_apart_and_together(theirs, tree):
    leaves, spec = mine.tree_flatten(tree)
    wanted, other = theirs.tree_flatten(tree)
    assert leaves == wanted == mine.tree_leaves(tree)
    assert repr(spec) == repr(other)
    assert (spec.num_nodes, spec.num_leaves, spec.num_children, spec.is_leaf()) == (
        other.num_nodes, other.num_leaves, other.num_children, other.is_leaf(),
    )  # fmt: skip
    assert mine.treespec_pprint(spec) == theirs.treespec_pprint(other)
    back = mine.tree_unflatten(leaves, spec)
    assert back == tree
    assert type(back) is type(tree)
    doubled = [2 if leaf is None else leaf * 2 for leaf in leaves]
    assert mine.tree_map(lambda leaf: 2 if leaf is None else leaf * 2, tree) == spec.unflatten(doubled)
    assert spec == mine.tree_structure(tree)
    assert hash(spec) == hash(mine.tree_structure(back))
    paths = [(mine.keystr(path), leaf) for path, leaf in mine.tree_flatten_with_path(tree)[0]]
    assert paths == [(theirs.keystr(path), leaf) for path, leaf in theirs.tree_flatten_with_path(tree)[0]]
    for path, leaf in mine.tree_leaves_with_path(tree):
        assert mine.key_get(tree, path) is leaf
    if type(tree) is not Point:  # those need a name in JSON
        text = mine.treespec_dumps(spec)
        assert text == theirs.treespec_dumps(other)
        assert mine.treespec_loads(text) == spec


class Pair:
    def __init__(self, left, right):
        self.left, self.right = left, right


@dataclasses.dataclass
class Record:
    a: object
    b: object = None


def test_own_nodes(theirs):
    def flatten(pair):
        return [pair.left], pair.right

    def unflatten(children, right):
        return Pair(*children, right)

    for library in (mine, theirs):
        library.register_pytree_node(Pair, flatten, unflatten, serialized_type_name="tests.Pair")
        library.register_dataclass(Record)
        try:
            made = library.tree_map(lambda x: x + 1, [Pair(1, "kept"), Record(2)])
            assert (made[0].left, made[0].right, made[1]) == (2, "kept", Record(3))
            with pytest.raises(ValueError, match="is already registered as pytree node"):
                library.register_pytree_node(Pair, flatten, unflatten)
            with pytest.raises(ValueError, match="Did not find a flatten_with_keys_fn"):
                library.tree_leaves_with_path(Pair(1, 2))
            spec = library.tree_structure(Pair(1, 2))
            assert library.treespec_loads(library.treespec_dumps(spec)) == spec
            with pytest.raises(ValueError, match="Node context mismatch for custom node type"):
                spec.flatten_up_to(Pair(1, 3))
        finally:
            library._deregister_pytree_node(Pair)
            library._deregister_pytree_node(Record)
        assert library.tree_is_leaf(Pair(1, 2))


WRONG = [
    lambda t: t.tree_unflatten([1], t.tree_structure([1, 2])),
    lambda t: t.tree_map(max, [1, 2], [1]),
    lambda t: t.tree_map(max, [1, 2], (1, 2)),
    lambda t: t.tree_map(max, {"a": 1}, {"b": 1}),
    lambda t: t.tree_map(max, Point(1, 2), (1, 2)),
    lambda t: t.map_only(3),
    lambda t: t.treespec_dumps(3),
    lambda t: t.treespec_dumps(t.tree_structure(1), 7),
    lambda t: t.treespec_tuple([3]),
    lambda t: t.register_constant(Pair),
]


@pytest.mark.parametrize("call", WRONG)
def test_errors(theirs, call):
    found = []
    for library in (mine, theirs):
        with pytest.raises((ValueError, TypeError)) as raised:
            call(library)
        found.append((raised.type, str(raised.value).replace("jtorch", "torch")))
    assert found[0] == found[1]


def test_functions_of_leaves(theirs):
    tree = [1, "a", (2.0, {"k": 3})]
    for library in (mine, theirs):
        assert library.tree_map_only(int, lambda x: -x, tree) == [-1, "a", (2.0, {"k": -3})]
        assert library.tree_map(lambda a, b: (a, b), [1, 2], [[3], {4: 5}]) == [(1, [3]), (2, {4: 5})]
        assert library.tree_map(max, {"a": 1, "b": 5}, {"b": 2, "a": 3}) == {"a": 3, "b": 5}
        assert library.tree_all_only(int, lambda x: x > 0, tree)
        assert not library.tree_any(lambda x: x == 7, tree)
        assert library.tree_flatten(tree, is_leaf=lambda x: isinstance(x, tuple))[0] == tree
        spec = library.tree_structure((1, [2, 3]))
        assert library._broadcast_to_and_flatten((0, 1), spec) == [0, 1, 1]
        assert library._broadcast_to_and_flatten((0,), spec) is None
        assert library.arg_tree_leaves(1, [2], k={"x": 3}) == [1, 2, 3]
        assert library.is_namedtuple(Point)
        assert library.is_structseq(time.gmtime())
        seen = []
        assert library.tree_map_(seen.append, tree) is tree
        assert seen == [1, "a", 2.0, 3]


def test_tensors_are_leaves():
    tree = {"w": jtorch.ones(2), "b": [jtorch.zeros(1)]}
    made = mine.tree_map_only(jtorch.Tensor, lambda t: t + 1, tree)
    assert made["w"].tolist() == [2, 2]
    assert made["b"][0].tolist() == [1]


def test_names_are_those_of_torch(theirs):
    assert set(mine.__all__) == set(theirs.__all__)


def test_results_of_several_parts_are_nodes(torch, theirs):
    seen = []
    for t, trees in ((jtorch, mine), (torch, theirs)):
        result = t.tensor([[1.0, 4.0], [3.0, 2.0]]).max(0)
        leaves, spec = trees.tree_flatten(result)
        more = trees.tree_map(lambda x: x + 1, result)
        assert type(more) is type(result) is type(spec.unflatten(leaves))
        paths = [trees.keystr(path) for path, _ in trees.tree_flatten_with_path(result)[0]]
        kinds = [
            trees.is_structseq(result),
            trees.is_structseq_class(type(result)),
            trees.is_namedtuple(result),
        ]
        seen.append((repr(spec), more.values.tolist(), more.indices.tolist(), paths, kinds, result.n_fields))
    assert seen[0] == seen[1]
