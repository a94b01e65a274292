"""Arguments that are made anew in each call: equal ones are one kind of call, others are recorded anew."""

import collections
import dataclasses
import enum
import fractions
import functools
import pathlib
import types
from typing import NamedTuple

import pytest

import jtorch
from jtorch.testing import assert_close

pytestmark = pytest.mark.usefixtures("lazy")


@dataclasses.dataclass
class Batch:
    x: object
    k: object = 2.0


@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    x: object
    k: object = 2.0


class Pair(NamedTuple):
    x: object
    k: object = 2.0


class Color(enum.Enum):
    RED = 1.0
    BLUE = 2.0


def T(value=1.0):
    return jtorch.full((3,), value)


OTHER_K = "argument 0.k is 3.0, was 2.0"
ARGUMENTS = {
    "dataclass": (lambda a: a.x * a.k, lambda: Batch(T()), lambda: Batch(T(), 3.0), OTHER_K),
    "slots": (lambda a: a.x * a.k, lambda: Frozen(T()), lambda: Frozen(T(), 3.0), OTHER_K),
    "tuple": (lambda a: a.x * a.k, lambda: Pair(T()), lambda: Pair(T(), 3.0),
        "argument 0[1] is 3.0, was 2.0"),
    "namespace": (
        lambda a: a.x * a.k, lambda: types.SimpleNamespace(x=T(), k=2.0),
        lambda: types.SimpleNamespace(x=T(), k=3.0), OTHER_K,
    ),
    "slice": (lambda a: T() * a.stop, lambda: slice(1, 2), lambda: slice(1, 3),
        "argument 0.stop is 3, was 2"),
    "enum": (lambda a: T() * a.value, lambda: Color(2.0), lambda: Color.RED,
        "argument 0 is a Color, was a Color"),
    "frozenset": (
        lambda a: T() * sum(a), lambda: frozenset([1.0]), lambda: frozenset([2.0]),
        "argument 0[0] is 2.0, was 1.0",
    ),
    "set": (lambda a: T() * sum(a), lambda: {1.0}, lambda: {2.0}, "argument 0[0] is 2.0, was 1.0"),
    "deque": (
        lambda a: a[0] * a[1], lambda: collections.deque([T(), 1.0]), lambda: collections.deque([T(), 2.0]),
        "argument 0[1] is 2.0, was 1.0",
    ),
    "range": (
        lambda a: T() * sum(a), lambda: range(3), lambda: range(4),
        "argument 0 is range(0, 4), was range(0, 3)",
    ),
    "Size": (
        lambda a: T() + jtorch.ones(a).sum(), lambda: jtorch.Size((3, 2)), lambda: jtorch.Size((3, 1)),
        "argument 0[1] is 1, was 2",
    ),
    "dtype": (
        lambda a: T().to(a) * 2, lambda: jtorch.float64, lambda: jtorch.float16,
        "argument 0 is torch.float16, was torch.float64",
    ),
    "device": (
        lambda a: T().to(a) * 2, lambda: jtorch.device("cpu"), lambda: jtorch.device("cpu", 0),
        "argument 0 is cpu:0, was cpu",
    ),
    "partial": (
        lambda a: a(T()), lambda: functools.partial(jtorch.add, alpha=2, other=1),
        lambda: functools.partial(jtorch.add, alpha=3, other=1), "argument 0.keywords['alpha'] is 3, was 2",
    ),
    "path": (
        lambda a: T() * len(a.name), lambda: pathlib.PurePosixPath("ab"), lambda: pathlib.PurePosixPath("c"),
        "argument 0 is PurePosixPath('c'), was PurePosixPath('ab')",
    ),
    "fraction": (
        lambda a: T() * a.numerator, lambda: fractions.Fraction(1, 2), lambda: fractions.Fraction(3, 2),
        "argument 0 is Fraction(3, 2), was Fraction(1, 2)",
    ),
    "nested": (
        lambda a: a["b"][0].x * a["b"][0].k.stop, lambda: {"b": [Batch(T(), slice(2)), range(2)]},
        lambda: {"b": [Batch(T(), slice(3)), range(2)]}, "argument 0['b'][0].k.stop is 3, was 2",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ARGUMENTS)
def test_equal_arguments_are_one_kind_of_call(name):
    function, make, other, reason = ARGUMENTS[name]
    call = jtorch.compile(function)
    for _ in range(10):  # more than the limit of recordings
        assert_close(call(make()), function(make()))
    assert call._compiled_function.explain().count("\n") == 0
    for _ in range(2):
        assert_close(call(other()), function(other()))
    assert call._compiled_function.explain().splitlines()[1:] == [f"<lambda>: {reason}"]


def test_tensors_in_objects_are_operands():
    call = jtorch.compile(lambda a: a.x * a.k)
    for i in range(8):
        assert_close(call(Batch(T(i + 0.0), T())), T(i + 0.0))
    assert call._compiled_function.recordings == 1


def doubles(a):
    a.x.mul_(2)
    return a.k


def grows(a):
    a.x = a.x * 2


def hands_back(a):
    a.x.mul_(2)
    return a


def counts(a):
    a.k += 1.0
    return a.x * a.k


@pytest.mark.parametrize("function", [doubles, grows, hands_back, counts])
def test_changes_of_an_object_reach_the_caller(function):
    call = jtorch.compile(function)
    for i in range(6):
        found = []
        for f in (function, call):
            given = Batch(T(i + 1.0), 2.0)
            result = f(given)
            found.append((given.x.tolist(), given.k, result is given))
        assert found[0] == found[1]


def test_an_object_that_contains_itself_runs_uncompiled():
    def function(a):
        return a.x * 2

    call = jtorch.compile(function)
    given = Batch(T())
    given.k = given
    assert_close(call(given), T(2.0))
