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

    Parameters without a gradient count as having a gradient of zeros. The transformation sees the list of
    parameters, so labels and masks are lists, too. Its state is in ``state_dict()["state"]``, one tensor per
    array, in the order of its leaves.

    Args:
        params: tensors to optimize, in one group.
        transformation: any of optax's, learning rate included: ``optax.lion(1e-4)``, ``optax.chain(...)``.
            One that needs the loss (``optax.polyak_sgd``) finds it where :meth:`step` gets a closure.

    Raises:
        ValueError: a second group.

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
        self.transformation = optax.with_extra_args_support(transformation)
        self._tree: Any = None
        self._plan: Any = None

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        if self.param_groups:
            raise ValueError("Optax takes one group of parameters; use optax.multi_transform for several")
        super().add_param_group(param_group)

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
        losses = [value_of(loss.detach())] if isinstance(loss, Tensor) else []
        operands = [*values, *gradients, *(value_of(t) for t in state), *losses]
        avals = tuple(v.aval for v in operands)
        if self._plan is None or self._plan.operands != avals:
            self._plan = self._make_plan(avals, len(params), len(state))
        made = record(self._plan.signature, operands)
        if self._plan.signature.single is not None:
            made = [made]
        del values, gradients, operands
        for tensor, value in zip((*params, *state), made, strict=True):
            _write(tensor, value)
        return loss

    def _make_plan(self, avals: tuple[Any, ...], count: int, held: int) -> Plan:
        """The step as one operation: of parameters, gradients, ``held`` state arrays and perhaps the loss."""
        transformation, tree = self.transformation, self._tree

        def update(*operands: Any) -> tuple[Any, ...]:
            params, gradients = list(operands[:count]), list(operands[count : 2 * count])
            before, losses = operands[2 * count : 2 * count + held], operands[2 * count + held :]
            state = jax.tree.unflatten(tree, before)
            updates, state = transformation.update(
                gradients, state, params, **dict(zip(("value",), losses, strict=False))
            )
            params = optax.apply_updates(params, updates)
            leaves = [
                jax.numpy.asarray(new).astype(old.dtype)
                for new, old in zip(jax.tree.leaves(state), before, strict=True)
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
