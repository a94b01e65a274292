"""The part of autograd that tensors show: ``backward``, ``grad``, ``detach``, hooks, and the modes."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from weakref import ref

import numpy as np

from jtorch import dtypes
from jtorch.devices import CPU
from jtorch.dispatch import GRAD, INFERENCE, NO_GRAD, modes
from jtorch.errors import warn_user
from jtorch.ops._checks import c_name
from jtorch.tape import CustomNode, Node, RemovableHandle, is_running, note_hook, run_backward
from jtorch.tensor._bridge import AccumulateGrad, check_gradient, fitted_root, zeros
from jtorch.tensor._core import Tensor, from_value, value_of
from jtorch.tensor._leaks import refuse
from jtorch.tensor._size import Size
from jtorch.tensor._storage import Version, place_changes
from jtorch.tensor._values import to_device
from jtorch.tensor._view_history import seen_base
from jtorch.trace import (
    TracedValue,
    Value,
    detaching,
    from_host,
    leave_session,
    record,
    recorder,
    settings,
)
from jtorch.trace import flush as _flush

__all__ = [
    "backward", "enable_grad", "grad", "inference_mode", "is_anomaly_check_nan_enabled", "is_anomaly_enabled",
    "is_grad_enabled", "is_inference_mode_enabled", "no_grad", "set_grad_enabled",
]  # fmt: skip


class _Mode:
    """A context manager and decorator that sets the grad level of this thread."""

    level = NO_GRAD

    def __init__(self) -> None:
        self.saved: list[tuple[int, bool]] = []

    def _save(self) -> None:
        self.saved.append((modes.level, modes.grad_in_inference))

    def __enter__(self) -> None:
        self._save()
        modes.level = self.level

    def __exit__(self, *_: object) -> None:
        modes.level, modes.grad_in_inference = self.saved.pop()

    def clone(self) -> _Mode:
        return type(self)()

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        if inspect.isclass(function):
            warn_user(
                "Decorating classes is deprecated and will be disabled in future versions. You should only "
                "decorate functions or methods. To preserve the current behavior of class decoration, you "
                "can directly decorate the `__init__` method and nothing else.",
                FutureWarning,
            )
            function.__init__ = self(function.__init__)  # type: ignore[method-assign]
            return function
        if inspect.isgeneratorfunction(function):
            return self._wrap_generator(function)

        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with self.clone():
                return function(*args, **kwargs)

        return wrapper

    def _wrap_generator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            generator = function(*args, **kwargs)
            resume: Callable[[], Any] = functools.partial(next, generator)
            while True:
                with self.clone():
                    try:
                        item = resume()
                    except StopIteration as stop:
                        return stop.value
                try:
                    sent = yield item
                except GeneratorExit:
                    with self.clone():
                        generator.close()
                    raise
                except BaseException as error:
                    resume = functools.partial(generator.throw, error)
                else:
                    resume = functools.partial(generator.send, sent)

        return wrapper


def _record(flag: bool) -> None:
    """Switch recording on or off; in inference mode it stays off."""
    if modes.level == INFERENCE:
        modes.grad_in_inference = flag
    else:
        modes.level = GRAD if flag else NO_GRAD


class no_grad(_Mode):
    """Record no history inside (``torch.no_grad``); a context manager and a decorator, called or not."""

    def __new__(cls, function: Callable[..., Any] | None = None) -> Any:
        mode = super().__new__(cls)
        if function is None:
            return mode
        mode.saved = []
        return mode(function)

    def __init__(self, function: Callable[..., Any] | None = None) -> None:
        super().__init__()

    def __enter__(self) -> None:
        self._save()
        _record(False)


class enable_grad(no_grad):
    """Record history again inside a ``no_grad`` block (``torch.enable_grad``)."""

    def __enter__(self) -> None:
        self._save()
        _record(True)


class inference_mode(_Mode):
    """Like ``no_grad``, and results can never take part in autograd (``torch.inference_mode``).

    Args:
        mode: ``False`` switches it off inside.
    """

    def __new__(cls, mode: Any = True) -> Any:
        made = super().__new__(cls)
        if isinstance(mode, bool):
            return made
        made.saved, made.mode = [], True
        return made(mode)

    def __init__(self, mode: Any = True) -> None:
        super().__init__()
        self.mode = mode if isinstance(mode, bool) else True

    def __enter__(self) -> None:
        self._save()
        modes.level, modes.grad_in_inference = (INFERENCE if self.mode else GRAD), False

    def clone(self) -> _Mode:
        made: _Mode = inference_mode(self.mode)
        return made


class set_grad_enabled(_Mode):
    """Switch recording on or off (``torch.set_grad_enabled``): at once, in a ``with`` block until its end."""

    def __init__(self, mode: bool) -> None:
        super().__init__()
        if type(mode) is not bool:
            raise TypeError(
                f"set_grad_enabled(): argument 'enabled' (position 1) must be bool, not {type(mode).__name__}"
            )
        self._save()
        self.mode = mode
        _record(mode)

    def __enter__(self) -> None:
        _record(self.mode)

    def __exit__(self, *_: object) -> None:
        modes.level, modes.grad_in_inference = self.saved[-1]

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        modes.level, modes.grad_in_inference = self.saved[-1]
        return super().__call__(function)

    def clone(self) -> _Mode:
        return set_grad_enabled(self.mode)

    def __str__(self) -> str:
        return f"torch.autograd.grad_mode.set_grad_enabled(mode={self.mode})"

    __repr__ = __str__


def is_grad_enabled() -> bool:
    """Whether history is recorded now, or would be outside of inference mode."""
    return modes.level == GRAD or (modes.level == INFERENCE and modes.grad_in_inference)


def is_anomaly_enabled() -> bool:
    """Whether anomaly detection is on."""
    return modes.anomaly


def is_anomaly_check_nan_enabled() -> bool:
    """Whether anomaly detection, where it is on, stops at a nan."""
    return modes.anomaly_check_nan


def is_inference_mode_enabled() -> bool:
    """Whether inference mode is on."""
    return modes.level == INFERENCE


def _aval(x: Any) -> Any:
    """Shape, dtype and device of a tensor or of what a gradient edge stands for."""
    if isinstance(x, Tensor):
        return x._aval()
    node, nr = x[0], x[1]
    if isinstance(node, AccumulateGrad):
        return node.variable._aval()
    return node.made[nr] if isinstance(node, CustomNode) else node.plan.outputs[nr]


def _first_gradient(root: Any) -> Value:
    aval = _aval(root)
    if aval.size != 1:
        raise RuntimeError("grad can be implicitly created only for scalar outputs")
    if aval.dtype.category != dtypes.FLOAT:
        raise RuntimeError(
            f"grad can be implicitly created only for real scalar outputs but got {aval.dtype}"
        )
    return ones(aval)


_ones: dict[Any, Value] = {}


def ones(aval: Any) -> Value:
    """Ones of that aval, made once."""
    found = _ones.get(aval)
    if found is None:
        found = from_host(np.ones(aval.shape, aval.dtype.numpy))
        found.pinned = True
        if aval.device is not CPU:
            found = to_device(found, aval.device)
            found.pinned = True
        if aval.size <= 4096:
            _ones[aval] = found
    return found


def edge_of(x: Any) -> tuple[Any, int] | None:
    """Where gradients of a tensor, or of a ``GradientEdge`` (a node and the number of its output), go."""
    if isinstance(x, Tensor):
        return x._edge()
    node, nr = x[0], x[1]
    return (node.variable, 0) if isinstance(node, AccumulateGrad) else (node, nr)


_NO_HISTORY = "element {} of tensors does not require grad and does not have a grad_fn"


def _roots(
    tensors: Sequence[Any], gradients: Sequence[Any], create_graph: bool, batch: int = 0
) -> list[tuple[Any, int, Any]]:
    roots = []
    for i, (tensor, gradient) in enumerate(zip(tensors, gradients, strict=False)):
        edge = edge_of(tensor)
        if gradient is None:
            if edge is None:
                raise RuntimeError(_NO_HISTORY.format(i))
            given: Any = _first_gradient(tensor)
        else:
            aval = _aval(tensor)
            if not batch:
                check_gradient(aval, gradient, i)
            if edge is None:
                raise RuntimeError(_NO_HISTORY.format(i))
            gradient = fitted_root(aval, gradient, i)
            given = gradient if create_graph and gradient._tracked else value_of(gradient)
        roots.append((edge[0], edge[1], given))
    if len(gradients) < len(tensors):
        raise RuntimeError(f"got {len(tensors)} tensors and {len(gradients)} gradients")
    return roots


def _is_edge(x: Any) -> bool:
    return isinstance(x, tuple) and len(x) >= 2 and isinstance(x[0], Node)


def _outputs(x: Any) -> tuple[Any, ...]:
    """Tensors or gradient edges to differentiate, one or several, as a tuple."""
    if isinstance(x, Tensor) or _is_edge(x):
        return (x,)
    found = tuple(x)
    for t in found:
        if not isinstance(t, Tensor) and not _is_edge(t):
            raise AssertionError("Expected output to be a torch.Tensor")
    return found


def _inputs(x: Any, caller: str) -> tuple[Any, ...]:
    """Tensors or gradient edges to differentiate by, one, several or those of a dictionary, as a tuple."""
    if isinstance(x, Tensor) or _is_edge(x):
        return (x,)
    if type(x) is not dict and isinstance(x, Mapping):
        raise TypeError(
            f"`inputs` argument to `{caller}()` must be a dict, not {type(x).__name__}. Other Mapping types "
            "are not supported."
        )
    found = tuple(x.values() if type(x) is dict else x)
    if not found:
        raise RuntimeError(f"`inputs` argument to `{caller}()` cannot be empty.")
    return found


def _gradients(given: Any, count: int) -> Sequence[Any]:
    if given is None:
        return (None,) * count
    return (given,) if isinstance(given, Tensor) else tuple(given)


def backward(
    tensors: Any,
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    grad_variables: Any = None,
    inputs: Any = None,
) -> None:
    """Accumulate gradients of ``tensors`` into the leaves (``torch.autograd.backward``).

    Args:
        tensors: tensors, or gradient edges, to start from.
        grad_tensors: their gradients; needed for those with more than one element.
        retain_graph: keep what the graph saved, for another backward; as ``create_graph`` by default.
        create_graph: record the backward, for gradients of gradients.
        grad_variables: old name of ``grad_tensors``.
        inputs: tensors to accumulate into, also as values of a dictionary; all leaves by default.
    """
    if grad_variables is not None:
        warn_user("`grad_variables` is deprecated. Use `grad_tensors` instead.", FutureWarning)
        if grad_tensors is not None:
            raise RuntimeError(
                "`grad_tensors` and `grad_variables` (deprecated) arguments both passed to `backward()`. "
                "Please only use `grad_tensors`."
            )
        grad_tensors = grad_variables
    roots = _outputs(tensors)
    _backward(roots, _gradients(grad_tensors, len(roots)), retain_graph, create_graph, inputs)


def _backward(
    roots: Sequence[Any], gradients: Sequence[Any], retain_graph: Any, create_graph: bool, inputs: Any
) -> None:
    if inputs is not None:
        inputs = _inputs(inputs, "backward")
    keep = create_graph if retain_graph is None else retain_graph
    if any(_noted_in(t) is not None and not t._tracked for t in roots):
        raise RuntimeError(
            "backward() called inside a functorch transform. This is not supported, please use "
            "functorch.grad or functorch.vjp instead or call backward() outside of functorch transforms."
        )
    if create_graph:
        _warn_of_cycle()
    if not roots:
        return
    prepared = _roots(roots, gradients, create_graph)
    if not create_graph:
        _boundary(roots[0])
    edges = None
    if inputs is not None:
        edges = []
        for t in inputs:
            if isinstance(t, Tensor):
                retain_grad(t)
            edges.append(_wanted_edge(t))
    with _BackwardLevel(create_graph):
        run_backward(prepared, keep_graph=keep, create_graph=create_graph, inputs=edges, accumulate=True)


def _wanted_edge(x: Any) -> tuple[Any, int]:
    if not isinstance(x, Tensor) and not _is_edge(x):
        raise RuntimeError(f"all inputs have to be Tensors or GradientEdges, but got {type(x).__name__}")
    edge = edge_of(x)
    if edge is None:
        raise RuntimeError("One of the differentiated Tensors does not require grad")
    return edge


_warned: list[bool] = []


def _warn_of_cycle() -> None:
    if not _warned:
        _warned.append(True)
        warn_user(
            "Using backward() with create_graph=True will create a reference cycle between the parameter "
            "and its gradient which can cause a memory leak. We recommend using autograd.grad when creating "
            "the graph to avoid this. If you have to use this function, make sure to reset the .grad fields "
            "of your parameters to None after use to break the cycle and avoid the leak."
        )


class _BackwardLevel:
    """Grad level inside a backward pass: recording only for ``create_graph``."""

    __slots__ = ("level", "saved")

    def __init__(self, create_graph: bool) -> None:
        self.level = GRAD if create_graph else NO_GRAD

    def __enter__(self) -> None:
        self.saved = modes.level
        modes.level = self.level

    def __exit__(self, *_: object) -> None:
        modes.level = self.saved


def _boundary(root: Any) -> None:
    """Gradient accumulation: a backward that starts while one is pending ends the program before it."""
    r = recorder(_aval(root).device)
    if r.unfinished and not settings.eager and not is_running():
        _flush(r, "backward")
    r.unfinished = True


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> Any:
    """Gradients of ``outputs`` with respect to ``inputs``, returned (``torch.autograd.grad``).

    Args:
        outputs: tensors, or gradient edges, to differentiate.
        inputs: tensors, or gradient edges, to differentiate by; for a dictionary of tensors the result is
            one with the same keys.
        grad_outputs: gradients of ``outputs``; needed for those with more than one element.
        retain_graph: keep what the graph saved; as ``create_graph`` by default.
        create_graph: record the backward, for gradients of gradients.
        only_inputs: always true.
        allow_unused: give ``None`` for inputs that the outputs do not depend on, instead of an error.
        is_grads_batched: ``grad_outputs`` have a leading dimension, as the results will.
        materialize_grads: give zeros in place of ``None``.

    Raises:
        RuntimeError: an input that does not require grad, or that the outputs do not depend on.
    """
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True, but got: "
            "allow_unused=False."
        )
    if allow_unused is None:
        allow_unused = materialize_grads
    roots, targets = _outputs(outputs), _inputs(inputs, "grad")
    gradients = _gradients(grad_outputs, len(roots))
    if not only_inputs:
        warnings.warn(
            "only_inputs argument is deprecated and is ignored now (defaults to True). To accumulate "
            "gradient for other parts of the graph, please use torch.autograd.backward.",
            FutureWarning,
            stacklevel=2,
        )
    batch = _batch(roots, gradients) if is_grads_batched else 0
    noted = max(filter(None, map(_noted_in, (*roots, *targets))), key=lambda r: r.depth, default=None)
    if noted is not None and not (any(r._tracked for r in roots) and all(map(noted.owns, targets))):
        found = _noted_gradients(noted, roots, targets, gradients, create_graph, is_grads_batched)
        results = _unused(found, targets, allow_unused, materialize_grads)
        return dict(zip(inputs, results, strict=True)) if type(inputs) is dict else tuple(results)
    keep = create_graph if retain_graph is None else retain_graph
    prepared = _roots(roots, gradients, create_graph, batch)
    edges = [_wanted_edge(t) for t in targets]
    unique = {(id(e[0]), e[1]): e for e in edges}
    with _BackwardLevel(create_graph):
        found = run_backward(
            prepared,
            keep_graph=keep,
            create_graph=create_graph,
            inputs=list(unique.values()),
            accumulate=False,
            batch=batch,
        )
    by_edge = dict(zip(unique, found, strict=True))
    results = _unused([by_edge[id(e[0]), e[1]] for e in edges], targets, allow_unused, materialize_grads)
    return dict(zip(inputs, results, strict=True)) if type(inputs) is dict else tuple(results)


def _unused(gradients: Sequence[Any], targets: Sequence[Any], allowed: bool, filled: bool) -> list[Any]:
    """Gradients as tensors, also of what the outputs do not depend on."""
    results: list[Any] = []
    for i, (t, gradient) in enumerate(zip(targets, gradients, strict=True)):
        if gradient is None:
            if filled:
                gradient = zeros(_aval(t))
            elif not allowed:
                raise RuntimeError(
                    f"The differentiated Tensor at index {i} appears to not have been used in the graph. Set "
                    "allow_unused=True if this is the desired behavior."
                )
        results.append(from_value(gradient) if isinstance(gradient, Value) else gradient)
    return results


def _noted_gradients(
    recording: Any, roots: Sequence[Any], targets: Sequence[Any], gradients: Sequence[Any],
    create_graph: bool, batched: bool,
) -> list[Any]:  # fmt: skip
    """:func:`grad` of what a transform of ``jtorch.func`` notes."""
    given = []
    for i, (root, gradient) in enumerate(zip(roots, gradients, strict=True)):
        if not isinstance(root, Tensor) or not root.requires_grad:
            raise RuntimeError(_NO_HISTORY.format(i))
        if gradient is None:
            gradient = from_value(_first_gradient(root))
        elif not batched:
            check_gradient(root._aval(), gradient, i)
        given.append(fitted_root(root._aval(), gradient, i))
    for t in targets:
        if not isinstance(t, Tensor) or not t.requires_grad:
            raise RuntimeError("One of the differentiated Tensors does not require grad")
        if recording.owns(t) and any(r._tracked for r in roots):
            raise NotImplementedError(
                "autograd.grad() by what a transform of jtorch.func differentiates by and by leaves that the "
                "function makes itself, in one call; make two calls"
            )
    mine = [i for i, t in enumerate(targets) if _noted_in(t) is recording]
    if any(targets[i]._view is not None for i in mine):
        raise NotImplementedError(
            "autograd.grad() by a view, in a function that a transform of jtorch.func differentiates: other "
            "views of the same memory would not count as made of it; differentiate by its clone()"
        )
    with _BackwardLevel(create_graph):
        made = recording.gradients(
            [value_of(t) for t in roots],
            [value_of(targets[i]) for i in mine],
            given,
            given[0].shape[0] if batched else None,
        )
    found: list[Any] = [None] * len(targets)
    edges = [t._edge() for t in (*roots, *given) if t._tracked] if create_graph else []
    node = _Unfollowed(edges) if edges else None
    for i, gradient in zip(mine, made, strict=True):
        if gradient is not None:
            found[i] = from_value(gradient)
            found[i]._fn = node
    return found


class _Unfollowed(Node):
    """Gradients that a transform notes, which leaves that its function makes itself lead to as well."""

    __slots__ = ()

    def __init__(self, edges: Sequence[Any]) -> None:
        super().__init__(edges, 1)

    def backward(self, gradients: Sequence[Any], keep_graph: bool, create_graph: bool) -> Any:
        raise NotImplementedError(
            "autograd.grad() by leaves that a function makes itself, of gradients by what a transform of "
            "jtorch.func differentiates it by; use jtorch.func.vjp instead"
        )


def _batch(roots: Any, gradients: Any) -> int:
    """The size of the gradients' leading dimension."""
    size = -1
    for i, (root, g) in enumerate(zip(roots, gradients, strict=True)):
        if g is None:
            raise RuntimeError("grad can be implicitly created only for scalar outputs")
        shape = g._aval().shape
        if shape[1:] != _aval(root).shape:
            raise RuntimeError(
                "If `is_grads_batched=True`, we interpret the first dimension of each grad_output as the "
                "batch dimension. The sizes of the remaining dimensions are expected to match the shape of "
                f"corresponding output, but a mismatch was detected: grad_output[{i}] has a shape of "
                f"{Size(shape)} and output[{i}] has a shape of {Size(_aval(root).shape)}. If you only want "
                "some tensors in `grad_output` to be considered batched, consider using vmap."
            )
        if size not in (-1, shape[0]):
            raise ValueError("vmap: Expected all tensors to have the same size in the mapped dimension")
        size = shape[0]
    return size


