"""A generator and a discriminator trained in turns on a normal distribution."""

import torch
from torch import nn

torch.manual_seed(3)
generator = nn.Sequential(nn.Linear(4, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1))
discriminator = nn.Sequential(nn.Linear(1, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1), nn.Sigmoid())
criterion = nn.BCELoss()
optimizer_g = torch.optim.Adam(generator.parameters(), lr=2e-3, betas=(0.5, 0.999))
optimizer_d = torch.optim.Adam(discriminator.parameters(), lr=2e-3, betas=(0.5, 0.999))
real_label, fake_label = torch.ones(32, 1), torch.zeros(32, 1)
for step in range(41):
    real = torch.randn(32, 1) * 0.5 + 2.0
    fake = generator(torch.randn(32, 4))

    discriminator.zero_grad()
    loss_d = criterion(discriminator(real), real_label) + criterion(discriminator(fake.detach()), fake_label)
    loss_d.backward()
    optimizer_d.step()

    generator.zero_grad()
    loss_g = criterion(discriminator(fake), real_label)
    loss_g.backward()
    optimizer_g.step()
    if step % 10 == 0:
        print(f"step {step}: D {loss_d.item():.4f} G {loss_g.item():.4f} mean {fake.mean().item():.4f}")
