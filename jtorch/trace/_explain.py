"""Why a program was compiled, in words."""

from __future__ import annotations

from collections import deque
from typing import Any

from jtorch.errors import warn_user
from jtorch.trace._graph import SIGNATURES, nodes
from jtorch.trace._metrics import counters, user_line

__all__ = ["explain", "note_compilation"]

_recent: deque[Any] = deque(maxlen=32)
_last = "nothing has been compiled yet"
_warned = False


def note_compilation(key: Any, seconds: float, *, storm: bool) -> None:
    """Remember a compilation and its reason; the first storm is reported as a warning."""
    global _last, _warned
    reason = _compare(key)
    line = user_line()
    _last = f"compiled {len(nodes(key[0]))} ops in {seconds:.2f} s at {line}: {reason}"
    counters.history.append(_last)
    del counters.history[:-64]
    _recent.append(key)
    if storm and not _warned:
        _warned = True
        warn_user(
            f"jtorch compiled many programs that were not used again (last: {_last}). Loops whose shapes or "
            "lengths change each time now run in pieces until a structure recurs. jtorch.explain() shows "
            "the reasons.",
            RuntimeWarning,
        )


def explain(last: int = 1) -> str:
    """Say why the last compilations happened, by comparing each with the most similar graph known before it.

    Args:
        last: how many compilations to report, newest last.
    """
    return "\n".join(counters.history[-last:]) if counters.history else _last


def _compare(key: Any) -> str:
    if not _recent:
        return "first program"
    flat, live, donated, _ = key
    best, score = None, -1
    for other in _recent:
        common = _common_prefix(flat, other[0])
        if common > score:
            best, score = other, common
    assert best is not None
    if best[0] == flat:
        if best[1] != live:
            return f"the same ops, but other results are alive ({len(best[1])} before, {len(live)} now)"
        return (
            f"the same ops, but other operands can be overwritten ({len(best[2])} before, {len(donated)} now)"
        )
    mine, theirs = nodes(flat), nodes(best[0])
    for number, (a, b) in enumerate(zip(mine, theirs, strict=False)):
        if a[0] is not b[0]:
            return f"op {number} is {a[0]}, in the most similar program {b[0]}"
        if tuple(a[1]) != tuple(b[1]):
            return f"op {number} ({a[0].name}) reads other operands than in the most similar program"
    if len(mine) > len(theirs):
        more = mine[len(theirs) :]
        return f"{len(more)} more ops than the most similar program, from {more[0][0]} on"
    return f"{len(theirs) - len(mine)} fewer ops than the most similar program"


def _common_prefix(a: Any, b: Any) -> int:
    n = 0
    for x, y in zip(a, b, strict=False):
        if x != y:
            break
        n += 1
    return n


def signature_count() -> int:
    """How many signatures exist; grows only with new ops, shapes and dtypes."""
    return len(SIGNATURES)
