"""Results that are set later; texts as in PyTorch 2.13."""

import pytest

import jtorch
from jtorch.futures import Future, collect_all, wait_all


def test_callbacks_run_when_the_result_is_set():
    future, seen = Future(), []
    following = future.then(lambda f: f.wait() + 1).then(lambda f: f.value() * 2)
    future.add_done_callback(lambda f: seen.append(f.value()))
    assert not future.done()
    assert not following.done()
    future.set_result(jtorch.ones(1))
    assert following.wait().tolist() == [4]
    assert seen == [1]
    with pytest.raises(RuntimeError, match="Attempting to mark a completed Future as complete again"):
        future.set_result(2)


def test_errors():
    future = Future()
    with pytest.raises(RuntimeError):
        future.value()
    with pytest.raises(AssertionError, match="3 is of type <class 'int'>, not an Exception"):
        future.set_exception(3)
    failing = future.then(lambda f: 1 / 0)
    future.set_result(None)
    with pytest.raises(RuntimeError, match="error when running the callback: ZeroDivisionError"):
        failing.wait()
    wrong = Future()
    wrong.set_exception(ValueError("no"))
    with pytest.raises(ValueError, match="no"):
        wrong.wait()


def test_several():
    one, two = Future(), Future()
    both = collect_all([one, two])
    one.set_result(1)
    assert not both.done()
    two.set_result(2)
    assert both.wait() == [one, two]
    assert wait_all([one, two]) == [1, 2]
    assert collect_all([]).done()


def test_its_name_in_torch():
    assert jtorch.Future is Future
