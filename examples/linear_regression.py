"""The whole workflow on a straight line: data, model, training, evaluation, saving, loading.

Run it with ``python examples/linear_regression.py``. It needs no data from elsewhere: the line is
``y = 0.7 x + 0.3``. The picture shows the predictions before and after training, and the loss curves.
"""

from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
from tqdm import tqdm

import jtorch as torch
from jtorch import nn

matplotlib.use("Agg")  # pictures go to files

WEIGHT, BIAS = 0.7, 0.3
EPOCHS = 200
OUTPUT = Path(__file__).parent / "output"


class LinearRegression(nn.Module):
    """``y = weight * x + bias`` with one learned number each."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(in_features=1, out_features=1)

    def forward(self, x):
        return self.layer(x)


def make_line():
    """Fifty points; the last ten are for testing."""
    x = torch.arange(0, 1, 0.02).unsqueeze(dim=1)
    y = WEIGHT * x + BIAS
    return x[:40], y[:40], x[40:], y[40:]


def train(model, x_train, y_train, x_test, y_test):
    """Returns the losses on training and test points, one of each per epoch."""
    criterion = nn.L1Loss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    losses, test_losses = [], []
    for _ in tqdm(range(EPOCHS), desc="training", unit="epoch"):
        model.train()
        loss = criterion(model(x_train), y_train)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

        model.eval()
        with torch.inference_mode():
            test_loss = criterion(model(x_test), y_test)
        losses.append(loss.item())
        test_losses.append(test_loss.item())
    return losses, test_losses


def plot(axes, points, predictions, title):
    """Training points, test points and what the model makes of the latter."""
    x_train, y_train, x_test, y_test = points
    axes.scatter(x_train, y_train, s=6, c="tab:blue", label="training data")
    axes.scatter(x_test, y_test, s=40, c="tab:green", label="test data")
    axes.scatter(x_test, predictions, s=6, c="tab:red", label="predictions")
    axes.set(title=title, xlabel="x", ylabel="y")
    axes.legend()


def main():
    torch.manual_seed(42)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    points = make_line()
    model = LinearRegression().to(device)
    print(model)
    print("before:", {name: round(value.item(), 4) for name, value in model.state_dict().items()})

    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(14, 4))
    with torch.inference_mode():
        plot(left, points, model(points[2].to(device)).cpu(), "before training")
    losses, test_losses = train(model, *(p.to(device) for p in points))
    with torch.inference_mode():
        plot(middle, points, model(points[2].to(device)).cpu(), "after training")
    right.plot(losses, label="training")
    right.plot(test_losses, label="test")
    right.set(title="loss", xlabel="epoch", ylabel="mean absolute error")
    right.legend()

    OUTPUT.mkdir(exist_ok=True)
    picture = OUTPUT / "linear_regression.png"
    figure.tight_layout()
    figure.savefig(picture)

    path = OUTPUT / "linear_regression.pth"
    torch.save(model.state_dict(), path)
    loaded = LinearRegression()
    loaded.load_state_dict(torch.load(path))
    x_test = points[2]
    with torch.inference_mode():
        same = torch.equal(loaded(x_test), model.to("cpu")(x_test))
    print("after: ", {name: round(value.item(), 4) for name, value in model.state_dict().items()})
    print(f"wanted: weight {WEIGHT}, bias {BIAS}; loss {losses[-1]:.4f}, test loss {test_losses[-1]:.4f}")
    print(f"weights in {path.name}, loaded again they predict the same: {same}")
    print(f"picture: {picture}")


if __name__ == "__main__":
    main()
