"""Denoising diffusion of points: timestep embeddings, an averaged copy, sampling with and without noise."""

import copy
import math

import torch
from torch import nn
from torch.nn import functional as F

torch.manual_seed(42)
T = 20
betas = torch.linspace(1e-4, 0.2, T)
alphas = 1 - betas
kept = alphas.cumprod(0)
variances = betas * (1 - F.pad(kept[:-1], (1, 0), value=1.0)) / (1 - kept)


class Denoiser(nn.Module):
    def __init__(self, size=16):
        super().__init__()
        self.size = size
        self.time = nn.Sequential(nn.Linear(size, 32), nn.SiLU(), nn.Linear(32, 64))
        self.first, self.norm, self.last = nn.Linear(2, 32), nn.GroupNorm(4, 32), nn.Linear(32, 2)

    def forward(self, x, t):
        half = self.size // 2
        rates = torch.exp(torch.arange(half) * -(math.log(10000) / (half - 1)))
        angles = t[:, None] * rates[None]
        scale, shift = self.time(torch.cat((angles.sin(), angles.cos()), -1)).chunk(2, 1)
        return self.last(F.silu(self.norm(self.first(x)) * (scale + 1) + shift))


def at(values, t):
    return values.gather(-1, t).view(-1, 1)


model = Denoiser()
average = copy.deepcopy(model).requires_grad_(False)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for step in range(30):
    angle = torch.rand(64) * 2 * math.pi
    x = torch.stack((angle.cos(), angle.sin()), 1)
    t = torch.randint(0, T, (64,))
    noise = torch.randn_like(x)
    loss = F.mse_loss(model(at(kept.sqrt(), t) * x + at((1 - kept).sqrt(), t) * noise, t), noise)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    with torch.no_grad():
        for a, p in zip(average.parameters(), model.parameters()):
            a.mul_(0.9).add_(p, alpha=0.1)
    if step % 10 == 9:
        print(step, f"{loss.item():.4f}")


@torch.inference_mode()
def sample(n):
    x = torch.randn(n, 2)
    for i in reversed(range(T)):
        t = torch.full((n,), i)
        x = (x - at(betas, t) * average(x, t) / at((1 - kept).sqrt(), t)) * at(alphas.rsqrt(), t)
        if i > 0:
            x = x + at(variances, t).sqrt() * torch.randn_like(x)
    return x


@torch.no_grad()
def sample_without_noise(n, steps=5):
    x = torch.randn(n, 2)
    times = torch.linspace(T - 1, 0, steps).long().tolist()
    for now, then in zip(times, [*times[1:], None]):
        noise = average(x, torch.full((n,), now))
        clean = (x - (1 - kept[now]).sqrt() * noise) / kept[now].sqrt()
        left = kept[then] if then is not None else torch.tensor(1.0)
        x = left.sqrt() * clean + (1 - left).sqrt() * noise
    return x


made = sample(4)
print(made.is_inference(), [f"{v:.3f}" for v in made.norm(dim=1).tolist()])
print([f"{v:.3f}" for v in sample_without_noise(4).norm(dim=1).tolist()])
