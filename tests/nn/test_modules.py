"""Every module and loss against PyTorch: weights by seed, outputs, gradients, printed form, state.

``TABLE`` has configurations of every module of ``torch.nn``; one that is missing fails
``test_every_module_is_in_the_table``.
"""

import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import jtorch
from jtorch import nn

#: PyTorch's own remarks on modules that are slower than they could be, or old.
pytestmark = [
    pytest.mark.filterwarnings(f"ignore:{text}")
    for text in (
        "enable_nested_tensor is True",
        "LSTM with projections is not supported",
        "Lazy modules are a new feature",
        "Using a target size .* that is different",
        "Using padding='same' with even kernel",
        "dropout option adds dropout",
        "dropout2d. Received a 2-D input",
        "reduction. 'mean' divides the total loss by both",
        "nn.NLLLoss2d has been deprecated",
        "nn.Container is deprecated",
        "jtorch compiled many programs",  # one per configuration, by design
    )
]


# ---- inputs --------------------------------------------------------------------------------------------


class Input:
    """An array that is drawn anew, from the same seed, for each configuration."""

    def __init__(self, kind, shape, high=0):
        self.kind, self.shape, self.high = kind, shape, high
        #: classes and signs have no gradient
        self.grows = kind not in ("classes", "signs")

    def make(self, rng):
        if self.kind == "normal":
            return rng.standard_normal(self.shape).astype("float32")
        if self.kind == "odds":
            return rng.uniform(0.05, 0.95, self.shape).astype("float32")
        if self.kind == "signs":
            return rng.choice([-1.0, 1.0], self.shape).astype("float32")
        if self.kind == "distribution":
            x = rng.uniform(0.1, 1.0, self.shape).astype("float32")
            return x / x.sum(1, keepdims=True)
        return rng.integers(0, self.high, self.shape)


def N(*shape):
    return Input("normal", shape)


def U(*shape):
    return Input("odds", shape)


def S(*shape):
    return Input("signs", shape)


def P(*shape):
    return Input("distribution", shape)


def I(high, *shape):  # noqa: E743
    return Input("classes", shape, high)


class Case:
    """One configuration: constructor arguments, inputs, and how the module is called."""

    def __init__(self, args, inputs, call=None, modes=None, **kwargs):
        self.args, self.inputs, self.modes, self.kwargs = args, inputs, modes, kwargs
        self.call = call or (lambda t, m, *x: m(*x))

    def build(self, t, name):
        args = self.args(t) if callable(self.args) else self.args
        kwargs = {k: v(t) if callable(v) else v for k, v in self.kwargs.items()}
        with warnings.catch_warnings():
            # The decorator `deprecated` wraps the old containers.
            warnings.simplefilter("ignore", FutureWarning)
            return getattr(t.nn, name)(*args, **kwargs)


#: Training and evaluation, for modules that tell them apart.
BOTH = (True, False)

TABLE = {}


def add(names, *cases):
    for name in names.split():
        TABLE.setdefault(name, []).extend(cases)


# ---- activations ---------------------------------------------------------------------------------------

X = (N(3, 4),)
add(
    "Sigmoid Tanh LogSigmoid Tanhshrink Softsign Identity",
    Case((), X),
)
add("ReLU ReLU6 SELU SiLU Mish Hardswish Hardsigmoid", Case((), X), Case((), (N(2, 3),), inplace=False))
add("ELU CELU", Case((), X), Case((0.7,), X))
add("GELU", Case((), X), Case((), X, approximate="tanh"))
add("LeakyReLU", Case((), X), Case((0.2,), X))
add("Hardtanh", Case((), X), Case((-0.5, 0.7), X))
add("Hardshrink Softshrink", Case((), X), Case((0.3,), X))
add("Threshold", Case((0.1, 20.0), X))
add("Softplus", Case((), X), Case((2.0, 1.0), X))
add("GLU", Case((), X), Case((0,), (N(4, 3),)))
add("RReLU", Case((), X), Case((0.2, 0.5), X))
add("PReLU", Case((), X), Case((4,), X, init=0.1))
add("Softmax Softmin LogSoftmax", Case((1,), X), Case((0,), X))
add("Softmax2d", Case((), (N(2, 3, 2, 2),)), Case((), (N(3, 2, 2),)))

