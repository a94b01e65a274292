"""What fails names its op, and everything else survives."""

import numpy as np
import pytest

import jtorch
from jtorch import dtypes
from jtorch.devices import CPU
from jtorch.errors import AsyncExecutionError
from jtorch.tensor._core import from_value, value_of
from jtorch.trace import Signature, aval_of, flush, record, recorder

VECTOR = aval_of((3,), dtypes.float32, CPU)
attempts = []


def _refuse(x):
    attempts.append(x)
    raise ValueError("no room for this")


def _interrupt(x):
    if len(attempts) == 0:
        attempts.append(x)
        raise KeyboardInterrupt
    return (x * 2,)


BROKEN = Signature("broken", _refuse, [VECTOR], [VECTOR])
INTERRUPTED = Signature("interrupted", _interrupt, [VECTOR], [VECTOR])


def apply(signature, tensor):
    return from_value(record(signature, [value_of(tensor)]))


def test_only_what_depends_on_the_failing_op_is_lost():
    x = jtorch.ones(3)
    before = x * 2
    spoilt = apply(BROKEN, before) + 1
    after = before + 5
    with pytest.raises(AsyncExecutionError, match="no room for this") as error:
        spoilt.tolist()
    assert "the operation is broken(float32[3]) -> float32[3], first used at" in error.value.__notes__[0]
    assert "test_failures.py:" in error.value.__notes__[0]
    assert before.tolist() == [2.0, 2.0, 2.0]
    assert after.tolist() == [7.0, 7.0, 7.0]
    with pytest.raises(AsyncExecutionError, match="no room for this"):
        spoilt.tolist()
    with pytest.raises(AsyncExecutionError, match="no room for this"):
        (spoilt * 2).sum().item()


def test_the_error_also_arrives_where_another_value_is_read():
    x = jtorch.ones(3)
    spoilt = apply(BROKEN, x)
    fine = x + 1
    with pytest.raises(AsyncExecutionError):
        fine.tolist()
    assert fine.tolist() == [2.0, 2.0, 2.0]
    del spoilt
    assert (x * 3).tolist() == [3.0, 3.0, 3.0]


def test_memory_that_would_have_been_donated_survives():
    w = jtorch.ones(128, 128)
    for _ in range(2):
        w *= 2
        jtorch.synchronize()
    spoilt = apply(BROKEN, jtorch.ones(3))
    w *= 2
    with pytest.raises(AsyncExecutionError):
        flush(recorder(CPU), "step")
    del spoilt
    np.testing.assert_array_equal(w.numpy(), 8)


def test_an_interrupted_run_is_done_later():
    attempts.clear()
    x = jtorch.ones(3)
    y = apply(INTERRUPTED, x) + 1
    with pytest.raises(KeyboardInterrupt):
        y.tolist()
    assert y.tolist() == [3.0, 3.0, 3.0]


def test_a_shape_error_is_raised_at_the_line_and_records_nothing():
    x = jtorch.ones(3)
    y = x * 2
    nodes = recorder(CPU).graph.nodes
    with pytest.raises(RuntimeError, match="The size of tensor a"):
        y + jtorch.ones(4)
    assert recorder(CPU).graph.nodes == nodes
    assert y.tolist() == [2.0, 2.0, 2.0]
