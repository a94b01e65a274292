"""First weights, outputs and gradients as torchvision's; small members of each family, small images."""

from functools import partial

import numpy as np
import pytest

import jtorch
from jtorch.vision import models

#: By name: makes a model from (nn, models) of a library; smallest images it takes: height and width.
SMALL = {
    "resnet": (lambda nn, m: m.ResNet(m.resnet.BasicBlock, [1, 1, 1, 1], 5), (33, 40)),
    "resnext": (
        lambda nn, m: m.ResNet(m.resnet.Bottleneck, [1, 1, 1, 1], 5, True, 2, 4, [False, True, False]),
        (33, 40),
    ),
    "densenet": (lambda nn, m: m.DenseNet(4, (1, 1), 8, num_classes=5), (33, 40)),
    "mobilenet_v2": (
        lambda nn, m: m.MobileNetV2(5, 0.25, [[1, 8, 1, 1], [6, 16, 2, 2]], norm_layer=nn.BatchNorm2d),
        (32, 40),
    ),
    "mobilenet_v3": (
        lambda nn, m: m.MobileNetV3(
            [
                m.mobilenetv3.InvertedResidualConfig(16, 3, 16, 16, True, "RE", 1, 1, 0.5),
                m.mobilenetv3.InvertedResidualConfig(16, 5, 32, 16, True, "HS", 2, 2, 0.5),
            ],
            24,
            5,
        ),
        (32, 40),
    ),
    "shufflenet_v2": (lambda nn, m: m.ShuffleNetV2([1, 2, 1], [8, 16, 24, 32, 40], 5), (32, 40)),
    "efficientnet": (
        lambda nn, m: m.EfficientNet(
            [
                m.efficientnet.FusedMBConvConfig(1, 3, 1, 8, 8, 1),
                m.efficientnet.FusedMBConvConfig(4, 3, 2, 8, 16, 1),
                m.efficientnet.MBConvConfig(4, 5, 1, 16, 16, 1),
            ],
            0.0,
            num_classes=5,
        ),
        (32, 40),
    ),
    "regnet_y": (
        lambda nn, m: m.RegNet(
            m.regnet.BlockParams.from_init_params(2, 8, 8.0, 2.0, 4, se_ratio=0.25), 5, stem_width=8
        ),
        (32, 40),
    ),
    "convnext": (
        lambda nn, m: m.ConvNeXt(
            [m.convnext.CNBlockConfig(8, 16, 1), m.convnext.CNBlockConfig(16, None, 2)], 0.5, 0.5, 5
        ),
        (32, 40),
    ),
    "vit": (lambda nn, m: m.VisionTransformer(16, 8, 2, 2, 8, 12, num_classes=5), (16, 16)),
    "vit_stem": (
        lambda nn, m: m.VisionTransformer(
            16,
            4,
            1,
            2,
            8,
            12,
            num_classes=5,
            representation_size=6,
            conv_stem_configs=[m.vision_transformer.ConvStemConfig(4, 3, 2)] * 2,
        ),
        (16, 16),
    ),
    # 7 x 9 patches, windows of 4 x 4: padded, shifted, and padded again when merged.
    "swin": (lambda nn, m: m.SwinTransformer([4, 4], 8, [2, 1], [2, 4], [4, 4], num_classes=5), (28, 36)),
    "swin_v2": (
        lambda nn, m: m.SwinTransformer(
            [4, 4],
            8,
            [2, 1],
            [2, 4],
            [4, 4],
            num_classes=5,
            block=m.swin_transformer.SwinTransformerBlockV2,
            downsample_layer=m.swin_transformer.PatchMergingV2,
        ),
        (28, 36),
    ),
    "maxvit": (lambda nn, m: m.MaxVit((32, 32), 8, 2, [8], [2], 4, 0.2, num_classes=5), (32, 32)),
}
#: Models of fixed sizes, for first weights only, as they are slow to compile.
WHOLE = [
    "squeezenet1_1",
    "mobilenet_v3_small",
    "resnet18",
    "shufflenet_v2_x0_5",
    "efficientnet_b0",
    "mnasnet0_5",
]


def _seeded(library, make):
    library.manual_seed(0)
    return make()


def _assert_same_state(made, expected):
    made, expected = made.state_dict(), expected.state_dict()
    assert list(made) == list(expected)
    for key, value in expected.items():
        # The bits, but for a table of logarithms, whose last bit differs between libraries.
        rtol = 2e-7 if key.endswith("relative_coords_table") else 0
        np.testing.assert_allclose(made[key].numpy(), value.numpy(), rtol=rtol, atol=0, err_msg=key)


