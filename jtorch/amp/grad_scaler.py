"""``GradScaler``: multiply the loss so that small gradients survive half precision."""

from __future__ import annotations

import inspect
import warnings
from collections import defaultdict
from collections.abc import Iterable
from enum import Enum
from typing import Any

from jtorch.amp.autocast_mode import amp_definitely_not_available
from jtorch.dtypes import float16, float32, int32
from jtorch.tensor import Tensor
from jtorch.tensor._autograd import no_grad
from jtorch.tensor._creation import full
from jtorch.tensor._gradient_scaling import _amp_foreach_non_finite_check_and_unscale_, _amp_update_scale_

__all__ = ["GradScaler", "OptState"]


class OptState(Enum):
    """What was done to an optimizer's gradients in this iteration."""

    READY = 0
    UNSCALED = 1
    STEPPED = 2


def _fresh_state() -> dict[str, Any]:
    return {"stage": OptState.READY, "found_inf_per_device": {}}


class _Copies:
    """One tensor on every device that asks for it."""

    def __init__(self, master_tensor: Tensor) -> None:
        self.master = master_tensor
        self._per_device_tensors: dict[Any, Tensor] = {}

    def get(self, device: Any) -> Tensor:
        found = self._per_device_tensors.get(device)
        if found is None:
            found = self.master.to(device=device, non_blocking=True, copy=True)
            self._per_device_tensors[device] = found
        return found


def _require(condition: bool, text: str) -> None:
    """PyTorch's assertions about its callers."""
    if not condition:
        raise AssertionError(text)


