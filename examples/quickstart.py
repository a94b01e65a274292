"""Train a network on scikit-learn's handwritten digits: ordinary PyTorch code, run by JAX.

Only one import says that this is not PyTorch. Run it with ``python examples/quickstart.py``; it prints its
progress and the accuracy on pictures it has not seen, and saves a picture of the loss. With ``--fashion`` it
learns FashionMNIST instead, which is downloaded (30 MB).
"""

import argparse
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from tqdm import tqdm

import jtorch as torch  # the only line that changes

matplotlib.use("Agg")  # pictures go to files

EPOCHS, FASHION_EPOCHS = 30, 5
OUTPUT = Path(__file__).parent / "output"


class Classifier(torch.nn.Module):
    """Two hidden layers between the pixels and the 10 classes."""

    def __init__(self, pixels):
        super().__init__()
        self.flatten = torch.nn.Flatten()
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(pixels, 128),
            torch.nn.ReLU(),
            torch.nn.Linear(128, 64),
            torch.nn.ReLU(),
            torch.nn.Linear(64, 10),
        )

    def forward(self, images):
        return self.layers(self.flatten(images))


def load():
    """Training and test sets of 8 x 8 images with values from 0 to 1."""
    digits = load_digits()
    images = torch.tensor(digits.images, dtype=torch.float32) / 16
    labels = torch.tensor(digits.target)
    train, test = train_test_split(range(len(labels)), test_size=0.2, random_state=0, stratify=digits.target)
    return (torch.utils.data.TensorDataset(images[part], labels[part]) for part in (train, test))


def load_fashion():
    """FashionMNIST's training and test sets, 28 x 28, and a sentence that says what they are."""
    from _photos import fashion  # noqa: PLC0415  (needs a network, or an earlier download)

    train, test, _, source = fashion()
    return train, test, source


def train(model, loader, optimizer, criterion):
    """One epoch; returns the mean loss."""
    model.train()
    total = 0.0
    for images, labels in loader:
        loss = criterion(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.detach() * len(labels)
    return (total / len(loader.dataset)).item()


def evaluate(model, loader):
    """Share of the images whose class is recognised."""
    model.eval()
    correct = 0
    with torch.inference_mode():
        for images, labels in loader:
            correct += (model(images).argmax(dim=1) == labels).sum()
    return correct.item() / len(loader.dataset)


def plot(losses, title, path):
    """Save the loss curve."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure, axes = plt.subplots(figsize=(6, 4))
    axes.plot(range(1, len(losses) + 1), losses)
    axes.set(xlabel="epoch", ylabel="training loss", yscale="log", title=title)
    figure.tight_layout()
    figure.savefig(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fashion", action="store_true", help="FashionMNIST instead of digits")
    given = parser.parse_args()
    torch.manual_seed(42)
    if given.fashion:
        (train_set, test_set, title), epochs = load_fashion(), FASHION_EPOCHS
        print(title)
    else:
        (train_set, test_set), title, epochs = load(), "Handwritten digits", EPOCHS
    train_loader = torch.utils.data.DataLoader(train_set, batch_size=32, shuffle=True)
    test_loader = torch.utils.data.DataLoader(test_set, batch_size=32)

    model = Classifier(train_set[0][0].numel())
    criterion = torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    print(model)

    losses = []
    progress = tqdm(range(epochs), desc="training", unit="epoch")
    for _ in progress:
        losses.append(train(model, train_loader, optimizer, criterion))
        progress.set_postfix(loss=f"{losses[-1]:.4f}")

    accuracy = evaluate(model, test_loader)
    print(f"test accuracy: {accuracy:.1%} of {len(test_set)} pictures")
    plot(losses, title, OUTPUT / "quickstart_loss.png")
    print(f"loss curve: {OUTPUT / 'quickstart_loss.png'}")
    return accuracy


if __name__ == "__main__":
    main()
    # What the engine made of it: programs compiled, runs that found their program, and why it ran.
    metrics = torch.metrics()
    for name in ("programs_compiled", "ops_compiled", "compile_seconds", "cache_hits", "nodes", "flushes"):
        print(f"{name}: {metrics[name]}")
