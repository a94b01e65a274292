"""Runs a program and records its numbers.

A script of its own, ``python _recorder.py settings.json``: it runs under either framework, without the other.
Written to the folder that the settings name: ``events.jsonl`` with a line for each tensor, and ``values.bin``
with their elements.
"""

from __future__ import annotations

import json
import os
import random
import runpy
import sys
import traceback
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

#: Tensors that wait to be read. jtorch computes them together, so that a step stays one program.
WAITING = 400
#: Bytes of values after which only a few elements of each tensor are kept.
PLENTY = 1 << 30


def readable(tensor: Any) -> np.ndarray[Any, Any]:
    """Elements as float64 or int64; complex numbers as pairs."""
    tensor = tensor.detach().cpu()
    name = str(tensor.dtype)
    if "complex" in name:
        return np.asarray(tensor.numpy()).astype(np.complex128).view(np.float64)
    if "float" in name:
        return np.asarray(tensor.double().numpy())
    return np.asarray(tensor.numpy()).astype(np.int64)


class Recorder:
    """Writes events; patches the framework so that it causes them."""

    def __init__(self, torch: Any, settings: dict[str, Any]) -> None:
        self.torch, self.limit, self.steps = torch, settings["limit"], settings["steps"]
        folder = Path(settings["folder"])
        self.lines = (folder / "events.jsonl").open("w", encoding="utf-8")
        self.values = (folder / "values.bin").open("wb")
        self.process, self.step, self.depth, self.busy = os.getpid(), 0, 0, False
        self.waiting: list[tuple[dict[str, Any], Any]] = []
        self.roots: list[Any] = []
        self.names: dict[int, str] = {}
        self.before: list[tuple[str, Any, Any]] = []

    # ---- writing -------------------------------------------------------------------------------------

    def active(self) -> bool:
        """Whether an event now is to be recorded: not in workers, nor what recording itself computes."""
        return (
            not self.busy and os.getpid() == self.process and (self.steps is None or self.step < self.steps)
        )

    def add(self, kind: str, name: str, tensor: Any, scale: Any = None) -> None:
        """Remember a tensor's present contents."""
        if not isinstance(tensor, self.torch.Tensor) or tensor.is_sparse:
            return
        self.busy = True
        try:
            with self.torch.no_grad():
                copies = tensor.detach().clone(), None if scale is None else scale.detach().clone()
            self.waiting.append(({"step": self.step, "kind": kind, "name": name}, copies))
        except Exception as error:  # inside a function transform, say
            self.write({"step": self.step, "kind": "skipped", "name": name, "why": f"{error}"[:200]})
        finally:
            self.busy = False
        if len(self.waiting) >= WAITING:
            self.drain()

    def drain(self) -> None:
        """Read and write what waits."""
        waiting, self.waiting = self.waiting, []
        self.busy = True
        try:
            for event, (tensor, scale) in waiting:
                try:
                    array = readable(tensor)
                    if scale is not None:
                        event["scale"] = float(np.abs(readable(scale)).max(initial=0.0))
                except Exception as error:
                    self.write({**event, "kind": "skipped", "why": f"{error}"[:200]})
                    continue
                self.write(self.store(event, tensor, array))
        finally:
            self.busy = False
        self.lines.flush()

    def store(self, event: dict[str, Any], tensor: Any, array: np.ndarray[Any, Any]) -> dict[str, Any]:
        """Append elements to the file: all of them, or every n-th of a large tensor."""
        flat = array.reshape(-1)
        limit = self.limit if self.values.tell() < PLENTY else min(self.limit, 256)
        stride = max(1, -(-flat.size // limit))
        kept = np.ascontiguousarray(flat[::stride])
        event["shape"], event["dtype"] = list(tensor.shape), str(tensor.dtype).rpartition(".")[2]
        event["integer"], event["stride"] = array.dtype == np.int64, stride
        event["offset"], event["count"] = self.values.tell(), kept.size
        self.values.write(kept.tobytes())
        return event

    def write(self, event: dict[str, Any]) -> None:
        """One line."""
        self.lines.write(json.dumps(event) + "\n")

    def close(self, error: BaseException | None) -> None:
        """Write the rest and how the program ended."""
        if os.getpid() != self.process:
            return
        self.drain()
        end: dict[str, Any] = {"kind": "end", "step": self.step, "error": None}
        if error is not None:
            text = "".join(traceback.format_exception(error))
            end.update(error=f"{type(error).__name__}: {error}", traceback=text)
        self.write(end)
        self.lines.close()
        self.values.close()

    # ---- the framework -------------------------------------------------------------------------------

    def name_of(self, module: Any) -> str:
        """Path of a module from the outermost one that was called."""
        if id(module) not in self.names:
            for root in self.roots:
                self.learn(root)
        return self.names.get(id(module), type(module).__name__)

    def learn(self, root: Any) -> None:
        """Note the names of a model's modules and parameters."""
        head = type(root).__name__
        for name, module in root.named_modules():
            self.names.setdefault(id(module), f"{head}.{name}" if name else head)
        for name, parameter in root.named_parameters():
            self.names.setdefault(id(parameter), f"{head}.{name}")

    def output(self, name: str, value: Any) -> None:
        """Record the tensors of what a module returns."""
        if isinstance(value, (list, tuple)):
            for i, part in enumerate(value):
                self.output(f"{name}[{i}]", part)
        elif isinstance(value, dict):
            for key, part in value.items():
                self.output(f"{name}[{key!r}]", part)
        else:
            self.add("output", name, value)

    def patch(self) -> None:
        """Have modules, ``backward`` and optimizers report to this object."""
        torch, recorder = self.torch, self
        call, backward = torch.nn.Module.__call__, torch.Tensor.backward

        def called(module: Any, *args: Any, **kwargs: Any) -> Any:
            if not recorder.active():
                return call(module, *args, **kwargs)
            if recorder.depth == 0 and all(root is not module for root in recorder.roots):
                recorder.roots.append(module)
                recorder.learn(module)
            recorder.depth += 1
            try:
                result = call(module, *args, **kwargs)
            finally:
                recorder.depth -= 1
            recorder.output(recorder.name_of(module), result)
            return result

        def backwards(tensor: Any, *args: Any, **kwargs: Any) -> Any:
            if recorder.active():
                recorder.add("loss", "loss", tensor)
            return backward(tensor, *args, **kwargs)

        torch.nn.Module.__call__, torch.Tensor.backward = called, backwards
        optimizer = import_module("torch.optim.optimizer")
        optimizer.register_optimizer_step_pre_hook(self.before_step)
        optimizer.register_optimizer_step_post_hook(self.after_step)

    def before_step(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        """Record gradients and keep the parameters."""
        self.before = []
        if not self.active():
            return
        for root in self.roots:
            self.learn(root)
        for g, group in enumerate(optimizer.param_groups):
            for i, parameter in enumerate(group["params"]):
                name = self.names.get(id(parameter), f"group {g}, parameter {i}")
                if parameter.grad is not None:
                    self.add("gradient", name, parameter.grad)
                    self.before.append((name, parameter, parameter.detach().clone()))

    def after_step(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        """Record what the step has added to each parameter."""
        if not self.active():
            return
        for name, parameter, old in self.before:
            self.busy = True
            change = parameter.detach() - old
            self.busy = False
            self.add("update", name, change, scale=parameter)
        self.before = []
        self.drain()
        self.step += 1


def main(path: str) -> int:
    """Run the program that the settings name.

    Returns:
        Its exit code; 1 after an exception.
    """
    settings = json.loads(Path(path).read_text(encoding="utf-8"))
    if settings["framework"] == "jtorch":
        from jtorch._install import install  # noqa: PLC0415 - not where PyTorch runs

        install(metadata=settings["metadata"])
    torch = import_module("torch")
    recorder = Recorder(torch, settings)
    recorder.patch()
    if settings["seed"] is not None:
        random.seed(settings["seed"])
        np.random.seed(settings["seed"] % 2**32)
        torch.manual_seed(settings["seed"])
    script = settings["program"]
    sys.argv = [script, *settings["arguments"]]
    sys.path[0] = os.path.dirname(os.path.abspath(script))
    failure: BaseException | None = None
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as stop:
        failure = None if stop.code in (None, 0) else stop
    except BaseException as error:
        failure = error
        traceback.print_exc()
    recorder.close(failure)
    return 0 if failure is None else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
