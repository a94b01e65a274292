"""Gradient accumulation equals one large batch; gradients add up until they are cleared."""

import copy

import torch
from torch import nn

torch.manual_seed(4)
model = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))
other = copy.deepcopy(model)
x, y = torch.randn(24, 3), torch.randn(24, 1)
criterion = nn.MSELoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(3):
    optimizer.zero_grad()
    for part, target in zip(x.split(6), y.split(6)):
        loss = criterion(model(part), target) / 4
        loss.backward()
    optimizer.step()
    print(f"{sum(p.grad.norm() for p in model.parameters()):.4f}")
whole = torch.optim.SGD(other.parameters(), lr=0.1)
for epoch in range(3):
    whole.zero_grad()
    criterion(other(x), y).backward()
    whole.step()
print(all(torch.allclose(a, b, atol=1e-6) for a, b in zip(model.parameters(), other.parameters())))
w = torch.ones(2, requires_grad=True)
for _ in range(3):
    (w * 2).sum().backward()
    print(w.grad)
