"""Graph networks without a library: messages are gathered by index, then summed, averaged or weighted."""

import torch
from torch import nn
from torch.nn import functional as F

torch.manual_seed(0)
NODES = 20
edges = torch.randint(0, NODES, (2, 40))
edges = torch.unique(torch.cat([edges, edges.flip(0), torch.arange(NODES).repeat(2, 1)], 1), dim=1)
source, sink = edges
x = torch.randn(NODES, 6)
y = (x[:, 0] + x[:, 1] > 0).long()
print(edges.shape, torch.bincount(sink).tolist())


class Convolution(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.linear, self.bias = nn.Linear(inputs, outputs, bias=False), nn.Parameter(torch.zeros(outputs))

    def forward(self, x):
        degree = torch.zeros(len(x)).scatter_add_(0, sink, torch.ones(len(sink)))
        scale = degree.pow(-0.5)
        scale[scale == float("inf")] = 0
        x = self.linear(x)
        weighted = x[source] * (scale[source] * scale[sink])[:, None]
        return torch.zeros_like(x).index_add_(0, sink, weighted) + self.bias


class Attention(nn.Module):
    def __init__(self, inputs, outputs, heads=2):
        super().__init__()
        self.shape = (-1, heads, outputs // heads)
        self.linear = nn.Linear(inputs, outputs, bias=False)
        self.ours = nn.Parameter(torch.empty(1, *self.shape[1:]))
        self.theirs = nn.Parameter(torch.empty(1, *self.shape[1:]))
        nn.init.xavier_uniform_(self.ours)
        nn.init.xavier_uniform_(self.theirs)

    def forward(self, x):
        x = self.linear(x).view(self.shape)
        score = F.leaky_relu((x * self.theirs).sum(-1)[source] + (x * self.ours).sum(-1)[sink], 0.2)
        index = sink[:, None].expand_as(score)
        least = torch.full((len(x), score.size(1)), float("-inf"))
        most = least.scatter_reduce(0, index, score.detach(), "amax")
        weight = (score - most[sink]).exp()
        weight = weight / torch.zeros_like(most).index_add(0, sink, weight)[sink]
        return torch.zeros_like(x).index_add_(0, sink, x[source] * weight[..., None]).flatten(1)


class Mean(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.near, self.own = nn.Linear(inputs, outputs), nn.Linear(inputs, outputs, bias=False)

    def forward(self, x):
        index = sink[:, None].expand(-1, x.size(1))
        near = torch.zeros_like(x).scatter_reduce_(0, index, x[source], "mean", include_self=False)
        return self.near(near) + self.own(x)


for kind in (Convolution, Attention, Mean):
    torch.manual_seed(1)
    model = nn.Sequential(kind(6, 8), nn.ELU(), kind(8, 8), nn.ELU(), nn.Dropout(0.2), nn.Linear(8, 2))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2, weight_decay=5e-4)
    known = torch.rand(NODES) < 0.7
    losses = []
    for _ in range(8):
        optimizer.zero_grad()
        loss = F.nll_loss(F.log_softmax(model(x)[known], 1), y[known])
        loss.backward()
        optimizer.step()
        losses.append(f"{loss.item():.3f}")
    model.eval()
    print(kind.__name__, losses[::3], (model(x).argmax(1)[~known] == y[~known]).sum().item())
batch = torch.tensor([0] * 8 + [1] * 5 + [2] * 7)
print([f"{v:.3f}" for v in torch.zeros(3, 6).index_add(0, batch, x)[:, 0].tolist()])
