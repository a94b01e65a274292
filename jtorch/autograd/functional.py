"""Jacobians, hessians and their products with vectors (``torch.autograd.functional``)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from jtorch.autograd._forward import jacobian_forward
from jtorch.autograd._traced import is_traced
from jtorch.tensor import Tensor
from jtorch.tensor._autograd import enable_grad, grad, is_grad_enabled, set_grad_enabled
from jtorch.tensor._creation import eye, zeros_like

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]

Tensors = tuple[Any, ...]


def _as_tuple(given: Any, what: str, caller: str) -> tuple[bool, Tensors]:
    """Whether a tuple of tensors was given, and the tensors as a tuple."""
    several = isinstance(given, tuple)
    tensors = given if several else (given,)
    for i, t in enumerate(tensors):
        if not isinstance(t, Tensor):
            found = f"the value at index {i}" if several else f"the given {what}"
            raise TypeError(
                f"The {what} given to {caller} must be either a Tensor or a tuple of Tensors but {found} has "
                f"type {type(t)}."
            )
    return several, tensors


def _prepare(tensors: Tensors, create_graph: bool, need_graph: bool) -> Tensors:
    """New tensor objects, so that the function's own uses of the same tensors count as constants."""

    def prepared(t: Any) -> Any:
        if not (create_graph and t.requires_grad):
            return t.detach().requires_grad_(need_graph)
        # Transforms of functions do not see that one view is made of another.
        return t.clone() if is_traced(t) else t.view_as(t)

    return tuple(map(prepared, tensors))


def _finish(tensors: Any, create_graph: bool) -> Any:
    """Results without history, unless it was asked for."""
    if create_graph:
        return tensors
    return tuple(t.detach() if isinstance(t, Tensor) else _finish(t, create_graph) for t in tensors)


def _check_vector(v: Tensors, other: Tensors, several: bool) -> None:
    if len(v) != len(other):
        if several:
            raise RuntimeError(f"v is a tuple of invalid length: should be {len(other)} but got {len(v)}.")
        raise RuntimeError("The given v should contain a single Tensor.")
    for i, (given, wanted) in enumerate(zip(v, other, strict=True)):
        if given.size() != wanted.size():
            entry = f"Entry {i} in " if several else ""
            raise RuntimeError(
                f"{entry}v has invalid size: should be {wanted.size()} but got {given.size()}."
            )


_STRICT = {
    "outputs": (
        "Output {} of the user-provided function does not require gradients. The outputs must be computed "
        "in a differentiable manner from the input when running in strict mode."
    ),
    "grad_inputs": (
        "The gradient with respect to input {} is independent of the inputs of the user-provided function. "
        "This is not allowed in strict mode."
    ),
    "jacobian": (
        "While computing the hessian, found that the jacobian of the user-provided function with respect to "
        "input {} is independent of the input. This is not allowed in strict mode. You should ensure that "
        "your function is twice differentiable and that the jacobian depends on the inputs (this would be "
        "violated by a linear function for example)."
    ),
    "hessian": (
        "The hessian of the user-provided function with respect to input {} is independent of the input. "
        "This is not allowed in strict mode. You should ensure that your function is thrice differentiable "
        "and that the hessian depends on the inputs."
    ),
}

_INDEPENDENT = {
    "back": (
        "The output of the user-provided function is independent of input {}. This is not allowed in strict "
        "mode."
    ),
    "back_trick": (
        "The gradient with respect to the input is independent of entry {} in the grad_outputs when using "
        "the double backward trick to compute forward mode gradients. This is not allowed in strict mode."
    ),
    "double_back": (
        "The jacobian of the user-provided function is independent of input {}. This is not allowed in "
        "strict mode."
    ),
    "double_back_trick": (
        "The hessian of the user-provided function is independent of entry {} in the grad_jacobian. This is "
        "not allowed in strict mode as it prevents from using the double backward trick to replace forward "
        "mode AD."
    ),
}


def _check_dependence(tensors: Sequence[Any], kind: str, strict: bool) -> None:
    """In strict mode, refuse what does not depend on the inputs."""
    if not strict:
        return
    for i, t in enumerate(tensors):
        if t is None:
            raise RuntimeError(_INDEPENDENT["back"].format(i))
        if not t.requires_grad:
            raise RuntimeError(_STRICT[kind].format(i))


