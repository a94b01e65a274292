"""WGAN-GP: the critic's loss contains the norm of its own gradient."""

import torch
from torch import autograd, nn

torch.manual_seed(0)


class Generator(nn.Module):
    def __init__(self, size=8):
        super().__init__()
        self.net = nn.Sequential(
            nn.ConvTranspose2d(size, 8, 4, 1, 0, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(True),
            nn.ConvTranspose2d(8, 1, 4, 2, 1),
            nn.Tanh(),
        )

    def forward(self, z):
        return self.net(z.view(*z.shape, 1, 1))


class Critic(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(1, 8, 4, 2, 1),
            nn.InstanceNorm2d(8, affine=True),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(8, 1, 4),
        )

    def forward(self, x):
        return self.net(x).view(-1)


def initialise(m):
    if "Conv" in m.__class__.__name__:
        nn.init.normal_(m.weight.data, 0.0, 0.05)
    elif "BatchNorm" in m.__class__.__name__:
        nn.init.normal_(m.weight.data, 1.0, 0.05)
        nn.init.constant_(m.bias.data, 0)


generator, critic = Generator().apply(initialise), Critic().apply(initialise)
for_generator = torch.optim.Adam(generator.parameters(), 1e-3, betas=(0.0, 0.9))
for_critic = torch.optim.RMSprop(critic.parameters(), 1e-3)


def penalty(real, fake):
    share = torch.rand(len(real), 1, 1, 1)
    between = (share * real + (1 - share) * fake).requires_grad_(True)
    score = critic(between)
    (slope,) = autograd.grad(score, between, torch.ones_like(score), create_graph=True, retain_graph=True)
    return ((slope.flatten(1).norm(2, dim=1) - 1) ** 2).mean()


wave = torch.linspace(0, 6, 8)
image = wave.sin()[None, :, None] * wave.cos()[None, None]
for step in range(5):
    critic.requires_grad_(True)
    for _ in range(2):
        real = image.expand(8, 1, 8, 8) + 0.1 * torch.randn(8, 1, 8, 8)
        with torch.no_grad():
            fake = generator(torch.randn(8, 8))
        for_critic.zero_grad()
        distance = critic(real).mean() - critic(fake).mean()
        loss = 10 * penalty(real, fake) - distance
        loss.backward()
        for_critic.step()
    critic.requires_grad_(False)
    for_generator.zero_grad()
    ours = -critic(generator(torch.randn(8, 8))).mean()
    ours.backward()
    for_generator.step()
    print(step, f"{loss.item():.3f} {ours.item():.3f} {distance.item():.3f}")
generator.eval()
print(generator(torch.ones(1, 8)).std().item().__round__(3))
