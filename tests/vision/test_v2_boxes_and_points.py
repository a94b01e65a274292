"""``transforms.v2`` on boxes, key points, batches, videos: torchvision's results and random streams."""

import numpy as np
import pytest

import jtorch
from jtorch.vision import tv_tensors
from jtorch.vision.transforms import v2

from .conftest import image
from .test_transforms import seeded

BOXES = [[3.0, 4.0, 20.0, 15.0], [20.0, 10.0, 32.5, 22.0], [0.0, 0.0, 45.0, 37.0], [40.0, 30.0, 44.0, 36.5]]
POINTS = [[[3.0, 4.0], [20.5, 15.0]], [[0.0, 36.0], [44.0, 0.0]], [[50.0, 10.0], [7.25, 9.0]]]
GEOMETRY = {
    "flips": lambda T: T.Compose([T.RandomHorizontalFlip(1.0), T.RandomVerticalFlip(1.0)]),
    "resize": lambda T: T.Resize(20),
    "crop": lambda T: T.RandomCrop(20, padding=3),
    "center": lambda T: T.CenterCrop((50, 30)),
    "resized crop": lambda T: T.RandomResizedCrop(16),
    "zoom": lambda T: T.RandomZoomOut({"others": 0}, p=1.0),
    "rotation": lambda T: T.RandomRotation(40),
    "expanded": lambda T: T.RandomRotation((30, 60), expand=True),
    "center of rotation": lambda T: T.RandomRotation(40, center=(3, 5)),
    "affine": lambda T: T.RandomAffine(30, (0.1, 0.2), (0.7, 1.4), (-10, 10, -5, 5)),
    "perspective": lambda T: T.RandomPerspective(0.5, p=1.0),
    "elastic": lambda T: T.ElasticTransform(80.0),
    "IoU crop": lambda T: T.RandomIoUCrop(),
    "IoU crop, sanitized": lambda T: T.Compose([T.RandomIoUCrop(), T.SanitizeBoundingBoxes()]),
    "sanitized": lambda T: T.Compose(
        [T.RandomRotation(40), T.SanitizeBoundingBoxes(9.0, 120.0, lambda s: s["labels"])]
    ),
    "no clamping": lambda T: T.Compose(
        [T.SetClampingMode(None), T.RandomAffine(30, (0.3, 0.3)), T.ClampBoundingBoxes("hard")]
    ),
    "points": lambda T: T.Compose([T.RandomAffine(30, (0.3, 0.3)), T.ClampKeyPoints()]),
    "sanitized points": lambda T: T.SanitizeKeyPoints(lambda s: (s["names"],)),
    "dtype": lambda T: T.ToDtype({"others": None}),
}


def sample(library, kinds, format="XYXY", integers=False):
    boxes = np.array(BOXES, np.int64 if integers else np.float32)
    if format != "XYXY":
        boxes[:, 2:] -= boxes[:, :2]
    if format == "CXCYWH":
        boxes[:, :2] += boxes[:, 2:] // 2
    canvas = (37, 45)
    return {
        "image": kinds.Image(library.tensor(np.ascontiguousarray(image().transpose(2, 0, 1)))),
        "boxes": kinds.BoundingBoxes(library.tensor(boxes), format=format, canvas_size=canvas),
        "points": kinds.KeyPoints(library.tensor(np.array(POINTS, boxes.dtype)), canvas_size=canvas),
        "masks": kinds.Mask(library.tensor((np.indices((4, 37, 45)).sum(0) % 5 < 2).astype(np.uint8))),
        "labels": library.arange(4),
        "names": library.arange(3),
    }


@pytest.mark.parametrize("format", ["XYXY", "XYWH", "CXCYWH", "integers"])
@pytest.mark.parametrize("name", GEOMETRY)
def test_boxes_and_points_follow_the_image(torch, torchvision, name, format):
    from torchvision import tv_tensors as their_kinds
    from torchvision.transforms import v2 as reference

    arguments = ("XYXY", True) if format == "integers" else (format, False)
    ours, theirs = GEOMETRY[name](v2), GEOMETRY[name](reference)
    assert repr(ours).split("lambda")[0].split("<")[0] == repr(theirs).split("lambda")[0].split("<")[0]
    for seed in range(2):
        made = seeded(ours, jtorch, sample(jtorch, tv_tensors, *arguments), seed)
        expected = seeded(theirs, torch, sample(torch, their_kinds, *arguments), seed)
        assert jtorch.rand(1).item() == torch.rand(1).item()
        for key in ("boxes", "points"):
            mine, other = made[key], expected[key]
            assert type(mine).__name__ == type(other).__name__
            assert mine.canvas_size == other.canvas_size
            assert str(mine.dtype) == str(other.dtype)
            assert mine.shape == other.shape
            # Sums of other roundings: an integer may be cut off at the other side.
            tolerance = 1 if format == "integers" else 2e-4
            np.testing.assert_allclose(mine.numpy(), other.numpy(), rtol=1e-5, atol=tolerance)
        assert made["boxes"].clamping_mode == expected["boxes"].clamping_mode
        assert made["boxes"].format.value == expected["boxes"].format.value
        assert made["image"].shape == expected["image"].shape
        assert made["masks"].shape == expected["masks"].shape
        for key in ("labels", "names"):
            np.testing.assert_array_equal(made[key].numpy(), expected[key].numpy())


