"""Looking at the autograd graph and hooking into it (``torch.autograd.graph``)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from jtorch.dispatch import modes
from jtorch.tape import Node, RemovableHandle, running
from jtorch.tensor import Tensor
from jtorch.tensor._custom import counter

__all__ = [
    "GradientEdge",
    "Node",
    "allow_mutation_on_saved_tensors",
    "disable_saved_tensors_hooks",
    "get_gradient_edge",
    "increment_version",
    "register_multi_grad_hook",
    "save_on_cpu",
    "saved_tensors_hooks",
]


class GradientEdge(NamedTuple):
    """A place in the graph where a gradient arrives: output ``output_nr`` of ``node``."""

    node: Node
    output_nr: int
    ownership_token: Node | None = None


def get_gradient_edge(tensor: Tensor) -> GradientEdge:
    """The place where a tensor's gradient arrives; ``autograd.grad`` and ``backward`` take it in its place.

    Raises:
        RuntimeError: the tensor does not require grad.
    """
    if not tensor.requires_grad:
        raise RuntimeError(
            "It is not possible to get the gradient edge for a Tensor that does not require gradients"
        )
    return GradientEdge(_node_of(tensor), tensor.output_nr)


def _node_of(x: Any) -> Node:
    if isinstance(x, GradientEdge):
        return x.node
    node: Node = x.grad_fn if x.grad_fn is not None else x._accumulator()
    return node


def increment_version(tensor: Tensor | Iterable[Tensor]) -> None:
    """Tell autograd that the contents of a tensor, or of several, were changed behind its back."""
    if isinstance(tensor, Tensor):
        tensor = (tensor,)
    elif not isinstance(tensor, Iterable):
        raise RuntimeError("increment_version expect a Iterable[Tensor] as input")
    for t in tensor:
        if not isinstance(t, Tensor):
            raise RuntimeError("increment_version expects each element of the iterable to be a tensor")
        if not t._inference:
            counter(t).version += 1


class saved_tensors_hooks:
    """Inside, ``pack_hook`` decides what an operation keeps for its backward, and ``unpack_hook`` undoes it.

    Differs from PyTorch: operations save operands where PyTorch sometimes saves the result.

    Args:
        pack_hook: gets each tensor that is saved; what it returns is kept.
        unpack_hook: makes a tensor with the same contents of that, when the backward needs it.
    """

    #: runs before unpacking; see ``jtorch.tape.Packed``
    tie: Callable[..., Any] | None = None

    def __init__(self, pack_hook: Callable[[Tensor], Any], unpack_hook: Callable[[Any], Tensor]) -> None:
        self.pack_hook, self.unpack_hook = pack_hook, unpack_hook

    def __enter__(self) -> None:
        if modes.hooks_refused is not None:
            raise RuntimeError(modes.hooks_refused)
        modes.set(saved_hooks=(*modes.saved_hooks, (self.pack_hook, self.unpack_hook, self.tie)))

    def __exit__(self, *_: object) -> None:
        modes.set(saved_hooks=modes.saved_hooks[:-1])


class save_on_cpu(saved_tensors_hooks):
    """Inside, what operations save for their backward is kept in the CPU's memory.

    Args:
        pin_memory: accepted and without effect.
        device_type: accepted and without effect.
    """

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda") -> None:
        def pack(tensor: Any) -> tuple[Any, Any]:
            return tensor.device, tensor.cpu()

        def unpack(packed: tuple[Any, Any]) -> Any:
            return packed[1].to(packed[0])

        super().__init__(pack, unpack)


@contextmanager
def disable_saved_tensors_hooks(error_message: str) -> Iterator[None]:
    """Inside, entering :class:`saved_tensors_hooks` is an error with this message."""
    previous = modes.hooks_refused
    if modes.saved_hooks:
        raise RuntimeError(error_message)
    modes.set(hooks_refused=error_message)
    try:
        yield
    finally:
        modes.set(hooks_refused=previous)


class _AllowMutation:
    """What :func:`allow_mutation_on_saved_tensors` gives."""

    def clear(self) -> None:
        """Do nothing: no copies are held."""


@contextmanager
def allow_mutation_on_saved_tensors() -> Iterator[_AllowMutation]:
    """Inside, tensors that were saved may be modified in place; the backward sees the old contents.

    Raises:
        RuntimeError: contexts are nested.
    """
    if modes.unchecked:
        raise RuntimeError("allow_mutation_on_saved_tensors contexts cannot be nested")
    modes.set(unchecked=True)
    try:
        yield _AllowMutation()
    finally:
        modes.set(unchecked=False)


class _MultiHandle(RemovableHandle):
    """Removes several hooks at once."""

    def __init__(self, handles: Sequence[RemovableHandle]) -> None:
        self.handles = tuple(handles)

    def remove(self) -> None:
        for handle in self.handles:
            handle.remove()


def register_multi_grad_hook(
    tensors: Sequence[Tensor], fn: Callable[..., None], *, mode: str = "all"
) -> RemovableHandle:
    """Call ``fn`` once per backward pass for several tensors.

    Args:
        tensors: that require grad.
        fn: in mode ``"all"`` called with a list of all their gradients, ``None`` for those that are not
        computed,
            once the last one is known; in mode ``"any"`` with the first gradient.
        mode: ``"all"`` or ``"any"``.

    Raises:
        ValueError: another mode.
    """
    if mode not in ("all", "any"):
        raise ValueError(f"Expects mode to be one of ('all', 'any') but got {mode}")
    lock = threading.Lock()
    seen: dict[Any, list[Any]] = {}

    def hook_of(index: int) -> Callable[[Tensor], None]:
        def all_hook(gradient: Tensor) -> None:
            task = running()
            with lock:
                entry = seen.setdefault(task, [sum(map(task.will_run, edges)), [None] * len(edges)])
                entry[0] -= 1
                entry[1][index] = gradient
                done = not entry[0]
                if done:
                    del seen[task]
            if done:
                fn(entry[1])

        def any_hook(gradient: Tensor) -> None:
            task = running()
            with lock:
                for old in [t for t in seen if t.ended]:
                    del seen[old]
                first = task not in seen
                seen[task] = []
            if first:
                fn(gradient)

        return all_hook if mode == "all" else any_hook

    edges = [t._edge() for t in tensors]
    return _MultiHandle([t.register_hook(hook_of(i)) for i, t in enumerate(tensors)])
