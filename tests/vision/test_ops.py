"""Operations on boxes and regions, and blocks of models."""

import numpy as np
import pytest

import jtorch
from jtorch.vision import ops


def boxes(count, seed):
    rng = np.random.default_rng(seed)
    first = rng.uniform(0, 6, (count, 2))
    return np.concatenate([first, first + rng.uniform(0.1, 5, (count, 2))], 1).astype(np.float32)


def both(torch, torchvision, call, *arrays):
    """The results of a function of (library, ops, tensors) as arrays."""
    made = call(jtorch, ops, *(jtorch.tensor(a) for a in arrays))
    expected = call(torch, torchvision.ops, *(torch.tensor(a) for a in arrays))
    return made.detach().numpy(), expected.detach().numpy()


@pytest.mark.parametrize("name", ["box_iou", "generalized_box_iou", "distance_box_iou", "complete_box_iou"])
def test_overlap_matches_torchvision(torch, torchvision, name):
    made, expected = both(
        torch, torchvision, lambda L, P, a, b: getattr(P, name)(a, b), boxes(5, 0), boxes(7, 1)
    )
    np.testing.assert_allclose(made, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "name", ["generalized_box_iou_loss", "distance_box_iou_loss", "complete_box_iou_loss"]
)
def test_losses_match_torchvision(torch, torchvision, name):
    a, b = boxes(6, 0), boxes(6, 1)
    for reduction in ("none", "mean", "sum"):
        made, expected = both(
            torch, torchvision, lambda L, P, a, b, r=reduction: getattr(P, name)(a, b, r), a, b
        )
        np.testing.assert_allclose(made, expected, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="Invalid Value for arg 'reduction': 'best"):
        getattr(ops, name)(jtorch.tensor(a), jtorch.tensor(b), "best")


def test_formats_match_torchvision(torch, torchvision):
    straight, turned = boxes(4, 0), np.concatenate([boxes(4, 1), [[10.0], [80.0], [-30.0], [0.0]]], 1)
    corners = ops.box_convert(jtorch.tensor(turned), "xywhr", "xyxyxyxy").numpy()
    groups = [("xyxy", "xywh", "cxcywh"), ("xywhr", "cxcywhr", "xyxyxyxy")]
    for names in groups:
        for first in names:
            source = straight if names is groups[0] else corners if first == "xyxyxyxy" else turned
            for second in names:
                made, expected = both(
                    torch, torchvision, lambda L, P, x, f=first, s=second: P.box_convert(x, f, s), source
                )
                np.testing.assert_allclose(made, expected, rtol=1e-5, atol=1e-5)
    with pytest.raises(NotImplementedError, match="Unsupported Bounding Box Conversions"):
        ops.box_convert(jtorch.tensor(straight), "xyxy", "xywhr")


def test_nms_by_hand():
    # The second overlaps the first by 0.9 / 1.1; the third is a worse copy of the fourth, apart from them.
    x = jtorch.tensor([[0, 0, 1, 1], [0, 0.1, 1, 1.1], [5, 5, 6, 6], [5, 5, 6, 6.05]])
    scores = jtorch.tensor([0.9, 0.8, 0.1, 0.95])
    assert ops.nms(x, scores, 0.5).tolist() == [3, 0]
    assert ops.nms(x, scores, 0.9).tolist() == [3, 0, 1]
    assert ops.batched_nms(x, scores, jtorch.tensor([0, 1, 0, 0]), 0.5).tolist() == [3, 0, 1]
    assert ops.nms(x[:0], scores[:0], 0.5).shape == (0,)
    with pytest.raises(RuntimeError, match="boxes should be a 2d tensor, got 1D"):
        ops.nms(x[0], scores, 0.5)


def test_other_functions_of_boxes(torch, torchvision):
    mask = np.zeros((3, 5, 6), bool)
    mask[0, 1:3, 2:5] = mask[2, 4, 0] = True
    for call, array in (
        (lambda L, P, x: P.masks_to_boxes(x), mask),
        (lambda L, P, x: P.clip_boxes_to_image(x, (5, 4)), boxes(6, 0)),
        (lambda L, P, x: P.remove_small_boxes(x, 2.0), boxes(6, 0)),
        (lambda L, P, x: P.box_area(x, "xywh"), boxes(6, 0)),
        (lambda L, P, x: P.sigmoid_focal_loss(x, (x > 3).to(x.dtype), reduction="mean"), boxes(6, 0)),
    ):
        made, expected = both(torch, torchvision, call, array)
        assert made.dtype == expected.dtype
        np.testing.assert_allclose(made, expected, rtol=1e-5)