@pytest.mark.parametrize("name", ["MixUp", "CutMix"])
@pytest.mark.parametrize("two_dims", [False, True])
def test_batches_are_mixed(torch, torchvision, name, two_dims):
    from torchvision.transforms import v2 as reference

    images = np.random.default_rng(0).random((4, 3, 9, 11), np.float32)
    labels = np.eye(5, dtype=np.float32)[[1, 0, 4, 2]] if two_dims else np.array([1, 0, 4, 2])
    for seed in range(3):
        made = seeded(
            lambda b: getattr(v2, name)(alpha=0.7, num_classes=5)(*b),
            jtorch,
            (jtorch.tensor(images), jtorch.tensor(labels)),
            seed,
        )
        expected = seeded(
            lambda b: getattr(reference, name)(alpha=0.7, num_classes=5)(*b),
            torch,
            (torch.tensor(images), torch.tensor(labels)),
            seed,
        )
        for mine, other in zip(made, expected, strict=True):
            np.testing.assert_allclose(mine.numpy(), other.numpy(), rtol=1e-5, atol=1e-6)
        assert jtorch.rand(1).item() == torch.rand(1).item()


def bad_calls(T, L, kinds):
    boxes = kinds.BoundingBoxes(L.zeros(1, 4), format="XYXY", canvas_size=(5, 5))
    points = kinds.KeyPoints(L.zeros(2, 2), canvas_size=(5, 5))
    batch = L.zeros(2, 3, 4, 4)
    F = T.functional
    return [
        lambda: T.MixUp()(batch, L.tensor([0, 1])),
        lambda: T.MixUp(num_classes=3)(batch, L.zeros(2, 2)),
        lambda: T.CutMix(num_classes=3)(batch, L.zeros(2, 2, 2)),
        lambda: T.CutMix(num_classes=3)(batch[0], L.tensor([0, 1])),
        lambda: T.CutMix(num_classes=3)(batch, L.tensor([0, 1, 2])),
        lambda: T.MixUp(num_classes=3)(boxes, L.tensor([0, 1])),
        lambda: T.MixUp(labels_getter=3),
        lambda: T.MixUp(num_classes=3)({"a": batch}),
        lambda: T.RandomIoUCrop()(batch),
        lambda: T.SanitizeBoundingBoxes(0.5),
        lambda: T.SanitizeBoundingBoxes(min_area=0.5),
        lambda: T.SanitizeBoundingBoxes()((batch, {"labels": L.zeros(3), "b": boxes})),
        lambda: T.SanitizeBoundingBoxes(labels_getter=None)(batch),
        lambda: T.SanitizeKeyPoints(labels_getter=lambda s: 3)(points),
        lambda: T.SetClampingMode("medium"),
        lambda: F.clamp_keypoints(L.zeros(2, 2)),
        lambda: F.clamp_keypoints(points, (3, 3)),
        lambda: F.clamp_bounding_boxes(L.zeros(2, 4)),
        lambda: F.clamp_bounding_boxes(boxes, canvas_size=(2, 2)),
        lambda: F.sanitize_bounding_boxes(L.zeros(2, 4)),
        lambda: F.sanitize_keypoints(L.zeros(2, 2)),
        lambda: F.sanitize_keypoints(boxes),
        lambda: kinds.KeyPoints(L.zeros(2, 3), canvas_size=(5, 5)),
        lambda: T.get_keypoints([batch]),
    ]


def error_of(call):
    try:
        call()
    except (TypeError, ValueError, AttributeError) as error:
        return type(error), str(error).replace("jtorch.vision", "torchvision").replace("jtorch", "torch")
    return None


def test_errors_are_torchvisions(torch, torchvision):
    from torchvision import tv_tensors as their_kinds
    from torchvision.transforms import v2 as reference

    pairs = zip(bad_calls(v2, jtorch, tv_tensors), bad_calls(reference, torch, their_kinds), strict=True)
    for number, (ours, theirs) in enumerate(pairs):
        expected = error_of(theirs)
        assert expected is not None, number
        made = error_of(ours)
        assert made is not None, (number, expected)
        assert made[0] is expected[0], (number, made, expected)
        assert "".join(made[1].split()) == "".join(expected[1].split()), number