# ---- linear, embeddings, distances ---------------------------------------------------------------------

add("Linear", Case((4, 5), X), Case((4, 2), (N(2, 3, 4),), bias=False))
add("LazyLinear", Case((5,), X), Case((2,), X, bias=False))
add("Bilinear", Case((3, 4, 5), (N(2, 3), N(2, 4))), Case((3, 4, 2), (N(2, 5, 3), N(2, 5, 4)), bias=False))
add(
    "Embedding",
    Case((6, 3), (I(6, 2, 4),)),
    Case((6, 3), (I(6, 5),), padding_idx=2, scale_grad_by_freq=True),
    Case((6, 3), (I(6, 5),), max_norm=1.0),
)
add(
    "EmbeddingBag",
    Case((6, 3), (I(6, 2, 4),)),
    Case((6, 3), (I(6, 2, 4),), mode="max"),
    Case((6, 3), (I(6, 5),), lambda t, m, x: m(x, t.tensor([0, 2])), mode="sum", padding_idx=1),
    Case(
        (6, 3), (I(6, 2, 4), N(2, 4)), lambda t, m, x, w: m(x, per_sample_weights=w), mode="sum",
    ),
    Case((6, 3), (I(6, 5),), lambda t, m, x: m(x, t.tensor([0, 3, 5])), include_last_offset=True),
)  # fmt: skip
add("CosineSimilarity", Case((), (N(2, 3, 4), N(2, 3, 4))), Case((-1, 0.1), (N(3, 4), N(3, 4))))
add("PairwiseDistance", Case((), (N(3, 4), N(3, 4))), Case((1.0,), (N(3, 4), N(3, 4)), keepdim=True))

# ---- shapes --------------------------------------------------------------------------------------------

add("Flatten", Case((), (N(2, 3, 4),)), Case((0, 1), (N(2, 3, 4),)))
add("Unflatten", Case((1, (2, 3)), (N(2, 6),)), Case((-1, (3, -1)), (N(2, 6),)))
add("Fold", Case(((4, 5), (2, 2)), (N(2, 8, 12),)), Case((4, 2), (N(8, 4),), stride=2))
add("Unfold", Case((2,), (N(1, 2, 4, 3),)), Case(((2, 3),), (N(2, 5, 5),), dilation=2, padding=1, stride=2))
add("PixelShuffle", Case((2,), (N(2, 8, 2, 3),)))
add("PixelUnshuffle", Case((2,), (N(2, 2, 4, 6),)))
add("ChannelShuffle", Case((2,), (N(2, 4, 2, 3),)))
add(
    "Upsample",
    Case((5,), (N(1, 2, 3),)),
    Case((), (N(1, 2, 3, 3),), scale_factor=2, mode="bilinear"),
    Case((), (N(1, 2, 3, 3),), size=(5, 4), mode="bicubic", align_corners=True),
    Case((), (N(1, 1, 2, 3, 2),), scale_factor=(2, 1, 1.5), mode="trilinear"),
    Case((), (N(1, 2, 4),), scale_factor=0.5, mode="linear", recompute_scale_factor=True),
    Case((3,), (N(1, 2, 5, 5),), mode="area"),
    Case((3,), (N(1, 2, 5, 5),), mode="nearest-exact"),
)
add("UpsamplingNearest2d UpsamplingBilinear2d", Case((), (N(1, 2, 3, 2),), scale_factor=2))
add("UpsamplingNearest2d UpsamplingBilinear2d", Case(((4, 5),), (N(1, 2, 3, 2),)))

# ---- families with 1, 2 and 3 spatial dimensions -------------------------------------------------------