# ---- methods -----------------------------------------------------------------------------------------------


def tensor_backward(
    self: Tensor,
    gradient: Any = None,
    retain_graph: Any = None,
    create_graph: bool = False,
    inputs: Any = None,
) -> None:
    """Accumulate the gradient of this tensor into the leaves it depends on (``Tensor.backward``).

    Args:
        self: the tensor.
        gradient: of the tensor itself; needed unless it has one element.
        retain_graph: keep what the graph saved, for another backward.
        create_graph: record the backward, for gradients of gradients.
        inputs: leaves to accumulate into; all by default.
    """
    given = (None,) if gradient is None else _gradients(gradient, 1)
    _backward((self,), given, retain_graph, create_graph, inputs)


def detach(input: Tensor) -> Tensor:
    """The same memory without history (``Tensor.detach``)."""
    value = input._storage.value
    if type(value) is TracedValue:
        # Inside a JAX transform it is the transform that must not follow; memory is not shared there.
        value = value_of(input)
        return from_value(record(detaching(value.aval), [value]))
    result = object.__new__(Tensor)
    result._storage = input._storage
    if input._view is not None:
        result._view = input._view
    if input._strides is not None:
        result._strides = input._strides
    if input._offset:
        result._offset = input._offset
    if input._own_version is not None:
        result._own_version = input._own_version
    if input._inference:
        result._inference = True
    return result


