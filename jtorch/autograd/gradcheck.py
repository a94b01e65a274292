"""Comparing gradients with small finite differences (``torch.autograd.gradcheck``)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jtorch.autograd._forward import jacobian_forward
from jtorch.autograd.function import Function
from jtorch.dtypes import complex128, float64
from jtorch.errors import warn_user
from jtorch.tensor import Tensor
from jtorch.tensor._autograd import grad, no_grad
from jtorch.tensor._creation import eye, from_numpy, zeros_like

__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]


class GradcheckError(RuntimeError):
    """A gradient is wrong."""


def _as_tuple(x: Any) -> tuple[Any, ...]:
    return x if isinstance(x, tuple) else tuple(x) if isinstance(x, list) else (x,)


def _differentiable(outputs: Any) -> tuple[Any, ...]:
    return tuple(o for o in _as_tuple(outputs) if o.requires_grad)


def _inputs_of(inputs: Sequence[Any]) -> list[Any]:
    return [x for x in inputs if isinstance(x, Tensor) and x.requires_grad]


def _array(x: Any) -> np.ndarray[Any, Any]:
    return np.array(x.detach().resolve_conj().cpu().numpy() if x.is_complex() else x.detach().cpu().numpy())


def _check_inputs(inputs: Sequence[Any]) -> None:
    for i, x in enumerate(inputs):
        if not isinstance(x, Tensor) or not x.requires_grad:
            continue
        if x.dtype not in (float64, complex128):
            warn_user(
                f"Input #{i} requires gradient and is not a double precision floating point or complex. "
                "This check will likely fail if all the inputs are not of double precision floating point "
                "or complex. "
            )
        if any(s == 0 and n > 1 for s, n in zip(x.stride(), x.size(), strict=True)):
            raise RuntimeError(
                f"The {i}th input has a dimension with stride 0. gradcheck only supports inputs that are "
                "non-overlapping to be able to compute the numerical gradients correctly. You should call "
                ".contiguous on the input before passing it to gradcheck."
            )
    if not _inputs_of(inputs):
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of them have "
            "requires_grad=True."
        )


# ---- finite differences ------------------------------------------------------------------------------------


def _numerical(
    func: Callable[..., Any], inputs: Sequence[Any], eps: float
) -> list[list[np.ndarray[Any, Any]]]:
    """Per input and output, derivatives of each element of the output by each of the input, inputs first."""
    return [_numerical_one(func, inputs, x, eps) for x in _inputs_of(inputs)]


def _numerical_one(
    func: Callable[..., Any], inputs: Sequence[Any], x: Any, eps: float
) -> list[np.ndarray[Any, Any]]:
    data = x.data
    rows: list[list[np.ndarray[Any, Any]]] = []

    def outputs_at(index: tuple[int, ...], value: Any) -> list[np.ndarray[Any, Any]]:
        data[index] = value
        return [_array(o) for o in _as_tuple(func(*inputs))]

    for index in np.ndindex(*x.size()):
        old = data[index].item()

        def slope(step: Any, index: Any = index, old: Any = old) -> list[np.ndarray[Any, Any]]:
            low, high = outputs_at(index, old - step), outputs_at(index, old + step)
            for a, b in zip(low, high, strict=True):
                _check_same(a, b, index, eps)
            return [((b - a) / (2 * eps)).reshape(-1) for a, b in zip(low, high, strict=True)]

        row = slope(eps)
        if x.is_complex():
            # The conjugate Wirtinger derivative, of real outputs.
            row = [dx + 1j * dy for dx, dy in zip(row, slope(eps * 1j), strict=True)]
        data[index] = old
        rows.append(row)
    if not rows:
        return [np.zeros((0, o.numel())) for o in _as_tuple(func(*inputs))]
    return [np.stack(column) for column in zip(*rows, strict=True)]


def _check_same(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any], index: tuple[int, ...], eps: float) -> None:
    start = "Expected `func` to return outputs with the same {} when inputs are perturbed "
    if a.shape != b.shape:
        raise AssertionError(
            start.format("shape") + f"on index {index} by {eps}, but got: shapes {a.shape} and {b.shape}."
        )
    if a.dtype != b.dtype:
        raise AssertionError(
            start.format("dtype") + f"on index {index} by {eps}, but got: dtypes {a.dtype} and {b.dtype}."
        )


# ---- gradients ---------------------------------------------------------------------------------------------


def _analytical(inputs: list[Any], output: Any) -> tuple[list[np.ndarray[Any, Any]], bool]:
    """Per input, the same derivatives from backward passes, and whether all have the input's dtype."""
    count = output.numel()
    if not count:
        return [np.zeros((x.numel(), 0)) for x in inputs], True
    basis = eye(count, dtype=output.dtype, device=output.device).view(count, *output.size())
    found = grad((output,), inputs, (basis,), retain_graph=True, allow_unused=True, is_grads_batched=True)
    made, same = [], True
    for x, g in zip(inputs, found, strict=True):
        if g is None:
            made.append(np.zeros((x.numel(), count)))
        else:
            same = same and g.dtype == x.dtype
            made.append(_array(g).reshape(count, -1).T)
    return made, same


