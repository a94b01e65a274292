"""Computing activations again in the backward instead of keeping them (``torch.utils.checkpoint``).

XLA merges equal computations of one program, which would undo this. So what is computed again starts from an
optimisation barrier over the inputs and the gradients that have arrived: it can neither be merged with the
forward nor be moved before the backward.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from jtorch.autograd.function import Function
from jtorch.autograd.graph import saved_tensors_hooks
from jtorch.dispatch import autocast_state
from jtorch.errors import warn_user
from jtorch.ops._registry import OPS
from jtorch.tape import is_running, running
from jtorch.tensor import Tensor
from jtorch.tensor._autograd import backward, enable_grad, is_grad_enabled, no_grad
from jtorch.tensor._core import from_value, run, value_of
from jtorch.tensor._custom import Saved, tie
from jtorch.tensor._random import StreamStates
from jtorch.trace import Value

__all__ = [
    "CheckpointError",
    "CheckpointFunction",
    "check_backward_validity",
    "checkpoint",
    "checkpoint_sequential",
    "detach_variable",
    "noop_context_fn",
    "set_checkpoint_debug_enabled",
    "set_checkpoint_early_stop",
]


class CheckpointError(RuntimeError):
    """What was computed again differs from the first time."""


class _Settings:
    early_stop: bool | None = None
    debug: bool | None = None


_settings = _Settings()


def noop_context_fn() -> tuple[AbstractContextManager[Any], AbstractContextManager[Any]]:
    """Two contexts that do nothing."""
    return nullcontext(), nullcontext()


@contextmanager
def set_checkpoint_early_stop(enable: bool) -> Iterator[None]:
    """Inside, checkpoints are made that stop computing again once all that is needed is known, or do not."""
    previous, _settings.early_stop = _settings.early_stop, enable
    try:
        yield
    finally:
        _settings.early_stop = previous


@contextmanager
def set_checkpoint_debug_enabled(enabled: bool | None) -> Iterator[None]:
    """Accepted and without effect: errors of checkpoints do not list operations."""
    previous, _settings.debug = _settings.debug, enabled
    try:
        yield
    finally:
        _settings.debug = previous


def detach_variable(inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Tensors without their history, requiring grad as before.

    Raises:
        RuntimeError: no tuple was given.
    """
    if not isinstance(inputs, tuple):
        raise RuntimeError(
            f"Only tuple of tensors is supported. Got Unsupported input type: {type(inputs).__name__}"
        )
    return tuple(x.detach().requires_grad_(x.requires_grad) if isinstance(x, Tensor) else x for x in inputs)


def check_backward_validity(inputs: Iterable[Any]) -> None:
    """Warn if no input requires grad."""
    if not any(x.requires_grad for x in inputs if isinstance(x, Tensor)):
        warn_user("None of the inputs have requires_grad=True. Gradients will be None")