def detach_(input: Tensor) -> Tensor:
    """Cut this tensor off its history."""
    if seen_base(input) is not None:
        raise RuntimeError(
            "Can't detach views in-place. Use detach() instead. If you are using DistributedDataParallel "
            "(DDP) for training, and gradient_as_bucket_view is set as True, gradients are views of DDP "
            "buckets, and hence detach_() cannot be called on these gradients. To fix this error, please "
            "refer to the Optimizer.zero_grad() function in torch/optim/optimizer.py as the solution."
        )
    place_changes[0] += 1
    for x in (input, input._turned):
        if x is not None:
            x._fn, x._nr, x._requires, x._abase = None, 0, False, None
    return input


def requires_grad_(self: Tensor, requires_grad: bool = True) -> Tensor:
    """Change whether operations on this leaf are recorded."""
    if type(requires_grad) is not bool:
        raise TypeError(
            "requires_grad_(): argument 'requires_grad' (position 1) must be bool, not "
            f"{type(requires_grad).__name__}"
        )
    if requires_grad and self._aval().dtype.category < dtypes.FLOAT:
        raise RuntimeError("only Tensors of floating point dtype can require gradients")
    if not requires_grad or self.grad_fn is None:
        set_requires_grad(self, requires_grad)
    return self


def _noted_in(x: Any) -> Any:
    """The recording of a transform that notes where gradients of a tensor go; ``None``: none does."""
    if modes.captured is None or not isinstance(x, Tensor) or type(x._storage.value) is not TracedValue:
        return None
    value = value_of(x)
    recording = value.recording
    return recording if recording is not None and recording.requires_grad(value) else None


