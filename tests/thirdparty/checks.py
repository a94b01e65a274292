"""Packages on top of jtorch, unmodified: run as a script, it prints ``{check: "" or what went wrong}``.

Each check is given a folder. Numbers that it expects are by hand, or computed with NumPy.
"""

import importlib
import io
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import traceback
import warnings

import jtorch

jtorch.install(metadata=True)

import numpy as np
import torch
from torch import nn


class TinyVGG(nn.Module):
    """Two blocks of convolutions, then one layer."""

    def __init__(self, channels=3, hidden=10, classes=3):
        super().__init__()
        self.block_1 = self._block(channels, hidden)
        self.block_2 = self._block(hidden, hidden)
        self.classifier = nn.Sequential(nn.Flatten(), nn.Linear(hidden * 4 * 4, classes))

    @staticmethod
    def _block(inputs, outputs):
        return nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(), nn.Conv2d(outputs, outputs, 3, padding=1),
            nn.ReLU(), nn.MaxPool2d(2),
        )  # fmt: skip

    def forward(self, x):
        return self.classifier(self.block_2(self.block_1(x)))


def torchinfo(folder):
    """`summary` of a convolutional network, with the input's size; the table's columns and totals."""
    from torchinfo import summary

    model = TinyVGG()
    result = summary(
        model, input_size=[1, 3, 16, 16], verbose=0, col_width=20, row_settings=["var_names"],
        col_names=["input_size", "output_size", "num_params", "trainable"],
    )  # fmt: skip
    text = str(result)
    count = sum(p.numel() for p in model.parameters())
    assert result.total_params == count == 3 * 10 * 9 + 10 + 3 * (10 * 10 * 9 + 10) + 160 * 3 + 3
    assert f"Total params: {count:,}" in text
    assert "Conv2d (0)" in text
    assert "[1, 10, 16, 16]" in text
    assert "Params size (MB): 0.01" in text
    for parameter in model.block_1.parameters():
        parameter.requires_grad = False
    assert f"Non-trainable params: {290 - 10 + 910:,}" in str(summary(model, (1, 3, 16, 16), verbose=0))
    assert "Total params" in str(summary(nn.LSTM(4, 5), (7, 2, 4), verbose=0))


def torchmetrics(folder):
    """`Accuracy`, `ConfusionMatrix`, `F1Score` and `MeanMetric`, over batches, and as functions."""
    import torchmetrics as tm

    predicted, wanted = torch.tensor([0, 1, 2, 2, 1, 0]), torch.tensor([0, 1, 2, 1, 1, 2])
    accuracy = tm.Accuracy(task="multiclass", num_classes=3, average="micro")
    for part in (slice(0, 3), slice(3, 6)):
        accuracy.update(predicted[part], wanted[part])
    assert abs(accuracy.compute().item() - 4 / 6) < 1e-6
    assert abs(accuracy(nn.functional.one_hot(predicted).float(), wanted).item() - 4 / 6) < 1e-6
    matrix = tm.ConfusionMatrix(task="multiclass", num_classes=3)(predicted, wanted)
    assert matrix.tolist() == [[1, 0, 0], [0, 2, 1], [1, 0, 1]]
    f1 = tm.F1Score(task="multiclass", num_classes=3, average="macro")(predicted, wanted)
    assert abs(f1.item() - (2 / 3 + 4 / 5 + 1 / 2) / 3) < 1e-6
    binary = tm.functional.accuracy(torch.tensor([0.2, 0.8, 0.6]), torch.tensor([0, 1, 0]), task="binary")
    assert abs(binary.item() - 2 / 3) < 1e-6
    mean = tm.MeanMetric()
    mean.update(torch.tensor([1.0, 2.0]))
    mean.update(6.0)
    assert mean.compute().item() == 3
    mean.reset()
    both = tm.MetricCollection([tm.MeanSquaredError(), tm.MeanAbsoluteError()])
    got = both(torch.tensor([1.0, 2.0]), torch.tensor([0.0, 4.0]))
    assert {k: v.item() for k, v in got.items()} == {"MeanSquaredError": 2.5, "MeanAbsoluteError": 1.5}


def mlxtend(folder):
    """`plot_confusion_matrix` of a matrix counted by torchmetrics or by hand."""
    import matplotlib

    matplotlib.use("Agg")
    from mlxtend.plotting import plot_confusion_matrix

    matrix = torch.tensor([[2, 0], [1, 3]])
    figure, axes = plot_confusion_matrix(conf_mat=matrix.numpy(), class_names=["a", "b"], figsize=(3, 3))
    assert [t.get_text() for t in axes.texts] == ["2", "0", "1", "3"]
    figure.savefig(os.path.join(folder, "confusion.png"))


