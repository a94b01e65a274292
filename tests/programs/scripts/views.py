"""Views, in-place changes and indexing, as tutorials show them."""

import numpy as np
import torch

x = torch.arange(1.0, 10.0)
v = x.view(3, 3)
v[:, 0] = 5
print(x, x.reshape(1, 9).squeeze().shape, x.unsqueeze(0).shape)
print(torch.stack([x, x], dim=1)[:2], torch.cat([v, v], dim=1).shape)
print(v.t().is_contiguous(), v.t().stride(), v.permute(1, 0).storage_offset())
a = np.ones(3)
t = torch.from_numpy(a)
a += 1
print(t, t.dtype)
n = torch.ones(2).numpy()
print(n, n.dtype)
print(v[v > 4], v[[0, 2], [1, 1]], v[..., -1], v[None].shape)
m = torch.zeros(2, 3, dtype=torch.int64)
m[1] += torch.tensor([1, 2, 3])
m.scatter_(1, torch.tensor([[0], [2]]), 9)
print(m, m.sum(dim=0), m.float().mean(), m.max(dim=1))
print(torch.tensor([1.5, float("nan"), float("inf")]), torch.tensor(1e-8), torch.tensor([1e5, 1.0]))
print(torch.rand(2, 3).shape, torch.empty(0), torch.tensor([True, False]), torch.tensor([1 + 2j]))
for bad in (lambda: torch.ones(2, 3) @ torch.ones(2, 3), lambda: torch.ones(3)[5], lambda: x.view(2, 5)):
    try:
        bad()
    except (RuntimeError, IndexError) as error:
        print(type(error).__name__, error)
