"""Cross-validation with subsets, random splits and a weighted sampler."""

import torch
from torch import nn
from torch.utils.data import DataLoader, Subset, TensorDataset, WeightedRandomSampler, random_split

torch.manual_seed(9)
x = torch.randn(60, 4)
y = (x @ torch.tensor([1.0, -2.0, 0.5, 0.0]) > 0).float()
dataset = TensorDataset(x, y)
folds = torch.randperm(len(dataset)).chunk(3)
for number, held_out in enumerate(folds):
    fit = torch.cat([f for i, f in enumerate(folds) if i != number])
    model = nn.Linear(4, 1)
    optimizer = torch.optim.Adagrad(model.parameters(), lr=0.5)
    for epoch in range(3):
        for inputs, targets in DataLoader(Subset(dataset, fit.tolist()), batch_size=10, shuffle=True):
            loss = nn.functional.binary_cross_entropy_with_logits(model(inputs).squeeze(1), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.no_grad():
        right = ((model(x[held_out]).squeeze(1) > 0) == y[held_out].bool()).float().mean()
    print(f"fold {number}: loss {loss.item():.3f} accuracy {right.item():.3f}")
train, test = random_split(dataset, [0.8, 0.2], generator=torch.Generator().manual_seed(42))
print(len(train), len(test), test.indices)
sampler = WeightedRandomSampler(torch.where(y == 1, 3.0, 1.0).tolist(), num_samples=20)
print(list(sampler))
