"""Random numbers as tensors: the generator, and the functions and in-place methods that draw from it.

On the CPU numbers are drawn when asked for, with PyTorch's bits (:mod:`jtorch.rng`), and are host data
like any other: a recorded program holds them as operands, so a replayed program never repeats them. On
accelerators, and inside JAX's transforms, they are recorded operations (:mod:`jtorch.tensor._counter_draws`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any

import numpy as np
from jax._src.core import trace_state_clean  # JAX has no public way to ask whether a transform is under way

from jtorch import dtypes
from jtorch.devices import CPU, META, as_device, device, jax_device
from jtorch.dispatch import GRAD, NO_GRAD, modes
from jtorch.errors import with_hint
from jtorch.rng._bernoulli import bernoulli as draw_bernoulli
from jtorch.rng._integers import integers as draw_integers
from jtorch.rng._mt19937 import MT19937
from jtorch.rng._normal import normal as draw_normal
from jtorch.rng._permutation import randperm as draw_permutation
from jtorch.rng._philox_state import Philox
from jtorch.rng._streams import KeyStream
from jtorch.rng._uniform import uniform as draw_uniform
from jtorch.tensor._arguments import as_dtype, check_layout, into, make, out_dtype, sizes_of
from jtorch.tensor._core import Tensor, call, value_of
from jtorch.tensor._counter_draws import counter_draw, counter_permutation
from jtorch.tensor._formats import format_strides, strides_like
from jtorch.tensor._inplace import check_writable, overwrite
from jtorch.tensor._layout import preserve_format
from jtorch.tensor._methods import method
from jtorch.tensor._storage import strides_of
from jtorch.trace import TracedValue, leave_session, session, settings

__all__ = [
    "Generator", "bernoulli", "default_generator", "default_generator_of", "get_rng_state", "initial_seed",
    "manual_seed", "normal", "rand", "rand_like", "randint", "randint_like", "randn", "randn_like",
    "randperm", "seed", "set_rng_state", "use_key", "used_device_generators",
]  # fmt: skip


Draw = Callable[..., np.ndarray[Any, Any]]


#: Why a function that does so is not replayed.
_SEEDS, _LOOKS = "seeds the random generator", "asks a random generator for its state"


class Generator:
    """A stream of pseudo-random numbers (``torch.Generator``).

    On the CPU it is PyTorch's Mersenne twister. On accelerators it is counter-based (Philox 4x32-10): its
    state is a seed and an offset.

    Args:
        device: whose random functions can use it.
    """

    _engine: MT19937 | Philox

    def __init__(self, device: Any = "cpu") -> None:
        leave_session("makes a random generator")
        self.device: device = as_device(device)
        self._engine = MT19937() if self.device is CPU else Philox()

    def __repr__(self) -> str:
        return f"<torch._C.Generator object at {id(self):#x}>"

    def manual_seed(self, seed: int) -> Generator:
        """Start the stream of ``seed``; returns the generator."""
        if type(seed) is not int:
            if isinstance(seed, np.generic):
                raise TypeError(f"manual_seed(): argument 'seed' must be int, not {type(seed).__name__}")
            raise RuntimeError(f"manual_seed expected a long, but got {type(seed).__name__}")
        leave_session(_SEEDS)
        self._engine.manual_seed(seed)
        return self

    def seed(self) -> int:
        """Start a stream that nobody can foresee; returns its seed."""
        leave_session(_SEEDS)
        return self._engine.seed()

    def initial_seed(self) -> int:
        """The seed that the stream began with."""
        leave_session(_LOOKS)
        return self._engine.initial_seed()

    def get_state(self) -> Tensor:
        """The state as bytes in PyTorch's layout: a uint8 tensor of 5056 elements, 16 of an accelerator's."""
        leave_session(_LOOKS)
        return make(self._engine.get_state())

    def set_state(self, new_state: Tensor) -> None:
        """Continue from a state that :meth:`get_state` returned, here or in PyTorch."""
        if not isinstance(new_state, Tensor) or new_state._aval().dtype is not dtypes.uint8:
            raise TypeError("RNG state must be a torch.ByteTensor")
        leave_session(_SEEDS)
        self._engine.set_state(np.array(new_state._host()))

    def clone_state(self) -> Generator:
        """A generator of its own in the same state."""
        twin = object.__new__(Generator)
        twin.device, twin._engine = self.device, self._engine.clone_state()
        return twin

    def graphsafe_get_state(self) -> Generator:
        """A generator in the same state."""
        leave_session(_LOOKS)
        return self.clone_state()

    def graphsafe_set_state(self, state: Generator) -> None:
        """Take over another generator's state."""
        leave_session(_SEEDS)
        self._engine = state._engine.clone_state()

    def get_offset(self) -> int:
        """How far an accelerator's stream has got; generators of the CPU have no offset."""
        if isinstance(self._engine, MT19937):
            raise RuntimeError("CPU Generator does not use offset")
        return self._engine.get_offset()

    def set_offset(self, offset: int) -> None:
        """Move an accelerator's stream to an offset, a multiple of 4."""
        if isinstance(self._engine, MT19937):
            raise RuntimeError("CPU Generator does not use offset")
        self._engine.set_offset(offset)

    def __reduce__(self) -> Any:
        return _generator_of, (str(self.device), self._engine.get_state().tobytes())


