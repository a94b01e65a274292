"""Two rings told apart by a small network, with accuracy."""

import torch
from torch import nn

torch.manual_seed(42)
angle = torch.rand(200) * 2 * torch.pi
inner = torch.arange(200) % 2
radius = torch.where(inner == 1, 0.6, 1.0) + 0.03 * torch.randn(200)
X = torch.stack([radius * torch.cos(angle), radius * torch.sin(angle)], dim=1)
y = inner.float()
model = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 1))
print(model)
loss_fn = nn.BCEWithLogitsLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
for epoch in range(121):
    logits = model(X).squeeze()
    loss = loss_fn(logits, y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if epoch % 30 == 0:
        predicted = torch.round(torch.sigmoid(logits))
        accuracy = torch.eq(y, predicted).sum().item() / len(y) * 100
        print(f"Epoch: {epoch} | Loss: {loss:.3f}, Accuracy: {accuracy:.2f}%")
