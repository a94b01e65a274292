"""A compiled graph: what it computes, in which order it takes its operands, and what it may overwrite."""

from __future__ import annotations

import array as arrays_of_numbers
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import numpy as np
from jax.sharding import SingleDeviceSharding

from jtorch.ops._ranking import computed_once
from jtorch.trace import _channels_last as channels_last
from jtorch.trace._graph import Signature, series, settings
from jtorch.trace._maxima import unreduced
from jtorch.trace._metrics import counters
from jtorch.trace._options import jit, tolerant
from jtorch.trace._packing import kernels, packed

__all__ = ["Program", "evaluate", "results"]

#: Operations that choose the largest or smallest of some elements.
EXTREMES = frozenset({"amax", "amin", "aminmax", "max", "max.dim", "min", "min.dim"})
#: A parameter's update is looked for within so many ops of its old value.
REPLACED_WITHIN = 4


class Program:
    """A compiled graph: numbers and leaves in, the outputs of ``live`` slots out."""

    # fmt: off
    __slots__ = (
        "build", "call", "count", "device", "donated", "held", "leaves", "places", "seconds", "title",
    )
    # fmt: on

    def __init__(
        self,
        body: Sequence[tuple[Signature, Sequence[int]]],
        live: Sequence[int],
        leaves: int,
        donated: Sequence[int],
        floats: int,
        ints: int,
        device: Any,
    ) -> None:
        """Prepare; the first run traces and compiles. ``donated`` are the indices of the leaves given up."""
        pairs = _successors(body, live, donated)
        donated = list(pairs)
        # JAX gives a donated buffer to the first result of its aval, so successors come first.
        wanted = [*pairs.values(), *(slot for slot in live if slot not in pairs.values())]
        self.places = [wanted.index(slot) for slot in live] if pairs else None
        keep = frozenset(donated)
        self.donated = tuple(donated)
        self.leaves = tuple(i for i in range(leaves) if i not in keep)
        self.seconds = 0.0
        self.device = device
        self.held: list[tuple[bytes, Any]] = [(b"", None), (b"", None)]
        order = (*self.leaves, *donated)
        cpu = device.platform == "cpu"
        places = [self.leaves.index(i) for i in kernels(body, live) if i not in keep] if cpu else []

        def program(given: Sequence[Any], numbers: Any, integers: Any, *kept: Any) -> list[Any]:
            arrays: list[Any] = [None] * len(order)
            for i, a in zip(order, (*kept, *given), strict=True):
                arrays[i] = a
            for place in places:
                i = self.leaves[place]
                arrays[i] = channels_last.Kernel(arrays[i])
            return results(body, arrays, numbers, integers, wanted, device.platform, bool(places))

        # jit's own call is the fast one: compiled ahead of time, NumPy operands would go a slow way. With the
        # operands' place unsaid, jit would compile anew for each mixture of NumPy and device arrays.
        place = SingleDeviceSharding(device)
        build = partial(
            jit,
            program,
            device.platform,
            quick=bool(places),
            donate_argnums=0 if donated else (),
            in_shardings=place,
            out_shardings=place,
        )
        self.build = partial(_packing, build, places) if places else build
        self.call: Any = None  # made by the first run
        self.count = len(body)
        names = list(dict.fromkeys(signature.name for signature, _ in body))
        self.title = f"program of {len(body)} ops: {', '.join(names[:4])}" + (", ..." if names[4:] else "")

    def run(self, arrays: list[Any], floats: list[float], ints: list[int]) -> list[Any]:
        """Execute, asynchronously on every device; the first run compiles."""
        listener = settings.listener
        if listener is not None:
            listener.begin()
        new = not self.seconds
        given, kept = [], arrays
        if self.donated:
            given = [arrays[i] for i in self.donated]
            kept = [arrays[i] for i in self.leaves]
        numbers = self._on_device(0, floats) if floats else None
        integers = self._on_device(1, ints) if ints else None
        if not new:
            result: list[Any] = self.call(given, numbers, integers, *kept)
        else:
            started = time.perf_counter()
            self.call, result = tolerant(self.build, given, numbers, integers, *kept)
            self.seconds = time.perf_counter() - started
            counters.compile_seconds += self.seconds
        if listener is not None:
            jax.block_until_ready(result)
            listener.end(("compile and run " if new else "") + self.title)
        return result if self.places is None else [result[i] for i in self.places]

    def _on_device(self, which: int, numbers: Sequence[float]) -> Any:
        """Numbers as an operand; those that stay the same from run to run are kept on the device."""
        bits, device_array = self.held[which]
        mine = arrays_of_numbers.array("q" if which else "d", numbers).tobytes()
        if bits != mine:
            self.held[which] = (mine, None)
            return np.frombuffer(mine, np.int64 if which else np.float64)
        if device_array is None:
            device_array = jax.device_put(np.frombuffer(mine, np.int64 if which else np.float64), self.device)
            self.held[which] = (mine, device_array)
        return device_array


