"""From a call to a recorded operation: promotion, device checks, modes."""

from jtorch.dispatch._argument_types import wrong_type
from jtorch.dispatch._autocast import (
    AutocastState,
    autocast_state,
    common_precision,
    policy_of,
    without_autocast,
)
from jtorch.dispatch._modes import GRAD, INFERENCE, NO_GRAD, Modes, modes, stopping
from jtorch.dispatch._plan import Baked, Plan, clear_plans, common_device, plan_call
from jtorch.dispatch._promotion import number_dtype, result_dtype
from jtorch.dispatch._static_keys import AMBIGUOUS, told_apart, untagged

__all__ = [
    "AMBIGUOUS", "GRAD", "INFERENCE", "NO_GRAD", "AutocastState", "Baked", "Modes", "Plan", "autocast_state",
    "clear_plans", "common_device", "common_precision", "modes", "number_dtype", "plan_call", "policy_of",
    "result_dtype", "stopping", "told_apart", "untagged", "without_autocast", "wrong_type",
]  # fmt: skip
