"""Two inputs through the same network, with contrastive and triplet losses."""

import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(5)
embed = nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 3))
centres = torch.randn(4, 6) * 2
labels = torch.arange(64) % 4
points = centres[labels] + 0.3 * torch.randn(64, 6)
optimizer = torch.optim.RMSprop(embed.parameters(), lr=2e-3)
for step in range(31):
    left, right = torch.randperm(64), torch.randperm(64)
    same = (labels[left] == labels[right]).float()
    distance = F.pairwise_distance(embed(points[left]), embed(points[right]))
    loss = (same * distance**2 + (1 - same) * F.relu(1.0 - distance) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 10 == 0:
        print(f"{step} {loss.item():.4f} same {int(same.sum())}")
anchor, positive, negative = embed(points[0:1]), embed(points[4:5]), embed(points[1:2])
print(f"{nn.TripletMarginLoss(margin=1.0)(anchor, positive, negative):.3f}")
print(f"{F.cosine_similarity(anchor, positive).item():.3f}")
