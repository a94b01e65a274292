"""Frozen features with a new head; only the head changes."""

import torch
from torch import nn

torch.manual_seed(21)
features = nn.Sequential(nn.Linear(5, 20), nn.BatchNorm1d(20), nn.ReLU())
model = nn.Sequential(features, nn.Linear(20, 2))
x = torch.randn(40, 5)
first = (x.sum(dim=1) > 0).long()
second = torch.bucketize(x[:, 0].contiguous(), torch.tensor([-0.5, 0.5]))


def fit(target, parameters, steps):
    optimizer = torch.optim.SGD(parameters, lr=0.1, momentum=0.9, weight_decay=1e-4)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=10, gamma=0.5)
    for step in range(steps):
        loss = nn.functional.cross_entropy(model(x), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
    print(f"loss {loss.item():.3f} lr {scheduler.get_last_lr()[0]:.4f}")


fit(first, model.parameters(), 20)
for parameter in features.parameters():
    parameter.requires_grad = False
before = [p.clone() for p in features.parameters()]
model[1] = nn.Linear(20, 3)
print([name for name, p in model.named_parameters() if p.requires_grad])
fit(second, filter(lambda p: p.requires_grad, model.parameters()), 25)
print(all(torch.equal(a, b) for a, b in zip(before, features.parameters())))
print(all(p.grad is None or not p.requires_grad for p in features.parameters()))
