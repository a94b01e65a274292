"""Double DQN on a walk: a memory of transitions, a target network that follows, actions that explore."""

import math
import random
from collections import deque, namedtuple

import torch
from torch import nn

random.seed(0)
torch.manual_seed(0)
Transition = namedtuple("Transition", "state action next_state reward")
PLACES = 7


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(PLACES, 16)
        self.value, self.advantage = nn.Linear(16, 1), nn.Linear(16, 2)

    def forward(self, x):
        x = torch.relu(self.hidden(x))
        advantage = self.advantage(x)
        return self.value(x) + advantage - advantage.mean(1, keepdim=True)


policy, target = Network(), Network()
target.load_state_dict(policy.state_dict())
optimizer = torch.optim.AdamW(policy.parameters(), lr=1e-2, amsgrad=True)
memory = deque(maxlen=500)


def place(p):
    return torch.tensor([float(p == i) for i in range(PLACES)]).unsqueeze(0)


def act(state, step):
    if random.random() > 0.05 + 0.85 * math.exp(-step / 60):
        with torch.no_grad():
            return policy(state).max(1).indices.view(1, 1)
    return torch.tensor([[random.randrange(2)]])


def learn():
    batch = Transition(*zip(*random.sample(memory, 16)))
    goes_on = torch.tensor([s is not None for s in batch.next_state])
    following = torch.cat([s if s is not None else torch.zeros(1, PLACES) for s in batch.next_state])
    values = policy(torch.cat(batch.state)).gather(1, torch.cat(batch.action))
    with torch.no_grad():
        best = policy(following).argmax(1, keepdim=True)
        expected = torch.cat(batch.reward) + 0.95 * goes_on * target(following).gather(1, best).squeeze(1)
    loss = nn.functional.smooth_l1_loss(values, expected.unsqueeze(1))
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_value_(policy.parameters(), 100)
    optimizer.step()
    new, old = policy.state_dict(), target.state_dict()
    target.load_state_dict({k: 0.05 * new[k] + 0.95 * old[k] for k in new})
    return loss.item()


steps = 0
for episode in range(12):
    at, state, total, loss = 3, place(3), 0.0, float("nan")
    for _ in range(15):
        action = act(state, steps)
        at += 1 if action.item() else -1
        ended, reward = at in (0, PLACES - 1), float(at == PLACES - 1) - 0.01
        memory.append(Transition(state, action, None if ended else place(at), torch.tensor([reward])))
        state, total, steps = place(at), total + reward, steps + 1
        if len(memory) >= 16:
            loss = learn()
        if ended:
            break
    print(episode, at, f"{total:.2f} {loss:.4f}")
print(policy(torch.eye(PLACES)).argmax(1), f"{target.value.bias.item():.4f}")
