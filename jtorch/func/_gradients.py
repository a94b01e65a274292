"""Gradients, Jacobians and tangents of functions."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jtorch.devices import CPU
from jtorch.func._running import conjugate, inside, mapped, run, unwrap, wrap
from jtorch.func._trees import Spec, flatten
from jtorch.tensor import Tensor

__all__ = ["grad", "grad_and_value", "hessian", "jacfwd", "jacrev", "jvp", "linearize", "vjp"]

Function = Callable[..., Any]


# ---- arguments


def _number(argnum: Any, count: int) -> int:
    if not isinstance(argnum, int):
        raise RuntimeError(f"argnum must be int, got: {type(argnum)}")
    if 0 <= argnum < count:
        return argnum
    if -count <= argnum < 0:
        return argnum + count
    raise RuntimeError(f"Got argnum={argnum}, but only {count} positional inputs")


def _numbers(argnums: Any, count: int) -> int | tuple[int, ...]:
    """Positions of arguments, checked.

    Raises:
        RuntimeError: no positions, or some that do not exist or come twice.
    """
    if isinstance(argnums, int):
        return _number(argnums, count)
    if not isinstance(argnums, tuple):
        raise RuntimeError(f"argnums must be int or Tuple[int, ...], got: {type(argnums)}")
    found = tuple(_number(a, count) for a in argnums)
    if not found:
        raise RuntimeError("argnums must be non-empty")
    if len(set(found)) != len(found):
        raise RuntimeError(f"argnums elements must be unique, got {found}")
    return found


class _Call:
    """A function as one of the arrays in some of its arguments.

    Attributes:
        tensors: in the arguments that are differentiated; ``others``: in the rest.
        results: filled by a call: structures of the output and of ``aux``.
    """

    def __init__(self, func: Function, args: tuple[Any, ...], kwargs: dict[str, Any], argnums: Any) -> None:
        self.func, self.kwargs = func, kwargs
        self.argnums = _numbers(argnums, len(args))
        self.chosen = (self.argnums,) if isinstance(self.argnums, int) else self.argnums
        self.tensors, self.spec = flatten([args[i] for i in self.chosen])
        for t in self.tensors:
            if not isinstance(t, Tensor):
                raise ValueError(f"Thing passed to transform API must be Tensor, got {type(t)}")
        fixed = [None if i in self.chosen else x for i, x in enumerate(args)]
        self.rest, self.rest_spec = flatten([fixed, kwargs])
        self.places = [i for i, x in enumerate(self.rest) if isinstance(x, Tensor)]
        self.others = [self.rest[i] for i in self.places]
        self.count = len(args)
        self.where = self.tensors[0].device if self.tensors else None
        self.output: Any = None
        self.forwards = False

    def check(self, api: str) -> None:
        """Note which transform differentiates; refuse to differentiate by integers.

        Raises:
            RuntimeError: in reverse.
            ValueError: forwards.
        """
        self.forwards = api in ("jvp", "jacfwd", "linearize")
        for t in self.tensors:
            if not (t.is_floating_point() or t.is_complex()):
                if api in ("grad", "vjp", "jacrev"):
                    raise RuntimeError("only Tensors of floating point dtype can require gradients")
                raise ValueError(f"Expected primal to be floating point or complex, but got: {t.dtype}")

    def call(self, arrays: Sequence[Any], others: Sequence[Any]) -> Any:
        """The function's result, of tracers."""
        rest = list(self.rest)
        for i, a in zip(self.places, others, strict=True):
            rest[i] = wrap(a, self.rest[i].device)
        args, kwargs = self.rest_spec.build(iter(rest))
        args = list(args)
        given = [wrap(a, t.device) for a, t in zip(arrays, self.tensors, strict=True)]
        for i, x in zip(self.chosen, self.spec.build(iter(given)), strict=True):
            args[i] = x
        with inside(self.forwards):
            return self.func(*args, **kwargs)

    def split(self, arrays: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any]]:
        """Arrays of :attr:`tensors` and of :attr:`others`."""
        return arrays[: len(self.tensors)], arrays[len(self.tensors) :]

    def gradients(self, made: Sequence[Any]) -> Any:
        """Gradients in the structure of the arguments."""
        built = self.spec.build(iter(made))
        return built[0] if isinstance(self.argnums, int) else tuple(built)


