"""Autocast to bfloat16 on the CPU, with a gradient scaler that is switched off there."""

import torch
from torch import nn

torch.manual_seed(2)
model = nn.Sequential(nn.Linear(16, 32), nn.LayerNorm(32), nn.GELU(), nn.Linear(32, 4))
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
scaler = torch.amp.GradScaler("cpu", enabled=False)
x, y = torch.randn(32, 16), torch.randint(4, (32,))
for step in range(21):
    optimizer.zero_grad()
    with torch.autocast(device_type="cpu", dtype=torch.bfloat16):
        logits = model(x)
        loss = nn.functional.cross_entropy(logits, y)
    scaler.scale(loss).backward()
    scaler.step(optimizer)
    scaler.update()
    if step % 10 == 0:
        print(step, logits.dtype, loss.dtype, f"{loss.item():.2f}")
print(next(model.parameters()).dtype, model(x).dtype)