def _generator_of(where: str, state: bytes) -> Generator:
    generator = Generator(where)
    generator._engine.set_state(np.frombuffer(state, np.uint8).copy())
    return generator


#: The stream that functions on the CPU draw from unless they are given another.
default_generator = Generator()
default_generator.seed()

#: Those of accelerators, made when they are first needed.
_device_generators: dict[device, Generator] = {}
_device_seed: int | None = None

#: The stream that :func:`use_key` has put in the place of all others.
_keyed: ContextVar[KeyStream | None] = ContextVar("keyed", default=None)


def default_generator_of(where: device) -> Generator:
    """The stream that functions on a device draw from unless they are given another."""
    if where is CPU:
        return default_generator
    found = _device_generators.get(where)
    if found is None:
        found = _device_generators[where] = Generator(where)
        if _device_seed is None:
            found.seed()
        else:
            found._engine.manual_seed(_device_seed)
    return found


def used_device_generators() -> list[Generator]:
    """The default streams of accelerators that have been drawn from."""
    return list(_device_generators.values())


def seed_devices(seed: int) -> None:
    """Start the default streams of all accelerators anew, also of those that nobody used yet."""
    global _device_seed
    _device_seed = seed
    for generator in _device_generators.values():
        generator._engine.manual_seed(seed)


def has_key() -> bool:
    """Whether :func:`use_key` is in effect."""
    return _keyed.get() is not None


def in_transform() -> bool:
    """Whether a JAX transform is tracing."""
    return not trace_state_clean()


@contextmanager
def use_key(key: Any) -> Iterator[None]:
    """Draw everything in this block from a stream of its own that a JAX key determines.

    Inside JAX's transforms (``jax.jit``, ``vmap``, ...) the key is an argument of the function, so that each
    call gets numbers of its own; without it, random functions refuse to work there.

    Args:
        key: of ``jax.random.key`` or ``jax.random.PRNGKey``.

    Example::

        @jax.jit
        def noisy(key, x):
            with jtorch.random.use_key(key):
                return x + jtorch.randn(3).jax()
    """
    token = _keyed.set(KeyStream(key, fixed=session() is not None))
    try:
        yield
    finally:
        _keyed.reset(token)


def streams_in_use() -> list[Any]:
    """What draws without a ``generator=`` of their own come from: the streams of all devices and of a key."""
    keyed = _keyed.get()
    engines = [generator._engine for generator in (default_generator, *used_device_generators())]
    return engines if keyed is None else [*engines, keyed]


