"""Transfer learning: keep what a network learned on some digits, and teach it others from few pictures.

A convolutional network learns the digits 0 to 4; then its features are frozen and only a new last layer is
trained on the digits 5 to 9, with ten pictures of each. The same network trained from scratch on those fifty
pictures is the comparison. The data ship with scikit-learn. Run it with
``python examples/transfer_learning.py``.
"""

from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from tqdm import tqdm

import jtorch as torch
from jtorch import nn

matplotlib.use("Agg")  # pictures go to files

SHOTS, STEPS = 10, 200
OUTPUT = Path(__file__).parent / "output"


class DigitNet(nn.Module):
    """Convolutional features with batch normalisation, and a linear head of five classes."""

    def __init__(self):
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
        self.head = nn.Linear(32 * 2 * 2, 5)

    def forward(self, x):
        return self.head(self.features(x))


def load():
    """Images and classes of the digits 0-4, and of the digits 5-9 (counted from 0)."""
    digits = load_digits()
    images = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1) / 16
    labels = torch.tensor(digits.target)
    low = labels < 5
    return (images[low], labels[low]), (images[~low], labels[~low] - 5)


def split(images, labels):
    """The first ``SHOTS`` pictures of each class, and all others."""
    few = torch.cat([(labels == c).nonzero().flatten()[:SHOTS] for c in range(5)])
    rest = torch.ones(len(labels), dtype=torch.bool)
    rest[few] = False
    return (images[few], labels[few]), (images[rest], labels[rest])


def accuracy(model, images, labels):
    """Share of the images that are classified right."""
    model.eval()
    with torch.inference_mode():
        return (model(images).argmax(dim=1) == labels).float().mean().item()


def train(model, data, test, title, batch=50):
    """Train what is not frozen; returns the test accuracy every 20 steps."""
    images, labels = data
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=3e-3)
    criterion = nn.CrossEntropyLoss()
    reached = []
    progress = tqdm(range(STEPS), desc=title, unit="step")
    for step in progress:
        model.train()
        if not model.features[0].weight.requires_grad:
            model.features.eval()  # frozen statistics, too
        chosen = torch.randint(len(labels), (batch,))
        loss = criterion(model(images[chosen]), labels[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 20 == 19:
            reached.append(accuracy(model, *test))
            progress.set_postfix(test=f"{reached[-1]:.1%}")
    return reached


def main():
    torch.manual_seed(42)
    known, new = load()
    few, test = split(*new)

    model = DigitNet()
    train(model, known, known, "digits 0-4")
    for parameter in model.features.parameters():
        parameter.requires_grad = False
    model.head = nn.Linear(model.head.in_features, 5)
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    print(f"{trained:,} of {sum(p.numel() for p in model.parameters()):,} parameters are trained now")
    before = model.features[0].weight.clone()
    transferred = train(model, few, test, "digits 5-9, transferred")
    assert torch.equal(before, model.features[0].weight)

    scratch = train(DigitNet(), few, test, "digits 5-9, from scratch")
    print(f"digits 5-9 from {len(few[1])} pictures: {transferred[-1]:.1%}; from scratch {scratch[-1]:.1%}")

    OUTPUT.mkdir(exist_ok=True)
    picture = OUTPUT / "transfer_learning.png"
    figure, axes = plt.subplots(figsize=(6, 4))
    steps = range(20, STEPS + 1, 20)
    axes.plot(steps, transferred, label="features of digits 0-4, frozen")
    axes.plot(steps, scratch, label="from scratch")
    axes.set(title=f"digits 5-9 from {SHOTS} pictures each", xlabel="step", ylabel="test accuracy")
    axes.legend()
    figure.tight_layout()
    figure.savefig(picture)
    print(f"picture: {picture}")


if __name__ == "__main__":
    main()
