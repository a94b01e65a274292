"""Train a network on scikit-learn's handwritten digits: ordinary PyTorch code, run by JAX.

Only one import says that this is not PyTorch. Run it with ``python examples/quickstart.py``; it prints its
progress and the accuracy on digits it has not seen, and saves a picture of the loss.
"""

from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from tqdm import tqdm

import jtorch as torch  # the only line that changes

matplotlib.use("Agg")  # pictures go to files

EPOCHS = 30
OUTPUT = Path(__file__).parent / "output"


class DigitClassifier(torch.nn.Module):
    """Two hidden layers between the 64 pixels and the 10 digits."""

    def __init__(self):
        super().__init__()
        self.flatten = torch.nn.Flatten()
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(8 * 8, 128),
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
    """Share of the images whose digit is recognised."""
    model.eval()
    correct = 0
    with torch.inference_mode():
        for images, labels in loader:
            correct += (model(images).argmax(dim=1) == labels).sum()
    return correct.item() / len(loader.dataset)


def plot(losses, path):
    """Save the loss curve."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure, axes = plt.subplots(figsize=(6, 4))
    axes.plot(range(1, len(losses) + 1), losses)
    axes.set(xlabel="epoch", ylabel="training loss", yscale="log", title="Handwritten digits")
    figure.tight_layout()
    figure.savefig(path)


def main():
    torch.manual_seed(42)
    train_set, test_set = load()
    train_loader = torch.utils.data.DataLoader(train_set, batch_size=32, shuffle=True)
    test_loader = torch.utils.data.DataLoader(test_set, batch_size=32)

    model = DigitClassifier()
    criterion = torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    print(model)

    losses = []
    progress = tqdm(range(EPOCHS), desc="training", unit="epoch")
    for _ in progress:
        losses.append(train(model, train_loader, optimizer, criterion))
        progress.set_postfix(loss=f"{losses[-1]:.4f}")

    accuracy = evaluate(model, test_loader)
    print(f"test accuracy: {accuracy:.1%} of {len(test_set)} digits")
    plot(losses, OUTPUT / "quickstart_loss.png")
    print(f"loss curve: {OUTPUT / 'quickstart_loss.png'}")
    return accuracy


if __name__ == "__main__":
    main()
    # What the engine made of it: programs compiled, runs that found their program, and why it ran.
    metrics = torch.metrics()
    for name in ("programs_compiled", "ops_compiled", "compile_seconds", "cache_hits", "nodes", "flushes"):
        print(f"{name}: {metrics[name]}")