class StreamStates:
    """The states of the default streams of all devices at one moment, and a way to draw the same again."""

    def __init__(self) -> None:
        self.left: list[list[tuple[Generator, Any]]] = []
        keyed = _keyed.get()
        self.keyed = None if keyed is None else keyed.clone_state()
        self._done(self._take)

    def _take(self) -> None:
        generators = (default_generator, *used_device_generators())
        self.states = {generator: generator.clone_state() for generator in generators}

    def _go_back(self) -> None:
        generators = (default_generator, *used_device_generators())
        self.left.append([(generator, generator._engine) for generator in generators])
        for generator in generators:
            state = self.states.get(generator)
            if state is None:  # first used since then
                state = generator.clone_state()
                state._engine.manual_seed(state._engine.initial_seed())
            generator._engine = state._engine.clone_state()

    def _return(self) -> None:
        for generator, engine in self.left.pop():
            generator._engine = engine

    @staticmethod
    def _done(action: Callable[[], None]) -> None:
        """Do something now, and again in each replay of what is being recorded."""
        action()
        recording = session()
        if recording is not None:
            recording.repeats(action)

    @contextmanager
    def again(self) -> Iterator[None]:
        """Inside, streams go on from that moment; afterwards, from where they were."""
        self._done(self._go_back)
        token = _keyed.set(None if self.keyed is None else self.keyed.clone_state())
        try:
            yield
        finally:
            _keyed.reset(token)
            self._done(self._return)


def manual_seed(seed: Any) -> Generator:
    """Start the default stream of ``seed`` anew; returns its generator (``torch.manual_seed``)."""
    leave_session(_SEEDS)
    default_generator._engine.manual_seed(int(seed))
    seed_devices(int(seed))
    return default_generator


def seed() -> int:
    """Start a stream that nobody can foresee; returns its seed (``torch.seed``)."""
    chosen = default_generator.seed()
    seed_devices(chosen)
    return chosen


def initial_seed() -> int:
    """The seed that the default stream began with (``torch.initial_seed``)."""
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    """The default generator's state as a uint8 tensor (``torch.get_rng_state``)."""
    return default_generator.get_state()


def set_rng_state(new_state: Tensor) -> None:
    """Continue from a state that :func:`get_rng_state` returned (``torch.set_rng_state``)."""
    default_generator.set_state(new_state)


def stream_of(generator: Any, where: device = CPU) -> Any:
    """:func:`_stream_of`; a function that is recorded notes that it draws from it.

    Raises:
        RuntimeError: within ``vmap(randomness="error")``.
        NotImplementedError: within ``vmap(randomness="different")``, unless its callers take care of it.
        AssertionError: there is no such device.
    """
    if modes.mapped:
        refuse_in_vmap()
    found = _stream_of(generator, where)
    if where is not CPU:
        jax_device(where)  # raises if there is none
    recording = session()
    if recording is not None:
        recording.begins(found, generator)
    return found


def source_of(generator: Any, where: device) -> Callable[[], Any]:
    """What gives the stream of a ``generator=`` argument anew in each replay of a recorded function."""
    return partial(_stream_of, generator, where)


def _stream_of(generator: Any, where: device) -> Any:
    """What a ``generator=`` argument stands for on a device: an ``MT19937``, ``Philox`` or ``KeyStream``.

    Raises:
        RuntimeError: the generator is another device's, or a JAX transform is under way.
    """
    keyed = _keyed.get()
    if keyed is not None and generator is None:
        return keyed
    if not modes.host_draws and not trace_state_clean():
        raise with_hint(
            RuntimeError("random functions inside a JAX transform need a key: they would give constants"),
            "make the key an argument of the function and draw within `with jtorch.random.use_key(key):`",
        )
    if generator is None:
        return (default_generator if where is CPU else default_generator_of(where))._engine
    if not isinstance(generator, Generator):
        raise TypeError(f"argument 'generator' must be torch.Generator, not {type(generator).__name__}")
    if generator.device.type != where.type:
        raise RuntimeError(
            f"Expected a '{where.type}' device type for generator but found '{generator.device.type}'"
        )
    return generator._engine


