"""Creation functions: values, dtypes, strides, errors and warnings as PyTorch's; memory shared with NumPy."""

import numpy as np
import pytest

import jtorch

# Evaluated with both packages; tables of what users write, and of what they get wrong.
DATA = [
    "torch.tensor([1,[2]])",
    "torch.tensor([[1],2])",
    "torch.tensor([[1.,2],[3]])",
    "torch.tensor([1.,[2]])",
    "torch.tensor([1.,None])",
    "torch.tensor(None)",
    'torch.tensor("a")',
    'torch.tensor(["a"])',
    'torch.tensor([1,"a"])',
    "torch.tensor({1:2})",
    "torch.tensor([2**63])",
    "torch.tensor(2**63)",
    "torch.tensor(2**64)",
    "torch.tensor([2**63], dtype=torch.uint64)",
    "torch.tensor([300], dtype=torch.uint8)",
    "torch.tensor([-1], dtype=torch.uint8)",
    "torch.tensor(300, dtype=torch.uint8)",
    "torch.tensor(-1, dtype=torch.uint8)",
    "torch.tensor(-129, dtype=torch.int8)",
    "torch.tensor(1e10, dtype=torch.int8)",
    "torch.tensor([1e50], dtype=torch.float32)",
    "torch.tensor([1e50], dtype=torch.float16)",
    "torch.tensor([1+2j], dtype=torch.float32)",
    "torch.tensor(1+2j, dtype=torch.float32)",
    "torch.tensor(1+2j, dtype=torch.int64)",
    "torch.tensor(1+2j, dtype=torch.bool)",
    "torch.tensor([1.7,-1.7], dtype=torch.int64)",
    "torch.tensor([float('nan')], dtype=torch.int64)",
    "torch.tensor(float('inf'), dtype=torch.int32)",
    "torch.tensor([0.5], dtype=torch.bool)",
    "torch.tensor([np.float64(1)])",
    "torch.tensor([np.float32(1), 2.0])",
    "torch.tensor([np.float16(1), 2])",
    "torch.tensor([np.int32(1), 2])",
    "torch.tensor([np.int8(1)])",
    "torch.tensor([np.bool_(1)])",
    "torch.tensor(np.float64(1))",
    "torch.tensor(np.int32(1))",
    "torch.tensor([np.zeros(2), [1,2]])",
    "torch.tensor([torch.tensor(1.), 2])",
    "torch.tensor([torch.tensor([1.,2])])",
    "torch.tensor([torch.tensor([1.]), torch.tensor([2])])",
    "torch.tensor([torch.tensor(1.), torch.tensor(2., dtype=torch.float64)])",
    "torch.tensor(torch.ones(2))",
    "torch.tensor([[], []])",
    "torch.tensor([])",
    "torch.tensor(())",
    "torch.tensor([[[]]])",
    "torch.tensor(range(3))",
    "torch.tensor([range(3), [1,2,3]])",
    "torch.tensor([True, 2])",
    "torch.tensor([True, 2.])",
    "torch.tensor([1, 2j])",
    'torch.tensor(np.array(["a"]))',
    'torch.tensor(np.array([1,2], dtype=">i4"))',
    "torch.tensor(np.array([None]))",
    "torch.tensor(np.zeros(2, np.uint16))",
    "torch.tensor(1., dtype=torch.float32, requires_grad=True)",
    "torch.tensor([1], requires_grad=True)",
    "torch.tensor(1, pin_memory=True)",
    'torch.tensor([1,2], dtype="float32")',
    "torch.tensor([1,2], dtype=float)",
    "torch.tensor([1,2], dtype=int)",
    "torch.tensor([1,2], dtype=np.float32)",
    'torch.tensor([1,2], device="bogus")',
    "torch.tensor(1, 2)",
    "torch.tensor([1], foo=1)",
    "torch.tensor(data=[1])",
    'torch.tensor(memoryview(b"abc"))',
    'torch.tensor(b"abc")',
    'torch.tensor(bytearray(b"abc"))',
    "torch.tensor(array.array('f',[1,2]))",
    "torch.tensor({1,2})",
    "torch.tensor(np.ma.array([1,2]))",
    "torch.tensor(np.array(1.0)[()])",
    "torch.tensor(object())",
    "torch.tensor([object()])",
    "torch.tensor([[1,2],[3,object()]])",
    "torch.as_tensor([1,2])",
    "torch.as_tensor(np.float32(2))",
    "torch.as_tensor(3, dtype=torch.float16)",
    "torch.from_numpy([1])",
    'torch.from_numpy(np.array(["a"]))',
    "torch.from_numpy(np.arange(3)[::-1])",
    "torch.from_numpy(np.arange(3,dtype='>i4'))",
    "torch.from_numpy(np.float32(2))",
    "torch.from_numpy(np.array(2.))",
    "torch.from_numpy(np.broadcast_to(np.ones(2),(3,2)))",
    "torch.from_numpy(np.arange(6).reshape(2,3).T).stride()",
    "torch.from_numpy(np.zeros((3,5),np.int8)[:, 1:3]).storage_offset()",
    "torch.from_numpy(np.zeros(3, dtype=[('a','i1'),('b','i4')])['b'])",
    "torch.scalar_tensor(3)",
    "torch.scalar_tensor(3, dtype=torch.int32)",
    "torch.scalar_tensor(True)",
    "torch.scalar_tensor(1j)",
    "torch.scalar_tensor([1])",
    "torch.asarray([1,2])",
    "torch.asarray(np.ones(2), dtype=torch.float32)",
    "torch.asarray(3., copy=False)",
    "torch.asarray([1], copy=False)",
    "torch.asarray(torch.ones(2), copy=True)",
    "torch.asarray(np.ones(2), copy=False, dtype=torch.int32)",
]

