"""A convolutional network with batch normalisation on small drawn shapes."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
images = torch.rand(96, 1, 12, 12) * 0.3
labels = torch.arange(96) % 3
for i, label in enumerate(labels):
    if label == 0:
        images[i, 0, 5:7, 2:10] += 1
    elif label == 1:
        images[i, 0, 2:10, 5:7] += 1
    else:
        images[i, 0, range(2, 10), range(2, 10)] += 1


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, kernel_size=3, padding=1)
        self.bn1 = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 8, kernel_size=3, stride=2)
        self.dropout = nn.Dropout(0.25)
        self.fc = nn.Linear(8 * 2 * 2, 3)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 2)
        x = F.relu(self.conv2(x))
        return F.log_softmax(self.fc(self.dropout(torch.flatten(x, 1))), dim=1)


model = Net()
print(model)
print(sum(p.numel() for p in model.parameters() if p.requires_grad), "parameters")
loader = DataLoader(TensorDataset(images, labels), batch_size=32, shuffle=True)
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
for epoch in range(4):
    model.train()
    total = 0.0
    for batch, target in loader:
        optimizer.zero_grad()
        loss = F.nll_loss(model(batch), target)
        loss.backward()
        optimizer.step()
        total += loss.item()
    model.eval()
    with torch.no_grad():
        correct = (model(images).argmax(dim=1) == labels).sum().item()
    print(f"epoch {epoch}: loss {total / len(loader):.3f}, correct {correct}/{len(labels)}")
print(model.bn1.num_batches_tracked, model.bn1.running_mean.shape)
