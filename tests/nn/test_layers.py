"""Layers compute PyTorch's outputs and gradients, from the same weights."""

import numpy as np
import pytest

import jtorch
from jtorch import nn

# name, arguments, keywords, shapes of the inputs
LAYERS = [
    ("Linear", (3, 4), {}, [(2, 3)]),
    ("Linear", (3, 4), {"bias": False}, [(2, 5, 3)]),
    ("Bilinear", (3, 4, 2), {}, [(2, 3), (2, 4)]),
    ("ReLU", (), {}, [(2, 3)]),
    ("LeakyReLU", (0.1,), {}, [(2, 3)]),
    ("PReLU", (3,), {}, [(2, 3)]),
    ("GELU", (), {}, [(2, 3)]),
    ("SiLU", (), {}, [(2, 3)]),
    ("ELU", (), {}, [(2, 3)]),
    ("SELU", (), {}, [(2, 3)]),
    ("CELU", (0.5,), {}, [(2, 3)]),
    ("Mish", (), {}, [(2, 3)]),
    ("Hardswish", (), {}, [(2, 3)]),
    ("Hardsigmoid", (), {}, [(2, 3)]),
    ("Hardtanh", (), {}, [(2, 3)]),
    ("ReLU6", (), {}, [(2, 3)]),
    ("Threshold", (0.1, 2.0), {}, [(2, 3)]),
    ("Softplus", (), {}, [(2, 3)]),
    ("Softshrink", (), {}, [(2, 3)]),
    ("Hardshrink", (), {}, [(2, 3)]),
    ("Tanhshrink", (), {}, [(2, 3)]),
    ("Softsign", (), {}, [(2, 3)]),
    ("LogSigmoid", (), {}, [(2, 3)]),
    ("GLU", (), {}, [(2, 4)]),
    ("Softmax", (1,), {}, [(2, 3)]),
    ("LogSoftmax", (1,), {}, [(2, 3)]),
    ("Softmin", (1,), {}, [(2, 3)]),
    ("Softmax2d", (), {}, [(1, 2, 2, 3)]),
    ("Conv1d", (2, 4, 3), {"stride": 2, "padding": 1}, [(2, 2, 7)]),
    ("Conv2d", (2, 4, 3), {}, [(2, 2, 5, 6)]),
    ("Conv2d", (2, 4, (3, 2)), {"padding": "same", "dilation": 2, "groups": 2}, [(2, 2, 5, 6)]),
    ("Conv2d", (2, 2, 3), {"padding": 1, "padding_mode": "reflect", "bias": False}, [(1, 2, 4, 5)]),
    ("Conv3d", (1, 2, 2), {}, [(1, 1, 3, 3, 3)]),
    ("ConvTranspose1d", (2, 3, 3), {"stride": 2}, [(1, 2, 4)]),
    ("ConvTranspose2d", (2, 4, 3), {"stride": 2, "padding": 1, "output_padding": 1}, [(1, 2, 3, 3)]),
    ("MaxPool1d", (2,), {}, [(1, 2, 6)]),
    ("MaxPool2d", (3,), {"stride": 2, "padding": 1, "ceil_mode": True}, [(1, 2, 6, 5)]),
    ("AvgPool2d", (2,), {"padding": 1, "count_include_pad": False}, [(1, 2, 4, 4)]),
    ("AvgPool1d", (2,), {}, [(1, 2, 6)]),
    ("AdaptiveAvgPool2d", ((2, None),), {}, [(1, 2, 5, 3)]),
    ("AdaptiveMaxPool2d", (2,), {}, [(1, 2, 5, 4)]),
    ("LPPool2d", (2, 2), {}, [(1, 1, 4, 4)]),
    ("BatchNorm1d", (3,), {}, [(4, 3)]),
    ("BatchNorm2d", (2,), {"momentum": None}, [(2, 2, 3, 3)]),
    ("BatchNorm2d", (2,), {"affine": False, "track_running_stats": False}, [(2, 2, 3, 3)]),
    ("InstanceNorm1d", (2,), {"affine": True, "track_running_stats": True}, [(2, 2, 4)]),
    ("LayerNorm", (3,), {}, [(2, 3)]),
    ("LayerNorm", ((2, 3),), {"bias": False}, [(2, 2, 3)]),
    ("GroupNorm", (2, 4), {}, [(2, 4, 3)]),
    ("RMSNorm", (3,), {}, [(2, 3)]),
    ("LocalResponseNorm", (2,), {}, [(1, 4, 3, 3)]),
    ("ConstantPad1d", (1, 2.0), {}, [(1, 2, 3)]),
    ("ReflectionPad2d", (1,), {}, [(1, 2, 3, 3)]),
    ("ReplicationPad1d", ((2, 1),), {}, [(1, 2, 3)]),
    ("CircularPad2d", (1,), {}, [(1, 2, 3, 3)]),
    ("PixelShuffle", (2,), {}, [(1, 4, 2, 2)]),
    ("PixelUnshuffle", (2,), {}, [(1, 1, 4, 4)]),
    ("ChannelShuffle", (2,), {}, [(1, 4, 2)]),
    ("Upsample", (), {"scale_factor": 2}, [(1, 1, 2, 3)]),
    ("UpsamplingBilinear2d", (), {"scale_factor": 2}, [(1, 1, 2, 3)]),
    ("Unfold", (2,), {}, [(1, 2, 3, 3)]),
    ("Fold", ((3, 3), 2), {}, [(1, 8, 4)]),
    ("Flatten", (), {}, [(2, 3, 2)]),
    ("Unflatten", (1, (3, 2)), {}, [(2, 6)]),
    ("CosineSimilarity", (), {}, [(2, 3), (2, 3)]),
    ("PairwiseDistance", (), {}, [(2, 3), (2, 3)]),
    ("RNN", (3, 4, 2), {"nonlinearity": "relu", "bidirectional": True}, [(5, 2, 3)]),
    ("LSTM", (3, 4), {"batch_first": True, "proj_size": 2}, [(2, 5, 3)]),
    ("GRU", (3, 4, 2), {}, [(5, 2, 3)]),
    ("RNNCell", (3, 4), {}, [(2, 3)]),
    ("LSTMCell", (3, 4), {}, [(2, 3)]),
    ("GRUCell", (3, 4), {"bias": False}, [(2, 3)]),
    ("TransformerEncoderLayer", (4, 2, 8, 0.0), {"batch_first": True}, [(2, 3, 4)]),
    (
        "TransformerDecoderLayer",
        (4, 2, 8, 0.0),
        {"norm_first": True, "activation": "gelu"},
        [(3, 2, 4), (5, 2, 4)],
    ),
    ("Transformer", (4, 2, 1, 1, 8, 0.0), {}, [(3, 2, 4), (2, 2, 4)]),
]

