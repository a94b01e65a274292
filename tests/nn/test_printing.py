"""Modules print as in PyTorch and take its arguments."""

import inspect

import pytest

import jtorch
from jtorch import nn

ARGUMENTS = {
    "Linear": (2, 3),
    "Bilinear": (2, 3, 4),
    "Threshold": (0.1, 2),
    "Unflatten": (1, (2, 3)),
    "LazyLinear": (3,),
    "Conv": (2, 4, 3),
    "LazyConv": (4, 3),
    "BatchNorm": (3,),
    "SyncBatchNorm": (3,),
    "InstanceNorm": (3,),
    "LayerNorm": (3,),
    "GroupNorm": (2, 4),
    "RMSNorm": ((2, 3),),
    "LocalResponseNorm": (2,),
    "CrossMapLRN2d": (2,),
    "MaxPool": (2,),
    "MaxUnpool": (2,),
    "AvgPool": (2,),
    "FractionalMaxPool": (2, 3),
    "LPPool": (2, 3),
    "Adaptive": (3,),
    "AdaptiveLogSoftmaxWithLoss": (16, 10, [3, 6]),
    "LinearCrossEntropyLoss": (3, 5),
    "DataParallel": (None,),
    "ConstantPad": (1, 2.0),
    "CircularPad": (1,),
    "ReflectionPad": (1,),
    "ReplicationPad": (1,),
    "ZeroPad": (1,),
    "Embedding": (5, 3),
    "Upsample": (2,),
    "Upsampling": (2,),
    "Pixel": (2,),
    "ChannelShuffle": (2,),
    "Fold": (4, 2),
    "Unfold": (2,),
    "RNN": (2, 3),
    "LSTM": (2, 3),
    "GRU": (2, 3),
    "RNNBase": ("LSTM", 2, 3),
    "RNNCellBase": (2, 3, True, 4),
    "MultiheadAttention": (4, 2),
    "TransformerEncoderLayer": (4, 2, 8),
    "TransformerDecoderLayer": (4, 2, 8),
    "Transformer": (4, 2, 1, 1, 8),
}
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore:enable_nested_tensor is True")

MODULES = sorted(
    n for n in dir(nn) if isinstance(getattr(nn, n), type) and issubclass(getattr(nn, n), nn.Module)
)


def arguments(name):
    """Those of the longest entry that the name begins with."""
    if name in ("TransformerEncoder", "TransformerDecoder"):
        pytest.skip("takes a layer; printed as part of a Transformer")
    known = [key for key in ARGUMENTS if name.startswith(key)]
    return ARGUMENTS[max(known, key=len)] if known else ()


@pytest.mark.parametrize("name", MODULES)
def test_module_prints_as_torch(torch, name):
    jtorch.manual_seed(0)
    torch.manual_seed(0)
    mine, theirs = getattr(nn, name)(*arguments(name)), getattr(torch.nn, name)(*arguments(name))
    assert repr(mine) == repr(theirs)
    lazy = name.startswith("Lazy")
    for (a, p), (b, q) in zip(mine.state_dict().items(), theirs.state_dict().items(), strict=True):
        assert a == b
        if not lazy:
            assert p.detach().tolist() == q.detach().tolist()
    try:
        inplace = getattr(nn, name)(*arguments(name), inplace=True)
    except TypeError:
        return
    assert repr(inplace) == repr(getattr(torch.nn, name)(*arguments(name), inplace=True))


@pytest.mark.parametrize("name", MODULES)
def test_signature_matches_torch(torch, name):
    mine = inspect.signature(getattr(nn, name).__init__).parameters
    theirs = inspect.signature(getattr(torch.nn, name).__init__).parameters
    assert [(p.name, p.kind) for p in mine.values()] == [(p.name, p.kind) for p in theirs.values()]
    for p, q in zip(mine.values(), theirs.values(), strict=True):
        if not callable(q.default):
            assert p.default == q.default or p.default is q.default is inspect.Parameter.empty


def test_constants_match_torch(torch):
    for name in MODULES:
        theirs = getattr(getattr(torch.nn, name), "__constants__", None)
        if theirs:
            assert sorted(getattr(nn, name).__constants__) == sorted(theirs), name