SPACE = {1: (7,), 2: (6, 5), 3: (5, 4, 5)}
for n, space in SPACE.items():
    image = N(2, 4, *space)
    one = N(4, *space)
    add(
        f"Conv{n}d",
        Case((4, 6, 3), (image,)),
        Case((4, 4, 2), (one,), stride=2, padding=1, groups=2, bias=False, padding_mode="reflect"),
        Case((4, 2, 3), (image,), padding="same", dilation=2, padding_mode="circular"),
        Case((4, 4, 3), (image,), padding=1, groups=4, padding_mode="replicate"),
    )
    add(
        f"ConvTranspose{n}d",
        Case((4, 6, 3), (image,)),
        Case((4, 4, 2), (one,), stride=2, padding=1, output_padding=1, groups=2, bias=False),
        Case((4, 2, 2), (image,), lambda t, m, x, s=space: m(x, [2 * k + 1 for k in s]), stride=2),
    )
    add(f"LazyConv{n}d LazyConvTranspose{n}d", Case((6, 3), (image,)), Case((4, 2), (image,), bias=False))
    add(
        f"BatchNorm{n}d",
        Case((4,), (image,)),
        Case((4, 1e-3, None), (image,), affine=False),
        Case((4,), (image,), track_running_stats=False),
        Case((4,), (image,), momentum=0.3, bias=False),
    )
    add(f"LazyBatchNorm{n}d", Case((), (image,)), Case((), (image,), affine=False))
    add(
        f"InstanceNorm{n}d",
        Case((4,), (image,)),
        Case((4,), (one,), affine=True),
        Case((4,), (image,), track_running_stats=True),
    )
    add(f"LazyInstanceNorm{n}d", Case((), (image,), affine=True))
    add(
        f"MaxPool{n}d",
        Case((2,), (image,)),
        Case((3, 2, 1), (one,), ceil_mode=True),
        Case((2,), (image,), lambda t, m, x: m(x)[0], return_indices=True, dilation=2),
    )
    add(
        f"MaxUnpool{n}d",
        Case(
            (2,),
            (image,),
            lambda t, m, x, n=n, s=space: m(
                *getattr(t.nn.functional, f"max_pool{n}d")(x, 2, return_indices=True), output_size=x.shape
            ),
        ),
    )
    add(
        f"AvgPool{n}d",
        Case((2,), (image,)),
        Case((3, 2, 1), (one,), ceil_mode=True, count_include_pad=False),
    )
    add(f"LPPool{n}d", Case((2.0, 2), (image,)), Case((3.0, 2), (image,), stride=1, ceil_mode=True))
    add(f"AdaptiveAvgPool{n}d", Case((3,), (image,)), Case((1,), (one,)))
    add(f"AdaptiveMaxPool{n}d", Case((3,), (image,)), Case((1,), (one,)))
    pad = tuple(range(1, 2 * n + 1)) if n == 1 else (1, 0) * n
    add(f"ReflectionPad{n}d ReplicationPad{n}d CircularPad{n}d ZeroPad{n}d", Case((1,), (image,)))
    add(f"ReflectionPad{n}d ReplicationPad{n}d CircularPad{n}d ZeroPad{n}d", Case((pad,), (one,)))
    add(f"ConstantPad{n}d", Case((1, 0.5), (image,)), Case((pad, -1.0), (one,)))
    add(f"Dropout{n}d", Case((), (image,)), Case((0.2,), (N(2, 3, *space),)))
add("AdaptiveAvgPool2d AdaptiveMaxPool2d", Case(((2, None),), (N(1, 2, 4, 3),)))
add("AvgPool2d", Case((2,), (N(1, 2, 4, 4),), divisor_override=3))
add("Conv2d", Case((2, 3, (1, 3)), (N(1, 2, 4, 5),), padding="valid", stride=(2, 1)))
add("BatchNorm1d", Case((4,), (N(5, 4),)))
for n in (2, 3):
    space = (6, 7, 6)[:n]
    add(
        f"FractionalMaxPool{n}d",
        Case((2, 3), (N(2, 2, *space),)),
        Case((2,), (N(2, *space),), output_ratio=(0.6,) * n),
        Case((2, 3), (N(2, 2, *space),), lambda t, m, x: m(x)[0], return_indices=True),
    )

# ---- normalisation, dropout ----------------------------------------------------------------------------

