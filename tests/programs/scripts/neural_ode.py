"""A differential equation whose right side is learned: Euler, Runge-Kutta, adjoint, adaptive steps."""

import torch
from torch import nn

torch.manual_seed(0)


def euler(f, y, t, h):
    return y + h * f(t, y)


def runge_kutta(f, y, t, h):
    a = f(t, y)
    b = f(t + h / 2, y + h / 2 * a)
    c = f(t + h / 2, y + h / 2 * b)
    return y + h / 6 * (a + 2 * b + 2 * c + f(t + h, y + h * c))


def integrate(f, y, times, step=runge_kutta):
    path = [y]
    for t, end in zip(times[:-1], times[1:]):
        y = step(f, y, t, end - t)
        path.append(y)
    return torch.stack(path)


class Field(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2))
        self.calls = 0

    def forward(self, t, y):
        self.calls += 1
        return self.net(y)


class Adjoint(torch.autograd.Function):
    """Keeps the path only, and integrates each interval again in the backward."""

    @staticmethod
    def forward(ctx, field, times, y, *parameters):
        with torch.no_grad():
            path = integrate(field, y, times)
        ctx.field = field
        ctx.save_for_backward(path, times, *parameters)
        return path

    @staticmethod
    def backward(ctx, grad):
        path, times, *parameters = ctx.saved_tensors
        carried, totals = torch.zeros_like(path[0]), [torch.zeros_like(p) for p in parameters]
        for i in range(len(times) - 1, 0, -1):
            with torch.enable_grad():
                y = path[i - 1].detach().requires_grad_()
                end = runge_kutta(ctx.field, y, times[i - 1], times[i] - times[i - 1])
                carried, *grads = torch.autograd.grad(end, [y, *parameters], carried + grad[i])
            totals = [a + b for a, b in zip(totals, grads)]
        return None, None, carried + grad[0], *totals


rotation = torch.tensor([[-0.1, 1.0], [-1.0, -0.1]])
times = torch.linspace(0, 1, 5)
truth = integrate(lambda t, y: y @ rotation, torch.randn(8, 2), times)
for step in (euler, runge_kutta):
    torch.manual_seed(1)
    field = Field()
    optimizer = torch.optim.Adam(field.parameters(), lr=1e-2)
    for _ in range(6):
        loss = (integrate(field, truth[0], times, step) - truth).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(step.__name__, f"{loss.item():.4f}", field.calls)

start = truth[0].clone().requires_grad_()
leaves = [start, *field.parameters()]
plain = torch.autograd.grad(integrate(field, start, times).pow(2).mean(), leaves)
adjoint = torch.autograd.grad(Adjoint.apply(field, times, *leaves).pow(2).mean(), leaves)
print(all(torch.allclose(a, b, atol=1e-6) for a, b in zip(plain, adjoint)), f"{plain[0].norm():.4f}")


def adaptive(f, y, end, tolerance=1e-3):
    """Heun's method, whose step follows its error."""
    t, h, taken = 0.0, 0.1, 0
    while t < end:
        h = min(h, end - t)
        a = f(t, y)
        b = f(t + h, y + h * a)
        error = (h / 2 * (b - a)).abs().max().item()
        if error < tolerance:
            y, t, taken = y + h / 2 * (a + b), t + h, taken + 1
        h *= min(2.0, max(0.2, 0.9 * (tolerance / (error + 1e-10)) ** 0.5))
    return y, taken


y, taken = adaptive(lambda t, y: y @ rotation, torch.tensor([[1.0, 0.0]]), 1.0)
print([f"{v:.3f}" for v in y[0].tolist()], taken)
