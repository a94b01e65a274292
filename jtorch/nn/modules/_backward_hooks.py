"""Module backward hooks: identity nodes around a module's inputs and outputs, where its gradients pass by."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from jtorch.devices import CPU
from jtorch.dispatch import GRAD, modes
from jtorch.errors import type_name
from jtorch.tape import Node
from jtorch.tensor._core import Tensor, from_value, value_of
from jtorch.tensor._values import to_device
from jtorch.trace import TracedValue, Value, from_host

__all__ = ["BackwardHooks", "legacy_backward_hooks"]


class BackwardHookFunctionBackward(Node):
    """Hands gradients through, showing them to ``look``, which may return others."""

    __slots__ = ("avals", "look")

    def __init__(self, tensors: Sequence[Tensor], look: Callable[[list[Any]], Any]) -> None:
        super().__init__([t._edge() for t in tensors], len(tensors))
        self.avals = [t._aval() for t in tensors]
        self.look = look

    def backward(self, gradients: list[Any], keep_graph: bool, create_graph: bool) -> Sequence[Any]:
        shown = []
        for aval, g in zip(self.avals, gradients, strict=True):
            if g is None:
                zero = from_host(np.zeros(aval.shape, aval.dtype.numpy))
                g = zero if aval.device is CPU else to_device(zero, aval.device)
            shown.append(from_value(g) if isinstance(g, Value) else g)
        changed = self.look(shown)
        results = shown if changed is None else changed
        return [g if g is None or create_graph else value_of(g) for g in results]


BackwardHookFunctionBackward.__module__ = "torch.autograd"


def _through(tensors: Sequence[Tensor], look: Callable[[list[Any]], Any]) -> list[Tensor]:
    """The same tensors as results of one identity node.

    Raises:
        RuntimeError: inside a transform of functions.
    """
    if any(type(value_of(t)) is TracedValue for t in tensors):
        raise RuntimeError(
            "In order to use an autograd.Function with functorch transforms (vmap, grad, jvp, jacrev, ...), "
            "it must override the setup_context staticmethod. For more details, please see "
            "https://pytorch.org/docs/main/notes/extending.func.html"
        )
    node = BackwardHookFunctionBackward(tensors, look)
    made = []
    for nr, t in enumerate(tensors):
        result = from_value(value_of(t))
        result._fn, result._nr = node, nr
        made.append(result)
    return made


class BackwardHooks:
    """The backward hooks of one call of a module.

    Args:
        module: whose hooks they are.
        hooks: ``hook(module, grad_input, grad_output)``.
        pre_hooks: ``hook(module, grad_output)``.
    """

    def __init__(self, module: Any, hooks: Sequence[Any], pre_hooks: Sequence[Any]) -> None:
        self.module, self.hooks, self.pre_hooks = module, hooks, pre_hooks
        self.grad_outputs: Any = None
        self.inputs: tuple[int, list[int]] | None = None
        self.outputs: tuple[int, list[int]] = (0, [])

    def enter(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """Arguments for ``forward``, whose gradients will be seen."""
        places = _tracked(args)
        if not places:
            self.inputs = None
            self.size = len(args)
            return args
        self.inputs = (len(args), places)
        changed = list(args)
        for i, t in zip(places, _through([args[i] for i in places], self._see_inputs), strict=True):
            changed[i] = t
        return tuple(changed)

    def leave(self, result: Any) -> Any:
        """The result, whose gradients will be seen."""
        single = isinstance(result, Tensor)
        if not single and not isinstance(result, tuple):
            return result
        results = (result,) if single else result
        places = _tracked(results)
        if not places:
            return result
        self.outputs = (len(results), places)
        changed = list(results)
        for i, t in zip(places, _through([results[i] for i in places], self._see_outputs), strict=True):
            changed[i] = t
        if single:
            return changed[0]
        return type(result)(changed) if type(result) is tuple else type(result)(*changed)

    def _see_outputs(self, gradients: list[Any]) -> Any:
        self.grad_outputs = _spread(self.outputs, gradients)
        for hook in self.pre_hooks:
            changed = hook(self.module, self.grad_outputs)
            if changed is None:
                continue
            changed = changed if isinstance(changed, tuple) else (changed,)
            if len(changed) != len(self.grad_outputs):
                raise RuntimeError(
                    "Backward pre hook returned an invalid number of grad_output, got "
                    f"{len(changed)}, but expected {len(self.grad_outputs)}"
                )
            _check_gradients(changed)
            self.grad_outputs = changed
        result = [self.grad_outputs[i] for i in self.outputs[1]]
        if self.inputs is None:
            # No gradient will come by at the inputs.
            if self.hooks:
                warnings.warn(_NO_INPUT, stacklevel=2)
            self._run((None,) * self.size, check=True)
        return result

    def _see_inputs(self, gradients: list[Any]) -> Any:
        if self.grad_outputs is None:
            raise RuntimeError(
                "Module backward hook for grad_input is called before the grad_output one. This happens "
                "because the "
                "gradient in your nn.Module flows to the Module's input without passing through the Module's "
                "output. Make "
                "sure that the output depends on the input and that the loss is computed based on the output."
            )
        assert self.inputs is not None
        found = self._run(_spread(self.inputs, gradients))
        return [found[i] for i in self.inputs[1]]

    def _run(self, grad_inputs: Any, check: bool = False) -> Any:
        for hook in self.hooks:
            changed = hook(self.module, grad_inputs, self.grad_outputs)
            if changed is None:
                continue
            if check:
                if not (isinstance(changed, tuple) and all(g is None for g in changed)):
                    raise RuntimeError(
                        "Backward hook for Modules where no input requires gradient should always return "
                        "None or None "
                        "for all gradients."
                    )
                continue
            changed = changed if isinstance(changed, tuple) else (changed,)
            if len(changed) != len(grad_inputs):
                raise RuntimeError(
                    "Backward hook returned an invalid number of grad_input, got "
                    f"{len(changed)}, but expected {len(grad_inputs)}"
                )
            _check_gradients(changed)
            grad_inputs = changed
        self.grad_outputs = None
        return grad_inputs


def _check_gradients(given: tuple[Any, ...]) -> None:
    for g in given:
        if g is not None and not isinstance(g, Tensor):
            raise TypeError(f"expected Variable, but hook returned '{type_name(type(g))}'")


def _tracked(values: Sequence[Any]) -> list[int]:
    if modes.level != GRAD:
        return []
    if not any(isinstance(x, Tensor) and x.requires_grad for x in values):
        return []
    return [i for i, x in enumerate(values) if isinstance(x, Tensor) and x.requires_grad]


def _spread(where: tuple[int, list[int]], gradients: Sequence[Any]) -> tuple[Any, ...]:
    size, places = where
    full: list[Any] = [None] * size
    for i, g in zip(places, gradients, strict=True):
        full[i] = g
    return tuple(full)


def legacy_backward_hooks(module: Any, hooks: Sequence[Any], args: Any, result: Any) -> None:
    """Hooks of the old kind: on the node that made the (first) result."""
    first = result
    while not isinstance(first, Tensor):
        first = (
            next(v for v in first.values() if isinstance(v, Tensor))
            if isinstance(first, Mapping)
            else first[0]
        )
    node = first.grad_fn
    if node is None:
        return
    for hook in hooks:
        node.register_hook(functools.wraps(hook)(functools.partial(hook, module)))
    _warn_partial(args, result, node)


def _warn_partial(args: Any, result: Any, node: Node) -> None:
    if not (
        isinstance(result, Tensor)
        or (isinstance(result, tuple) and all(isinstance(r, Tensor) for r in result))
    ):
        warnings.warn(_WARN.format("return a", "grad_output"), FutureWarning, stacklevel=5)
    elif not (isinstance(args, Tensor) or all(isinstance(a, Tensor) for a in args)):
        warnings.warn(_WARN.format("take as input a", "grad_input"), FutureWarning, stacklevel=5)
    elif isinstance(result, tuple) and any(r.grad_fn is not node for r in result):
        warnings.warn(
            "Using a non-full backward hook when outputs are generated by different autograd Nodes is "
            "deprecated and will "
            "be removed in future versions. This hook will be missing some grad_output. Please use "
            "register_full_backward_hook to get the documented behavior.",
            FutureWarning,
            stacklevel=5,
        )
    else:
        sources = {a.grad_fn for a in args if isinstance(a, Tensor) and a.grad_fn is not None}
        if any(fn is not None and fn not in sources and fn.next_functions for fn, _ in node.next_functions):
            warnings.warn(
                "Using a non-full backward hook when the forward contains multiple autograd Nodes is "
                "deprecated and will "
                "be removed in future versions. This hook will be missing some grad_input. Please use "
                "register_full_backward_hook to get the documented behavior.",
                FutureWarning,
                stacklevel=5,
            )


_NO_INPUT = (
    "Full backward hook is firing when gradients are computed with respect to module outputs since no inputs "
    "require "
    "gradients. See https://docs.pytorch.org/docs/main/generated/torch.nn.Module.html"
    "#torch.nn.Module.register_full_backward_hook for more details."
)
_WARN = (
    "Using non-full backward hooks on a Module that does not {} single Tensor or a tuple of Tensors is "
    "deprecated and will "
    "be removed in future versions. This hook will be missing some of the {}. Please use "
    "register_full_backward_hook to "
    "get the documented behavior."
)
