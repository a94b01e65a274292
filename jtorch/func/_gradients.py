"""Gradients, Jacobians and tangents of functions."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jtorch.dispatch import modes
from jtorch.dtypes import FLOAT
from jtorch.func._captured import Captured
from jtorch.func._function import Function as Recorded
from jtorch.func._function import conjugate
from jtorch.func._recording import Recording, check_randomness
from jtorch.func._running import Transform, run, where_of
from jtorch.func._trees import Spec, flatten
from jtorch.tensor import Tensor
from jtorch.tensor._bridge import check_gradient, fitted_root
from jtorch.tensor._size import Size

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
    """One call of a function, which is recorded.

    Attributes:
        tensors: in the arguments that are differentiated; ``others``: in the rest.
        function: what the call computes, after :meth:`record`.
        where: the device of the results.
        written: which of the arguments' tensors the function changes in place; the new contents are its last
            results.
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
        self.operands = [*self.tensors, *self.others]
        self.where = where_of(self.operands)
        self.function: Recorded
        self.written: list[int] = []

    def check(self, api: str) -> None:
        """Refuse to differentiate by integers.

        Raises:
            RuntimeError: in reverse.
            ValueError: forwards.
        """
        for t in self.tensors:
            if t._aval().dtype.category < FLOAT:
                if api in ("grad", "vjp", "jacrev"):
                    raise RuntimeError("only Tensors of floating point dtype can require gradients")
                raise ValueError(f"Expected primal to be floating point or complex, but got: {t.dtype}")

    def record(self, results: Callable[[Any], Sequence[Tensor]], **settings: Any) -> None:
        """Call the function.

        Args:
            results: takes the tensors out of what it returns.
            **settings: of the :class:`Recording`.
        """
        count = len(self.tensors)
        with Recording(self.operands, wanted=count, **settings) as recording:
            rest = list(self.rest)
            for i, x in zip(self.places, recording.inputs[count:], strict=True):
                rest[i] = x
            args, kwargs = self.rest_spec.build(iter(rest))
            args = list(args)
            for i, x in zip(self.chosen, self.spec.build(iter(recording.inputs)), strict=True):
                args[i] = x
            found = results(self.func(*args, **kwargs))
            self.written = recording.written()
            if self.written and not recording.forwards and self.written[0] < count:
                raise RuntimeError(
                    "a leaf Variable that requires grad is being used in an in-place operation."
                )
            found = [*found, *(recording.inputs[i] for i in self.written)]
            self.function = recording.function(found, self.where)

    def keep(self) -> Callable[..., list[Tensor]]:
        """:meth:`run` for later, of the contents that tensors have now."""
        operands, rest = (
            [Captured.now(x) if isinstance(x, Tensor) else x for x in found]
            for found in (self.operands, self.function.rest)
        )
        function = self.function

        def again(name: str, transform: Transform, given: Sequence[Tensor], *settings: Any) -> list[Tensor]:
            mine, others = (
                [x.operand() if isinstance(x, Captured) else x for x in found] for found in (operands, rest)
            )
            same = Recorded(function.key, function.parts, others, function._call)
            return run(name, same, [*mine, *given], self.where, transform, *settings)

        return again

    def run(
        self, name: str, transform: Transform, given: Sequence[Tensor] = (), *settings: Any
    ) -> list[Tensor]:
        """The results of a transform of the function, of its arguments and the tensors in ``given``."""
        made = run(name, self.function, [*self.operands, *given], self.where, transform, *settings)
        for i in reversed(self.written):
            self.operands[i].copy_(made.pop())
        return made

    def gradients(self, made: Sequence[Any]) -> Any:
        """Gradients in the structure of the arguments."""
        built = self.spec.build(iter(made))
        return built[0] if isinstance(self.argnums, int) else tuple(built)


def _aux(aux: Any) -> tuple[list[Any], Spec]:
    """The tensors in ``aux`` and its structure."""
    found, spec = flatten(aux)
    for x in found:
        if not isinstance(x, Tensor):
            raise RuntimeError(f"Expected tensors, got unsupported type {type(x)}")
    return found, spec


