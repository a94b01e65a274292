"""``assert_close``: whether two values, or containers of them, agree; with PyTorch's messages."""

from __future__ import annotations

import cmath
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

import jtorch
from jtorch.tensor import Tensor

__all__ = ["assert_allclose", "assert_close"]

#: Relative and absolute tolerance by name of the dtype; the others are compared exactly.
PRECISIONS = {
    "float16": (1e-3, 1e-5),
    "bfloat16": (1.6e-2, 1e-5),
    "float32": (1.3e-6, 1e-5),
    "float64": (1e-7, 1e-7),
    "complex64": (1.3e-6, 1e-5),
    "complex128": (1e-7, 1e-7),
}
_NUMBERS = {int: "int64", float: "float64", complex: "complex128"}


class _Mismatch(Exception):
    """A difference, on its way to the caller."""

    def __init__(self, kind: type[Exception], text: str, place: tuple[Any, ...]) -> None:
        super().__init__(text)
        self.kind, self.text, self.place = kind, text, place

    def error(self, msg: str | Callable[[str], str] | None) -> Exception:
        if isinstance(msg, str):
            return self.kind(msg)
        text = self.text
        if self.place:
            text += f"\n\nThe failure occurred for item {''.join(str([key]) for key in self.place)}"
        return self.kind(msg(text) if callable(msg) else text)


def _tolerances(
    names: Sequence[str],
    rtol: float | None,
    atol: float | None,
    place: tuple[Any, ...],
    precisions: Mapping[str, tuple[float, float]] = PRECISIONS,
) -> tuple[float, float]:
    if (rtol is None) != (atol is None):
        missing = "rtol" if rtol is None else "atol"
        raise _Mismatch(
            ValueError,
            f"Both 'rtol' and 'atol' must be either specified or omitted, but got no {missing}.",
            place,
        )
    if rtol is not None and atol is not None:
        return rtol, atol
    defaults = [precisions.get(name, (0.0, 0.0)) for name in names]
    return max(r for r, _ in defaults), max(a for _, a in defaults)


def _describe(
    what: str, extra: str, absolute: tuple[float, Any], relative: tuple[float, Any], atol: float, rtol: float
) -> str:
    """The text of a difference; positions are ``None`` for scalars."""
    equal = rtol == 0 and atol == 0
    lines = [f"{what} are not {'equal' if equal else 'close'}!", "", extra]
    for kind, (difference, index), tolerance in (("absolute", absolute, atol), ("relative", relative, rtol)):
        line = f"{kind.title()} difference: {difference}"
        if index is not None:
            line = f"Greatest {kind} difference: {difference} at index {index}"
        lines.append(line if equal else line + f" (up to {tolerance} allowed)")
    return "\n".join(lines)


def _scalars(actual: Any, expected: Any, rtol: float, atol: float) -> str:
    absolute = abs(actual - expected)
    relative = float("inf") if expected == 0 else absolute / abs(expected)
    extra = f"Expected {expected} but got {actual}."
    return _describe("Scalars", extra, (absolute, None), (relative, None), atol, rtol)


def _tensors(actual: Tensor, expected: Tensor, matches: Tensor, rtol: float, atol: float) -> str:
    count = matches.numel()
    wrong = count - int(matches.sum())
    extra = f"Mismatched elements: {wrong} / {count} ({wrong / count:.1%})"
    if not (actual.dtype.is_floating_point or actual.dtype.is_complex):
        actual, expected = actual.long(), expected.long()
    found = []
    absolute = (actual - expected).abs().flatten()
    for difference in (absolute, absolute / expected.abs().flatten()):
        difference = difference.masked_fill(matches.flatten(), 0)
        # The first nan, if there is one, as the maximum of tensors gives.
        greatest, index = difference.max(0)
        place = tuple(int(i) for i in np.unravel_index(int(index), tuple(matches.shape)))
        found.append((greatest.item(), place))
    return _describe("Tensor-likes", extra, found[0], found[1], atol, rtol)


