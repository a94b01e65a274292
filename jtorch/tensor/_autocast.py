"""Autocast on tensors: what it does to the arguments of an operation, and its settings below ``torch``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from jtorch import dtypes
from jtorch.devices import PLATFORMS, device
from jtorch.dispatch import GRAD, AutocastState, autocast_state, common_precision, modes, policy_of
from jtorch.dtypes import FLOAT, dtype
from jtorch.ops._registry import LIST, OPERAND, OPS, Op
from jtorch.tensor._core import Tensor, run
from jtorch.tensor._custom import counter

__all__ = [
    "autocast_decrement_nesting", "autocast_increment_nesting", "clear_autocast_cache",
    "get_autocast_cpu_dtype", "get_autocast_dtype", "get_autocast_gpu_dtype", "get_autocast_xla_dtype",
    "is_autocast_cache_enabled", "is_autocast_cpu_enabled", "is_autocast_enabled",
    "is_autocast_xla_enabled", "set_autocast_cache_enabled", "set_autocast_cpu_dtype",
    "set_autocast_cpu_enabled", "set_autocast_dtype", "set_autocast_enabled", "set_autocast_gpu_dtype",
    "set_autocast_xla_dtype", "set_autocast_xla_enabled",
]  # fmt: skip

_CAST = OPS["_to_copy"]
_BANNED = (
    "torch.nn.functional.binary_cross_entropy and torch.nn.BCELoss are unsafe to autocast.\n"
    "Many models use a sigmoid layer right before the binary cross entropy layer.\n"
    "In this case, combine the two layers using torch.nn.functional.binary_cross_entropy_with_logits\n"
    "or torch.nn.BCEWithLogitsLoss.  binary_cross_entropy_with_logits and BCEWithLogits are\n"
    "safe to autocast."
)


def cast_arguments(op: Op, args: Sequence[Any]) -> Sequence[Any]:
    """The arguments of a call as autocast wants them.

    Raises:
        RuntimeError: the op is unsafe in half precision.
    """
    kind = _device_type(op, args)
    if kind is None:
        return args
    policy = policy_of(op.name, kind)
    if policy is None:
        return args
    if policy == "by mode" and not _in_float32(op, args):
        return args
    if policy == "unless indices" and args[op.places["return_indices"]]:
        return args
    if policy == "contraction":
        if not _contracts(op, args):
            return args
        policy = "lower"
    lower = autocast_state.dtypes[kind]
    if policy == "banned":
        raise RuntimeError(_BANNED)
    if policy == "fp32_result":
        return _with_dtype(op, args, kind)
    if policy == "promote":
        return _cast_all(op, args, kind, common_precision(_floating(op, args, kind), lower))
    if policy == "recurrent":
        return _cast_all(op, args, kind, lower, but=("states", "hx"))
    return _cast_all(op, args, kind, lower if policy == "lower" else dtypes.float32)


def _in_float32(op: Op, args: Sequence[Any]) -> bool:
    """Whether padding or interpolating in this mode is one of PyTorch's float32 operations."""
    mode = args[op.places["mode"]] if "mode" in op.places else "nearest"
    if mode == "reflect" and "pad" in op.places:
        return bool(len(args[op.places["pad"]]) < 6)
    return mode not in ("constant", "circular", "area")


def _contracts(op: Op, args: Sequence[Any]) -> bool:
    """Whether PyTorch computes this contraction with a matrix product."""
    if op.name == "einsum":
        inputs, arrow, output = args[0].replace(" ", "").partition("->")
        labels = Counter(label for term in inputs.split(",") for label in set(term) - {"."})
        return any(n > 1 and (not arrow or label not in output) for label, n in labels.items())
    dims = args[2] if op.name == "tensordot" else 1
    summed = dims if isinstance(dims, int) else len(dims[0])
    left, right = (x._aval().ndim for x in args[:2])
    return bool(min(left, right) > 0 and left + right > 2 * summed)