# ---- grad


def _grad(call: Any, count: int) -> Any:
    def transformed(arrays: Sequence[Any]) -> list[Any]:
        fixed = arrays[count:]

        def value(wanted: Sequence[Any]) -> Any:
            out, *extra = call([*wanted, *fixed])
            return out, extra

        wanted = list(arrays[:count])
        if not jnp.issubdtype(jax.eval_shape(value, wanted)[0].dtype, jnp.inexact):
            out, extra = value(wanted)  # which no derivative leads to
            return [*map(jnp.zeros_like, wanted), out, *extra]
        (out, extra), gradients = jax.value_and_grad(value, has_aux=True)(wanted)
        return [*map(conjugate, gradients), out, *extra]

    return transformed


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
        structure: Any = None

        def results(output: Any) -> list[Tensor]:
            nonlocal structure
            extra: list[Any] = []
            if has_aux:
                if not (isinstance(output, tuple) and len(output) == 2):
                    raise RuntimeError(
                        "grad_and_value(f)(*args): output of function f should be a tuple: (output, aux) if "
                        "has_aux is True"
                    )
                output, aux = output
                extra, structure = _aux(aux)
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
            return [output, *extra]

        call.record(results, forwards=False)
        count = len(call.tensors)
        made = call.run("grad", _grad, (), count)
        gradients = call.gradients(made[:count])
        if has_aux:
            return gradients, (made[count], structure.build(iter(made[count + 1 :])))
        return gradients, made[count]

    return wrapper


