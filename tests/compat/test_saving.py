"""Saving and loading as in the documents: state dictionaries, whole models, the keys' report."""

import io

import pytest

import jtorch as torch
from jtorch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stack = nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))

    def forward(self, x):
        return self.stack(x)


def test_weights(tmp_path):
    model = Net()
    torch.save(model.state_dict(), str(tmp_path / "model.pth"))
    fresh = Net()
    loaded = torch.load(str(tmp_path / "model.pth"), weights_only=True)
    assert str(fresh.load_state_dict(loaded)) == "<All keys matched successfully>"
    x = torch.rand(2, 2, 2)
    with torch.no_grad():
        assert torch.equal(fresh.eval()(x), model.eval()(x))
    with pytest.raises(RuntimeError, match="Missing key"):
        fresh.load_state_dict({})


def test_real_pytorch_reads_the_file(torch, tmp_path):
    import jtorch

    model = jtorch.nn.Linear(2, 1)
    jtorch.save(model.state_dict(), tmp_path / "linear.pth")
    other = torch.nn.Linear(2, 1)
    other.load_state_dict(torch.load(tmp_path / "linear.pth", weights_only=True))
    assert other.weight.tolist() == model.weight.tolist()


def test_a_whole_model(tmp_path):
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
    path = tmp_path / "whole.pth"
    torch.save(model, path)
    with pytest.warns(torch.serialization.UnsafeLoadWarning):
        loaded = torch.load(path, weights_only=False)
    x = torch.rand(2, 4)
    assert torch.equal(loaded(x), model(x))
    with pytest.raises(Exception, match=r"weights_only|Weights only"):
        torch.load(path, weights_only=True)


def test_state_of_training():
    model = nn.Linear(2, 1)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    buffer = io.BytesIO()
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3}, buffer)
    buffer.seek(0)
    state = torch.load(buffer, weights_only=True)
    again = torch.optim.Adam(nn.Linear(2, 1).parameters(), lr=0.5)
    again.load_state_dict(state["optimizer"])
    assert (again.param_groups[0]["lr"], state["epoch"]) == (0.1, 3)