@pytest.mark.parametrize("ratio", [2, -1])
@pytest.mark.parametrize("aligned", [True, False])
def test_roi_align_matches_torchvision(torch, torchvision, ratio, aligned):
    # The form of it in Python, which does not know of samples outside of the image.
    from importlib import import_module

    reference = import_module("torchvision.ops.roi_align")._roi_align.__wrapped__
    maps = np.random.default_rng(0).normal(size=(2, 3, 16, 20)).astype(np.float32)
    rois = np.array([[0, 1, 2, 10, 12], [1, 3, 0.5, 5.5, 13], [1, 18, 1, 19.2, 1.2]], np.float32)
    expected = reference(torch.tensor(maps), torch.tensor(rois), 0.9, 3, 4, ratio, aligned)
    made = ops.roi_align(jtorch.tensor(maps), jtorch.tensor(rois), (3, 4), 0.9, ratio, aligned)
    np.testing.assert_allclose(made.numpy(), expected.numpy(), rtol=1e-4, atol=1e-5)


def test_roi_pool_by_hand():
    maps = jtorch.arange(16.0).reshape(1, 1, 4, 4)
    whole = ops.roi_pool(maps, [jtorch.tensor([[0.0, 0.0, 3.0, 3.0]])], 2)
    assert whole.tolist() == [[[[5.0, 7.0], [13.0, 15.0]]]]
    outside = ops.RoIPool(2, 1.0)(maps, jtorch.tensor([[0.0, 2.0, 2.0, 5.0, 5.0]]))
    assert outside.tolist() == [[[[15.0, 0.0], [0.0, 0.0]]]]


def test_blocks_match_torchvision(torch, torchvision):
    def made(L, P):
        nn = L.nn
        yield P.Conv2dNormActivation(3, 8, (3, 5), stride=2, activation_layer=nn.SiLU)
        yield P.Conv2dNormActivation(3, 8, 3, norm_layer=None, dilation=2, inplace=None)
        yield P.SqueezeExcitation(3, 2)
        yield P.MLP(6, [5, 4], norm_layer=nn.LayerNorm, inplace=False)
        yield P.FrozenBatchNorm2d(3)
        yield P.Permute([0, 2, 3, 1])
        yield P.StochasticDepth(0.2, "row")

    x = np.random.default_rng(0).normal(size=(2, 3, 7, 6)).astype(np.float32)
    jtorch.manual_seed(0)
    torch.manual_seed(0)
    for ours, theirs in zip(made(jtorch, ops), made(torch, torchvision.ops), strict=True):
        assert repr(ours) == repr(theirs)
        assert list(ours.state_dict()) == list(theirs.state_dict())
        ours, theirs = ours.eval(), theirs.eval()
        a, b = ours(jtorch.tensor(x)).detach().numpy(), theirs(torch.tensor(x)).detach().numpy()
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_random_drops_match_torchvision(torch, torchvision):
    x = np.random.default_rng(0).normal(size=(8, 3, 9, 9)).astype(np.float32)
    for call in (
        lambda L, P, t: P.stochastic_depth(t, 0.4, "row"),
        lambda L, P, t: P.stochastic_depth(t, 0.4, "batch"),
        lambda L, P, t: P.drop_block2d(t, 0.2, 3),
        lambda L, P, t: P.DropBlock3d(0.2, 3)(t[None]),
    ):
        jtorch.manual_seed(3)
        torch.manual_seed(3)
        made, expected = both(torch, torchvision, call, x)
        np.testing.assert_allclose(made, expected, rtol=1e-5, atol=1e-6)


def test_feature_pyramid_matches_torchvision(torch, torchvision):
    from torchvision.ops.feature_pyramid_network import LastLevelMaxPool as Theirs

    from jtorch.vision.ops.feature_pyramid_network import LastLevelMaxPool as Ours

    jtorch.manual_seed(0)
    torch.manual_seed(0)
    ours = ops.FeaturePyramidNetwork([3, 4], 5, Ours())
    theirs = torchvision.ops.FeaturePyramidNetwork([3, 4], 5, Theirs())
    rng = np.random.default_rng(0)
    maps = {"a": rng.normal(size=(1, 3, 8, 6)), "b": rng.normal(size=(1, 4, 4, 3))}
    made = ours({k: jtorch.tensor(v.astype(np.float32)) for k, v in maps.items()})
    expected = theirs({k: torch.tensor(v.astype(np.float32)) for k, v in maps.items()})
    assert list(made) == list(expected) == ["a", "b", "pool"]
    for name, level in made.items():
        np.testing.assert_allclose(
            level.detach().numpy(), expected[name].detach().numpy(), rtol=1e-4, atol=1e-5
        )
