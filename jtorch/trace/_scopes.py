"""Names of the modules whose calls recorded the operations of a graph, for profiles and HLO.

Nothing is noted unless someone switched it on: then the boundaries of module calls mark the graph, and
programs that are built from it carry the names in front of those of operations.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from jtorch.trace._graph import Graph, Signature, nodes, recorders

__all__ = ["Scopes", "named", "switch"]

#: Graphs whose marks are kept.
_GRAPHS = 16


class Scopes:
    """The path of module calls under way, and where in graphs it changed."""

    def __init__(self) -> None:
        self.path: list[str] = []
        self.now = ""
        self.marks: OrderedDict[int, tuple[Graph, list[tuple[int, str]]]] = OrderedDict()

    def enter(self, name: str) -> None:
        """A module is called."""
        self.path.append(name)
        self._mark()

    def leave(self) -> None:
        """It returns."""
        self.path.pop()
        self._mark()

    def _mark(self) -> None:
        before, self.now = self.now, "/".join(self.path)
        for r in recorders():
            graph = r.graph
            found = self.marks.get(id(graph))
            if found is None or found[0] is not graph:
                found = self.marks[id(graph)] = graph, [(0, before)]
                if len(self.marks) > _GRAPHS:
                    self.marks.popitem(last=False)
            found[1].append((graph.nodes, self.now))

    def names(self, graph: Graph) -> list[str]:
        """The path in which each operation was recorded."""
        found = self.marks.get(id(graph))
        marks = [(0, self.now)] if found is None or found[0] is not graph else found[1]
        names: list[str] = []
        for (start, name), (stop, _) in zip(marks, [*marks[1:], (graph.nodes, "")], strict=True):
            names += [name] * (stop - start)
        return names


class Named:
    """A signature under a longer name."""

    __slots__ = ("_signature", "name")

    def __init__(self, signature: Signature, scope: str) -> None:
        self._signature, self.name = signature, f"{scope}/{signature.name}"

    def __getattr__(self, name: str) -> Any:
        return getattr(self._signature, name)


_active: list[Scopes] = []


def switch(scopes: Scopes | None) -> None:
    """Begin to note names, or cease to."""
    _active[:] = [] if scopes is None else [scopes]


def named(graph: Graph) -> list[tuple[Signature, Sequence[int]]]:
    """:func:`nodes` of a graph, under the names of modules if they are noted."""
    body = nodes(graph.flat)
    if not _active:
        return body
    names = _active[0].names(graph)
    pairs = zip(body, names, strict=True)
    return [(Named(s, name) if name else s, slots) for (s, slots), name in pairs]  # type: ignore[misc]