def _barrier(tensors: Sequence[Any], gradients: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """Both lists behind one barrier, so that the first is not read before the second is known.

    Args:
        tensors: inputs of what is computed again; anything but tensors passes.
        gradients: values or tensors.
    """
    plain = [isinstance(g, Value) for g in gradients]
    given = [from_value(g) if p else g for g, p in zip(gradients, plain, strict=True)]
    device = next((x.device for x in (*given, *tensors) if isinstance(x, Tensor)), None)
    places = [i for i, x in enumerate(tensors) if isinstance(x, Tensor) and x.device == device]
    if not places:
        return list(tensors), list(gradients)
    made = run(OPS["_barrier"], ([*(tensors[i] for i in places), *given], 0))
    made = made if isinstance(made, tuple) else (made,)
    behind = list(tensors)
    for i, x in zip(places, made, strict=False):
        behind[i] = x
    rest = made[len(places) :]
    return behind, [value_of(g) if p else g for g, p in zip(rest, plain, strict=True)]


class _Surroundings:
    """Autocast and the states of the random streams at one moment, and a way to go back to them for a while.

    Args:
        keep: whether random numbers are drawn again.
    """

    def __init__(self, keep: bool) -> None:
        self.autocast = autocast_state.snapshot()
        self.streams = StreamStates() if keep else None

    @contextmanager
    def again(self) -> Iterator[None]:
        """Inside, things are as they were."""
        streams = nullcontext() if self.streams is None else self.streams.again()
        with streams, autocast_state.as_in(self.autocast):
            yield


# ---- inside another backward ------------------------------------------------------------------------------


class CheckpointFunction(Function):
    """A function whose backward runs it again, and a backward pass of its own through it."""

    @staticmethod
    def forward(ctx: Any, run_function: Any, preserve_rng_state: bool, *args: Any) -> Any:
        """Run the function without history."""
        check_backward_validity(args)
        ctx.run_function = run_function
        ctx.surroundings = _Surroundings(preserve_rng_state)
        ctx.inputs = [None if isinstance(x, Tensor) else x for x in args]
        ctx.tensor_indices = [i for i, x in enumerate(args) if isinstance(x, Tensor)]
        ctx.save_for_backward(*(args[i] for i in ctx.tensor_indices))
        with no_grad():
            return run_function(*args)

    @staticmethod
    def backward(ctx: Any, *args: Any) -> Any:
        """Run the function again, with history, and go back through it."""
        if running().inputs is not None:
            raise RuntimeError(
                "When use_reentrant=True, torch.utils.checkpoint is incompatible with .grad() or passing an "
                "`inputs` parameter to .backward(). To resolve this error, you can either set "
                "use_reentrant=False, or call .backward() without passing the `inputs` argument."
            )
        inputs = list(ctx.inputs)
        for i, t in zip(ctx.tensor_indices, ctx.saved_tensors, strict=True):
            inputs[i] = t
        places = [i for i, g in enumerate(args) if g is not None]
        behind, gradients = _barrier([_plain(x) for x in inputs], [args[i] for i in places])
        given = dict(zip(places, gradients, strict=True))
        detached = tuple(
            b.detach().requires_grad_(x.requires_grad) if isinstance(x, Tensor) else x
            for x, b in zip(inputs, behind, strict=True)
        )
        with ctx.surroundings.again(), enable_grad():
            outputs = ctx.run_function(*detached)
        if isinstance(outputs, Tensor):
            outputs = (outputs,)
        pairs = [
            (o, given.get(i)) for i, o in enumerate(outputs) if isinstance(o, Tensor) and o.requires_grad
        ]
        if not pairs:
            raise RuntimeError("none of output has requires_grad=True, this checkpoint() is not necessary")
        backward([o for o, _ in pairs], [g for _, g in pairs])
        return (None, None, *(x.grad if isinstance(x, Tensor) else None for x in detached))


def _plain(x: Any) -> Any:
    return x.detach() if isinstance(x, Tensor) else x


# ---- through hooks on saved values ------------------------------------------------------------------------


class _Stop(Exception):
    """All that is needed has been computed again."""


class _Frame:
    """One call of a checkpointed function.

    Attributes:
        metadata: of each value that its operations saved.
        values: what they saved when they ran again.
        task: the backward pass in which they did.
    """

    def __init__(self, again: Callable[..., Any], args: Sequence[Any], check: Any, early_stop: bool) -> None:
        self.again, self.check, self.early_stop = again, check, early_stop
        # Inside another checkpoint, the inputs are for that one to compute again.
        self.args = [Saved(x, -1) if isinstance(x, Tensor) else x for x in args]
        self.requires = [isinstance(x, Tensor) and x.requires_grad for x in args]
        self.metadata: list[Any] = []
        self.values: list[Any] = []
        self.task = 0
        self.completed = False

    def compute(self, task: int, gradients: Sequence[Any]) -> list[Any]:
        """Run the function again; returns the gradients from behind the barrier."""
        gradients = tie([x for x in self.args if isinstance(x, Saved)], gradients)
        inputs = [x.restore(None) if isinstance(x, Saved) else x for x in self.args]
        behind, gradients = _barrier([_plain(x) for x in inputs], gradients)
        for i, x in enumerate(inputs):
            if isinstance(x, Tensor):
                behind[i] = behind[i].detach().requires_grad_(self.requires[i])
        self.values, self.task = [], task
        try:
            with _Again(self), enable_grad():
                self.again(*behind)
        except _Stop:
            pass
        self.verify()
        return list(gradients)

    def verify(self) -> None:
        """Compare with the first time.

        Raises:
            CheckpointError: more, fewer or other values were saved.
        """
        if not self.completed:
            return
        if len(self.values) != len(self.metadata):
            raise CheckpointError(
                "torch.utils.checkpoint: A different number of tensors was saved during the original "
                "forward and recomputation.\nNumber of tensors saved during forward: "
                f"{len(self.metadata)}\nNumber of tensors saved during recomputation: {len(self.values)}.\n"
            )
        different = ""
        for i, (first, x) in enumerate(zip(self.metadata, self.values, strict=True)):
            if first != self.check(x):
                different += (
                    f"tensor at position {i}:\nsaved metadata: {first}\nrecomputed metadata: "
                    f"{self.check(x)}\n"
                )
        if different:
            raise CheckpointError(
                "torch.utils.checkpoint: Recomputed values for the following tensors have different "
                f"metadata than during the forward pass.\n{different}.\n"
            )


class _First(saved_tensors_hooks):
    """The first run: nothing is kept but the number of each value."""

    def __init__(self, frame: _Frame) -> None:
        def note(tensor: Any) -> tuple[_Frame, int]:
            frame.metadata.append(frame.check(tensor))
            return frame, len(frame.metadata) - 1

        super().__init__(note, _read)

    @staticmethod
    def tie(content: tuple[_Frame, int], gradients: Sequence[Any]) -> Sequence[Any]:
        """Compute again before the first value is read in a backward pass."""
        frame, _ = content
        task = _task()
        return gradients if frame.task == task else frame.compute(task, gradients)


def _task() -> int:
    """The number of the backward pass under way; 0 outside of one."""
    return running().number if is_running() else 0


def _read(content: tuple[_Frame, int]) -> Any:
    frame, i = content
    task = _task()
    if frame.task != task or not task:
        frame.compute(task, [])
    value = frame.values[i]
    if value is None:
        raise CheckpointError(
            "torch.utils.checkpoint: Unpack is being triggered for a tensor that was already unpacked once. "
            "If you are calling ctx.saved_tensors in backward, make sure to do so only once. Otherwise "
            "please open an issue with details on your use case."
        )
    frame.values[i] = None
    return value


class _Again(saved_tensors_hooks):
    """The second run: values are kept."""

    def __init__(self, frame: _Frame) -> None:
        def keep(tensor: Any) -> Any:
            if len(frame.values) >= len(frame.metadata):
                if not frame.completed:
                    return tensor.detach()
                raise CheckpointError(
                    "torch.utils.checkpoint: trying to save more tensors during recomputation than during "
                    "the original forward pass.\n"
                )
            kept = from_value(value_of(tensor))
            frame.values.append(kept)
            if frame.early_stop and frame.completed and len(frame.values) == len(frame.metadata):
                raise _Stop
            return kept

        super().__init__(keep, lambda kept: kept)


def _described(x: Any) -> Any:
    return {"shape": x.shape, "dtype": x.dtype, "device": x.device}


_CHECKS: dict[str, Callable[[Any], Any]] = {"default": _described, "none": lambda x: None}


def _without_reentry(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    preserve: bool,
    context_fn: Callable[[], tuple[Any, Any]],
    check: str,
    early_stop: bool,
) -> Any:
    if check not in _CHECKS:
        raise ValueError(f"determinism_check should be one of {list(_CHECKS)}, but got {check}")
    first, second = context_fn()
    surroundings = _Surroundings(preserve)
    if not is_grad_enabled():
        with first:
            return function(*args, **kwargs)

    def again(*inputs: Any) -> None:
        with surroundings.again(), second:
            function(*inputs, **kwargs)

    stop = early_stop if _settings.early_stop is None else _settings.early_stop
    frame = _Frame(again, args, _CHECKS[check], stop)
    with _First(frame), first:
        result = function(*args, **kwargs)
    frame.completed = True
    return result


# ---- the functions ----------------------------------------------------------------------------------------


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool | None = None,
    context_fn: Callable[[], tuple[Any, Any]] = noop_context_fn,
    determinism_check: str = "default",
    debug: bool = False,
    early_stop: bool = True,
    **kwargs: Any,
) -> Any:
    """Call a function without keeping what its backward needs; that is computed again when it is wanted.

    Args:
        function: to call; it has to do the same when it is called again.
        *args: its arguments.
        use_reentrant: run a backward pass of its own inside the backward; ``False`` is recommended, and knows
            ``autograd.grad``, keyword arguments and nesting.
        context_fn: makes two contexts, for the first and for the second call.
        determinism_check: compare shapes, dtypes and devices of the two calls (``"default"``), or not
            (``"none"``).
        debug: accepted and without effect.
        early_stop: leave the second call once all that is needed is known.
        **kwargs: ``preserve_rng_state=False`` lets the second call draw other random numbers; the rest goes
        to
            the function.

    Returns:
        What the function returned.
    """
    if use_reentrant is None:
        warn_user(
            "torch.utils.checkpoint: the use_reentrant parameter should be passed explicitly. Starting in "
            "PyTorch 2.9, calling checkpoint without use_reentrant will raise an exception. "
            "use_reentrant=False is recommended, but if you need to preserve the current default behavior, "
            "you can pass use_reentrant=True. Refer to docs for more details on the differences between the "
            "two variants."
        )
        use_reentrant = True
    preserve = kwargs.pop("preserve_rng_state", True)
    if not use_reentrant:
        return _without_reentry(function, args, kwargs, preserve, context_fn, determinism_check, early_stop)
    if kwargs:
        raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
    if context_fn is not noop_context_fn or debug is not False:
        raise ValueError("Passing `context_fn` or `debug` is only supported when use_reentrant=False.")
    return CheckpointFunction.apply(function, preserve, *args)