add("SyncBatchNorm", Case((4,), (N(3, 4, 2),), lambda t, m, x: m.eval()(x)))
add("LayerNorm", Case((4,), X), Case(([3, 4], 1e-3), (N(2, 3, 4),), bias=False))
add("LayerNorm", Case((4,), X, elementwise_affine=False))
add("RMSNorm", Case((4,), X), Case(([3, 4], 1e-3), (N(2, 3, 4),), elementwise_affine=False))
add("GroupNorm", Case((2, 4), (N(2, 4, 3),)), Case((4, 4), (N(2, 4, 3),), affine=False))
add("LocalResponseNorm", Case((2,), (N(2, 4, 3),)), Case((3, 0.1, 0.5, 2.0), (N(2, 4, 3, 3),)))
# A window of all channels, smaller ones differ (docs/differences.md); PyTorch's gradient is not that of its
# result, so there is none to compare.
add("CrossMapLRN2d", Case((7, 0.1, 0.5, 2.0), (N(2, 4, 3, 3),), lambda t, m, x: m(x.detach()) * x))
add("Dropout AlphaDropout FeatureAlphaDropout", Case((), (N(3, 4, 2, 2),)), Case((0.2,), (N(5, 4, 2),)))
add("Dropout", Case((0.0,), X), Case((1.0,), X))

# ---- recurrent -----------------------------------------------------------------------------------------


def packed(t, m, x):
    data = t.nn.utils.rnn.pack_padded_sequence(x, [2, 4, 1], enforce_sorted=False)
    out, hidden = m(data)
    return t.nn.utils.rnn.pad_packed_sequence(out)[0], hidden


def with_state(t, m, x, *states):
    return m(x, states[0] if len(states) == 1 else states)


SEQUENCE = (N(4, 3, 2),)
# More of them in test_rnn.py.
add(
    "RNN LSTM GRU",
    Case((2, 3), SEQUENCE, batch_first=True),
    Case((2, 3, 2), (N(4, 2),), dropout=0.5, bias=False, modes=BOTH),
    Case((2, 3), SEQUENCE, packed, bidirectional=True),
)
add("RNN", Case((2, 3), SEQUENCE, nonlinearity="relu"))
add("GRU", Case((2, 3), (N(4, 3, 2), N(1, 3, 3)), with_state))
add("LSTM", Case((2, 3), (N(4, 3, 2), N(1, 3, 2), N(1, 3, 3)), with_state, proj_size=2))
add("RNNCell", Case((2, 3), (N(4, 2),)), Case((2, 3), (N(2), N(3)), nonlinearity="relu"))
add("GRUCell", Case((2, 3), (N(4, 2),)), Case((2, 3), (N(4, 2), N(4, 3)), bias=False))
add("LSTMCell", Case((2, 3), (N(4, 2),)), Case((2, 3), (N(2), N(3), N(3)), with_state))
add("RNNBase", Case(("GRU", 2, 3), SEQUENCE, lambda t, m, x: x.sum() * sum(w.sum() for w in m.parameters())))
add("RNNCellBase", Case((2, 3, True, 4), X, lambda t, m, x: x.sum() * m.weight_ih.sum()))

# ---- attention -----------------------------------------------------------------------------------------


def masked(t, m, q, k, v):
    padding = t.tensor([[False, True, False, False, True], [False] * 5])
    mask = t.tensor([[False, True, False, False, False]] * 3)
    return m(q, k, v, key_padding_mask=padding, attn_mask=mask)


def causal(t, m, x):
    mask = t.nn.Transformer.generate_square_subsequent_mask(x.shape[0])
    return m(x, x, x, attn_mask=mask, is_causal=True, need_weights=False)[0]


QKV = (N(3, 2, 4), N(5, 2, 4), N(5, 2, 4))
add(
    "MultiheadAttention",
    Case((4, 2), QKV),
    Case((4, 2), QKV, masked, dropout=0.3, modes=BOTH),
    Case((4, 2), (N(3, 2, 4),), causal),
    Case((4, 2), QKV, lambda t, m, *x: m(*x, need_weights=False)[0], add_zero_attn=True, add_bias_kv=True),
    Case((4, 2), QKV, lambda t, m, *x: m(*x, average_attn_weights=False), bias=False),
    Case((4, 2), (N(2, 3, 4), N(2, 5, 3), N(2, 5, 2)), kdim=3, vdim=2, batch_first=True),
    Case((4, 2), (N(3, 4), N(5, 4), N(5, 4))),
)


