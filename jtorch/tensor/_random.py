"""Random numbers as tensors: the generator, and the functions and in-place methods that draw from it.

On the CPU numbers are drawn when asked for, with PyTorch's bits (:mod:`jtorch.rng`), and are host data
like any other: a recorded program holds them as operands, so a replayed program never repeats them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from jtorch import dtypes
from jtorch.devices import CPU, META, as_device, device
from jtorch.dispatch import GRAD, NO_GRAD, modes
from jtorch.rng._bernoulli import bernoulli as draw_bernoulli
from jtorch.rng._integers import integers as draw_integers
from jtorch.rng._mt19937 import MT19937
from jtorch.rng._normal import normal as draw_normal
from jtorch.rng._permutation import randperm as draw_permutation
from jtorch.rng._uniform import uniform as draw_uniform
from jtorch.tensor._arguments import as_dtype, check_layout, into, make, sizes_of
from jtorch.tensor._core import Tensor, call, from_value, value_of
from jtorch.tensor._formats import format_strides
from jtorch.tensor._inplace import check_writable, overwrite
from jtorch.tensor._layout import preserve_format
from jtorch.tensor._methods import _dense, method
from jtorch.trace import leave_session, session

__all__ = [
    "Generator", "bernoulli", "default_generator", "get_rng_state", "initial_seed", "manual_seed", "normal",
    "rand", "rand_like", "randint", "randint_like", "randn", "randn_like", "randperm", "seed",
    "set_rng_state",
]  # fmt: skip


class Generator:
    """A stream of pseudo-random numbers (``torch.Generator``).

    Args:
        device: whose random functions can use it.
    """

    def __init__(self, device: Any = "cpu") -> None:
        self.device: device = as_device(device)
        if self.device is not CPU:
            raise NotImplementedError(
                f"Generator(device='{self.device}'): random numbers are drawn on the CPU; give functions a "
                "CPU generator"
            )
        self._engine = MT19937()

    def manual_seed(self, seed: int) -> Generator:
        """Start the stream of ``seed``; returns the generator."""
        if type(seed) is not int:
            if isinstance(seed, np.generic):
                raise TypeError(f"manual_seed(): argument 'seed' must be int, not {type(seed).__name__}")
            raise RuntimeError(f"manual_seed expected a long, but got {type(seed).__name__}")
        self._engine.manual_seed(seed)
        return self

    def seed(self) -> int:
        """Start a stream that nobody can foresee; returns its seed."""
        return self._engine.seed()

    def initial_seed(self) -> int:
        """The seed that the stream began with."""
        return self._engine.initial_seed()

    def get_state(self) -> Tensor:
        """The state as bytes: a uint8 tensor of 5056 elements in PyTorch's layout."""
        return make(self._engine.get_state())

    def set_state(self, new_state: Tensor) -> None:
        """Continue from a state that :meth:`get_state` returned, here or in PyTorch."""
        if not isinstance(new_state, Tensor) or new_state._aval().dtype is not dtypes.uint8:
            raise TypeError("RNG state must be a torch.ByteTensor")
        self._engine.set_state(np.array(new_state._host()))

    def clone_state(self) -> Generator:
        """A generator of its own in the same state."""
        twin = object.__new__(Generator)
        twin.device, twin._engine = self.device, self._engine.clone_state()
        return twin

    def graphsafe_get_state(self) -> Generator:
        """A generator in the same state."""
        return self.clone_state()

    def graphsafe_set_state(self, state: Generator) -> None:
        """Take over another generator's state."""
        self._engine = state._engine.clone_state()

    def get_offset(self) -> int:
        """Only generators of accelerators have an offset."""
        raise RuntimeError("CPU Generator does not use offset")

    def set_offset(self, offset: int) -> None:
        """Only generators of accelerators have an offset."""
        raise RuntimeError("CPU Generator does not use offset")

    def __reduce__(self) -> Any:
        return _generator_of, (str(self.device), self._engine.get_state().tobytes())


def _generator_of(where: str, state: bytes) -> Generator:
    generator = Generator(where)
    generator._engine.set_state(np.frombuffer(state, np.uint8).copy())
    return generator


#: The stream that functions draw from unless they are given another.
default_generator = Generator()
default_generator.seed()


def manual_seed(seed: Any) -> Generator:
    """Start the default stream of ``seed`` anew; returns its generator (``torch.manual_seed``)."""
    leave_session("seeds the random generator")
    default_generator._engine.manual_seed(int(seed))
    return default_generator


def seed() -> int:
    """Start a stream that nobody can foresee; returns its seed (``torch.seed``)."""
    return default_generator.seed()


def initial_seed() -> int:
    """The seed that the default stream began with (``torch.initial_seed``)."""
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    """The default generator's state as a uint8 tensor (``torch.get_rng_state``)."""
    return default_generator.get_state()


def set_rng_state(new_state: Tensor) -> None:
    """Continue from a state that :func:`get_rng_state` returned (``torch.set_rng_state``)."""
    default_generator.set_state(new_state)