def _compare(
    func: Callable[..., Any], inputs: Sequence[Any], settings: dict[str, Any], prefix: Callable[[int], str]
) -> None:
    """Gradients of one function with real outputs against its finite differences."""
    results = _as_tuple(func(*inputs))
    numerical = _numerical(func, inputs, settings["eps"])
    outputs = [(i, o) for i, o in enumerate(results) if o.requires_grad]
    if not outputs:
        if any((n != 0).any() for row in numerical for n in row):
            raise GradcheckError("Numerical gradient for function expected to be zero")
        return
    targets = _inputs_of(inputs)
    for place, (i, output) in enumerate(outputs):
        first, same = _analytical(targets, output)
        second, _ = _analytical(targets, output)
        if not same and settings["check_grad_dtypes"]:
            raise GradcheckError("Gradient has dtype mismatch")
        for a, b in zip(first, second, strict=True):
            if a.size and np.abs(a - b).max() > settings["nondet_tol"]:
                raise GradcheckError(_NOT_REENTRANT.format(settings["nondet_tol"]))
        for j, a in enumerate(first):
            _check_close(a, numerical[j][i], place, j, settings, prefix(place))


_NOT_REENTRANT = (
    "Backward is not reentrant, i.e., running backward with same input and grad_output multiple times gives "
    "different values, although analytical gradient matches numerical gradient.The tolerance for "
    "nondeterminism was {}."
)


def _check_close(
    a: np.ndarray[Any, Any],
    n: np.ndarray[Any, Any],
    i: int,
    j: int,
    settings: dict[str, Any],
    prefix: str,
    mode: str = "",
) -> None:
    if np.allclose(a, n, settings["rtol"], settings["atol"]):
        return
    shown = [from_numpy(np.ascontiguousarray(x)) for x in (n, a)]
    raise GradcheckError(
        f"{prefix}Jacobian {mode}mismatch for output {i} with respect to input {j},\nnumerical:{shown[0]}\n"
        f"analytical:{shown[1]}\n"
    )


def _check_backward(func: Callable[..., Any], inputs: Sequence[Any], settings: dict[str, Any]) -> None:
    results = _as_tuple(func(*inputs))
    if not any(o.is_complex() for o in results):
        _compare(func, inputs, settings, lambda i: "")
        return
    outputs = _differentiable(results)
    for name in ("imag", "real"):

        def part(*args: Any, name: str = name) -> tuple[Any, ...]:
            return tuple(getattr(o, name) if o.is_complex() else o for o in _as_tuple(func(*args)))

        word = {"imag": "imaginary", "real": "real"}[name]
        _compare(
            part,
            inputs,
            settings,
            lambda i, word=word: (
                f"While considering the {word} part of complex outputs only, "  # type: ignore[misc]
                if outputs[i].is_complex()
                else ""
            ),
        )


def _check_forward(func: Callable[..., Any], inputs: Sequence[Any], settings: dict[str, Any]) -> None:
    """Forward-mode derivatives against finite differences."""
    if any(isinstance(x, Tensor) and x.is_complex() for x in inputs):
        raise NotImplementedError("gradcheck: check_forward_ad=True with complex inputs")
    places = [i for i, x in enumerate(inputs) if isinstance(x, Tensor) and x.requires_grad]

    def of_tensors(*tensors: Any) -> Any:
        full = list(inputs)
        for i, t in zip(places, tensors, strict=True):
            full[i] = t
        return func(*full)

    _, found = jacobian_forward(of_tensors, tuple(inputs[i] for i in places), lambda o: (True, _as_tuple(o)))
    results = _as_tuple(func(*inputs))
    numerical = _numerical(func, inputs, settings["eps"])
    for i, output in enumerate(results):
        for j, place in enumerate(places):
            a = _array(found[i][j]).reshape(output.numel(), inputs[place].numel()).T
            _check_close(a, numerical[j][i], i, j, settings, "", "computed with forward mode ")