def requires_grad(self: Tensor) -> bool:
    """Whether gradients are computed for this tensor."""
    return self._tracked or _noted_in(self) is not None


def set_requires_grad(self: Tensor, flag: Any) -> None:
    if type(flag) is not bool:
        raise RuntimeError("requires_grad must be a bool")
    if self.grad_fn is not None:
        text = "you can only change requires_grad flags of leaf variables."
        if not flag:
            text += (
                " If you want to use a computed variable in a subgraph that doesn't require differentiation "
                "use var_no_grad = var.detach()."
            )
        raise RuntimeError(text)
    if flag and self._aval().dtype.category < dtypes.FLOAT:
        raise RuntimeError("only Tensors of floating point and complex dtype can require gradients")
    if flag and self._inference and modes.level != INFERENCE:
        raise RuntimeError(
            "Setting requires_grad=True on inference tensor outside InferenceMode is not allowed."
        )
    self._requires = flag


def get_grad(self: Tensor) -> Any:
    gradient = self._grad
    if gradient is None and self._fn is not None and not self._retains:
        warnings.warn(
            "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its .grad "
            "attribute won't be populated during autograd.backward(). If you indeed want the .grad field "
            "to be populated for a non-leaf Tensor, use .retain_grad() on the non-leaf Tensor. If you "
            "access the non-leaf Tensor by mistake, make sure you access the leaf Tensor instead. See "
            "github.com/pytorch/pytorch/pull/30531 for more information.",
            UserWarning,
            stacklevel=2,
        )
    return gradient


