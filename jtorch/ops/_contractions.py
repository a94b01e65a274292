"""Sums of products over chosen dimensions: einsum and its relatives."""

from __future__ import annotations

import itertools
import string
from typing import Any

import jax.numpy as jnp
from jax import Array

from jtorch.ops._checks import kind, not_implemented, scalar_type, type_name, wrap_dim, wrap_dims
from jtorch.ops._precision import precision
from jtorch.ops._registry import register

__all__ = ["chain_matmul", "einsum", "kron", "multi_dot", "rearrangement", "tensordot"]

ELLIPSIS = "..."


def _subscripts(text: str, start: int, where: str, twice: str, dots: str) -> list[str]:
    """The letters and ellipses of one operand (or the output) of an equation."""
    found: list[str] = []
    i = 0
    while i < len(text):
        if text[i] == ".":
            if ELLIPSIS in found:
                raise RuntimeError(f"einsum(): found '.' for {where} {twice}")
            if text[i : i + 3] != ELLIPSIS:
                raise RuntimeError(f"einsum(): found '.' for {where} that is not part of any ellipsis{dots}")
            found.append(ELLIPSIS)
            i += 2
        elif text[i] in string.ascii_letters:
            found.append(text[i])
        elif text[i] != " ":
            raise RuntimeError(
                f"einsum(): invalid subscript given at index {start + i} in the equation string, "
                "subscripts must be "
                "in [a-zA-Z]"
            )
        i += 1
    return found


def parse_inputs(left: str, count: int) -> list[list[str]]:
    """Subscripts of every operand, from the part of the equation before the arrow."""
    parts: list[list[str]] = []
    start = 0
    for i, text in enumerate(left.split(",")):
        if i >= count:
            raise RuntimeError("einsum(): fewer operands were provided than specified in the equation")
        parts.append(_subscripts(text, start, f"operand {i}", "for which an ellipsis was already found", ""))
        start += len(text) + 1
    if len(parts) < count:
        raise RuntimeError("einsum(): more operands were provided than specified in the equation")
    return parts


def _covered(labels: list[str], ndim: int, i: int) -> int:
    """How many dims of operand ``i`` its ellipsis stands for."""
    letters = len(labels) - (ELLIPSIS in labels)
    if ELLIPSIS not in labels:
        if letters != ndim:
            raise RuntimeError(
                f"einsum(): the number of subscripts in the equation ({letters}) does not match the number "
                "of "
                f"dimensions ({ndim}) for operand {i} and no ellipsis was given"
            )
    elif letters > ndim:
        raise RuntimeError(
            f"einsum(): the number of subscripts in the equation ({letters}) is more than the number of "
            "dimensions "
            f"({ndim}) for operand {i}"
        )
    return ndim - letters


def parse_output(equation: str, inputs: list[list[str]]) -> list[str]:
    """Subscripts of the result: those after the arrow, or the ellipsis and all that occur once, sorted."""
    flat = [label for labels in inputs for label in labels]
    left, arrow, right = equation.partition("->")
    if not arrow:
        once = sorted(x for x in set(flat) if x != ELLIPSIS and flat.count(x) == 1)
        return [ELLIPSIS] * (ELLIPSIS in flat) + once
    labels = _subscripts(right, len(left) + 2, "output", "but an ellipsis (...) was already found", " (...)")
    for x in labels:
        if x == ELLIPSIS:
            continue
        if labels.count(x) > 1:
            raise RuntimeError(f"einsum(): output subscript {x} appears more than once in the output")
        if x not in flat:
            raise RuntimeError(
                f"einsum(): output subscript {x} does not appear in the equation for any input operand"
            )
    return labels


def _sizes(operands: tuple[Array, ...], labels: list[list[Any]], width: int) -> dict[Any, int]:
    """Size of every label; sizes of 1 broadcast. Checks each operand against those before it."""
    sizes: dict[Any, int] = {}
    for i, (x, own) in enumerate(zip(operands, labels, strict=True)):
        seen: dict[Any, int] = {}
        for label, n in zip(own, x.shape, strict=True):
            if seen.setdefault(label, n) != n:
                raise RuntimeError(
                    f"einsum(): subscript {label} is repeated for operand {i} but the sizes don't match, "
                    f"{n} != "
                    f"{seen[label]}"
                )
        for label, n in seen.items():
            before = sizes.get(label, 1)
            if n not in (1, before) and before != 1:
                if isinstance(label, int):
                    raise RuntimeError(
                        f"einsum(): dimension {width + label} covered by ellipsis in operand {i}has size "
                        f"{n} which "
                        f"does not broadcast with previously seen ellipsis with size {before} for the "
                        "respective "
                        "dimension"
                    )
                raise RuntimeError(
                    f"einsum(): subscript {label} has size {n} for operand {i} which does not broadcast with "
                    f"previously seen size {before}"
                )
            sizes[label] = n if before == 1 or not n else before
    return sizes