FACTORIES = [
    "torch.zeros(2,3)",
    "torch.zeros((2,3))",
    "torch.zeros([2,3])",
    "torch.zeros(torch.Size([2]))",
    "torch.zeros()",
    "torch.zeros(())",
    "torch.zeros(-1)",
    "torch.zeros(2.5)",
    'torch.zeros("a")',
    'torch.zeros((2,"a"))',
    "torch.zeros((2,2.5))",
    "torch.zeros(2, (3,))",
    "torch.zeros(torch.tensor(2))",
    "torch.zeros(torch.tensor(2), 3)",
    "torch.zeros(np.int64(2))",
    "torch.zeros((np.int64(2),torch.tensor(3)))",
    "torch.zeros(size=(2,))",
    "torch.zeros(True)",
    "torch.zeros(2, dtype=torch.int8)",
    "torch.zeros(2, dtype=int)",
    "torch.zeros(2, dtype=torch.int8, requires_grad=True)",
    "torch.zeros(2, foo=1)",
    "torch.zeros(2, layout=torch.strided)",
    "torch.zeros(2, out=torch.ones(2,dtype=torch.int32))",
    "torch.zeros(2, out=torch.ones(2,dtype=torch.int32), dtype=torch.float32)",
    "torch.ones(2, device='meta')",
    "torch.ones(2, names=None)",
    "torch.full((2,), 1)",
    "torch.full((2,), 1.)",
    "torch.full((2,), True)",
    "torch.full((2,), 1j)",
    "torch.full(2, 1)",
    "torch.full((2,), torch.tensor(3))",
    "torch.full((2,), torch.tensor(3.5))",
    "torch.full((2,), torch.ones(2))",
    "torch.full((2,), 300, dtype=torch.uint8)",
    "torch.full((2,), -1, dtype=torch.uint8)",
    "torch.full((2,), 1.7, dtype=torch.int32)",
    "torch.full((2,), 1e50)",
    "torch.full((2,), 1j, dtype=torch.float32)",
    "torch.full((2,), float('nan'), dtype=torch.int32)",
    "torch.full((2,), 'a')",
    "torch.full(size=(2,), fill_value=3)",
    "torch.full([], 2.)",
    "torch.full((2,), 2, out=torch.zeros(2))",
    "torch.full((2,), 2**63)",
    "torch.full((2,), np.float32(2))",
    "torch.full((2,), np.int32(2))",
    "torch.empty(2,0)",
    "torch.empty(2, memory_format=torch.channels_last)",
    "torch.empty((2,3,4,5), memory_format=torch.channels_last).stride()",
    "torch.empty_strided((2,3),(1,2)).stride()",
    "torch.zeros_like([1])",
    "torch.zeros_like(torch.ones(2), dtype=torch.int32)",
    "torch.zeros_like(torch.ones(2,3).t()).stride()",
    "torch.zeros_like(torch.ones(2,3).t(), memory_format=torch.contiguous_format).stride()",
    "torch.zeros_like(torch.ones(1,3).expand(2,3)).stride()",
    "torch.zeros_like(torch.ones(2,6)[:, ::2]).stride()",
    "torch.zeros_like(torch.ones(2,3,4).permute(2,0,1)).stride()",
    "torch.zeros_like(torch.ones(2,3,4).permute(2,0,1)[:, :1]).stride()",
    "torch.zeros_like(torch.ones(2,3,4,5), memory_format=torch.channels_last).stride()",
    "torch.full_like(torch.ones(2), 3)",
    "torch.full_like(torch.ones(2,dtype=torch.int32), 3.7)",
    "torch.full_like(torch.ones(2), 1j)",
    "torch.full_like(torch.ones(2), torch.tensor(3))",
    "torch.ones(2).new_zeros(3)",
    "torch.ones(2).new_zeros((3,2))",
    "torch.ones(2).new_zeros(3,2)",
    "torch.ones(2).new_ones(3, dtype=torch.int32)",
    "torch.ones(2).new_full((2,), 3)",
    "torch.ones(2).new_full((2,), 3j)",
    "torch.ones(2, dtype=torch.int32).new_full((2,), 3.5)",
    "torch.ones(2).new_tensor([1,2])",
    "torch.ones(2).new_tensor(torch.ones(2,dtype=torch.int32))",
    "torch.ones(2).new_empty(2).shape",
    "torch.ones(2).new_empty_strided((2,3),(1,2)).stride()",
    "torch.arange(5)",
    "torch.arange(1,5)",
    "torch.arange(1,5,2)",
    "torch.arange(5.)",
    "torch.arange(1,2.5,0.5)",
    "torch.arange(0, 1, 0.1)",
    "torch.arange(5, dtype=torch.float32)",
    "torch.arange(0.5, 3, dtype=torch.int64)",
    "torch.arange(5, 1)",
    "torch.arange(5, 1, -1)",
    "torch.arange(1, 5, 0)",
    "torch.arange(0, float('inf'))",
    "torch.arange(0, float('nan'))",
    "torch.arange(end=3)",
    "torch.arange(start=1, end=3)",
    "torch.arange(torch.tensor(3))",
    "torch.arange(torch.tensor(3.))",
    "torch.arange(3, out=torch.zeros(3))",
    "torch.arange(3, out=torch.zeros(3, dtype=torch.int32))",
    "torch.arange(True)",
    "torch.arange(3, dtype=torch.bool)",
    "torch.arange(1j)",
    "torch.arange(0, 2**62, 2**61)",
    "torch.arange(3, requires_grad=True)",
    "torch.arange(3., requires_grad=True)",
    'torch.arange("a")',
    "torch.arange()",
    "torch.arange(3,5,1,2)",
    "torch.arange(3, dtype=torch.bfloat16)",
    "torch.arange(0, 1, 0.1, dtype=torch.float16)",
    "torch.arange(0, 300, 100, dtype=torch.uint8)",
    "torch.range(1,3)",
    "torch.range(1,2,0.5)",
    "torch.range(1,3,dtype=torch.int64)",
    "torch.range(3,1)",
    "torch.linspace(0,1,5)",
    "torch.linspace(0,1,1)",
    "torch.linspace(0,1,0)",
    "torch.linspace(0,1,-1)",
    "torch.linspace(0,1)",
    "torch.linspace(0,10,5,dtype=torch.int64)",
    "torch.linspace(0,9,5,dtype=torch.int64)",
    "torch.linspace(torch.tensor(0.),torch.tensor(1),3)",
    "torch.linspace(torch.ones(2),torch.tensor(1),3)",
    "torch.linspace(0,1j,3)",
    "torch.linspace(0,1,3,dtype=torch.bool)",
    "torch.linspace(start=0,end=1,steps=3)",
    "torch.linspace(3,-3,7)",
    "torch.linspace(0,1,7,dtype=torch.float16)",
    "torch.linspace(0,1,7,dtype=torch.bfloat16)",
    "torch.linspace(0,1,7,dtype=torch.float64)",
    "torch.linspace(0,1,5, out=torch.zeros(5))",
    "torch.linspace(0,1,2.5)",
    "torch.logspace(0,2,3)",
    "torch.logspace(0,2,3,base=2)",
    "torch.logspace(0,2,3,2,dtype=torch.int64)",
    "torch.logspace(0,1,1)",
    "torch.logspace(-1,1,5,dtype=torch.float64)",
    "torch.eye(2)",
    "torch.eye(2,3)",
    "torch.eye(-1)",
    "torch.eye(2,-1)",
    "torch.eye(2,dtype=torch.int64)",
    "torch.eye(0)",
    "torch.eye(2.5)",
    "torch.eye(2, out=torch.zeros(2,2))",
    "torch.eye(2,requires_grad=True)",
    'torch.frombuffer(bytearray(b"abcdefgh"), dtype=torch.int32)',
    'torch.frombuffer(b"abcdefgh", dtype=torch.int32)',
    'torch.frombuffer(bytearray(b"abcdefgh"), dtype=torch.int32, count=1, offset=4)',
    'torch.frombuffer(bytearray(b"abcdefgh"), dtype=torch.int32, offset=1)',
    'torch.frombuffer(bytearray(b"abcdefgh"), dtype=torch.int32, count=3)',
    'torch.frombuffer(bytearray(b"abcdefgh"), dtype=torch.int32, offset=8)',
    'torch.frombuffer(bytearray(b""), dtype=torch.int32)',
    'torch.frombuffer(bytearray(b"abcdefgh"), dtype=torch.int32, count=0)',
    "torch.frombuffer(3, dtype=torch.int32)",
    "torch.empty_like(torch.ones(2)).shape",
    "torch.set_default_dtype(torch.int32)",
    'torch.set_default_dtype("a")',
    "torch.get_default_device()",
    "torch.empty_permuted((2,3,4),(2,0,1)).stride()",
    "torch.empty_permuted((2,3,4),(2,0,0)).stride()",
    "torch.channels_last",
    "torch.strided",
    "torch.full((2,3), 5, memory_format=torch.channels_last)",
    "torch.ones(2, dtype=torch.float8_e4m3fn)",
]