def checkpoint_sequential(
    functions: Any, segments: int, input: Any, use_reentrant: bool | None = None, **kwargs: Any
) -> Any:
    """Call functions one after the other, in segments that are checkpointed, all but the last.

    Args:
        functions: a list of them, or a ``Sequential``.
        segments: how many.
        input: of the first.
        use_reentrant: as in :func:`checkpoint`.
        **kwargs: ``preserve_rng_state``, as in :func:`checkpoint`.
    """
    if use_reentrant is None:
        warn_user(
            "torch.utils.checkpoint.checkpoint_sequential: the use_reentrant parameter should be passed "
            "explicitly. In version 2.9 we will raise an exception if use_reentrant is not passed. "
            "use_reentrant=False is recommended, but if you need to preserve the current default behavior, "
            "you can pass use_reentrant=True. Refer to docs for more details on the differences between the "
            "two variants."
        )
        use_reentrant = True
    preserve = kwargs.pop("preserve_rng_state", True)
    if kwargs:
        raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
    if hasattr(functions, "children"):
        functions = functions.children()
    parts = list(functions)

    def part(start: int, stop: int) -> Callable[[Any], Any]:
        def forward(x: Any) -> Any:
            for f in parts[start:stop]:
                x = f(x)
            return x

        return forward

    size = len(parts) // segments
    for start in range(0, size * (segments - 1), size):
        input = checkpoint(
            part(start, start + size), input, use_reentrant=use_reentrant, preserve_rng_state=preserve
        )
    return part(size * (segments - 1), len(parts))(input)
