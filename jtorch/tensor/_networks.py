"""Functions of neural networks that draw random numbers, or write to or look at their operands."""

from __future__ import annotations

from collections.abc import Callable
from operator import index
from typing import Any

import numpy as np

from jtorch.dtypes import float32, float64, int64
from jtorch.ops._registry import OPS
from jtorch.rng import MT19937, rrelu_noise
from jtorch.tensor._arguments import make
from jtorch.tensor._autograd import no_grad
from jtorch.tensor._core import Tensor, call, run
from jtorch.tensor._counter_draws import counter_sample
from jtorch.tensor._creation import empty
from jtorch.tensor._derive import bind, derived
from jtorch.tensor._formats import strides_like
from jtorch.tensor._from_data import tensor as make_tensor
from jtorch.tensor._inplace import assign, check_writable
from jtorch.tensor._random import source_of, stream_of
from jtorch.tensor._value_checks import checked

__all__: list[str] = []


def _install(space: str, function: Any, name: str = "") -> None:
    function.__name__ = function.__qualname__ = name or function.__name__
    function.__module__ = "jtorch"
    derived[space][function.__name__] = function


def _checked(name: str) -> Callable[..., Any]:
    """The function of an internal op, with the checks of its operands' values."""
    op = OPS[name]
    return checked(op, lambda *args: run(op, args), bind)


# ---- random windows and slopes -------------------------------------------------------------------------


def _fractional(
    ndim: int, input: Tensor, kernel_size: Any, output_size: Any, output_ratio: Any, samples: Tensor | None
) -> tuple[Tensor, Tensor]:
    name = f"fractional_max_pool{ndim}d"
    if output_size is None and output_ratio is None:
        raise ValueError(f"{name} requires specifying either an output_size or an output_ratio")
    count = "" if ndim == 2 else "three "
    kernel = (kernel_size,) * ndim if isinstance(kernel_size, int) else tuple(kernel_size)
    if output_size is None:
        ratio = (output_ratio,) * ndim if ndim == 3 and isinstance(output_ratio, float) else output_ratio
        if len(ratio) > ndim:
            raise ValueError(
                f"{name} requires output_ratio to either be a single Int or tuple of {count}Ints."
            )
        output_size = [int(n * r) for n, r in zip(input.shape[-ndim:], ratio, strict=True)]
    sizes = (output_size,) * ndim if isinstance(output_size, int) else tuple(output_size)
    for label, values in (("kernel_size", kernel), ("output_size", sizes)):
        if len(values) != ndim:
            raise RuntimeError(f"{name}: {label} must either be a single Int or tuple of {count}Ints")
    if samples is None:
        batch = 1 if input.dim() == ndim + 1 else input.size(0)
        shape = (batch, input.size(-ndim - 1), ndim)
        samples = empty(shape, dtype=input.dtype, device=input.device).uniform_()
    result: tuple[Tensor, Tensor] = call(f"_{name}", input, kernel, sizes, samples)
    return result


