"""The options that programs are compiled with."""

import pytest

import jtorch
from jtorch.compiler import lower
from jtorch.nn import functional
from jtorch.trace import _options, compiler_options


@pytest.fixture(autouse=True)
def options_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test starts and leaves with options in use."""
    monkeypatch.setattr(_options, "_known", True)


def convolved(x: jtorch.Tensor, weight: jtorch.Tensor) -> jtorch.Tensor:
    return functional.conv2d(x, weight)


def test_xla_computes_convolutions_itself() -> None:
    program = lower(convolved, jtorch.randn(8, 64, 32, 32), jtorch.randn(64, 64, 3, 3)).compile()
    text = program.as_text()
    assert "convolution(" in text
    assert "ynn_fusion" not in text


def test_other_platforms_have_no_options() -> None:
    assert compiler_options("cpu") is not None
    assert compiler_options("gpu") is None


def test_flags_of_the_user_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XLA_FLAGS", f"--{_options.LIBRARY_KINDS}=-reduce")
    assert compiler_options("cpu") is None


def test_options_that_xla_does_not_know_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_options, "LIBRARY_KINDS", "xla_cpu_no_such_option")
    x = jtorch.arange(13.0)  # a size of its own, so that its program is new
    assert ((x * 3 + 1).sum()).item() == 247
    assert compiler_options("cpu") is None  # from now on


def test_a_lowered_program_drops_them_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_options, "LIBRARY_KINDS", "xla_cpu_no_such_option")
    lower(convolved, jtorch.randn(1, 2, 5, 5), jtorch.randn(3, 2, 3, 3)).compile()
    assert compiler_options("cpu") is None
