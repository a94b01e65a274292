"""``jtorch.compile``: record a function once, replay the program afterwards."""

from __future__ import annotations

import functools
import inspect
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from typing import Any

from jtorch import devices, dtypes
from jtorch.compiler import _straight
from jtorch.compiler._assembly import Assembly
from jtorch.compiler._config import config, state
from jtorch.compiler._errors import FailOnRecompileLimitHit, RecompileError, Unsupported
from jtorch.compiler._following import LAZY, follow
from jtorch.compiler._footprint import Footprint
from jtorch.compiler._forks import MAX_PATHS, Fork, Path
from jtorch.compiler._guards import Guards, Names
from jtorch.compiler._keys import Unguarded, difference, identities, key_of, loosened
from jtorch.compiler._recorded import STALE, Recorded
from jtorch.compiler._results import NotReplayable, Unsettled, plainly, unfit
from jtorch.compiler._session import Session
from jtorch.compiler._straight import MISSED
from jtorch.compiler._undoing import host_state, take_back
from jtorch.dispatch import autocast_state, modes
from jtorch.errors import warn_user
from jtorch.nn import Module
from jtorch.ops._cudnn_lstm import cudnn_enabled
from jtorch.ops._precision import precision
from jtorch.tape import sequence
from jtorch.tensor._core import value_of
from jtorch.tensor._random import has_key, in_transform
from jtorch.trace import Value, counters, flush_all, session

__all__ = ["CompiledFunction"]

#: Lines of :meth:`CompiledFunction.explain` that are kept: calls that raise errors are recorded each time.
MAX_REASONS = 1000
_TOO_MANY = f"it decides in more than {MAX_PATHS} ways"


def _surroundings() -> tuple[Any, ...]:
    """Switches that change what operations do."""
    cast = autocast_state.enabled
    return (
        modes.level, modes.watch and (modes.anomaly, modes.saved_hooks, modes.unchecked),
        dtypes.get_default_dtype(), devices.default_device(), precision(), cudnn_enabled(),
        (frozenset(cast), *autocast_state.dtypes.items()) if cast else None, has_key(),
    )  # fmt: skip


class Sizes:
    """Calls that differ in sizes and numbers alone.

    Attributes:
        recorded: how many were.
        seen: the others, which are recorded if they come again.
    """

    __slots__ = ("recorded", "seen")

    def __init__(self) -> None:
        self.recorded = 0
        self.seen: OrderedDict[Any, None] = OrderedDict()

    def worth(self, key: Any, limit: int) -> bool:
        """Whether to record a call: not the first of its sizes once there are ``limit``."""
        if self.recorded < limit or key in self.seen:
            self.seen.pop(key, None)
            return True
        self.seen[key] = None
        if len(self.seen) > config.accumulated_recompile_limit:
            self.seen.popitem(last=False)
        return False


class Variant:
    """What is known of one kind of call.

    Attributes:
        recorded: recordings, the last one used first; they differ in what they depend on besides arguments.
        lazy: why such calls are not replayed.
        paths: decisions after which they are not.
        lost: replays that came to such an end.
        unsettled: the first call changed what it depends on.
        reads: what a call found that read numbers and kept them nowhere: later ones are recorded with objects
            in their place. ``None``: such a read ends the recording.
        tried: decisions of calls that read numbers, after which those were kept nowhere either.
    """

    __slots__ = ("kept", "lazy", "lost", "paths", "reads", "recorded", "tried", "unsettled")

    def __init__(self) -> None:
        self.recorded: list[Recorded] = []
        self.lazy: str | None = None
        self.paths: list[Path] = []
        self.lost = 0
        self.unsettled = False
        self.reads: Guards | None = None
        self.tried: set[Any] = set()
        self.kept: list[Any] = []