def sklearn(folder):
    """Splitters, scalers and metrics given tensors."""
    from sklearn import metrics, model_selection, preprocessing

    x, y = torch.arange(40.0).reshape(20, 2), torch.arange(20) % 2
    a, b, c, d = model_selection.train_test_split(x, y, test_size=0.25, random_state=1)
    assert all(isinstance(t, torch.Tensor) for t in (a, b, c, d))
    assert (a.shape, b.shape) == ((15, 2), (5, 2))
    assert sorted(torch.cat([a, b])[:, 0].tolist()) == x[:, 0].tolist()
    folds = list(model_selection.StratifiedKFold(4).split(x, y))
    assert sorted(int(y[test].sum()) for _, test in folds) == [2, 2, 3, 3]
    for train, test in model_selection.KFold(5, shuffle=True, random_state=0).split(x):
        assert x[train].shape == (16, 2)
        assert x[torch.as_tensor(test)].shape == (4, 2)
    assert metrics.accuracy_score(y, torch.zeros(20)) == 0.5
    assert metrics.confusion_matrix(y, y).tolist() == [[10, 0], [0, 10]]
    assert metrics.mean_squared_error(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0])) == 2
    scaled = preprocessing.StandardScaler().fit_transform(x)
    assert abs(scaled.mean()) < 1e-6
    assert "precision" in metrics.classification_report(y, y)


def matplotlib(folder):
    """Lines, points, pictures, histograms and bars of tensors."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    x = torch.linspace(0, 1, 5)
    figure, axes = plt.subplots(2, 3)
    (line,) = axes[0, 0].plot(x, x**2, "o-")
    assert np.allclose(line.get_ydata(), np.linspace(0, 1, 5) ** 2)
    points = axes[0, 1].scatter(x, x, c=torch.arange(5))
    assert points.get_offsets().shape == (5, 2)
    image = axes[0, 2].imshow(torch.rand(3, 8, 8).permute(1, 2, 0))
    assert image.get_array().shape == (8, 8, 3)
    axes[1, 0].hist(torch.randn(100), bins=7)
    axes[1, 1].bar(torch.arange(3), torch.tensor([1.0, 2.0, 3.0]))
    axes[1, 2].contourf(*torch.meshgrid(x, x, indexing="ij"), torch.outer(x, x))
    axes[1, 2].set_title(f"{x[1]:.2f}")
    assert axes[1, 2].get_title() == "0.25"
    figure.savefig(os.path.join(folder, "figure.png"))
    plt.close(figure)


def pandas(folder):
    """Data frames of tensors, and tensors of data frames."""
    import pandas as pd

    x = torch.arange(6.0).reshape(3, 2)
    frame = pd.DataFrame(x.numpy(), columns=["a", "b"])
    frame["c"] = torch.tensor([1, 2, 3]).numpy()
    assert frame["a"].sum() == 6
    assert torch.tensor(frame[["a", "b"]].values).equal(x)
    assert torch.from_numpy(frame["c"].to_numpy().copy()).tolist() == [1, 2, 3]
    assert pd.Series(x[:, 0].tolist()).mean() == 2
    assert pd.DataFrame({"loss": [t.item() for t in x[:, 1]]}).loss.tolist() == [1.0, 3.0, 5.0]
    assert torch.tensor(frame["c"]).tolist() == [1, 2, 3]


def tqdm(folder):
    """Bars around loaders and tensors, with losses behind them."""
    from torch.utils.data import DataLoader, TensorDataset
    from tqdm.auto import tqdm as bar

    loader, out, seen = DataLoader(TensorDataset(torch.arange(10.0)), batch_size=4), io.StringIO(), 0
    for (batch,) in (shown := bar(loader, file=out)):
        seen += len(batch)
        shown.set_postfix(loss=batch.mean().item())
    assert seen == 10
    assert "3/3" in out.getvalue()
    assert [int(i) for i in bar(torch.arange(3), file=out)] == [0, 1, 2]


def einops(folder):
    """`rearrange`, `reduce`, `repeat`, `einsum`, `pack`, and the layers."""
    import einops as e
    from einops.layers.torch import Rearrange, Reduce

    x = torch.arange(24.0).reshape(2, 3, 4)
    assert e.rearrange(x, "b c w -> b (c w)").equal(x.reshape(2, 12))
    assert e.rearrange(x, "b c (h w) -> b h w c", h=2).shape == (2, 2, 2, 3)
    assert e.reduce(x, "b c w -> b c", "mean").equal(x.mean(-1))
    assert e.repeat(x, "b c w -> b c (w k)", k=2).equal(x.repeat_interleave(2, -1))
    assert e.einsum(x, x, "b c w, b d w -> b c d").equal(x @ x.mT)
    packed, shapes = e.pack([x, x[:, 0]], "b * w")
    assert packed.shape == (2, 4, 4)
    assert e.unpack(packed, shapes, "b * w")[1].equal(x[:, 0])
    model = nn.Sequential(Rearrange("b c w -> b (c w)"), nn.Linear(12, 4), Reduce("b n -> b", "sum"))
    y = model(x.requires_grad_())
    y.sum().backward()
    assert y.shape == (2,)
    assert x.grad.shape == x.shape
    assert e.parse_shape(x, "b c _") == {"b": 2, "c": 3}


def safetensors(folder):
    """`safetensors.torch` and `safe_open`: files and bytes, there and back, also by slices."""
    from safetensors import safe_open
    from safetensors import torch as st

    path = os.path.join(folder, "model.safetensors")
    tensors = {"a": torch.randn(3, 4), "b": torch.arange(3), "c": torch.ones(2, dtype=torch.bfloat16)}
    st.save_file(tensors, path, metadata={"format": "pt"})
    loaded = st.load_file(path)
    assert all(loaded[k].equal(v) and loaded[k].dtype is v.dtype for k, v in tensors.items())
    assert st.load(st.save(tensors))["b"].tolist() == [0, 1, 2]
    with safe_open(path, framework="np") as file:
        assert sorted(file.keys()) == ["a", "b", "c"]
        assert torch.from_numpy(file.get_tensor("a")).equal(tensors["a"])
        assert torch.from_numpy(file.get_slice("a")[1:]).equal(tensors["a"][1:])
    with safe_open(path, framework="pt", device="cpu") as file:
        assert file.metadata() == {"format": "pt"}
        assert all(file.get_tensor(k).equal(v) for k, v in tensors.items())
        assert file.get_tensor("c").dtype is torch.bfloat16
        assert file.get_slice("a")[1:, :2].equal(tensors["a"][1:, :2])
        assert file.get_slice("a").get_shape() == [3, 4]
    model, other = nn.Linear(4, 2), nn.Linear(4, 2)
    st.save_model(model, path)
    assert not any(st.load_model(other, path))
    assert other.weight.equal(model.weight)


def tensorboard(folder):
    """`SummaryWriter`: scalars, histograms, pictures, text, hyperparameters, read back from the file."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(folder) as writer:
        for step in range(3):
            writer.add_scalar("loss", torch.tensor(1.0) / (step + 1), step)
            writer.add_scalars("both", {"train": step, "test": step + 1}, step)
        writer.add_histogram("weights", torch.randn(100), 0)
        writer.add_image("picture", torch.rand(3, 8, 8), 0)
        writer.add_images("pictures", torch.rand(4, 1, 8, 8), 0)
        writer.add_text("note", "words", 0)
        writer.add_hparams({"lr": 0.1}, {"accuracy": 0.5})
    events = EventAccumulator(folder)
    events.Reload()
    assert [round(s.value, 4) for s in events.Scalars("loss")] == [1.0, 0.5, 0.3333]
    assert events.Tags()["images"][0] == "picture"
    assert events.Histograms("weights")[0].histogram_value.num == 100