@pytest.mark.parametrize("name", WHOLE)
def test_first_weights_match_torchvision(torch, torchvision, name):
    pairs = ((jtorch, models), (torch, torchvision.models))
    _assert_same_state(*(_seeded(library, getattr(package, name)) for library, package in pairs))


def _pair(torch, torchvision, make, size):
    made = _seeded(jtorch, partial(make, jtorch.nn, models))
    expected = _seeded(torch, partial(make, torch.nn, torchvision.models))
    x = np.random.default_rng(1).normal(size=(2, 3, *size)).astype(np.float32)
    return made, expected, x


def _blur(torch, made, expected):
    """Give both other weights than those at the start, which hide parts: zeros, factors of 1e-6."""
    rng = np.random.default_rng(2)
    state = {key: value.numpy() for key, value in expected.state_dict().items()}
    for key, value in state.items():
        if value.dtype == np.float32 and "relative_coords" not in key:
            noise = rng.normal(size=value.shape) * 0.1
            state[key] = value + (np.abs(noise) if key.endswith("running_var") else noise).astype(np.float32)
    for library, model in ((jtorch, made), (torch, expected)):
        model.load_state_dict({k: library.tensor(v) for k, v in state.items()}, assign=True)


@pytest.mark.parametrize("name", SMALL)
def test_small_models_match_torchvision(torch, torchvision, name):
    made, expected, x = _pair(torch, torchvision, *SMALL[name])
    _assert_same_state(made, expected)
    _blur(torch, made, expected)
    with jtorch.no_grad(), torch.no_grad():
        out, target = made.eval()(jtorch.tensor(x)).numpy(), expected.eval()(torch.tensor(x)).numpy()
    # Some tens of layers in float32, whose sums are taken in another order.
    np.testing.assert_allclose(out, target, rtol=1e-3, atol=1e-4)


def test_training_matches_torchvision(torch, torchvision):
    def make(nn, m):
        block, downsample = m.swin_transformer.SwinTransformerBlockV2, m.swin_transformer.PatchMergingV2
        options = {"num_classes": 5, "block": block, "downsample_layer": downsample}
        # Of the two blocks, the second one is dropped for about half of the images.
        return m.SwinTransformer([4, 4], 8, [2], [2], [4, 4], stochastic_depth_prob=0.5, **options)

    made, expected, x = _pair(torch, torchvision, make, (28, 36))
    _blur(torch, made, expected)
    outputs = []
    for library, model in ((jtorch, made), (torch, expected)):
        library.manual_seed(3)  # draws which branches are dropped
        out = model.train()(library.tensor(x))
        (out**2).mean().backward()
        outputs.append(out.detach().numpy())
    np.testing.assert_allclose(outputs[0], outputs[1], rtol=1e-3, atol=1e-4)
    for (key, p), q in zip(made.named_parameters(), expected.parameters(), strict=True):
        # Gradients sum over places and go through norms of two images: relative to the largest one.
        scale = max(float(q.grad.abs().max()), 1e-3)
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-2, atol=2e-3 * scale, err_msg=key)


def test_recomputed_blocks_give_the_same_gradients():
    jtorch.manual_seed(0)
    plain, frugal = (models.densenet._DenseBlock(1, 4, 2, 2, 0.0, memory_efficient=m) for m in (False, True))
    frugal.load_state_dict(plain.state_dict())
    x = jtorch.randn(2, 4, 3, 3, requires_grad=True)
    for model in (plain, frugal):
        model(x).square().sum().backward()
    assert float(plain.denselayer1.conv1.weight.grad.abs().amax()) > 0
    for p, q in zip(plain.parameters(), frugal.parameters(), strict=True):
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-4, atol=1e-5)


def _shrunk(library, package, name):
    """A model of fixed sizes, on the meta device, with narrow linear layers; filled with numbers."""
    nn = library.nn
    with library.device("meta"):
        if name == "vgg":
            model = package.VGG(package.vgg.make_layers([4, "M", 512, "M"], batch_norm=True), 5, False)
            places = (0, 3, 6)
        elif name == "alexnet":
            model = package.AlexNet(5)
            places = (1, 4, 6)
        else:
            config = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
            model, places = package.get_model(name, num_classes=5, **config), ()
        for i, place in enumerate(places):
            inp = model.classifier[place].in_features if i == 0 else 8
            model.classifier[place] = nn.Linear(inp, 5 if i == 2 else 8)
    rng = np.random.default_rng(0)
    state = model.state_dict()
    for key, value in state.items():
        shape = tuple(value.shape)
        if key.endswith("num_batches_tracked"):
            numbers = np.zeros(shape, np.int64)
        elif len(shape) > 1:  # outputs about as large as inputs
            numbers = rng.normal(size=shape) * (2 / np.prod(shape[1:])) ** 0.5
        else:
            numbers = rng.uniform(0.5, 1.5, shape) * (0.1 if key.endswith("bias") else 1)
        state[key] = library.tensor(numbers if key.endswith("tracked") else numbers.astype(np.float32))
    model.load_state_dict(state, assign=True)
    return model