def grad(func: Function, argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Function:
    """A function that returns the gradient of ``func`` (``torch.func.grad``).

    Args:
        func: returns one number, or ``(number, aux)``.
        argnums: which arguments to differentiate by.
        has_aux: ``func`` returns something else besides; the result is ``(gradient, aux)`` then.
    """
    both = grad_and_value(func, argnums, has_aux)

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        gradients, value = both(*args, **kwargs)
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


class _Outputs:
    """What a function returned: takes the tensors out, and builds the same of others.

    Attributes:
        spec: the structure of the output; ``aux``: that of what was returned besides.
        count: of tensors in the output.
    """

    def __init__(
        self, api: str, has_aux: bool, check: Callable[[Sequence[Tensor]], None] | None = None
    ) -> None:
        self.api, self.has_aux, self.check = api, has_aux, check
        self.spec: Spec
        self.aux: Spec
        self.count = 0

    def __call__(self, output: Any) -> list[Tensor]:
        extra: list[Any] = []
        if self.has_aux:
            if not (isinstance(output, tuple) and len(output) == 2):
                raise RuntimeError(
                    f"{self.api}: output of function f should be a tuple: (output, aux) if has_aux is True"
                )
            output, aux = output
            extra, self.aux = _aux(aux)
        found, self.spec = _checked(output, self.api)
        self.count = len(found)
        if self.check is not None:
            self.check(found)
        return found + extra

    def build(self, made: Sequence[Any]) -> Any:
        """The output of other tensors."""
        return self.spec.build(iter(made))


def _floating(tensors: Sequence[Tensor]) -> None:
    for t in tensors:
        if not (t.is_floating_point() or t.is_complex()):
            raise RuntimeError(_NOT_FLOATING + str(t.dtype))


def _call_alone(call: Any) -> Any:
    return call


def _pull(call: Any, count: int, outputs: int) -> Any:
    def transformed(arrays: Sequence[Any]) -> list[Any]:
        cotangents, fixed = arrays[count : count + outputs], arrays[count + outputs :]
        _, back = jax.vjp(lambda *wanted: list(call([*wanted, *fixed])[:outputs]), *arrays[:count])
        return [conjugate(g) for g in back([conjugate(c) for c in cotangents])]

    return transformed


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
    outputs = _Outputs("vjp(f, *primals)", has_aux, _floating)
    call.record(outputs, forwards=False)
    again = call.keep()
    made = call.run("vjp", _call_alone)
    spec, count = outputs.spec, outputs.count
    shapes = [t._aval() for t in made[:count]]

    def vjp_fn(cotangents: Any, retain_graph: bool = True, create_graph: bool | None = None) -> Any:
        """Gradients of the arguments for cotangents in the structure of the output."""
        given, mine = flatten(cotangents)
        if mine != spec:
            raise RuntimeError(
                "Expected pytree structure of cotangents to be the same as pytree structure of outputs "
                "to the "
                f"function. cotangents: {mine}, primal output: {spec}"
            )

        for i, (g, t) in enumerate(zip(given, shapes, strict=True)):
            check_gradient(t, g, i)
            given[i] = fitted_root(t, g, i)
        return call.gradients(again("vjp_backward", _pull, given, len(call.tensors), count))

    output = outputs.build(made[:count])
    return (output, vjp_fn, outputs.aux.build(iter(made[count:]))) if has_aux else (output, vjp_fn)


def _tangent(moved: Any, out: Any) -> Any:
    """A tangent, of integers zeros of their type."""
    return jnp.zeros_like(out) if moved.dtype == jax.dtypes.float0 else moved


def _push(call: Any, count: int, outputs: int) -> Any:
    def transformed(arrays: Sequence[Any]) -> list[Any]:
        primals, fixed = tuple(arrays[:count]), arrays[2 * count :]
        tangents = tuple(d.astype(x.dtype) for d, x in zip(arrays[count : 2 * count], primals, strict=True))

        def only(*wanted: Any) -> Any:
            found = list(call([*wanted, *fixed]))
            return found[:outputs], found[outputs:]

        out, moved, extra = jax.jvp(only, primals, tangents, has_aux=True)
        return [*out, *map(_tangent, moved, out), *extra]

    return transformed


def _dependent(tensors: Sequence[Tensor]) -> None:
    """Refuse results of the function under way that do not depend on its arguments."""
    if False in modes.captured.depend(tensors):
        raise RuntimeError(
            "jvp(f, primals, tangents, strict=True): The output of f is independent of the inputs. This is "
            "not allowed with strict=True."
        )


def jvp(func: Function, primals: Any, tangents: Any, *, strict: bool = False, has_aux: bool = False) -> Any:
    """The value of ``func`` and its derivative along ``tangents`` (``torch.func.jvp``).

    Args:
        func: returns tensors in any structure, or ``(tensors, aux)``.
        primals: a tuple of its arguments.
        tangents: a tuple of directions, shaped like them.
        strict: refuse results that do not depend on the arguments, instead of giving zeros.
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
    outputs = _Outputs(api, has_aux, _dependent if strict else None)
    call.record(outputs, forwards=True)
    count = outputs.count
    made = call.run("jvp", _push, given, len(call.tensors), count)
    out, moved = outputs.build(made[:count]), outputs.build(made[count : 2 * count])
    return (out, moved, outputs.aux.build(iter(made[2 * count :]))) if has_aux else (out, moved)


def linearize(func: Function, *primals: Any) -> tuple[Any, Function]:
    """The value of ``func`` and its derivative there as a function of tangents (``torch.func.linearize``)."""
    call = _Call(func, primals, {}, tuple(range(len(primals))))
    call.check("linearize")
    outputs = _Outputs("linearize", False)
    call.record(outputs, forwards=True)
    again = call.keep()
    shapes = [t._aval() for t in call.tensors]

    def jvp_fn(*tangents: Any) -> Any:
        """The derivative along tangents, one per argument."""
        given, mine = flatten(list(tangents))
        if mine != call.spec:
            raise RuntimeError(
                f"linearize: Expected the tangents {mine} to have the same argspec as the primals {call.spec}"
            )
        for i, (t, p) in enumerate(zip(given, shapes, strict=True)):
            for name, mine, wanted in (("shape", t.shape, Size(p.shape)), ("dtype", t.dtype, p.dtype)):
                if mine != wanted:
                    raise RuntimeError(
                        f"tangent:{i} with {name} {mine} in flattened pytree doesn't match the {name} "
                        f"{wanted} of the corresponding primal."
                    )
        count = outputs.count
        return outputs.build(again("linearize", _push, given, len(call.tensors), count)[count : 2 * count])

    return outputs.build(call.run("linearize", _call_alone)), jvp_fn


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


#: what PyTorch's Jacobians call, as errors name it
_NAMES = {"jacrev": "vjp(f, *primals)", "jacfwd": "jvp(f, primals, tangents)"}


def _jacobian(
    api: str, func: Function, argnums: Any, has_aux: bool, transform: Transform, settings: Any,
    recording: Callable[[_Call], dict[str, Any]], check: Callable[[Sequence[Tensor]], None],
) -> Function:  # fmt: skip
    """What ``jacrev`` and ``jacfwd`` have in common.

    The results of ``transform`` are the derivatives of the first output by all arguments, of the second, ...;
    then ``aux``. ``recording``: settings of the recording of a call.
    """

    @functools.wraps(func)
    def wrapper(*args: Any) -> Any:
        _real(api, flatten(list(args))[0], "inputs")
        call = _Call(func, args, {}, argnums)
        call.check(api)
        outputs = _Outputs(_NAMES[api], has_aux, check)
        call.record(outputs, **recording(call))
        count, each = outputs.count, len(call.tensors)
        made = call.run(api, transform, (), each, count, *settings)
        rows = [call.gradients(made[i * each : (i + 1) * each]) for i in range(count)]
        result = outputs.build(rows)
        return (result, outputs.aux.build(iter(made[count * each :]))) if has_aux else result

    return wrapper


def _rows(call: Any, count: int, outputs: int, chunk_size: int | None) -> Any:
    def transformed(arrays: Sequence[Any]) -> list[Any]:
        fixed = arrays[count:]

        def only(*wanted: Any) -> Any:
            found = list(call([*wanted, *fixed]))
            return found[:outputs], found[outputs:]

        out, pull, extra = jax.vjp(only, *arrays[:count], has_aux=True)
        basis = _basis(out)
        if chunk_size is None:
            found = jax.vmap(lambda rows: pull(list(rows)))(basis)
        else:
            found = jax.lax.map(lambda rows: pull(list(rows)), basis, batch_size=chunk_size)
        blocks = zip(*[_blocks(f, out) for f in found], strict=True)
        return [*(b for row in blocks for b in row), *extra]

    return transformed


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

    def check(out: Sequence[Tensor]) -> None:
        _real("jacrev", out, "outputs")
        _floating(out)

    return _jacobian(
        "jacrev", func, argnums, has_aux, _rows, (chunk_size,), lambda call: {"forwards": False}, check
    )


def _columns(call: Any, count: int, outputs: int) -> Any:
    given, end = call.given, call.given + call.parts

    def transformed(arrays: Sequence[Any]) -> list[Any]:
        inner, mapped = tuple(arrays[:count]), arrays[given:end]

        def column(tangents: Any, mine: Any) -> Any:
            fixed = [*arrays[count:given], *mine, *arrays[end:]]

            def only(*wanted: Any) -> Any:
                found = list(call([*wanted, *fixed]))
                return found[:outputs], found[outputs:]

            out, moved, extra = jax.jvp(only, inner, tuple(tangents), has_aux=True)
            return list(map(_tangent, moved, out)), extra

        moved, extra = jax.vmap(column)(_basis(inner), list(mapped))
        rows = [
            jnp.moveaxis(b, range(a.ndim), range(-a.ndim, 0))
            for m in moved
            for b, a in zip(_blocks(m, inner), inner, strict=True)
        ]
        return [*rows, *(x[0] for x in extra)]

    return transformed


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

    def recording(call: _Call) -> dict[str, Any]:
        check_randomness(randomness)
        size = sum(t.numel() for t in call.tensors)
        return {"forwards": True, "size": size, "randomness": randomness}

    return _jacobian(
        "jacfwd", func, argnums, has_aux, _columns, (), recording, lambda out: _real("jacfwd", out, "outputs")
    )


def hessian(func: Function, argnums: int | tuple[int, ...] = 0) -> Function:
    """The matrix of second derivatives, forwards over backwards (``torch.func.hessian``)."""
    return jacfwd(jacrev(func, argnums), argnums)
