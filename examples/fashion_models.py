"""Three networks on FashionMNIST, compared: linear, non-linear, convolutional (TinyVGG).

Each is trained with the same loop; the table compares accuracy and time, and the picture shows the confusion
matrix and some predictions of the best. Without a network, scikit-learn's digits stand in for FashionMNIST.
Run it with ``python examples/fashion_models.py``.
"""

import time
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
from _photos import fashion
from sklearn.metrics import confusion_matrix
from tqdm import tqdm

import jtorch as torch
from jtorch import nn
from jtorch.utils.data import DataLoader

matplotlib.use("Agg")  # pictures go to files

IMAGES, BATCH = 24_000, 32  # images seen by each network, and at a time
OUTPUT = Path(__file__).parent / "output"


def linear(classes):
    """Two linear layers and nothing between them."""
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 10), nn.Linear(10, classes))


def nonlinear(classes):
    """The same with a rectifier between them."""
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 10), nn.ReLU(), nn.Linear(10, classes))


class TinyVGG(nn.Module):
    """Two blocks of two convolutions and a pooling, then one linear layer."""

    def __init__(self, classes, width=10):
        super().__init__()
        self.block_1 = self._block(1, width)
        self.block_2 = self._block(width, width)
        self.classifier = nn.Sequential(nn.Flatten(), nn.Linear(width * 7 * 7, classes))

    @staticmethod
    def _block(channels, width):
        return nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )

    def forward(self, x):
        return self.classifier(self.block_2(self.block_1(x)))


def train(model, loader, device, title):
    """As many epochs as show the model ``IMAGES`` images; returns the seconds it took."""
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    epochs = round(IMAGES / len(loader.dataset))
    started = time.perf_counter()
    for epoch in range(epochs):
        model.train()
        progress = tqdm(loader, desc=f"{title}, epoch {epoch + 1}/{epochs}", unit="batch", leave=False)
        for images, labels in progress:
            loss = criterion(model(images.to(device)), labels.to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    loss.item()  # wait for the last step
    return time.perf_counter() - started


def predict(model, loader, device):
    """Predicted and true classes of a whole data set."""
    model.eval()
    guesses, truth = [], []
    with torch.inference_mode():
        for images, labels in loader:
            guesses.append(model(images.to(device)).argmax(dim=1).cpu())
            truth.append(labels)
    return torch.cat(guesses), torch.cat(truth)


def plot(title, guesses, truth, test, names, path):
    """Confusion matrix and the first predictions; wrong ones are red, with the true class."""
    figure = plt.figure(figsize=(12, 5))
    matrix, pictures = figure.subfigures(1, 2)
    axes = matrix.subplots()
    axes.imshow(confusion_matrix(truth, guesses), cmap="Blues")
    axes.set(
        title=f"{title}: {(guesses == truth).float().mean().item():.1%} of the test set",
        xlabel="predicted",
        ylabel="true",
    )
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=7)
    axes.set_yticks(range(len(names)), names, fontsize=7)
    for i, place in enumerate(pictures.subplots(3, 4).flat):
        image, label = test[i]
        place.imshow(image.squeeze(), cmap="gray")
        right = guesses[i] == label
        text = names[guesses[i]] if right else f"{names[guesses[i]]}, not {names[label]}"
        place.set_title(text, fontsize=8, color="green" if right else "red")
        place.axis("off")
    figure.savefig(path, bbox_inches="tight")


def main():
    torch.manual_seed(42)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    train_set, test_set, names, source = fashion(limit=8000)
    print(f"data: {source}; device: {device}")
    builders = {"linear": linear, "non-linear": nonlinear, "TinyVGG": TinyVGG}
    best = None
    for title, build in builders.items():
        torch.manual_seed(42)
        model = build(len(names)).to(device)
        seconds = train(model, DataLoader(train_set, BATCH, shuffle=True), device, title)
        guesses, truth = predict(model, DataLoader(test_set, BATCH), device)
        accuracy = (guesses == truth).float().mean().item()
        print(f"{title:>10}: test accuracy {accuracy:.1%}, trained in {seconds:.1f} s")
        if best is None or accuracy > best[0]:
            best = accuracy, title, guesses, truth
    OUTPUT.mkdir(exist_ok=True)
    picture = OUTPUT / "fashion_models.png"
    plot(best[1], best[2], best[3], test_set, names, picture)
    print(f"best: {best[1]}; picture: {picture}")


if __name__ == "__main__":
    main()