def _plain_engine(generator: Any) -> MT19937 | None:
    """The engine of a CPU's generator, if draws from it are nobody's concern: the usual case, in short."""
    if settings.session is not None or modes.mapped or _keyed.get() is not None or not trace_state_clean():
        return None
    if generator is None:
        generator = default_generator
    elif type(generator) is not Generator:
        return None
    engine = generator._engine
    return engine if type(engine) is MT19937 else None


def _on_host(parameter: Any) -> Any:
    return np.array(parameter._host()) if isinstance(parameter, Tensor) else parameter


_RANDOMNESS = (
    "vmap: called random operation while in randomness error mode. Please either use the 'same' or "
    "'different' randomness flags on vmap or perform the randomness operation out of vmap"
)


def refuse_in_vmap() -> None:
    """A function that draws numbers for all samples of a ``vmap`` together, where that is not wanted."""
    modes_of_randomness = {m.randomness for m in modes.mapped}
    if "error" in modes_of_randomness:
        raise RuntimeError(_RANDOMNESS)
    if "different" in modes_of_randomness:
        raise with_hint(
            NotImplementedError("this random function has no form that draws for each sample of a vmap"),
            "draw outside and pass the numbers, or use vmap(randomness='same')",
        )


def by_sample(draw: Callable[[int], Tensor]) -> Tensor | None:
    """This sample's part of ``draw(size of the batch)``; ``None`` if all samples see the same numbers."""
    for mapping in reversed(modes.mapped):
        if mapping.randomness == "error":
            raise RuntimeError(_RANDOMNESS)
        if mapping.randomness == "different":
            return mapping.part_of(draw)  # type: ignore[no-any-return]
    return None


def sample(
    sampler: Draw,
    sizes: tuple[int, ...],
    d: dtypes.dtype,
    parameters: tuple[Any, ...],
    generator: Any,
    where: device,
    requires_grad: bool = False,
    strides: tuple[int, ...] | None = None,
    reported: bool = True,
) -> Tensor:
    """A tensor of draws, made in the order of memory of ``strides``; ``reported``: they become its own."""
    engine = _plain_engine(generator) if where is CPU else None
    if engine is not None:
        numbers = sampler(engine, sizes, d.numpy, *map(_on_host, parameters), strides=strides)
        if strides is None:
            return make(numbers, CPU, requires_grad)
        return make(np.asarray(numbers, order="C"), CPU, requires_grad, strides if reported else None)
    if modes.mapped:
        # Each sample of the batch takes its own part of one larger draw.
        part = by_sample(
            lambda size: sample(sampler, (size, *sizes), d, parameters, generator, where, requires_grad)
        )
        if part is not None:
            return part
    stream = stream_of(generator, where)
    if isinstance(stream, MT19937):
        host = [_on_host(x) for x in parameters]
        return drawn(
            lambda engine: sampler(engine, sizes, d.numpy, *host, strides=strides),
            stream,
            generator,
            where,
            requires_grad,
            strides if reported else None,
        )
    source = source_of(generator, where)
    made = counter_draw(source, sampler, sizes, d, parameters, where, strides if reported else None)
    return made.requires_grad_() if requires_grad else made


def drawn(
    draw: Callable[[MT19937], np.ndarray[Any, Any]],
    engine: MT19937,
    generator: Any = None,
    where: device = CPU,
    requires_grad: bool = False,
    strides: tuple[int, ...] | None = None,
) -> Tensor:
    """A tensor of random numbers. A function that is recorded draws anew whenever it is replayed.

    Args:
        draw: from an engine.
        engine: to draw from now, of ``generator``, which may have another one in a later call.
        generator: as the user gave it.
        where: device of the tensor.
        requires_grad: whether it does.
        strides: that it reports.
    """
    recording = session()
    made = make(np.asarray(draw(engine), order="C"), where, requires_grad, strides)
    if recording is not None:
        recording.drew(made._storage, lambda: np.asarray(draw(_stream_of(generator, where)), order="C"))
    return made