def set_grad(self: Tensor, gradient: Any) -> None:
    if gradient is not None:
        if not isinstance(gradient, Tensor):
            raise TypeError(
                "assigned grad expected to be a Tensor or None but got grad of type "
                f"{type(gradient).__name__}"
            )
        if gradient is self:
            raise RuntimeError("can't assign Variable as its own grad")
        mine, given = self._aval(), gradient._aval()
        if mine.shape != given.shape:
            raise RuntimeError(
                f"attempting to assign a gradient of size '{list(given.shape)}' to a tensor of size "
                f"'{list(mine.shape)}'. Please ensure that the gradient and the tensor are the same size"
            )
        if mine.dtype is not given.dtype:
            raise RuntimeError(
                "attempting to assign a gradient with dtype "
                f"'{c_name(given.dtype)}' to a tensor with grad_dtype "
                f"'{dtypes.scalar_type_name(mine.dtype)}'. The gradient must match the tensor's grad_dtype "
                "(defaults to the tensor's dtype). You can set the tensor's grad_dtype attribute with a "
                "specific dtype, or None to allow any dtype. Set grad_dtype with caution. Diverging the "
                "dtypes of a tensor and its gradient may break downstream systems that assume they match."
            )
        if mine.device is not given.device:
            raise RuntimeError(
                f"attempting to assign a gradient with device type '{given.device.type}' to a tensor with "
                f"device type '{mine.device.type}'. Please ensure that the gradient and the tensor are on "
                "the same device"
            )
    self._grad = gradient