def _tensors(op: Op, args: Sequence[Any]) -> list[Tensor]:
    found: list[Tensor] = []
    for x, kind in zip(args, op.kinds, strict=True):
        if kind == OPERAND:
            if isinstance(x, Tensor):
                found.append(x)
        elif kind == LIST and x is not None:
            found += [t for t in x if isinstance(t, Tensor)]
    return found


def _device_type(op: Op, args: Sequence[Any]) -> str | None:
    """The type of device whose autocast concerns this call."""
    found = None
    for x in _tensors(op, args):
        kind = x._aval().device.type
        if kind in autocast_state.enabled:
            found = kind if found in (None, "cpu") else found
    return found


def _eligible(x: Any, kind: str) -> bool:
    if not isinstance(x, Tensor):
        return False
    aval = x._aval()
    return aval.device.type == kind and aval.dtype.category == FLOAT and aval.dtype is not dtypes.float64


def _floating(op: Op, args: Sequence[Any], kind: str) -> list[dtype]:
    return [x._aval().dtype for x in _tensors(op, args) if _eligible(x, kind)]


def _cast_all(
    op: Op, args: Sequence[Any], kind: str, target: dtype, but: tuple[str, ...] = ()
) -> Sequence[Any]:
    cast = []
    for name, x, place in zip(op.params, args, op.kinds, strict=True):
        if name in but:
            cast.append(x)
        elif place == OPERAND:
            cast.append(_cast(x, kind, target))
        elif place == LIST and x is not None:
            cast.append([_cast(t, kind, target) for t in x])
        else:
            cast.append(x)
    return cast


def _cast(x: Any, kind: str, target: dtype) -> Any:
    """One operand; leaves that require grad (weights) are cast once per outermost ``autocast`` block."""
    if not _eligible(x, kind) or x._aval().dtype is target:
        return x
    state = autocast_state
    if not (
        state.cache_enabled
        and x._requires
        and x._fn is None
        and x._view is None
        and x._aval().dtype is dtypes.float32
        and target is state.dtypes[kind]
        and modes.level == GRAD
    ):
        return run(_CAST, (x, target))
    entry = state.cache.get(id(x))
    # Differs from PyTorch: a weight that was changed in the meantime is cast anew.
    if entry is None or entry[1] != counter(x).version:
        entry = state.cache[id(x)] = x, counter(x).version, run(_CAST, (x, target))
    return entry[2]


def _with_dtype(op: Op, args: Sequence[Any], kind: str) -> Sequence[Any]:
    """Ask for a float32 result, unless a dtype was given or the first operand is not to be cast."""
    place = op.places.get("dtype")
    if not _eligible(args[0], kind):
        return args
    if place is None:
        return [_cast(args[0], kind, dtypes.float32), *args[1:]]
    if args[place] is not None:
        return args
    changed = list(args)
    changed[place] = dtypes.float32
    return changed


AutocastState.installed = staticmethod(cast_arguments)


# ---- settings below torch ------------------------------------------------------------------------------


def _type_named(name: str, value: Any, position: int = 1, parameter: str = "device_type") -> str:
    if not isinstance(value, str):
        raise TypeError(
            f"{name}(): argument '{parameter}' (position {position}) must be str, not {type(value).__name__}"
        )
    return device(value).type


def is_autocast_available(device_type: str) -> bool:
    """Whether autocast knows this type of device (``torch.amp.is_autocast_available``)."""
    return _type_named("_is_autocast_available", device_type) in PLATFORMS


def _known(name: str, value: Any) -> str:
    kind = _type_named(name, value)
    if kind not in PLATFORMS:
        raise RuntimeError("unsupported scalarType")
    return kind


def is_autocast_enabled(device_type: str | None = None) -> bool:
    """Whether autocast is on for a type of device; CUDA if none is named."""
    if device_type is None:
        return "cuda" in autocast_state.enabled
    return _type_named("is_autocast_enabled", device_type) in autocast_state.enabled