@pytest.mark.parametrize("expression", DATA)
def test_data_becomes_a_tensor_as_in_torch(agree, expression):
    agree(expression)


@pytest.mark.parametrize("expression", FACTORIES)
def test_factories_agree_with_torch(agree, expression):
    agree(expression)


def test_lists_by_hand():
    # PyTorch's page of torch.tensor: floats have the default dtype, integers are int64.
    x = jtorch.tensor([[0.1, 1.2], [2.2, 3.1]])
    assert x.dtype is jtorch.float32
    assert x.tolist() == [[np.float32(v).item() for v in row] for row in ((0.1, 1.2), (2.2, 3.1))]
    assert jtorch.tensor([0, 1]).dtype is jtorch.int64
    assert jtorch.tensor([]).shape == (0,)


def test_self_referential_lists_are_refused():
    data = [1]
    data.append(data)
    with pytest.raises(TypeError, match=r"new\(\): self-referential lists are incompatible"):
        jtorch.tensor(data)


def test_arrays_in_lists_are_slow_and_say_so():
    with pytest.warns(UserWarning, match="extremely slow"):
        x = jtorch.tensor([np.zeros(2), np.ones(2)])
    assert x.tolist() == [[0.0, 0.0], [1.0, 1.0]]


def test_tensor_copies_its_data():
    data = np.zeros(2)
    x = jtorch.tensor(data)
    data[0] = 5
    assert x.tolist() == [0.0, 0.0]


