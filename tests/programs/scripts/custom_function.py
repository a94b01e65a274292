"""Autograd functions of one's own, higher derivatives, Jacobians."""

import torch
from torch.autograd import Function


class Cube(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return grad_output * 3 * x**2


class StraightThrough(Function):
    @staticmethod
    def forward(ctx, x):
        return x.round()

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output


x = torch.tensor([1.0, -2.0, 0.5], requires_grad=True)
y = Cube.apply(x).sum()
print(y)
y.backward()
print(x.grad)
print(StraightThrough.apply(x))
x.grad.zero_()
(StraightThrough.apply(x) * torch.tensor([1.0, 2.0, 3.0])).sum().backward()
print(x.grad)
print(torch.autograd.gradcheck(Cube.apply, torch.randn(3, dtype=torch.float64, requires_grad=True)))
t = torch.tensor(2.0, requires_grad=True)
first = torch.autograd.grad(t**4, t, create_graph=True)[0]
second = torch.autograd.grad(first, t, create_graph=True)[0]
third = torch.autograd.grad(second, t)[0]
print(first, second, third)
print(torch.autograd.functional.jacobian(lambda v: v**2, torch.tensor([1.0, 2.0])))
print(torch.autograd.functional.hessian(lambda v: (v**3).sum(), torch.tensor([1.0, 2.0])))
try:
    first.backward()
    first.backward()
except RuntimeError as error:
    print(str(error).split(".")[0])
