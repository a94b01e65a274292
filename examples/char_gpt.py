"""A small GPT that learns to write, character by character.

By default it reads the licence texts and documentation that come with Python; name a text file to use
another: ``python examples/char_gpt.py [text file]``. It prints what it writes as it learns and saves the
loss curve.
"""

import argparse
import math
import pydoc_data.topics
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
from tqdm import tqdm

import jtorch as torch
from jtorch import nn
from jtorch.nn import functional as F

matplotlib.use("Agg")  # pictures go to files

CONTEXT, WIDTH, HEADS, LAYERS = 64, 64, 4, 2
BATCH, STEPS = 16, 400
OUTPUT = Path(__file__).parent / "output"


class Block(nn.Module):
    """Causal self-attention and a two-layer network, each added to what came in."""

    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.network = nn.Sequential(nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH))

    def attend(self, x):
        batch, length, _ = x.shape
        q, k, v = (
            part.view(batch, length, HEADS, WIDTH // HEADS).transpose(1, 2)
            for part in self.qkv(x).split(WIDTH, dim=2)
        )
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out(mixed.transpose(1, 2).reshape(batch, length, WIDTH))

    def forward(self, x):
        x = x + self.attend(self.norm1(x))
        return x + self.network(self.norm2(x))


class GPT(nn.Module):
    """Logits of the next character at each of up to ``CONTEXT`` places."""

    def __init__(self, characters):
        super().__init__()
        self.characters = nn.Embedding(characters, WIDTH)
        self.places = nn.Embedding(CONTEXT, WIDTH)
        self.blocks = nn.Sequential(*(Block() for _ in range(LAYERS)))
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, characters, bias=False)
        self.head.weight = self.characters.weight  # tied
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.normal_(parameter, std=0.05)

    def forward(self, codes):
        x = self.characters(codes) + self.places(torch.arange(codes.shape[1], device=codes.device))
        return self.head(self.norm(self.blocks(x)))


@torch.no_grad()
def write(model, code, count):
    """Go on for ``count`` characters after one; every step looks at a window of the same length."""
    model.eval()
    window, written = code.expand(1, CONTEXT), []
    for _ in range(count):
        logits = model(window)[:, -1]
        code = torch.multinomial(F.softmax(logits / 0.8, dim=-1), 1)
        window = torch.cat([window[:, 1:], code], dim=1)
        written.append(code.item())
    model.train()
    return written


def read_text(path):
    """The text to learn from, and what to call it."""
    if path is not None:
        return path.read_text(encoding="utf-8"), str(path)
    topics = pydoc_data.topics.topics
    return "\n".join(topics[name] for name in sorted(topics)), "the topics of Python's help()"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("text", nargs="?", type=Path, help="a text file; Python's help topics by default")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"training steps ({STEPS})")
    given = parser.parse_args()
    torch.manual_seed(42)
    device = "cuda" if torch.cuda.is_available() else "cpu"

    text, source = read_text(given.text)
    alphabet = sorted(set(text))
    code_of = {character: code for code, character in enumerate(alphabet)}
    data = torch.tensor([code_of[c] for c in text])
    print(f"reading {source}: {len(text):,} characters, {len(alphabet)} different ones")

    model = GPT(len(alphabet)).to(device)
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters")
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=3e-3, total_steps=given.steps)
    window = torch.arange(CONTEXT + 1)
    losses = []
    progress = tqdm(range(given.steps), desc="training", unit="step")
    for step in progress:
        starts = torch.randint(len(data) - CONTEXT - 1, (BATCH, 1))
        batch = data[starts + window].to(device)
        logits = model(batch[:, :-1])
        loss = F.cross_entropy(logits.reshape(-1, len(alphabet)), batch[:, 1:].reshape(-1))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.detach())
        if step % 50 == 49:
            progress.set_postfix(loss=f"{loss.item():.3f}")

    start = torch.tensor([[code_of["\n"]]], device=device)
    written = "".join(alphabet[code] for code in write(model, start, 200))
    print(f"--- it writes ---\n{written.strip()}\n-----------------")

    OUTPUT.mkdir(exist_ok=True)
    picture = OUTPUT / "char_gpt.png"
    figure, axes = plt.subplots(figsize=(6, 4))
    axes.plot(torch.stack(losses).cpu())
    axes.axhline(math.log(len(alphabet)), linestyle=":", color="gray", label="guessing")
    axes.set(title="a small GPT", xlabel="step", ylabel="cross entropy per character")
    axes.legend()
    figure.tight_layout()
    figure.savefig(picture)
    print(f"loss {torch.stack(losses[-20:]).mean().item():.3f}, guessing gives {math.log(len(alphabet)):.3f}")
    print(f"picture: {picture}")


if __name__ == "__main__":
    main()
