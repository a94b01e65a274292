"""Image files, and pictures of images."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

import jtorch
from jtorch.vision import io, show, utils

from .conftest import image


def channels_first(pixels):
    return jtorch.tensor(np.ascontiguousarray(pixels.transpose(2, 0, 1)))


def test_the_photo_of_the_tutorial(shared_data):
    made = io.read_image(str(shared_data / "04-pizza-dad.jpeg"))
    assert made.shape == (3, 4032, 3024)
    assert made.dtype == jtorch.uint8
    # The values that the last document prints.
    assert made[0, 0, [0, 1, 2, -3, -2, -1]].tolist() == [154, 173, 181, 21, 18, 14]
    assert made[1, -1, [0, 1, 2, -3, -2, -1]].tolist() == [47, 43, 29, 107, 104, 101]
    assert made[2, 2, [0, 1, 2, -3, -2, -1]].tolist() == [87, 111, 136, 14, 13, 11]


def test_files_and_bytes(tmp_path):
    picture = channels_first(image())
    io.write_png(picture, tmp_path / "x.png", compression_level=1)
    assert jtorch.equal(io.read_image(tmp_path / "x.png"), picture)
    assert jtorch.equal(io.decode_png(io.read_file(tmp_path / "x.png")), picture)
    io.write_jpeg(picture, tmp_path / "x.jpg", quality=95)
    expected = np.asarray(Image.open(tmp_path / "x.jpg")).transpose(2, 0, 1)
    np.testing.assert_array_equal(io.decode_image(str(tmp_path / "x.jpg")).numpy(), expected)
    assert [t.shape for t in io.decode_jpeg([io.encode_jpeg(picture)] * 2)] == [picture.shape] * 2
    gray = picture[:1]
    assert jtorch.equal(io.decode_png(io.encode_png(gray)), gray)
    for mode, channels in (("gray", 1), ("GRAY_ALPHA", 2), (io.ImageReadMode.RGB, 3), ("rgba", 4)):
        assert io.read_image(tmp_path / "x.png", mode).shape == (channels, 37, 45)
    # The grey of a JPEG file is the brightness that it holds.
    brightness = Image.open(tmp_path / "x.jpg")
    brightness.draft("L", brightness.size)
    made = io.read_image(tmp_path / "x.jpg", io.ImageReadMode.GRAY)
    np.testing.assert_array_equal(made[0].numpy(), np.asarray(brightness))


def test_other_kinds_of_files(tmp_path):
    deep = (np.arange(12, dtype=np.uint16) * 5000).reshape(3, 4)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    made = io.read_image(tmp_path / "deep.png")
    assert made.dtype == jtorch.uint16
    np.testing.assert_array_equal(made[0].numpy(), deep)
    Image.fromarray(image()).quantize(16).save(tmp_path / "palette.png")
    assert io.read_image(tmp_path / "palette.png").shape == (3, 37, 45)
    frames = [Image.fromarray(image(seed=i)) for i in range(3)]
    frames[0].save(tmp_path / "x.gif", save_all=True, append_images=frames[1:])
    assert io.read_image(tmp_path / "x.gif").shape == (3, 3, 37, 45)
    turned = Image.fromarray(image())
    exif = turned.getexif()
    exif[0x0112] = 6  # turn by 90 degrees
    turned.save(tmp_path / "turned.jpg", exif=exif)
    assert io.read_image(tmp_path / "turned.jpg").shape == (3, 37, 45)
    assert io.read_image(tmp_path / "turned.jpg", apply_exif_orientation=True).shape == (3, 45, 37)


def test_errors_of_files(tmp_path):
    (tmp_path / "text").write_text("no image")
    with pytest.raises(RuntimeError, match="Unsupported image file"):
        io.read_image(tmp_path / "text")
    with pytest.raises(FileNotFoundError):
        io.read_image(tmp_path / "nothing")
    with pytest.raises(RuntimeError, match=r"Expected a torch\.uint8 tensor"):
        io.decode_image(jtorch.zeros(3))
    with pytest.raises(RuntimeError, match="Input tensor dtype should be uint8"):
        io.encode_png(jtorch.zeros(3, 2, 2))
    with pytest.raises(RuntimeError, match="number of channels should be 1 or 3, got: 2"):
        io.encode_jpeg(jtorch.zeros(2, 2, 2, dtype=jtorch.uint8))
    with pytest.raises(ValueError, match="quality should be a positive number between 1 and 100"):
        io.encode_jpeg(jtorch.zeros(3, 2, 2, dtype=jtorch.uint8), quality=0)


def test_grids_match_torchvision(torch, torchvision):
    rng = np.random.default_rng(0)
    batch = rng.normal(size=(7, 3, 5, 6)).astype(np.float32)
    for array in (batch, batch[:, :1], batch[0], batch[0, 0], batch[:1]):
        for options in (
            {},
            {"nrow": 3, "padding": 1, "pad_value": 0.5},
            {"normalize": True},
            {"normalize": True, "scale_each": True, "value_range": (-1, 1)},
        ):
            made = utils.make_grid(jtorch.tensor(array), **options)
            expected = torchvision.utils.make_grid(torch.tensor(array), **options)
            np.testing.assert_allclose(made.numpy(), expected.numpy(), rtol=1e-6, atol=1e-6)
    files = [BytesIO(), BytesIO()]
    utils.save_image(jtorch.tensor(batch), files[0], format="png", normalize=True)
    torchvision.utils.save_image(torch.tensor(batch), files[1], format="png", normalize=True)
    np.testing.assert_array_equal(*(np.asarray(Image.open(f)) for f in files))
    with pytest.raises(TypeError, match="tensor or list of tensors expected"):
        utils.make_grid(batch)


@pytest.mark.parametrize("kind", ["bytes", "float"])
def test_drawings_match_torchvision(torch, torchvision, kind):
    pixels = np.ascontiguousarray(image().transpose(2, 0, 1))
    pixels = pixels if kind == "bytes" else pixels.astype(np.float32) / np.float32(255)
    boxes = np.array([[1.0, 2.0, 30.0, 20.0], [10.0, 5.0, 40.0, 33.0]], np.float32)
    masks = np.stack([pixels[0] > pixels[0].mean(), pixels[1] > pixels[1].mean()])
    points = np.array([[[3, 4], [20, 30], [40, 10]]], np.float32)

    def drawn(L, U):
        picture = L.tensor(pixels)
        options = {"labels": ["a", None], "colors": ["red", (1, 2, 3)], "width": 2}
        yield U.draw_bounding_boxes(picture, L.tensor(boxes))
        yield U.draw_bounding_boxes(picture, L.tensor(boxes), fill=True, fill_labels=True, **options)
        yield U.draw_bounding_boxes(picture[:1], L.tensor(boxes), colors="blue")
        yield U.draw_segmentation_masks(picture, L.tensor(masks), alpha=0.6, colors=["red", "#00ff00"])
        yield U.draw_segmentation_masks(picture, L.tensor(masks[0]))
        yield U.draw_keypoints(picture, L.tensor(points), [(0, 1), (1, 2)], colors="yellow", radius=3)
        yield U.draw_keypoints(picture, L.tensor(points), visibility=L.tensor([[True, False, True]]))
        yield U.flow_to_image(L.tensor(np.stack([masks[0] * 3.0, masks[1] - 2.0]).astype(np.float32)))

    for made, expected in zip(drawn(jtorch, utils), drawn(torch, torchvision.utils), strict=True):
        assert made.shape == expected.shape
        assert str(made.dtype) == str(expected.dtype)
        tolerance = 1 if made.dtype == jtorch.uint8 else 1e-5  # a byte may be cut off on the other side
        difference = np.abs(made.numpy().astype(float) - expected.numpy().astype(float))
        assert difference.max() <= tolerance
        assert (difference > 1e-5).mean() < 0.01


def test_errors_of_drawings():
    picture = channels_first(image())
    with pytest.raises(ValueError, match=r"\(xmin, ymin, xmax, ymax\) format"):
        utils.draw_bounding_boxes(picture, jtorch.tensor([[5, 5, 1, 1]]))
    with pytest.raises(ValueError, match=r"Number of boxes \(1\) and labels \(2\) mismatch"):
        utils.draw_bounding_boxes(picture, jtorch.tensor([[1, 1, 5, 5]]), labels=["a", "b"])
    with pytest.warns(UserWarning, match="No box was drawn"):
        assert utils.draw_bounding_boxes(picture, jtorch.zeros(0, 4)) is picture
    with pytest.raises(ValueError, match="must be of dtype bool"):
        utils.draw_segmentation_masks(picture, jtorch.zeros(37, 45))
    with pytest.raises(ValueError, match="Pass individual images, not batches"):
        utils.draw_keypoints(picture[None], jtorch.zeros(1, 1, 2))


def test_show_draws_samples_and_predictions(tmp_path):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    samples = [(channels_first(image(6, 6, seed=i)).float() - 50, i % 2) for i in range(5)]
    model = jtorch.nn.Sequential(jtorch.nn.Flatten(), jtorch.nn.Linear(108, 2))
    figure = show.show(samples, model, count=4, columns=2, classes=["cat", "dog"])
    assert len(figure.axes) == 4
    batch = jtorch.stack([image for image, _ in samples])
    predicted = model(batch).argmax(1).tolist()
    wrong = sum(p != t for p, (_, t) in zip(predicted, samples, strict=True))
    assert {a.get_title().split("\n")[0] for a in figure.axes} <= {"cat", "dog"}
    assert sum("(is " in a.get_title() for a in figure.axes) in (wrong, wrong - 1)
    assert model.training
    figure.savefig(tmp_path / "figure.png")
    with Image.open(tmp_path / "figure.png") as drawn:
        assert drawn.size[0] > 100
    matplotlib.pyplot.close(figure)