class _Comparer:
    """Compares pairs of leaves under one set of options."""

    def __init__(self, **options: Any) -> None:
        self.options = options

    def leaf(self, actual: Any, expected: Any, place: tuple[Any, ...]) -> Callable[[], None]:
        """The comparison of two values; what cannot be compared at all is found here."""
        both = (actual, expected)
        if actual is None or expected is None:
            return lambda: self._none(actual, expected, place)
        if all(isinstance(v, (bool, np.bool_)) for v in both):
            return lambda: self._booleans(bool(actual), bool(expected), place)
        if all(isinstance(v, (int, float, complex, np.number)) for v in both):
            first, second = (v.item() if isinstance(v, np.number) else v for v in both)
            names = [_NUMBERS[complex if isinstance(v, complex) else type(v)] for v in (first, second)]
            rtol, atol = _tolerances(names, self.options["rtol"], self.options["atol"], place)
            return lambda: self._numbers(first, second, rtol, atol, place)
        related = isinstance(actual, type(expected)) or isinstance(expected, type(actual))
        if related and (self.options["allow_subclasses"] or type(actual) is type(expected)):
            with suppress(TypeError, ValueError, RuntimeError):
                one, two = (v if isinstance(v, Tensor) else jtorch.as_tensor(v) for v in both)
                return self._prepared(one, two, place)
        raise _Mismatch(
            TypeError,
            f"No comparison pair was able to handle inputs of type {type(actual)} and {type(expected)}.",
            place,
        )

    def _prepared(self, actual: Tensor, expected: Tensor, place: tuple[Any, ...]) -> Callable[[], None]:
        names = [str(t.dtype).partition(".")[2] for t in (actual, expected)]
        rtol, atol = _tolerances(names, self.options["rtol"], self.options["atol"], place)
        return lambda: self._compare(actual.detach(), expected.detach(), rtol, atol, place)

    def _none(self, actual: Any, expected: Any, place: tuple[Any, ...]) -> None:
        if actual is not expected:
            raise _Mismatch(AssertionError, f"None mismatch: {actual} is not {expected}", place)

    def _booleans(self, actual: bool, expected: bool, place: tuple[Any, ...]) -> None:
        if actual is not expected:
            raise _Mismatch(AssertionError, f"Booleans mismatch: {actual} is not {expected}", place)

    def _numbers(self, actual: Any, expected: Any, rtol: float, atol: float, place: tuple[Any, ...]) -> None:
        if self.options["check_dtype"] and type(actual) is not type(expected):
            raise _Mismatch(
                AssertionError, f"The (d)types do not match: {type(actual)} != {type(expected)}.", place
            )
        if actual == expected:
            return
        if self.options["equal_nan"] and cmath.isnan(actual) and cmath.isnan(expected):
            return
        apart = abs(actual - expected)
        if not (cmath.isfinite(apart) and apart <= atol + rtol * abs(expected)):
            raise _Mismatch(AssertionError, _scalars(actual, expected, rtol, atol), place)

    def _attributes(self, actual: Tensor, expected: Tensor, place: tuple[Any, ...]) -> None:
        check = self.options
        compared = (
            (True, "shape", actual.shape, expected.shape),
            (check["check_layout"], "layout", actual.layout, expected.layout),
            (check["check_stride"], "stride()", actual.stride(), expected.stride()),
            (check["check_device"], "device", actual.device, expected.device),
            (check["check_dtype"], "dtype", actual.dtype, expected.dtype),
        )
        for wanted, name, mine, other in compared:
            if wanted and mine != other:
                raise _Mismatch(
                    AssertionError,
                    f"The values for attribute '{name}' do not match: {mine} != {other}.",
                    place,
                )

    def _compare(
        self, actual: Tensor, expected: Tensor, rtol: float, atol: float, place: tuple[Any, ...]
    ) -> None:
        self._attributes(actual, expected, place)
        if "meta" in (actual.device.type, expected.device.type):
            return
        if actual.device != expected.device:
            actual, expected = actual.cpu(), expected.cpu()
        if actual.dtype != expected.dtype:
            small = (jtorch.uint16, jtorch.uint32, jtorch.uint64)
            kinds = [jtorch.int64 if t.dtype in small else t.dtype for t in (actual, expected)]
            common = jtorch.promote_types(*kinds)
            actual, expected = actual.to(common), expected.to(common)
        matches = jtorch.isclose(actual, expected, rtol=rtol, atol=atol, equal_nan=self.options["equal_nan"])
        if bool(matches.all()):
            return
        if actual.dim() == 0:
            text = _scalars(actual.item(), expected.item(), rtol, atol)
        else:
            text = _tensors(actual, expected, matches, rtol, atol)
        raise _Mismatch(AssertionError, text, place)

    def walk(self, actual: Any, expected: Any, place: tuple[Any, ...] = ()) -> Iterator[Callable[[], None]]:
        """The comparisons of all leaves of two containers."""
        both = (actual, expected)
        if all(isinstance(v, Sequence) and not isinstance(v, str) for v in both):
            if len(actual) != len(expected):
                raise _Mismatch(
                    AssertionError,
                    f"The length of the sequences mismatch: {len(actual)} != {len(expected)}",
                    place,
                )
            for i, (one, two) in enumerate(zip(actual, expected, strict=True)):
                yield from self.walk(one, two, (*place, i))
        elif all(isinstance(v, Mapping) for v in both):
            yield from self._walk_mappings(actual, expected, place)
        else:
            yield self.leaf(actual, expected, place)

    def _walk_mappings(
        self, actual: Mapping[Any, Any], expected: Mapping[Any, Any], place: tuple[Any, ...]
    ) -> Iterator[Callable[[], None]]:
        mine, other = set(actual), set(expected)
        if mine != other:
            raise _Mismatch(
                AssertionError,
                "The keys of the mappings do not match:\n"
                f"Missing keys in the actual mapping: {sorted(other - mine)}\n"
                f"Additional keys in the actual mapping: {sorted(mine - other)}",
                place,
            )
        keys: Any = mine
        with suppress(TypeError):  # keys without an order
            keys = sorted(mine)
        for key in keys:
            yield from self.walk(actual[key], expected[key], (*place, key))