def encoder(t, count=1, **kwargs):
    return t.nn.TransformerEncoderLayer(4, 2, 8, 0.1, **kwargs), count


def decoder(t, **kwargs):
    return t.nn.TransformerDecoderLayer(4, 2, 8, 0.1, **kwargs), 2


def with_masks(t, m, x):
    n = x.shape[0]
    padding = t.tensor([[False, False, True], [False] * 3])
    return m(x, t.nn.Transformer.generate_square_subsequent_mask(n), padding.float() * -1e9)


add(
    "TransformerEncoderLayer",
    Case((4, 2, 8), (N(3, 2, 4),), modes=BOTH),
    Case((4, 2, 8, 0.0, "gelu"), (N(2, 3, 4),), norm_first=True, batch_first=True, bias=False),
    Case((4, 2, 8), (N(3, 2, 4),), with_masks, layer_norm_eps=1e-3),
)
add("TransformerEncoder", Case(encoder, (N(3, 2, 4),), modes=BOTH))
add(
    "TransformerEncoder",
    Case(lambda t: encoder(t, 2), (N(3, 2, 4),), with_masks, norm=lambda t: t.nn.LayerNorm(4)),
)
add("TransformerDecoderLayer", Case((4, 2, 8), (N(3, 2, 4), N(5, 2, 4)), modes=BOTH))
add(
    "TransformerDecoderLayer",
    Case((4, 2, 8), (N(2, 3, 4), N(2, 5, 4)), norm_first=True, batch_first=True, activation="gelu"),
)
add("TransformerDecoder", Case(decoder, (N(3, 2, 4), N(5, 2, 4)), norm=lambda t: t.nn.LayerNorm(4)))
add(
    "Transformer",
    Case((4, 2, 1, 1, 8), (N(3, 2, 4), N(2, 2, 4))),
    Case(
        (4, 2, 1, 2, 8, 0.0),
        (N(3, 2, 4), N(2, 2, 4)),
        lambda t, m, s, y: m(s, y, tgt_mask=m.generate_square_subsequent_mask(2), tgt_is_causal=True),
        norm_first=True,
    ),
)

# ---- losses --------------------------------------------------------------------------------------------

PAIR = (N(4, 3), N(4, 3))
REDUCTIONS = ("mean", "sum", "none")
for reduction in REDUCTIONS:
    more = {"reduction": reduction}
    add("L1Loss MSELoss SmoothL1Loss HuberLoss", Case((), PAIR, **more))
    add("CrossEntropyLoss", Case((), (N(4, 3), I(3, 4)), ignore_index=1, label_smoothing=0.1, **more))
    add(
        "CrossEntropyLoss", Case((), (N(2, 3, 4), P(2, 3, 4)), weight=lambda t: t.tensor([1.0, 2, 3]), **more)
    )
    add("NLLLoss", Case((), (N(4, 3), I(3, 4)), weight=lambda t: t.tensor([1.0, 2, 3]), **more))
    add("NLLLoss NLLLoss2d", Case((), (N(2, 3, 2, 2), I(3, 2, 2, 2)), ignore_index=2, **more))
    add("BCELoss", Case((), (U(4, 3), U(4, 3)), weight=lambda t: t.tensor([1.0, 2, 3]), **more))
    add("BCEWithLogitsLoss", Case((), (N(4, 3), U(4, 3)), pos_weight=lambda t: t.tensor([1.0, 2, 3]), **more))
    add("KLDivLoss", Case((), (N(4, 3), P(4, 3)), **more), Case((), PAIR, log_target=True, **more))
    add(
        "PoissonNLLLoss",
        Case((), (N(4, 3), U(4, 3)), **more),
        Case((), (U(4, 3), U(4, 3)), log_input=False, full=True, **more),
    )
    add("GaussianNLLLoss", Case((), (N(4, 3), N(4, 3), U(4, 3)), full=True, **more))
    add("SoftMarginLoss HingeEmbeddingLoss", Case((), (N(4, 3), S(4, 3)), **more))
    add("CosineEmbeddingLoss", Case((), (N(4, 3), N(4, 3), S(4)), margin=0.2, **more))
    add("MarginRankingLoss", Case((), (N(4), N(4), S(4)), margin=0.2, **more))
    add("MultiMarginLoss", Case((), (N(4, 3), I(3, 4)), p=2, margin=0.7, **more))
    add(
        "MultiLabelMarginLoss",
        Case((), (N(2, 3),), lambda t, m, x: m(x, t.tensor([[2, 0, -1], [1, -1, 0]])), **more),
    )
    add("MultiLabelSoftMarginLoss", Case((), (N(4, 3), U(4, 3)), **more))
    add("TripletMarginLoss", Case((), (N(4, 3), N(4, 3), N(4, 3)), swap=True, p=1.5, **more))
    add("TripletMarginWithDistanceLoss", Case((), (N(4, 3), N(4, 3), N(4, 3)), margin=0.6, **more))
    add(
        "CTCLoss",
        Case(
            (),
            (N(6, 2, 4),),
            lambda t, m, x: m(
                x.log_softmax(2), t.tensor([[1, 2, 2], [3, 1, 0]]), t.tensor([6, 5]), t.tensor([3, 2])
            ),
            **more,
        ),
    )
    add("LinearCrossEntropyLoss", Case((3, 5), (N(4, 3), I(5, 4)), **more))
