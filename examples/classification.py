"""Two classification problems in the plane, with pictures of the decision boundaries.

Circles (two classes, which no straight line separates) need a non-linear network and one logit; blobs (four
classes) need one logit per class. Run it with ``python examples/classification.py``; scikit-learn generates
the points.
"""

from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
from matplotlib.colors import ListedColormap
from sklearn.datasets import make_blobs, make_circles
from sklearn.model_selection import train_test_split
from tqdm import tqdm

import jtorch as torch
from jtorch import nn

matplotlib.use("Agg")  # pictures go to files

SEED = 42
COLOURS = ListedColormap(["tab:blue", "tab:orange", "tab:green", "tab:red"])  # of the classes
OUTPUT = Path(__file__).parent / "output"


def circles():
    """Two rings: 1000 points with their class, 0 or 1."""
    x, y = make_circles(1000, noise=0.03, random_state=SEED)
    return torch.from_numpy(x).float(), torch.from_numpy(y).float()


def blobs():
    """Four clouds: 1000 points with their class, 0 to 3."""
    x, y = make_blobs(1000, n_features=2, centers=4, cluster_std=1.5, random_state=SEED)
    return torch.from_numpy(x).float(), torch.from_numpy(y)


def network(outputs, width):
    """Three linear layers with rectifiers between them."""
    return nn.Sequential(
        nn.Linear(2, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, outputs)
    )


def classes(logits):
    """The class that each row of logits stands for."""
    if logits.shape[-1] == 1:
        return torch.round(torch.sigmoid(logits)).squeeze(-1)
    return torch.softmax(logits, dim=1).argmax(dim=1)


def accuracy(model, x, y):
    """Percentage of points whose class is predicted."""
    model.eval()
    with torch.inference_mode():
        return (classes(model(x)) == y).float().mean().item() * 100


def train(model, criterion, optimizer, x, y, epochs, title):
    """Full-batch training; progress shows the loss."""
    progress = tqdm(range(epochs), desc=title, unit="epoch")
    for epoch in progress:
        model.train()
        logits = model(x)
        loss = criterion(logits.squeeze(-1) if logits.shape[-1] == 1 else logits, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if epoch % 100 == 99:
            progress.set_postfix(loss=f"{loss.item():.4f}")


def plot_boundary(axes, model, x, y, title):
    """Colour the plane by the predicted class, with the points on top."""
    margin = 0.1
    low, high = x.amin(dim=0) - margin, x.amax(dim=0) + margin
    columns = torch.linspace(low[0].item(), high[0].item(), 201)
    rows = torch.linspace(low[1].item(), high[1].item(), 201)
    grid_y, grid_x = torch.meshgrid(rows, columns, indexing="ij")
    with torch.inference_mode():
        predicted = classes(model(torch.stack([grid_x, grid_y], dim=-1).reshape(-1, 2))).reshape(grid_x.shape)
    style = {"cmap": COLOURS, "vmin": 0, "vmax": len(COLOURS.colors) - 1}
    axes.pcolormesh(grid_x, grid_y, predicted, alpha=0.35, linewidth=0, rasterized=True, **style)
    axes.scatter(x[:, 0], x[:, 1], c=y, s=10, edgecolors="black", linewidths=0.3, **style)
    axes.set(title=title)


def main():
    problems = {
        "circles": (circles(), lambda: network(1, 10), nn.BCEWithLogitsLoss(), 0.1, 1500),
        "blobs": (blobs(), lambda: network(4, 8), nn.CrossEntropyLoss(), 0.1, 200),
    }
    figure, axes = plt.subplots(2, 2, figsize=(10, 9))
    for row, (name, ((x, y), build, criterion, lr, epochs)) in zip(axes, problems.items(), strict=True):
        torch.manual_seed(SEED)
        parts = train_test_split(x, y, test_size=0.2, random_state=SEED)
        x_train, x_test, y_train, y_test = parts
        model = build()
        train(model, criterion, torch.optim.SGD(model.parameters(), lr=lr), x_train, y_train, epochs, name)
        for part, points, labels, place in (("training", x_train, y_train, 0), ("test", x_test, y_test, 1)):
            reached = accuracy(model, points, labels)
            plot_boundary(row[place], model, points, labels, f"{name}, {part}: {reached:.1f}%")
            print(f"{name}: {part} accuracy {reached:.1f}%")
    OUTPUT.mkdir(exist_ok=True)
    picture = OUTPUT / "classification.png"
    figure.tight_layout()
    figure.savefig(picture)
    print(f"picture: {picture}")


if __name__ == "__main__":
    main()