#: Larger than rounding: sums of products in another order.
TOLERANCE = 3e-6


def outputs_of(result):
    if isinstance(result, tuple | list):
        return [t for r in result for t in outputs_of(r)]
    return [result]


def run(t, module, arrays):
    """Outputs, gradients of inputs and parameters, and buffers, after a forward and a backward."""
    inputs = [t.tensor(a, requires_grad=True) for a in arrays]
    outputs = outputs_of(module(*inputs))
    # Weights of its own for each element: sums over normalised outputs have no gradient to compare.
    factors = [t.linspace(0.5, 1.5, o.numel()).reshape(o.shape) for o in outputs]
    loss = sum((o * o * c + o * c).sum() for o, c in zip(outputs, factors, strict=True))
    loss.backward()
    found = [*outputs, *(x.grad for x in inputs), *(p.grad for p in module.parameters()), *module.buffers()]
    return [None if x is None else x.detach().numpy() for x in found]


def compare(torch, name, args, kwargs, shapes):
    if not hasattr(nn, name):
        pytest.skip(f"needs nn.{name}")
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(s).astype("float32") for s in shapes]
    found = []
    for t in (jtorch, torch):
        t.manual_seed(5)
        module = getattr(t.nn, name)(*args, **kwargs)
        found.append((run(t, module, arrays), run(t, module.eval(), arrays)))
    for mine, theirs in zip(*found, strict=True):
        for a, b in zip(mine, theirs, strict=True):
            if b is None:
                assert a is None
                continue
            assert a.shape == b.shape
            assert a.dtype == b.dtype
            assert np.allclose(a, b, rtol=1e-4, atol=TOLERANCE), (a, b)