add("KLDivLoss", Case((), (N(4, 3), P(4, 3)), reduction="batchmean"))
add("SmoothL1Loss", Case((), PAIR, beta=0.3))
add("HuberLoss", Case((), PAIR, delta=0.3))
add(
    "AdaptiveLogSoftmaxWithLoss",
    Case((16, 10, [3, 6]), (N(5, 16), I(10, 5))),
    Case((16, 10, [3, 6]), (N(5, 16),), lambda t, m, x: m.log_prob(x), div_value=2.0, head_bias=True),
)

# ---- containers ----------------------------------------------------------------------------------------


def layers(t):
    return t.nn.Linear(4, 3), t.nn.ReLU()


def in_turn(t, m, x):
    for layer in m.values() if hasattr(m, "values") else m:
        x = layer(x)
    return x


def tensors(t):
    return ([t.nn.Parameter(t.ones(2)), t.nn.Parameter(t.arange(3.0))],)


add("Sequential", Case(layers, X))
add("ModuleList", Case(lambda t: (layers(t),), X, in_turn))
add("ModuleDict", Case(lambda t: ({"a": layers(t)[0], "b": layers(t)[1]},), X, in_turn))
add("ParameterList", Case(tensors, X, lambda t, m, x: x.sum() * sum(p.sum() for p in m)))
add(
    "ParameterDict",
    Case(lambda t: ({"a": tensors(t)[0][1]},), X, lambda t, m, x: x.sum() * m["a"].pow(2).sum()),
)
add("Module", Case((), X, lambda t, m, x: x * 2))
add("Container", Case((), X, lambda t, m, x: x * 2, a=lambda t: t.nn.Linear(4, 3)))
add("DataParallel", Case(lambda t: (t.nn.Linear(4, 3),), X))


# ---- the comparison ------------------------------------------------------------------------------------


def tensors_of(x):
    if isinstance(x, tuple | list):
        return [t for y in x for t in tensors_of(y)]
    return [] if x is None else [x]


#: Words in the names of modules that tell training from evaluation; of others, ``modes`` of the case says so.
MODAL = ("Dropout", "BatchNorm", "InstanceNorm", "RReLU")


