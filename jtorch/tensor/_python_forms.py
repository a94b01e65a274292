"""Which function of C++ a function of PyTorch's ``nn.functional`` calls, and with what: errors name that one.

PyTorch has most of ``nn.functional`` in Python. Arguments of wrong types are refused where they arrive, by
the parser of the function that is called in the end.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from jtorch.ops._unpooling import unpooled_size

__all__ = ["HELPERS", "PASSED"]

_DROPOUT = "p < 0.0 or p > 1.0, "
_STEPS = "() if stride is None else stride"


def _power(n: int) -> str:
    unpacked = {1: "", 2: "pair(kernel_size), ", 3: "triple(kernel_size), "}[n]
    mean = f"avg_pool{n}d(input, kernel_size, stride, 0, ceil_mode)"
    whole = f"avg_pool{n}d(input, kernel_size, padding=0, ceil_mode=ceil_mode)"
    most = f"max_pool{n}d(input, kernel_size, {_STEPS}, 0, 1, ceil_mode)"
    power = "(norm_type in (inf, -inf) or input.pow)"
    return f"{unpacked}{power}, {most} if norm_type in (inf, -inf) else {whole} if stride is None else {mean}"


def _softmax(name: str, negated: bool = False) -> str:
    first = "-input" if negated else f"input.{name}"
    known = f"Tensor_{name}(dim) if dtype is None else Tensor_{name}(dim, dtype=dtype)"
    return f"input.dim() if dim is None else 0, {first}, None if dim is None else {known}"


def _after(*preludes: str) -> str:
    """What is evaluated before anything is called that has no forms."""
    return f"({', '.join(preludes)}, None)[-1]"


_SIZES = _after("target.size()", "input.size()")


#: name -> expression of the call, after what is evaluated before it
PASSED: dict[str, str] = {
    **{
        f"max_pool{n}d": f"max_pool{n}d(input, kernel_size, {_STEPS}, padding, dilation, ceil_mode)"
        for n in (1, 2, 3)
    },
    **{f"lp_pool{n}d": _power(n) for n in (1, 2, 3)},
    "max_unpool1d": (
        "unpooled(1, input, kernel_size, stride, padding, output_size), input.unsqueeze, indices.unsqueeze, "
        "max_unpool2d(input, indices, unpooled(1, input, kernel_size, stride, padding, output_size))"
    ),
    "max_unpool2d": (
        "max_unpool2d(input, indices, unpooled(2, input, kernel_size, stride, padding, output_size))"
    ),
    "max_unpool3d": (
        "max_unpool3d(input, indices, unpooled(3, input, kernel_size, stride, padding, output_size), "
        "triple(kernel_size if stride is None else stride), triple(padding))"
    ),
    "adaptive_max_pool1d": "adaptive_max_pool1d(input, output_size)",
    **{
        f"adaptive_{kind}_pool{n}d": f"adaptive_{kind}_pool{n}d(input, sizes(output_size, input))"
        for n in (2, 3)
        for kind in ("avg", "max")
    },
    "alpha_dropout": f"{_DROPOUT}alpha_dropout(input, p, training)",
    "batch_norm": (
        "training and input.size(), eps <= 0.0, "
        "batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps, True)"
    ),
    "binary_cross_entropy": "target.size(), input.size(), binary_cross_entropy(input, target, weight, 1)",
    "binary_cross_entropy_with_logits": _SIZES,
    "celu": "celu(input, alpha)",
    "cosine_embedding_loss": "cosine_embedding_loss(input1, input2, target, margin, 1)",
    "cross_entropy": "cross_entropy_loss(input, target, weight, 1, ignore_index, label_smoothing)",
    "ctc_loss": ("ctc_loss(log_probs, targets, input_lengths, target_lengths, blank, 1, zero_infinity)"),
    "dropout": f"{_DROPOUT}dropout(input, p, training)",
    "dropout1d": f"{_DROPOUT}input.dim(), feature_dropout(input, p, training)",
    "dropout2d": f"{_DROPOUT}input.dim(), feature_dropout(input, p, training)",
    "dropout3d": f"{_DROPOUT}input.dim(), feature_dropout(input, p, training)",
    "elu": "elu(input, alpha)",
    "embedding": (
        "embedding(weight, input, -1 if padding_idx is None else padding_idx, scale_grad_by_freq, sparse)"
    ),
    "feature_alpha_dropout": f"{_DROPOUT}feature_alpha_dropout(input, p, training)",
    "fold": ("col2im(input, two(output_size), two(kernel_size), two(dilation), two(padding), two(stride))"),
    **{
        # Something stands for the random numbers.
        f"fractional_max_pool{n}d": (
            "None if output_size is None else "
            f"(input.dim(), fractional_max_pool{n}d(input, kernel_size, output_size, input))[-1]"
        )
        for n in (2, 3)
    },
    "gaussian_nll_loss": _after("var < 0", "input.size()", "input - target"),
    "glu": "input.dim(), glu(input, dim)",
    "group_norm": "input.dim(), group_norm(input, num_groups, weight, bias, eps, True)",
    "hardsigmoid": "hardsigmoid(input)",
    "hardswish": "hardswish(input)",
    "hardtanh": "hardtanh(input, min_val, max_val)",
    "hinge_embedding_loss": "hinge_embedding_loss(input, target, margin, 1)",
    "huber_loss": _SIZES,
    "instance_norm": (
        "use_input_stats and input.size(), "
        "instance_norm(input, weight, bias, running_mean, running_var, use_input_stats, momentum, eps, True)"
    ),
    "interpolate": _after("input.dim()"),
    "kl_div": "kl_div(input, target, 1, log_target=log_target)",
    "l1_loss": _SIZES,
    "layer_norm": "layer_norm(input, normalized_shape, weight, bias, eps, True)",
    "leaky_relu": "leaky_relu(input, negative_slope)",
    "local_response_norm": _after("input.dim()"),
    "log_softmax": _softmax("log_softmax"),
    "margin_ranking_loss": (
        "input1.dim(), input2.dim(), target.dim(), margin_ranking_loss(input1, input2, target, margin, 1)"
    ),
    "mish": "mish(input)",
    "mse_loss": _SIZES,
    "multi_margin_loss": "multi_margin_loss(input, target, p, margin, weight, 1)",
    "multilabel_margin_loss": "multilabel_margin_loss(input, target, 1)",
    "nll_loss": "nll_loss_nd(input, target, weight, 1, ignore_index)",
    "pad": "pad(input, pad, mode, value)",
    "poisson_nll_loss": "poisson_nll_loss(input, target, log_input, full, eps, 1)",
    "relu": "relu(input)",
    "relu6": "relu6(input)",
    "rms_norm": "rms_norm(input, normalized_shape, weight, eps)",
    "rrelu": "rrelu(input, lower, upper, training)",
    "selu": "selu(input)",
    "silu": "silu(input)",
    "smooth_l1_loss": _SIZES,
    "soft_margin_loss": "soft_margin_loss(input, target, 1)",
    "softmax": _softmax("softmax"),
    "softmin": _softmax("softmax", negated=True),
    "softsign": _after("input.abs"),
    "tanhshrink": _after("input.tanh"),
    "threshold": "threshold(input, threshold, value)",
    "triplet_margin_loss": ("triplet_margin_loss(anchor, positive, negative, margin, p, eps, swap, 1)"),
    "unfold": "im2col(input, two(kernel_size), two(dilation), two(padding), two(stride))",
}


def _pair(x: Any) -> tuple[Any, Any]:
    first, second = x if isinstance(x, Iterable) else (x, x)
    return first, second


def _two(x: Any) -> tuple[Any, ...]:
    return tuple(x) if isinstance(x, Iterable) else (x, x)


def _triple(x: Any) -> tuple[Any, Any, Any]:
    first, second, third = x if isinstance(x, Iterable) else (x, x, x)
    return first, second, third


def _unpooled(
    ndim: int, input: Any, kernel_size: Any, stride: Any, padding: Any, output_size: Any
) -> tuple[Any, ...]:
    input.size()  # what is no tensor has none
    return unpooled_size(input, kernel_size, stride, padding, output_size, ndim)


def _sizes(output_size: Any, input: Any) -> Any:
    given = input.size()
    if isinstance(output_size, int):
        return output_size
    given = given[len(given) - len(output_size) :]
    return [size if wanted is None else wanted for wanted, size in zip(output_size, given, strict=False)]


#: What the expressions use besides functions of C++.
HELPERS: dict[str, Any] = {
    "inf": float("inf"), "pair": _pair, "sizes": _sizes, "triple": _triple, "two": _two,
    "unpooled": _unpooled,
}  # fmt: skip
