"""Eager mode, and threads that record at once."""

import threading

import numpy as np

import jtorch
from jtorch.devices import CPU
from jtorch.tensor._core import value_of
from jtorch.trace import recorder, settings


def test_eager_mode_runs_each_op_at_once():
    settings.eager = True
    y = jtorch.ones(3) * 2
    assert not value_of(y).pending
    z = y + 1
    assert jtorch.metrics()["flushes"] == {"eager": 2}
    assert not recorder(CPU).graph.nodes
    assert z.tolist() == [3.0, 3.0, 3.0]


def test_eager_mode_compiles_each_op_once():
    settings.eager = True
    for i in range(5):
        (jtorch.ones(3) * i).sum().item()
    assert jtorch.metrics()["ops_compiled"] == 2
    assert jtorch.metrics()["programs_compiled"] == 0


def test_threads_record_and_read_at_once():
    errors = []

    def work(seed):
        try:
            x = jtorch.full((4,), float(seed))
            for i in range(40):
                y = (x * 2 + i) @ x
                assert y.item() == 4 * seed * (2 * seed + i)
                (x + i).sum()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not errors


def test_a_value_of_one_thread_is_read_by_another():
    x = jtorch.ones(4)
    made = [x * i for i in range(8)]
    sums = [0.0] * 8

    def read(i):
        sums[i] = made[i].sum().item()

    threads = [threading.Thread(target=read, args=(i,)) for i in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sums == [4.0 * i for i in range(8)]


def test_64_bit_values_leave_jax_alone():
    import jax
    import jax.numpy as jnp

    before = jax.config.jax_enable_x64
    x = jtorch.tensor([1.0, 2.0], dtype=jtorch.float64) / 3
    n = jtorch.tensor([2**40]) * 3
    assert x.tolist() == [1 / 3, 2 / 3]
    assert n.tolist() == [3 * 2**40]
    assert jax.config.jax_enable_x64 == before
    assert jnp.arange(3).dtype == np.int32
