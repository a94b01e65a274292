"""Undoing what a recorded call did."""

from __future__ import annotations

from collections.abc import Callable

from jtorch.compiler._guards import Guards
from jtorch.compiler._session import RAISED, Draw, Numbers, Session
from jtorch.optim._fused import NumberStorage
from jtorch.tensor import Tensor
from jtorch.trace import host_array

__all__ = ["host_state", "take_back"]


def host_state(guards: Guards, session: Session) -> Callable[[], None]:
    """What undoes a call's effects on the host: counts of optimizers, and random numbers drawn."""
    numbers = [
        (t._storage, t._storage.number)
        for optimizer in guards.optimizers
        for state in optimizer.state.values()
        for t in state.values()
        if isinstance(t, Tensor) and type(t._storage) is NumberStorage
    ]

    def undo() -> None:
        for stream, state in session.streams.values():
            stream.set_state(state)
        known = {id(storage) for storage, _ in numbers}
        for optimizer in guards.optimizers:
            for state in optimizer.state.values():
                for t in state.values():
                    storage = t._storage if isinstance(t, Tensor) else None
                    if type(storage) is NumberStorage and id(storage) not in known:
                        storage.number = 0.0  # counting began in this call
        for storage, number in numbers:
            if number is not None:
                storage.number = number

    return undo


def take_back(session: Session, guards: Guards) -> bool:
    """Undo what a call did that raised an error after it had read numbers.

    ``False``: it did something that cannot be undone, or the recording had ended before.
    """
    if session.broken != RAISED or not session.numbers_read:
        return False
    if any(type(action) not in (Numbers, Draw) for action in session.actions):
        return False
    states = [state for optimizer in guards.optimizers for state in optimizer.state.values()]
    if any(id(t._storage) in session.fresh for s in states for t in s.values() if isinstance(t, Tensor)):
        return False
    for t in session.touched.values():
        own = t.storage.__dict__
        own["value"] = None if t.buffer is not None else t.value
        if t.buffer is not None:
            t.buffer[...] = host_array(t.value)
        t.storage.version, t.storage.writes = t.version, t.writes
    for log in session.grads.values():
        log.tensor._grad = log.initial
    session.forget_cached()
    return True