@pytest.mark.filterwarnings("ignore:enable_nested_tensor is True", "ignore:LSTM with projections is not")
@pytest.mark.parametrize(("name", "args", "kwargs", "shapes"), LAYERS, ids=lambda x: str(x)[:40])
def test_layer_matches_torch(torch, name, args, kwargs, shapes):
    try:
        compare(torch, name, args, kwargs, shapes)
    except AttributeError as error:
        pytest.skip(str(error))


LOSSES = [
    ("L1Loss", {}, "same"),
    ("MSELoss", {"reduction": "sum"}, "same"),
    ("SmoothL1Loss", {"beta": 0.5}, "same"),
    ("HuberLoss", {"delta": 0.5}, "same"),
    ("CrossEntropyLoss", {"label_smoothing": 0.1}, "classes"),
    ("CrossEntropyLoss", {"ignore_index": 1, "reduction": "none"}, "classes"),
    ("NLLLoss", {}, "classes"),
    ("BCELoss", {}, "odds"),
    ("BCEWithLogitsLoss", {}, "odds"),
    ("KLDivLoss", {"reduction": "batchmean"}, "odds"),
    ("PoissonNLLLoss", {}, "odds"),
    ("SoftMarginLoss", {}, "signs"),
    ("HingeEmbeddingLoss", {}, "signs"),
    ("MultiMarginLoss", {}, "classes"),
    ("MultiLabelSoftMarginLoss", {}, "odds"),
]


@pytest.mark.parametrize(("name", "kwargs", "target"), LOSSES, ids=str)
def test_loss_matches_torch(torch, name, kwargs, target):
    rng = np.random.default_rng(1)
    x = rng.uniform(0.1, 0.9, (4, 3)).astype("float32")
    y = {
        "same": rng.standard_normal((4, 3)).astype("float32"),
        "classes": np.array([0, 2, 1, 2]),
        "odds": rng.uniform(0, 1, (4, 3)).astype("float32"),
        "signs": np.sign(rng.standard_normal((4, 3))).astype("float32"),
    }[target]
    found = []
    for t in (jtorch, torch):
        p = t.tensor(x, requires_grad=True)
        out = getattr(t.nn, name)(**kwargs)(p, t.tensor(y))
        out.sum().backward()
        found.append((out.detach().numpy(), p.grad.numpy()))
    for a, b in zip(*found, strict=True):
        assert a.shape == b.shape
        assert np.allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "name", ["Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", "FeatureAlphaDropout"]
)
def test_dropout_draws_as_torch(torch, name):
    shape = {"Dropout1d": (2, 3, 4), "Dropout3d": (2, 3, 2, 2, 2)}.get(name, (2, 3, 2, 4))
    found = []
    for t in (jtorch, torch):
        t.manual_seed(2)
        module = getattr(t.nn, name)(0.4)
        x = t.ones(shape, requires_grad=True)
        out = module(x)
        out.sum().backward()
        found.append([out.detach().numpy(), x.grad.numpy(), t.rand(1).numpy()])
        assert module.eval()(x) is x
    for a, b in zip(*found, strict=True):
        assert np.allclose(a, b, atol=1e-6)


def test_lazy_layers_take_sizes_from_the_first_input(torch):
    shapes = []
    for t in (jtorch, torch):
        lazy = (t.nn.LazyConv2d(4, 3), t.nn.LazyBatchNorm2d(), t.nn.Flatten(), t.nn.LazyLinear(2))
        m = t.nn.Sequential(*lazy)
        m(t.ones(2, 3, 5, 5))
        shapes.append([(type(x).__name__, *map(tuple, (p.shape for p in x.parameters()))) for x in m])
    assert shapes[0] == shapes[1]


def test_batch_norm_counts_without_recompiling(lazy):
    m = nn.BatchNorm1d(2, momentum=None)
    x = jtorch.arange(8.0).reshape(4, 2)
    for _ in range(3):
        m(x).sum().item()
    before = jtorch.metrics()["programs_compiled"]
    for _ in range(4):
        m(x).sum().item()
    assert m.num_batches_tracked.item() == 7
    assert jtorch.metrics()["programs_compiled"] == before
    assert np.allclose(m.running_mean.tolist(), [3.0, 4.0])


def test_batch_norm_in_a_training_loop_keeps_its_history_valid():
    m = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    x = jtorch.arange(8.0).reshape(4, 2)
    out = m(x) + m(x)
    out.sum().backward()
    assert m[0].weight.grad is not None
