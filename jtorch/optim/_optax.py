"""Any optax transformation as an optimizer of a PyTorch loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import optax

from jtorch.devices import META
from jtorch.dispatch import Plan
from jtorch.optim._fused import _write, zeros_like
from jtorch.optim.optimizer import Optimizer
from jtorch.tensor import Tensor
from jtorch.tensor._autograd import enable_grad
from jtorch.tensor._core import from_value, value_of
from jtorch.trace import computed, from_jax, record

__all__ = ["Optax"]


class Optax(Optimizer):
    """An optax ``GradientTransformation`` with PyTorch's way of use; a step is one recorded operation.

    Parameters without a gradient count as having a gradient of zeros. The transformation's state is in
    ``state_dict()["state"]``, one tensor per array, in the order of its leaves.

    Args:
        params: tensors to optimize, in one group.
        transformation: any of optax's, learning rate included: ``optax.lion(1e-4)``, ``optax.chain(...)``.

    Example:
        >>> import jtorch, optax
        >>> w = jtorch.nn.Parameter(jtorch.ones(2))
        >>> optimizer = jtorch.optim.Optax([w], optax.sgd(0.5))
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> w.tolist()
        [0.0, 0.0]
    """

    def __init__(self, params: Any, transformation: optax.GradientTransformation) -> None:
        super().__init__(params, {})
        if len(self.param_groups) != 1:
            raise ValueError("Optax takes one group of parameters; use optax.multi_transform for several")
        self.transformation = optax.with_extra_args_support(transformation)
        self._tree: Any = None
        self._plan: Any = None

    def _start(self, params: list[Tensor]) -> None:
        """The transformation's first state."""
        with jax.enable_x64(True):
            arrays = [computed(value_of(p)) for p in params]
            leaves, self._tree = jax.tree.flatten(self.transformation.init(arrays))
            leaves = [jax.numpy.asarray(x) for x in leaves]
        where = params[0].device
        if "leaves" not in self.state:
            self.state["leaves"] = [from_value(from_jax(x, where)) for x in leaves]

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change every parameter.

        Args:
            closure: computes the loss anew and returns it.

        Returns:
            What ``closure`` returned.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        params = self.param_groups[0]["params"]
        if all(p._grad is None for p in params) or params[0].device is META:
            return loss
        if self._tree is None:
            self._start(params)
        values = [value_of(p) for p in params]
        gradients = [value_of(zeros_like(p) if p._grad is None else p._grad) for p in params]
        state = self.state["leaves"]
        operands = [*values, *gradients, *(value_of(t) for t in state)]
        avals = tuple(v.aval for v in operands)
        if self._plan is None or self._plan.operands != avals:
            self._plan = self._make_plan(avals, len(params))
        made = record(self._plan.signature, operands)
        if self._plan.signature.single is not None:
            made = [made]
        del values, gradients, operands
        for tensor, value in zip((*params, *state), made, strict=True):
            _write(tensor, value)
        return loss

    def _make_plan(self, avals: tuple[Any, ...], count: int) -> Plan:
        transformation, tree = self.transformation, self._tree

        def update(*operands: Any) -> tuple[Any, ...]:
            params, gradients = list(operands[:count]), list(operands[count : 2 * count])
            state = jax.tree.unflatten(tree, operands[2 * count :])
            updates, state = transformation.update(gradients, state, params)
            params = optax.apply_updates(params, updates)
            leaves = [
                jax.numpy.asarray(new).astype(old.dtype)
                for new, old in zip(jax.tree.leaves(state), operands[2 * count :], strict=True)
            ]
            return (*params, *leaves)

        return Plan("Optax.step", update, avals, device=avals[0].device, node=None, single=False)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        # Counts keep their integer dtype.
        self.state["leaves"] = list(state_dict["state"].get("leaves", []))
        if not self.state["leaves"]:
            del self.state["leaves"]
        self._tree = self._plan = None
