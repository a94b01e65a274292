"""A data set of one's own (a folder of photos), TinyVGG, augmentation, and a prediction on a photo.

The photos are cut from the two that ship with scikit-learn: flowers, sky and a temple. Name a folder laid out
as ``folder/train/class/*.jpg`` and ``folder/test/class/*.jpg`` to use your own, and a photo to classify:
``python examples/custom_dataset.py [folder] [--photo file]``.
"""

import argparse
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
from _photos import photo_folder
from PIL import Image
from tqdm import tqdm

import jtorch as torch
from jtorch import nn
from jtorch.utils.data import DataLoader, Dataset
from jtorch.vision import io, transforms

matplotlib.use("Agg")  # pictures go to files

SIZE, EPOCHS = 64, 8
OUTPUT = Path(__file__).parent / "output"


class PhotoFolder(Dataset):
    """Photos in one folder per class, as pairs of transformed image and class number."""

    def __init__(self, root, transform=None):
        self.paths = sorted(Path(root).glob("*/*.jpg"))
        self.classes = sorted({path.parent.name for path in self.paths})
        self.transform = transform

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        path = self.paths[index]
        image = Image.open(path).convert("RGB")
        if self.transform is not None:
            image = self.transform(image)
        return image, self.classes.index(path.parent.name)


class TinyVGG(nn.Module):
    """Two blocks of two convolutions and a pooling, then one linear layer."""

    def __init__(self, classes, width=10):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.classifier = nn.Sequential(nn.Flatten(), nn.Linear(width * (SIZE // 4) ** 2, classes))

    def forward(self, x):
        return self.classifier(self.features(x))


def epoch(model, loader, device, optimizer=None):
    """One pass over the data, with training if there is an optimizer; returns mean loss and accuracy."""
    criterion = nn.CrossEntropyLoss(reduction="sum")
    model.train(optimizer is not None)
    loss_sum, correct = 0.0, 0
    with torch.set_grad_enabled(optimizer is not None):
        for images, labels in loader:
            images, labels = images.to(device), labels.to(device)
            logits = model(images)
            loss = criterion(logits, labels)
            if optimizer is not None:
                optimizer.zero_grad()
                (loss / len(images)).backward()
                optimizer.step()
            loss_sum += loss.detach()
            correct += (logits.argmax(dim=1) == labels).sum()
    count = len(loader.dataset)
    return loss_sum.item() / count, correct.item() / count


def fit(title, train_set, test_set, device):
    """Train a new TinyVGG; returns it with its history ``[(train loss, accuracy, test loss, accuracy)]``."""
    torch.manual_seed(42)
    model = TinyVGG(len(train_set.classes)).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    train_loader, test_loader = DataLoader(train_set, 15, shuffle=True), DataLoader(test_set, 15)
    history = []
    progress = tqdm(range(EPOCHS), desc=title, unit="epoch")
    for _ in progress:
        history.append((*epoch(model, train_loader, device, optimizer), *epoch(model, test_loader, device)))
        progress.set_postfix(test=f"{history[-1][3]:.0%}")
    return model, history


def classify(model, path, classes, device):
    """Class and probability for one photo of any size, read with ``vision.io``."""
    image = io.read_image(str(path)).float() / 255
    image = transforms.Resize((SIZE, SIZE), antialias=True)(image)
    model.eval()
    with torch.inference_mode():
        probabilities = torch.softmax(model(image.unsqueeze(0).to(device)), dim=1)[0].cpu()
    best = probabilities.argmax().item()
    return image, classes[best], probabilities[best].item()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, help="photos by part and class")
    parser.add_argument("--photo", type=Path, help="a photo to classify; one of the test set by default")
    given = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    folder = given.folder or photo_folder()

    plain = transforms.Compose([transforms.Resize((SIZE, SIZE)), transforms.ToTensor()])
    augmented = transforms.Compose(
        [transforms.Resize((SIZE, SIZE)), transforms.TrivialAugmentWide(), transforms.ToTensor()]
    )
    test_set = PhotoFolder(folder / "test", plain)
    print(f"photos: {given.folder or 'cut from the two of scikit-learn'}; classes: {test_set.classes}")
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(13, 4))
    for title, transform in (("plain", plain), ("augmented", augmented)):
        train_set = PhotoFolder(folder / "train", transform)
        model, history = fit(title, train_set, test_set, device)
        epochs = range(1, EPOCHS + 1)
        colour = left.plot(epochs, [h[0] for h in history], label=f"{title}, training")[0].get_color()
        left.plot(epochs, [h[2] for h in history], linestyle="--", color=colour, label=f"{title}, test")
        middle.plot(epochs, [h[3] for h in history], label=title)
        print(f"{title:>9}: training accuracy {history[-1][1]:.1%}, test accuracy {history[-1][3]:.1%}")
    left.set(title="loss", xlabel="epoch")
    left.legend()
    middle.set(title="test accuracy", xlabel="epoch")
    middle.legend()

    photo = given.photo or test_set.paths[-1]
    image, name, probability = classify(model, photo, test_set.classes, device)
    right.imshow(image.permute(1, 2, 0))
    right.set(title=f"{photo.name}: {name}, {probability:.1%}")
    right.axis("off")
    print(f"{photo.name}: {name} with probability {probability:.1%}")
    OUTPUT.mkdir(exist_ok=True)
    picture = OUTPUT / "custom_dataset.png"
    figure.tight_layout()
    figure.savefig(picture)
    print(f"picture: {picture}")


if __name__ == "__main__":
    main()
