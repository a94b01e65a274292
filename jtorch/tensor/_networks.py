"""Functions of neural networks that draw random numbers, or write to or look at their operands."""

from __future__ import annotations

from typing import Any

from jtorch.dtypes import int64
from jtorch.ops._registry import OPS
from jtorch.tensor._autograd import no_grad
from jtorch.tensor._core import Tensor, call, run
from jtorch.tensor._creation import empty, empty_like
from jtorch.tensor._derive import bind, derived
from jtorch.tensor._from_data import tensor as make_tensor
from jtorch.tensor._inplace import assign, check_writable

__all__: list[str] = []


def _install(space: str, function: Any, name: str = "") -> None:
    function.__name__ = function.__qualname__ = name or function.__name__
    function.__module__ = "jtorch"
    derived[space][function.__name__] = function


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


def rrelu(
    input: Tensor,
    lower: float = 1.0 / 8,
    upper: float = 1.0 / 3,
    training: bool = False,
    inplace: bool = False,
) -> Tensor:
    """``input`` where positive, else times a slope: drawn from [lower, upper) in training, else their mean.

    Args:
        input: floating.
        lower: least slope.
        upper: largest slope.
        training: draw a slope per element.
        inplace: store the result in ``input``.

    Raises:
        RuntimeError: ``lower`` is larger than ``upper``.
    """
    if lower > upper:
        raise RuntimeError("Lower bound should be less than or equal to the upper bound")
    if training:
        slope: Any = empty_like(input.detach()).uniform_(lower, upper)
    else:
        slope = (lower + upper) / 2
    result: Tensor = call("rrelu_with_noise", input, slope)
    if not inplace:
        return result
    check_writable(input)
    return assign(input, result)


def rrelu_(input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False) -> Tensor:
    """:func:`rrelu` in place."""
    return rrelu(input, lower, upper, training, inplace=True)


_install("nn.functional", fractional_max_pool2d)
_install("nn.functional", fractional_max_pool3d)
_install("nn.functional", rrelu)
_install("nn.functional", rrelu_)
_install("", rrelu)
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


embedding.__doc__, embedding_bag.__doc__ = _EMBEDDING.fn.__doc__, _EMBEDDING_BAG.fn.__doc__


def embedding_renorm_(weight: Tensor, indices: Tensor, max_norm: float, norm_type: float) -> Tensor:
    """Scale the rows that ``indices`` name down to the norm ``max_norm``, where theirs is larger."""
    _renorm(weight, indices, max_norm, norm_type)
    return weight


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
    return call("_one_hot", tensor, num_classes)  # type: ignore[no-any-return]


_install("nn.functional", embedding)
_install("nn.functional", embedding_bag)
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
    return call(  # type: ignore[no-any-return]
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


_install("nn.functional", scaled_dot_product_attention)
_install("_C._nn", scaled_dot_product_attention)


# ---- alignment -----------------------------------------------------------------------------------------


def _lengths(values: Any, device: Any) -> Tensor:
    return values if isinstance(values, Tensor) else make_tensor(values, dtype=int64, device=device)


def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    steps, lengths = _lengths(input_lengths, None), _lengths(target_lengths, None)
    longest = 0
    if targets.dim() == 1:
        longest = int(lengths._host().max(initial=0))
    return call(  # type: ignore[no-any-return]
        "_ctc_loss", log_probs, targets, steps, lengths, blank, reduction, bool(zero_infinity), longest
    )


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