def kernel_calls(T, L):
    F, S = T.functional, L.tensor
    boxes, points = S(np.array(BOXES, np.float32)), S(np.array(POINTS, np.float32))
    video = S(np.random.default_rng(1).random((7, 3, 8, 9), np.float32))
    corners = [[0, 0], [44, 0], [44, 36], [0, 36]], [[2, 3], [40, 1], [42, 30], [1, 33]]
    canvas = (37, 45)
    return {
        "flip boxes": F.horizontal_flip_bounding_boxes(boxes, "XYXY", canvas)
        if T is v2
        else F.horizontal_flip_bounding_boxes(boxes, T.functional._meta.BoundingBoxFormat.XYXY, canvas),
        "flip points": F.vertical_flip_keypoints(points, canvas),
        "resize points": F.resize_keypoints(points, [20, 30], canvas),
        "rotate points": F.rotate_keypoints(points, canvas, 30.0, expand=True),
        "perspective points": F.perspective_keypoints(points, canvas, *corners),
        "crop points": F.crop_keypoints(points, 1, 2, 20, 30),
        "elastic points": F.elastic_keypoints(points, canvas, L.full((1, *canvas, 2), 0.1)),
        "frames": F.uniform_temporal_subsample(video, 4),
        "more frames": T.UniformTemporalSubsample(9)(video),
        "blurred": F.gaussian_blur_video(video, [3, 3], [1.0, 1.0]),
        "cropped": F.center_crop_video(video, [4, 4]),
        "mask": F.rotate_mask((video[0] > 0.5).float(), 30.0),
        "size": S(F.get_size_video(video)),
        "frame count": S(F.get_num_frames(video)),
        "clamped": F.clamp_keypoints(points, canvas),
        "valid": F.sanitize_keypoints(points, canvas)[1],
    }


def test_kernels_by_name(torch, torchvision):
    from torchvision.transforms import v2 as reference

    made, expected = kernel_calls(v2, jtorch), kernel_calls(reference, torch)
    for name, mine in made.items():
        other = expected[name]
        if isinstance(mine, tuple):
            assert tuple(mine[1]) == tuple(other[1]), name
            mine, other = mine[0], other[0]
        np.testing.assert_allclose(mine.numpy(), other.numpy(), rtol=1e-5, atol=1e-4, err_msg=name)


def test_namespaces_have_all_of_torchvisions_names(torchvision):
    from torchvision import ops
    from torchvision import tv_tensors as their_kinds
    from torchvision.transforms import v2 as reference

    import jtorch.vision.ops

    for ours, theirs in ((v2, reference), (v2.functional, reference.functional), (tv_tensors, their_kinds)):
        names = [
            n
            for n in dir(theirs)
            if n[0] != "_" and not n.endswith("_utils") and n.islower() + n[0].isupper()
        ]
        names = [n for n in names if callable(getattr(theirs, n))]
        assert len(names) > 5
        assert [n for n in names if not hasattr(ours, n)] == []
    assert [n for n in ops.__all__ if not hasattr(jtorch.vision.ops, n)] == []


def test_kernels_of_ones_own_kind():
    class Depth(tv_tensors.TVTensor):
        pass

    @v2.functional.register_kernel(v2.functional.horizontal_flip, Depth)
    def flip_depth(depth):
        return tv_tensors.wrap(-depth.flip(-1), like=depth)

    made = v2.RandomHorizontalFlip(1.0)(Depth([[1.0, 2.0]]))
    assert type(made) is Depth
    assert made.tolist() == [[-2.0, -1.0]]
    with pytest.raises(ValueError, match="builtin tv_tensor classes"):
        v2.functional.register_kernel(v2.functional.horizontal_flip, tv_tensors.Image)
    with pytest.raises(ValueError, match="already has a kernel"):
        v2.functional.register_kernel(v2.functional.horizontal_flip, Depth)


def test_what_is_missing_says_so():
    boxes = tv_tensors.BoundingBoxes(jtorch.zeros(1, 5), format="XYWHR", canvas_size=(5, 5))
    with pytest.raises(NotImplementedError, match=r"rotate of turned boxes \(XYWHR\) is not available"):
        v2.RandomRotation(5)(boxes)
    with pytest.raises(TypeError, match=r"Functional F\.adjust_hue supports inputs of type"):
        v2.functional.adjust_hue(boxes, 0.1)
