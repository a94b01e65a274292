"""L-BFGS."""

from __future__ import annotations

from collections.abc import Callable
from operator import le
from typing import Any

import numpy as np

from jtorch.optim._wolfe import strong_wolfe
from jtorch.optim.optimizer import Optimizer
from jtorch.tensor import Tensor
from jtorch.tensor._autograd import enable_grad, no_grad
from jtorch.tensor._creation import from_numpy

__all__ = ["LBFGS"]

Array = np.ndarray[Any, Any]


class LBFGS(Optimizer):
    """Quasi-Newton steps from the last changes of the gradient; ``step`` needs a closure and calls it often.

    The vectors it works on live on the host: what it costs is the closure.

    Args:
        params: tensors to optimize, in one group.
        lr: factor of the steps.
        max_iter: most iterations per ``step``.
        max_eval: most calls of the closure per ``step``; ``max_iter * 5 / 4`` by default.
        tolerance_grad: the largest element of a gradient that counts as zero.
        tolerance_change: smallest change of the parameters or the loss to go on.
        history_size: how many changes are remembered.
        line_search_fn: ``"strong_wolfe"``, or ``None`` for steps of length ``lr``.

    Reference: Nocedal and Wright, Numerical optimization, chapter 7, 2006
    """

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        if not le(0.0, lr):
            raise ValueError(f"Invalid learning rate: {lr}")
        defaults = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        super().__init__(params, defaults)
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")

    @property
    def _params(self) -> list[Any]:
        params: list[Any] = self.param_groups[0]["params"]
        return params

    # ---- parameters and gradients as vectors -----------------------------------------------------------

    def _gradient(self) -> Array:
        parts = []
        for p in self._params:
            g = np.zeros(p.shape, p.dtype.numpy) if p.grad is None else p.grad._host()
            parts.append(_reals(np.ascontiguousarray(g)))
        return np.concatenate(parts)

    def _position(self) -> Array:
        return np.concatenate([_reals(np.ascontiguousarray(p._host())) for p in self._params])

    def _move(self, position: Array) -> None:
        start = 0
        with no_grad():
            for p in self._params:
                kind = p.dtype.numpy
                size = p.numel() * (2 if kind.kind == "c" else 1)
                part = position[start : start + size].astype(kind.type(0).real.dtype)
                p.copy_(from_numpy(part.view(kind).reshape(p.shape)))
                start += size

    # ---- the step --------------------------------------------------------------------------------------

    @no_grad()
    def step(self, closure: Callable[[], Any]) -> Any:
        """Take up to ``max_iter`` steps.

        Args:
            closure: computes the loss and its gradient anew and returns the loss.

        Returns:
            The loss before the first step.

        Raises:
            AssertionError: a second group was added.
        """
        if len(self.param_groups) != 1:
            raise AssertionError(f"Expected exactly one param_group, but got {len(self.param_groups)}")
        group = self.param_groups[0]
        closure = enable_grad()(closure)
        lr, tolerance = float(group["lr"]), group["tolerance_change"]
        state = self.state[self._params[0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)

        first_loss = closure()
        loss = float(first_loss)
        evaluations = 1
        state["func_evals"] += 1
        gradient = self._gradient()
        if np.abs(gradient).max() <= group["tolerance_grad"]:
            return first_loss

        history = _History(state, group["history_size"])
        direction = _host(state.get("d"))
        t = _host(state.get("t"))
        previous, previous_loss = _host(state.get("prev_flat_grad")), state.get("prev_loss")
        iteration = 0
        while iteration < group["max_iter"]:
            iteration += 1
            state["n_iter"] += 1
            if state["n_iter"] == 1:
                direction = -gradient
                history.clear()
            else:
                assert direction is not None
                history.add(gradient - previous, direction * gradient.dtype.type(t))
                direction = history.direction(gradient)
            previous, previous_loss = gradient.copy(), loss
            t = min(1.0, 1.0 / np.abs(gradient).sum()) * lr if state["n_iter"] == 1 else lr
            slope = gradient.dot(direction)
            if slope > -tolerance:
                break
            calls = 0
            start = self._position()
            if group["line_search_fn"] is not None:
                if group["line_search_fn"] != "strong_wolfe":
                    raise RuntimeError("only 'strong_wolfe' is supported")

                def evaluate(
                    t: float, start: Array = start, direction: Array = direction
                ) -> tuple[float, Array]:
                    self._move(start + direction.dtype.type(t) * direction)
                    return float(closure()), self._gradient()

                loss, gradient, t, calls = strong_wolfe(
                    evaluate, t, direction, loss, gradient, slope, max_ls=group["max_eval"] - evaluations
                )
                self._move(start + gradient.dtype.type(t) * direction)
                done = np.abs(gradient).max() <= group["tolerance_grad"]
            else:
                self._move(start + gradient.dtype.type(t) * direction)
                done = False
                if iteration != group["max_iter"]:
                    loss = float(closure())
                    gradient = self._gradient()
                    done = np.abs(gradient).max() <= group["tolerance_grad"]
                    calls = 1
            evaluations += calls
            state["func_evals"] += calls
            if iteration == group["max_iter"] or evaluations >= group["max_eval"] or done:
                break
            if np.abs(direction * t).max() <= tolerance or abs(loss - previous_loss) < tolerance:
                break
        history.save(state, _tensor(direction), _tensor(t))
        state["prev_flat_grad"], state["prev_loss"] = _tensor(previous), previous_loss
        return first_loss


class _History:
    """The last changes of the gradient and the steps that made them."""

    def __init__(self, state: dict[str, Any], size: int) -> None:
        self.size = size
        self.changes: list[Any] = [_host(t) for t in state.get("old_dirs") or ()]
        self.steps: list[Any] = [_host(t) for t in state.get("old_stps") or ()]
        self.rho: list[Any] = [_host(t) for t in state.get("ro") or ()]
        self.scale: Any = _host(state.get("H_diag", 1))
        self.alpha: Any = [_host(t) for t in state["al"]] if "al" in state else None

    def clear(self) -> None:
        self.changes, self.steps, self.rho, self.scale = [], [], [], 1

    def add(self, change: Array, step: Array) -> None:
        curvature = change.dot(step)
        if curvature <= 1e-10:
            return
        if len(self.changes) == self.size:
            for column in (self.changes, self.steps, self.rho):
                column.pop(0)
        self.changes.append(change)
        self.steps.append(step)
        self.rho.append(change.dtype.type(1.0) / curvature)
        self.scale = curvature / change.dot(change)

    def direction(self, gradient: Array) -> Array:
        """Minus the inverse Hessian times the gradient, by the two loops over the history."""
        known = range(len(self.changes))
        if self.alpha is None:
            self.alpha = [None] * self.size
        q = -gradient
        for i in reversed(known):
            self.alpha[i] = self.steps[i].dot(q) * self.rho[i]
            q = q - self.alpha[i] * self.changes[i]
        r = q * self.scale
        for i in known:
            beta = self.changes[i].dot(r) * self.rho[i]
            r = r + (self.alpha[i] - beta) * self.steps[i]
        return r  # type: ignore[no-any-return]

    def save(self, state: dict[str, Any], direction: Any, length: Any) -> None:
        """Into a state, in PyTorch's order."""
        if self.alpha is not None:
            state["al"] = [_tensor(x) for x in self.alpha]
        state["d"], state["t"] = direction, length
        state["old_dirs"] = [_tensor(x) for x in self.changes]
        state["old_stps"] = [_tensor(x) for x in self.steps]
        state["ro"] = [_tensor(x) for x in self.rho]
        state["H_diag"] = _tensor(self.scale)


def _reals(x: Array) -> Array:
    """Elements as one vector of reals."""
    return x.view(x.real.dtype).reshape(-1) if x.dtype.kind == "c" else x.reshape(-1)


def _host(x: Any) -> Any:
    """The array of a tensor in the state (a number of a 0-dim one); others as they are."""
    if not isinstance(x, Tensor):
        return x
    array = np.array(x.cpu()._host())
    return array[()] if not array.ndim else array


def _tensor(x: Any) -> Any:
    if isinstance(x, np.ndarray | np.generic):
        return from_numpy(np.array(x))
    return x
