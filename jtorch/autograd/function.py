"""Operations with a backward written by the user (``torch.autograd.function``)."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from itertools import count
from typing import Any

from jtorch.autograd._moved import differentiate
from jtorch.autograd._traced import apply_traced, check_batchable, is_traced
from jtorch.dispatch import GRAD, NO_GRAD, modes
from jtorch.tape import CustomNode
from jtorch.tensor import Tensor
from jtorch.tensor._custom import connect, give_history, restore, save, tie
from jtorch.tensor._duals import without_tangents

__all__ = [
    "BackwardCFunction",
    "Function",
    "FunctionCtx",
    "FunctionMeta",
    "InplaceFunction",
    "NestedIOFunction",
    "once_differentiable",
]


class FunctionCtx:
    """What the forward of a :class:`Function` tells its backward; both get it as ``ctx``.

    Attributes:
        needs_input_grad: per argument, whether it is a tensor that requires grad.
    """

    needs_input_grad: tuple[bool, ...] = ()
    to_save: tuple[Any, ...] = ()
    saved_for_forward: tuple[Any, ...] = ()
    dirty_tensors: tuple[Any, ...] = ()
    non_differentiable: tuple[Any, ...] = ()
    materialize_grads = True

    def save_for_backward(self, *tensors: Any) -> None:
        """Keep tensors, or ``None``, for ``ctx.saved_tensors`` in the backward; to be called once."""
        self.to_save = tensors

    def save_for_forward(self, *tensors: Any) -> None:
        """Keep tensors, or ``None``, for ``ctx.saved_tensors`` in ``jvp``; to be called once."""
        for t in tensors:
            if not (t is None or isinstance(t, Tensor)):
                raise AssertionError(
                    "save_for_forward expects all arguments to be tensors; you should save non-tensors as "
                    "attributes on ctx."
                )
        self.saved_for_forward = tensors

    def mark_dirty(self, *args: Any) -> None:
        """Name the arguments that the forward modifies in place; each has to be returned."""
        self.dirty_tensors = args

    def mark_shared_storage(self, *pairs: Any) -> None:
        """Do nothing: tensors that share memory are tracked anyway."""
        warnings.warn(
            "`mark_shared_storage` is deprecated. Tensors with shared storages are automatically tracked. "
            "Note that calls to `set_()` are not tracked",
            FutureWarning,
            stacklevel=2,
        )

    def mark_non_differentiable(self, *args: Any) -> None:
        """Name the results that have no gradient."""
        self.non_differentiable = args

    def set_materialize_grads(self, value: bool) -> None:
        """Whether the backward gets zeros, as it does by default, or ``None`` where no gradient arrived."""
        self.materialize_grads = value


_ContextMethodMixin = FunctionCtx


class BackwardCFunction(CustomNode, FunctionCtx):
    """The autograd node of a :class:`Function`, and its ``ctx``."""

    _forward_cls: Any
    _saved: Any = ()
    _shown: Any = None  # during ``jvp``: what it has instead

    def __init__(self) -> None:  # the history comes once the forward has run
        pass

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """What ``save_for_backward`` got.

        Raises:
            RuntimeError: the graph was freed, or a tensor was modified in place since.
        """
        if self._shown is not None:
            return self._shown  # type: ignore[no-any-return]
        saved = restore(self, self._saved)
        if self._forward_cls.clear_saved_tensors_on_access:
            self.freed = True
            self._saved = (None,) * len(saved)
        return saved

    @property
    def saved_variables(self) -> tuple[Any, ...]:
        """The old name of :attr:`saved_tensors`."""
        warnings.warn(
            "'saved_variables' is deprecated; use 'saved_tensors'", DeprecationWarning, stacklevel=2
        )
        return self.saved_tensors

    def release(self) -> None:
        """Free what was saved."""
        if self._saved:
            self.freed = True
            self._saved = (None,) * len(self._saved)

    def call(self, gradients: Any) -> Any:
        """Run the user's backward."""
        if self._saved:
            places = [i for i, g in enumerate(gradients) if g is not None]
            tied = tie(self._saved, [gradients[i] for i in places])
            gradients = list(gradients)
            for i, g in zip(places, tied, strict=True):
                gradients[i] = g
        if self._forward_cls.boxed_grads_call:
            return self._user_backward()(self, list(gradients))
        return self._user_backward()(self, *gradients)

    def apply(self, *args: Any) -> Any:
        """Run the user's backward on these gradients."""
        return self.call(args)

    def apply_jvp(self, *args: Any) -> Any:
        """Run the user's ``jvp``."""
        return self._forward_cls.jvp(self, *args)

    def _user_backward(self) -> Any:
        backward, vjp = self._forward_cls.backward, self._forward_cls.vjp
        if backward is not Function.backward and vjp is not Function.vjp:
            raise RuntimeError(
                "Implementing both 'backward' and 'vjp' for a custom Function is not allowed. You should "
                "only implement one of them."
            )
        return backward if vjp is Function.vjp else vjp

    __repr__ = object.__repr__


