"""``torch.jit`` as under ``PYTORCH_JIT=0``: decorated code is the code itself."""

import pytest

import jtorch
from jtorch import nn


def test_decorated_functions_and_modules_stay_what_they_are():
    @jtorch.jit.script
    def scaled(x, scale: float = 2.0):
        return x * scale

    @jtorch.jit.script
    class Pair:
        def __init__(self, first: int):
            self.first = first

    model = nn.Linear(2, 1)
    assert scaled(jtorch.ones(1), 3.0).tolist() == [3]
    assert Pair(4).first == 4
    assert jtorch.jit.script(model) is model
    assert jtorch.jit.trace(model, jtorch.ones(1, 2), check_trace=False) is model
    assert jtorch.jit.trace_module(model, {"forward": jtorch.ones(1, 2)}) is model


def test_script_modules_are_modules():
    class Doubled(jtorch.jit.ScriptModule):
        def __init__(self):
            super().__init__()
            self.factor = nn.Parameter(jtorch.tensor(2.0))

        @jtorch.jit.script_method
        def forward(self, x):
            return x * self.factor

    assert Doubled()(jtorch.ones(1)).tolist() == [2]
    assert not isinstance(jtorch.jit.script(nn.ReLU()), jtorch.jit.ScriptModule)


def test_fork_and_wait():
    assert jtorch.jit.wait(jtorch.jit.fork(lambda x, y=1: x + y, jtorch.ones(1), y=4)).tolist() == [5]


def test_what_needs_a_program_is_missing():
    with pytest.raises(AttributeError, match=r"no attribute 'save': TorchScript has no counterpart here"):
        jtorch.jit.save(nn.ReLU(), "model.pt")


def test_functions_return_what_torch_returns_without_its_compiler(torch):
    public = set(jtorch.jit.__all__)
    assert public <= set(dir(torch.jit)) | {"Final"}