class CompiledFunction:
    """A function whose calls are recorded once per kind of arguments and replayed afterwards.

    See :func:`jtorch.compile` for the arguments.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        fullgraph: bool,
        donate: bool = True,
        dynamic: bool | None = None,
        recompile_limit: int | None = None,
    ) -> None:
        self.function, self.fullgraph, self.donate = function, fullgraph, donate
        self.dynamic, self.recompile_limit = dynamic, recompile_limit
        #: sizes and numbers of calls with otherwise equal arguments, by what else the arguments are
        self.sizes: dict[Any, Sizes] = {}
        self.variants: dict[Any, Variant] = {}
        self.recordings = 0
        self.reasons: deque[str] = deque(maxlen=MAX_REASONS)
        #: replays what was replayed last, for the same kind of call
        self.straight: Any = None
        self.last: Any = None
        owner = getattr(function, "__self__", None)
        if isinstance(owner, Module):
            self.name = type(owner).__name__
        else:
            self.name = getattr(function, "__qualname__", None) or type(function).__name__
        self.name = self.name.replace("<locals>.", "")
        self.generation = state.generation
        code = getattr(function, "__code__", None)
        self.file = ("<unknown>", 0) if code is None else (code.co_filename, code.co_firstlineno)
        self.plain = inspect.isgeneratorfunction(function) or inspect.iscoroutinefunction(function)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        straight = self.straight
        if straight is not None:
            result = straight(args, kwargs)
            if result is not MISSED:
                return result
        if state.stance == "force_eager" or self.plain or session() is not None or in_transform():
            return self.function(*args, **kwargs)
        if modes.duals is not None:  # no program computes tangents along
            return self.function(*args, **kwargs)
        if self.generation != state.generation:
            self.variants.clear()
            self.sizes.clear()
            self.recordings, self.generation, self.straight = 0, state.generation, None
        tensors: list[Any] = []
        try:
            key: Any = (_surroundings(), *[key_of(x, tensors) for x in args])
            if kwargs:
                key += (None, *[(k, key_of(x, tensors)) for k, x in kwargs.items()])
            if len(tensors) > 1:
                storages = [id(t._storage) for t in tensors]
                if len(set(storages)) != len(storages):
                    numbers = [id(t) for t in tensors]
                    key += (
                        tuple([storages.index(s) for s in storages]),
                        tuple([numbers.index(n) for n in numbers]),
                    )
            variant = self.variants.get(key)
        except (Unguarded, TypeError, RecursionError):
            return self.function(*args, **kwargs)
        reason = None
        if variant is not None:
            if variant.lazy is not None:
                return self.function(*args, **kwargs)
            if variant.unsettled:
                reason = "the first call changed what it depends on"
            for i, recorded in enumerate(variant.recorded):
                changed = recorded.guards.broken()
                if changed is None and recorded.forks:
                    result, changed = follow(recorded, variant, tensors)
                    if changed is None:
                        return result
                    if type(result) is Path:
                        if variant.reads is not None and result.key() not in variant.tried:
                            return self._try(variant, recorded.guards, result, changed, args, kwargs, tensors)
                        return self._other_path(key, args, kwargs, tensors, changed, variant)
                    if result is LAZY:
                        return self._lost(variant, changed, args, kwargs)
                elif changed is None:
                    result = recorded.replay(tensors)
                    if result is not STALE:
                        if i:
                            variant.recorded.insert(0, variant.recorded.pop(i))
                        self._straighten(recorded, key[0], args, kwargs)
                        return result
                    changed = "the state that it reads has another shape, dtype or gradient"
                reason = reason or changed  # that of the one used last
        return self._record(key, args, kwargs, tensors, reason)

    def _straighten(self, recorded: Recorded, surroundings: Any, args: Any, kwargs: Any) -> None:
        """Have the next call replay what this one did on the short way, if there is one."""
        if recorded.straight is None and recorded.uses >= _straight.REPLAYS:
            written = _straight.write(recorded, _surroundings, surroundings, args, kwargs, self.generation)
            recorded.straight = written or False
        self.straight = recorded.straight or None

    def _other_path(
        self, key: Any, args: Any, kwargs: Any, tensors: Sequence[Any], why: str, variant: Variant
    ) -> Any:
        """A call decided as none before."""
        if len(variant.recorded) < MAX_PATHS:
            return self._record(key, args, kwargs, tensors, why, path=True)
        return self._lost(variant, _TOO_MANY, args, kwargs)

    def _lost(self, variant: Variant, why: str, args: Any, kwargs: Any) -> Any:
        """A replay was begun for nothing. If most are, no further ones begin."""
        variant.lost += 1
        if variant.lost > MAX_PATHS and variant.lost > sum(r.uses for r in variant.recorded):
            self._unrecorded(variant, why, None)
        return self.function(*args, **kwargs)

    def find(self, args: Any) -> tuple[Recorded | None, list[Any] | None]:
        """A recording that fits a call, and the values that it would read; ``None`` where there is none."""
        tensors: list[Any] = []
        key = (_surroundings(), *[key_of(x, tensors) for x in args])
        variant = self.variants.get(key)
        if variant is None or variant.lazy is not None or self.generation != state.generation:
            return None, None
        for recorded in variant.recorded:
            if recorded.guards.broken() is None and not recorded.forks:
                values = recorded.gather(tensors)
                if values is not None:
                    return recorded, values
        return None, None

    # ---- recording

    def _why(self, key: Any, reason: str | None) -> str:
        if reason is not None:
            return reason
        if self.last is None:
            return "first call"
        for i, (a, b) in enumerate(zip(key[1:], self.last[1:], strict=False)):
            if a != b:
                return difference(a, b, f"argument {i}")
        if key[0] != self.last[0]:
            return "grad mode, autocast or another switch changed"
        return "the arguments differ in number"

    def _record(
        self,
        key: Any,
        args: Any,
        kwargs: Any,
        tensors: Sequence[Any],
        reason: str | None,
        path: bool = False,
    ) -> Any:
        why = self._why(key, reason)
        if state.stance == "eager_on_recompile":
            return self.function(*args, **kwargs)
        if state.stance == "fail_on_recompile":
            raise RuntimeError(
                "Detected recompile when torch.compile stance is 'fail_on_recompile'. "
                f"filename: '{self.file[0]}', function name: '{self.name}', line number: {self.file[1]}"
            )
        variant = self.variants.get(key)
        reading = variant is not None and variant.reads is not None and variant.reads.broken() is None
        again = path or reading
        if reading and not path:
            why = "with the numbers that it reads left open"
        if (
            config.error_on_recompile
            and self.recordings
            and not again
            and not (variant and variant.unsettled)
        ):
            raise RecompileError(
                f"Recompiling function {self.name} in {self.file[0]}:{self.file[1]}\n"
                f"    triggered by the following guard failure(s):\n    - {why}"
            )
        sizes = None if again or self.dynamic is False else self._sizes(key)
        if sizes is not None and sizes.recorded:
            if not self._worth(sizes, key, why):
                return self.function(*args, **kwargs)
        elif self.recordings >= self.limit and self.recordings and not again:
            return self._limit(args, kwargs, why)
        else:
            self.recordings += not again
        if sizes is not None:
            sizes.recorded += 1
        self.straight = None
        self.reasons.append(why)
        self.last = key
        counters.history.append(f"recorded {self.name}: {why}")
        flush_all("compile")
        guards = Guards(self.function, args, kwargs)
        variant = self.variants.setdefault(key, Variant())
        if not variant.kept:
            identities((args, kwargs), variant.kept)
        reason = guards.unseen()
        if reason is not None:
            if self.fullgraph:
                raise Unsupported(f"{self.name} cannot be recorded as one graph: {reason}")
            return self._unrecorded(variant, reason, self.function(*args, **kwargs))
        footprint = Footprint(guards, (args, kwargs), tensors, _surroundings)
        recording = Session(self.fullgraph, self.name, reading)
        names = Names(guards)
        views = self._show_views(recording, tensors)
        start = next(sequence)
        result = self._run(recording, guards, args, kwargs)
        if recording.broken is not None:
            if recording.at_read and not reading:
                return self._after_read(variant, recording, guards, names, footprint, result)
            return self._unrecorded(variant, recording.broken, plainly(result), recording.forks)
        assembly = Assembly(recording, guards, tensors, views, start)
        try:
            left = footprint.changed() or footprint.returned(result)
            if left is not None:
                raise NotReplayable(left)
            assembly.take(result)
            assembly.plan_backward()
        except NotReplayable as error:
            text = self._abandon(assembly, str(error))
            return self._unrecorded(variant, text, plainly(result), recording.forks)
        except BaseException:
            self._abandon(assembly, "the recording could not be worked out")
            raise
        del result
        try:
            assembly.assemble()
        except NotReplayable as error:
            text = str(error)
            if type(error) is Unsettled and not variant.unsettled and not variant.recorded:
                self._abandon(assembly, text)
                variant.unsettled = True
                self.reasons.append(f"not replayed: {text}; the next call is recorded again")
                return assembly.give_up()
        else:
            names.keep(guards, recording.assigned.values())
            recorded = assembly.commit()
            if not self.donate:
                recorded.donate = []
            variant.recorded.insert(0, recorded)
            return recorded.replay(tensors, first=True)
        text = self._abandon(assembly, text)
        return self._unrecorded(variant, text, assembly.give_up(), recording.forks)

    def _sizes(self, key: Any) -> Sizes | None:
        """Calls that differ from this one in sizes and numbers alone; ``None`` if it is no such call."""
        if key in self.variants:
            return None
        try:
            return self.sizes.setdefault(loosened(key), Sizes())
        except TypeError:
            return None

    def _worth(self, sizes: Sizes, key: Any, why: str) -> bool:
        """Whether to record other sizes; each has a program of its own, as XLA compiles for sizes."""
        if sizes.recorded == self.limit and not sizes.seen:
            self.reasons.append(
                f"more than {sizes.recorded} sizes or numbers, and XLA compiles a program for each: from now "
                "on those that come for the first time run uncompiled; padding to a few sizes avoids it"
            )
        if sizes.recorded >= config.accumulated_recompile_limit:
            if self.fullgraph:
                limit = config.accumulated_recompile_limit
                raise FailOnRecompileLimitHit(self._hit("accumulated_recompile_limit", limit, why))
            return False
        return self.fullgraph or sizes.worth(key, self.limit)

    @property
    def limit(self) -> int:
        """How often the function is recorded."""
        return config.recompile_limit if self.recompile_limit is None else self.recompile_limit

    def _hit(self, name: str, limit: int, why: str) -> str:
        return f"torch._dynamo hit config.{name} ({limit})\n   function: '{self.name}'\n   last reason: {why}"

    def _run(self, recording: Session, guards: Guards, args: Any, kwargs: Any) -> Any:
        """The result of a call that is recorded; if it raises an error for lack of numbers, it runs anew."""
        undo = host_state(guards, recording)
        try:
            return recording.run(self.function, args, kwargs)
        except Exception as error:
            if not take_back(recording, guards):
                raise
            why = f"raises {type(error).__name__} unless it is given the numbers that it reads"
        undo()
        result = self.function(*args, **kwargs)
        recording.broken = why
        return result

    def _try(
        self, variant: Variant, guards: Guards, way: Path, why: str, args: Any, kwargs: Any,
        tensors: Sequence[Any],
    ) -> Any:  # fmt: skip
        """Run a call that reads numbers and decides as none before, to see whether it keeps them."""
        if len(variant.recorded) >= MAX_PATHS:
            return self._lost(variant, _TOO_MANY, args, kwargs)
        names = Names(guards)
        footprint = Footprint(guards, (args, kwargs), tensors, _surroundings)
        result = self.function(*args, **kwargs)
        changed = guards.broken()
        if changed is not None:  # recordings would hold until the next such call
            return self._unrecorded(variant, f"{why}, and it changes what it depends on: {changed}", result)
        kept = names.changed() or footprint.changed() or footprint.returned(result) or unfit(result)
        if kept is None:
            variant.tried.add(way.key())
        else:
            way.lazy = f"{why}, and {kept}"
            variant.paths.append(way)
            self.reasons.append(f"not replayed: {way.lazy}")
        return result

    def _after_read(
        self, variant: Variant, recording: Session, guards: Guards, names: Names, footprint: Footprint,
        result: Any,
    ) -> Any:  # fmt: skip
        """A call read a number and went on as an ordinary one: may later ones be given a stand-in for it?"""
        text = str(recording.broken)
        changed = names.changed() or guards.broken() or footprint.changed()
        changed = changed or footprint.returned(result) or unfit(result)
        if changed is None:
            variant.reads = guards
            self.reasons.append(f"not replayed: {text}; the next call is recorded with that left open")
        elif variant.unsettled or variant.recorded:
            return self._unrecorded(variant, f"{text}, and {changed}", result, recording.forks)
        else:
            variant.unsettled = True
            self.reasons.append(f"not replayed: {text}, and {changed}; the next call is recorded again")
        return result

    def _abandon(self, assembly: Assembly, text: str) -> str:
        """Every value is put in its place again; returns why."""
        recording = assembly.session
        if recording.broken is None:
            assembly.undo()
            recording.broken = text
            recording.materialize()
            recording.settle()
            counters.history.append(f"{self.name} is not replayed: {text}")
        return recording.broken

    def _unrecorded(self, variant: Variant, text: str, result: Any, forks: Sequence[Fork] = ()) -> Any:
        if forks and any(r.forks for r in variant.recorded):
            variant.paths.append(Path(list(forks), text))
        else:
            variant.lazy = text
        self.straight = None
        self.reasons.append(f"not replayed: {text}")
        return result

    def _show_views(self, recording: Session, tensors: Sequence[Any]) -> dict[int, Value]:
        """Arguments that are views are known by what they show, not by their base."""
        shown: dict[int, Value] = {}
        for i, t in enumerate(tensors):
            if t._view is None:
                continue
            value = value_of(t)
            if value.pending:
                flush_all("compile")
            shown[i] = recording.stand_in(t, value)
        return shown

    def _limit(self, args: Any, kwargs: Any, why: str) -> Any:
        text = self._hit("recompile_limit", self.limit, why)
        if self.fullgraph:
            raise FailOnRecompileLimitHit(text)
        if config.fail_on_recompile_limit_hit:
            raise FailOnRecompileLimitHit("Hard failure due to fail_on_recompile_limit_hit")
        if not state.warned(self):
            warn_user(
                text + "\nCalls of other kinds run uncompiled from now on. A number that changes from call "
                "to call can be passed as a tensor."
            )
        return self.function(*args, **kwargs)

    def explain(self) -> str:
        """Why the function was recorded, and what is not replayed, one line each."""
        return "\n".join(f"{self.name}: {r}" for r in self.reasons)


def compiled(
    function: Callable[..., Any],
    fullgraph: bool,
    dynamic: bool | None = None,
    recompile_limit: int | None = None,
) -> Any:
    """``function`` with its calls recorded and replayed."""
    made = CompiledFunction(function, fullgraph, dynamic=dynamic, recompile_limit=recompile_limit)

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return made(*args, **kwargs)

    wrapper._compiled_function = made  # type: ignore[attr-defined]
    wrapper._torchdynamo_orig_callable = function  # type: ignore[attr-defined]
    return wrapper
