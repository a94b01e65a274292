"""The version that ``jtorch.__version__`` shows, comparable like PyTorch's (``torch.torch_version``)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import zip_longest
from typing import Any

from jtorch._version import PYTORCH

__all__ = ["TorchVersion"]

_PARTS = re.compile(
    r"v?(?:(?P<epoch>\d+)!)?(?P<release>\d+(?:\.\d+)*)"
    r"(?:[-_.]?(?P<pre>a|alpha|b|beta|c|rc|pre|preview)[-_.]?(?P<pre_number>\d*))?"
    r"(?:[-_.]?post[-_.]?(?P<post>\d*))?"
    r"(?:[-_.]?dev[-_.]?(?P<dev>\d*))?"
    r"(?:\+(?P<local>[a-z0-9.]+))?",
    re.IGNORECASE,
)

#: Order of the stages of a release (PEP 440): development, alpha, beta, candidate, final, post.
_STAGES = {"a": 1, "alpha": 1, "b": 2, "beta": 2, "c": 3, "rc": 3, "pre": 3, "preview": 3}


def _key(version: str) -> tuple[Any, ...] | None:
    """What orders versions, or ``None`` for text that is no version."""
    found = _PARTS.fullmatch(version.strip())
    if found is None:
        return None
    release = [int(part) for part in found["release"].split(".")]
    while len(release) > 1 and release[-1] == 0:
        release.pop()
    if found["pre"]:
        stage: tuple[int, ...] = (_STAGES[found["pre"].lower()], int(found["pre_number"] or 0))
    elif found["dev"] is not None and found["post"] is None:
        stage = (0, 0)
    else:
        stage = (4, 0)
    post = -1 if found["post"] is None else int(found["post"] or 0)
    dev = float("inf") if found["dev"] is None else int(found["dev"] or 0)
    parts = (found["local"] or "").split(".")
    local = tuple((1, int(x), "") if x.isdigit() else (0, 0, x) for x in parts if x)
    return int(found["epoch"] or 0), tuple(release), stage, post, dev, local


class TorchVersion(str):
    """A version as a string that compares by value with strings and tuples.

    ``TorchVersion("2.13.0") > "2.9"`` and ``TorchVersion("2.13.0") >= (2, 1)`` hold, though the strings are
    ordered the other way.
    """

    __slots__ = ()

    def _compare(self, other: Any) -> int | None:
        """-1, 0 or 1, or ``None`` if the other is no version."""
        if isinstance(other, Iterable) and not isinstance(other, str):
            mine = [int(part) for part in re.findall(r"\d+", self.split("+")[0])]
            theirs = [int(part) for part in other]
            for a, b in zip_longest(mine, theirs, fillvalue=0):
                if a != b:
                    return -1 if a < b else 1
            return 0
        if not isinstance(other, str):
            return None
        first, second = _key(self), _key(other)
        if first is None or second is None:
            first, second = (str(self),), (str(other),)
        return (first > second) - (first < second)

    def __eq__(self, other: object) -> bool:
        order = self._compare(other)
        return NotImplemented if order is None else order == 0

    # `!=` compares text, as in PyTorch, whose class has no `__ne__` either.
    __ne__ = str.__ne__

    def __lt__(self, other: Any) -> bool:
        order = self._compare(other)
        return NotImplemented if order is None else order < 0

    def __le__(self, other: Any) -> bool:
        order = self._compare(other)
        return NotImplemented if order is None else order <= 0

    def __gt__(self, other: Any) -> bool:
        order = self._compare(other)
        return NotImplemented if order is None else order > 0

    def __ge__(self, other: Any) -> bool:
        order = self._compare(other)
        return NotImplemented if order is None else order >= 0

    def __hash__(self) -> int:
        return str.__hash__(self)


__version__ = TorchVersion(PYTORCH)
