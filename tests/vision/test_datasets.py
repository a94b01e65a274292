"""Data sets: disk layout, printed forms, downloads, archives."""

import gzip
import hashlib
import io
import os
import pickle
import shutil
import tarfile
import threading
import urllib.error
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from PIL import Image

import jtorch
from jtorch.vision import datasets, transforms
from jtorch.vision.datasets import utils

from .conftest import image


def write_idx(path, array, code=8):
    head = bytes([0, 0, code, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    data = head + array.astype(array.dtype.newbyteorder(">")).tobytes()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


@pytest.fixture
def digits(tmp_path):
    """Made up digits on MNIST's layout, compressed and not."""
    rng = np.random.default_rng(0)
    for name in ("MNIST", "KMNIST"):
        raw = tmp_path / name / "raw"
        raw.mkdir(parents=True)
        for part, count in (("train", 12), ("t10k", 5)):
            images = rng.integers(0, 256, (count, 28, 28)).astype(np.uint8)
            suffix = ".gz" if name == "KMNIST" else ""
            write_idx(raw / f"{part}-images-idx3-ubyte{suffix}", images)
            write_idx(raw / f"{part}-labels-idx1-ubyte{suffix}", np.arange(count, dtype=np.uint8) % 10)
    return tmp_path


def test_mnist_matches_torchvision(torch, torchvision, digits):
    for options in (
        {},
        {"train": False},
        {
            "transform": lambda T: T.Compose([T.ToTensor(), T.Normalize((0.1307,), (0.3081,))]),
            "target_transform": lambda T: T.Lambda(float),
        },
    ):
        ours = {k: v(transforms) if callable(v) else v for k, v in options.items()}
        theirs = {k: v(torchvision.transforms) if callable(v) else v for k, v in options.items()}
        made, expected = datasets.MNIST(digits, **ours), torchvision.datasets.MNIST(digits, **theirs)
        assert repr(made) == repr(expected)
        assert len(made) == len(expected)
        assert made.data.dtype == jtorch.uint8
        assert made.targets.dtype == jtorch.int64
        np.testing.assert_array_equal(made.data.numpy(), expected.data.numpy())
        assert made.class_to_idx == expected.class_to_idx
        for (picture, target), (true_image, true_target) in zip(made, expected, strict=False):
            np.testing.assert_allclose(np.asarray(picture), np.asarray(true_image), rtol=1e-6)
            assert target == true_target
            assert type(target) is type(true_target)


def test_files_may_stay_compressed_in_a_folder_that_cannot_be_written(digits):
    raw = digits / "KMNIST" / "raw"
    before = sorted(os.listdir(raw))
    raw.chmod(0o555)
    try:
        data = datasets.KMNIST(str(digits), download=True)
    finally:
        raw.chmod(0o755)
    assert len(data) == 12
    assert data[3][0].mode == "L"
    assert sorted(os.listdir(raw)) == before


def test_data_sets_that_are_not_there(tmp_path):
    with pytest.raises(RuntimeError, match=r"Dataset not found\. You can use download=True to download it"):
        datasets.MNIST(tmp_path)
    for kind in (datasets.CIFAR10, datasets.SVHN, datasets.STL10):
        with pytest.raises(RuntimeError, match="Dataset not found or corrupted"):
            kind(tmp_path)
    with pytest.raises(RuntimeError, match="Dataset not found"):
        datasets.Food101(tmp_path)
    with pytest.raises(ValueError, match="Unknown value 'all' for argument split"):
        datasets.EMNIST(tmp_path, "all")
    (tmp_path / "broken").write_bytes(b"no digits")
    with pytest.raises(ValueError, match="IDX"):
        datasets.mnist.read_image_file(tmp_path / "broken")


def test_emnist_and_qmnist(torch, torchvision, tmp_path):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (6, 28, 28)).astype(np.uint8)
    raw = tmp_path / "EMNIST" / "raw"
    raw.mkdir(parents=True)
    write_idx(raw / "emnist-letters-train-images-idx3-ubyte", images)
    write_idx(raw / "emnist-letters-train-labels-idx1-ubyte", np.arange(1, 7, dtype=np.uint8))
    raw = tmp_path / "QMNIST" / "raw"
    raw.mkdir(parents=True)
    write_idx(raw / "qmnist-train-images-idx3-ubyte", images)
    write_idx(raw / "qmnist-train-labels-idx2-int", rng.integers(0, 9, (6, 8)).astype(np.int32), 12)
    pairs = [
        (datasets.EMNIST(tmp_path, "letters"), torchvision.datasets.EMNIST(tmp_path, "letters")),
        (datasets.QMNIST(tmp_path), torchvision.datasets.QMNIST(tmp_path)),
        (datasets.QMNIST(tmp_path, compat=False), torchvision.datasets.QMNIST(tmp_path, compat=False)),
    ]
    for made, expected in pairs:
        assert repr(made) == repr(expected)
        assert made.classes == expected.classes
        np.testing.assert_array_equal(np.asarray(made[4][0]), np.asarray(expected[4][0]))
        np.testing.assert_array_equal(np.asarray(made[4][1]), np.asarray(expected[4][1]))


def with_checksums(kind, folder, names, monkeypatch):
    """Take the files' own checksums for the published ones."""
    for name in names:
        listed = [[f, hashlib.md5((folder / f).read_bytes()).hexdigest()] for f, _ in getattr(kind, name)]
        monkeypatch.setattr(kind, name, listed)


def test_cifar(torch, torchvision, tmp_path, monkeypatch):
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i, name in enumerate([f"data_batch_{k}" for k in range(1, 6)] + ["test_batch"]):
        batch = {
            "data": rng.integers(0, 256, (2, 3072)).astype(np.uint8),
            "labels": [i, 9 - i],
        }
        (folder / name).write_bytes(pickle.dumps(batch, protocol=2))
    meta = {"label_names": list("abcdefghij")}
    (folder / "batches.meta").write_bytes(pickle.dumps(meta, protocol=2))
    checksum = hashlib.md5((folder / "batches.meta").read_bytes()).hexdigest()
    made = []
    for kind in (datasets.CIFAR10, torchvision.datasets.CIFAR10):
        with_checksums(kind, folder, ("train_list", "test_list"), monkeypatch)
        monkeypatch.setattr(kind, "meta", {**kind.meta, "md5": checksum})
        made.append(kind(str(tmp_path)))
    ours, theirs = made
    assert repr(ours) == repr(theirs)
    assert ours.targets == theirs.targets
    assert ours.class_to_idx == theirs.class_to_idx
    np.testing.assert_array_equal(ours.data, theirs.data)
    np.testing.assert_array_equal(np.asarray(ours[7][0]), np.asarray(theirs[7][0]))

    class Harmful:
        def __reduce__(self):
            return os.remove, (str(folder / "test_batch"),)

    (folder / "data_batch_1").write_bytes(pickle.dumps({"data": Harmful()}))
    with_checksums(datasets.CIFAR10, folder, ("train_list",), monkeypatch)
    with pytest.raises(pickle.UnpicklingError, match="remove"):
        datasets.CIFAR10(str(tmp_path))
    assert (folder / "test_batch").exists()


def test_svhn_and_stl10(torch, torchvision, tmp_path, monkeypatch):
    from scipy.io import savemat

    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (32, 32, 3, 4)).astype(np.uint8)
    savemat(tmp_path / "train_32x32.mat", {"X": pixels, "y": np.array([[10], [1], [2], [9]])})
    folder = tmp_path / "stl10_binary"
    folder.mkdir()
    for name, count in (("train", 3), ("test", 2), ("unlabeled", 2)):
        rng.integers(0, 256, count * 3 * 96 * 96).astype(np.uint8).tofile(folder / f"{name}_X.bin")
        (np.arange(count) + 1).astype(np.uint8).tofile(folder / f"{name}_y.bin")
    (folder / "class_names.txt").write_text("airplane\nbird\ncar\n")
    (folder / "fold_indices.txt").write_text("0 2 \n1 \n" * 5)
    checksum = hashlib.md5((tmp_path / "train_32x32.mat").read_bytes()).hexdigest()
    made = []
    for library in (datasets, torchvision.datasets):
        listed = library.SVHN.split_list["train"]
        monkeypatch.setitem(library.SVHN.split_list, "train", [*listed[:2], checksum])
        with_checksums(library.STL10, folder, ("train_list", "test_list"), monkeypatch)
        root = str(tmp_path)
        made.append([
            library.SVHN(root), library.STL10(root), library.STL10(root, "train+unlabeled"),
            library.STL10(root, "test"), library.STL10(root, "unlabeled"),
        ])  # fmt: skip
    for ours, theirs in zip(*made, strict=True):
        assert repr(ours) == repr(theirs)
        for (picture, target), (true_image, true_target) in zip(ours, theirs, strict=False):
            np.testing.assert_array_equal(np.asarray(picture), np.asarray(true_image))
            assert target == true_target
    assert datasets.STL10(str(tmp_path), folds=0).labels.tolist() == [0, 2]
    with pytest.raises(ValueError, match="folds should be in the range"):
        datasets.STL10(str(tmp_path), folds=10)


