"""What needs an accelerator: devices, transfers, training on it, donation. Skipped where JAX finds none."""

from __future__ import annotations

import numpy as np
import pytest

import jtorch
from jtorch import nn
from jtorch.devices import platform_available

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not platform_available("cuda"), reason="JAX finds no CUDA device"),
]


def test_tensors_move_both_ways():
    x = jtorch.arange(6.0).reshape(2, 3)
    y = x.to("cuda")
    assert y.device == jtorch.device("cuda", 0)
    assert y.is_cuda
    assert str(y) == "tensor([[0., 1., 2.],\n        [3., 4., 5.]], device='cuda:0')"
    assert jtorch.equal(y.cpu(), x)
    assert y.to("cuda") is y


def test_devices_do_not_mix():
    with pytest.raises(RuntimeError, match="Expected all tensors to be on the same device"):
        jtorch.ones(2) + jtorch.ones(2, device="cuda")


def test_zero_dim_cpu_tensors_go_along():
    assert (jtorch.ones(2, device="cuda") * jtorch.tensor(3.0)).tolist() == [3.0, 3.0]


def test_views_and_in_place_on_the_device():
    x = jtorch.zeros(3, 4, device="cuda")
    x[1].add_(2)
    x.t()[0].mul_(5)
    assert x.cpu().tolist() == [[0, 0, 0, 0], [10, 2, 2, 2], [0, 0, 0, 0]]


def test_numpy_of_a_device_tensor_is_refused():
    with pytest.raises(TypeError, match="can't convert cuda:0 device type tensor to numpy"):
        jtorch.ones(2, device="cuda").numpy()


def _train(device: str, steps: int) -> tuple[list[float], list[np.ndarray]]:
    jtorch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(16, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 4)
    ).to(device)
    inputs = jtorch.randn(64, 16).to(device)
    targets = jtorch.randint(0, 4, (64,)).to(device)
    loss_function = nn.CrossEntropyLoss()
    optimizer = jtorch.optim.Adam(model.parameters(), lr=1e-3)
    losses = []
    for _ in range(steps):
        loss = loss_function(model(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return [x.item() for x in losses], [p.detach().cpu().numpy() for p in model.parameters()]


def test_training_equals_the_cpu():
    losses, parameters = _train("cuda", 20)
    expected, reference = _train("cpu", 20)
    np.testing.assert_allclose(losses, expected, rtol=1e-4)
    for a, b in zip(parameters, reference, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)


def test_a_loop_on_the_device_compiles_once_and_donates():
    _train("cuda", 3)
    jtorch.reset_metrics()
    _train("cuda", 10)
    metrics = jtorch.metrics()
    assert metrics["programs_compiled"] == 0
    assert metrics["donated_buffers"] > 0


def test_float64_is_exact_on_the_device():
    x = jtorch.tensor([1.0 + 2**-40], dtype=jtorch.float64, device="cuda")
    assert (x - 1).item() == 2**-40