class FunctionMeta(type):
    """Makes the class of autograd nodes of a function, named after it."""

    def __init__(cls, name: str, bases: tuple[type, ...], attributes: dict[str, Any]) -> None:
        super().__init__(name, bases, attributes)
        cls._backward_cls = type(
            name + "Backward",
            (BackwardCFunction,),
            {
                "_forward_cls": cls,
                "__module__": "torch.autograd.function",
                "_autograd_function_id": next(_number),
            },
        )


_number = count()


class Function(FunctionCtx, metaclass=FunctionMeta):
    """Base of operations with a backward written by the user.

    A subclass defines the static methods ``forward(ctx, *args)`` and ``backward(ctx, *grad_outputs)``, and is
    used as
    ``MyFunction.apply(*args)``. In place of the first, ``forward(*args)`` and
    ``setup_context(ctx, inputs, output)`` may be defined.

    Example::

        >>> import jtorch
        >>> class Cube(jtorch.autograd.Function):
        ...     @staticmethod
        ...     def forward(ctx, x):
        ...         ctx.save_for_backward(x)
        ...         return x ** 3
        ...     @staticmethod
        ...     def backward(ctx, grad_output):
        ...         x, = ctx.saved_tensors
        ...         return 3 * x ** 2 * grad_output
        >>> x = jtorch.tensor([2.0], requires_grad=True)
        >>> Cube.apply(x).backward()
        >>> x.grad
        tensor([12.])
    """

    #: ``ctx.saved_tensors`` can be read once.
    clear_saved_tensors_on_access = False
    #: ``backward`` gets its gradients as one list, from which it may remove them.
    boxed_grads_call = False
    #: ``vmap`` of the function is derived from its parts.
    generate_vmap_rule = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        warnings.warn(
            f"{self.__class__} should not be instantiated. Methods on autograd functions are all static, so "
            "you should invoke them on the class itself. Instantiating an autograd function will raise an "
            "error in a future version of PyTorch.",
            DeprecationWarning,
            stacklevel=2,
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Refuse: functions are used through ``apply``."""
        raise RuntimeError(
            "Legacy autograd function with non-static forward method is deprecated. Please use new-style "
            "autograd function with static forward method. (Example: "
            "https://pytorch.org/docs/stable/autograd.html#torch.autograd.Function)"
        )

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """Compute the results; history is off inside. To be overridden."""
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> Any:
        """Fill in ``ctx`` after a ``forward`` that does not get it."""
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """Compute the gradient of each argument, or ``None``, from those of the results. To be overridden."""
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom autograd.Function to use "
            "it with backward mode AD."
        )

    vjp = backward

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Any) -> Any:
        """Compute the tangents of the results from those of the arguments."""
        raise NotImplementedError(
            "You must implement the jvp function for custom autograd.Function to use it with forward mode AD."
        )

    @staticmethod
    def vmap(info: Any, in_dims: Any, *args: Any) -> Any:
        """Apply the function to a batch."""
        raise NotImplementedError(
            "To use autograd.Function with vmap, you must either override the vmap staticmethod or set "
            "generate_vmap_rule=True."
        )

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Call the function."""
        separate = cls.setup_context is not Function.setup_context
        if separate:
            bound = inspect.signature(cls.forward).bind(*args, **kwargs)
            bound.apply_defaults()
            args, kwargs = bound.args, bound.kwargs
        return _apply(cls, args, kwargs, separate)


def _apply(cls: Any, args: tuple[Any, ...], kwargs: dict[str, Any], separate: bool) -> Any:
    node = cls._backward_cls()
    arguments = (*args, *kwargs.values())
    node.needs_input_grad = tuple(isinstance(x, Tensor) and x._tracked for x in arguments)
    level = modes.level
    if modes.mapped:
        if not separate:
            raise _without_context()
        check_batchable(cls.__name__, cls.vmap is not Function.vmap, cls.generate_vmap_rule)
    track = level == GRAD and any(node.needs_input_grad)
    if (not track or modes.captured is not None) and any(is_traced(x) for x in arguments):
        if separate:
            backward = cls.backward is not Function.backward or cls.vjp is not Function.vjp
            return apply_traced(cls, args, backward=backward or cls.jvp is Function.jvp)
        if modes.functional:
            raise _without_context()
    if level == GRAD:
        modes.level = NO_GRAD
    dual = modes.duals is not None
    try:
        with without_tangents() if dual else nullcontext():
            if separate:
                output = cls.forward(*args, **kwargs)
                cls.setup_context(node, arguments, output)
            else:
                output = cls.forward(node, *args, **kwargs)
    finally:
        modes.level = level
    several = isinstance(output, tuple)
    results = output if several else (output,)
    if track:
        connect(node, arguments, results)
    move = differentiate(node, arguments, results) if dual else None
    made = give_history(
        node if track else None, arguments, results, node.dirty_tensors, node.non_differentiable
    )
    if move is not None:
        move(made)
    if track:
        node._saved = save(node, node.to_save, made)
        node.to_save = ()
        node.dirty_tensors = node.non_differentiable = ()
    return tuple(made) if several else made[0]


def _without_context() -> RuntimeError:
    return RuntimeError(
        "In order to use an autograd.Function with functorch transforms (vmap, grad, jvp, jacrev, "
        "...), it must override the setup_context staticmethod. For more details, please see "
        "https://pytorch.org/docs/main/notes/extending.func.html"
    )


class _Twice(CustomNode):
    """The node of gradients that cannot be differentiated again."""

    def call(self, gradients: Any) -> Any:
        """Refuse."""
        raise RuntimeError(
            "trying to differentiate twice a function that was marked with @once_differentiable"
        )

    def name(self) -> str:
        """As PyTorch calls it."""
        return "torch::autograd::Error"


_Twice.__name__ = "Error"
_Twice.__module__ = "torch.autograd"


def once_differentiable(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a ``backward`` whose own operations are not differentiable; going through it twice is an error."""

    @functools.wraps(fn)
    def wrapper(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        level = modes.level
        modes.level = NO_GRAD
        try:
            outputs = fn(ctx, *args, **kwargs)
        finally:
            modes.level = level
        if level != GRAD or not any(isinstance(a, Tensor) and a._tracked for a in args):
            return outputs
        several = isinstance(outputs, tuple)
        gradients = [
            None if g is None else g.detach().requires_grad_() for g in (outputs if several else (outputs,))
        ]
        node = _Twice([], 1)
        connect(node, gradients, gradients)
        made = [None if g is None else g.detach() for g in gradients]
        for nr, g in enumerate(made):
            if g is not None:
                g._fn, g._nr = node, nr
        return tuple(made) if several else made[0]

    return wrapper


class InplaceFunction(Function):
    """Kept for old programs; use :class:`Function`."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace


class NestedIOFunction(Function):
    """Kept for old programs; use :class:`Function`."""
