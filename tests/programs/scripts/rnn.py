"""An LSTM that continues a sine wave, and a GRU over packed sequences of different lengths."""

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

torch.manual_seed(1)
time = torch.linspace(0, 12, 121)
wave = torch.sin(time)
inputs = torch.stack([wave[i : i + 20] for i in range(0, 80, 4)]).unsqueeze(-1)
targets = torch.stack([wave[i + 20] for i in range(0, 80, 4)]).unsqueeze(-1)


class Forecaster(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(input_size=1, hidden_size=16, batch_first=True)
        self.head = nn.Linear(16, 1)

    def forward(self, x):
        out, (hidden, cell) = self.lstm(x)
        return self.head(out[:, -1])


model = Forecaster()
optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
criterion = nn.MSELoss()
for step in range(31):
    loss = criterion(model(inputs), targets)
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)
    optimizer.step()
    if step % 10 == 0:
        print(f"step {step} loss {loss.item():.4f}")

sequences = [torch.randn(n, 3) for n in (5, 3, 2)]
packed = pack_padded_sequence(pad_sequence(sequences), lengths=[5, 3, 2])
gru = nn.GRU(3, 4, num_layers=2, bidirectional=True)
output, hidden = gru(packed)
padded, lengths = pad_packed_sequence(output)
print(padded.shape, hidden.shape, lengths)
print(padded[:, 2, 0])