def test_folders_and_food(torch, torchvision, tmp_path):
    for name in ("train/pizza/2.jpg", "train/pizza/1.PNG", "train/steak/a/x.bmp", "train/steak/notes.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image(8, 9)).save(path, format="PNG") if path.suffix != ".txt" else path.write_text(
            ""
        )
    root = str(tmp_path / "train")
    shown = [
        library.ImageFolder(root, transform=T.Resize((4, 4)), target_transform=None)
        for library, T in ((datasets, transforms), (torchvision.datasets, torchvision.transforms))
    ]
    ours, theirs = shown
    assert repr(ours) == repr(theirs)
    assert (ours.classes, ours.class_to_idx) == (["pizza", "steak"], {"pizza": 0, "steak": 1})
    assert ours.samples == theirs.samples == ours.imgs
    assert ours.targets == theirs.targets
    np.testing.assert_array_equal(np.asarray(ours[2][0]), np.asarray(theirs[2][0]))
    (tmp_path / "train" / "sushi").mkdir()
    with pytest.raises(FileNotFoundError, match=r"Found no valid file for the classes sushi\. Supported"):
        datasets.ImageFolder(root)
    assert len(datasets.ImageFolder(root, allow_empty=True)) == 3
    with pytest.raises(FileNotFoundError, match="Couldn't find any class folder"):
        datasets.ImageFolder(tmp_path / "train" / "sushi")
    with pytest.raises(ValueError, match="cannot be None or not None at the same time"):
        datasets.DatasetFolder(root, loader=str)

    food = tmp_path / "food-101"
    (food / "meta").mkdir(parents=True)
    (food / "images" / "pho").mkdir(parents=True)
    Image.fromarray(image(8, 9)).save(food / "images" / "pho" / "1.jpg")
    (food / "meta" / "train.json").write_text('{"pho": ["pho/1"], "cake": []}')
    ours, theirs = datasets.Food101(tmp_path), torchvision.datasets.Food101(tmp_path)
    assert repr(ours) == repr(theirs)
    assert ours[0][1] == theirs[0][1] == 1
    np.testing.assert_array_equal(np.asarray(ours[0][0]), np.asarray(theirs[0][0]))


