"""Reading what a run has recorded."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["Recording"]

Key = tuple[int, str, str, int]


@dataclass
class Recording:
    """Events of one run.

    Attributes:
        folder: where the recorder wrote.
        label: name of the framework.
    """

    folder: Path
    label: str

    @cached_property
    def events(self) -> list[dict[str, Any]]:
        """All lines, in order."""
        path = self.folder / "events.jsonl"
        if not path.exists():
            return []
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]

    @cached_property
    def tensors(self) -> dict[Key, dict[str, Any]]:
        """Events with values by step, kind, name and how often the name came before in that step."""
        found: dict[Key, dict[str, Any]] = {}
        seen: dict[tuple[int, str, str], int] = {}
        for event in self.events:
            if "offset" not in event:
                continue
            place = (event["step"], event["kind"], event["name"])
            seen[place] = seen.get(place, -1) + 1
            found[(*place, seen[place])] = event
        return found

    @cached_property
    def skipped(self) -> int:
        """How many tensors could not be read."""
        return sum(event["kind"] == "skipped" for event in self.events)

    @cached_property
    def error(self) -> str | None:
        """How the program failed, if it did."""
        last = self.events[-1] if self.events else {}
        if last.get("kind") == "end":
            return last["error"]  # type: ignore[no-any-return]
        return "the process ended without a word; see what it printed"

    @cached_property
    def steps(self) -> int:
        """Steps of optimizers."""
        return max((event["step"] for event in self.events), default=0)

    @cached_property
    def printed(self) -> str:
        """What the program printed."""
        return (self.folder / "stdout.txt").read_text(encoding="utf-8", errors="replace")

    @cached_property
    def complained(self) -> str:
        """What it wrote to its error stream."""
        return (self.folder / "stderr.txt").read_text(encoding="utf-8", errors="replace")

    @cached_property
    def _values(self) -> np.memmap[Any, Any] | bytes:
        path = self.folder / "values.bin"
        return np.memmap(path, np.uint8, "r") if path.exists() and path.stat().st_size else b""

    def elements(self, event: dict[str, Any]) -> np.ndarray[Any, Any]:
        """The recorded elements of a tensor."""
        kind = np.int64 if event["integer"] else np.float64
        return np.frombuffer(self._values, kind, event["count"], event["offset"])
