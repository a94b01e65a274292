import os
import signal
import time

import numpy as np
import pytest

from jtorch import rng
from jtorch.rng import _box_muller_xla as xla
from jtorch.rng._box_muller import pairs

F4 = np.dtype(np.float32)


@pytest.fixture
def program():
    xla._program = xla._program or xla._compile()
    if xla._program is None:
        pytest.skip("XLA rounds otherwise on this machine")
    return xla._program


def test_first_pairs_are_documented_values():
    # torch.manual_seed(42); torch.randn(16) starts with 1.9269, 1.4873, 0.9007, -2.1055 (PyTorch 2.13).
    values = rng.normal(rng.MT19937(42), (16,), F4)
    assert np.round(values[:4], 4).tolist() == np.float32([1.9269, 1.4873, 0.9007, -2.1055]).tolist()


def test_edges_of_the_operands():
    edges = np.array([0, 1, (1 << 23) - 1, 1 << 23, (1 << 24) - 1], np.uint32)
    cosines, sines = pairs(edges, edges[::-1].copy())
    assert np.all(np.isfinite(cosines))
    assert np.all(np.isfinite(sines))
    assert cosines[0] == 0  # 1 - u is 1: a radius of 0
    assert np.hypot(cosines[-1], sines[-1]) == pytest.approx(np.sqrt(48 * np.log(2)), abs=1e-6)


def test_compiled_kernel_has_the_same_bits(program):
    # Every 64th radius, each with another angle.
    radius = np.arange(0, 1 << 24, 1 << 6, dtype=np.uint32)
    angle = radius * np.uint32(2654435761) & np.uint32((1 << 24) - 1)
    words = np.stack([radius.reshape(-1, 8), angle.reshape(-1, 8)], 1).reshape(-1, xla.BLOCK)
    for block in words:
        assert np.array_equal(np.asarray(program(block)), xla.normals(block))


@pytest.mark.parametrize("n", [xla.BLOCK, 3 * xla.BLOCK + 5, 7 * xla.BLOCK - 1])
def test_long_draws_do_not_depend_on_the_kernel(program, monkeypatch, n):
    engine, other = rng.MT19937(5), rng.MT19937(5)
    values = rng.normal(engine, (n,), F4, 0.5, 0.02)
    monkeypatch.setattr(xla, "_program", None)
    monkeypatch.setattr(xla, "_given_up", True)
    assert np.array_equal(rng.normal(other, (n,), F4, 0.5, 0.02), values)
    assert np.array_equal(engine.get_state(), other.get_state())


def test_a_kernel_with_other_bits_is_not_used(monkeypatch):
    monkeypatch.setattr(xla, "normals", lambda words, xp=np: xp.zeros(words.size, np.float32) + (xp is np))
    assert xla._compile() is None


@pytest.mark.parametrize("dtype", [F4, np.dtype(np.float16)])
def test_short_draws_are_the_same_worked_out_ahead(dtype):
    # Sizes that vary, and runs of one size, on both sides of where words are read anew.
    mixed = [16, 100, 100, 33, 48, 2000, 17, 500, 2048] * 12
    runs = [n for n in (100, 16, 31, 1500, 100) for _ in range(90)]
    engine, plain = rng.MT19937(11), rng.MT19937(11)
    for i, n in enumerate(mixed + runs + mixed):
        plain.memo.clear()  # makes the draw start from its words
        assert np.array_equal(rng.normal(engine, (n,), dtype), rng.normal(plain, (n,), dtype)), i
        if i % 7 == 0:
            assert np.array_equal(rng.uniform(engine, (n,), dtype), rng.uniform(plain, (n,), dtype)), i
    assert np.array_equal(engine.get_state(), plain.get_state())


def test_draws_belong_to_their_callers():
    # Writing to one must not reach those that were worked out with it.
    engine, other = rng.MT19937(1), rng.MT19937(1)
    for n in [40] * 6 + [17, 40, 17]:
        for sampler in (rng.normal, rng.uniform):
            values = sampler(engine, (n,), F4)
            assert np.array_equal(sampler(other, (n,), F4), values)
            values[:] = 7


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
@pytest.mark.filterwarnings("ignore:os.fork")
def test_forked_processes_do_without_xla(program):
    engine = rng.MT19937(2)
    expected = rng.normal(engine.clone_state(), (2 * xla.BLOCK,), F4)
    child = os.fork()
    if child == 0:
        os._exit(0 if np.array_equal(rng.normal(engine, (2 * xla.BLOCK,), F4), expected) else 1)
    deadline = time.monotonic() + 60
    while (done := os.waitpid(child, os.WNOHANG))[0] == 0 and time.monotonic() < deadline:
        time.sleep(0.01)
    if done[0] == 0:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        pytest.fail("the forked process hangs")
    assert done[1] == 0
