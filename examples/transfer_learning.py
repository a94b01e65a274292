"""Transfer learning: a network that knows the digits is asked another question, from few labels.

A convolutional network learns to read digits. Then its features are frozen, and only a new last layer is
trained to tell even digits from odd ones, from 10, 20 or 50 labelled pictures. The same network trained from
scratch on those pictures is the comparison; both see three different draws of pictures. What was learned
pays because the new question needs it, and most where labels are few. (Digits that the network has never seen
are another matter: features of the digits 0 to 4, frozen, do no better on 5 to 9 than training from scratch.)
The data ship with scikit-learn. Run it with ``python examples/transfer_learning.py``.
"""

import copy
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from tqdm import tqdm

import jtorch as torch
from jtorch import nn

matplotlib.use("Agg")  # pictures go to files

KNOWN, STEPS = 900, 200  # pictures whose digit is told; steps of each training
LABELS, DRAWS = (10, 20, 50), 3
OUTPUT = Path(__file__).parent / "output"


class DigitNet(nn.Module):
    """Convolutional features with batch normalisation, and a linear head."""

    def __init__(self, classes):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
        )
        self.head = nn.Linear(32 * 2 * 2, classes)

    def forward(self, x):
        return self.head(self.features(x))


def load():
    """Images and digits in random order: those to read, and those of which parity is asked."""
    digits = load_digits()
    images = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1) / 16
    labels = torch.tensor(digits.target)
    order = torch.randperm(len(labels))
    known, new = order[:KNOWN], order[KNOWN:]
    return (images[known], labels[known]), (images[new], labels[new])


def accuracy(model, images, labels):
    """Share of the images that are classified right."""
    model.eval()
    with torch.inference_mode():
        return (model(images).argmax(dim=1) == labels).float().mean().item()


def train(model, images, labels, batch=50):
    """Train what is not frozen."""
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=3e-3)
    criterion = nn.CrossEntropyLoss()
    frozen = not any(p.requires_grad for p in model.features.parameters())
    for _ in range(STEPS):
        model.train()
        if frozen:
            model.features.eval()  # the statistics of batch normalisation, too
        chosen = torch.randint(len(labels), (batch,))
        loss = criterion(model(images[chosen]), labels[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def transferred(model):
    """A copy with frozen features and a new head of two classes."""
    model = copy.deepcopy(model)
    for parameter in model.features.parameters():
        parameter.requires_grad = False
    model.head = nn.Linear(model.head.in_features, 2)
    return model


def main():
    torch.manual_seed(42)
    known, (images, digits) = load()
    reader = DigitNet(classes=10)
    train(reader, *known)
    print(
        f"scikit-learn's digits: {accuracy(reader, images, digits):.1%} of {len(digits)} unseen ones are read"
    )
    example = transferred(reader)
    trained = sum(p.numel() for p in example.parameters() if p.requires_grad)
    print(
        f"{trained:,} of {sum(p.numel() for p in example.parameters()):,} parameters are trained from now on"
    )

    ways = {
        "frozen features": lambda: transferred(reader),
        "from scratch": lambda: DigitNet(classes=2),
    }
    reached = {way: [[] for _ in LABELS] for way in ways}
    progress = tqdm(total=len(LABELS) * DRAWS * len(ways), desc="even or odd", unit="training")
    for place, count in enumerate(LABELS):
        for draw in range(DRAWS):
            few = torch.zeros(len(digits), dtype=torch.bool)
            few[draw * count : (draw + 1) * count] = True
            for way, build in ways.items():
                model = build()
                before = model.features[0].weight.clone()
                train(model, images[few], digits[few] % 2)
                assert torch.equal(before, model.features[0].weight) == (way != "from scratch")
                reached[way][place].append(accuracy(model, images[~few], digits[~few] % 2))
                progress.update()
    progress.close()

    OUTPUT.mkdir(exist_ok=True)
    picture = OUTPUT / "transfer_learning.png"
    figure, axes = plt.subplots(figsize=(6, 4))
    for way, found in reached.items():
        means = [sum(f) / DRAWS for f in found]
        (line,) = axes.plot(LABELS, means, label=way)
        for count, each in zip(LABELS, found, strict=True):
            axes.plot([count] * DRAWS, each, "o", color=line.get_color(), alpha=0.5)
        print(f"{way:>15}: " + ", ".join(f"{m:.1%} from {n}" for m, n in zip(means, LABELS, strict=True)))
    axes.set(title="even or odd?", xlabel="labelled pictures", ylabel="test accuracy", xticks=LABELS)
    axes.legend()
    figure.tight_layout()
    figure.savefig(picture)
    print(f"picture: {picture}")


if __name__ == "__main__":
    main()
