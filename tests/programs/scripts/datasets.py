"""A data set, a sampler and a collate function of one's own."""

import torch
from torch.utils.data import BatchSampler, DataLoader, Dataset, IterableDataset, SequentialSampler


class Words(Dataset):
    def __init__(self):
        self.words = "a small set of words of different lengths for the loader".split()

    def __len__(self):
        return len(self.words)

    def __getitem__(self, i):
        return torch.tensor([ord(c) - 96 for c in self.words[i]]), len(self.words[i])


def collate(samples):
    codes, lengths = zip(*samples)
    return torch.nn.utils.rnn.pad_sequence(codes, batch_first=True), torch.tensor(lengths)


torch.manual_seed(0)
for codes, lengths in DataLoader(Words(), batch_size=4, shuffle=True, collate_fn=collate):
    print(codes.shape, lengths)
print(list(BatchSampler(SequentialSampler(range(7)), batch_size=3, drop_last=False)))


class Count(IterableDataset):
    def __iter__(self):
        return iter({"n": i, "half": i / 2} for i in range(5))


for batch in DataLoader(Count(), batch_size=2):
    print(batch)
generator = torch.Generator().manual_seed(3)
print([b.tolist() for b in DataLoader(range(10), batch_size=5, shuffle=True, generator=generator)])