@register(node="ViewBackward0", static="equation", lists="operands", varargs="operands", promote=None)
def einsum(equation: str, operands: tuple[Array, ...]) -> Array:
    """Sum of products in Einstein's notation: ``einsum("ij,jk->ik", a, b)``.

    Args:
        equation: a letter per dimension of each operand, and after ``->`` those that stay; ``...`` stands for
            dims that broadcast. Without an arrow the letters that occur once stay, in alphabetical order.
        operands: tensors of one dtype; sizes of 1 broadcast.

    Raises:
        RuntimeError: an equation that is malformed or does not fit the operands, dtypes that differ.
        NotImplementedError: products of bool.
    """
    inputs = parse_inputs(equation.partition("->")[0], len(operands))
    covered = [_covered(own, x.ndim, i) for i, (own, x) in enumerate(zip(inputs, operands, strict=True))]
    output = parse_output(equation, inputs)
    # The dims of an ellipsis are numbered from the right, -1 the last: so they align as broadcasting does.
    labels = [_numbered(own, n) for own, n in zip(inputs, covered, strict=True)]
    width = max(covered, default=0)
    sizes = _sizes(operands, labels, width)
    result = _numbered(output, width)
    arrays = list(operands)
    for i, own in enumerate(labels):
        single = {x for x, n in zip(own, arrays[i].shape, strict=True) if n == 1 and sizes[x] != 1}
        keep = [p for p, x in enumerate(own) if x not in single]
        arrays[i] = arrays[i].reshape([arrays[i].shape[p] for p in keep])
        labels[i] = [own[p] for p in keep]
    if len(operands) > 1:
        check_summands(operands, labels, result)
    ids = {x: n for n, x in enumerate(sizes)}
    interleaved = [
        y for x, own in zip(arrays, labels, strict=True) for y in (x, [ids[label] for label in own])
    ]
    return jnp.einsum(*interleaved, [ids[label] for label in result], precision=precision())


def rearrangement(equation: str, x: Any) -> tuple[list[tuple[int, int]], list[int]] | None:
    """The views that a sum of one operand comes down to, if nothing is summed.

    Returns:
        Pairs of dims to take the diagonal of, one after the other, which becomes the first of the two;
        and the order of the dims that are left. ``None`` if there is something to sum.
    """
    (own,) = parse_inputs(equation.partition("->")[0], 1)
    width = _covered(own, x.ndim, 0)
    result = _numbered(parse_output(equation, [own]), width)
    labels = _numbered(own, width)
    _sizes((x,), [labels], width)
    if set(labels) != set(result):
        return None
    diagonals = []
    for label in result:
        while labels.count(label) > 1:
            first = labels.index(label)
            second = labels.index(label, first + 1)
            diagonals.append((first, second))
            labels.pop(second)
    return diagonals, [labels.index(label) for label in result]


def _numbered(labels: list[str], width: int) -> list[Any]:
    """Labels with the ellipsis spelled out as numbers."""
    return [y for x in labels for y in (range(-width, 0) if x == ELLIPSIS else (x,))]


def check_summands(operands: tuple[Array, ...], labels: list[list[Any]], result: list[Any]) -> None:
    """Products that are summed are matrix products, which want one dtype that they know."""
    if {x for own in labels for x in own} <= set(result):
        return
    for x in operands[1:]:
        if x.dtype != operands[0].dtype:
            raise RuntimeError(f"expected scalar type {scalar_type(operands[0])} but found {scalar_type(x)}")
    if kind(operands[0]) == "b":
        raise not_implemented("bmm", operands[0])


def check_tensordot(a: Array, b: Array, dims: Any) -> tuple[list[int], list[int]]:
    """The dims to sum over, of each operand."""
    if isinstance(dims, int):
        if dims < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
        if dims > min(a.ndim, b.ndim):
            raise RuntimeError(f"tensordot expects dims < ndim_a or ndim_b, but got dims={dims}")
        return list(range(a.ndim - dims, a.ndim)), list(range(dims))
    left, right = ([d] if isinstance(d, int) else list(d) for d in dims)
    if len(left) != len(right):
        raise RuntimeError("both dimension lists should have same length")
    return left, right


