"""Modules and functions called wrongly raise PyTorch's errors, at the point where PyTorch notices."""

import numpy as np
import pytest

import jtorch

#: Calls of modules with inputs that they do not take.
CALLS = [
    "nn.Softmax()(None)", "nn.Softmax(1)('a')", "nn.Softmin()(x > 0)", "nn.LogSoftmax('a')(x)",
    "nn.Softmax(0.5)(x)", "F.softmax(x, 0, 3, 'a')", "nn.Softsign()([1.0])", "nn.Tanhshrink()(1.5)",
    "nn.GLU()(None)", "nn.LPPool1d(2, 2)('a')", "nn.Unfold(2)(1.5)", "nn.Unfold('a')(x)",
    "nn.Fold((4, 4), 2)(None)", "nn.AdaptiveAvgPool2d(3)(None)", "nn.AdaptiveMaxPool2d(3)(np.ones(3))",
    "nn.MaxUnpool1d(2)(x[None], None)", "nn.GroupNorm(1, 2)(None)", "nn.LocalResponseNorm(2)(1.5)",
    "nn.CrossMapLRN2d(2)(x)", "nn.CrossMapLRN2d(2)(torch.ones(1, 2, 2, 2, dtype=torch.int64))",
    "nn.Upsample(scale_factor=2)([x])", "nn.L1Loss()(None, x)", "nn.MSELoss()(x, 1.5)",
    "nn.BCELoss()('a', x)", "nn.BCEWithLogitsLoss()(x, None)", "nn.BCEWithLogitsLoss()(x, x > 0)",
    "nn.HuberLoss()(x, [1.0])", "nn.SmoothL1Loss()(np.ones(2), x)", "nn.MarginRankingLoss()(x, None, x)",
    "nn.GaussianNLLLoss()(x, x, None)", "nn.GaussianNLLLoss()(None, x, x)", "nn.Dropout(0.0)(None)",
    "nn.Dropout().eval()(1.5)", "nn.ReflectionPad1d(1)()", "nn.ReplicationPad2d(1)(x, 1)",
    "nn.SyncBatchNorm(3)(x, bad=1)", "nn.RNN(3, 4)()", "nn.GRU(3, 4)(x, x, x)", "nn.LSTM(3, 4)(x, 1.5)",
    "nn.LSTM(3, 4)(x, bad=1)", "nn.RNNCell(3, 4)(x[0], torch.ones(2, 4))",
    "nn.GRUCell(3, 4)(x, torch.ones(2))", "nn.LSTMCell(3, 4)(x, x)",
    "nn.LSTMCell(3, 4)(x, (torch.ones(2, 4), torch.ones(3, 4)))", "nn.LSTMCell(3, 4)(x, torch.ones(0))",
    "nn.Bilinear(3, 3, 1)(x.half(), x)", "nn.SoftMarginLoss()(x[:1], x)",
    "nn.HingeEmbeddingLoss()(x > 0, x)", "nn.FractionalMaxPool2d(2, 3)(None)",
    "nn.FractionalMaxPool2d('a', 3)(x[None])", "nn.FractionalMaxPool2d(1, 1)(torch.ones(1, 1, 1, 3, 3))",
    "nn.FractionalMaxPool3d(1, 0.5)(torch.ones(1, 1, 3, 3, 3))", "nn.RMSNorm((1, 2, 3))(x)",
    "nn.BatchNorm1d((3, 1))(x)", "nn.CTCLoss(blank=1.5)(x[:, None], torch.tensor([[1]]), [2], [1])",
    "nn.CTCLoss(zero_infinity=1)(x[:, None], torch.tensor([[1]]), [2], [1])",
    "nn.CTCLoss()(x[:, None], torch.tensor([[1]]), [1.5], [1])", "nn.PoissonNLLLoss(full=1)(x, x)",
]  # fmt: skip


def outcome(library, call):
    names = {"torch": library, "nn": library.nn, "F": library.nn.functional, "np": np}
    names["x"] = library.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    try:
        eval(call, names)
    except Exception as error:
        return type(error).__name__, str(error).replace("jtorch", "torch")
    return None


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_refusals_match_torch(torch, call):
    expected = outcome(torch, call)
    assert expected is not None
    assert outcome(jtorch, call) == expected


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7])
@pytest.mark.parametrize("channels", [1, 3, 6])
def test_cross_map_lrn_matches_torch(torch, size, channels):
    x = np.random.RandomState(0).rand(2, channels, 2, 3).astype("float32")
    out, expected = (t.nn.CrossMapLRN2d(size, alpha=4.0)(t.tensor(x)) for t in (jtorch, torch))
    np.testing.assert_allclose(out.numpy(), expected.numpy(), rtol=1e-5)


@pytest.mark.parametrize(
    "convert", [lambda m: m.double(), lambda m: m.to("cpu").half(), lambda m: m.to(m.weight.dtype)]
)
def test_lazy_norms_can_be_converted_before_they_know_their_shape(convert):
    norm = convert(jtorch.nn.LazyBatchNorm1d())
    assert type(norm.running_mean) is jtorch.nn.UninitializedBuffer
    norm(jtorch.ones(3, 4, dtype=norm.weight.dtype))
    assert type(norm) is jtorch.nn.BatchNorm1d
    assert norm.running_mean.shape == (4,)
    assert norm.running_mean.dtype == norm.weight.dtype


@pytest.mark.parametrize("weight", ["float16", "bfloat16", "float32", "float64", "complex64"])
@pytest.mark.parametrize("input", ["float16", "bfloat16", "float32", "float64", "complex64"])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_rms_norm_keeps_the_dtype_of_its_input(torch, input, weight):
    def norm(library):
        x = library.tensor([[1.0, 2.0, 4.0]], dtype=getattr(library, input))
        return library.nn.functional.rms_norm(x, (3,), library.ones(3, dtype=getattr(library, weight)) * 2)

    out, expected = norm(jtorch), norm(torch)
    assert str(out.dtype).removeprefix("j") == str(expected.dtype)
    as_complex = [r.to(t.complex64).numpy() for r, t in ((out, jtorch), (expected, torch))]
    np.testing.assert_allclose(*as_complex, rtol=1e-2)


def test_attention_without_queries():
    attention = jtorch.nn.MultiheadAttention(4, 2)
    for need_weights in (True, False):
        out, _ = attention(jtorch.ones(0, 2, 4), *[jtorch.ones(5, 2, 4)] * 2, need_weights=need_weights)
        assert out.shape == (0, 2, 4)


def test_kl_div_warns_that_its_mean_is_no_mathematical_one():
    x = jtorch.ones(2, 2)
    for _ in range(2):
        with pytest.warns(UserWarning, match="'mean' divides the total loss by both the batch size"):
            jtorch.nn.functional.kl_div(x, x)
    jtorch.nn.functional.kl_div(x, x, reduction="batchmean")


def test_a_probability_of_any_kind_drops_the_same():
    drawn = []
    for p in (0.5, np.float32(0.5), jtorch.tensor(0.5)):
        jtorch.manual_seed(0)
        drawn.append(jtorch.nn.functional.dropout(jtorch.ones(6), p).tolist())
    assert drawn == [[0.0, 0.0, 2.0, 0.0, 0.0, 0.0]] * 3  # PyTorch 2.13


def test_draws_around_means_have_their_dtype():
    mean, std = jtorch.zeros(2), jtorch.ones(2, dtype=jtorch.float64)
    assert jtorch.normal(mean, std).dtype is jtorch.float32
    assert jtorch.distributions.Normal(mean, std).sample().dtype is jtorch.float32