def visdom(folder):
    """A server on a free port: lines, appended to, and pictures, read back from it."""
    import visdom as v

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = {"port": port, "base_url": "", "env_path": folder, "bind_local": True}
    code = f"from visdom.server.run_server import start_server as s; s(**{options!r})"
    with open(os.path.join(folder, "log"), "wb") as log:
        server = subprocess.Popen([sys.executable, "-c", code], stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 60
        while socket.socket().connect_ex(("127.0.0.1", port)):
            assert server.poll() is None, "the server ended"
            assert time.monotonic() < deadline
            time.sleep(0.2)
        vis = v.Visdom("http://127.0.0.1", port=port, use_incoming_socket=False, raise_exceptions=True)
        line = vis.line(Y=torch.tensor([1.0, 0.5]), X=torch.arange(2), opts={"title": "loss"})
        vis.line(Y=torch.tensor([0.25]), X=torch.tensor([2]), win=line, update="append")
        shown = json.loads(vis.get_window_data(line))
        assert shown["title"] == "loss"
        assert shown["content"]["data"][0]["x"] == [0, 1, 2]
        assert shown["content"]["data"][0]["y"] == [1, 0.5, 0.25]
        picture = json.loads(vis.get_window_data(vis.image(torch.rand(3, 8, 8))))
        assert picture["content"]["src"].startswith("data:image/png;base64,")
        grid = json.loads(vis.get_window_data(vis.images(torch.rand(4, 1, 8, 8), nrow=2)))
        assert grid["type"] == "image"
        heat = json.loads(vis.get_window_data(vis.heatmap(torch.arange(6.0).reshape(2, 3))))
        assert heat["content"]["data"][0]["z"] == [[0, 1, 2], [3, 4, 5]]
    finally:
        server.terminate()
        server.wait()


CHECKS = [torchinfo, torchmetrics, mlxtend, sklearn, matplotlib, pandas, tqdm, einops, safetensors,
          tensorboard, visdom]  # fmt: skip


def run(check):
    """What went wrong with a check; `None` where its package is missing."""
    try:
        importlib.import_module(check.__name__)
    except ModuleNotFoundError as missing:
        if missing.name == check.__name__:
            return None
        return traceback.format_exc()
    except Exception:
        return traceback.format_exc()
    try:
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the packages' own
            check(folder)
    except Exception:
        return traceback.format_exc()
    return ""


if __name__ == "__main__":
    chosen = [c for c in CHECKS if not sys.argv[1:] or c.__name__ in sys.argv[1:]]
    print(json.dumps({check.__name__: run(check) for check in chosen}))