def _gradients(
    outputs: Sequence[Any],
    inputs: Tensors,
    vectors: Any = None,
    create_graph: bool = False,
    retain_graph: bool | None = None,
    batched: bool = False,
) -> Tensors:
    """:func:`grad`, with ``None`` for outputs and inputs that have none."""
    vectors = (None,) * len(outputs) if vectors is None else vectors
    pairs = [(o, v) for o, v in zip(outputs, vectors, strict=True) if o is not None and o.requires_grad]
    if not pairs:
        return (None,) * len(inputs)
    found: Tensors = grad(
        tuple(o for o, _ in pairs),
        inputs,
        tuple(v for _, v in pairs),
        allow_unused=True,
        create_graph=create_graph,
        retain_graph=retain_graph,
        is_grads_batched=batched,
    )
    return found


def _zeros_for_none(
    gradients: Tensors, like: Tensors, strict: bool, create_graph: bool, stage: str
) -> Tensors:
    filled = []
    for i, (g, t) in enumerate(zip(gradients, like, strict=True)):
        if g is None:
            if strict:
                raise RuntimeError(_INDEPENDENT[stage].format(i))
            g = zeros_like(t)
        elif strict and create_graph and not g.requires_grad:
            what = "hessian" if "double" in stage else "jacobian"
            raise RuntimeError(
                f"The {what} of the user-provided function is independent of input {i}. This is not allowed "
                "in strict mode when create_graph=True."
            )
        filled.append(g)
    return tuple(filled)


def _given_back(tensors: Tensors, several: bool) -> Any:
    return tensors if several else tensors[0]


def _call(func: Callable[..., Any], inputs: Tensors, caller: str, strict: bool) -> tuple[bool, Tensors]:
    several, outputs = _as_tuple(func(*inputs), "outputs of the user-provided function", caller)
    _check_dependence(outputs, "outputs", strict)
    return several, outputs


def _scalar(several: bool, outputs: Tensors, caller: str) -> None:
    if several:
        raise RuntimeError(f"The function given to {caller} should return a single Tensor")
    if outputs[0].nelement() != 1:
        raise RuntimeError(
            f"The Tensor returned by the function given to {caller} should contain a single element"
        )


def _vector(v: Any, other: Tensors, several: bool, create_graph: bool, caller: str) -> Tensors:
    _, vectors = _as_tuple(v, "v", caller)
    vectors = _prepare(vectors, create_graph, False)
    _check_vector(vectors, other, several)
    return vectors


def vjp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """Product of a vector with the Jacobian of ``func``.

    Args:
        func: takes tensors and returns a tensor or a tuple of them.
        inputs: where to evaluate it.
        v: of the outputs' sizes; may be left out if the output has one element.
        create_graph: make the results differentiable.
        strict: refuse outputs that do not depend on an input, instead of giving zeros.

    Returns:
        The outputs, and the product in the inputs' sizes.
    """
    with enable_grad():
        many, inputs = _as_tuple(inputs, "inputs", "vjp")
        inputs = _prepare(inputs, create_graph, True)
        several, outputs = _call(func, inputs, "vjp", strict)
        if v is not None:
            v = _vector(v, outputs, several, create_graph, "vjp")
        elif len(outputs) != 1 or outputs[0].nelement() != 1:
            raise RuntimeError(
                "The vector v can only be None if the user-provided function returns a single Tensor with a "
                "single element."
            )
    with set_grad_enabled(True if create_graph else is_grad_enabled()):
        found = _gradients(outputs, inputs, v, create_graph)
        product = _zeros_for_none(found, inputs, strict, create_graph, "back")
    return _given_back(_finish(outputs, create_graph), several), _given_back(
        _finish(product, create_graph), many
    )


def jvp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """Product of the Jacobian of ``func`` with a vector, by two backward passes.

    Args:
        func: takes tensors and returns a tensor or a tuple of them.
        inputs: where to evaluate it.
        v: of the inputs' sizes; may be left out if the input has one element.
        create_graph: make the results differentiable.
        strict: refuse outputs that do not depend on an input, instead of giving zeros.

    Returns:
        The outputs, and the product in the outputs' sizes.
    """
    with enable_grad():
        many, inputs = _as_tuple(inputs, "inputs", "jvp")
        inputs = _prepare(inputs, create_graph, True)
        if v is not None:
            v = _vector(v, inputs, many, create_graph, "jvp")
        elif len(inputs) != 1 or inputs[0].nelement() != 1:
            raise RuntimeError(
                "The vector v can only be None if the input to the user-provided function is a single "
                "Tensor with a single element."
            )
        several, outputs = _call(func, inputs, "jvp", strict)
        # The gradient is linear in these, so that their values do not matter.
        probes = tuple(zeros_like(o, requires_grad=True) for o in outputs)
        pulled = _gradients(outputs, inputs, probes, create_graph=True)
        _check_dependence(pulled, "grad_inputs", strict)
    with set_grad_enabled(True if create_graph else is_grad_enabled()):
        found = _gradients(pulled, probes, v, create_graph)
        product = _zeros_for_none(found, outputs, strict, create_graph, "back_trick")
    return _given_back(_finish(outputs, create_graph), several), _given_back(
        _finish(product, create_graph), several
    )


