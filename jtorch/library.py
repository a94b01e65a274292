"""Operators of one's own (``torch.library``): plain functions under a name in ``torch.ops``, with a backward.

An operator's function sees tensors without history and may compute with them outside of PyTorch's operations;
gradients come from :func:`register_autograd`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from jtorch import ops
from jtorch.autograd.function import Function
from jtorch.tensor import Tensor
from jtorch.tensor._autograd import is_grad_enabled, no_grad

__all__ = ["CustomOpDef", "custom_op", "register_autograd", "register_fake", "register_kernel"]

_definitions: dict[str, CustomOpDef] = {}


class _Namespace:
    """``torch.ops.NAME``: the operators of a namespace."""

    def __init__(self, name: str) -> None:
        self.__name__ = f"torch.ops.{name}"
        self._name = name

    def __getattr__(self, op: str) -> Any:
        raise AttributeError(f"'_OpNamespace' '{self._name}' object has no attribute '{op}'")


class _Packet:
    """``torch.ops.NAME.OPERATOR``; its only overload is ``default``."""

    def __init__(self, definition: CustomOpDef) -> None:
        self._definition = definition
        self.__name__ = definition._name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._definition(*args, **kwargs)

    @property
    def default(self) -> _Overload:
        return _Overload(self._definition)

    def overloads(self) -> list[str]:
        """Names of the overloads."""
        return ["default"]

    def __str__(self) -> str:
        return f"{self._definition._namespace}.{self._definition._name}"


class _Overload(_Packet):
    """``torch.ops.NAME.OPERATOR.default``."""

    def __str__(self) -> str:
        return f"{super().__str__()}.default"


class CustomOpDef:
    """An operator made by :func:`custom_op`; calling it runs it.

    Args:
        qualname: ``"namespace::name"``.
        fn: computes the result.
        mutates_args: names of the arguments that it writes to, or ``"unknown"``.
        device_types: where ``fn`` works; everywhere if ``None``.
        schema: as PyTorch writes it; kept.
    """

    def __init__(
        self,
        qualname: str,
        fn: Callable[..., Any],
        mutates_args: str | Iterable[str],
        device_types: str | Sequence[str] | None,
        schema: str | None,
    ) -> None:
        self._qualname, self._schema, self._init_fn = qualname, schema, fn
        self._namespace, _, self._name = qualname.partition("::")
        self._mutates = mutates_args if isinstance(mutates_args, str) else tuple(mutates_args)
        self._signature = inspect.signature(fn)
        if schema is None:
            for name, parameter in self._signature.parameters.items():
                if parameter.annotation is inspect.Parameter.empty:
                    raise ValueError(
                        f"infer_schema(func): Parameter {name} must have a type annotation. "
                        f"Got func with signature {self._signature})"
                    )
        self._kernels: dict[str | None, Callable[..., Any]] = {}
        self._fake: Callable[..., Any] | None = None
        self._function: type[Function] = self._differentiable(None, None)
        self.register_kernel(device_types, fn)
        _definitions[qualname] = self
        namespace = getattr(ops, self._namespace, None)
        if namespace is None:
            namespace = _Namespace(self._namespace)
            setattr(ops, self._namespace, namespace)
        elif not isinstance(namespace, _Namespace):
            raise ValueError(f"torch.ops.{self._namespace} is jtorch's own: choose another namespace")
        setattr(namespace, self._name, _Packet(self))

    def __repr__(self) -> str:
        return f"<CustomOpDef({self._qualname})>"

    def register_kernel(
        self, device_types: str | Sequence[str] | None, fn: Callable[..., Any] | None = None, /
    ) -> Any:
        """Set the function for some types of devices; without ``fn``, a decorator."""
        if fn is None:
            return lambda given: self.register_kernel(device_types, given)
        for kind in [device_types] if device_types is None or isinstance(device_types, str) else device_types:
            self._kernels[kind] = fn
        return fn

    def register_fake(self, fn: Callable[..., Any], /) -> Callable[..., Any]:
        """Set the function that makes results of the right shapes, for tensors on the meta device."""
        self._fake = fn
        return fn

    def register_autograd(
        self, backward: Callable[..., Any], /, *, setup_context: Callable[..., Any] | None = None
    ) -> None:
        """Set the backward.

        Args:
            backward: of ``ctx`` and the gradients of the results, the gradients of the arguments.
            setup_context: of ``ctx``, ``inputs`` and ``output``; saves what ``backward`` needs.

        Raises:
            RuntimeError: an operator that writes to its arguments.
        """
        if self._mutates:
            raise RuntimeError(
                f"Cannot register autograd formula for non-functional operator {self} with schema "
                f"{self._schema or self._qualname}. Please create a functional operator and register an "
                "autograd formula for that."
            )
        self._function = self._differentiable(backward, setup_context)

    def _differentiable(
        self, backward: Callable[..., Any] | None, setup: Callable[..., Any] | None
    ) -> type[Function]:
        """The operator as a function with a backward."""

        def forward(ctx: Any, *args: Any) -> Any:
            made = self._run(_detached(args))
            if setup is not None:
                setup(ctx, inputs=args, output=made)
            return made

        def no_formula(ctx: Any, *_: Any) -> Any:
            raise RuntimeError(
                f"Trying to backward through {self._namespace}.{self._name}.default but no autograd formula "
                "was registered. Please use register_autograd to add one."
            )

        name = f"GeneratedBackwardFor_{self._namespace}_{self._name}_default"
        body = {"forward": staticmethod(forward), "backward": staticmethod(backward or no_formula)}
        return type(name, (Function,), body)

    def _run(self, args: tuple[Any, ...]) -> Any:
        kinds = [t.device.type for t in _tensors(args)]
        kind = next((k for k in kinds if k != "cpu"), "cpu")
        kernel = self._fake if kind == "meta" else self._kernels.get(kind, self._kernels.get(None))
        if kernel is None:
            raise NotImplementedError(
                f"Could not run '{self._qualname}' with arguments from the '{kind.upper()}' backend."
            )
        return kernel(*args)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: D102
        try:
            bound = self._signature.bind(*args, **kwargs)
        except TypeError as error:
            raise RuntimeError(f"{self._qualname}() {error}") from None
        bound.apply_defaults()
        if bound.kwargs:
            raise NotImplementedError(f"{self._qualname}: arguments that are passed by name alone")
        if self._mutates or not (is_grad_enabled() and any(t.requires_grad for t in _tensors(bound.args))):
            with no_grad():
                return self._run(bound.args if self._mutates else _detached(bound.args))
        return self._function.apply(*bound.args)


def _tensors(args: Iterable[Any]) -> list[Tensor]:
    found: list[Tensor] = []
    for arg in args:
        if isinstance(arg, Tensor):
            found.append(arg)
        elif isinstance(arg, list | tuple):
            found += _tensors(arg)
    return found


def _detached(args: Any) -> Any:
    """Arguments with tensors without history."""
    if isinstance(args, Tensor):
        return args.detach()
    return type(args)(map(_detached, args)) if isinstance(args, list | tuple) else args


def custom_op(
    name: str,
    fn: Callable[..., Any] | None = None,
    /,
    *,
    mutates_args: str | Iterable[str],
    device_types: str | Sequence[str] | None = None,
    schema: str | None = None,
    tags: Any = None,
) -> Any:
    """Make an operator of a function; without ``fn``, a decorator.

    Args:
        name: ``"namespace::name"``; ``torch.ops.namespace.name`` is another way to call it.
        fn: takes and returns tensors; its parameters are annotated unless there is a ``schema``.
        mutates_args: names of the arguments that it writes to.
        device_types: where it works; everywhere if ``None``.
        schema: as PyTorch writes it.
        tags: kept nowhere: they speak to PyTorch's compiler.

    Returns:
        A :class:`CustomOpDef`.

    Raises:
        ValueError: a name without a namespace, or a parameter without annotation.
    """
    if fn is None:
        return lambda given: custom_op(
            name, given, mutates_args=mutates_args, device_types=device_types, schema=schema, tags=tags
        )
    if "::" not in name:
        raise ValueError(
            f"Expected {name!r} to be of the form 'namespace::name': operators live in a namespace"
        )
    return CustomOpDef(name, fn, mutates_args, device_types, schema)


def _find(op: Any) -> CustomOpDef:
    if isinstance(op, CustomOpDef):
        return op
    if isinstance(op, _Packet):
        return op._definition
    if op not in _definitions:
        raise RuntimeError(f"operator {op} does not exist")
    return _definitions[op]


def register_fake(op: Any, func: Callable[..., Any] | None = None, /, *, lib: Any = None) -> Any:
    """:meth:`CustomOpDef.register_fake` of an operator by name; without ``func``, a decorator."""
    definition = _find(op)
    return definition.register_fake if func is None else definition.register_fake(func)


def register_autograd(
    op: Any,
    backward: Callable[..., Any],
    /,
    *,
    setup_context: Callable[..., Any] | None = None,
    lib: Any = None,
) -> None:
    """:meth:`CustomOpDef.register_autograd` of an operator by name."""
    _find(op).register_autograd(backward, setup_context=setup_context)


def register_kernel(
    op: Any,
    device_types: str | Sequence[str] | None,
    func: Callable[..., Any] | None = None,
    /,
    *,
    lib: Any = None,
) -> Any:
    """:meth:`CustomOpDef.register_kernel` of an operator by name; without ``func``, a decorator."""
    return _find(op).register_kernel(device_types, func)
