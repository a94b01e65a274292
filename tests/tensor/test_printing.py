"""Printed tensors against PyTorch: recorded texts that need no torch, and random arrays printed by both."""

import math

import ml_dtypes
import numpy as np
import pytest

from jtorch.tensor import _printing as printing

NAN, INF = math.nan, math.inf


@pytest.fixture(autouse=True)
def default_options():
    printing.set_printoptions(profile="default")
    yield
    printing.set_printoptions(profile="default")


def text_of(values, dtype=np.float32, **keywords):
    array = np.array(values, dtype)
    return printing.tensor_str(array, shape=array.shape, dtype_name=array.dtype.name, **keywords)


# Examples from PyTorch's pages (torch.tensor, eye, complex, ...) and edges, as PyTorch 2.13 prints them.
RECORDED = [
    (
        [[0.1, 1.2], [2.2, 3.1], [4.9, 5.2]],
        "f4",
        "tensor([[0.1000, 1.2000],\n        [2.2000, 3.1000],\n        [4.9000, 5.2000]])",
    ),
    ([0, 1], "i8", "tensor([0, 1])"),
    ([[0.11111, 0.222222, 0.3333333]], "f8", "tensor([[0.1111, 0.2222, 0.3333]], dtype=torch.float64)"),
    (3.14159, "f4", "tensor(3.1416)"),
    ([], "f4", "tensor([])"),
    ([], "i8", "tensor([], dtype=torch.int64)"),
    (np.zeros((0, 3)), "f4", "tensor([], size=(0, 3))"),
    (np.zeros((2, 0)), "?", "tensor([], size=(2, 0), dtype=torch.bool)"),
    ([1.0, 2.0, 3.0], "f4", "tensor([1., 2., 3.])"),
    (np.eye(3), "f4", "tensor([[1., 0., 0.],\n        [0., 1., 0.],\n        [0., 0., 1.]])"),
    ([[1, -1], [1, -1]], "i8", "tensor([[ 1, -1],\n        [ 1, -1]])"),
    ([1, 1], "i4", "tensor([1, 1], dtype=torch.int32)"),
    ([True, False], "?", "tensor([ True, False])"),
    ([1 + 3j, 2 + 4j], "c8", "tensor([1.+3.j, 2.+4.j])"),
    (1.5 - 2j, "c16", "tensor(1.5000-2.j, dtype=torch.complex128)"),
    (
        [1e-10, 1e-5, 1.0, 1e5, 1e10],
        "f4",
        "tensor([1.0000e-10, 1.0000e-05, 1.0000e+00, 1.0000e+05, 1.0000e+10])",
    ),
    ([1.0, 1000.0], "f4", "tensor([   1., 1000.])"),
    ([1.0, 1001.0], "f4", "tensor([1.0000e+00, 1.0010e+03])"),
    ([1.0, NAN, INF, -INF], "f4", "tensor([1., nan, inf, -inf])"),
    ([1.5, NAN, INF, -INF], "f4", "tensor([1.5000,    nan,    inf,   -inf])"),
    ([0.0, NAN, -0.0], "f4", "tensor([0., nan, -0.])"),
    (1e-4, "f4", "tensor(1.0000e-04)"),
    (1e-4, "f8", "tensor(0.0001, dtype=torch.float64)"),
    ([1.0, 2.5], ml_dtypes.bfloat16, "tensor([1.0000, 2.5000], dtype=torch.bfloat16)"),
    ([1.0, 2.0], ml_dtypes.float8_e4m3fn, "tensor([1., 2.], dtype=torch.float8_e4m3fn)"),
    (np.arange(1001), "i8", "tensor([   0,    1,    2,  ...,  998,  999, 1000])"),
    (
        np.arange(30),
        "i8",
        "tensor([ 0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14, 15, 16, 17,\n"
        "        18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29])",
    ),
    (
        np.arange(8).reshape(2, 2, 2),
        "i8",
        "tensor([[[0, 1],\n         [2, 3]],\n\n        [[4, 5],\n         [6, 7]]])",
    ),
    (
        np.ones((20, 100)),
        "f4",
        "tensor([[1., 1., 1.,  ..., 1., 1., 1.],\n"
        "        [1., 1., 1.,  ..., 1., 1., 1.],\n"
        "        [1., 1., 1.,  ..., 1., 1., 1.],\n"
        "        ...,\n"
        "        [1., 1., 1.,  ..., 1., 1., 1.],\n"
        "        [1., 1., 1.,  ..., 1., 1., 1.],\n"
        "        [1., 1., 1.,  ..., 1., 1., 1.]])",
    ),
]


