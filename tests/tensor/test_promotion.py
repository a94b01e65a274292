"""Types of results, and what is refused because of types, over all pairs of dtypes: against torch."""

import pytest

SETUP = """
DTYPES = [torch.bool, torch.uint8, torch.int8, torch.int32, torch.int64, torch.float16, torch.bfloat16,
    torch.float32, torch.float64, torch.complex64, torch.uint16, torch.uint32, torch.float8_e5m2]
NUMBERS = [True, 2, 2.5, np.float32(2), np.int64(2), np.float64(2.0)]
COMMON = [d for d in DTYPES if d not in (torch.uint16, torch.uint32, torch.float8_e5m2)]

def outcome(function, *args):
    try:
        result = function(*args)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return str(result.dtype if isinstance(result, torch.Tensor) else result)

def table(function, first, second):
    return [(str(x), str(y), outcome(function, x, y)) for x in first for y in second]

def ones(dtype):
    return torch.ones(2, dtype=dtype)

def beside_a_half(function, half):
    many, halves = torch.tensor([70000, 2049, 3]), torch.tensor([1.5, 2.5, 2.0], dtype=half)
    others = [many, many * 1, torch.tensor(2049) * 1, torch.tensor([2049]), torch.tensor(0.1001234) * 1]
    return [function(*pair).tolist() for x in others for pair in ((halves, x), (x, halves))]

def numbers_beside_a_half(half):
    x = torch.tensor([1.5, 2.5, 2.0, -3.25, 100.0], dtype=half)
    names = "add sub mul div floor_divide remainder fmod pow".split()
    functions = [getattr(torch, name) for name in names]
    found = [(f(x, n), f(n, x)) for f in functions for n in (2049, 0.1001234, 3.3333)]
    found += [(n * x, n - x, n ** x, torch.sub(x, 2049, alpha=3)) for n in (2049, 0.1001234)]
    found += [(torch.add(x[:3], x[:3], alpha=0.1001234), x.clone().add_(2049), x.clone().mul_(0.1001234))]
    return [str(y.tolist()) for pair in found for y in pair]
"""

TABLES = [
    "[numbers_beside_a_half(d) for d in (torch.float16, torch.bfloat16)]",
    "[beside_a_half(f, torch.float16) for f in (torch.add, torch.sub, torch.mul, torch.div, torch.hypot)]",
    "[beside_a_half(f, torch.bfloat16) for f in (torch.remainder, torch.fmod, torch.floor_divide)]",
    "table(torch.promote_types, DTYPES, DTYPES)",
    "table(lambda x, y: torch.result_type(ones(x), torch.ones((), dtype=y)), COMMON[:5], COMMON)",
    "table(lambda x, y: torch.result_type(ones(x), y), COMMON, NUMBERS)",
    "table(lambda x, y: ones(x) - ones(y), COMMON, COMMON)",
    "table(lambda x, y: ones(x).sub_(ones(y)), COMMON[:4], COMMON[:1])",
    "table(lambda x, y: ones(x) - y, COMMON, NUMBERS)",
    "table(lambda x, y: y - ones(x), COMMON, NUMBERS)",
    "table(lambda x, y: torch.add(ones(x), ones(x), alpha=y), COMMON, [True, 2, 2.5])",
    "table(lambda x, y: torch.add(ones(x), ones(x), alpha=y), COMMON[:5], [2j])",
    "table(lambda x, y: torch.addcdiv(ones(x), ones(y), ones(y)), COMMON, COMMON[1:])",
    "table(lambda x, y: torch.sum(ones(x), dtype=y), COMMON[:-1], COMMON)",
    "table(lambda x, y: torch.prod(ones(x), dtype=y), COMMON[:5], COMMON[:5])",
    "[outcome(lambda x: ~ones(x), x) for x in COMMON]",
    "[outcome(lambda x: x.to_complex(), x) for x in DTYPES if x is not torch.float16]",
    "[outcome(lambda x: repr(torch.finfo(x)), x) for x in DTYPES]",
    "[outcome(lambda x: repr(torch.iinfo(x)), x) for x in DTYPES]",
]


@pytest.mark.parametrize("expression", TABLES)
def test_types_agree_with_torch(agree, expression):
    agree(expression, SETUP)


VALUES = [300, -1, -256, -300, 2**40, 1e5, 1e39, -1e39, float("nan"), float("inf"), 3.7, True]
WRITES = [
    "x.fill_({v})",
    "x.__setitem__(0, {v})",
    "x.masked_fill(torch.tensor([True, False]), {v})",
    "x.masked_fill_(torch.tensor([True, False]), {v})",
    "x.index_fill(0, torch.tensor([0]), {v})",
    "torch.full((2,), {v}, dtype=x.dtype)",
    "torch.full((), {v}, dtype=x.dtype)",
    "torch.full_like(x, {v})",
]


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("dtype", ["uint8", "int8", "int64", "float16", "bfloat16", "float32", "bool"])
def test_numbers_that_do_not_fit_are_refused(agree, write, dtype):
    for value in VALUES:
        number = f"float('{value}')" if value != value or value in (float("inf"),) else repr(value)
        expression = write.format(v=number)
        agree(f"(outcome(lambda: str({expression})), str(x))", f"{SETUP}\nx = ones(torch.{dtype})")
