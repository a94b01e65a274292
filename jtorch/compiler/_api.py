"""The functions of ``torch.compiler`` and ``torch.compile`` itself."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from jtorch.compiler._compiled import CompiledFunction, compiled
from jtorch.compiler._config import state
from jtorch.compiler._errors import InvalidBackend
from jtorch.compiler._known_settings import ANY, INDUCTOR, MODES
from jtorch.compiler._module import OptimizedModule
from jtorch.errors import with_hint
from jtorch.nn import Module
from jtorch.trace import clear_programs, leave_session, session

__all__ = [
    "allow_in_graph", "assume_constant_result", "compile", "cudagraph_mark_step_begin", "disable", "explain",
    "get_default_backend", "is_compiling", "is_dynamo_compiling", "is_exporting", "list_backends",
    "load_cache_artifacts", "lower", "nested_compile_region", "reset", "save_cache_artifacts",
    "set_default_backend", "set_enable_guard_collectives", "set_stance", "skip_all_guards_unsafe",
    "substitute_in_graph", "wrap_numpy",
]  # fmt: skip

_BACKENDS = ("inductor", "eager", "aot_eager", "cudagraphs", "xla", "openxla", "openxla_eval")
#: Options of ``compile`` itself.
_OWN_OPTIONS = frozenset({"guard_filter_fn", "use_aoti"})


def compile(
    model: Callable[..., Any] | None = None,
    *,
    fullgraph: bool = False,
    dynamic: bool | None = None,
    backend: str | Callable[..., Any] | None = None,
    mode: str | None = None,
    options: dict[str, Any] | None = None,
    name: str | None = None,
    disable: bool = False,
    recompile_limit: int | None = None,
    isolate_recompiles: bool = False,
    shapes_spec: Any = None,
) -> Any:
    """Record a function once and run its program from then on (``torch.compile``).

    The function may be a model or a whole training step: ``backward()``, gradient clipping,
    ``optimizer.step()``, ``zero_grad()``, schedulers, batch statistics and random numbers are part of the
    program. A call with other shapes, dtypes or Python numbers, or after a change of something that the
    function reads (a module's mode, a global number), is recorded anew; :func:`jtorch.explain` says why.

    A line that decides by the truth of a tensor (``if loss > 1:``) splits the program: the part before it
    runs, and then the part that was recorded for this case. Numbers that ``.item()`` reads may be returned,
    computed with, compared, and used in operations. Any other line that needs the value of a tensor
    (``print``, ``float(t)``) cannot be part of a program. Such calls run uncompiled, with the same results.

    Args:
        model: the function or module; without it, a decorator is returned.
        fullgraph: raise an error that names the line instead.
        dynamic: XLA compiles a program for each combination of sizes in any case. Unless it is ``False``,
            recordings for other sizes and numbers do not count for ``config.recompile_limit``; beyond that
            many, sizes are recorded when they come for the second time.
        backend: every name that PyTorch knows means XLA; ``"eager"`` runs uncompiled. A function is not
            supported: there is no FX graph to give it.
        mode: accepted; XLA makes no difference between them.
        options: Inductor's, by the names of ``torch._inductor.list_options()``: checked, and without effect.
        name: accepted.
        disable: return the function as it is.
        recompile_limit: how often this function may be recorded; ``None``: ``config.recompile_limit``.
        isolate_recompiles: accepted; each function that this returns counts its own recordings.
        shapes_spec: not supported.

    Returns:
        The compiled function, or an :class:`OptimizedModule`.

    Raises:
        RuntimeError: both ``mode`` and ``options`` are given, or ``mode`` or an option is unknown, or one
            is of another type.
        InvalidBackend: there is no backend of that name.
        AttributeError: ``options`` is no dictionary.
        AssertionError: ``model`` cannot be called, or ``dynamic`` is no bool.
        NotImplementedError: ``backend`` is no name, or there is a ``shapes_spec``.
    """
    backend = get_default_backend() if backend is None else backend
    if model is None:

        def decorator(function: Callable[..., Any]) -> Any:
            if function is None:
                raise RuntimeError("Model can't be None")
            return compile(
                function, fullgraph=fullgraph, dynamic=dynamic, backend=backend, mode=mode, options=options,
                name=name, disable=disable, recompile_limit=recompile_limit,
                isolate_recompiles=isolate_recompiles, shapes_spec=shapes_spec,
            )  # fmt: skip

        return decorator
    _check(backend, mode, options)
    if shapes_spec is not None:
        raise NotImplementedError(
            "torch.compile(shapes_spec=...): every combination of sizes has its own program; leave it out"
        )
    if disable or backend == "eager" or getattr(model, "_torchdynamo_disable", False):
        return model
    if dynamic is not None and not isinstance(dynamic, bool):
        raise AssertionError(f"Expected enable to be a bool, got {type(dynamic)}")
    if isinstance(model, OptimizedModule):
        return model
    if isinstance(model, Module):
        return OptimizedModule(model, fullgraph, dynamic, recompile_limit)
    if not callable(model):
        raise AssertionError(f"A callable function is expected, but {type(model)} is provided.")
    if hasattr(model, "_compiled_function"):
        model = model._compiled_function.function
    return compiled(model, fullgraph, dynamic, recompile_limit)


def _check(backend: Any, mode: Any, options: Any) -> None:
    if mode is not None and options is not None:
        raise RuntimeError(
            "Either mode or options can be specified, but both can't be specified at the same time."
        )
    if not isinstance(backend, str):
        raise with_hint(
            NotImplementedError(
                "torch.compile(backend=<function>): there is no FX graph to hand to a custom backend"
            ),
            "to work on the program itself, use jtorch.compiler.lower(f, *args) or jtorch.export",
        )
    if backend not in _BACKENDS:
        raise InvalidBackend(
            f"Invalid backend: {backend!r}, see `torch._dynamo.list_backends()` for available backends."
        )
    if backend != "inductor":
        return  # as in PyTorch: these are its settings
    if mode is not None and mode not in MODES:
        raise RuntimeError(f"Unrecognized mode={mode}, should be one of: {', '.join(MODES)}")
    if options and not isinstance(options, dict):
        raise AttributeError(f"{type(options).__name__!r} object has no attribute 'items'")
    for key, value in (options or {}).items():
        if key not in _OWN_OPTIONS:
            _check_option(key, value)


def _check_option(key: Any, value: Any) -> None:
    """PyTorch's errors for an option of Inductor."""
    if not isinstance(key, str):
        raise AttributeError(f"{type(key).__name__!r} object has no attribute 'replace'")
    known = INDUCTOR.get(key.replace("-", "_"), MODES)
    if known is MODES:  # no default
        raise RuntimeError(f"Unexpected optimization option {key}, known options are {list(INDUCTOR)}")
    if known is not ANY and not isinstance(value, type(known)):
        raise RuntimeError(
            f"Unexpected type of attr {key}, got {type(value).__name__} should be {type(known).__name__}"
        )


def function_of(f: Any) -> CompiledFunction:
    """The :class:`CompiledFunction` behind what :func:`compile` returned."""
    made = getattr(f, "_compiled_function", None)
    if made is None and isinstance(f, Module):
        made = getattr(f.__dict__.get("_compiled_call_impl"), "_compiled_function", None)
    if not isinstance(made, CompiledFunction):
        raise TypeError(f"expected a compiled function or module, got {type(f).__name__}")
    return made


def explain(f: Any) -> str:
    """Why a compiled function was recorded, each time, and which calls are not replayed and why."""
    return function_of(f).explain()


def lower(f: Any, *args: Any, **kwargs: Any) -> Any:
    """The program of one call as JAX lowers it, ahead of time and without running it.

    ``lower(f, x).compile()`` has ``cost_analysis()`` and ``memory_analysis()``; ``lower(f, x).as_text()`` is
    StableHLO.

    Args:
        f: a function, a module, or what :func:`compile` made of one.
        *args: its arguments; the function runs once to be recorded, and what it changes is taken back.
        **kwargs: its keyword arguments.

    Returns:
        A ``jax.stages.Lowered``.

    Raises:
        Unsupported: the call cannot be recorded as one graph.
    """
    from jtorch.compiler._lowering import lowered  # noqa: PLC0415  # seldom needed

    return lowered(f, args, kwargs)


def disable(
    fn: Callable[..., Any] | None = None, recursive: bool = True, *, reason: str | None = None
) -> Any:
    """Keep a function out of programs: a compiled function that calls it runs uncompiled.

    Args:
        fn: the function; without it, a decorator is returned.
        recursive: accepted; what ``fn`` calls is kept out in any case.
        reason: shown in explanations.
    """
    if fn is None:
        return lambda function: disable(function, recursive, reason=reason)
    if not callable(fn):
        raise AssertionError("fn must be callable")
    inner = getattr(fn, "_compiled_function", None)
    function: Any = fn if inner is None else inner.function

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        name = getattr(function, "__qualname__", type(function).__name__)
        leave_session(f"calls {name}, which is kept out of programs" + (f" ({reason})" if reason else ""))
        stance, state.stance = state.stance, "force_eager"
        try:
            return function(*args, **kwargs)
        finally:
            state.stance = stance

    wrapper._torchdynamo_disable = True  # type: ignore[attr-defined]
    return wrapper


def is_compiling() -> bool:
    """Whether a function is being recorded."""
    return session() is not None


def is_dynamo_compiling() -> bool:
    """Whether a function is being recorded (the name in ``torch.compiler``)."""
    return session() is not None


#: Set by :func:`jtorch.export.export` while it records.
exporting = [False]


def is_exporting() -> bool:
    """Whether :func:`jtorch.export.export` is recording."""
    return exporting[0]


def reset() -> None:
    """Forget all recordings and programs (``torch.compiler.reset``)."""
    state.generation += 1
    clear_programs()


def list_backends(exclude_tags: Any = ("debug", "experimental")) -> list[str]:
    """Names that :func:`compile` takes as ``backend``; all but ``"eager"`` mean XLA."""
    return sorted(b for b in _BACKENDS if b not in ("eager", "aot_eager") or not exclude_tags)


def set_default_backend(backend: str | Callable[..., Any] | None) -> None:
    """What :func:`compile` takes for ``backend`` from now on if none is given; ``None``: ``"inductor"``."""
    _default_backend[0] = backend


def get_default_backend() -> str | Callable[..., Any]:
    """What :func:`compile` takes for ``backend`` where none is given."""
    return "inductor" if _default_backend[0] is None else _default_backend[0]


_default_backend: list[Any] = [None]


class set_stance:
    """What calls of compiled functions do from now on, or in a ``with`` block.

    Args:
        stance: ``"default"``: record and replay; ``"force_eager"``: run uncompiled;
            ``"eager_on_recompile"``: replay, and run uncompiled what was not recorded yet;
            ``"fail_on_recompile"``: raise in that case; ``"eager_then_compile"`` and
            ``"aot_eager_then_compile"``: the default, as a first call is no replay in any case.
        skip_guard_eval_unsafe: not supported.
        force_backend: only ``None``.
    """

    def __init__(
        self, stance: str = "default", *, skip_guard_eval_unsafe: bool = False, force_backend: Any = None
    ) -> None:
        if stance in ("eager_then_compile", "aot_eager_then_compile"):
            stance = "default"
        if stance not in ("default", "force_eager", "eager_on_recompile", "fail_on_recompile"):
            raise RuntimeError(f"invalid torch.compile stance '{stance}'")
        if skip_guard_eval_unsafe or force_backend is not None:
            raise NotImplementedError("set_stance(): only the stance itself is supported")
        self.previous, self.stance = state.stance, stance
        state.stance = stance

    def __enter__(self) -> set_stance:
        state.stance = self.stance
        return self

    def __exit__(self, *_: object) -> None:
        state.stance = self.previous

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        state.stance = self.previous
        stance = self.stance

        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with set_stance(stance):
                return function(*args, **kwargs)

        return wrapper


def assume_constant_result(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Mark that a function returns the same in each call: while recording, what it reads becomes a constant.

    It runs while a function is recorded, not when the recording is replayed.
    """

    @functools.wraps(fn)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        recording = session()
        if recording is None:
            return fn(*args, **kwargs)
        with recording.paused():
            return fn(*args, **kwargs)

    return wrapper


def allow_in_graph(fn: Any) -> Any:
    """Accepted: every function is recorded by running it."""
    for f in fn if isinstance(fn, list | tuple) else (fn,):
        if not callable(f):
            raise AssertionError("allow_in_graph expects a callable")
    return fn


def substitute_in_graph(
    original_fn: Any, *, can_constant_fold_through: bool = False, skip_signature_check: bool = False
) -> Any:
    """Accepted, as the decorator of a function that does the same: the original is recorded by running it.

    Raises:
        TypeError: ``original_fn`` is no function.
    """
    if not callable(original_fn):
        raise TypeError(f"substitute_in_graph expects a function but got {type(original_fn)!r}")
    return lambda traceable_fn: traceable_fn


def nested_compile_region(
    fn: Any = None, *, options: Any = None, max_reuse_entries: int = 8, reuse_hash_fn: Any = None
) -> Any:
    """Accepted: a region is compiled with what surrounds it."""
    return (lambda function: function) if fn is None else fn


def wrap_numpy(fn: Any) -> Any:
    """Not supported: NumPy is not traced."""
    raise NotImplementedError("torch.compiler.wrap_numpy: NumPy is not traced; write the function with torch")


def save_cache_artifacts() -> None:
    """Nothing to hand over: programs are kept in the folder that ``JTORCH_CACHE_DIR`` names."""


def load_cache_artifacts(serialized_artifacts: bytes) -> None:
    """Accepted; programs are kept in the folder that ``JTORCH_CACHE_DIR`` names."""


def skip_all_guards_unsafe(guard_entries: Any) -> list[bool]:
    """For ``options={"guard_filter_fn": ...}``, which is taken and never asked: all guards are checked."""
    return [False for _ in guard_entries]


def cudagraph_mark_step_begin() -> None:
    """Nothing to do: programs do not share output memory from step to step."""


def set_enable_guard_collectives(enabled: bool) -> bool:
    """Accepted; processes do not compare their recordings. Returns the former setting, ``False``."""
    return False