def test_fake_data(torch, torchvision):
    ours = datasets.FakeData(3, (3, 6, 5), transform=transforms.ToTensor())
    theirs = torchvision.datasets.FakeData(3, (3, 6, 5), transform=torchvision.transforms.ToTensor())
    assert repr(ours) == repr(theirs)
    jtorch.manual_seed(1)
    for i in range(3):
        np.testing.assert_allclose(ours[i][0].numpy(), theirs[i][0].numpy(), atol=1 / 255 + 1e-6)
        assert ours[i][1] == theirs[i][1]
    after = jtorch.rand(1).item()
    jtorch.manual_seed(1)
    assert jtorch.rand(1).item() == after  # the generator is left alone


class Handler(BaseHTTPRequestHandler):
    """Serves one file in parts; breaks off and fails as it is told to."""

    content = bytes(range(256)) * 400
    plan: list = []  # noqa: RUF012
    seen: list = []  # noqa: RUF012

    def do_GET(self):
        asked = self.headers.get("Range")
        self.seen.append(asked)
        what = self.plan.pop(0) if self.plan else "all"
        if what == "error":
            self.send_error(503)
            return
        if self.path.endswith("missing"):
            self.send_error(404)
            return
        start = int(asked[6:-1]) if asked else 0
        body = self.content[start:]
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if what == "all" else body[: int(what)])

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(utils, "PAUSES", (0.0, 0.0, 0.0))
    monkeypatch.setattr(Handler, "plan", [])
    monkeypatch.setattr(Handler, "seen", [])
    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=running.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{running.server_address[1]}"
    running.shutdown()
    running.server_close()
    thread.join()


