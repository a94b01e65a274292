"""Where two recordings differ, as numbers, as a table and as a picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from jtorch.compare._recording import Recording

__all__ = ["Comparison", "Difference"]

#: Kinds of tensors in a step's order, and their plurals.
KINDS = {"output": "outputs", "loss": "losses", "gradient": "gradients", "update": "updates"}


@dataclass(frozen=True)
class Difference:
    """How one tensor differs.

    Attributes:
        step: number of optimizer steps before it.
        kind: ``"output"``, ``"loss"``, ``"gradient"`` or ``"update"``.
        name: of the module or parameter.
        relative: greatest difference, over the size of the greatest element plus ``atol / rtol``: runs part
            where it exceeds ``rtol``, and noise around 0 counts for little.
        absolute: greatest difference.
        index: where it is, in the flattened tensor.
        theirs: PyTorch's number there.
        ours: jtorch's.
        parted: whether that is more than the tolerances.
        note: what else differs (shape, finiteness).
    """

    step: int
    kind: str
    name: str
    relative: float
    absolute: float
    index: int
    theirs: float
    ours: float
    parted: bool
    note: str = ""

    def __str__(self) -> str:
        where = (
            f"step {self.step}, {self.kind} of {self.name}"
            if self.kind != "loss"
            else f"step {self.step}, loss"
        )
        if self.note:
            return f"{where}: {self.note}"
        return (
            f"{where}: {self.theirs:.9g} and {self.ours:.9g} at element {self.index} "
            f"(difference {self.absolute:.3g}, relative {self.relative:.3g})"
        )


def _measure(
    key: tuple[int, str, str, int],
    pair: Sequence[Recording],
    events: Sequence[dict[str, Any]],
    tolerances: Any,
) -> Difference:
    """Compare one tensor."""
    step, kind, name, occurrence = key
    name = f"{name} (call {occurrence + 1})" if occurrence else name
    first, second = events
    for what in ("shape", "dtype"):
        if first[what] != second[what]:
            note = f"{what} {first[what]} and {second[what]}"
            return Difference(step, kind, name, np.inf, np.inf, 0, np.nan, np.nan, True, note)
    theirs, ours = (r.elements(e).astype(np.float64) for r, e in zip(pair, events, strict=True))
    same = (theirs == ours) | (np.isnan(theirs) & np.isnan(ours))
    if not theirs.size or same.all():
        return Difference(step, kind, name, 0.0, 0.0, 0, 0.0, 0.0, False)
    with np.errstate(invalid="ignore", over="ignore"):
        apart = np.where(same, 0.0, np.abs(theirs - ours))
    apart[np.isnan(apart)] = np.inf
    worst = int(np.argmax(apart))
    finite = np.abs(theirs[np.isfinite(theirs)])
    size = float(finite.max(initial=0.0))
    # An update is the difference of two parameters, which are rounded.
    rounding = max(e.get("scale", 0.0) for e in events) * 2**-22
    rtol, atol = tolerances
    parted = bool(apart[worst] > atol + rtol * size + rounding) or bool(first["integer"])
    absolute = float(apart[worst])
    allowance = (atol + rounding) / rtol if rtol else 0.0
    relative = absolute / (size + allowance) if size + allowance else np.inf
    index = worst * first["stride"]
    return Difference(
        step, kind, name, relative, absolute, index, float(theirs[worst]), float(ours[worst]), parted
    )


@dataclass
class Comparison:
    """What :func:`jtorch.compare.compare` found. ``print`` shows the report; it is true if the runs agree.

    Attributes:
        program: path of the program.
        theirs: PyTorch's recording.
        ours: jtorch's.
        rtol: allowed difference over the greatest element of a tensor.
        atol: allowed difference of elements near 0.
        differences: one for each tensor that both runs have, in the order of PyTorch's run.
    """

    program: str
    theirs: Recording
    ours: Recording
    rtol: float
    atol: float
    differences: list[Difference] = field(default_factory=list)

    def __post_init__(self) -> None:
        pair = (self.theirs, self.ours)
        for key, event in self.theirs.tensors.items():
            other = self.ours.tensors.get(key)
            if other is not None:
                found = _measure(key, pair, (event, other), (self.rtol, self.atol))
                self.differences.append(found)

    @property
    def first(self) -> Difference | None:
        """The first place where the runs part by more than the tolerances."""
        return next((d for d in self.differences if d.parted), None)

    @property
    def errors(self) -> dict[str, str]:
        """How the program failed, by framework."""
        return {r.label: r.error for r in (self.theirs, self.ours) if r.error is not None}

    @property
    def unmatched(self) -> dict[str, list[str]]:
        """Tensors that only one of the runs has, by framework."""
        found = {}
        for one, other in ((self.theirs, self.ours), (self.ours, self.theirs)):
            only = [k for k in one.tensors if k not in other.tensors]
            if only:
                found[one.label] = [f"step {s}, {kind} of {name}" for s, kind, name, _ in only]
        return found

    @property
    def agrees(self) -> bool:
        """Whether both runs ended well, have the same tensors, and differ by no more than the tolerances."""
        return bool(self.differences) and not self.errors and not self.unmatched and self.first is None

    def __bool__(self) -> bool:
        return self.agrees

    # ---- by step -------------------------------------------------------------------------------------

    def drift(self) -> dict[str, list[float]]:
        """Greatest relative difference per step, by kind of tensor; nan where a step has none."""
        steps = 1 + max((d.step for d in self.differences), default=-1)
        found = {kind: [np.nan] * steps for kind in KINDS}
        for d in self.differences:
            found[d.kind][d.step] = np.fmax(found[d.kind][d.step], d.relative)
        return found

    def losses(self) -> list[tuple[float, float]]:
        """PyTorch's and jtorch's last loss of each step."""
        rows: dict[int, tuple[float, float]] = {}
        for key, event in self.theirs.tensors.items():
            other = self.ours.tensors.get(key)
            if key[1] == "loss" and other is not None and event["count"] == other["count"] == 1:
                rows[key[0]] = (
                    float(self.theirs.elements(event)[0]),
                    float(self.ours.elements(other)[0]),
                )
        return [rows.get(step, (np.nan, np.nan)) for step in range(max(rows, default=-1) + 1)]

    # ---- the report ----------------------------------------------------------------------------------

    def _step_rows(self) -> Iterator[list[str]]:
        drift, losses = self.drift(), self.losses()
        count = len(drift["output"])
        shown = sorted({*range(min(count, 4)), *np.linspace(0, count - 1, 8).astype(int).tolist()} - {-1})
        for step in shown:
            pair = losses[step] if step < len(losses) else (np.nan, np.nan)
            numbers = [f"{v:.6g}" if np.isfinite(v) else "-" for v in pair]
            gaps = [f"{drift[k][step]:.1e}" if not np.isnan(drift[k][step]) else "-" for k in KINDS]
            parted = any(d.parted for d in self.differences if d.step == step)
            yield [str(step), *numbers, *gaps, "parted" if parted else ""]

    def _worst_rows(self, count: int = 8) -> Iterator[list[str]]:
        worst: dict[tuple[str, str], Difference] = {}
        for d in self.differences:
            key = (d.kind, d.name)
            if key not in worst or d.relative > worst[key].relative:
                worst[key] = d
        ranked = sorted(worst.values(), key=lambda d: -d.relative)
        for d in ranked[:count]:
            yield [f"{d.relative:.1e}", d.kind, d.name, str(d.step)]

    def verdict(self) -> str:
        """The last line of the report."""
        if self.errors:
            return "FAILED: " + "; ".join(f"under {k}: {v.splitlines()[0]}" for k, v in self.errors.items())
        if self.first is not None:
            count = sum(d.parted for d in self.differences)
            return f"PARTED first at {self.first}; {count} of {len(self.differences)} tensors"
        if self.unmatched:
            [(label, only), *_] = self.unmatched.items()
            return f"DIFFERENT: only {label} has {only[0]} (and {len(only) - 1} more)"
        if not self.differences:
            return "NOTHING to compare: the program calls no module, no backward and no optimizer"
        worst = max(d.relative for d in self.differences)
        tolerances = f"rtol {self.rtol:g}, atol {self.atol:g}"
        return f"AGREED: {len(self.differences)} tensors within {worst:.1e} ({tolerances})"

    def __str__(self) -> str:
        blocks = [f"{self.program}: {self.theirs.steps} steps under {self.theirs.label}, "
                  f"{self.ours.steps} under {self.ours.label}"]  # fmt: skip
        if self.differences:
            head = ["step", "loss, PyTorch", "loss, jtorch", *KINDS.values(), ""]
            blocks.append("Greatest relative difference by step\n" + table(head, self._step_rows()))
            head = ["relative", "what", "name", "step"]
            blocks.append("Tensors that differ most\n" + table(head, self._worst_rows()))
        for label, only in self.unmatched.items():
            more = f" ... ({len(only)})" if len(only) > 3 else ""
            blocks.append(f"Only under {label}: {'; '.join(only[:3])}{more}")
        if self.theirs.printed != self.ours.printed:
            blocks.append(_transcripts(self.theirs.printed, self.ours.printed))
        skipped = self.theirs.skipped + self.ours.skipped
        if skipped:
            blocks.append(f"{skipped} tensors could not be read (inside of transforms of functions)")
        for r in (self.theirs, self.ours):
            if r.error is not None:
                blocks.append(f"Under {r.label}:\n" + "\n".join(r.complained.strip().splitlines()[-8:]))
        return "\n\n".join([*blocks, self.verdict()])

    def plot(self, path: str | Path) -> None:
        """Draw losses and differences over the steps.

        Args:
            path: of the picture; its ending says the format.

        Raises:
            ImportError: matplotlib is missing.
        """
        from jtorch.compare._picture import draw  # noqa: PLC0415 - needs matplotlib

        draw(self, path)


def table(head: Sequence[str], rows: Iterator[list[str]]) -> str:
    """Columns of equal width."""
    lines = [list(head), *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    text = ["  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join([text[0], "  ".join("-" * w for w in widths), *text[1:]])


def _transcripts(theirs: str, ours: str) -> str:
    """The first line that was printed differently."""
    first, second = theirs.splitlines(), ours.splitlines()
    pairs = zip([*first, "(end)"], [*second, "(end)"], strict=False)
    line, (a, b) = next((i, p) for i, p in enumerate(pairs, 1) if p[0] != p[1])
    return f"Printed differently, first in line {line}\n  PyTorch  {a}\n  jtorch   {b}"