def _create(
    name: str,
    draw: Draw,
    sizes: tuple[int, ...],
    parameters: tuple[Any, ...],
    generator: Any,
    out: Any,
    dtype: Any,
    layout: Any,
    where: Any,
    requires_grad: bool,
    pin_memory: bool,
    fallback: dtypes.dtype | None = None,
    strides: tuple[int, ...] | None = None,
) -> Tensor:
    if layout is not None or pin_memory:
        check_layout(layout, pin_memory, name)
    d = (fallback or dtypes.get_default_dtype()) if dtype is None else as_dtype(dtype, name)
    if out is not None:
        kind = out_dtype(name, out)
        where = out._aval().device
        d = kind if dtype is None else d
        if where is META:
            return into(out, make(np.zeros(sizes, d.numpy), META), requires_grad=requires_grad)
        made = sample(draw, sizes, d, parameters, generator, where)
        return into(out, made, requires_grad=requires_grad)
    target = as_device(where)
    if target is META:
        return make(np.zeros(sizes, d.numpy), META, requires_grad, strides)
    return sample(draw, sizes, d, parameters, generator, target, requires_grad, strides)


def rand(
    *args: Any,
    size: Any = None,
    generator: Any = None,
    out: Any = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
    names: Any = None,
) -> Tensor:
    """Uniform numbers from [0, 1) (``torch.rand``)."""
    sizes = sizes_of(args if size is None else (*args, size), "rand")
    return _create(
        "rand", draw_uniform, sizes, (), generator, out, dtype, layout, device, requires_grad, pin_memory
    )


def randn(
    *args: Any,
    size: Any = None,
    generator: Any = None,
    out: Any = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
    names: Any = None,
) -> Tensor:
    """Normal numbers of mean 0 and variance 1 (``torch.randn``)."""
    sizes = sizes_of(args if size is None else (*args, size), "randn")
    return _create(
        "randn", draw_normal, sizes, (), generator, out, dtype, layout, device, requires_grad, pin_memory
    )


