"""Data pipes that programs derive from PyTorch's base classes."""

import copy
import pickle

import pytest

import jtorch

PROGRAM = """
from torch.utils import data

class Numbers(data.IterDataPipe):
    def __init__(self, n):
        self.n = n

    def __iter__(self):
        yield from range(self.n)

@data.functional_datapipe("test_doubled")
class Doubler(data.IterDataPipe):
    "Twice each."

    def __init__(self, source, more=0):
        self.source, self.more = source, more

    def __iter__(self):
        for x in self.source:
            yield 2 * x + self.more

@data.functional_datapipe("test_turned")
class Turned(data.MapDataPipe):
    def __init__(self, source):
        self.source = source

    def __getitem__(self, i):
        return -self.source[i]

    def __len__(self):
        return len(self.source)

class Squares(data.MapDataPipe):
    def __getitem__(self, i):
        if i > 2:
            raise IndexError
        return i * i

    def __len__(self):
        return 3

@data.non_deterministic
@data.functional_datapipe("test_random")
class Random(data.IterDataPipe):
    def __init__(self, source=None):
        pass

    def __iter__(self):
        return iter([4])

@data.non_deterministic(lambda n: n > 1)
class Sometimes(Numbers):
    pass

def guaranteed(call):
    with data.guaranteed_datapipes_determinism():
        return call()

def again(name):
    @data.functional_datapipe(name)
    class Another(data.IterDataPipe):
        pass

p, s = Numbers(3), Squares()
data.IterDataPipe.register_function("test_sum", lambda pipe, start=0: sum(pipe, start))
"""

CALLS = [
    "list(p.test_doubled(more=1).test_doubled())",
    "p.test_doubled.__doc__",
    "p.test_sum(10)",
    "repr(p), str(s)",
    "p.nothing",
    "s.test_doubled",
    "hasattr(p, 'test_doubled'), 'test_doubled' in dir(p)",
    "list(s.test_turned()), len(s.test_turned())",
    "len(p)",
    "s + s",
    "again('test_doubled')",
    "list(Random()), list(p.test_random()), list(Sometimes(2))",
    "guaranteed(Random)",
    "guaranteed(lambda: list(Sometimes(1)))",
    "guaranteed(lambda: Sometimes(2))",
    "data.non_deterministic(Squares)",
    "data.non_deterministic(3)",
    "data.non_deterministic(lambda: 3)(Numbers)()",
    "data.non_deterministic(lambda: 3)(int)",
    "data.DataChunk(range(3)), data.DataChunk([1]).as_str('  '), list(data.DataChunk([1]).raw_iterator())",
    "issubclass(data.DFIterDataPipe, data.IterDataPipe), isinstance(p, data.IterableDataset)",
]


@pytest.fixture(scope="module")
def names(torch):
    found = []
    for package in (jtorch, torch):
        there = {"__name__": __name__}
        exec(PROGRAM.replace("from torch.", f"from {package.__name__}."), there)
        found.append(there)
    yield found
    for there in found:
        for kind in (there["data"].IterDataPipe, there["data"].MapDataPipe):
            for name in [n for n in kind.functions if n.startswith("test_")]:
                del kind.functions[name]


@pytest.mark.parametrize("call", CALLS)
def test_calls(names, call):
    results = []
    for there in names:
        try:
            found = eval(call, there)
            if not isinstance(found, tuple | list | int | str | None):
                found = type(found).__name__
            results.append(found)
        except Exception as error:
            results.append((type(error), str(error).removesuffix("'")))  # PyTorch leaves a quotation open
    assert results[0] == results[1]


class Kept(jtorch.utils.data.IterDataPipe):
    def __iter__(self):
        yield from range(2)


def test_copies_and_pickles():
    for made in (copy.deepcopy(Kept()), pickle.loads(pickle.dumps(Kept()))):
        assert list(made) == [0, 1]


def test_loading():
    assert [x.tolist() for x in jtorch.utils.data.DataLoader(Kept(), batch_size=2)] == [[0, 1]]