def _check_batched(inputs: Sequence[Any], output: Any, number: int) -> None:
    """Gradients of a batch of vectors are those of the vectors one by one."""
    targets = _inputs_of(inputs)
    draw = np.random.default_rng(0)
    rows = [from_numpy(draw.standard_normal(tuple(output.size()))).to(output.dtype) for _ in range(2)]
    alone = [grad(output, targets, r, retain_graph=True, allow_unused=True) for r in rows]
    batch = from_numpy(np.stack([_array(r) for r in rows]))
    found = grad(output, targets, batch, retain_graph=True, allow_unused=True, is_grads_batched=True)
    for j, g in enumerate(found):
        if g is None:
            continue
        expected = np.stack([_array(row[j]) for row in alone])
        if not np.allclose(_array(g), expected):
            raise GradcheckError(f"For output {number} and input {j}:\n\nGot:\n{g}\n\nExpected:\n{expected}")


class _Undefined(Function):
    """The identity, whose gradient is lost."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, grad_output: Any) -> Any:
        return None


_NOTES = 'Please look at "Notes about undefined output gradients" in "tools/autograd/derivatives.yaml"'


def _check_undefined(func: Callable[..., Any], inputs: Sequence[Any]) -> None:
    """The backward copes with results whose gradient is missing."""
    targets = _inputs_of(inputs)
    outputs = _differentiable(func(*inputs))
    cases = [[_Undefined.apply(o) for o in outputs]]
    if len(outputs) > 1:
        for i in range(len(outputs)):
            again = _differentiable(func(*inputs))
            cases.append([_Undefined.apply(o) if j == i else o for j, o in enumerate(again)])
    for case in cases:
        try:
            found = grad(case, targets, [zeros_like(o) for o in case], allow_unused=True)
        except RuntimeError as error:
            _warn_of_change()
            raise GradcheckError(
                f"Expected backward function to handle undefined output grads. {_NOTES}"
            ) from error
        if any(g is not None and (_array(g) != 0).any() for g in found):
            _warn_of_change()
            raise GradcheckError(
                "Expected all input grads to be undefined or zero when all output grads are undefined or "
                "zero. " + _NOTES
            )


def _warn_of_change() -> None:
    warn_user(
        "Backwards compatibility: New undefined gradient support checking feature is enabled by default, "
        "but it may break existing callers of this function. If this is true for you, you can call this "
        "function with "
        '"check_undefined_grad=False" to disable the feature'
    )


def _check_linear(outputs: tuple[Any, ...], inputs: Sequence[Any]) -> None:
    """A gradient of zeros gives gradients of zeros."""
    targets = _inputs_of(inputs)
    found = grad(outputs, targets, [zeros_like(o) for o in outputs], retain_graph=True, allow_unused=True)
    for g, x in zip(found, targets, strict=True):
        if g is None:
            continue
        if (_array(g) != 0).any():
            raise GradcheckError("backward not multiplied by grad_output")
        for what in ("dtype", "device"):
            if getattr(g, what) != getattr(x, what):
                raise GradcheckError(f"grad is incorrect {'type' if what == 'dtype' else what}")
        if g.size() != x.size():
            raise GradcheckError("grad is incorrect size")


def gradcheck(
    func: Callable[..., Any],
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Whether gradients agree with small finite differences.

    Args:
        func: takes tensors and returns a tensor or a tuple of them.
        inputs: those that require grad are checked; they should be of double precision.
        eps: the step.
        atol: absolute tolerance.
        rtol: relative tolerance.
        raise_exception: raise an error instead of returning ``False``.
        nondet_tol: how much two backward passes may differ.
        check_undefined_grad: check that the backward copes with missing gradients.
        check_grad_dtypes: check that gradients have the dtypes of the inputs.
        check_batched_grad: check batched gradients.
        check_batched_forward_grad: check batched forward-mode derivatives; part of ``check_forward_ad`` here.
        check_forward_ad: check forward-mode derivatives.
        check_backward_ad: check gradients.
        fast_mode: without effect; the whole Jacobian is always compared.
        masked: without effect on dense tensors.

    Raises:
        GradcheckError: they do not agree.
        ValueError: no input requires grad.
    """
    if not (check_forward_ad or check_backward_ad):
        raise AssertionError("Expected at least one of check_forward_ad or check_backward_ad to be True")
    if check_batched_grad and not check_backward_ad:
        raise AssertionError("Setting check_batched_grad=True requires check_backward_ad to be True")
    if check_batched_forward_grad and not check_forward_ad:
        raise AssertionError("Setting check_batched_forward_grad=True requires check_forward_ad to be True")
    settings = {
        "eps": eps,
        "atol": atol,
        "rtol": rtol,
        "nondet_tol": nondet_tol,
        "check_grad_dtypes": check_grad_dtypes,
    }
    given = _as_tuple(inputs)
    try:
        _check_inputs(given)
        if check_backward_ad:
            _check_backward(func, given, settings)
        if check_forward_ad:
            _check_forward(func, given, settings)
        if not check_backward_ad:
            return True
        outputs = _differentiable(func(*given))
        for i, o in enumerate(outputs):
            if check_batched_grad:
                _check_batched(given, o, i)
        if outputs:
            _check_linear(outputs, given)
        if check_undefined_grad and outputs:
            _check_undefined(func, given)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
) -> bool:
    """Whether gradients of gradients agree with small finite differences.

    Args:
        func: takes tensors and returns a tensor or a tuple of them.
        inputs: those that require grad are checked; they should be of double precision.
        grad_outputs: gradients of the outputs; drawn at random by default.
        eps: the step.
        atol: absolute tolerance.
        rtol: relative tolerance.
        gen_non_contig_grad_outputs: draw gradients that are not contiguous.
        raise_exception: raise an error instead of returning ``False``.
        nondet_tol: how much two backward passes may differ.
        check_undefined_grad: check that the backward copes with missing gradients.
        check_grad_dtypes: check that gradients have the dtypes of the inputs.
        check_batched_grad: check batched gradients.
        check_fwd_over_rev: check forward-mode derivatives of gradients.
        check_rev_over_rev: check gradients of gradients.
        fast_mode: without effect; the whole Jacobian is always compared.
        masked: without effect on dense tensors.

    Raises:
        GradcheckError: they do not agree.
    """
    if not (check_fwd_over_rev or check_rev_over_rev):
        raise AssertionError("Expected at least one of check_fwd_over_rev or check_rev_over_rev to be True")
    if check_undefined_grad and not check_rev_over_rev:
        raise AssertionError("Setting check_undefined_grad=True requires check_rev_over_rev to be True")
    if check_batched_grad and not check_rev_over_rev:
        raise AssertionError("Setting check_batched_grad=True requires check_rev_over_rev to be True")
    given = _as_tuple(inputs)
    if grad_outputs is None:
        draw = np.random.default_rng(0)
        vectors = tuple(_drawn(o, draw, gen_non_contig_grad_outputs) for o in _differentiable(func(*given)))
    else:
        vectors = _as_tuple(grad_outputs)
    count = len(vectors)
    of_inputs = {i for i, x in enumerate(given) if isinstance(x, Tensor) and x.requires_grad}
    of_vectors = {i for i, x in enumerate(vectors) if x.requires_grad}

    def first_gradients(*args: Any) -> tuple[Any, ...]:
        xs = tuple(x.requires_grad_() if i in of_inputs else x for i, x in enumerate(args[:-count]))
        outputs = _differentiable(func(*xs))
        vs = tuple(x.requires_grad_() if i in of_vectors else x for i, x in enumerate(args[-count:]))
        wanted = tuple(x for i, x in enumerate(xs) if i in of_inputs)
        found = grad(outputs, wanted, vs, create_graph=True, allow_unused=True)
        return tuple(g for g in found if g is not None)

    return gradcheck(
        first_gradients,
        given + vectors,
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        nondet_tol=nondet_tol,
        check_undefined_grad=check_undefined_grad,
        check_grad_dtypes=check_grad_dtypes,
        check_batched_grad=check_batched_grad,
        fast_mode=fast_mode,
        check_forward_ad=check_fwd_over_rev,
        check_backward_ad=check_rev_over_rev,
        masked=masked,
    )


def _drawn(like: Any, draw: np.random.Generator, spread: bool) -> Any:
    """A random gradient for an output; ``spread``: not contiguous."""
    shape = tuple(like.size())
    array = draw.uniform(-1, 1, (*shape, 2))
    values = array[..., 0] + 1j * array[..., 1] if like.is_complex() else array[..., 0]
    if not spread:
        values = values.copy()
    kind = like.dtype if like.is_floating_point() or like.is_complex() else float64
    with no_grad():
        made = from_numpy(values) if spread else from_numpy(np.ascontiguousarray(values))
        if made.dtype != kind:
            made = made.to(kind)
    return made.requires_grad_()
