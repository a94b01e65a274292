"""A line search that ends where the strong Wolfe conditions hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

__all__ = ["strong_wolfe"]

Evaluate = Callable[[float], tuple[float, Any]]


class _Point(NamedTuple):
    """A step length with the loss, gradient and slope there."""

    t: float
    loss: float
    gradient: Any
    slope: float


def _minimum_of_cubic(a: _Point, b: _Point, bounds: tuple[float, float] | None = None) -> float:
    """Where the cubic through two points with their slopes is least, within bounds."""
    low, high = bounds if bounds is not None else (min(a.t, b.t), max(a.t, b.t))
    with np.errstate(all="ignore"):  # slopes are NumPy's numbers: 0 / 0 is nan, as of tensors
        d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t)
        square = d1**2 - a.slope * b.slope
        if not square >= 0:
            return (low + high) / 2.0
        d2: float = np.sqrt(square)
        if a.t <= b.t:
            place = b.t - (b.t - a.t) * ((b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2))
        else:
            place = a.t - (a.t - b.t) * ((a.slope + d2 - d1) / (a.slope - b.slope + 2 * d2))
    return min(max(place, low), high)


def strong_wolfe(
    evaluate: Evaluate,
    t: float,
    direction: Any,
    loss: float,
    gradient: Any,
    slope: float,
    c1: float = 1e-4,
    c2: float = 0.9,
    tolerance_change: float = 1e-9,
    max_ls: int = 25,
) -> tuple[float, Any, float, int]:
    """Find a step length along a direction.

    First lengths grow until a bracket holds a good one, then the bracket shrinks around it.

    Args:
        evaluate: loss and gradient at a length.
        t: the first length to try.
        direction: to go.
        loss: at length 0.
        gradient: at length 0.
        slope: gradient times direction at length 0.
        c1: share of the expected decrease that is enough.
        c2: share of the slope that may be left.
        tolerance_change: shortest bracket.
        max_ls: most iterations.

    Returns:
        Loss, gradient and length found, and how often the loss was computed.

    Reference: Nocedal and Wright, Numerical optimization, algorithms 3.5 and 3.6, 2006
    """
    longest = float(abs(direction).max())

    def at(length: float) -> _Point:
        value, g = evaluate(length)
        return _Point(length, value, g, g.dot(direction))

    def too_high(p: _Point) -> bool:
        return p.loss > loss + c1 * p.t * slope

    start = _Point(0.0, loss, gradient, slope)
    before, here = start, at(t)
    calls, rounds = 1, 0
    bracket: list[_Point] = []
    done = False
    while rounds < max_ls:
        if too_high(here) or (rounds > 1 and here.loss >= before.loss):
            bracket = [before, here]
            break
        if abs(here.slope) <= -c2 * slope:
            bracket, done = [here], True
            break
        if here.slope >= 0:
            bracket = [before, here]
            break
        bounds = (here.t + 0.01 * (here.t - before.t), here.t * 10)
        length = _minimum_of_cubic(before, here, bounds)
        before, here = here, at(length)
        calls += 1
        rounds += 1
    if not bracket:
        bracket = [start, here]

    stuck = False
    low, high = (0, 1) if bracket[0].loss <= bracket[-1].loss else (1, 0)
    while not done and rounds < max_ls:
        ends = (min(bracket[0].t, bracket[1].t), max(bracket[0].t, bracket[1].t))
        if (ends[1] - ends[0]) * longest < tolerance_change:
            break
        length = _minimum_of_cubic(bracket[0], bracket[1])
        # A point near an end twice in a row makes too little progress: move it inwards.
        margin = 0.1 * (ends[1] - ends[0])
        if min(ends[1] - length, length - ends[0]) < margin:
            if stuck or length >= ends[1] or length <= ends[0]:
                nearer_high = abs(length - ends[1]) < abs(length - ends[0])
                length = ends[1] - margin if nearer_high else ends[0] + margin
                stuck = False
            else:
                stuck = True
        else:
            stuck = False
        here = at(length)
        calls += 1
        rounds += 1
        if too_high(here) or here.loss >= bracket[low].loss:
            bracket[high] = here
            low, high = (0, 1) if bracket[0].loss <= bracket[1].loss else (1, 0)
        else:
            if abs(here.slope) <= -c2 * slope:
                done = True
            elif here.slope * (bracket[high].t - bracket[low].t) >= 0:
                bracket[high] = bracket[low]
            bracket[low] = here
    found = bracket[low if len(bracket) > 1 else 0]
    return found.loss, found.gradient, found.t, calls
