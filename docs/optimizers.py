"""Writes ``docs/optimizers.md`` from the classes and the cases that the tests compare with PyTorch.

Run ``python docs/optimizers.py`` after a change; a test checks that the page is up to date.
"""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

from jtorch import optim
from jtorch.optim import lr_scheduler, swa_utils

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "optimizers.md"
INTRODUCTION = """# Optimizers and schedules

Written by `python docs/optimizers.py`. Names, arguments, printed forms and `state_dict` layouts are those
of PyTorch 2.13, so a run saved by one framework continues in the other.

A `step()` is one recorded operation per parameter group: parameters, gradients, state, step counts and
settings are its operands. A change of `lr` (or of a decay, a beta, ...) compiles nothing, and neither does
a tensor as `lr`, which stays on its device unread.

* `foreach` and `fused` choose among PyTorch's implementations; here there is one, which is fused. The
  arguments are checked as in PyTorch. Steps in half precision compute in float32, as PyTorch's fused
  kernels do, and round once.
* `capturable=True` is refused for parameters on the CPU, as in PyTorch. Elsewhere it changes nothing.
* `differentiable=True` records the step with history: parameters become functions of gradients, earlier
  state and tensor settings, one operation per parameter.
* `SparseAdam` takes dense gradients and leaves rows that are all zero alone; PyTorch's takes sparse ones
  only.
* `Optax(params, transformation)` runs any transformation of optax in a PyTorch loop. What it needs besides
  gradients goes to `step`: `step(value=loss)`, or `step(closure, value_fn=f)` for a line search, where `f`
  computes the loss of a list of parameters and may use the batch.
* The function forms (`torch.optim.adam.adam` and the like, also in `optim._functional`) take the step of
  their class on given tensors. Sparse gradients, and `grad_scale` and `found_inf` of the fused kernels, are
  not implemented.
"""


def cases() -> dict[str, int]:
    """How many sets of options the tests compare, by optimizer."""
    tree = ast.parse((ROOT / "tests" / "optim" / "test_matches_torch.py").read_text())
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "OPTIONS":
            return {name: len(options) for name, options in ast.literal_eval(node.value).items()}
    raise AssertionError("the tests' OPTIONS are gone")


def summary(thing: object) -> str:
    """The first line of a docstring."""
    return (inspect.getdoc(thing) or "").split("\n")[0].rstrip(".").replace("|", "\\|")


def arguments(thing: object) -> str:
    """Names of the arguments after the first."""
    names = list(inspect.signature(thing).parameters)[1:]  # type: ignore[arg-type]
    return ", ".join(f"`{name}`" for name in names)


def page() -> str:
    """The text of the page."""
    compared = cases()
    lines = [
        INTRODUCTION,
        "## Optimizers",
        "",
        "| class | arguments | sets of options compared | what it does |",
    ]
    lines.append("| --- | --- | ---: | --- |")
    for name in sorted(n for n in optim.__all__ if inspect.isclass(getattr(optim, n)) and n != "Optimizer"):
        thing = getattr(optim, name)
        lines.append(f"| `{name}` | {arguments(thing)} | {compared.get(name, '')} | {summary(thing)} |")
    for title, module in (("Schedules", lr_scheduler), ("Averages (`swa_utils`)", swa_utils)):
        lines += ["", f"## {title}", "", "| name | arguments | what it does |", "| --- | --- | --- |"]
        for name in sorted(module.__all__):
            thing = getattr(module, name)
            lines.append(f"| `{name}` | {arguments(thing)} | {summary(thing)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
