"""The host goes on while the device computes, and waits where a value is read and nowhere else.

The CPU's client runs small programs on the calling thread unless it is told otherwise, so this is another
process. The first step contains a long computation; once the host has left all steps behind, nothing may be
ready yet: a loop that waited for its results anywhere would find them ready.
"""

import os
import subprocess
import sys

import pytest

SCRIPT = """
import sys
import jax
import jtorch
from jtorch import dtypes, nn
from jtorch.devices import CPU
from jtorch.tensor._core import from_value, value_of
from jtorch.trace import Signature, aval_of, record

AVAL = aval_of((700, 700), dtypes.float32, CPU)

def long(x):
    return (jax.lax.fori_loop(0, 100, lambda i, c: c @ x / 350, x),)

LONG = Signature("long", long, [AVAL], [AVAL])
jtorch.manual_seed(0)
model = nn.Sequential(nn.Linear(700, 8), nn.ReLU(), nn.Linear(8, 1))
optimizer = jtorch.optim.Adam(model.parameters())
scheduler = jtorch.optim.lr_scheduler.StepLR(optimizer, 1, 0.9)
data = jtorch.utils.data.DataLoader(jtorch.utils.data.TensorDataset(jtorch.rand(2100, 700)), 700)

def step(x):
    loss = model(x).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return loss.detach()

if sys.argv[1] == "compiled":
    step = jtorch.compile(step)

def train():
    total = 0
    for i, (x,) in enumerate(data):
        if i == 0:
            x = from_value(record(LONG, [value_of(x)]))
        total += step(x)
        scheduler.step()
    return total

train().item()  # compiles
jtorch.reset_metrics()
total = train()
weight = model[0].weight._storage.value.array
assert weight is not None  # the last step was issued
assert not weight.is_ready(), "the host has waited"
reads = dict(jtorch.metrics()["reads"])
assert not reads, reads
assert total.item() != 0
weight.block_until_ready()
"""


@pytest.mark.parametrize("how", ["plain", "compiled"])
def test_steps_are_issued_without_waiting(how):
    environment = {**os.environ, "JAX_CPU_ENABLE_ASYNC_DISPATCH": "1"}
    for name in ("JTORCH_EAGER", "JTORCH_MAX_NODES", "JTORCH_VERIFY"):
        environment.pop(name, None)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, how], env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