def _store_grad(self: Tensor, gradient: Any) -> None:
    new = from_value(gradient) if isinstance(gradient, Value) else gradient
    if self._grad is None:
        self._grad = new
    else:
        self._grad = self._grad + new


def retain_grad(self: Tensor) -> None:
    """Keep the gradient of this non-leaf in ``.grad``."""
    if not self.requires_grad:
        raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
    if _noted_in(self) is not None:
        raise RuntimeError(
            "You are attempting to call Tensor.retain_grad() inside of a function being transformed by a "
            "functorch transform. This is unsupported, please attempt to use the functorch transforms (e.g. "
            "grad, vjp, jacrev, jacfwd, hessian) or call retain_grad() outside of a function being "
            "transformed instead."
        )
    fn = self._fn
    if fn is None or self._retains:
        return
    self._retains = True
    if fn.retained is None:
        fn.retained = {}
    note_hook()
    fn.retained[self._nr] = ref(self)


def register_hook(self: Tensor, hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(gradient)`` when this tensor's gradient is known; what it returns replaces the gradient."""
    if not self.requires_grad:
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    noted = _noted_in(self)
    if noted is not None:
        return noted.register_hook(self, hook)  # type: ignore[no-any-return]
    fn = self._fn
    if fn is None:
        if self._hooks is None:
            self._hooks = {}
        hooks = self._hooks
    else:
        if fn.tensor_hooks is None:
            fn.tensor_hooks = {}
        note_hook()
        hooks = fn.tensor_hooks.setdefault(self._nr, {})
    handle = RemovableHandle(hooks)
    hooks[handle.id] = hook
    return handle


def register_post_accumulate_grad_hook(self: Tensor, hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(tensor)`` after a gradient was added to this leaf's ``.grad``."""
    if not self.requires_grad:
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    if self._fn is not None:
        raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
    if self._post_hooks is None:
        self._post_hooks = {}
    handle = RemovableHandle(self._post_hooks)
    self._post_hooks[handle.id] = hook
    return handle


def _accumulator(self: Tensor) -> AccumulateGrad:
    found = None if self._acc is None else self._acc()
    if found is None:
        found = AccumulateGrad(self)
        self._acc = ref(found)
    return found


def get_data(self: Tensor) -> Tensor:
    """The same memory, outside autograd; writing to it is not noticed by autograd."""
    result = detach(self)
    result._own_version = Version()
    return result


def set_data(self: Tensor, new: Any) -> None:
    if not isinstance(new, Tensor):
        raise TypeError(f"Variable data has to be a tensor, but got {type(new).__name__}")
    if self._requires and new._aval().dtype.category < dtypes.FLOAT:
        raise RuntimeError(
            "data set to a tensor that requires gradients must be floating point or complex dtype"
        )
    version = self._storage.version
    if type(new._storage.value) is TracedValue:
        if type(self._storage.value) is Value and type(self) is not Tensor:
            refuse(self._storage, self, ".data")
        self._storage.check_write(new._storage.value)
    place_changes[0] += 1
    self._storage = new._storage
    self._view, self._strides, self._offset = new._view, new._strides, new._offset
    self._abase, self._adepth, self._cached, self._cached_writes = None, 0, None, -1
    self._storage.version = max(version, self._storage.version)


def is_leaf(self: Tensor) -> bool:
    """Whether no recorded operation made this tensor."""
    return self.grad_fn is None and (_noted_in(self) is None or value_of(self).slot < 0)


def get_grad_dtype(self: Tensor) -> Any:
    """The dtype that gradients of this leaf are accumulated in: its own.

    Raises:
        RuntimeError: a tensor that is no leaf.
    """
    if not self.is_leaf:
        raise RuntimeError("grad_dtype can only be accessed on leaf tensors.")
    return self.dtype


def set_grad_dtype(self: Tensor, kind: Any) -> None:
    """Only the tensor's own dtype can be asked for."""
    if kind is not None and not isinstance(kind, dtypes.dtype):
        raise RuntimeError(f"grad_dtype must be a torch.dtype or None, but got {type(kind).__name__}")
    if not self.is_leaf:
        raise RuntimeError("grad_dtype can only be set on leaf tensors.")
    if kind is not self.dtype:
        raise NotImplementedError(
            "grad_dtype other than the tensor's own dtype; convert the gradient in a hook after it has been "
            "accumulated (register_post_accumulate_grad_hook)"
        )


Tensor.backward = tensor_backward  # type: ignore[attr-defined]
for _f in (
    detach, detach_, requires_grad_, retain_grad, register_hook, register_post_accumulate_grad_hook,
    _store_grad, _accumulator,
):  # fmt: skip
    setattr(Tensor, _f.__name__, _f)
Tensor.requires_grad = property(requires_grad, set_requires_grad)  # type: ignore[attr-defined]
Tensor.grad = property(get_grad, set_grad, lambda self: set_grad(self, None))  # type: ignore[attr-defined]
Tensor.data = property(get_data, set_data)  # type: ignore[attr-defined]
Tensor.is_leaf = property(is_leaf)  # type: ignore[attr-defined]
Tensor.grad_dtype = property(get_grad_dtype, set_grad_dtype)  # type: ignore[attr-defined]
Tensor.output_nr = property(lambda self: self._nr)  # type: ignore[attr-defined]


def version(self: Tensor) -> int:
    """How often the contents were modified in place.

    Raises:
        RuntimeError: a tensor of inference mode.
    """
    if self._inference:
        raise RuntimeError("Inference tensors do not track version counter.")
    return (self._own_version or self._storage).version


def _shown_version(self: Tensor) -> int:
    leave_session("asks how often a tensor was written to")
    return version(self)


def _shown_retains(self: Tensor) -> bool:
    leave_session("asks whether a tensor retains its gradient")
    return self._retains


Tensor._version = property(_shown_version)  # type: ignore[attr-defined]
Tensor.retains_grad = property(_shown_retains)  # type: ignore[attr-defined]