def test_downloads_go_on_where_they_broke_off(server, tmp_path):
    checksums = [hashlib.new(kind, Handler.content).hexdigest() for kind in ("md5", "sha1", "sha256")]
    for i, checksum in enumerate(checksums):
        Handler.plan[:] = ["error", "1000", "5000", "all"]
        Handler.seen.clear()
        utils.download_url(f"{server}/file", tmp_path, f"file{i}", checksum)
        assert (tmp_path / f"file{i}").read_bytes() == Handler.content
        assert Handler.seen == [None, None, "bytes=1000-", "bytes=6000-"]
    Handler.seen.clear()
    utils.download_url(f"{server}/file", tmp_path, "file0", checksums[0])
    assert Handler.seen == []  # it is there
    assert sorted(os.listdir(tmp_path)) == ["file0", "file1", "file2"]


def test_downloads_that_fail(server, tmp_path):
    with pytest.raises(RuntimeError, match=r"File not found or corrupted\."):
        utils.download_url(f"{server}/file", tmp_path, "file", "0" * 32)
    assert os.listdir(tmp_path) == []
    with pytest.raises(urllib.error.HTTPError, match="404") as caught:
        utils.download_url(f"{server}/missing", tmp_path)
    assert Handler.seen == [None, None]  # asking again would not help
    assert "put the file at" in caught.value.__notes__[0]
    caught.value.close()
    Handler.plan[:] = ["7"] * 4
    with pytest.raises(urllib.error.ContentTooShortError, match="got 28 of 102400 bytes"):
        utils.download_url(f"{server}/file", tmp_path)
    # The next call goes on with what is there, unless that belonged to another file.
    utils.download_url(f"{server}/file", tmp_path, md5=hashlib.md5(Handler.content).hexdigest())
    assert Handler.seen[-1] == "bytes=28-"
    os.remove(tmp_path / "file")
    (tmp_path / "file.part").write_bytes(b"something else")
    utils.download_url(f"{server}/file", tmp_path, md5=hashlib.md5(Handler.content).hexdigest())


def test_offline(tmp_path, monkeypatch):
    monkeypatch.setattr(utils, "PAUSES", ())
    monkeypatch.setattr(datasets.MNIST, "mirrors", ["http://127.0.0.1:9/"])
    with pytest.raises(
        RuntimeError, match=r"Error downloading train-images-idx3-ubyte\.gz:\nTried http"
    ) as caught:
        datasets.MNIST(tmp_path, download=True)
    assert "put the file into" in caught.value.__notes__[0]
    with pytest.raises(urllib.error.URLError) as caught:
        utils.download_url("http://127.0.0.1:9/x", tmp_path)
    assert "Without a connection" in caught.value.__notes__[0]


