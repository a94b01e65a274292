"""The memory of a value that a step replaces is reused, unless anyone could still see it."""

import numpy as np
import pytest

import jtorch
from jtorch.tensor._core import value_of
from jtorch.trace import computed, host_array

# Large enough to be worth donating.
N = 128


def update(w):
    w *= 0.5
    jtorch.synchronize()
    return jtorch.metrics()["donated_buffers"]


@pytest.fixture
def w():
    w = jtorch.ones(N, N)
    for _ in range(2):
        w *= 0.5
        jtorch.synchronize()
    jtorch.reset_metrics()
    return w


def test_overwritten_memory_is_donated(w):
    old = value_of(w).array
    pointer = old.unsafe_buffer_pointer()
    del old
    assert update(w) == 1
    assert jtorch.metrics()["donated_bytes"] == N * N * 4
    assert value_of(w).array.unsafe_buffer_pointer() == pointer
    assert w[0, 0].item() == 0.125


def test_state_of_an_optimizer_is_donated():
    w = jtorch.zeros(N, N, requires_grad=True)
    optimizer = jtorch.optim.Adam([w])
    x = jtorch.ones(4, N)
    for i in range(4):
        if i == 3:
            jtorch.reset_metrics()
        optimizer.zero_grad()
        (x @ w + 1).square().mean().backward()
        optimizer.step()
    assert jtorch.metrics()["donated_buffers"] == 2  # both moments


def test_each_moment_keeps_its_memory():
    # With the parameter's new contents in the memory of a moment, XLA would have to copy the moment first.
    w = jtorch.zeros(N, N, requires_grad=True)
    optimizer = jtorch.optim.Adam([w])
    x = jtorch.ones(4, N)

    def pointers():
        optimizer.zero_grad()
        (x @ w + 1).square().mean().backward()
        optimizer.step()
        jtorch.synchronize()
        state = optimizer.state[w]
        return [value_of(state[k]).array.unsafe_buffer_pointer() for k in ("exp_avg", "exp_avg_sq")]

    for _ in range(3):
        before = pointers()
    assert pointers() == before


def test_parameters_that_the_step_reads_elsewhere_are_left_alone():
    # Their new contents go where the gradient was; XLA would copy what it overwrites too early.
    w = jtorch.zeros(N, N, requires_grad=True)
    x = jtorch.ones(4, N)
    for _ in range(3):
        (x @ w + 1).square().mean().backward()
        with jtorch.no_grad():
            w -= w.grad
        w.grad = None
        jtorch.synchronize()
    assert jtorch.metrics()["donated_buffers"] == 0
    assert jtorch.metrics()["programs_compiled"] == 1


def test_data_handed_in_by_the_user_is_not_overwritten():
    memory = np.ones((N, N), np.float32)
    w = jtorch.from_numpy(memory)
    y = w * 2
    jtorch.synchronize()
    y += 1
    jtorch.synchronize()
    np.testing.assert_array_equal(memory, 1)


def test_small_buffers_are_left_alone():
    w = jtorch.ones(2)
    for _ in range(3):
        update(w)
    assert jtorch.metrics()["donated_buffers"] == 0


def test_a_value_that_is_still_held_is_not_donated(w):
    held = value_of(w)
    assert update(w) == 0
    assert host_array(held)[0, 0] == 0.25


def test_an_array_given_to_the_user_survives(w):
    array = computed(value_of(w))
    assert update(w) == 0
    assert float(array[0, 0]) == 0.25


def test_memory_that_numpy_sees_is_written_in_place(w):
    seen = w.numpy()
    update(w)
    np.testing.assert_array_equal(seen, 0.125)  # shared both ways, as PyTorch documents


def test_memory_that_was_read_is_not_overwritten(w):
    y = w * 1
    seen = np.array(y.tolist())
    inner = host_array(value_of(y))
    y += 1
    jtorch.synchronize()
    np.testing.assert_array_equal(inner, seen)


def test_a_saved_value_survives_until_the_backward(w):
    x = w.clone().requires_grad_()
    y = x.exp()
    jtorch.synchronize()
    jtorch.reset_metrics()
    z = y * 1
    jtorch.synchronize()
    assert jtorch.metrics()["donated_buffers"] == 0
    z.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), np.exp(0.25), rtol=1e-6)


def test_a_view_reads_the_new_contents(w):
    row = w[1]
    update(w)
    np.testing.assert_array_equal(row.numpy(), 0.125)


def test_each_buffer_goes_to_the_value_that_replaces_it():
    # Momenta and gradient have one shape; a swap among them would cost copies.
    m, v = jtorch.zeros(N, N), jtorch.ones(N, N)
    x = jtorch.ones(N, N) * 1
    seen = []
    kept = None
    for i in range(4):
        gradient = x * i
        m *= 0.9
        m += gradient
        v *= 0.5
        v += 0.1 * m
        kept = gradient  # as `.grad` is
        jtorch.synchronize()
        seen.append([value_of(t).array.unsafe_buffer_pointer() for t in (m, v)])
    assert seen[1] == seen[2] == seen[3]
    assert kept is not None
    assert jtorch.metrics()["donated_buffers"] >= 6