def _aux(aux: Any) -> tuple[list[Any], Callable[[Sequence[Any]], Any]]:
    """The arrays in ``aux``, and what makes it again of tensors."""
    found, spec = flatten(aux)
    for x in found:
        if not isinstance(x, Tensor):
            raise RuntimeError(f"Expected tensors, got unsupported type {type(x)}")
    return [unwrap(x) for x in found], lambda tensors: spec.build(iter(tensors))


# ---- grad


def grad_and_value(func: Function, argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Function:
    """A function that returns gradient and value of ``func`` (``torch.func.grad_and_value``).

    Args:
        func: returns one number, or ``(number, aux)``.
        argnums: which arguments to differentiate by.
        has_aux: ``func`` returns something else besides; the result is ``(gradient, (value, aux))`` then.
    """

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        call = _Call(func, args, kwargs, argnums)
        call.check("grad")
        build: list[Any] = []

        def value(arrays: Any, others: Any) -> Any:
            output = call.call(arrays, others)
            extra: list[Any] = []
            if has_aux:
                if not (isinstance(output, tuple) and len(output) == 2):
                    raise RuntimeError(
                        "grad_and_value(f)(*args): output of function f should be a tuple: (output, aux) if "
                        "has_aux is True"
                    )
                output, aux = output
                extra, make = _aux(aux)
                build.append(make)
            if not isinstance(output, Tensor):
                raise RuntimeError(
                    f"grad_and_value(f)(*args): Expected f(*args) to return a Tensor, got {type(output)}"
                )
            if output.dim() != 0:
                raise RuntimeError(
                    "grad_and_value(f)(*args): Expected f(*args) to return a scalar Tensor, got tensor with "
                    f"{output.dim()} dims. Maybe you wanted to use the vjp or jacrev APIs instead?"
                )
            if output.is_complex():
                raise RuntimeError(
                    f"grad can be implicitly created only for real scalar outputs but got {output.dtype}"
                )
            return unwrap(output), extra

        def pure(arrays: Sequence[Any]) -> list[Any]:
            mine, others = call.split(arrays)
            (out, extra), gradients = jax.value_and_grad(value, has_aux=True)(list(mine), others)
            return [*map(conjugate, gradients), out, *extra]

        made = run("grad", pure, [*call.tensors, *call.others])
        count = len(call.tensors)
        gradients = call.gradients(made[:count])
        if has_aux:
            return gradients, (made[count], build[-1](made[count + 1 :]))
        return gradients, made[count]

    return wrapper


def grad(func: Function, argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Function:
    """A function that returns the gradient of ``func`` (``torch.func.grad``).

    Args:
        func: returns one number, or ``(number, aux)``.
        argnums: which arguments to differentiate by.
        has_aux: ``func`` returns something else besides; the result is ``(gradient, aux)`` then.
    """

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        gradients, value = grad_and_value(func, argnums, has_aux)(*args, **kwargs)
        return (gradients, value[1]) if has_aux else gradients

    return wrapper


# ---- vjp and jvp

_NOT_FLOATING = (
    "vjp(f, ...): All outputs of f must be floating-point or complex Tensors, got Tensor with dtype "
)


def _checked(output: Any, api: str) -> tuple[list[Any], Spec]:
    found, spec = flatten(output)
    if not found or (len(found) == 1 and found[0] is None):
        raise RuntimeError(
            f"{api}: Expected f to be a function that has non-empty output (got output = {found})"
        )
    for x in found:
        if not isinstance(x, Tensor):
            raise RuntimeError(
                f"{api}: expected f(*primals) to return only tensors, got unsupported type {type(x)}"
            )
    return found, spec


def _outputs(call: _Call, arrays: Any, others: Any, has_aux: bool, api: str, kept: list[Any]) -> Any:
    """Output arrays and aux arrays; their structures go to ``kept``."""
    output = call.call(arrays, others)
    extra: list[Any] = []
    build: Any = None
    if has_aux:
        if not (isinstance(output, tuple) and len(output) == 2):
            raise RuntimeError(
                f"{api}: output of function f should be a tuple: (output, aux) if has_aux is True"
            )
        output, aux = output
        extra, build = _aux(aux)
    found, spec = _checked(output, api)
    kept[:] = [spec, build, found[0].device]
    return [unwrap(t) for t in found], extra


def vjp(func: Function, *primals: Any, has_aux: bool = False) -> Any:
    """The value of ``func`` and the function that pulls cotangents back (``torch.func.vjp``).

    Args:
        func: returns tensors in any structure, or ``(tensors, aux)``.
        *primals: its arguments: tensors in any structure.
        has_aux: ``func`` returns something else besides.

    Returns:
        ``(output, vjp_fn)`` or ``(output, vjp_fn, aux)``; ``vjp_fn(cotangents)`` returns a tuple with one
        gradient per argument.
    """
    call = _Call(func, primals, {}, tuple(range(len(primals))))
    call.check("vjp")
    kept: list[Any] = []

    def forward(arrays: Sequence[Any]) -> list[Any]:
        out, extra = _outputs(
            call, arrays, [unwrap(t) for t in call.others], has_aux, "vjp(f, *primals)", kept
        )
        for a in out:
            if not jnp.issubdtype(a.dtype, jnp.inexact):
                raise RuntimeError(_NOT_FLOATING + str(wrap(a, kept[2]).dtype))
        return [*out, *extra]

    made = run("vjp", forward, call.tensors)
    spec, build, _ = kept
    count = spec.count()

    def vjp_fn(cotangents: Any, retain_graph: bool = True, create_graph: bool | None = None) -> Any:
        """Gradients of the arguments for cotangents in the structure of the output."""
        given, mine = flatten(cotangents)
        if mine != spec:
            raise RuntimeError(
                "Expected pytree structure of cotangents to be the same as pytree structure of outputs "
                "to the "
                f"function. cotangents: {mine}, primal output: {spec}"
            )

        for i, (g, t) in enumerate(zip(given, made, strict=False)):
            if isinstance(g, Tensor) and g.shape != t.shape:
                raise RuntimeError(
                    f"Mismatch in shape: grad_output[{i}] has a shape of {g.shape} and output[{i}] has a "
                    f"shape of {t.shape}."
                )

        def pull(arrays: Sequence[Any]) -> list[Any]:
            inner, passed = call.split(arrays)

            def only(*xs: Any) -> Any:
                return _outputs(call, xs, (), has_aux, "vjp(f, *primals)", [None] * 3)[0]

            _, back = jax.vjp(only, *inner)
            return [conjugate(g) for g in back([conjugate(c) for c in passed])]

        found = run("vjp_backward", pull, [*call.tensors, *given])
        return call.gradients(found)

    output = spec.build(iter(made[:count]))
    return (output, vjp_fn, build(made[count:])) if has_aux else (output, vjp_fn)


def _tuple_checked(x: Any, api: str, name: str) -> None:
    if not isinstance(x, tuple):
        raise RuntimeError(f"{api}: Expected {name} to be a tuple of Tensors, got {type(x)}")
    for y in x:
        if not isinstance(y, Tensor):
            raise RuntimeError(
                f"{api}: Expected {name} to be a tuple of Tensors, got a tuple with an element of type "
                f"{type(y)}"
            )
    if not x:
        raise RuntimeError(f"{api}: Expected {name} to be a non-empty tuple of Tensors.")


def jvp(func: Function, primals: Any, tangents: Any, *, strict: bool = False, has_aux: bool = False) -> Any:
    """The value of ``func`` and its derivative along ``tangents`` (``torch.func.jvp``).

    Args:
        func: returns tensors in any structure, or ``(tensors, aux)``.
        primals: a tuple of its arguments.
        tangents: a tuple of directions, shaped like them.
        strict: accepted; a result that does not depend on the arguments has the derivative 0.
        has_aux: ``func`` returns something else besides.
    """
    api = "jvp(f, primals, tangents)"
    if not isinstance(primals, tuple):
        raise RuntimeError(
            f"{api}: Expected primals to be a tuple. E.g. it should be valid to call f(*primals)."
        )
    call = _Call(func, primals, {}, tuple(range(len(primals))))
    given, mine = flatten(list(tangents))
    if mine != call.spec:
        raise RuntimeError(f"{api}: Expected primals and tangents to have the same python structure.")
    for t in given:
        if not isinstance(t, Tensor):
            raise RuntimeError(f"{api}: Expected tangents to only contain Tensors, got {type(t)}")
    for x, t in zip(call.tensors, given, strict=True):
        if t.shape != x.shape:
            raise RuntimeError(
                "Trying to set a forward gradient that has a different size than that of the original "
                f"Tensor, this is not supported. Tensor is of size {list(x.shape)} while the given forward "
                f"gradient is of size {list(t.shape)}."
            )
    call.check("jvp")
    kept: list[Any] = []

    def pure(arrays: Sequence[Any]) -> list[Any]:
        inner, directions = call.split(arrays)

        def only(*xs: Any) -> Any:
            return _outputs(call, xs, (), has_aux, api, kept)

        directions = [d.astype(x.dtype) for d, x in zip(directions, inner, strict=True)]
        out, moved, extra = jax.jvp(only, tuple(inner), tuple(directions), has_aux=True)
        return [*out, *moved, *extra]

    made = run("jvp", pure, [*call.tensors, *given])
    spec, build, _ = kept
    count = spec.count()
    out, moved = spec.build(iter(made[:count])), spec.build(iter(made[count : 2 * count]))
    return (out, moved, build(made[2 * count :])) if has_aux else (out, moved)


def linearize(func: Function, *primals: Any) -> tuple[Any, Function]:
    """The value of ``func`` and its derivative there as a function of tangents (``torch.func.linearize``)."""
    call = _Call(func, primals, {}, tuple(range(len(primals))))
    call.check("linearize")
    kept: list[Any] = []

    def forward(arrays: Sequence[Any]) -> list[Any]:
        return list(_outputs(call, arrays, (), False, "linearize", kept)[0])

    made = run("linearize", forward, call.tensors)
    spec = kept[0]

    def jvp_fn(*tangents: Any) -> Any:
        """The derivative along tangents, one per argument."""
        given, mine = flatten(list(tangents))
        if mine != call.spec:
            raise RuntimeError(
                f"linearize: Expected the tangents {mine} to have the same argspec as the primals {call.spec}"
            )
        for t, p in zip(given, call.tensors, strict=True):
            if t.shape != p.shape:
                raise RuntimeError(
                    f"linearize: Expected the tangents to have the same shape as the primals {p.shape}, got "
                    f"{t.shape}"
                )

        def pure(arrays: Sequence[Any]) -> list[Any]:
            inner, directions = call.split(arrays)

            def only(*xs: Any) -> Any:
                return _outputs(call, xs, (), False, "linearize", [None] * 3)[0]

            return list(jax.jvp(only, tuple(inner), tuple(directions))[1])

        return spec.build(iter(run("linearize", pure, [*call.tensors, *given])))

    return spec.build(iter(made)), jvp_fn


# ---- Jacobians


def _real(api: str, tensors: Sequence[Any], kind: str) -> None:
    for i, t in enumerate(tensors):
        if isinstance(t, Tensor) and t.is_complex():
            raise RuntimeError(
                f"{api}: Expected all {kind} to be real but received complex tensor at flattened input idx: "
                f"{i}"
            )


def _basis(arrays: Sequence[Any]) -> list[Any]:
    """All unit vectors of the space that arrays span together, as arrays with one more first dimension."""
    count = sum(a.size for a in arrays)
    found, start = [], 0
    for a in arrays:
        rows = jnp.eye(count, a.size, -start, dtype=a.dtype)
        found.append(rows.reshape(count, *a.shape))
        start += a.size
    return found


def _blocks(batched: Any, arrays: Sequence[Any]) -> list[Any]:
    """A result per unit vector, taken apart by the arrays that those span: their entries first."""
    ends = [0]
    for a in arrays:
        ends.append(ends[-1] + a.size)
    return [
        batched[i:j].reshape(*a.shape, *batched.shape[1:])
        for a, i, j in zip(arrays, ends, ends[1:], strict=False)
    ]


def _jacobian(api: str, func: Function, argnums: Any, has_aux: bool, of: Any) -> Function:
    """What ``jacrev`` and ``jacfwd`` have in common.

    ``of(only, inner)`` returns ``(rows, aux)``: ``rows[j][i]`` holds the derivatives of output ``j`` by input
    ``i``.
    """

    @functools.wraps(func)
    def wrapper(*args: Any) -> Any:
        _real(api, flatten(list(args))[0], "inputs")
        call = _Call(func, args, {}, argnums)
        call.check(api)
        kept: list[Any] = []

        def pure(arrays: Sequence[Any]) -> list[Any]:
            inner, others = call.split(arrays)

            def only(*xs: Any) -> Any:
                out, extra = _outputs(call, xs, others, has_aux, api, kept)
                _real(api, [wrap(a, kept[2]) for a in out], "outputs")
                return out, extra

            rows, extra = of(only, tuple(inner))
            return [*(x for row in rows for x in row), *extra]

        made = run(api, pure, [*call.tensors, *call.others])
        spec, build, _ = kept
        count, each = spec.count(), len(call.tensors)
        rows = [call.gradients(made[i * each : (i + 1) * each]) for i in range(count)]
        result = spec.build(iter(rows))
        return (result, build(made[count * each :])) if has_aux else result

    return wrapper


def jacrev(
    func: Function,
    argnums: int | tuple[int, ...] = 0,
    *,
    has_aux: bool = False,
    chunk_size: int | None = None,
    _preallocate_and_copy: bool = False,
) -> Function:
    """The Jacobian of ``func`` row by row, backwards (``torch.func.jacrev``).

    Args:
        func: returns tensors in any structure.
        argnums: which arguments to differentiate by.
        has_aux: ``func`` returns ``(tensors, aux)``.
        chunk_size: rows to compute together; all by default.
    """
    if not (chunk_size is None or chunk_size > 0):
        raise ValueError("jacrev: `chunk_size` should be greater than 0.")

    def of(only: Any, inner: Any) -> Any:
        out, pull, extra = jax.vjp(only, *inner, has_aux=True)
        for a in out:
            if not jnp.issubdtype(a.dtype, jnp.inexact):
                raise RuntimeError(_NOT_FLOATING + str(wrap(a, CPU).dtype))
        basis = _basis(out)
        if chunk_size is None:
            found = jax.vmap(lambda rows: pull(list(rows)))(basis)
        else:
            found = jax.lax.map(lambda rows: pull(list(rows)), basis, batch_size=chunk_size)
        return list(zip(*[_blocks(f, out) for f in found], strict=True)), extra

    return _jacobian("jacrev", func, argnums, has_aux, of)


def jacfwd(
    func: Function,
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    *,
    randomness: str = "error",
) -> Function:
    """The Jacobian of ``func`` column by column, forwards (``torch.func.jacfwd``).

    Args:
        func: returns tensors in any structure.
        argnums: which arguments to differentiate by.
        has_aux: ``func`` returns ``(tensors, aux)``.
        randomness: as for :func:`vmap`, over the columns.
    """

    def of(only: Any, inner: Any) -> Any:
        basis = _basis(inner)
        axis = object()

        def column(*tangents: Any) -> Any:
            with mapped(basis[0].shape[0], axis, randomness):
                _, moved, extra = jax.jvp(only, inner, tangents, has_aux=True)
            return moved, extra

        moved, extra = jax.vmap(column, axis_name=axis)(*basis)
        rows = []
        for m in moved:
            blocks = _blocks(m, inner)
            rows.append(
                [
                    jnp.moveaxis(b, range(a.ndim), range(-a.ndim, 0))
                    for b, a in zip(blocks, inner, strict=True)
                ]
            )
        return rows, [x[0] for x in extra]

    return _jacobian("jacfwd", func, argnums, has_aux, of)


def hessian(func: Function, argnums: int | tuple[int, ...] = 0) -> Function:
    """The matrix of second derivatives, forwards over backwards (``torch.func.hessian``)."""
    return jacfwd(jacrev(func, argnums), argnums)
