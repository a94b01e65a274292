"""Arithmetic: values by hand, PyTorch's rules for integers, zeros and nan, and comparison with PyTorch."""

import numpy as np
import pytest

import jtorch

INF, NAN = float("inf"), float("nan")
A = np.array([[1.5, -2.0, 0.0, 7.0], [0.25, -0.5, 3.0, -4.0]], np.float32)
B = np.array([[2.0, 3.0, -1.5, -2.0]], np.float32)
I = np.array([[7, -7, 2, 0], [-3, 5, 1, 9]], np.int64)  # noqa: E741
J = np.array([2, 2, -3, 5], np.int32)
C = (A + 1j * A[::-1]).astype(np.complex64)
M = A > 0


def values(x):
    return x.tolist()


def test_alpha_scales_the_second_operand():
    x = jtorch.tensor([1.0, 2.0])
    assert values(jtorch.add(x, x, alpha=2)) == [3.0, 6.0]
    assert values(jtorch.sub(x, 1, alpha=3)) == [-2.0, -1.0]
    assert values(jtorch.rsub(x, 1, alpha=3)) == [-2.0, -5.0]


def test_rounded_division_and_remainders_by_hand():
    x, y = jtorch.tensor([7, -7, 7, -7]), jtorch.tensor([2, 2, -2, -2])
    assert values(jtorch.div(x, y, rounding_mode="floor")) == [3, -4, -4, 3]
    assert values(jtorch.div(x, y, rounding_mode="trunc")) == [3, -3, -3, 3]
    assert values(x // y) == [3, -4, -4, 3]
    assert values(x % y) == [1, 1, -1, -1]
    assert values(jtorch.fmod(x, y)) == [1, -1, 1, -1]


def test_floor_division_of_floats_counts_from_the_exact_remainder():
    # Python: 1.0 // 0.1 is 9.0, since 0.1 is a little more than 1 / 10; the quotient rounds to 10.
    x = jtorch.tensor([1.0], dtype=jtorch.float64)
    assert values(x // 0.1) == [9.0]
    assert values(jtorch.tensor([INF, -1.0, 1.0]) // jtorch.tensor([1.0, INF, 0.0]))[1:] == [-1.0, INF]


def test_powers_by_hand():
    x = jtorch.tensor([2, -1, 0, 1])
    assert values(x**3) == [8, -1, 0, 1]
    assert values(x ** jtorch.tensor([-1, -3, 0, -2])) == [0, -1, 1, 1]
    assert values(2**x) == [4, 0, 1, 2]
    assert jtorch.float_power(x, 2).dtype == jtorch.float64
    assert jtorch.square(jtorch.tensor([True])).dtype == jtorch.int64


def test_gradients_at_corners():
    x = jtorch.tensor([0.0, 0.0], requires_grad=True)
    (x.abs() + jtorch.atan2(x, x)).sum().backward()
    assert values(x.grad) == [0.0, 0.0]  # both have gradient 0 at 0 in PyTorch


@pytest.mark.parametrize("name", ["add", "sub", "mul", "div", "maximum", "fmod", "remainder", "floor_divide"])
@pytest.mark.parametrize(
    ("x", "y"), [(A, B), (I, J), (A, J), (A, np.float64(2.5))], ids=["ff", "ii", "fi", "fn"]
)
def test_binary_matches_torch(compare, name, x, y):
    y = np.asarray(y) if isinstance(y, np.ndarray) or name == "maximum" else float(y)
    compare(name, x, y, grad=name != "floor_divide" and x is A)


@pytest.mark.parametrize("name", ["add", "mul", "div", "sub"])
def test_complex_and_boolean_matches_torch(compare, name):
    compare(name, C, B)
    compare(name, C, 2 - 1j)
    if name != "sub":
        compare(name, M, M, grad=False)


@pytest.mark.parametrize("mode", ["floor", "trunc", None])
def test_rounding_modes_match_torch(compare, mode):
    compare("div", A, B, rounding_mode=mode)
    compare("div", I, J, rounding_mode=mode, grad=False)


@pytest.mark.parametrize("exponent", [2, 3, 0.5, -1, -2, 0, 2.5, 1j])
def test_powers_match_torch(compare, exponent):
    compare("pow", np.abs(A) + 1, exponent)
    if not isinstance(exponent, complex) and exponent >= 0:
        compare("pow", I, exponent, grad=False)
    compare("float_power", np.abs(A) + 1, exponent)


def test_tensor_powers_match_torch(compare):
    compare("pow", np.abs(A), B)
    compare("pow", 2.0, A)
    compare("pow", C, B)
    compare("pow", I, np.abs(J), grad=False)
    compare("pow", np.zeros(2, np.complex128), np.array([1 + 1j, 0.5 - 2j]))


@pytest.mark.parametrize(
    "name", ["neg", "abs", "sign", "sgn", "square", "positive", "reciprocal", "sqrt", "rsqrt"]
)
def test_unary_matches_torch(compare, name):
    compare(name, A)
    if name != "sign":
        compare(name, C)
    compare(name, I, grad=False)


def test_ternary_matches_torch(compare):
    compare("addcmul", A, B, A, value=0.5)
    compare("addcdiv", A, A, B, value=2)
    compare("addcmul", I, I, J, value=3, grad=False)
    for weight in (0.25, 0.75, B / 5):
        compare("lerp", A, A[::-1].copy(), weight)
    compare("hypot", A, B)
    compare("rsub", A, 3, alpha=2)


def test_half_precision_rounds_once(compare):
    # The intermediate tensor1 * tensor2 would lose bits in float16 or bfloat16.
    x = np.array([0.1, 1.3, -2.7], np.float16)
    compare("addcmul", x, x, x, value=0.3, grad=False)
    compare("add", x, x, alpha=0.3, grad=False)


def test_errors_are_torchs(same_error):
    same_error("sub", M, M)
    same_error("neg", M)
    same_error("pow", I, -1)
    same_error("add", I, I, alpha=1.5)
    same_error("add", A, np.zeros((3, 3), np.float32))
    same_error("div", I, I, rounding_mode="up")
    same_error("addcdiv", I, I, I)
    same_error("lerp", A, A.astype(np.float64), 0.5)
    same_error("sign", C)
    same_error("hypot", I, I)
    same_error("atan2", A, 2)