@register(node="ViewBackward0", static="dims", promote=None, out=True)
def tensordot(a: Array, b: Array, dims: Any = 2) -> Array:
    """Sum of products over several dims of each operand; the others stay, those of ``a`` first.

    Args:
        a: left operand.
        b: right operand, same dtype.
        dims: a number n: the last n of ``a`` with the first n of ``b``; or the dims of each, paired in order.

    Raises:
        IndexError: a dim out of range.
        RuntimeError: dims or sizes that do not match, dtypes that differ.
    """
    left, right = check_tensordot(a, b, dims)
    if a.dtype != b.dtype:
        raise RuntimeError("both inputs should have same dtype")
    named = list(zip(range(-dims, 0) if isinstance(dims, int) else left, right, strict=True))
    for i, (d, e) in enumerate(zip(left, right, strict=True)):
        left[i], right[i] = d, e = wrap_dim(d, a.ndim), wrap_dim(e, b.ndim)
        if a.shape[d] == b.shape[e]:
            continue
        if b.shape[e] == 1:
            a = a.sum(d, keepdims=True, dtype=a.dtype)
        elif a.shape[d] == 1:
            b = b.sum(e, keepdims=True, dtype=b.dtype)
        else:
            raise RuntimeError(
                f"contracted dimensions need to match, but first has size {a.shape[d]} in dim {named[i][0]} "
                f"and second has size {b.shape[e]} in dim {named[i][1]}"
            )
    for dims_of, x in ((left, a), (right, b)):
        wrap_dims(dims_of, x.ndim, empty_is_all=False)
    if kind(a) == "b":
        raise not_implemented("addmm_impl_cpu_", a)
    return jnp.tensordot(a, b, (left, right), precision=precision())


@register(
    node="UnsafeViewBackward0", promote="default", opmath=False, method=True, out=True, saves="intermediate"
)
def kron(input: Array, other: Array) -> Array:
    """Kronecker product: blocks of ``other``, one per element of ``input``, scaled by it."""
    ndim = max(input.ndim, other.ndim)
    a, b = (x.reshape((1,) * (ndim - x.ndim) + x.shape) for x in (input, other))
    blocks = a.reshape([n for size in a.shape for n in (size, 1)])
    inner = b.reshape([n for size in b.shape for n in (1, size)])
    return (blocks * inner).reshape([n * m for n, m in zip(a.shape, b.shape, strict=True)])


@register("linalg.multi_dot", node="ViewBackward0", lists="tensors", promote=None, out=True)
def multi_dot(tensors: tuple[Array, ...]) -> Array:
    """Product of several matrices, in the order of multiplication that takes the fewest operations.

    Args:
        tensors: at least two matrices; the first may be a vector (a row), the last too (a column).

    Raises:
        RuntimeError: too few, other dims, sizes or dtypes that do not fit.
    """
    check_multi_dot(tensors)
    return jnp.linalg.multi_dot(tensors, precision=precision())


def check_multi_dot(tensors: tuple[Array, ...]) -> None:
    """Dims, sizes and types of a chain of matrices."""
    last = len(tensors) - 1
    if last < 1:
        raise RuntimeError(f"multi_dot(): expected at least 2 tensors but got {last + 1}")
    for i, x in ((0, tensors[0]), (last, tensors[last])):
        if x.ndim not in (1, 2):
            end = "last" if i else "first"
            raise RuntimeError(f"multi_dot(): the {end} tensor must be 1D or 2D but got {x.ndim}D")
    for i, x in enumerate(tensors):
        if x.dtype != tensors[0].dtype:
            raise RuntimeError(
                "multi_dot(): all tensors must have be the same dtype but tensor 0 is "
                f"{type_name(tensors[0])} and "
                f"tensor {i} {type_name(x)}"
            )
        if 0 < i < last and x.ndim != 2:
            raise RuntimeError(f"multi_dot(): tensor {i} must be 2D but got {x.ndim}D")
    for i, (x, y) in enumerate(itertools.pairwise(tensors)):
        if x.shape[-1] != y.shape[0]:
            raise RuntimeError(
                f"multi_dot(): tensors {i} and {i + 1} with shapes {list(x.shape)} and {list(y.shape)} "
                "cannot be "
                "multiplied"
            )


@register(node="ViewBackward0", lists="matrices", varargs="matrices", promote=None, out=True)
def chain_matmul(matrices: tuple[Array, ...]) -> Array:
    """Product of several matrices (``torch.linalg.multi_dot``, which takes vectors too, is its successor).

    Raises:
        RuntimeError: a tensor that is no matrix, sizes or dtypes that do not fit.
    """
    if not matrices:
        raise RuntimeError("chain_matmul(): Expected one or more matrices")
    for x in matrices:
        if x.ndim != 2:
            raise RuntimeError(f"Tensor dimension is {x.ndim}, expected 2 instead.")
    return matrices[0] if len(matrices) == 1 else multi_dot(matrices)
