"""A variational autoencoder on points of two clusters."""

import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(7)
data = torch.cat([torch.randn(64, 8) * 0.1 + 0.3, torch.randn(64, 8) * 0.1 + 0.7]).clamp(0, 1)


class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Linear(8, 16)
        self.mean, self.log_variance = nn.Linear(16, 2), nn.Linear(16, 2)
        self.decoder = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 8))

    def reparameterize(self, mean, log_variance):
        deviation = torch.exp(0.5 * log_variance)
        return mean + torch.randn_like(deviation) * deviation

    def forward(self, x):
        hidden = F.relu(self.encoder(x))
        mean, log_variance = self.mean(hidden), self.log_variance(hidden)
        return torch.sigmoid(self.decoder(self.reparameterize(mean, log_variance))), mean, log_variance


model = VAE()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for epoch in range(41):
    made, mean, log_variance = model(data)
    reconstruction = F.binary_cross_entropy(made, data, reduction="sum")
    divergence = -0.5 * torch.sum(1 + log_variance - mean.pow(2) - log_variance.exp())
    loss = (reconstruction + divergence) / len(data)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    if epoch % 10 == 0:
        print(f"{epoch:3d} {loss.item():.3f} {divergence.item() / len(data):.3f}")
model.eval()
with torch.no_grad():
    print(model.decoder(torch.zeros(1, 2)).sigmoid().round(decimals=2).shape)
