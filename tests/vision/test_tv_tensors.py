"""What operations on ``tv_tensors`` return, compared with torchvision."""

import copy

import pytest

import jtorch
from jtorch.tensor import _overrides
from jtorch.vision import tv_tensors

CALLS = [
    "x.clone()",
    "x.to(torch.float64)",
    "x.detach()",
    "x.requires_grad_()",
    "x + 1",
    "1 + x",
    "x * x",
    "torch.sin(x)",
    "x.max(0)",
    "x.split(1)",
    "x[0]",
    "x.sum()",
    "torch.cat([x, x])",
    "x.grad",
    "torch.ones(1) + x",
    "torch.zeros_like(x)",
    "x.view(-1)",
    "copy.deepcopy(x)",
    "repr(x)[:6]",
]


@pytest.fixture(autouse=True)
def back():
    yield
    tv_tensors.set_return_type("Tensor")
    _overrides.switch_off()


def _shown(x):
    if isinstance(x, tuple | list):
        return [_shown(y) for y in x]
    if not hasattr(x, "tolist"):
        return x
    extra = [str(getattr(x, n, None)) for n in ("format", "canvas_size", "clamping_mode")]
    return type(x).__name__, x.tolist(), extra


def _results(package, kinds, call):
    found = []
    for x in (
        kinds.Image(package.ones(3, 4, 4)),
        kinds.Mask(package.ones(1, 4, 4)),
        kinds.BoundingBoxes(package.ones(2, 4), format="XYWH", canvas_size=(5, 5), clamping_mode="hard"),
        kinds.KeyPoints(package.ones(2, 2), canvas_size=(5, 5)),
    ):
        found.append(eval(call, {"torch": package, "x": x, "copy": copy}))
    return found


@pytest.mark.parametrize("kind", ["Tensor", "TVTensor"])
@pytest.mark.parametrize("call", CALLS)
def test_kinds_of_results(torch, torchvision, call, kind):
    from torchvision import tv_tensors as theirs

    with tv_tensors.set_return_type(kind), theirs.set_return_type(kind):
        found, expected = _results(jtorch, tv_tensors, call), _results(torch, theirs, call)
    # Outside, since torchvision's boxes have no list there.
    assert _shown(found) == _shown(expected)


def test_the_return_type_is_restored():
    x = tv_tensors.Image(jtorch.ones(3, 2, 2))
    with tv_tensors.set_return_type("TVTensor"):
        assert type(x + 1) is tv_tensors.Image
        with tv_tensors.set_return_type("tensor"):
            assert type(x + 1) is jtorch.Tensor
        assert type(x + 1) is tv_tensors.Image
    assert type(x + 1) is jtorch.Tensor
    tv_tensors.set_return_type("TVTensor")
    assert type(x + 1) is tv_tensors.Image
    with pytest.raises(ValueError, match="return_type must be 'TVTensor' or 'Tensor', got Image"):
        tv_tensors.set_return_type("Image")
