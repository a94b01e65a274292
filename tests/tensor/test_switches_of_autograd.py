"""What switches of autograd report, and what warns of lost history."""

import subprocess
import sys

import pytest

import jtorch
from jtorch.tensor import _conversion

#: Each notes what is reported after each step.
PROGRAM = """
seen = []

def look():
    x = torch.ones(2, requires_grad=not torch.is_inference_mode_enabled()) * 2
    reported = torch.is_grad_enabled(), torch.is_inference_mode_enabled()
    seen.append((*reported, x.requires_grad, x.is_inference()))

with torch.inference_mode():
    look()
    with torch.enable_grad():
        look()
        with torch.no_grad():
            look()
        look()
        with torch.inference_mode():
            look()
        with torch.inference_mode(False):
            look()
        look()
    look()
    with torch.set_grad_enabled(True):
        look()
    look()
    torch.set_grad_enabled(True)
    look()
look()
with torch.no_grad():
    with torch.inference_mode(False):
        look()
    look()

@torch.inference_mode()
def inside():
    look()
    with torch.enable_grad():
        look()

inside()
look()
with torch.autograd.enforce_grad_layout_policy(False):
    look()
"""


def test_grad_mode_inside_inference_mode(torch):
    found = []
    for package in (jtorch, torch):
        names = {"torch": package}
        try:
            exec(PROGRAM, names)
        finally:
            package.set_grad_enabled(True)
        found.append(names["seen"])
    assert found[0] == found[1]


WARNING = """
import sys, warnings
torch = __import__(sys.argv[1])
x = torch.tensor(1.0, requires_grad=True)

def texts(convert):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        convert(x)
    return [(w.category.__name__, str(w.message).partition(" (Triggered")[0], w.filename) for w in caught]

print(texts(int), texts(bool), texts(lambda x: x.item()), texts(lambda x: float(x.detach())))
with torch.no_grad():
    print(texts(float))
print(texts(float if sys.argv[2] == "float" else complex), texts(float))
"""


@pytest.mark.parametrize("convert", ["float", "complex"])
def test_conversion_of_tracked_tensors_warns_once(torch, convert):
    shown = [
        subprocess.run(
            [sys.executable, "-c", WARNING, package, convert], capture_output=True, text=True, check=True
        ).stdout
        for package in ("jtorch", "torch")
    ]
    assert shown[0] == shown[1]
    assert shown[0].count("Converting a tensor") == 1


def test_the_warning_names_the_users_line(monkeypatch):
    monkeypatch.setattr(_conversion, "_warned", [])
    with pytest.warns(UserWarning, match="Converting a tensor with requires_grad=True") as caught:
        float(jtorch.tensor(1.0, requires_grad=True))
    assert caught[0].filename == __file__