@pytest.mark.parametrize(("values", "dtype", "text"), RECORDED, ids=range(len(RECORDED)))
def test_recorded_texts(values, dtype, text):
    assert text_of(values, dtype) == text


def test_suffixes():  # PyTorch 2.13; the devices from the pages of torch.tensor and torch.device
    row = [[0.11111, 0.222222, 0.3333333]]
    assert text_of(row, "f8", device_str="cuda:0", is_default_device=False) == (
        "tensor([[0.1111, 0.2222, 0.3333]], device='cuda:0', dtype=torch.float64)"
    )
    assert text_of([1.0], requires_grad=True) == "tensor([1.], requires_grad=True)"
    assert text_of([1.0], requires_grad=True, grad_fn_name="MulBackward0") == (
        "tensor([1.], grad_fn=<MulBackward0>)"
    )
    assert text_of([1.0], is_parameter=True, requires_grad=True) == (
        "Parameter containing:\ntensor([1.], requires_grad=True)"
    )
    assert text_of([1.0], prefix="Mine(") == "Mine([1.])"
    assert text_of([1.0], is_parameter=True, prefix="Mine(") == "Parameter containing:\nParameter(Mine([1.]))"


def test_suffix_past_the_end_of_the_line_starts_a_new_one():  # PyTorch 2.13
    values = [0.5] * 7
    assert text_of(values, "f8", requires_grad=True) == (
        "tensor([0.5000, 0.5000, 0.5000, 0.5000, 0.5000, 0.5000, 0.5000],\n"
        "       dtype=torch.float64, requires_grad=True)"
    )


def test_meta():  # PyTorch 2.13
    meta = {"is_meta": True, "device_str": "meta", "is_default_device": False}
    text = printing.tensor_str(None, shape=(2, 3), dtype_name="float32", **meta)
    assert text == "tensor(..., device='meta', size=(2, 3))"
    text = printing.tensor_str(None, shape=(), dtype_name="int64", **meta)
    assert text == "tensor(..., device='meta', size=(), dtype=torch.int64)"


def test_default_dtype():  # PyTorch 2.13 after torch.set_default_dtype(torch.float64)
    default = {"default_dtype_name": "float64", "default_complex_name": "complex128"}
    assert text_of([1.0], "f8", **default) == "tensor([1.])"
    assert text_of([1.0], "f4", **default) == "tensor([1.], dtype=torch.float32)"
    assert text_of([1.0], "c16", **default) == "tensor([1.+0.j])"
    assert text_of([1.0], "c8", **default) == "tensor([1.+0.j], dtype=torch.complex64)"


def test_options():
    printing.set_printoptions(precision=2, sci_mode=True)  # page of torch.set_printoptions
    assert text_of([1.12345]) == "tensor([1.12e+00])"
    printing.set_printoptions(threshold=5)
    assert printing.get_printoptions() == {
        "precision": 2, "threshold": 5, "edgeitems": 3, "linewidth": 80, "sci_mode": None,
    }  # fmt: skip
    assert text_of(np.arange(10), "i8") == "tensor([0, 1, 2,  ..., 7, 8, 9])"
    with printing.printoptions(profile="short", sci_mode=False):
        assert text_of([1.12345, 1e9]) == "tensor([         1.12, 1000000000.00])"
        assert printing.get_printoptions()["edgeitems"] == 2
    assert printing.get_printoptions()["threshold"] == 5


def test_options_come_back_after_an_error():
    before = printing.get_printoptions()
    with pytest.raises(ZeroDivisionError), printing.printoptions(precision=2):
        1 / 0  # noqa: B018
    assert printing.get_printoptions() == before