def jacobian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """Jacobian of ``func``.

    Args:
        func: takes tensors and returns a tensor or a tuple of them.
        inputs: where to evaluate it.
        create_graph: make the result differentiable.
        strict: refuse outputs that do not depend on an input, instead of giving zeros.
        vectorize: compute all rows at once.
        strategy: ``"reverse-mode"`` or ``"forward-mode"``.

    Returns:
        A tensor of the output's sizes followed by the input's; a tuple of them per output, or per input, or
        of tuples
        per output, where there are several.
    """
    if strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError(
            'Expected strategy to be either "forward-mode" or "reverse-mode". Hint: If your function has '
            'more outputs than inputs, "forward-mode" tends to be more performant. Otherwise, prefer to '
            'use "reverse-mode".'
        )
    if strategy == "forward-mode":
        return _forward(func, inputs, create_graph, strict, vectorize)
    with enable_grad():
        many, inputs = _as_tuple(inputs, "inputs", "jacobian")
        inputs = _prepare(inputs, create_graph, True)
        several, outputs = _call(func, inputs, "jacobian", strict)
        if vectorize and strict:
            raise RuntimeError(
                "torch.autograd.functional.jacobian: `strict=True` and `vectorized=True` are not supported "
                "together. Please either set `strict=False` or `vectorize=False`."
            )
        for o in outputs:
            if o.is_complex() and not vectorize:  # each element by itself there
                raise RuntimeError(
                    f"grad can be implicitly created only for real scalar outputs but got {o.dtype}"
                )
        result = tuple(_rows(o, i, inputs, create_graph, strict) for i, o in enumerate(outputs))
    return _nested(_finish(result, create_graph), several, many)


def _nested(result: Any, several: bool, many: bool) -> Any:
    if not many:
        result = tuple(r[0] for r in result)
    return result if several else result[0]


def _rows(output: Any, number: int, inputs: Tensors, create_graph: bool, strict: bool) -> Tensors:
    """The Jacobian of one output, by one backward pass for all its elements."""
    count = output.nelement()
    if not count:
        return tuple(x.new_zeros((*output.size(), *x.size())) for x in inputs)
    basis = eye(count, dtype=output.dtype, device=output.device).view(count, *output.size())
    made = []
    for i, (x, g) in enumerate(
        zip(inputs, _gradients((output,), inputs, (basis,), create_graph, True, True), strict=True)
    ):
        if g is None:
            if strict:
                raise RuntimeError(
                    f"Output {number} of the user-provided function is independent of input {i}. This is not "
                    "allowed in strict mode."
                )
            made.append(x.new_zeros((*output.size(), *x.size())))
            continue
        if strict and create_graph and not g.requires_grad:
            raise RuntimeError(
                f"The jacobian of the user-provided function is independent of input {number}. This is not "
                "allowed in strict mode when create_graph=True."
            )
        made.append(g.view((*output.size(), *x.size())))
    return tuple(made)


def _forward(func: Callable[..., Any], inputs: Any, create_graph: bool, strict: bool, vectorize: bool) -> Any:
    if create_graph:
        raise NotImplementedError(
            'torch.autograd.functional.jacobian: `create_graph=True` and `strategy="forward-mode"` are not '
            'supported together (yet). Please either set `create_graph=False` or `strategy="reverse-mode"`.'
        )
    if strict:
        raise RuntimeError(
            'torch.autograd.functional.jacobian: `strict=True` and `strategy="forward-mode"` are not '
            'supported together (yet). Please either set `strict=False` or `strategy="reverse-mode"`.'
        )
    if not vectorize:
        raise NotImplementedError(
            "Computing Jacobian using forward-AD or forward-over-reverse Hessian isonly implemented for "
            "`vectorize=True`."
        )
    many, inputs = _as_tuple(inputs, "inputs", "jacobian")
    several, result = jacobian_forward(
        func, inputs, lambda o: _as_tuple(o, "outputs of the user-provided function", "jacobian")
    )
    return _nested(result, several, many)