def observe(t, name, case, seed):
    """What a framework makes of one configuration of a module."""
    rng = np.random.default_rng(seed)
    arrays = [x.make(rng) for x in case.inputs]
    t.manual_seed(3)
    module = case.build(t, name)
    fresh = {k: v.detach().numpy().copy() for k, v in module.state_dict().items() if not is_lazy(v)}
    shown = [repr(module)]
    inputs, outputs = [], []
    for training in case.modes or (BOTH if any(word in name for word in MODAL) else BOTH[:1]):
        module.train(training)
        given = [t.tensor(a, requires_grad=x.grows) for a, x in zip(arrays, case.inputs, strict=True)]
        outputs += tensors_of(case.call(t, module, *given))
        inputs += [x for x in given if x.requires_grad]
    # Factors that differ, since sums over normalised outputs have no gradient to compare.
    losses = [(o * o * c + o * c).sum() for o, c in ((o, factors(t, o)) for o in outputs if o.requires_grad)]
    sum(losses[1:], losses[0]).backward()
    shown.append(repr(module))
    return {
        "module": module,
        "fresh": fresh,
        "shown": shown,
        "outputs": [array(o) for o in outputs],
        "input gradients": [array(x.grad) for x in inputs],
        "gradients": [array(p.grad) for p in module.parameters()],
        "state": {k: array(v) for k, v in module.state_dict().items()},
    }


def is_lazy(x):
    return type(x).__name__.startswith("Uninitialized")


def factors(t, o):
    return t.linspace(0.5, 1.5, o.numel()).reshape(o.shape)


def array(x):
    return None if x is None else x.detach().numpy()


def close(name, mine, theirs):
    """Equal to rounding: sums of products are added up in another order."""
    assert len(mine) == len(theirs), name
    for a, b in zip(mine, theirs, strict=True):
        assert (a is None) == (b is None), name
        if a is None:
            continue
        assert a.shape == b.shape, name
        assert a.dtype == b.dtype, name
        scale = max(1.0, float(np.abs(b).max(initial=0))) if b.dtype.kind == "f" else 0
        assert np.allclose(a, b, rtol=1e-4, atol=4e-6 * scale, equal_nan=True), (name, a, b)


@pytest.mark.parametrize("name", TABLE)
def test_module_matches_torch(torch, name):
    for i, case in enumerate(TABLE[name]):
        mine, theirs = observe(jtorch, name, case, i), observe(torch, name, case, i)
        where = f"{name}, configuration {i}"
        assert mine["shown"] == theirs["shown"], where
        assert list(mine["fresh"]) == list(theirs["fresh"]), where
        for key, a in mine["fresh"].items():
            assert a.dtype == theirs["fresh"][key].dtype, (where, key)
            assert np.array_equal(a, theirs["fresh"][key]), (where, key)
        for part in ("outputs", "input gradients", "gradients"):
            close(f"{where}: {part}", mine[part], theirs[part])
        assert list(mine["state"]) == list(theirs["state"]), where
        close(f"{where}: state", list(mine["state"].values()), list(theirs["state"].values()))
        state_moves(case, name, mine["module"], theirs["state"])


def state_moves(case, name, module, state):
    """PyTorch's state loads into the module and into a new one, and comes out again."""
    given = {k: jtorch.tensor(v) for k, v in state.items()}
    for target in (module, case.build(jtorch, name)):
        assert str(target.load_state_dict(given)) == "<All keys matched successfully>"
        for key, v in target.state_dict().items():
            assert np.array_equal(v.numpy(), state[key]), key


def test_every_module_is_in_the_table(torch):
    modules = {
        n
        for n in dir(torch.nn)
        if isinstance(getattr(torch.nn, n), type) and issubclass(getattr(torch.nn, n), torch.nn.Module)
    }
    assert modules == set(TABLE)


def test_modules_live_under_the_paths_of_torch(torch):
    from importlib import import_module

    for name in TABLE:
        path = getattr(torch.nn, name).__module__
        assert getattr(import_module("j" + path), name) is getattr(nn, name), path


def test_the_page_of_modules_is_current():
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, str(root / "docs" / "modules.py"), "--check"],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{done.stderr}: run `python docs/modules.py`"


def outcome(torch, source):
    """The error of an expression, or what it returns, in words; ``signal(*sizes)`` are random numbers."""
    torch.manual_seed(0)
    names = {"torch": torch, "nn": torch.nn, "F": torch.nn.functional, "signal": torch.randn}
    try:
        return repr(eval(source, names))
    except Exception as error:
        return f"{type(error).__name__}: {error}"