def evaluate(
    body: Sequence[tuple[Signature, Sequence[int]]],
    arrays: Sequence[Any],
    floats: Any,
    ints: Any,
    outputs: list[Any] | None = None,
    apply: Callable[[int, Signature, Sequence[Any]], Sequence[Any]] | None = None,
) -> list[Any]:
    """Apply the operations of a graph.

    Args:
        body: operations with the slots of their operands.
        arrays: the leaves.
        floats: the numbers that are floats, an array or a sequence.
        ints: the others.
        outputs: results of operations before ``body``.
        apply: how an operation, at some place in ``body``, is applied to its operands.

    Returns:
        All results, by slot.
    """
    outputs = [] if outputs is None else outputs
    for number, (signature, slots) in enumerate(body):
        if signature.name in EXTREMES and any(slots[0] in later for _, later in body[number + 1 :]):
            _hold(outputs, slots[0])
        operands = []
        for slot in slots:
            if slot >= 0:
                operands.append(outputs[slot])
            else:
                kind, index = series(slot)
                operands.append((arrays, floats, ints)[kind][index])
        with jax.named_scope(signature.name):
            outputs.extend(
                signature.traced(*operands) if apply is None else apply(number, signature, operands)
            )
    return outputs


def _hold(outputs: list[Any], slot: int) -> None:
    """Let what compares elements with the largest or smallest of them see what that was chosen from."""
    if slot >= 0 and getattr(outputs[slot], "dtype", None) in (np.float32, np.float64):
        outputs[slot] = computed_once(outputs[slot])


def _packing(build: Callable[[], Any], places: Sequence[int]) -> Callable[..., Any]:
    """A program that is given kernels in PyTorch's order, though it wants those at ``places`` packed."""
    call = build()

    def packing(given: Any, numbers: Any, integers: Any, *kept: Any) -> Any:
        arrays = list(kept)
        for place in places:
            arrays[place] = packed(arrays[place])
        return call(given, numbers, integers, *arrays)

    return packing


def results(
    body: Sequence[tuple[Signature, Sequence[int]]],
    arrays: Sequence[Any],
    floats: Any,
    ints: Any,
    wanted: Sequence[int],
    platform: str | None,
    quick: bool = False,
) -> list[Any]:
    """What :func:`evaluate` makes of a whole program, the results in ``wanted`` slots.

    Args:
        body: as there.
        arrays: as there, some of them kernels.
        floats: as there.
        ints: as there.
        wanted: slots.
        platform: the one that it is for, if it is for one only.
        quick: whether it should compile fast.
    """
    if platform != "cpu":
        outputs = evaluate(body, arrays, floats, ints)
        return [outputs[i] for i in wanted]
    maxima = unreduced(body, quick)
    images = any(channels_last.convolves(signature) for signature, _ in body)
    if not images and not maxima:
        outputs = evaluate(body, arrays, floats, ints)
        return [outputs[i] for i in wanted]

    def apply(number: int, signature: Signature, operands: Sequence[Any]) -> Sequence[Any]:
        if images:
            return channels_last.apply(signature, operands, quick, number in maxima)
        return (channels_last.positive(*operands),) if number in maxima else signature.traced(*operands)

    outputs = evaluate(body, arrays, floats, ints, apply=apply)
    return [channels_last.plain(outputs[i]) for i in wanted]


def _successors(
    body: Sequence[tuple[Signature, Sequence[int]]], live: Sequence[int], donated: Sequence[int]
) -> dict[int, int]:
    """For each donated leaf the result that takes its memory over: ``{leaf: output slot}``.

    It is the result that the fewest ops lead to, all of the leaf's own aval: the update of a parameter, not
    its gradient. A buffer handed to any other result would have to be copied first: the update reads it.
    Leaves that are kept have their results, too: the memory of a moment is for the moment, not for the
    parameter that is updated with it.
    """
    free = set(live)
    paired: set[int] = set()
    carried: dict[int, dict[int, int]] = {}  # output slot -> {leaf: ops between}
    found = []
    slot = 0
    for number, (signature, slots) in enumerate(body if donated else ()):
        for place, (source, aval) in enumerate(zip(slots, signature.operands, strict=True)):
            kind, leaf = (0, -1) if source >= 0 else series(source)
            origins = carried.get(source, {}) if source >= 0 else {leaf: 0} if not kind else {}
            for origin, distance in origins.items():
                for output, result in enumerate(signature.outputs):
                    if result is not aval:
                        continue
                    if slot + output in free:
                        found.append((distance, -number, place, output, origin, slot + output))
                    elif distance < REPLACED_WITHIN:
                        carried.setdefault(slot + output, {}).setdefault(origin, distance + 1)
        slot += len(signature.outputs)
    pairs: dict[int, int] = {}
    for _, _, _, _, origin, successor in sorted(found):
        if origin not in paired and successor in free:
            pairs[origin] = successor
            paired.add(origin)
            free.discard(successor)
    return {leaf: pairs[leaf] for leaf in donated if leaf in pairs}
