"""Training with quantised weights and binary activations: gradients pass the rounding; steps are learned."""

import torch
from torch import nn
from torch.nn import functional as F

torch.manual_seed(0)


class Quantise(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, step, low, high):
        scaled = x / step
        inside = (scaled >= low) & (scaled <= high)
        ctx.save_for_backward(scaled, inside)
        ctx.bounds = low, high
        return scaled.round().clamp(low, high) * step

    @staticmethod
    def backward(ctx, grad):
        scaled, inside = ctx.saved_tensors
        slope = torch.where(inside, scaled.round() - scaled, scaled.clamp(*ctx.bounds))
        return grad * inside, (grad * slope).sum(), None, None


class Sign(torch.autograd.Function):
    @staticmethod
    def forward(x):
        return torch.where(x >= 0, 1.0, -1.0)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * (x.abs() <= 1)


class QuantisedLinear(nn.Linear):
    def __init__(self, inputs, outputs, bits):
        super().__init__(inputs, outputs)
        self.low, self.high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
        self.step = nn.Parameter(2 * self.weight.detach().abs().mean() / self.high**0.5)

    def quantised(self):
        return Quantise.apply(self.weight, self.step, self.low, self.high)

    def forward(self, x):
        return F.linear(x, self.quantised(), self.bias)

    def extra_repr(self):
        return f"{super().extra_repr()}, range=({self.low}, {self.high})"


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.norm = QuantisedLinear(8, 32, 4), nn.BatchNorm1d(32)
        self.last = QuantisedLinear(32, 3, 3)

    def forward(self, x):
        return self.last(Sign.apply(self.norm(self.first(x))))


model = Network()
print(model)
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
x = torch.randn(64, 8)
y = x[:, :3].argmax(1)
for step in range(20):
    optimizer.zero_grad()
    loss = F.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    if step % 5 == 4:
        print(step, f"{loss.item():.2f} {model.last.step.grad.item():.2f}")
levels = (model.last.quantised() / model.last.step).round().unique()
print(levels.int().tolist())
a = torch.linspace(-2, 2, 5, requires_grad=True)
print(Sign.apply(a), torch.autograd.grad(Sign.apply(a).sum(), a))
rounded = a + (a.round() - a).detach()
rounded.pow(2).sum().backward()
print(rounded.detach(), a.grad)
