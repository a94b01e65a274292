"""Find the minima of Himmelblau's function by gradient descent on its arguments.

``f(x, y) = (x^2 + y - 11)^2 + (x + y^2 - 7)^2`` has four minima of height 0; which one is found depends on
the start. Run it with ``python examples/himmelblau.py``.
"""

from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
from tqdm import tqdm

import jtorch as torch

matplotlib.use("Agg")  # pictures go to files

STARTS = [[0.0, 0.0], [-1.0, 0.5], [-4.0, -1.0], [4.0, -1.0]]
STEPS = 2000
OUTPUT = Path(__file__).parent / "output"


def himmelblau(point):
    """The function at ``point``, whose last dimension holds x and y."""
    x, y = point[..., 0], point[..., 1]
    return (x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2


def descend(start):
    """Adam from ``start``; returns the points on the way, shape ``(steps, 2)``."""
    point = torch.tensor(start, requires_grad=True)
    optimizer = torch.optim.Adam([point], lr=1e-2)
    way = []
    for _ in range(STEPS):
        way.append(point.detach().clone())
        value = himmelblau(point)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
    return torch.stack(way)


def plot(ways, path):
    """Contours of the function, with the ways down."""
    side = torch.linspace(-6, 6, 201)
    x, y = torch.meshgrid(side, side, indexing="xy")
    height = himmelblau(torch.stack([x, y], dim=-1))
    figure, axes = plt.subplots(figsize=(7, 6))
    axes.contourf(x, y, torch.log1p(height), levels=30, cmap="viridis")
    for way in ways:
        axes.plot(way[:, 0], way[:, 1], color="white", linewidth=1.5)
        axes.plot(*way[-1], marker="*", color="tab:red", markersize=12)
    axes.set(title="Himmelblau's function, log(1 + f)", xlabel="x", ylabel="y")
    figure.tight_layout()
    figure.savefig(path)


def main():
    ways = [descend(start) for start in tqdm(STARTS, desc="descending", unit="start")]
    for start, way in zip(STARTS, ways, strict=True):
        x, y = way[-1].tolist()
        print(f"from {start}: f({x:.4f}, {y:.4f}) = {himmelblau(way[-1]).item():.2e}")
    OUTPUT.mkdir(exist_ok=True)
    picture = OUTPUT / "himmelblau.png"
    plot(ways, picture)
    print(f"picture: {picture}")


if __name__ == "__main__":
    main()