def test_summary_reads_only_the_edges():
    vast = np.broadcast_to(np.float32(1.5), (10**6, 10**6))  # 4 TB if anything touched all of it
    text = printing.tensor_str(vast, shape=vast.shape, dtype_name="float32")
    assert text.count("1.5000") == 36
    edges = vast[np.ix_(*printing.edge_indices(vast.shape))]
    assert edges.shape == (6, 6)
    assert printing.tensor_str(edges, shape=vast.shape, dtype_name="float32") == text


def test_format_spec():
    class Tensor:
        def __str__(self):
            return "tensor([1., 1.])"

    assert printing.format_spec(Tensor(), ".2f", lambda: 1.2345) == "1.23"
    assert printing.format_spec(Tensor(), "", lambda: 1.5) == "1.5"
    assert printing.format_spec(Tensor(), "", None) == "tensor([1., 1.])"
    with pytest.raises(TypeError, match=r"^unsupported format string passed to Tensor\.__format__$"):
        printing.format_spec(Tensor(), ".2f", None)
    with pytest.raises(ValueError, match="Unknown format code 'd' for object of type 'float'"):
        printing.format_spec(Tensor(), "d", lambda: 1.5)


# Random arrays, printed by both.

INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
FLOAT8 = ["float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu"]
FLOATS = ["float16", "float32", "float64", "bfloat16"]
COMPLEX = {"complex64": "float32", "complex128": "float64"}
DTYPES = [*FLOATS * 3, *COMPLEX, *COMPLEX, *FLOAT8, *INTEGERS, "bool"]


def numpy_dtype(name):
    return np.dtype(getattr(ml_dtypes, name)) if name in FLOAT8 or name == "bfloat16" else np.dtype(name)


def random_shape(rng):
    kind = rng.integers(10)
    if kind == 0:
        return ()
    if kind == 1:
        return tuple(rng.integers(0, 3, rng.integers(1, 5)).tolist())
    highest = {1: 60, 2: 14, 3: 8, 4: 5}
    dims = int(rng.integers(1, 5))
    return tuple(rng.integers(1, highest[dims], dims).tolist())


def random_reals(rng, shape):
    kind = rng.integers(9)
    scale = 10.0 ** rng.integers(-6, 7)
    if kind == 0:
        values = rng.integers(-9, 10, shape) * 1.0
    elif kind == 1:
        values = np.round(rng.standard_normal(shape) * scale)
    elif kind == 2:
        powers = rng.uniform(-rng.uniform(0, 6), rng.uniform(0, 10), shape)
        values = 10.0**powers * rng.choice([-1, 1], shape)
    elif kind == 3:  # around the limits of scientific notation
        values = rng.choice([1e-4, 9.99e-5, 1e8, 1.0001e8, 1.0, 1000.0, 1001.0, 0.1, 100.0, 99999.5], shape)
        values = values * rng.choice([1, -1], shape) if rng.random() < 0.5 else values
    elif kind == 4:
        values = np.zeros(shape)
    elif kind == 5:
        values = rng.random(shape)
    elif kind == 6:  # rounds up to one more digit, and halves
        values = rng.choice([9.99995, 0.5, 1.5, 2.5, 99.99996, -9.99999, 1.00005], shape)
    else:
        values = rng.standard_normal(shape) * scale
    if rng.random() < 0.3:
        special = rng.choice([NAN, INF, -INF, 0.0, -0.0], shape)
        values = np.where(rng.random(shape) < rng.choice([0.1, 0.5, 1.0]), special, values)
    return values


def random_array(rng, name, shape):
    dtype = numpy_dtype(name)
    with np.errstate(all="ignore"):
        if name == "bool":
            return np.asarray(rng.random(shape) < rng.random())
        if name in INTEGERS:
            bound = np.iinfo(dtype)
            high = min(int(bound.max), 10 ** int(rng.integers(1, 20)))
            return np.asarray(rng.integers(max(int(bound.min), -high), high, shape, dtype=dtype))
        if name in COMPLEX:
            array = np.empty(shape, dtype)
            array.real, array.imag = random_reals(rng, shape), random_reals(rng, shape)
            return array
        if rng.random() < 0.1:  # any bits: subnormals, the largest numbers, nans with payloads
            count = math.prod(shape)
            return np.frombuffer(rng.bytes(count * dtype.itemsize), dtype, count).reshape(shape)
        return np.asarray(random_reals(rng, shape)).astype(dtype)