def test_archives(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "text").write_text("hello")
    for kind, suffix in (("gztar", ".tar.gz"), ("bztar", ".tar.bz2"), ("xztar", ".tar.xz"), ("zip", ".zip")):
        archive = shutil.make_archive(str(tmp_path / "archive"), kind, tmp_path, "a")
        assert archive.endswith(suffix)
        made = utils.extract_archive(archive, str(tmp_path / kind), remove_finished=True)
        assert made == str(tmp_path / kind)
        assert (tmp_path / kind / "a" / "text").read_text() == "hello"
        assert not os.path.exists(archive)
    (tmp_path / "one.txt.gz").write_bytes(gzip.compress(b"hello"))
    assert utils.extract_archive(tmp_path / "one.txt.gz") == tmp_path / "one.txt"
    assert (tmp_path / "one.txt").read_bytes() == b"hello"
    with pytest.raises(RuntimeError, match=r"Unknown compression or archive type: '\.rar'"):
        utils.extract_archive(tmp_path / "x.rar")


def member(name, kind=tarfile.REGTYPE, link=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    if kind == tarfile.REGTYPE:
        info.size = 4
    return info


ESCAPES = {
    "parent": [member("../evil")],
    "absolute": [member("/evil-jtorch-test")],
    "link out": [member("link", tarfile.SYMTYPE, "../../evil")],
    "absolute link": [member("link", tarfile.SYMTYPE, "/etc/passwd")],
    "through a link": [member("d/link", tarfile.SYMTYPE, "../.."), member("d/link/evil")],
    "hard link": [member("link", tarfile.LNKTYPE, "../evil")],
    "device": [member("device", tarfile.CHRTYPE)],
    "chain": [
        member("d", tarfile.DIRTYPE),
        member("d/a", tarfile.SYMTYPE, "."),
        member("d/a/b", tarfile.SYMTYPE, ".."),
        member("d/b/evil", tarfile.SYMTYPE, "../.."),
    ],
}


@pytest.mark.parametrize("name", ESCAPES)
def test_nothing_is_extracted_outside_of_the_folder(tmp_path, name):
    root = tmp_path / "here" / "root"
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        for info in ESCAPES[name]:
            tar.addfile(info, io.BytesIO(b"evil") if info.size else None)
    before = sorted(p for p in tmp_path.rglob("*") if root not in p.parents)
    with pytest.raises((RuntimeError, FileNotFoundError)):
        utils.extract_archive(tmp_path / "x.tar", root)
    after = sorted(p for p in tmp_path.rglob("*") if root not in p.parents and p not in (root, root.parent))
    assert after == before
    assert not os.path.exists("/evil-jtorch-test")


def test_links_inside_and_zips(tmp_path):
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        tar.addfile(member("d/file"), io.BytesIO(b"good"))
        tar.addfile(member("d/link", tarfile.SYMTYPE, "file"))
        tar.addfile(member("hard", tarfile.LNKTYPE, "d/file"))
        tar.addfile(member("d/link"), io.BytesIO(b"new!"))  # replaces the link, not what it leads to
    utils.extract_archive(tmp_path / "x.tar", tmp_path / "root")
    contents = [(tmp_path / "root" / p).read_bytes() for p in ("d/file", "hard", "d/link")]
    assert contents == [b"good", b"good", b"new!"]
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("../evil", "evil")
    with pytest.raises(RuntimeError, match="outside of the folder"):
        utils.extract_archive(tmp_path / "x.zip", tmp_path / "root")
    assert not (tmp_path / "evil").exists()