def set_autocast_enabled(device_type: Any, enabled: bool | None = None) -> None:
    """Switch autocast on or off: ``set_autocast_enabled("cpu", True)``; CUDA if no type is named."""
    kind, flag = ("cuda", device_type) if enabled is None else (device_type, enabled)
    if not isinstance(flag, bool):
        place = 1 if enabled is None else 2
        raise TypeError(
            f"set_autocast_enabled(): argument 'enabled' (position {place}) must be bool, not "
            f"{type(flag).__name__}"
        )
    autocast_state.enable(_known("set_autocast_enabled", kind), flag)


def get_autocast_dtype(device_type: str) -> dtype:
    """The half precision that autocast uses on a type of device."""
    return autocast_state.dtypes[_known("get_autocast_dtype", device_type)]


def set_autocast_dtype(device_type: str, dtype: dtype) -> None:
    """Choose the half precision of a type of device."""
    if not isinstance(dtype, dtypes.dtype):
        raise TypeError(
            "set_autocast_dtype(): argument 'dtype' (position 2) must be torch.dtype, not "
            f"{type(dtype).__name__}"
        )
    autocast_state.dtypes[_known("set_autocast_dtype", device_type)] = dtype
    autocast_state.cache.clear()


def is_autocast_cache_enabled() -> bool:
    """Whether casts of weights are kept within an ``autocast`` block."""
    return autocast_state.cache_enabled


def set_autocast_cache_enabled(enabled: bool) -> None:
    """Keep casts of weights within an ``autocast`` block, or not."""
    autocast_state.cache_enabled = enabled


def clear_autocast_cache() -> None:
    """Forget the casts of weights."""
    autocast_state.cache.clear()


def autocast_increment_nesting() -> int:
    """Enter an ``autocast`` block; returns how deep they are nested."""
    autocast_state.nesting += 1
    return autocast_state.nesting


def autocast_decrement_nesting() -> int:
    """Leave an ``autocast`` block; returns how deep they are nested."""
    autocast_state.nesting -= 1
    return autocast_state.nesting


def get_autocast_cpu_dtype() -> dtype:
    """Old form of ``get_autocast_dtype("cpu")``."""
    return get_autocast_dtype("cpu")


def get_autocast_gpu_dtype() -> dtype:
    """Old form of ``get_autocast_dtype("cuda")``."""
    return get_autocast_dtype("cuda")


def get_autocast_xla_dtype() -> dtype:
    """Old form of ``get_autocast_dtype("xla")``."""
    return get_autocast_dtype("xla")


def is_autocast_cpu_enabled() -> bool:
    """Old form of ``is_autocast_enabled("cpu")``."""
    return is_autocast_enabled("cpu")


def is_autocast_xla_enabled() -> bool:
    """Old form of ``is_autocast_enabled("xla")``."""
    return is_autocast_enabled("xla")


def set_autocast_cpu_enabled(enabled: bool) -> None:
    """Old form of ``set_autocast_enabled("cpu", enabled)``."""
    set_autocast_enabled("cpu", enabled)


def set_autocast_xla_enabled(enabled: bool) -> None:
    """Old form of ``set_autocast_enabled("xla", enabled)``."""
    set_autocast_enabled("xla", enabled)


def set_autocast_cpu_dtype(dtype: dtype) -> None:
    """Old form of ``set_autocast_dtype("cpu", dtype)``."""
    set_autocast_dtype("cpu", dtype)


def set_autocast_gpu_dtype(dtype: dtype) -> None:
    """Old form of ``set_autocast_dtype("cuda", dtype)``."""
    set_autocast_dtype("cuda", dtype)


def set_autocast_xla_dtype(dtype: dtype) -> None:
    """Old form of ``set_autocast_dtype("xla", dtype)``."""
    set_autocast_dtype("xla", dtype)