class GradScaler:
    """Scale losses up and gradients down again, skipping steps whose gradients overflowed.

    ``scaler.scale(loss).backward()``, ``scaler.step(optimizer)``, ``scaler.update()``. The scale grows after
    ``growth_interval`` good steps in a row and shrinks after a bad one.

    Args:
        device: type of the device, ``"cuda"`` by default; where there is none, scaling is disabled.
        init_scale: the first scale.
        growth_factor: more than 1.
        backoff_factor: less than 1.
        growth_interval: good steps in a row.
        enabled: if false, ``step`` only calls the optimizer and the other methods do nothing.

    Raises:
        AssertionError: factors out of range.
    """

    _scale: Tensor | None
    _growth_tracker: Tensor | None

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        self._device = device
        self._enabled = enabled
        if device == "cuda" and enabled and amp_definitely_not_available():
            warnings.warn(
                "torch.cuda.amp.GradScaler is enabled, but CUDA is not available.  Disabling.", stacklevel=2
            )
            self._enabled = False
        if self._enabled:
            _require(growth_factor > 1.0, "The growth factor must be > 1.0.")
            _require(backoff_factor < 1.0, "The backoff factor must be < 1.0.")
            self._init_scale = init_scale
            self._scale = self._growth_tracker = None
            self._growth_factor, self._backoff_factor = growth_factor, backoff_factor
            self._growth_interval = growth_interval
            self._init_growth_tracker = 0
            self._per_optimizer_states: dict[int, dict[str, Any]] = defaultdict(_fresh_state)

    def _check_scale_growth_tracker(self, funcname: str) -> tuple[Tensor, Tensor]:
        for name, found in (("_scale", self._scale), ("_growth_tracker", self._growth_tracker)):
            _require(
                found is not None,
                f"Attempted {funcname} but {name} is None.  This may indicate your script did not use "
                "scaler.scale(loss or outputs) earlier in the iteration.",
            )
        return self._scale, self._growth_tracker  # type: ignore[return-value]

    def _lazy_init_scale_growth_tracker(self, dev: Any) -> None:
        _require(self._growth_tracker is None, "_growth_tracker initialized before _scale")
        self._scale = full((), self._init_scale, dtype=float32, device=dev)
        self._growth_tracker = full((), self._init_growth_tracker, dtype=int32, device=dev)

    def _scale_for(self, x: Tensor) -> Tensor:
        if self._scale is None:
            self._lazy_init_scale_growth_tracker(x.device)
        assert self._scale is not None
        return self._scale

    def scale(self, outputs: Any) -> Any:
        """Outputs times the scale: a tensor, or containers of tensors."""
        if not self._enabled:
            return outputs
        if isinstance(outputs, Tensor):
            return outputs * self._scale_for(outputs).to(device=outputs.device, non_blocking=True)
        copies: list[_Copies] = []

        def apply_scale(x: Any) -> Any:
            if isinstance(x, Tensor):
                if not copies:
                    copies.append(_Copies(self._scale_for(x)))
                return x * copies[0].get(x.device)
            if isinstance(x, Iterable):
                scaled = map(apply_scale, x)
                return type(x)(scaled) if isinstance(x, list | tuple) else scaled
            raise ValueError("outputs must be a Tensor or an iterable of Tensors")

        return apply_scale(outputs)

    def _unscale_grads_(
        self, optimizer: Any, inv_scale: Tensor, found_inf: Tensor, allow_fp16: bool
    ) -> dict[Any, Tensor]:
        scales, flags = _Copies(inv_scale), _Copies(found_inf)
        groups: dict[Any, list[Tensor]] = defaultdict(list)
        with no_grad():
            for group in optimizer.param_groups:
                for param in group["params"]:
                    _require(
                        isinstance(param, Tensor),
                        f"expected param to be torch.Tensor, got {type(param).__name__}",
                    )
                    if param.grad is None:
                        continue
                    if not allow_fp16 and param.grad.dtype is float16:
                        raise ValueError("Attempting to unscale FP16 gradients.")
                    groups[param.grad.device].append(param.grad)
            for device, grads in groups.items():
                _amp_foreach_non_finite_check_and_unscale_(grads, flags.get(device), scales.get(device))
        return flags._per_device_tensors

    def unscale_(self, optimizer: Any) -> None:
        """Divide the optimizer's gradients by the scale, to look at or clip them before :meth:`step`.

        Raises:
            RuntimeError: called twice before ``update``, or after ``step``.
        """
        if not self._enabled:
            return
        scale, _ = self._check_scale_growth_tracker("unscale_")
        state = self._per_optimizer_states[id(optimizer)]
        if state["stage"] is OptState.UNSCALED:
            raise RuntimeError(
                "unscale_() has already been called on this optimizer since the last update()."
            )
        if state["stage"] is OptState.STEPPED:
            raise RuntimeError("unscale_() is being called after step().")
        inv_scale = scale.double().reciprocal().float()
        found_inf = full((), 0.0, dtype=float32, device=scale.device)
        state["found_inf_per_device"] = self._unscale_grads_(optimizer, inv_scale, found_inf, False)
        state["stage"] = OptState.UNSCALED

    def _maybe_opt_step(
        self, optimizer: Any, optimizer_state: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        # The truth of each, not its value: a function that is recorded continues on either side.
        if not any(map(bool, optimizer_state["found_inf_per_device"].values())):
            return optimizer.step(*args, **kwargs)
        return None

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """Unscale the gradients, unless that was done, and call ``optimizer.step`` if all are finite.

        Args:
            optimizer: whose gradients those are.
            args: for ``optimizer.step``.
            kwargs: for ``optimizer.step``; no ``closure``.

        Returns:
            What ``optimizer.step`` returns; ``None`` if it was skipped.

        Raises:
            RuntimeError: a closure was given, or ``update`` was not called since the last step.
        """
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise RuntimeError("Closure use is not currently supported if GradScaler is enabled.")
        self._check_scale_growth_tracker("step")
        state = self._per_optimizer_states[id(optimizer)]
        if state["stage"] is OptState.STEPPED:
            raise RuntimeError("step() has already been called since the last update().")
        if getattr(optimizer, "_step_supports_amp_scaling", False):
            result = self._step_of_its_own(optimizer, state, *args, **kwargs)
        else:
            if state["stage"] is OptState.READY:
                self.unscale_(optimizer)
            _require(
                len(state["found_inf_per_device"]) > 0, "No inf checks were recorded for this optimizer."
            )
            result = self._maybe_opt_step(optimizer, state, *args, **kwargs)
        state["stage"] = OptState.STEPPED
        return result

    def _step_of_its_own(self, optimizer: Any, state: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """The step of an optimizer that looks at ``grad_scale`` and ``found_inf`` itself."""
        if "grad_scaler" in inspect.signature(optimizer.step).parameters:
            warnings.warn(
                "GradScaler is going to stop passing itself as a keyword argument to the passed optimizer. "
                "In the near future GradScaler registers `grad_scale: Tensor` and `found_inf: Tensor` to the "
                "passed optimizer and let the optimizer use them directly.",
                FutureWarning,
                stacklevel=3,
            )
            return optimizer.step(*args, **kwargs, grad_scaler=self)
        if state["stage"] is OptState.READY:
            self._check_inf_per_device(optimizer)
        scale = self._scale
        assert scale is not None
        flags = [t.to(scale.device, non_blocking=True) for t in state["found_inf_per_device"].values()]
        optimizer.grad_scale = (
            getattr(optimizer, "grad_scale", None)
            if state["stage"] is OptState.UNSCALED
            else scale * getattr(optimizer, "grad_scale", 1)
        )
        optimizer.found_inf = sum(flags)
        result = optimizer.step(*args, **kwargs)
        del optimizer.grad_scale, optimizer.found_inf
        return result

    def update(self, new_scale: Any = None) -> None:
        """Change the scale after all optimizers have stepped; to ``new_scale``, if one is given."""
        if not self._enabled:
            return
        scale, tracker = self._check_scale_growth_tracker("update")
        if new_scale is not None:
            self._set_scale(scale, new_scale)
        else:
            flags = [
                flag.to(device=scale.device, non_blocking=True)
                for state in self._per_optimizer_states.values()
                for flag in state["found_inf_per_device"].values()
            ]
            _require(len(flags) > 0, "No inf checks were recorded prior to update.")
            _amp_update_scale_(
                scale,
                tracker,
                sum(flags[1:], flags[0]),
                self._growth_factor,
                self._backoff_factor,
                self._growth_interval,
            )
        self._per_optimizer_states = defaultdict(_fresh_state)

    def _set_scale(self, scale: Tensor, new_scale: Any) -> None:
        if isinstance(new_scale, float):
            scale.fill_(new_scale)
            return
        fits = (
            new_scale.device.type == self._device and new_scale.numel() == 1 and not new_scale.requires_grad
        )
        _require(
            fits,
            "new_scale should be a float or a 1-element torch.cuda.FloatTensor or torch.FloatTensor with "
            "requires_grad=False.",
        )
        scale.copy_(new_scale)

    def _get_scale_async(self) -> Tensor | None:
        return self._scale

    def get_scale(self) -> float:
        """The scale, 1.0 if scaling is disabled; waits for its value."""
        if not self._enabled:
            return 1.0
        return self._init_scale if self._scale is None else float(self._scale.item())

    def get_growth_factor(self) -> float:
        """What the scale is multiplied by after good steps."""
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        """Change what the scale is multiplied by after good steps."""
        self._growth_factor = new_factor

    def get_backoff_factor(self) -> float:
        """What the scale is multiplied by after a bad step."""
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        """Change what the scale is multiplied by after a bad step."""
        self._backoff_factor = new_factor

    def get_growth_interval(self) -> int:
        """How many good steps in a row let the scale grow."""
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        """Change how many good steps in a row let the scale grow."""
        self._growth_interval = new_interval

    def _get_growth_tracker(self) -> int:
        if not self._enabled:
            return 0
        if self._growth_tracker is None:
            return self._init_growth_tracker
        return int(self._growth_tracker.item())

    def is_enabled(self) -> bool:
        """Whether gradients are scaled."""
        return self._enabled

    def state_dict(self) -> dict[str, Any]:
        """Scale, factors, interval and count of good steps; empty if scaling is disabled."""
        if not self._enabled:
            return {}
        return {
            "scale": self.get_scale(),
            "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval,
            "_growth_tracker": self._get_growth_tracker(),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what :meth:`state_dict` gave; does nothing if scaling is disabled.

        Raises:
            RuntimeError: an empty state.
        """
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError(
                "The source state dict is empty, possibly because it was saved from a disabled instance of "
                "GradScaler."
            )
        self._init_scale = state_dict["scale"]
        self._init_growth_tracker = state_dict["_growth_tracker"]
        if self._scale is not None:
            self._scale.fill_(self._init_scale)
        if self._growth_tracker is not None:
            self._growth_tracker.fill_(self._init_growth_tracker)
        self._growth_factor = state_dict["growth_factor"]
        self._backoff_factor = state_dict["backoff_factor"]
        self._growth_interval = state_dict["growth_interval"]

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        if self._enabled:
            _require(
                len(self._per_optimizer_states) == 0,
                "A GradScaler instance may only be pickled at the beginning of an iteration, or at the end "
                "after scaler.update().",
            )
            state["_init_scale"] = self.get_scale()
            state["_init_growth_tracker"] = self._get_growth_tracker()
            state["_scale"] = state["_growth_tracker"] = None
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    def _check_inf_per_device(self, optimizer: Any) -> dict[Any, Tensor]:
        """Look for overflow without changing the gradients."""
        scale, _ = self._check_scale_growth_tracker("_check_inf_per_device")
        one = full((), 1.0, dtype=float32, device=scale.device)
        found_inf = full((), 0.0, dtype=float32, device=scale.device)
        found = self._unscale_grads_(optimizer, one, found_inf, True)
        self._per_optimizer_states[id(optimizer)]["found_inf_per_device"] = found
        return found

    def _found_inf_per_device(self, optimizer: Any) -> dict[Any, Tensor]:
        found: dict[Any, Tensor] = self._per_optimizer_states[id(optimizer)]["found_inf_per_device"]
        return found
