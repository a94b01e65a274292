"""Operations give PyTorch's values in a worker, which computes with NumPy."""

import sys

import numpy as np
import pytest

import jtorch
from jtorch.trace import load_host_engine
from jtorch.trace._host._rules import RULES
from jtorch.utils import data

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="worker processes need Linux"),
    pytest.mark.filterwarnings("ignore:.*use of fork\\(\\) may lead to deadlocks"),
]


def seeded(t, draw):
    t.manual_seed(3)
    return draw()


def changed(x, change):
    change(x)
    return x


def gradient_of_kernel(t, x):
    kernel = t.ones(3, 1, 3, 3, requires_grad=True)
    return t.autograd.grad(t.nn.functional.conv2d(x, kernel, groups=3).sin().sum(), kernel)[0]


OPERATIONS = {
    "normalized": lambda t, x: (x - x.mean((1, 2), keepdim=True)) / x.std((1, 2), keepdim=True),
    "index": lambda t, x: x[:, t.tensor([1, 5, 2])][..., 3:9:2],
    "mask": lambda t, x: x[x > 0],
    "write": lambda t, x: changed(x.clone(), lambda y: y.__setitem__((0, slice(0, 3)), 5.0)),
    "write a row": lambda t, x: changed(x[:1].clone(), lambda y: y[0].__setitem__(1, x[0, 0] * 2)),
    "write one of many": lambda t, x: changed(x.clone(), lambda y: y.__setitem__((slice(None), 2), x[:, 0])),
    "scatter": lambda t, x: x.scatter(1, t.tensor([[[2], [0]]] * 3), 5.0),
    "scatter one": lambda t, x: x[:1].scatter_add(2, t.tensor([[[2], [2]]]), x[:1]),
    "add at indices": lambda t, x: x.index_add(2, t.tensor([1, 1]), x[..., :2]),
    "gradient of a row": lambda t, x: (
        changed(x[:1].clone().requires_grad_(), lambda y: (y[0] * y[:, 1]).sum().backward()).grad
    ),
    "in place": lambda t, x: x.clone().mul_(2).add_(1).clamp_(0, 1),
    "permuted": lambda t, x: x.permute(1, 2, 0).reshape(-1, 3),
    "flipped": lambda t, x: x.flip(-1).flip(0).rot90(1, (1, 2)).roll(3, 1),
    "stacked": lambda t, x: t.stack([x[0], x[1]]).unsqueeze(1),
    "joined": lambda t, x: t.cat([x, x[:, :2]], 1),
    "bytes": lambda t, x: (x.abs() * 60).to(t.uint8).float() / 255,
    "where": lambda t, x: t.where(x > 0, x, -x).sqrt(),
    "sorted": lambda t, x: x.sort(-1)[0],
    "topk": lambda t, x: x.topk(3)[1],
    "argmax": lambda t, x: x.argmax(0),
    "cumsum": lambda t, x: x.cumsum(1),
    "einsum": lambda t, x: t.einsum("cij,ckj->cik", x, x),
    "inverse": lambda t, x: t.linalg.inv(x + 9 * t.eye(16)),
    "one hot": lambda t, x: t.nn.functional.one_hot(t.tensor([1, 0, 2]), 4),
    "padded": lambda t, x: t.nn.functional.pad(x, (1, 2, 3, -4)),
    "reflected": lambda t, x: t.nn.functional.pad(x, (1, 2, 3, 4), mode="reflect"),
    "nearest": lambda t, x: t.nn.functional.interpolate(x[None], size=(21, 9)),
    "bilinear": lambda t, x: t.nn.functional.interpolate(x[None], size=(21, 9), mode="bilinear"),
    "antialias": lambda t, x: t.nn.functional.interpolate(
        x[None], size=(9, 7), mode="bilinear", antialias=True
    ),
    "bicubic": lambda t, x: t.nn.functional.interpolate(x[None], size=(21, 9), mode="bicubic"),
    "blurred": lambda t, x: t.nn.functional.conv2d(x[None], t.ones(3, 1, 3, 3) / 9, padding=1, groups=3),
    "kernel's gradient": lambda t, x: gradient_of_kernel(t, x[None]),
    "max pool": lambda t, x: t.nn.functional.max_pool2d(x[None], 3, 2, 1),
    "mean pool": lambda t, x: t.nn.functional.adaptive_avg_pool2d(x[None], 5),
    "sampled": lambda t, x: t.nn.functional.grid_sample(
        x[None],
        t.nn.functional.affine_grid(t.eye(2, 3)[None] * 0.7, (1, 3, 9, 9), align_corners=False),
        align_corners=False,
    ),
    "spectrum": lambda t, x: t.fft.rfft(x).abs(),
    "bfloat16": lambda t, x: x.to(t.bfloat16).mul(3).float(),
    "softmax": lambda t, x: x.softmax(-1).log(),
    "gradient": lambda t, x: changed(x.clone().requires_grad_(), lambda y: (y * y).sum().backward()).grad,
    "uniform": lambda t, x: seeded(t, lambda: t.rand(5)),
    "normal": lambda t, x: seeded(t, lambda: t.randn(20) + t.randn(3)[0]),
    "integers": lambda t, x: seeded(t, lambda: t.randint(0, 9, (7,))),
    "permutation": lambda t, x: seeded(t, lambda: t.randperm(9)),
}


def test_operations_in_a_worker_equal_torch(torch):
    start = np.random.default_rng(0).standard_normal((3, 16, 16), np.float32)

    def compute(_):
        return {name: f(jtorch, jtorch.from_numpy(start)) for name, f in OPERATIONS.items()}

    (mine,) = data.DataLoader([0], batch_size=None, num_workers=1, collate_fn=compute)
    for name, f in OPERATIONS.items():
        theirs = f(torch, torch.from_numpy(start.copy()))
        assert str(mine[name].dtype) == str(theirs.dtype), name
        # Tolerances of torch.testing for float32, tenfold where sums run in another order.
        np.testing.assert_allclose(mine[name].numpy(), theirs.numpy(), rtol=1.3e-5, atol=1e-5, err_msg=name)


def test_an_operation_without_a_numpy_rule_is_named(monkeypatch):
    load_host_engine()
    monkeypatch.delitem(RULES, "igamma")
    with pytest.raises(
        NotImplementedError, match="DataLoader worker computes with NumPy, which does not"
    ) as e:
        list(
            data.DataLoader(
                [0],
                None,
                num_workers=1,
                collate_fn=lambda _: jtorch.special.gammainc(jtorch.ones(2), jtorch.ones(2)),
            )
        )
    assert "igamma: a DataLoader worker" in str(e.value)
    assert "the primitive 'igamma'; apply it to the batch in the main process, or use num_workers=0" in str(
        e.value
    )
