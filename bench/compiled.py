"""Training steps whose losses are read every twentieth time only, in turns: what each step itself costs."""

from __future__ import annotations

from statistics import median

from bench._timing import ratio, rounds, table
from bench.networks import CASES, CONTENDERS

NAMES = ("jtorch compiled", "jtorch", "JAX + optax")
STEPS = 20


def main() -> None:
    """Print medians and the least in microseconds, and what jtorch's steps cost beside hand-written JAX's."""
    rows = []
    for key in ("regression", "circles", "digits-sgd", "digits"):
        case = CASES[key]
        made = {name: CONTENDERS[name](case, case.state(), case.data()) for name in NAMES}

        def run(contender):
            for _ in range(STEPS):
                out = contender.step()
            return contender.wait(out)

        times = rounds({n: lambda c=c: run(c) for n, c in made.items()}, count=21, warmup=2)
        us = {n: [t / STEPS * 1e6 for t in found] for n, found in times.items()}
        more = (median(a - b for a, b in zip(us[n], us[NAMES[-1]], strict=True)) for n in NAMES[:2])
        rows.append([
            case.title, *(f"{median(us[n]):,.1f} ({min(us[n]):,.1f})" for n in NAMES),
            *(f"{ratio(times, n, NAMES[-1]):.2f}" for n in NAMES[:2]), *(f"{m:+,.1f}" for m in more),
        ])  # fmt: skip
    compared = [f"{n} {sign} JAX" for sign in ("/", "-") for n in ("compiled", "jtorch")]
    table("Steps without reading, microseconds: median (least)", ["", *NAMES, *compared], rows)


if __name__ == "__main__":
    main()
