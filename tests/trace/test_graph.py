"""Recording, and the promises that verify checks of every recorded graph."""

import numpy as np
import pytest

from jtorch import dtypes
from jtorch.devices import CPU
from jtorch.errors import TraceError
from jtorch.trace import (
    Signature,
    aval_of,
    computed,
    flush,
    from_host,
    host_array,
    metrics,
    record,
    recorder,
    verify,
)

VECTOR = aval_of((3,), dtypes.float32, CPU)
DOUBLE = Signature("double", lambda x: (x * 2,), [VECTOR], [VECTOR])
SCALE = Signature("scale", lambda x, s: (x * s.astype(x.dtype),), [VECTOR, float], [VECTOR])
SHIFT = Signature("shift", lambda x, n: (x + n.astype(x.dtype),), [VECTOR, int], [VECTOR])
PAIR = Signature("pair", lambda x: (x + 1, x - 1), [VECTOR], [VECTOR, VECTOR])


def vector(*numbers):
    return from_host(np.array(numbers, np.float32))


def graph():
    return recorder(CPU).graph


def test_avals_are_interned():
    assert aval_of((3,), dtypes.float32, CPU) is VECTOR
    assert aval_of((3,), dtypes.float64, CPU) is not VECTOR
    assert repr(VECTOR) == "float32[3]"
    assert VECTOR.nbytes == 12


def test_recording_computes_nothing_until_read():
    x = vector(1, 2, 3)
    y = record(SCALE, [record(DOUBLE, [x]), 0.5])
    assert y.pending
    assert metrics()["flushes"] == {}
    np.testing.assert_array_equal(host_array(y), [1, 2, 3])  # by hand: doubled, then halved
    assert metrics()["flushes"] == {"read": 1}
    assert not y.pending


def test_structure_is_flat_integers_and_numbers_stay_beside_it():
    x = vector(1, 2, 3)
    a = record(SCALE, [x, 0.5])
    b = record(SHIFT, [a, 7])
    g = graph()
    # Leaves, floats and ints are three interleaved series of negative slots.
    assert g.flat == [SCALE.id, -1, -2, SHIFT.id, 0, -3]
    assert (g.leaves, g.floats, g.ints) == ([x], [0.5], [7])
    assert (a.slot, b.slot) == (0, 1)


def test_a_leaf_used_twice_is_one_operand():
    x = vector(1, 2, 3)
    kept = [record(DOUBLE, [x]), record(DOUBLE, [x])]
    assert graph().leaves == [x]
    assert len(kept) == 2


def test_one_flush_computes_every_live_value_and_no_dead_one():
    x = vector(1, 2, 3)
    a, b = record(PAIR, [x])
    c = record(DOUBLE, [a])
    del a
    host_array(c)
    assert not b.pending  # alive, so computed along
    np.testing.assert_array_equal(host_array(b), [0, 1, 2])
    assert metrics()["flushes"] == {"read": 1}


def test_a_graph_that_nobody_waits_for_is_dropped():
    record(DOUBLE, [vector(1, 2, 3)])
    flush(recorder(CPU), "test")
    assert metrics()["programs_compiled"] == metrics()["ops_compiled"] == 0


def test_no_reference_cycle_keeps_a_pending_value():
    import gc

    gc.disable()
    try:
        value = record(DOUBLE, [vector(1, 2, 3)])
        reference = graph().outputs[value.slot]
        del value
        assert reference() is None
    finally:
        gc.enable()


def test_computed_gives_the_device_array():
    value = record(DOUBLE, [vector(1, 2, 3)])
    np.testing.assert_array_equal(np.asarray(computed(value)), [2, 4, 6])


# ---- verify


def recorded():
    x = vector(1, 2, 3)
    a = record(SCALE, [x, 0.5])
    b = record(SHIFT, [a, 7])
    return graph(), a, b


def test_verify_accepts_what_was_recorded():
    g, _a, _b = recorded()
    verify(g)


@pytest.mark.parametrize(
    ("breakage", "text"),
    [
        (lambda g: g.flat.__setitem__(4, 5), "reads output 5 before it exists"),
        (lambda g: g.flat.__setitem__(1, 1), "reads output 1 before it exists"),
        (lambda g: g.flat.__setitem__(1, -4), "reads operand -4, which does not exist"),
        (lambda g: g.floats.clear(), "reads operand -2, which does not exist"),
        (lambda g: g.flat.__setitem__(4, -3), "got a number for float32[3]"),
        (lambda g: g.outputs.pop(), "outputs and nodes disagree"),
        (lambda g: g.leaves.__setitem__(0, from_host(np.zeros(4, np.float32))), "for float32[3]"),
        (lambda g: g.outputs.reverse(), "is not output 0"),
        (lambda g: setattr(g.leaves[0], "host", None), "leaf 0 is pending"),
    ],
)
def test_verify_names_the_broken_promise(breakage, text):
    g, _a, _b = recorded()
    recorder(CPU).graph = type(g)(CPU)  # take the broken graph out of circulation
    breakage(g)
    with pytest.raises(TraceError) as error:
        verify(g)
    assert text in str(error.value)


def test_every_flush_verifies_when_asked_to():
    g, _a, _b = recorded()
    g.flat[4] = 5
    with pytest.raises(TraceError):
        flush(recorder(CPU), "test")
    recorder(CPU).graph = type(g)(CPU)