def random_options(rng):
    options = {}
    if rng.random() < 0.4:
        options["precision"] = int(rng.integers(0, 10))
    if rng.random() < 0.4:
        options["linewidth"] = int(rng.integers(5, 160))
    if rng.random() < 0.4:
        options["edgeitems"] = int(rng.integers(0, 6))
    if rng.random() < 0.6:
        options["threshold"] = rng.choice([0, 3, 20, 100, INF])
    if rng.random() < 0.3:
        options["sci_mode"] = bool(rng.random() < 0.5)
    if rng.random() < 0.2:
        options["profile"] = str(rng.choice(["default", "short", "full", "none such"]))
    return options


def as_torch(torch, array, name):
    dtype = getattr(torch, name)
    if name in FLOAT8 or name == "bfloat16":
        raw = array.view(np.int8 if array.itemsize == 1 else np.int16)
        return torch.from_numpy(raw.copy()).view(dtype)
    return torch.from_numpy(array.copy())


@pytest.mark.parametrize("seed", range(6))
def test_random_arrays_print_as_in_torch(seed):
    torch = pytest.importorskip("torch")

    class X(torch.Tensor):
        pass

    class LongerName(torch.Tensor):
        pass

    class Weight(torch.nn.Parameter):
        pass

    def dress(tensor, name):
        """A tensor of a random kind, with the keywords that describe it."""
        differentiable = tensor.is_floating_point() or tensor.is_complex()
        kind = rng.integers(8)
        if kind == 0 and differentiable:
            return tensor.requires_grad_(), {"requires_grad": True}
        if kind == 1 and differentiable:
            return tensor.requires_grad_().clone(), {"requires_grad": True, "grad_fn_name": "CloneBackward0"}
        if kind == 2:
            grad = bool(differentiable and rng.random() < 0.8)
            keywords = {"is_parameter": True, "requires_grad": grad}
            if rng.random() < 0.3:
                return Weight(tensor, requires_grad=grad), {**keywords, "prefix": "Weight("}
            return torch.nn.Parameter(tensor, requires_grad=grad), keywords
        if kind == 3:
            cls = X if rng.random() < 0.5 else LongerName
            return tensor.as_subclass(cls), {"prefix": cls.__name__ + "("}
        if kind == 4:
            return tensor.to("meta"), {"is_meta": True, "device_str": "meta", "is_default_device": False}
        return tensor, {}

    rng = np.random.default_rng(seed)
    try:
        for _ in range(600):
            name, shape, options = str(rng.choice(DTYPES)), random_shape(rng), random_options(rng)
            array = random_array(rng, name, shape)
            tensor, keywords = dress(as_torch(torch, array, name), name)
            default = str(rng.choice(["float32", "float32", "float64", "bfloat16"]))
            keywords["default_dtype_name"] = default
            keywords["default_complex_name"] = "complex128" if default == "float64" else "complex64"
            torch.set_printoptions(profile="default")
            torch.set_printoptions(**options)
            torch.set_default_dtype(getattr(torch, default))
            expected = repr(tensor)
            values = None if keywords.get("is_meta") else array
            with printing.printoptions(**options):
                got = printing.tensor_str(values, shape=shape, dtype_name=name, **keywords)
            assert got == expected, (name, shape, options, keywords)
    finally:
        torch.set_printoptions(profile="default")
        torch.set_default_dtype(torch.float32)


def test_options_are_torchs():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    try:
        for _ in range(300):
            options = random_options(rng)
            torch.set_printoptions(**options)
            printing.set_printoptions(**options)
            assert printing.get_printoptions() == torch._tensor_str.get_printoptions()
    finally:
        torch.set_printoptions(profile="default")
