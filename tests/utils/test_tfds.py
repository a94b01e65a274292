"""A data set that TFDS prepared becomes a data set here."""

import io
import sys
import warnings

import numpy as np
import pytest
from PIL import Image

import jtorch
from jtorch.utils.data import DataLoader, TFDSDataset
from jtorch.vision.transforms import v2


@pytest.fixture(scope="module")
def tfds():
    pytest.importorskip("array_record", reason="needs array_record (extra: datasets)")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own dependencies
        return pytest.importorskip(
            "tensorflow_datasets", reason="needs tensorflow-datasets (extra: datasets)"
        )


def photo(i):
    """Colours ``(5, 6 + i, 3)``."""
    return np.random.default_rng(i).integers(0, 256, (5, 6 + i, 3), np.uint8)


def png(pixels):
    """A file; TFDS itself encodes arrays with TensorFlow."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="png")
    file.seek(0)
    return file


@pytest.fixture(scope="module")
def builder(tfds, tmp_path_factory):
    """Twelve samples, made and written by TFDS."""

    class Tiny(tfds.core.GeneratorBasedBuilder):
        """Tiny."""

        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            features = tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Tensor(shape=(4, 4, 1), dtype=np.uint8),
                    "label": tfds.features.ClassLabel(names=["a", "b", "c"]),
                    "name": tfds.features.Text(),
                    "photo": tfds.features.Image(shape=(None, None, 3), encoding_format="png"),
                }
            )
            return tfds.core.DatasetInfo(
                builder=self, features=features, supervised_keys=("image", "label"), disable_shuffling=True
            )

        def _split_generators(self, _):
            return {"train": self._generate_examples(9), "test": self._generate_examples(3)}

        def _generate_examples(self, n):
            for i in range(n):
                yield (
                    i,
                    {
                        "image": np.full((4, 4, 1), i, np.uint8),
                        "label": i % 3,
                        "name": f"s{i}",
                        "photo": png(photo(i)),
                    },
                )

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = Tiny(data_dir=tmp_path_factory.mktemp("tfds"), file_format="array_record")
        made.download_and_prepare()
    yield made
    tfds.core.registered._DATASET_REGISTRY.pop("tiny", None)


def test_samples_are_those_of_tfds(builder):
    train = TFDSDataset(builder)
    assert (len(train), len(TFDSDataset(builder, "test"))) == (9, 3)
    assert "tiny" in repr(train)
    sample = train[-1]
    assert sample["image"].shape == (4, 4, 1)
    assert (sample["image"].dtype, int(sample["image"].max())) == (np.uint8, 8)
    assert (sample["label"], sample["name"]) == (2, b"s8")
    with pytest.raises(IndexError, match="index 9 is out of range for 9 samples"):
        train[9]
    assert [s["name"] for s in TFDSDataset(builder, "train[2:4]")] == [b"s2", b"s3"]
    assert train.info is builder.info
    assert "tensorflow" not in sys.modules


@pytest.mark.filterwarnings("ignore:.*use of fork\\(\\) may lead to deadlocks")
@pytest.mark.parametrize("workers", [0, 2])
def test_loaders_batch_them(builder, workers):
    train = TFDSDataset(
        builder,
        as_supervised=True,
        transform=lambda image: jtorch.from_numpy(image).permute(2, 0, 1) / 255,
        target_transform=int,
    )
    train[0]  # opens files in this process; workers open their own
    images, labels = zip(*DataLoader(train, 4, num_workers=workers), strict=True)
    assert [tuple(x.shape) for x in images] == [(4, 1, 4, 4), (4, 1, 4, 4), (1, 1, 4, 4)]
    assert jtorch.cat(labels).tolist() == [0, 1, 2] * 3
    shown = jtorch.cat(images)[:, 0, 0, 0]
    np.testing.assert_allclose(shown.numpy(), np.arange(9, dtype=np.float32) / 255, rtol=1e-6)


@pytest.mark.filterwarnings("ignore:.*use of fork\\(\\) may lead to deadlocks")
@pytest.mark.parametrize("workers", [0, 2])
def test_encoded_images_go_through_transforms(builder, workers):
    decoded = TFDSDataset(builder)
    for i in (0, 8):
        np.testing.assert_array_equal(decoded[i]["photo"], photo(i))

    steps = v2.Compose(
        [v2.ToImage(), v2.CenterCrop(4), v2.ToDtype(jtorch.float32, scale=True), v2.ToPureTensor()]
    )
    train = TFDSDataset(builder, transform=lambda sample: (steps(sample["photo"]), int(sample["label"])))
    images, labels = next(iter(DataLoader(train, 9, num_workers=workers)))
    assert labels.tolist() == [0, 1, 2] * 3
    for i, image in enumerate(images):
        # By hand: the middle, halves rounded to even numbers; 0 to 255 as 0 to 1.
        top, left = round((5 - 4) / 2), round((6 + i - 4) / 2)
        expected = photo(i)[top : top + 4, left : left + 4].transpose(2, 0, 1) / np.float32(255)
        np.testing.assert_allclose(image.numpy(), expected, rtol=1e-6)


def test_a_prepared_data_set_is_found_by_name(tfds, builder):
    again = TFDSDataset("tiny", "test", data_dir=builder.data_path.parents[1])
    assert [s["label"] for s in again] == [0, 1, 2]


def test_what_cannot_be_is_said(builder):
    with pytest.raises(ValueError, match="target_transform needs as_supervised=True"):
        TFDSDataset(builder, target_transform=int)
    plain = [{"a": 1}]
    assert TFDSDataset(plain)[0] == {"a": 1}
    assert TFDSDataset(plain).__getitems__([0]) == plain
    with pytest.raises(ValueError, match="does not name an input and a target"):
        TFDSDataset(plain, as_supervised=True)
