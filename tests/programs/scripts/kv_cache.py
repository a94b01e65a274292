"""A decoder with rotary embeddings and grouped heads generates with a cache, by top-k and by top-p."""

import torch
from torch import nn
from torch.nn import functional as F

torch.manual_seed(1337)
VOCABULARY, SIZE, HEADS, KEYS, LONGEST = 24, 16, 4, 2, 16


def rotations(size):
    rates = 1.0 / 10000.0 ** (torch.arange(0, size, 2).float() / size)
    angles = torch.outer(torch.arange(LONGEST).float(), rates)
    return torch.polar(torch.ones_like(angles), angles)


def rotate(x, by):
    pairs = torch.view_as_complex(x.reshape(*x.shape[:-1], -1, 2))
    return torch.view_as_real(pairs * by).flatten(-2)


class RMSNorm(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(SIZE))

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * self.weight


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        head = SIZE // HEADS
        self.before, self.after = RMSNorm(), RMSNorm()
        self.q = nn.Linear(SIZE, SIZE, bias=False)
        self.kv = nn.Linear(SIZE, 2 * KEYS * head, bias=False)
        self.out = nn.Linear(SIZE, SIZE, bias=False)
        self.gate, self.up, self.down = nn.Linear(SIZE, 32), nn.Linear(SIZE, 32), nn.Linear(32, SIZE)

    def forward(self, x, turn, cache=None):
        b, t, _ = x.shape
        h = self.before(x)
        q = rotate(self.q(h).view(b, t, HEADS, -1).transpose(1, 2), turn)
        k, v = self.kv(h).view(b, t, 2 * KEYS, -1).transpose(1, 2).chunk(2, dim=1)
        k = rotate(k, turn)
        if cache is not None:
            if cache:
                k, v = torch.cat((cache["k"], k), 2), torch.cat((cache["v"], v), 2)
            cache.update(k=k, v=v)
        k, v = (a.repeat_interleave(HEADS // KEYS, dim=1) for a in (k, v))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=t > 1)
        x = x + self.out(y.transpose(1, 2).reshape(b, t, SIZE))
        h = self.after(x)
        return x + self.down(F.silu(self.gate(h)) * self.up(h))


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(VOCABULARY, SIZE)
        self.blocks = nn.ModuleList(Block() for _ in range(2))
        self.norm, self.head = RMSNorm(), nn.Linear(SIZE, VOCABULARY, bias=False)
        self.head.weight = self.embed.weight
        self.register_buffer("turns", rotations(SIZE // HEADS), persistent=False)

    def forward(self, tokens, caches=None, start=0):
        x, turn = self.embed(tokens), self.turns[start : start + tokens.size(1)]
        for i, block in enumerate(self.blocks):
            x = block(x, turn, None if caches is None else caches[i])
        return self.head(self.norm(x))

    @torch.no_grad()
    def generate(self, tokens, count, top_k=None, top_p=None, cached=True):
        caches, new, start = [{} for _ in self.blocks], tokens, 0
        for _ in range(count):
            logits = (self(new, caches, start) if cached else self(tokens))[:, -1]
            start += new.size(1)
            if top_k is not None:
                logits[logits < torch.topk(logits, top_k).values[:, [-1]]] = -float("inf")
            if top_p is not None:
                ordered, places = logits.sort(descending=True)
                drop = ordered.softmax(-1).cumsum(-1) > top_p
                drop[:, 1:] = drop[:, :-1].clone()
                drop[:, 0] = False
                logits = logits.masked_fill(drop.scatter(1, places, drop), -float("inf"))
            new = torch.multinomial(logits.softmax(-1), 1)
            tokens = torch.cat((tokens, new), 1)
        return tokens


model = Model()
data = torch.arange(200) * 7 % VOCABULARY
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
for step in range(12):
    starts = torch.randint(len(data) - 8, (4,))
    x = torch.stack([data[i : i + 8] for i in starts])
    y = torch.stack([data[i + 1 : i + 9] for i in starts])
    loss = F.cross_entropy(model(x).flatten(0, 1), y.flatten())
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    norm = nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    if step % 4 == 3:
        print(step, f"{loss.item():.3f} {norm:.3f}")
model.eval()
first = data[:3].repeat(2, 1)
for settings in ({"top_k": 5}, {"top_p": 0.9}, {"top_k": 5, "cached": False}):
    torch.manual_seed(5)
    print(settings, model.generate(first, 3, **settings).tolist())
