"""A straight line fitted by gradient descent, evaluated and saved."""

import io

import torch
from torch import nn

torch.manual_seed(42)
x = torch.arange(0, 1, 0.02).unsqueeze(dim=1)
y = 0.7 * x + 0.3
x_train, y_train, x_test, y_test = x[:40], y[:40], x[40:], y[40:]


class Line(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(1))
        self.bias = nn.Parameter(torch.randn(1))

    def forward(self, x):
        return self.weight * x + self.bias


model = Line()
print(model, list(model.parameters()))
loss_fn = nn.L1Loss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
for epoch in range(101):
    model.train()
    loss = loss_fn(model(x_train), y_train)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    model.eval()
    with torch.inference_mode():
        test_loss = loss_fn(model(x_test), y_test)
    if epoch % 20 == 0:
        print(f"Epoch: {epoch} | loss: {loss:.4f} | test loss: {test_loss:.4f}")
print(model.state_dict())
buffer = io.BytesIO()
torch.save(model.state_dict(), buffer)
buffer.seek(0)
again = Line()
print(again.load_state_dict(torch.load(buffer)))
with torch.inference_mode():
    print((again(x_test) == model(x_test)).all())