def fractional_max_pool2d(
    input: Tensor,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """The largest values of a grid of windows over images, whose places are drawn at random.

    Args:
        input: shape ``(N, C, H, W)`` or ``(C, H, W)``.
        kernel_size: height and width of the windows, or a number for both.
        output_size: height and width of the grid, or a number for both.
        output_ratio: the same as fractions of the input's, if ``output_size`` is not given.
        return_indices: return the positions of the values, too.
        _random_samples: the numbers in [0, 1) that place the windows, shape ``(N, C, 2)``.

    Raises:
        ValueError: neither size nor ratio.
        RuntimeError: sizes that do not agree.

    Reference: Graham, "Fractional Max-Pooling", 2014, https://arxiv.org/abs/1412.6071
    """
    result = _fractional(2, input, kernel_size, output_size, output_ratio, _random_samples)
    return result if return_indices else result[0]


def fractional_max_pool3d(
    input: Tensor,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """:func:`fractional_max_pool2d` of volumes, shape ``(N, C, D, H, W)`` or ``(C, D, H, W)``."""
    result = _fractional(3, input, kernel_size, output_size, output_ratio, _random_samples)
    return result if return_indices else result[0]


def torch_rrelu(
    input: Tensor,
    lower: float = 1.0 / 8,
    upper: float = 1.0 / 3,
    training: bool = False,
    generator: Any = None,
) -> Tensor:
    """``input`` where positive, else times a slope: drawn from [lower, upper) in training, else their mean.

    Args:
        input: floating.
        lower: least slope.
        upper: largest slope.
        training: draw a slope per element.
        generator: to draw from.

    Raises:
        RuntimeError: ``lower`` is larger than ``upper``.
    """
    if lower > upper:
        raise RuntimeError("Lower bound should be less than or equal to the upper bound")
    if training:
        slope: Any = _slopes(input.detach(), float(lower), float(upper), generator)
    else:
        slope = (lower + upper) / 2
    result: Tensor = call("rrelu_with_noise", input, slope)
    if result._aval().dtype is not input._aval().dtype:
        result = call("_to_copy", result, input._aval().dtype)
    return result


def _slopes(input: Tensor, lower: float, upper: float, generator: Any) -> Tensor:
    aval = input._aval()
    stream = stream_of(generator, aval.device)
    if isinstance(stream, MT19937):
        return make(rrelu_noise(stream, np.asarray(input._host()), lower, upper), aval.device)
    wide = float64 if aval.dtype is float64 else float32
    numbers = aval.size, 2 if wide is float64 else 4
    source = source_of(generator, aval.device)
    return counter_sample(
        source, "rrelu_slopes", aval.shape, wide, (input, lower, upper), aval.device, (), *numbers
    )


def rrelu_(
    input: Tensor,
    lower: float = 1.0 / 8,
    upper: float = 1.0 / 3,
    training: bool = False,
    generator: Any = None,
) -> Tensor:
    """:func:`rrelu` in place."""
    result = torch_rrelu(input, lower, upper, training, generator)
    check_writable(input)
    return assign(input, result)


def rrelu(
    input: Tensor,
    lower: float = 1.0 / 8,
    upper: float = 1.0 / 3,
    training: bool = False,
    inplace: bool = False,
) -> Tensor:
    """:func:`torch.rrelu`, in place if ``inplace``."""
    return (rrelu_ if inplace else torch_rrelu)(input, lower, upper, training)


_install("nn.functional", fractional_max_pool2d)
_install("nn.functional", fractional_max_pool3d)
_install("nn.functional", rrelu)
_install("nn.functional", rrelu_)
_install("", torch_rrelu, "rrelu")
_install("", rrelu_)


# ---- tables --------------------------------------------------------------------------------------------

_EMBEDDING, _EMBEDDING_BAG = OPS["nn.functional.embedding"], OPS["nn.functional.embedding_bag"]


def _renorm(weight: Tensor, index: Tensor, max_norm: float, norm_type: float) -> None:
    """Scale the rows that are named down to a norm, in the table itself."""
    with no_grad():
        check_writable(weight)
        assign(weight, call("_renormed_rows", weight, index, float(max_norm), float(norm_type)))


def embedding(*args: Any, **kwargs: Any) -> Tensor:
    bound = bind(_EMBEDDING, args, kwargs)
    if bound[3] is not None:
        _renorm(bound[1], bound[0], bound[3], bound[4])
    return run(_EMBEDDING, bound)  # type: ignore[no-any-return]


def embedding_bag(*args: Any, **kwargs: Any) -> Tensor:
    bound = bind(_EMBEDDING_BAG, args, kwargs)
    if bound[3] is not None:
        _renorm(bound[1], bound[0], bound[3], bound[4])
    return run(_EMBEDDING_BAG, bound)  # type: ignore[no-any-return]


def embedding_renorm_(input: Tensor, indices: Tensor, max_norm: float, norm_type: float) -> Tensor:
    """Scale the rows that ``indices`` name down to the norm ``max_norm``, where theirs is larger."""
    _renorm(input, indices, max_norm, norm_type)
    return input


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """1 at the class and 0 elsewhere, in a new last dimension.

    Args:
        tensor: classes, int64, any shape.
        num_classes: size of the new dimension. If -1, one more than the largest class, which has to be
            waited for.

    Raises:
        RuntimeError: another dtype, or classes that are negative or too large.
    """
    if tensor.dtype is not int64:
        raise RuntimeError("one_hot is only applicable to index tensor of type LongTensor.")
    if num_classes == -1:
        if not tensor.numel():
            raise RuntimeError("Can not infer total number of classes from empty tensor.")
        values = tensor._host()
        if values.min() < 0:
            raise RuntimeError("Class values must be non-negative.")
        num_classes = int(values.max()) + 1
    elif num_classes < 1 and tensor.numel():
        raise RuntimeError("Class values must be smaller than num_classes.")
    elif num_classes < 1:
        raise RuntimeError("Can not infer total number of classes from empty tensor.")
    return _checked_one_hot(tensor, num_classes)  # type: ignore[no-any-return]


for _function, _op in ((embedding, _EMBEDDING), (embedding_bag, _EMBEDDING_BAG)):
    _made = checked(_op, _function, bind)
    _made.__doc__, _made.__wrapped__ = _op.fn.__doc__, _op.fn  # type: ignore[attr-defined]
    _install("nn.functional", _made, _function.__name__)
_checked_one_hot = _checked("_one_hot")
_install("nn.functional", one_hot)
_install("", embedding_renorm_)


# ---- attention -----------------------------------------------------------------------------------------


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """``dropout(softmax(query @ key.T * scale + mask)) @ value``, the softmax being over the keys.

    Args:
        query: shape ``(*, L, E)``.
        key: ``(*, S, E)``.
        value: ``(*, S, V)``.
        attn_mask: broadcasts to ``(*, L, S)``: which keys each query may look at (bool), or numbers to add.
        dropout_p: probability of a weight to become 0, the others being scaled up.
        is_causal: query i looks at the keys up to i only.
        scale: ``1 / sqrt(E)`` by default.
        enable_gqa: each head of key and value, counted by dimension -3, serves several heads of the query.

    Returns:
        Shape ``(*, L, V)``; 0 for queries that may look at nothing.

    Raises:
        RuntimeError: shapes or dtypes that do not agree.

    Reference: Vaswani et al., "Attention Is All You Need", 2017, https://arxiv.org/abs/1706.03762
    """
    if not 0 <= dropout_p <= 1:
        raise RuntimeError(f"dropout probability has to be between 0 and 1, but got {dropout_p:g}")
    noise: Any = None
    if dropout_p > 0:
        lead = query.shape[:-2]
        shape = (*lead, query.shape[-2], key.shape[-2])
        noise = empty(shape, dtype=query.dtype, device=query.device)
        noise = noise.zero_() if dropout_p == 1 else noise.bernoulli_(1 - dropout_p).div_(1 - dropout_p)
    result: Tensor = call(
        "_scaled_dot_product_attention",
        query,
        key,
        value,
        attn_mask,
        noise,
        bool(is_causal),
        scale,
        bool(enable_gqa),
    )
    order = query._strides
    fused = noise is None and query.ndim == 4 and query.shape == result.shape
    if order is not None and fused and all(x.stride(-1) == 1 for x in (query, key, value)):
        # As PyTorch's fused attention leaves it: transposing heads back makes it row-major again.
        result._storage.strides = result._strides = strides_like(tuple(query.shape), order)
    return result


_install("nn.functional", scaled_dot_product_attention)
_install("_C._nn", scaled_dot_product_attention)


# ---- alignment -----------------------------------------------------------------------------------------


def _lengths(values: Any, device: Any) -> Tensor:
    if isinstance(values, Tensor):
        return values
    if isinstance(values, tuple | list):
        values = [index(n) for n in values]
    return make_tensor(values, dtype=int64, device=device)


def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    if isinstance(blank, bool):
        raise TypeError("ctc_loss(): argument 'blank' must be int, not bool")
    blank = index(blank)
    if not isinstance(zero_infinity, bool):
        raise TypeError(
            f"ctc_loss(): argument 'zero_infinity' must be bool, not {type(zero_infinity).__name__}"
        )
    steps, lengths = _lengths(input_lengths, None), _lengths(target_lengths, None)
    longest = 0
    if targets.dim() == 1:
        longest = int(lengths._host().max(initial=0))
    return _checked_ctc_loss(  # type: ignore[no-any-return]
        log_probs, targets, steps, lengths, blank, reduction, zero_infinity, longest
    )


_checked_ctc_loss = _checked("_ctc_loss")
ctc_loss.__doc__ = OPS["_ctc_loss"].fn.__doc__


def torch_ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: int = 1,
    zero_infinity: bool = False,
) -> Tensor:
    """``nn.functional.ctc_loss``, the reduction being a number: none, mean or sum."""
    word = ("none", "mean", "sum")[reduction]
    return ctc_loss(log_probs, targets, input_lengths, target_lengths, blank, word, zero_infinity)


_install("nn.functional", ctc_loss)
_install("", torch_ctc_loss, "ctc_loss")


# ---- losses made of others -----------------------------------------------------------------------------


def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """``max(margin + distance(anchor, positive) - distance(anchor, negative), 0)`` with any distance.

    Args:
        anchor: shape ``(*, D)``.
        positive: of as many dimensions; should be near.
        negative: of as many dimensions; should be far.
        distance_function: of two tensors; ``pairwise_distance`` by default.
        margin: positive.
        swap: take the distance of ``positive`` and ``negative`` if it is less than that of ``anchor``.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.

    Raises:
        ValueError: ``margin`` is not positive, or another ``reduction``.
        RuntimeError: numbers of dimensions that differ.
    """
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    dims = [x.dim() for x in (anchor, positive, negative)]
    if len(set(dims)) > 1:
        raise RuntimeError(
            "The anchor, positive, and negative tensors are expected to have the same number of dimensions, "
            "but got: "
            f"anchor {dims[0]}D, positive {dims[1]}D, and negative {dims[2]}D inputs"
        )
    distance: Any = distance_function or derived["nn.functional"]["pairwise_distance"]
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = far.minimum(distance(positive, negative))
    loss = (margin + near - far).clamp_min(0)
    return loss if reduction == "none" else getattr(loss, reduction)()  # type: ignore[no-any-return]


def linear_cross_entropy(
    input: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    *,
    linear_bias: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options: Any = None,
) -> Tensor:
    """``cross_entropy(linear(input, linear_weight, linear_bias), target)``.

    Args:
        input: features, shape ``(N, F)`` or ``(F,)``.
        linear_weight: ``(C, *, F)``.
        target: classes or their probabilities, as of ``cross_entropy`` for logits ``(N, C, *)``.
        linear_bias: ``(C, *)``.
        weight: factor of each class.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.
        ignore_index: targets of this value count for nothing.
        label_smoothing: this share of each target is spread evenly over the classes.
        options: how PyTorch saves memory; has no meaning here.

    Raises:
        RuntimeError: shapes that do not agree.
    """
    size, shape = tuple(input.shape), tuple(linear_weight.shape)
    if not 1 <= len(size) <= 2:
        raise RuntimeError(f"expected input with dimensionality 1 or 2, got {len(size)}")
    if len(shape) < 2:
        raise RuntimeError(f"expected linear_weight with dimensionality at least 2, got {len(shape)}")
    if size[-1] != shape[-1]:
        raise RuntimeError(
            "expected equal input and linear_weight last dimensions (in_features), "
            f"got {size[-1]} and {shape[-1]}, respectively"
        )
    if linear_bias is not None and tuple(linear_bias.shape) != shape[:-1]:
        raise RuntimeError(f"expected linear_bias shape {shape[:-1]}, got {tuple(linear_bias.shape)}")
    if len(shape) > 2 and len(size) == 1:
        raise RuntimeError(
            f"K-dimensional loss defined by linear_weight shape {shape} requires batched input, (N, "
            f"{size[-1]}), "
            f"got unbatched input with shape {size}"
        )
    logits_shape = (*size[:-1], *shape[:-1])
    if tuple(target.shape) == logits_shape and ignore_index is not None:
        raise RuntimeError("ignore_index cannot be specified when target contains probabilities")
    flat: Any = linear_weight if len(shape) == 2 else linear_weight.reshape(-1, shape[-1])
    bias: Any = linear_bias if linear_bias is None or len(shape) == 2 else linear_bias.reshape(-1)
    logits = call("nn.functional.linear", input, flat, bias).reshape(logits_shape)
    ignored = -100 if ignore_index is None else ignore_index
    return derived["nn.functional"]["cross_entropy"](  # type: ignore[no-any-return]
        logits,
        target,
        weight,
        ignore_index=ignored,
        reduction=reduction,
        label_smoothing=label_smoothing,
    )


_install("nn.functional", triplet_margin_with_distance_loss)
_install("nn.functional", linear_cross_entropy)
