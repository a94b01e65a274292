"""REINFORCE on a corridor: episodes have different lengths."""

import torch
from torch import nn
from torch.distributions import Categorical

torch.manual_seed(11)
policy = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 2))
optimizer = torch.optim.Adam(policy.parameters(), lr=0.02)
lengths = []
for episode in range(12):
    position, log_probs, rewards = 0.0, [], []
    for _ in range(20):
        distribution = Categorical(logits=policy(torch.tensor([position])))
        action = distribution.sample()
        log_probs.append(distribution.log_prob(action))
        position += 0.25 if action.item() == 1 else -0.25
        rewards.append(1.0 if position >= 1.0 else -0.1)
        if position >= 1.0:
            break
    returns, running = [], 0.0
    for reward in reversed(rewards):
        running = reward + 0.95 * running
        returns.insert(0, running)
    returns = torch.tensor(returns)
    loss = -(torch.stack(log_probs) * (returns - returns.mean())).sum()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    lengths.append(len(rewards))
    print(f"episode {episode}: {len(rewards)} steps, loss {loss.item():.3f}")
print(lengths)