def randint(
    *args: Any,
    size: Any = None,
    low: Any = None,
    high: Any = None,
    generator: Any = None,
    out: Any = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """Integers from [low, high): ``randint(high, size)`` or ``randint(low, high, size)``."""
    given = list(args)
    if given and isinstance(given[-1], tuple | list):
        size = given.pop()
    if len(given) == 2:
        low, high = given
    elif len(given) == 1:
        if low is not None:
            high = given[0]
        elif high is not None:
            low = given[0]
        else:
            high = given[0]
    if size is None or high is None:
        raise TypeError(
            "randint() received an invalid combination of arguments - it takes (high, size) or (low, high, "
            "size)"
        )
    low, high = int(0 if low is None else low), int(high)
    if low >= high:
        raise RuntimeError(f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}")
    sizes = sizes_of((size,), "randint")
    return _create(
        "randint",
        draw_integers,
        sizes,
        (low, high),
        generator,
        out,
        dtype,
        layout,
        device,
        requires_grad,
        pin_memory,
        dtypes.int64,
    )


def randperm(
    n: int,
    *,
    generator: Any = None,
    out: Any = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """A permutation of 0 to n - 1 (``torch.randperm``)."""
    if not hasattr(n, "__index__"):
        raise TypeError(f"randperm(): argument 'n' (position 1) must be int, not {type(n).__name__}")
    if n < 0:
        raise RuntimeError(f"n must be non-negative, got {n}")
    d = dtypes.int64 if dtype is None else as_dtype(dtype, "randperm")
    if out is not None:
        out_dtype("randperm", out)
    where = as_device(device) if out is None else out._aval().device
    if modes.mapped:

        def rows(size: int) -> Tensor:
            one = partial(randperm, n, generator=generator, dtype=d, device=where)
            return call("stack", [one() for _ in range(size)], 0)  # type: ignore[no-any-return]

        part = by_sample(rows)
        if part is not None:
            return part
    if where is META:
        made = make(np.zeros(n, d.numpy), META, requires_grad)
        return made if out is None else into(out, made, requires_grad=requires_grad)
    stream = stream_of(generator, where)
    if not isinstance(stream, MT19937):
        made = counter_permutation(source_of(generator, where), n, d, where)
        return made if out is None else into(out, made, requires_grad=requires_grad)
    if out is not None:
        return into(out, draw_permutation(stream, n, d.numpy), requires_grad=requires_grad)
    return drawn(lambda engine: draw_permutation(engine, n, d.numpy), stream, generator, where, requires_grad)


def _like(
    name: str, draw: Draw, input: Tensor, parameters: tuple[Any, ...], options: dict[str, Any]
) -> Tensor:
    aval = input._aval()
    where, format = options["device"], options["memory_format"]
    kept = format is None or format is preserve_format
    strides = strides_like(aval.shape, strides_of(input)) if kept else format_strides(aval.shape, format)
    return _create(
        name,
        draw,
        aval.shape,
        parameters,
        options.get("generator"),
        None,
        options["dtype"],
        options["layout"],
        aval.device if where is None else where,
        options["requires_grad"],
        False,
        aval.dtype,
        strides,
    )


def rand_like(
    input: Tensor,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    memory_format: Any = None,
    generator: Any = None,
) -> Tensor:
    """Uniform numbers with the shape, dtype and order of memory of ``input`` (``torch.rand_like``)."""
    return _like("rand_like", draw_uniform, input, (), locals())


def randn_like(
    input: Tensor,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    memory_format: Any = None,
    generator: Any = None,
) -> Tensor:
    """Normal numbers with the shape, dtype and order of memory of ``input`` (``torch.randn_like``)."""
    return _like("randn_like", draw_normal, input, (), locals())


def randint_like(
    input: Tensor,
    low: int | None = None,
    high: int | None = None,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    memory_format: Any = None,
    generator: Any = None,
) -> Tensor:
    """Integers from [low, high) with the shape and dtype of ``input``; ``low`` may be left out."""
    if high is None and low is None:
        raise TypeError(
            "randint_like() received an invalid combination of arguments - it takes (input, high) or (input, "
            "low, high)"
        )
    low, high = (low or 0, high) if high is not None else (0, low)
    bounds = int(low), int(high)  # type: ignore[arg-type]
    return _like("randint_like", draw_integers, input, bounds, locals())


def normal(
    mean: Any = 0.0,
    std: Any = 1.0,
    size: Any = None,
    *,
    generator: Any = None,
    out: Any = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """Normal numbers; ``mean`` and ``std`` are numbers (with ``size``) or tensors (``torch.normal``)."""
    if size is not None:
        _check_std(std)
        sizes = sizes_of((size,), "normal")
        return _create(
            "normal",
            draw_normal,
            sizes,
            (float(mean), float(std)),
            generator,
            out,
            dtype,
            layout,
            device,
            requires_grad,
            pin_memory,
        )
    means, stds = isinstance(mean, Tensor), isinstance(std, Tensor)
    if not means and not stds:
        raise TypeError(
            "normal() received an invalid combination of arguments - without size, mean or std is a tensor"
        )
    shape = np.broadcast_shapes(*(t._aval().shape for t in (mean, std) if isinstance(t, Tensor)))
    first = mean if means else std
    with _no_grad():
        if stds:
            if std._aval().size and float(call("min", std).item()) < 0:
                raise RuntimeError("normal expects all elements of std >= 0.0")
            noise = sample(draw_normal, shape, first._aval().dtype, (), generator, first._aval().device)
            scaled = noise * std
            if scaled.dtype is not first.dtype:
                scaled = scaled.to(first.dtype)
            result = scaled + mean
        else:
            _check_std(std)
            spread = (0.0, float(std))
            noise = sample(draw_normal, shape, first._aval().dtype, spread, generator, first._aval().device)
            result = noise + mean
    if out is not None:
        out_dtype("normal", out, aten=False)
        return into(out, result)
    form = 3 if means and stds else 1 if means else 2
    return with_history(result, f"NormalBackward{form}", mean if means else None, std if stds else None)


def with_history(result: Tensor, node: str, first: Tensor | None, second: Tensor | None = None) -> Tensor:
    """Draws that count as differentiable in their parameters, with gradients of zero, as PyTorch's do."""
    if modes.level != GRAD or not any(t is not None and t._tracked for t in (first, second)):
        return result
    return call("_drawn", result, first, second, node)  # type: ignore[no-any-return]


def _check_std(std: Any) -> None:
    if float(std) < 0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {float(std):g}")


class _no_grad:
    def __enter__(self) -> None:
        self.level = modes.level
        if modes.level == GRAD:
            modes.level = NO_GRAD

    def __exit__(self, *_: object) -> None:
        modes.level = self.level


def bernoulli(input: Tensor, p: Any = None, *, generator: Any = None, out: Any = None) -> Tensor:
    """Ones with the probabilities in ``input``, or with probability ``p``, else zeros."""
    aval = input._aval()
    chance = input.detach() if p is None else float(p)
    strides = strides_like(input._aval().shape, strides_of(input))
    if isinstance(chance, Tensor) and type(value_of(chance)) is TracedValue:
        # The same words: an element is one where a uniform number of its dtype is below the probability.
        drawn = sample(draw_uniform, aval.shape, aval.dtype, (0.0, 1.0), generator, aval.device)
        return with_history((drawn < chance).to(aval.dtype), "BernoulliBackward0", input)
    made = sample(draw_bernoulli, aval.shape, aval.dtype, (chance,), generator, aval.device, False, strides)
    if out is not None:
        out_dtype("bernoulli", out, aten=False)
        return into(out, made)
    node = "BernoulliBackward0" if p is None else "NotImplemented"
    return with_history(made, node, input)


# ---- in place
# ------------------------------------------------------------------------------------------------------


def fill_with(self: Tensor, draw: Draw, generator: Any, *parameters: Any) -> Tensor:
    """Replace the contents by draws, in order of memory."""
    check_writable(self)
    aval = self._aval()
    if aval.device is META:
        return self
    target = aval.shape, aval.dtype, parameters, generator, aval.device
    noise = sample(draw, *target, strides=self._strides, reported=False)
    if (
        self._view is None
        and aval.device is CPU
        and self._fn is None
        and not (self._requires and modes.level == GRAD)
        and modes.duals is None
    ):
        self._storage.write(value_of(noise), count=self._own_version is None)
        return self
    return overwrite(self, noise)


@method
def uniform_(
    self: Tensor, from_: float = 0.0, to: float = 1.0, *, generator: Any = None, **kwargs: Any
) -> Tensor:
    """Fill with uniform numbers from [from, to)."""
    low = kwargs.pop("from", from_)
    return fill_with(self, draw_uniform, generator, float(low), float(to))


@method
def normal_(self: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Any = None) -> Tensor:
    """Fill with normal numbers."""
    _check_std(std)
    return fill_with(self, draw_normal, generator, float(mean), float(std))


@method
def random_(self: Tensor, *args: Any, generator: Any = None, **kwargs: Any) -> Tensor:
    """Fill with integers from [from, to); to the largest that the dtype holds exactly by default."""
    low, high = kwargs.pop("from", None), kwargs.pop("to", None)
    if len(args) == 2:
        low, high = args
    elif len(args) == 1:
        low, high = (0, args[0]) if low is None else (low, args[0])
    elif high is not None and low is None:
        low = 0
    return fill_with(self, draw_integers, generator, None if low is None else int(low), high)


@method
def bernoulli_(self: Tensor, p: Any = 0.5, *, generator: Any = None) -> Tensor:
    """Fill with ones of probability ``p``, a number or a tensor, and zeros."""
    chance = p.detach() if isinstance(p, Tensor) else float(p)
    return fill_with(self, draw_bernoulli, generator, chance)


method(bernoulli)
