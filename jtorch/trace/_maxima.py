"""Where a program may take the maximum of a number and 0, though XLA's reductions would lose nan in it."""

from __future__ import annotations

from collections.abc import Sequence

from jtorch.trace._channels_last import chooses
from jtorch.trace._graph import Signature

__all__ = ["unreduced"]

#: Operations that multiply what their first operand holds: no loop that adds up reads it.
PRODUCTS = frozenset(
    f"{name}{end}" for name in ("conv2d", "nn.functional.linear") for end in ("", "_backward")
)


def unreduced(body: Sequence[tuple[Signature, Sequence[int]]], quick: bool) -> frozenset[int]:
    """The ``relu`` of a program that may be maxima.

    Only products read their results (and, in a program that compiles fast, pools, which choose among
    integers), some of them after additions. A loop that adds biases and chooses from the sums, LLVM unrolls
    over up to 32 features: 120 ms to compile with 10, 490 with 32. With a maximum, which runs as fast, it
    does not: 41 and 45.

    Args:
        body: operations with the slots of their operands.
        quick: whether the program should compile fast.

    Returns:
        Places in ``body``.
    """
    starts, slot = [], 0
    for signature, _ in body:
        starts.append(slot)
        slot += len(signature.outputs)
    reduced: set[int] = set()
    found = []
    for number in range(len(body) - 1, -1, -1):
        signature, slots = body[number]
        if signature.name in PRODUCTS:
            reduced.update(slots[1:])
        elif not (quick and chooses(signature)) and (
            signature.name not in ("relu", "add") or starts[number] in reduced
        ):
            reduced.update(slots)
        elif signature.name == "relu":
            found.append(number)
    return frozenset(found)