def engine_of(generator: Any) -> MT19937:
    """The engine behind a ``generator=`` argument."""
    recording = session()
    if recording is not None:
        recording.engines += 1
    if generator is None:
        return default_generator._engine
    if not isinstance(generator, Generator):
        raise TypeError(f"argument 'generator' must be torch.Generator, not {type(generator).__name__}")
    return generator._engine


def drawn(
    draw: Callable[[], np.ndarray[Any, Any]],
    where: device = CPU,
    requires_grad: bool = False,
    strides: tuple[int, ...] | None = None,
) -> Tensor:
    """A tensor of random numbers. A function that is recorded draws anew whenever it is replayed."""
    recording = session()

    def fresh() -> np.ndarray[Any, Any]:
        return np.asarray(draw(), order="C")

    made = make(fresh(), where, requires_grad, strides)
    if recording is not None:
        recording.drew(made._storage, fresh)
    return made


Draw = Callable[..., np.ndarray[Any, Any]]


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
        d = out._aval().dtype if dtype is None else d
        return into(out, np.asarray(draw(engine_of(generator), sizes, d.numpy, *parameters), order="C"))
    target = as_device(where)
    if target is META:
        return make(np.zeros(sizes, d.numpy), META, requires_grad)
    engine = engine_of(generator)
    return drawn(
        lambda: draw(engine, sizes, d.numpy, *parameters, strides=strides), target, requires_grad, strides
    )


def rand(
    *size: Any,
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
    sizes = sizes_of(size, "rand")
    return _create(
        "rand", draw_uniform, sizes, (), generator, out, dtype, layout, device, requires_grad, pin_memory
    )


def randn(
    *size: Any,
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
    sizes = sizes_of(size, "randn")
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
    if n < 0:
        raise RuntimeError(f"n must be non-negative, got {n}")
    d = dtypes.int64 if dtype is None else as_dtype(dtype, "randperm")
    engine = engine_of(generator)
    if out is not None:
        return into(out, draw_permutation(engine, n, d.numpy))
    return drawn(lambda: draw_permutation(engine, n, d.numpy), as_device(device), requires_grad)


def dense_strides(x: Tensor) -> tuple[int, ...] | None:
    return x._strides if x._strides is not None and _dense(x) else None


def _like(
    name: str, draw: Draw, input: Tensor, parameters: tuple[Any, ...], options: dict[str, Any]
) -> Tensor:
    aval = input._aval()
    where, format = options["device"], options["memory_format"]
    kept = format is None or format is preserve_format
    strides = dense_strides(input) if kept else format_strides(aval.shape, format)
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
    low: int,
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
    """Integers from [low, high), or [0, low), with the shape and dtype of ``input``."""
    bounds = (0, int(low)) if high is None else (int(low), int(high))
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
            engine, kind = engine_of(generator), first._aval().dtype.numpy
            noise = drawn(lambda: draw_normal(engine, shape, kind))
            result = noise * std + mean
        else:
            _check_std(std)
            engine, kind, spread = engine_of(generator), first._aval().dtype.numpy, float(std)
            noise = drawn(lambda: draw_normal(engine, shape, kind, 0.0, spread))
            result = noise + mean
    if out is not None:
        return into(out, np.array(result._host()))
    form = 3 if means and stds else 1 if means else 2
    return with_history(result, f"NormalBackward{form}", mean if means else None, std if stds else None)


def with_history(result: Tensor, node: str, first: Tensor | None, second: Tensor | None = None) -> Tensor:
    """Draws that count as differentiable in their parameters, with gradients of zero, as PyTorch's do."""
    if modes.level != GRAD or not any(t is not None and t.requires_grad for t in (first, second)):
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
    chance = np.array(input._host()) if p is None else float(p)
    engine, strides = engine_of(generator), dense_strides(input)

    def draw() -> Any:
        return draw_bernoulli(engine, aval.shape, aval.dtype.numpy, chance, strides)

    if out is not None:
        return into(out, np.asarray(draw(), order="C"))
    node = "BernoulliBackward0" if p is None else "NotImplemented"
    return with_history(drawn(draw, aval.device, strides=strides), node, input)


# ---- in place
# ------------------------------------------------------------------------------------------------------


def fill_with(self: Tensor, draw: Draw, generator: Any, *parameters: Any) -> Tensor:
    """Replace the contents by draws, in order of memory."""
    check_writable(self)
    aval = self._aval()
    if aval.device is META:
        return self
    engine, strides = engine_of(generator), self._strides
    noise = drawn(lambda: draw(engine, aval.shape, aval.dtype.numpy, *parameters, strides=strides))
    if (
        self._view is None
        and aval.device is CPU
        and self._fn is None
        and not (self._requires and modes.level == GRAD)
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
    chance = np.array(p._host()) if isinstance(p, Tensor) else float(p)
    return fill_with(self, draw_bernoulli, generator, chance)


method(bernoulli)
