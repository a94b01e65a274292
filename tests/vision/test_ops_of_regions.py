"""Operations that torchvision has in C++, against plain loops written from their definition."""

import numpy as np
import pytest

import jtorch
from jtorch.vision import ops

RNG = np.random.default_rng(0)
ROIS = np.array([[0, 1, 2, 7, 6], [1, 3, 0.5, 5.5, 8], [1, 6, 1, 7.2, 1.2], [0, -2, -1, 12, 12]], np.float32)


def sample(maps, y, x, border):
    """A bilinear sample of ``(H, W)``; ``border``: up to one pixel outside counts as on the border."""
    height, width = maps.shape
    if border:
        if y < -1 or y > height or x < -1 or x > width:
            return 0.0
        y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    total = 0.0
    for i in (int(np.floor(y)), int(np.floor(y)) + 1):
        for j in (int(np.floor(x)), int(np.floor(x)) + 1):
            if 0 <= i < height and 0 <= j < width:
                total += max(0, 1 - abs(y - i)) * max(0, 1 - abs(x - j)) * maps[i, j]
    return total


def ps_roi_align(maps, rois, rows, columns, scale, ratio):
    out = np.zeros((len(rois), maps.shape[1] // (rows * columns), rows, columns))
    for k, (image, *corners) in enumerate(rois):
        x1, y1, x2, y2 = np.array(corners) * scale - 0.5
        high, wide = (y2 - y1) / rows, (x2 - x1) / columns
        down = ratio if ratio > 0 else int(np.ceil(high))
        across = ratio if ratio > 0 else int(np.ceil(wide))
        for c, p, q in np.ndindex(*out.shape[1:]):
            channel = maps[int(image), (c * rows + p) * columns + q]
            values = [
                sample(
                    channel, y1 + (p + (i + 0.5) / down) * high, x1 + (q + (j + 0.5) / across) * wide, True
                )
                for i in range(down)
                for j in range(across)
            ]
            out[k, c, p, q] = np.mean(values)
    return out


def ps_roi_pool(maps, rois, rows, columns, scale):
    height, width = maps.shape[2:]
    out = np.zeros((len(rois), maps.shape[1] // (rows * columns), rows, columns))
    for k, (image, *corners) in enumerate(rois):
        x1, y1, x2, y2 = (int(np.sign(v) * np.floor(abs(v) + 0.5)) for v in np.array(corners) * scale)
        high, wide = (np.float32(max(d, 1)) / np.float32(b) for d, b in ((y2 - y1, rows), (x2 - x1, columns)))
        for c, p, q in np.ndindex(*out.shape[1:]):
            top, bottom = int(np.floor(p * high)) + y1, int(np.ceil((p + 1) * high)) + y1
            left, right = int(np.floor(q * wide)) + x1, int(np.ceil((q + 1) * wide)) + x1
            top, bottom = np.clip([top, bottom], 0, height - 1)
            left, right = np.clip([left, right], 0, width - 1)
            part = maps[int(image), (c * rows + p) * columns + q, top:bottom, left:right]
            out[k, c, p, q] = part.mean() if part.size else 0.0
    return out


@pytest.mark.parametrize("ratio", [2, -1])
def test_ps_roi_align_follows_its_definition(ratio):
    maps = RNG.normal(size=(2, 12, 9, 8)).astype(np.float32)
    made = ops.ps_roi_align(jtorch.tensor(maps), jtorch.tensor(ROIS), (3, 2), 0.9, ratio)
    np.testing.assert_allclose(made.numpy(), ps_roi_align(maps, ROIS, 3, 2, 0.9, ratio), rtol=1e-4, atol=1e-5)
    per_image = [jtorch.tensor(ROIS[[0, 3], 1:]), jtorch.tensor(ROIS[[1, 2], 1:])]
    again = ops.PSRoIAlign((3, 2), 0.9, ratio)(jtorch.tensor(maps), per_image)
    # Another order of regions is another program, which sums in another order.
    np.testing.assert_allclose(again.numpy(), made.numpy()[[0, 3, 1, 2]], rtol=1e-5, atol=1e-6)


def test_ps_roi_pool_follows_its_definition():
    maps = RNG.normal(size=(2, 12, 9, 8)).astype(np.float32)
    made = ops.ps_roi_pool(jtorch.tensor(maps), jtorch.tensor(ROIS), (3, 2), 0.9)
    np.testing.assert_allclose(made.numpy(), ps_roi_pool(maps, ROIS, 3, 2, 0.9), rtol=1e-4, atol=1e-5)
    with pytest.raises(RuntimeError, match="input channels must be a multiple of pooling height"):
        ops.PSRoIPool(5, 1.0)(jtorch.tensor(maps), jtorch.tensor(ROIS))


def deform_conv2d(x, offset, weight, bias, stride, padding, dilation, mask):
    images, channels = x.shape[:2]
    out_channels, per_group, rows, columns = weight.shape
    groups, parts = channels // per_group, offset.shape[1] // (2 * rows * columns)
    out = np.zeros((images, out_channels, *offset.shape[2:]))
    for n, o, y, q in np.ndindex(*out.shape):
        total = bias[o]
        for c in range(per_group):
            channel = o // (out_channels // groups) * per_group + c
            for i, j in np.ndindex(rows, columns):
                place = channel // (channels // parts) * rows * columns + i * columns + j
                down, right = offset[n, 2 * place : 2 * place + 2, y, q]
                value = sample(
                    x[n, channel],
                    y * stride[0] - padding[0] + i * dilation[0] + down,
                    q * stride[1] - padding[1] + j * dilation[1] + right,
                    False,
                )
                total += weight[o, c, i, j] * value * (1 if mask is None else mask[n, place, y, q])
        out[n, o, y, q] = total
    return out


@pytest.mark.parametrize("masked", [True, False])
def test_deform_conv2d_follows_its_definition(masked):
    arguments = {"stride": (2, 1), "padding": (1, 2), "dilation": (1, 2)}
    x = RNG.normal(size=(2, 4, 6, 7)).astype(np.float32)
    weight = RNG.normal(size=(6, 2, 3, 2)).astype(np.float32)
    bias = RNG.normal(size=6).astype(np.float32)
    offset = RNG.normal(size=(2, 2 * 2 * 6, 3, 9)).astype(np.float32) * 2
    mask = RNG.random((2, 2 * 6, 3, 9), np.float32) if masked else None
    expected = deform_conv2d(x, offset, weight, bias, *arguments.values(), mask)
    tensors = [jtorch.tensor(a) for a in (x, offset, weight, bias)]
    given = None if mask is None else jtorch.tensor(mask)
    made = ops.deform_conv2d(*tensors, **arguments, mask=given)
    np.testing.assert_allclose(made.numpy(), expected, rtol=1e-4, atol=1e-4)
    layer = ops.DeformConv2d(4, 6, (3, 2), **arguments, groups=2)
    layer.load_state_dict({"weight": tensors[2], "bias": tensors[3]})
    assert jtorch.allclose(layer(tensors[0], tensors[1], given), made, atol=1e-5)  # fused otherwise
    tensors[1].requires_grad_()
    layer(tensors[0], tensors[1], given).sum().backward()
    assert tensors[1].grad.abs().sum() > 0
    with pytest.raises(RuntimeError, match="the shape of the offset tensor at dimension 1 is not valid"):
        layer(tensors[0], jtorch.zeros(2, 6, 3, 9))
    with pytest.raises(RuntimeError, match=r"offset has shape \(2, 24, 3, 8\), expected \(2, 24, 3, 9\)"):
        layer(tensors[0], jtorch.zeros(2, 24, 3, 8))


def test_without_offsets_it_is_a_convolution():
    x, layer = jtorch.randn(1, 3, 6, 5), ops.DeformConv2d(3, 4, 3, padding=1)
    plain = jtorch.nn.functional.conv2d(x, layer.weight, layer.bias, padding=1)
    assert jtorch.allclose(layer(x, jtorch.zeros(1, 18, 6, 5)), plain, atol=1e-5)


def test_modules_look_and_begin_as_torchvisions(torch, torchvision):
    def made(L, P):
        yield P.DeformConv2d(4, 6, (3, 2), stride=2, padding=1, dilation=(1, 2), groups=2)
        yield P.DeformConv2d(4, 6, 3, bias=False)
        yield P.PSRoIAlign(3, 0.5, 2)
        yield P.PSRoIPool((3, 2), 0.5)
        yield P.MultiScaleRoIAlign(["a", "b"], 3, 2)

    jtorch.manual_seed(0)
    torch.manual_seed(0)
    for ours, theirs in zip(made(jtorch, ops), made(torch, torchvision.ops), strict=True):
        assert repr(ours) == repr(theirs)
        for (name, mine), (other_name, other) in zip(
            ours.state_dict().items(), theirs.state_dict().items(), strict=True
        ):
            assert name == other_name
            np.testing.assert_array_equal(mine.numpy(), other.numpy())


def test_levels_and_scales_of_a_pyramid(torch, torchvision):
    from torchvision.ops import poolers as reference

    from jtorch.vision.ops import poolers

    boxes = np.array([[0, 0, 20, 30], [10, 10, 200, 150], [5, 5, 500, 460], [0, 0, 224, 224]], np.float32)
    mapped = poolers.LevelMapper(2, 4)([jtorch.tensor(boxes)])
    assert mapped.tolist() == reference.LevelMapper(2, 4)([torch.tensor(boxes)]).tolist() == [0, 1, 2, 2]
    maps = {n: RNG.normal(size=(1, 3, s, s)).astype(np.float32) for n, s in (("a", 32), ("x", 9), ("b", 16))}
    pool = poolers.MultiScaleRoIAlign(["a", "b"], 2, 2, canonical_scale=60, canonical_level=2)
    made = pool({n: jtorch.tensor(m) for n, m in maps.items()}, [jtorch.tensor(boxes[:2])], [(120, 128)])
    assert pool.scales == [0.25, 0.125]
    for k, name in ((0, "a"), (1, "b")):
        scale = {"a": 0.25, "b": 0.125}[name]
        alone = ops.roi_align(jtorch.tensor(maps[name]), [jtorch.tensor(boxes[k : k + 1])], 2, scale, 2)
        np.testing.assert_allclose(made[k].numpy(), alone[0].numpy(), rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="images list should not be empty"):
        poolers.MultiScaleRoIAlign(["a"], 2, 2)({"a": jtorch.tensor(maps["a"])}, [], [])
