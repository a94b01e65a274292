"""Learning rate schedules, parameter groups, state saved and loaded midway, weight averages."""

import io

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

torch.manual_seed(8)
model = nn.Linear(3, 2)
optimizer = torch.optim.Adam(
    [{"params": [model.weight], "lr": 1e-2}, {"params": [model.bias], "lr": 1e-1}], weight_decay=1e-3
)
print(optimizer)
warm = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.5, total_iters=4)
cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=8)
schedule = torch.optim.lr_scheduler.SequentialLR(optimizer, [warm, cosine], milestones=[4])
average = AveragedModel(model)
x, y = torch.randn(10, 3), torch.randn(10, 2)
for step in range(10):
    loss = nn.functional.smooth_l1_loss(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    schedule.step()
    average.update_parameters(model)
    print(step, f"{loss.item():.4f}", [f"{group['lr']:.5f}" for group in optimizer.param_groups])
buffer = io.BytesIO()
torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, buffer)
buffer.seek(0)
saved = torch.load(buffer, weights_only=True)
print(list(saved["optimizer"]["state"][0]), saved["optimizer"]["param_groups"][1]["params"])
optimizer.load_state_dict(saved["optimizer"])
print(average.n_averaged, f"{average.module.weight.abs().sum():.3f}")
