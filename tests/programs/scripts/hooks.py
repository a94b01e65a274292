"""Hooks on modules and tensors, and what they see."""

import torch
from torch import nn

torch.manual_seed(6)
model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
seen = []
for name, module in model.named_children():
    module.register_forward_hook(
        lambda m, args, out, name=name: seen.append((name, type(m).__name__, tuple(out.shape)))
    )
handle = model[2].register_full_backward_hook(
    lambda m, grad_in, grad_out: print("backward", [g.shape for g in grad_in], [g.shape for g in grad_out])
)
model.register_forward_pre_hook(lambda m, args: print("input", args[0].shape))
x = torch.randn(4, 2, requires_grad=True)
x.register_hook(lambda g: g * 2)
model(x).sum().backward()
print(seen)
print(x.grad)
handle.remove()
hidden = model[0](x)
hidden.retain_grad()
hidden.relu().sum().backward()
print(hidden.grad)
print(hidden.grad_fn, hidden.grad_fn.next_functions[0][0].name())
complete = []
for parameter in model.parameters():
    parameter.register_post_accumulate_grad_hook(lambda p: complete.append(tuple(p.shape)))
model(x).sum().backward()
print(sorted(complete))