def assert_close(
    actual: Any,
    expected: Any,
    *,
    allow_subclasses: bool = True,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,
    check_dtype: bool = True,
    check_layout: bool = True,
    check_stride: bool = False,
    msg: str | Callable[[str], str] | None = None,
) -> None:
    """Check that ``|actual - expected| <= atol + rtol * |expected|`` for each element.

    Args:
        actual: tensors, numbers, arrays, ``None``, or sequences and mappings of them.
        expected: the same.
        allow_subclasses: whether a tensor may be compared with one of a subclass.
        rtol: relative tolerance, to be given with ``atol``; by default that of the less precise dtype
            (float32: 1.3e-6; integers: 0).
        atol: absolute tolerance (float32: 1e-5; integers: 0).
        equal_nan: whether two nan count as equal.
        check_device: whether devices must agree.
        check_dtype: whether dtypes must agree.
        check_layout: whether layouts must agree.
        check_stride: whether strides must agree.
        msg: replaces the message, or a function that is given it.

    Raises:
        AssertionError: the values differ, or what is checked of them.
        TypeError: values that cannot be compared.
        ValueError: only one of the tolerances is given.
    """
    __tracebackhide__ = True
    comparer = _Comparer(
        allow_subclasses=allow_subclasses,
        rtol=rtol,
        atol=atol,
        equal_nan=equal_nan,
        check_device=check_device,
        check_dtype=check_dtype,
        check_layout=check_layout,
        check_stride=check_stride,
    )
    try:
        comparisons = list(comparer.walk(actual, expected))
    except _Mismatch as mismatch:
        raise mismatch.error(None) from None
    for compare in comparisons:
        try:
            compare()
        except _Mismatch as mismatch:
            raise mismatch.error(msg) from None


def assert_allclose(
    actual: Any,
    expected: Any,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = True,
    msg: str = "",
) -> None:
    """The former ``assert_close``; deprecated."""
    warnings.warn(
        "`torch.testing.assert_allclose()` is deprecated since 1.12 and will be removed in a future release. "
        "Please use `torch.testing.assert_close()` instead.",
        FutureWarning,
        stacklevel=2,
    )
    actual = actual if isinstance(actual, Tensor) else jtorch.tensor(actual)
    expected = expected if isinstance(expected, Tensor) else jtorch.tensor(expected, dtype=actual.dtype)
    if rtol is None and atol is None:
        names = [str(t.dtype).partition(".")[2] for t in (actual, expected)]
        wide = {"float16": (1e-3, 1e-3), "float32": (1e-4, 1e-5), "float64": (1e-5, 1e-8)}
        rtol, atol = _tolerances(names, None, None, (), wide)
    assert_close(
        actual, expected, rtol=rtol, atol=atol, equal_nan=equal_nan, check_dtype=False, msg=msg or None
    )