def test_from_numpy_shares_memory_both_ways():
    data = np.arange(6.0).reshape(2, 3).T
    x = jtorch.from_numpy(data)
    assert x.stride() == (1, 3)
    data[0, 0] = 10
    assert x[0, 0].item() == 10
    x[2] = -1
    x[:, 0] += 1
    assert data.tolist() == [[11.0, 3.0], [2.0, 4.0], [0.0, -1.0]]
    doubled = x * 2
    data[:] = 0  # after the product was recorded, before it is computed
    assert doubled.tolist() == [[22.0, 6.0], [4.0, 8.0], [0.0, -2.0]]


def test_from_numpy_of_memory_with_gaps():
    data = np.zeros((3, 6), np.float32)
    x = jtorch.from_numpy(data[:, 1:4])
    x[1] = 5
    x[:, ::2] += 1
    assert x.stride() == (6, 1)
    assert data[:, :5].tolist() == [[0, 1, 0, 1, 0], [0, 6, 5, 6, 0], [0, 1, 0, 1, 0]]


def test_read_only_arrays_are_copied():
    data = np.zeros(2)
    data.flags.writeable = False
    with pytest.warns(UserWarning, match="not writable"):
        x = jtorch.from_numpy(data)
    x[0] = 1
    assert data.tolist() == [0.0, 0.0]