#: Modules and functions with one argument that PyTorch refuses, each by the function that sees it first.
REFUSED = [
    "nn.MaxPool1d(torch.zeros(2))(signal(2, 2, 6))", "nn.MaxPool1d(int)(signal(2, 2, 6))",
    "nn.MaxPool1d({})(signal(2, 2, 6))", "nn.MaxPool2d(None)(signal(2, 6, 6))",
    "nn.MaxPool2d(2, ceil_mode=1)(signal(2, 6, 6))", "nn.LPPool1d(2.0, 2.5)(signal(2, 2, 6))",
    "nn.LPPool2d(2.0, (1,))(signal(2, 2, 6, 6))", "nn.LPPool3d(2.0, (2, 2))(signal(2, 2, 6, 6, 6))",
    "nn.LPPool2d(2.0, 2, ceil_mode=1)(signal(2, 2, 6, 6))", "nn.AvgPool1d(True)(signal(2, 2, 6))",
    "nn.BatchNorm1d(2, momentum='a')(signal(2, 2, 6))", "nn.BatchNorm1d(2, eps=None)(signal(2, 2, 6))",
    "nn.BatchNorm1d(2, eps=0)(signal(2, 2, 6))", "nn.BatchNorm1d(2, eps=-1.0).eval()(signal(2, 2, 6))",
    "nn.BatchNorm1d()", "nn.InstanceNorm1d(2, eps='a')(signal(2, 2, 6))", "F.dropout(signal(2), 'a')",
    "F.poisson_nll_loss(signal(2), signal(2), 0)", "F.conv1d(signal(1, 2, 3), signal(4, 2, 0))",
    "F.conv2d(signal(1, 1, 3, 3), signal(1, 1, 0, 1))",
    "F.conv3d(signal(1, 1, 3, 3, 3), signal(1, 1, 1, 1, 0))",
    "F.conv_transpose2d(signal(1, 1, 3, 3), signal(1, 0, 1, 1))",
    "nn.Bilinear(-1, 2, 2)", "nn.Bilinear(0, 2, 2)",
    "F.bilinear(signal(2, 3), signal(2, 3), signal(2, 3, 3), signal(2).double())",
    "nn.CircularPad1d(1)(signal(2, 2, 6, 6))", "nn.CircularPad1d(())(signal(2, 2, 6))",
    "nn.LazyConv1d(2, 1)(signal(2))", "nn.UninitializedParameter(dtype=int)",
    "nn.UninitializedParameter() + 1",
    "nn.MaxUnpool1d((2, 2))(signal(2, 2, 2), torch.zeros(2, 2, 2, dtype=torch.int64))",
    "nn.MaxUnpool2d(2.5)(signal(2, 2, 2), torch.zeros(2, 2, 2, dtype=torch.int64))",
    "nn.MaxUnpool3d(2, 0)(signal(2, 2, 2, 2), torch.zeros(2, 2, 2, 2, dtype=torch.int64))",
    "F.cosine_similarity(signal(2, 2), signal(2, 2), eps=-1)", "signal(2, 3).flatten(True)",
    "nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 4), 0)(signal(3, 2, 4))",
]  # fmt: skip
#: What PyTorch takes where one might refuse it.
TAKEN = [
    "nn.Linear(2, 3).weight.shape, torch.empty(2, True).shape", "nn.Conv1d(2, 4, True).weight.shape",
    "nn.MaxUnpool1d(2, [2, 3])(signal(2, 2, 2), torch.zeros(2, 2, 2, dtype=torch.int64)).shape",
    "nn.UninitializedParameter().size()",
    "F.gaussian_nll_loss(signal(2), signal(2), torch.ones(2), eps=float('nan'))",
]  # fmt: skip


@pytest.mark.parametrize("source", [*REFUSED, *TAKEN])
def test_wrong_arguments_are_refused_as_in_torch(torch, source):
    theirs = outcome(torch, source)
    assert outcome(jtorch, source).replace("jtorch", "torch") == theirs
    assert ("Error: " in theirs) == (source in REFUSED)
