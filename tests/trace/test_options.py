"""The options that programs are compiled with."""

import pytest

import jtorch
from jtorch.compiler import lower
from jtorch.nn import functional
from jtorch.trace import _options, clear_programs, compiler_options


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
    names = [_options.LIBRARY_KINDS, _options.OPTIMIZATION]
    assert list(compiler_options("cpu") or ()) == names
    monkeypatch.setenv("XLA_FLAGS", f"--{names[0]}=-reduce")
    assert list(compiler_options("cpu") or ()) == names[1:]
    monkeypatch.setenv("XLA_FLAGS", f"--{names[0]}=-reduce --{names[1]}=3")
    assert compiler_options("cpu") is None


@pytest.mark.parametrize("option", ["LIBRARY_KINDS", "OPTIMIZATION"])
def test_options_that_xla_does_not_know_are_dropped(monkeypatch: pytest.MonkeyPatch, option: str) -> None:
    monkeypatch.setattr(_options, option, "xla_cpu_no_such_option")
    clear_programs()
    x = jtorch.arange(13.0)
    assert ((x * 3 + 1).sum()).item() == 247  # 3 * 78 + 13
    assert compiler_options("cpu") is None  # from now on


def test_a_lowered_program_drops_them_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_options, "LIBRARY_KINDS", "xla_cpu_no_such_option")
    lower(convolved, jtorch.randn(1, 2, 5, 5), jtorch.randn(3, 2, 3, 3)).compile()
    assert compiler_options("cpu") is None