def hessian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """Hessian of ``func``.

    Args:
        func: takes tensors and returns a tensor with one element.
        inputs: where to evaluate it.
        create_graph: make the result differentiable.
        strict: refuse a function whose gradient does not depend on an input, instead of giving zeros.
        vectorize: compute all rows at once.
        outer_jacobian_strategy: ``"reverse-mode"`` or ``"forward-mode"``.

    Returns:
        A tensor of the input's sizes twice, or a tuple of tuples of tensors if there are several inputs.
    """
    many, inputs = _as_tuple(inputs, "inputs", "hessian")
    if outer_jacobian_strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError('Expected strategy to be either "forward-mode" or "reverse-mode".')

    def single(*x: Any) -> Any:
        out = func(*x)
        several, outputs = _as_tuple(out, "outputs of the user-provided function", "hessian")
        _check_dependence(outputs, "outputs", strict)
        if several:
            raise RuntimeError("The function given to hessian should return a single Tensor")
        if out.nelement() != 1:
            raise RuntimeError(
                "The Tensor returned by the function given to hessian should contain a single element"
            )
        return out.squeeze()

    def gradient(*x: Any) -> Tensors:
        if outer_jacobian_strategy == "forward-mode":
            x = tuple(t.requires_grad_(True) for t in x)
        found = jacobian(single, x, create_graph=True)
        _check_dependence(found, "jacobian", strict)
        return found  # type: ignore[no-any-return]

    result = jacobian(
        gradient,
        inputs,
        create_graph=create_graph,
        strict=strict,
        vectorize=vectorize,
        strategy=outer_jacobian_strategy,
    )
    return result if many else result[0][0]


def vhp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """Product of a vector with the Hessian of ``func``.

    Args:
        func: takes tensors and returns a tensor with one element.
        inputs: where to evaluate it.
        v: of the inputs' sizes; may be left out if the input has one element.
        create_graph: make the results differentiable.
        strict: refuse a function whose gradient does not depend on an input, instead of giving zeros.

    Returns:
        The output, and the product in the inputs' sizes.
    """
    with enable_grad():
        many, inputs = _as_tuple(inputs, "inputs", "vhp")
        inputs = _prepare(inputs, create_graph, True)
        v = _hessian_vector(v, inputs, many, create_graph, "vhp")
        several, outputs = _call(func, inputs, "vhp", strict)
        _scalar(several, outputs, "vhp")
        first = _gradients(outputs, inputs, create_graph=True)
        _check_dependence(first, "jacobian", strict)
    with set_grad_enabled(True if create_graph else is_grad_enabled()):
        found = _gradients(first, inputs, v, create_graph)
        product = _zeros_for_none(found, inputs, strict, create_graph, "double_back")
    return _given_back(_finish(outputs, create_graph), several), _given_back(
        _finish(product, create_graph), many
    )


def _hessian_vector(v: Any, inputs: Tensors, many: bool, create_graph: bool, caller: str) -> Any:
    if v is not None:
        return _vector(v, inputs, many, create_graph, caller)
    if len(inputs) != 1 or inputs[0].nelement() != 1:
        raise RuntimeError(
            "The vector v can only be None if the input to the user-provided function is a single Tensor "
            "with a single element."
        )
    return None


def hvp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """Product of the Hessian of ``func`` with a vector; :func:`vhp` gives the same faster.

    Args:
        func: takes tensors and returns a tensor with one element.
        inputs: where to evaluate it.
        v: of the inputs' sizes; may be left out if the input has one element.
        create_graph: make the results differentiable.
        strict: refuse a function whose gradient does not depend on an input, instead of giving zeros.

    Returns:
        The output, and the product in the inputs' sizes.
    """
    with enable_grad():
        many, inputs = _as_tuple(inputs, "inputs", "hvp")
        inputs = _prepare(inputs, create_graph, True)
        v = _hessian_vector(v, inputs, many, create_graph, "hvp")
        several, outputs = _call(func, inputs, "hvp", strict)
        _scalar(several, outputs, "hvp")
        first = _gradients(outputs, inputs, create_graph=True)
        _check_dependence(first, "jacobian", strict)
        probes = tuple(zeros_like(x, requires_grad=True) for x in inputs)
        second = _gradients(first, inputs, probes, create_graph=True)
        _check_dependence(first, "hessian", strict)
    with set_grad_enabled(True if create_graph else is_grad_enabled()):
        found = _gradients(second, probes, v, create_graph)
        product = _zeros_for_none(found, inputs, strict, create_graph, "double_back_trick")
    return _given_back(_finish(outputs, create_graph), several), _given_back(
        _finish(product, create_graph), many
    )
