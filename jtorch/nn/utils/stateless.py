"""Calling a module with other parameters than its own."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

from jtorch.nn.modules._hooks import changes
from jtorch.nn.modules.module import Module
from jtorch.nn.parallel import DataParallel
from jtorch.tensor import Tensor
from jtorch.tensor._leaks import lend_inside, take_back

__all__ = ["functional_call"]


def _tied(module: Module) -> list[set[str]]:
    """Groups of names of the same tensor."""
    groups: dict[int, set[str]] = {}
    for walk in (module.named_parameters, module.named_buffers):
        for name, tensor in walk(remove_duplicate=False):
            groups.setdefault(id(tensor), set()).add(name)
    return [names for names in groups.values() if len(names) > 1]


def _is_tied(module: Module, seen: set[int]) -> bool:
    """Whether a tensor has several names; a tenth of the work of looking for these."""
    own = module.__dict__
    for store in (own["_parameters"], own["_buffers"]):
        for tensor in store.values():
            if tensor is not None:
                if id(tensor) in seen:
                    return True
                seen.add(id(tensor))
    return any(m is not None and _is_tied(m, seen) for m in own["_modules"].values())


def _with_ties(module: Module, given: dict[str, Any]) -> dict[str, Any]:
    """What was given for one name of a tensor, for all its names."""
    own = type(module)
    if (
        own.named_parameters is Module.named_parameters
        and own.named_buffers is Module.named_buffers
        and not _is_tied(module, set())
    ):
        return given
    full = dict(given)
    for names in _tied(module):
        mine = [n for n in names if n in given]
        if len({id(given[n]) for n in mine}) > 1:
            raise ValueError(
                f"functional_call got multiple values for keys {sorted(mine)}, which are tied. Consider "
                "using "
                "tie_weights=False"
            )
        for n in names if mine else ():
            full[n] = given[mine[0]]
    return full


_ABSENT: Any = object()


@contextlib.contextmanager
def _reparametrize_module(
    module: Module, given: dict[str, Any], *, tie_weights: bool = False, strict: bool = False
) -> Iterator[None]:
    """Put tensors in the places of parameters and buffers; afterwards what was there comes back.

    Buffers that the forward pass replaced are handed back through ``given``.
    """
    tensors = _with_ties(module, given) if tie_weights else given
    if strict:
        known = {n for n, _ in module.named_parameters(remove_duplicate=False)}
        known |= {n for n, _ in module.named_buffers(remove_duplicate=False)}
        missing, unexpected = sorted(known - set(tensors)), sorted(set(tensors) - known)
        texts = []
        for word, names in (("Unexpected", unexpected), ("Missing", missing)):
            if names:
                texts.append(f"{word} key(s): {', '.join(map(repr, names))}.")
        if texts:
            body = "\n\t".join(texts)
            raise RuntimeError(f"Error(s) in reparametrizing for {module._get_name()}:\n\t{body}")
    places: list[tuple[Any, str, Any, str]] = []
    changes[0] += 1
    lent = lend_inside(t for t in tensors.values() if isinstance(t, Tensor))
    try:
        for name, tensor in tensors.items():
            path, _, last = name.rpartition(".")
            owner = module.get_submodule(path)
            store: Any = owner._parameters if last in owner._parameters else owner._buffers
            if last not in store and hasattr(owner, last):
                held = getattr(owner, last)
                raise TypeError(f"attribute `{last}`: {held} is not an instance of torch.Tensor")
            if not (tensor is None or isinstance(tensor, Tensor)):
                raise TypeError(f"{tensor} is not an instance of torch.Tensor")
            places.append((store, last, store.get(last, _ABSENT), name))
            store[last] = tensor
        yield
    finally:
        changes[0] += 1
        take_back(lent)
        for store, last, original, name in reversed(places):
            if name in given:
                given[name] = store[last]
            if original is _ABSENT:
                del store[last]  # a name that the module does not have is one for the time of the call
            else:
                store[last] = original


def _functional_call(
    module: Module,
    parameters_and_buffers: dict[str, Any],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    if isinstance(module, DataParallel):
        raise RuntimeError("The stateless API can't be used with nn.DataParallel module")
    args = () if args is None else args if isinstance(args, tuple) else (args,)
    with _reparametrize_module(module, parameters_and_buffers, tie_weights=tie_weights, strict=strict):
        return module(*args, **(kwargs or {}))


def functional_call(
    module: Module,
    parameters_and_buffers: dict[str, Any],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """Call a module with other parameters and buffers (the old path of ``torch.func.functional_call``)."""
    warnings.warn(
        "`torch.nn.utils.stateless.functional_call` is deprecated as of PyTorch 2.0 and will be removed in a "
        "future version "
        "of PyTorch. Please use `torch.func.functional_call` instead which is a drop-in replacement.",
        FutureWarning,
        stacklevel=2,
    )
    return _functional_call(
        module, parameters_and_buffers, args, kwargs, tie_weights=tie_weights, strict=strict
    )
