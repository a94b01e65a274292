"""From a call to a recorded operation: promotion, device checks, modes."""

from jtorch.dispatch._modes import GRAD, INFERENCE, NO_GRAD, Modes, modes
from jtorch.dispatch._plan import Baked, Plan, clear_plans, common_device, plan_call
from jtorch.dispatch._promotion import number_dtype, result_dtype

__all__ = [
    "GRAD", "INFERENCE", "NO_GRAD", "Baked", "Modes", "Plan", "clear_plans", "common_device", "modes",
    "number_dtype", "plan_call", "result_dtype",
]  # fmt: skip
