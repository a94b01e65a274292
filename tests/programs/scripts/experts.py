"""A mixture of experts: each token goes to the best two of three, with noise and a balancing loss."""

import torch
from torch import nn
from torch.nn import functional as F

torch.manual_seed(0)


class Mixture(nn.Module):
    def __init__(self, size, count, chosen):
        super().__init__()
        self.count, self.chosen = count, chosen
        self.gate, self.noise = nn.Linear(size, count, bias=False), nn.Linear(size, count, bias=False)
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(size, 16), nn.GELU(), nn.Linear(16, size)) for _ in range(count)
        )

    def forward(self, x):
        tokens = x.reshape(-1, x.size(-1))
        logits = self.gate(tokens)
        if self.training:
            logits = logits + torch.randn_like(logits) * F.softplus(self.noise(tokens))
        shares = logits.softmax(1)
        weights, places = shares.topk(self.chosen, dim=-1)
        weights = weights / weights.sum(-1, keepdim=True)
        mask = F.one_hot(places, self.count).permute(2, 1, 0)
        out = torch.zeros_like(tokens)
        for expert, where in zip(self.experts, mask):
            rank, token = torch.where(where)
            if token.numel() == 0:
                continue
            out.index_add_(0, token, expert(tokens[token]) * weights[token, rank, None])
        self.load = mask.sum((1, 2))
        self.balance = self.count * (mask.sum(1).float().mean(1) * shares.mean(0)).sum()
        return out.view_as(x)


model = Mixture(8, 3, 2)
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
for step in range(4):
    x = torch.randn(2, 5, 8)
    loss = F.mse_loss(model(x), 2 * x.roll(1, -1)) + 0.01 * model.balance
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(step, f"{loss.item():.3f}", model.load.tolist())

# Places in experts of limited capacity, by sorting.
tokens, expert = torch.randn(12, 8), torch.randint(0, 4, (12,))
counts = torch.bincount(expert, minlength=4)
order = torch.argsort(expert, stable=True)
place = torch.empty_like(expert)
place[order] = torch.arange(12) - (counts.cumsum(0) - counts)[expert[order]]
kept = place < 2
print(expert.tolist(), counts.tolist(), place.tolist(), kept.sum().item())
buffer = torch.zeros(4, 2, 8)
buffer[expert[kept], place[kept]] = tokens[kept]
back = torch.zeros_like(tokens)
back[kept] = buffer[expert[kept], place[kept]]
print(torch.equal(back[kept], tokens[kept]), [len(p) for p in tokens[order].split(counts.tolist())])