def test_as_tensor_shares_where_it_can():
    data = np.zeros(2, np.float32)
    x = jtorch.as_tensor(data)
    data[0] = 1
    assert x.tolist() == [1.0, 0.0]
    assert jtorch.as_tensor(x) is x
    assert jtorch.as_tensor(data, dtype=jtorch.float64).tolist() == [1.0, 0.0]


def test_frombuffer_shares_memory():
    data = bytearray(4)
    x = jtorch.frombuffer(data, dtype=jtorch.uint8)
    x[2] = 7
    assert data == bytearray([0, 0, 7, 0])


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
@pytest.mark.parametrize(
    "bounds", [(0, 1, 0.001), (-5, 5, 0.37), (1, 7.3, 0.3), (3, -2, -0.11), (0.5, 40, 1.7)]
)
def test_arange_has_torchs_bits(torch, dtype, bounds):
    if "AVX" not in torch.backends.cpu.get_cpu_capability():
        pytest.skip("the last bits depend on the vector unit")
    expected = torch.arange(*bounds, dtype=getattr(torch, dtype)).double().tolist()
    assert jtorch.arange(*bounds, dtype=getattr(jtorch, dtype)).double().tolist() == expected


def test_complex_linspace_is_close_to_torchs(torch):
    expected = torch.linspace(1 + 2j, -3, 50).numpy()
    np.testing.assert_allclose(jtorch.linspace(1 + 2j, -3, 50).numpy(), expected, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
@pytest.mark.parametrize("bounds", [(0, 1, 100), (-3, 7, 333), (1, -1, 8), (0, 10, 1)])
def test_linspace_has_torchs_bits(torch, dtype, bounds):
    expected = torch.linspace(*bounds, dtype=getattr(torch, dtype)).tolist()
    assert jtorch.linspace(*bounds, dtype=getattr(jtorch, dtype)).tolist() == expected


@pytest.mark.parametrize("base", [2, 10, 0.5])
def test_logspace_is_close_to_torchs(torch, base):
    expected = torch.logspace(-2, 3, 50, base).numpy()
    np.testing.assert_allclose(jtorch.logspace(-2, 3, 50, base).numpy(), expected, rtol=2e-7)


def test_default_dtype_decides_floats_and_divisions():
    ints = jtorch.tensor([1, 2])
    assert (ints / 2).dtype is jtorch.float32
    jtorch.set_default_dtype(jtorch.float64)
    try:
        assert jtorch.tensor([1.0]).dtype is jtorch.zeros(2).dtype is (ints / 2).dtype is jtorch.float64
        assert jtorch.tensor(1j).dtype is jtorch.complex128
        assert repr(jtorch.tensor([1.0])) == "tensor([1.])"
    finally:
        jtorch.set_default_dtype(jtorch.float32)
    assert (ints / 2).dtype is jtorch.float32


def test_default_device_is_where_factories_place_tensors():
    jtorch.set_default_device("meta")
    try:
        assert jtorch.zeros(2).device == jtorch.get_default_device() == jtorch.device("meta")
        assert jtorch.zeros(2, device="cpu").device == jtorch.device("cpu")
    finally:
        jtorch.set_default_device(None)
    with jtorch.device("meta"):
        assert jtorch.ones(2).device.type == "meta"
    assert jtorch.ones(2).device.type == "cpu"


def test_out_is_resized_and_written():
    out = jtorch.ones(3, dtype=jtorch.int32)
    assert jtorch.zeros(2, out=out) is out
    assert out.tolist() == [0, 0]
    assert jtorch.arange(2, out=out).dtype is jtorch.int32


def test_inference_mode_makes_inference_tensors():
    with jtorch.inference_mode():
        x = jtorch.zeros(2)
    assert x.is_inference()


def test_creation_starts_no_program():
    before = jtorch.metrics()["flushes"]
    for made in (
        jtorch.zeros(3),
        jtorch.arange(3),
        jtorch.eye(2),
        jtorch.tensor([1.0]),
        jtorch.full((2,), 3),
    ):
        made.tolist()
    assert jtorch.metrics()["flushes"] == before


def test_randint_like_takes_high_by_name():
    x = jtorch.zeros(6)
    jtorch.manual_seed(0)
    expected = jtorch.randint_like(x, 3)
    jtorch.manual_seed(0)
    assert jtorch.randint_like(x, high=3).tolist() == expected.tolist()
    assert set(jtorch.randint_like(x, low=1, high=2).tolist()) == {1}
    with pytest.raises(TypeError, match="invalid combination of arguments"):
        jtorch.randint_like(x)