FIXED = {
    "alexnet": (63, 70),
    "vgg": (32, 40),
    "squeezenet1_1": (40, 33),
    "mnasnet0_5": (32, 40),
    "googlenet": (32, 40),
    "inception_v3": (75, 80),
}
# Dozens of convolutions, each compiled.
SLOW = ["googlenet", "inception_v3"]


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in FIXED])
def test_fixed_models_match_torchvision(torch, torchvision, name):
    made, expected = _shrunk(jtorch, models, name), _shrunk(torch, torchvision.models, name)
    for model in (made, expected):
        model.transform_input = True  # used by the two that know it
    x = np.random.default_rng(1).normal(size=(1, 3, *FIXED[name])).astype(np.float32)
    with jtorch.no_grad():
        out = made.eval()(jtorch.tensor(x)).numpy()
    with torch.no_grad():
        target = expected.eval()(torch.tensor(x)).numpy()
    np.testing.assert_allclose(out, target, rtol=1e-3, atol=1e-3 * np.abs(target).max())


def test_auxiliary_classifiers_answer_in_training():
    with jtorch.device("meta"):
        x = jtorch.empty(2, 3, 75, 75)
        out = models.googlenet(num_classes=5, init_weights=False)(x)
        assert [t.shape for t in out] == [(2, 5)] * 3
        assert type(out).__name__ == "GoogLeNetOutputs"
        assert out._fields == ("logits", "aux_logits2", "aux_logits1")
        out = models.inception_v3(num_classes=5, init_weights=False)(jtorch.empty(2, 3, 299, 299))
        assert out._fields == ("logits", "aux_logits")
        assert models.googlenet(num_classes=5, init_weights=False).eval()(x).shape == (2, 5)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (
            lambda m: m.SqueezeNet("2_0"),
            ValueError,
            "Unsupported SqueezeNet version 2_0: 1_0 or",
        ),
        (
            lambda m: m.ResNet(m.resnet.BasicBlock, [1] * 4, replace_stride_with_dilation=[True]),
            ValueError,
            "replace_stride_with_dilation should be None or a 3-element tuple, got [True]",
        ),
        (lambda m: m.resnet18(groups=2), ValueError, "BasicBlock only supports groups=1 and base_width=64"),
        (lambda m: m.MobileNetV3([], 8), ValueError, "The inverted_residual_setting should not be empty"),
        (lambda m: m.MobileNetV3([1], 8), TypeError, "The inverted_residual_setting should be List[Inverte"),
        (
            lambda m: m.MobileNetV2(inverted_residual_setting=[[1]]),
            ValueError,
            "inverted_residual_setting",
        ),
        (lambda m: m.ShuffleNetV2([1], [1] * 5), ValueError, "expected stages_repeats as list of 3 positive"),
        (lambda m: m.MNASNet(0.0), ValueError, "alpha should be greater than 0.0 instead of 0.0"),
        (
            lambda m: m.EfficientNet([1], 0.1),
            TypeError,
            "The inverted_residual_setting should be List[",
        ),
        (lambda m: m.ConvNeXt([]), ValueError, "The block_setting should not be empty"),
        (
            lambda m: m.VisionTransformer(5, 2, 1, 1, 2, 2),
            AssertionError,
            "Input shape indivisible by",
        ),
        (
            lambda m: m.regnet.BlockParams.from_init_params(2, 7, 1.0, 2.0, 4),
            ValueError,
            "Invalid RegNet settings",
        ),
        (
            lambda m: m.MaxVit((33, 32), 4, 2, [4, 4], [1, 1], 2, 0.1),
            ValueError,
            "Input size (9, 8) of block 0 is not divisible by partition size 2. Consider changing the",
        ),
    ],
)
def test_errors_match_torchvision(torchvision, call, error, text):
    said = []
    for package in (models, torchvision.models):
        with pytest.raises(error) as caught:
            call(package)
        said.append(str(caught.value))
    assert said[0] == said[1]
    assert said[0].startswith(text)
