"""Classify a table: does a patient's diabetes progress faster than usual?

Mini-batches from a ``Dataset`` of one's own, a sigmoid at the end and ``BCELoss``, k-fold cross-validation
and a confusion matrix. The data ship with scikit-learn (442 patients, ten measurements each). Run it with
``python examples/diabetes.py``.
"""

from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
from sklearn.datasets import load_diabetes
from sklearn.metrics import confusion_matrix
from sklearn.model_selection import KFold
from tqdm import tqdm

import jtorch as torch
from jtorch import nn
from jtorch.utils.data import DataLoader, Dataset, Subset

matplotlib.use("Agg")  # pictures go to files

FOLDS, EPOCHS = 5, 60
OUTPUT = Path(__file__).parent / "output"


class Patients(Dataset):
    """Standardised measurements with the class: 1 if the progression is above the median."""

    def __init__(self):
        table = load_diabetes()
        measurements = torch.from_numpy(table.data).float()
        progression = torch.from_numpy(table.target).float()
        self.x = (measurements - measurements.mean(dim=0)) / measurements.std(dim=0)
        self.y = (progression > progression.median()).float().unsqueeze(1)

    def __len__(self):
        return len(self.x)

    def __getitem__(self, index):
        return self.x[index], self.y[index]


class Classifier(nn.Module):
    """Ten measurements to one probability."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(10, 16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 1)
        )

    def forward(self, x):
        return torch.sigmoid(self.layers(x))


def train(model, loader):
    """Returns the mean loss of each epoch."""
    criterion = nn.BCELoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=20, gamma=0.5)
    losses = []
    for _ in range(EPOCHS):
        model.train()
        total = 0.0
        for x, y in loader:
            loss = criterion(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.detach() * len(x)
        schedule.step()
        losses.append(total.item() / len(loader.dataset))
    return losses


def predict(model, loader):
    """Predicted and true classes of a whole data set."""
    model.eval()
    with torch.inference_mode():
        pairs = [(model(x).round().flatten(), y.flatten()) for x, y in loader]
    return tuple(torch.cat(part) for part in zip(*pairs, strict=True))


def main():
    torch.manual_seed(42)
    patients = Patients()
    folds = list(KFold(FOLDS, shuffle=True, random_state=42).split(range(len(patients))))
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4))
    accuracies, predicted, truth = [], [], []
    for number, (fit, held_out) in enumerate(tqdm(folds, desc="cross-validation", unit="fold"), 1):
        model = Classifier()
        train_loader = DataLoader(Subset(patients, fit), batch_size=32, shuffle=True)
        losses = train(model, train_loader)
        guesses, classes = predict(model, DataLoader(Subset(patients, held_out), batch_size=32))
        accuracies.append((guesses == classes).float().mean().item())
        predicted.append(guesses)
        truth.append(classes)
        left.plot(losses, label=f"fold {number}")
    left.set(title="training loss", xlabel="epoch", ylabel="binary cross entropy")
    left.legend()

    matrix = confusion_matrix(torch.cat(truth), torch.cat(predicted))
    right.imshow(matrix, cmap="Blues")
    for row in range(2):
        for column in range(2):
            colour = "white" if matrix[row, column] > matrix.max() / 2 else "black"
            right.text(column, row, matrix[row, column], ha="center", va="center", color=colour)
    names = ["slower", "faster"]
    right.set(title="confusion matrix", xlabel="predicted", ylabel="true")
    right.set_xticks([0, 1], names)
    right.set_yticks([0, 1], names)

    OUTPUT.mkdir(exist_ok=True)
    picture = OUTPUT / "diabetes.png"
    figure.tight_layout()
    figure.savefig(picture)
    print("accuracy by fold: " + ", ".join(f"{a:.1%}" for a in accuracies))
    print(f"mean accuracy: {sum(accuracies) / FOLDS:.1%}")
    print(f"picture: {picture}")


if __name__ == "__main__":
    main()
