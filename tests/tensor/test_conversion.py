"""Conversions: numbers, NumPy, dtypes, text, copies, pickles and storages, against torch and by hand."""

import copy
import pickle

import numpy as np
import pytest

import jtorch

SETUP = """
f = torch.tensor([1.5, 2.5])
i = torch.tensor([1, 2])
sc = torch.tensor(3.7)
si = torch.tensor(3)
b = torch.tensor(True)
c = torch.tensor(1 + 2j)
r = torch.tensor([1.0, 2.0], requires_grad=True)
e = torch.tensor([])
m = torch.ones(2, device="meta")
one = torch.tensor([[5.5]])
"""

CONVERSIONS = [
    "f.item()",
    "sc.item()",
    "one.item()",
    "e.item()",
    "m.item()",
    "m.tolist()",
    "m.numpy()",
    "torch.ones((),device='meta').item()",
    "torch.tensor(1.5,dtype=torch.bfloat16).item()",
    "torch.tensor(1.5,dtype=torch.bfloat16).numpy()",
    "torch.tensor([1.5],dtype=torch.bfloat16).tolist()",
    "torch.tensor([1.5],dtype=torch.float8_e5m2).tolist()",
    "r.numpy()",
    "r.numpy(force=True)",
    "r.detach().numpy()",
    "np.asarray(r)",
    "np.asarray(f)",
    "np.array(i)",
    "np.asarray(sc)",
    "r.__array__()",
    "f.__array__(np.float64)",
    "f.__array__(dtype=np.int32)",
    "float(f)",
    "float(sc)",
    "float(one)",
    "float(c)",
    "int(sc)",
    "int(c)",
    "int(f)",
    "int(torch.tensor(float('nan')))",
    "int(torch.tensor(float('inf')))",
    "bool(f)",
    "bool(e)",
    "bool(sc)",
    "bool(one)",
    "bool(c)",
    "bool(torch.tensor([False]))",
    "complex(sc)",
    "complex(c)",
    "complex(f)",
    "sc.__index__()",
    "si.__index__()",
    "i.__index__()",
    "b.__index__()",
    "torch.tensor([3]).__index__()",
    "[1,2,3,4][si]",
    "range(10)[si]",
    "'{:.2f}'.format(sc)",
    "'{}'.format(sc)",
    "'{}'.format(f)",
    "'{:.2f}'.format(f)",
    "f'{sci:03d}'",
    "f'{sc:>10}'",
    "f'{f:>30}'",
    "'%d' % sc",
    "'%.2f' % one",
    "hex(si)",
    "round(sc)",
    "round(sc,1)",
    "f.to(torch.int32)",
    "f.to('cpu') is f",
    "f.to(torch.float32) is f",
    "f.to(torch.float32, copy=True) is f",
    "f.to(i)",
    "f.to(torch.float64, non_blocking=True)",
    "f.to('cpu', torch.float64)",
    "f.to(device='cpu', dtype=torch.float64)",
    "f.to(dtype=torch.float64)",
    "f.to(other=i)",
    "f.to()",
    "f.to(torch.float64, torch.float32)",
    "f.to(int)",
    "f.to('float64')",
    "m.to('cpu')",
    "f.to(memory_format=torch.preserve_format)",
    "torch.ones(1,2,3,4).to(memory_format=torch.channels_last).stride()",
    "r.to(torch.float64)",
    "r.to(torch.int64)",
    "r.double().grad_fn.name()",
    "f.type()",
    "i.type()",
    "b.type()",
    "torch.tensor(1.,dtype=torch.bfloat16).type()",
    "torch.tensor(1,dtype=torch.uint16).type()",
    "torch.tensor([1.]).to(torch.float8_e5m2).type()",
    "c.type()",
    "f.type(torch.float64)",
    "f.type('torch.DoubleTensor')",
    "f.type('torch.FloatTensor') is f",
    "f.type(torch.DoubleTensor)",
    "f.type('foo')",
    "f.type(int)",
    "f.type_as(i)",
    "f.double()",
    "f.half()",
    "f.bfloat16()",
    "f.int()",
    "f.long()",
    "f.short()",
    "f.char()",
    "f.byte()",
    "f.bool()",
    "f.cfloat()",
    "f.cdouble()",
    "f.float() is f",
    "torch.tensor([-1.5, 300., float('nan'), float('inf')]).to(torch.uint8)",
    "torch.tensor([-1.5, 3e9]).int()",
    "torch.tensor([-1.5]).to(torch.uint8)",
    "torch.tensor([300, -1]).to(torch.int8)",
    "torch.tensor([1+2j]).to(torch.float32)",
    "torch.tensor([0.5]).bool()",
    "f.cpu() is f",
    "f.is_floating_point()",
    "i.is_floating_point()",
    "c.is_complex()",
    "f.is_signed()",
    "b.is_signed()",
    "torch.is_tensor(f)",
    "torch.is_tensor(3)",
    "torch.is_nonzero(sc)",
    "torch.is_nonzero(f)",
    "torch.is_nonzero(e)",
    "sc.is_nonzero()",
    "torch.is_floating_point(3)",
    "torch.is_complex(f)",
    "torch.numel(f)",
    "f.element_size()",
    "f.itemsize",
    "f.nbytes",
    "torch.can_cast(torch.float32, torch.int32)",
    "torch.can_cast(torch.int32, torch.float32)",
    "torch.can_cast(torch.bool, torch.int32)",
    "torch.can_cast(torch.int32, torch.bool)",
    "torch.can_cast(torch.complex64, torch.float32)",
    "torch.can_cast(torch.int64, torch.uint8)",
    "torch.result_type(f, i)",
    "torch.result_type(f, 1)",
    "torch.result_type(i, 1.5)",
    "torch.result_type(i, True)",
    "torch.result_type(1, 1.5)",
    "torch.result_type(1, 1j)",
    "torch.result_type(i, torch.tensor(1.5,dtype=torch.float64))",
    "torch.promote_types(torch.int32, torch.float16)",
    "torch.promote_types(torch.uint8, torch.int8)",
    "torch.promote_types(torch.int32, 3)",
    "torch.can_cast(3, torch.int32)",
    "f.untyped_storage().nbytes()",
    "f.untyped_storage().tolist()",
    "f.untyped_storage()[0]",
    "type(f.untyped_storage()).__name__",
    "len(f.untyped_storage())",
    "f.untyped_storage().size()",
    "f.untyped_storage().device",
    "repr(f.untyped_storage())",
    "f.is_set_to(f)",
    "f.is_set_to(f.view(2))",
    "f.is_set_to(f.clone())",
    "f.is_set_to(f[1:])",
    "torch.is_storage(f)",
    "f.pin_memory()",
    "f.is_pinned()",
    "f.get_device()",
    "f.is_inference()",
    "f.is_conj()",
    "f.is_neg()",
    "f.resolve_conj() is f",
    "f.resolve_neg() is f",
    "f.dense_dim()",
    "f.sparse_dim()",
    "f.has_names()",
    "f.names",
    "torch.is_grad_enabled()",
    "f.is_distributed()",
    "torch.is_inference(f)",
    "torch.is_conj(f)",
    "torch.is_same_size(f,f)",
    "torch.is_signed(i)",
    "torch.is_neg(f)",
    "torch.is_distributed(f)",
    "torch.get_device(f)",
    "f.dim_order()",
    "torch.ones(2,3).t().dim_order()",
    "f.__len__()",
    "len(sc)",
    "list(sc)",
    "f.__contains__(1.5)",
    "9 in f",
    "'a' in f",
    "None in f",
    "f in f",
    "torch.tensor([1.5]) in f",
    "list(reversed(f))",
    "f.__reversed__()",
    "iter(sc)",
    "f.ndim",
    "f.nelement()",
    "f.storage_offset()",
]

WITH_ARRAYS = [
    "t.__eq__(a)",
    "t.__add__(a)",
    "t.__lt__(a)",
    "t<a",
    "t!=a",
    "a!=t",
    "a<t",
    "t==[1,2]",
    "t==None",
    "t=='a'",
    "t!=None",
    "t<None",
    "a==t",
    "t+a",
    "a-t",
    "t-a",
    "t*a",
    "t@a",
    "t/a",
    "t+np.float32(1)",
    "np.float32(1)+t",
    "np.float64(1)-t",
    "np.int64(2)*t",
    "t**np.float32(2)",
    "np.array(2.)*t",
    "t*np.array(2.)",
    "t.sum()>np.float32(1)",
    "np.float32(1)<t.sum()",
    "t+[1]",
    "t & a",
]


@pytest.mark.parametrize("expression", CONVERSIONS)
def test_conversions_agree_with_torch(agree, expression):
    agree(expression, SETUP)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::RuntimeWarning")
@pytest.mark.parametrize("expression", WITH_ARRAYS)
def test_operators_with_arrays_agree_with_torch(agree, expression):
    agree(expression, "t = torch.ones(3)\na = np.zeros(3)")


# ---- by hand


def test_numpy_shares_memory_both_ways():
    x = jtorch.ones(3, 2)
    rows = x[1:].numpy()
    rows[0, 0] = 5
    assert x.tolist() == [[1, 1], [5, 1], [1, 1]]
    x[2, 1] = 7
    x += 1
    assert rows.tolist() == [[6, 2], [2, 8]]
    doubled = x * 2
    rows[:] = 0  # after the product was recorded
    assert doubled.tolist() == [[4, 4], [12, 4], [4, 16]]


def test_numpy_of_computed_values_shares_memory():
    x = jtorch.arange(3.0) * 2
    array = x.numpy()
    array[0] = 9
    assert x.tolist() == [9.0, 2.0, 4.0]
    del array
    assert (x + 1).tolist() == [10.0, 3.0, 5.0]


def test_numpy_keeps_strides_and_offsets():
    x = jtorch.arange(12, dtype=jtorch.int32).reshape(3, 4)
    assert x.t()[1:, ::2].numpy().strides == (4, 32)
    assert x.t()[1:, ::2].numpy().tolist() == [[1, 9], [2, 10], [3, 11]]


def test_gradients_flow_through_casts():
    x = jtorch.tensor([1.0, 2.0], requires_grad=True)
    (x.double() * 3).sum().backward()
    assert x.grad.dtype is jtorch.float32
    assert x.grad.tolist() == [3.0, 3.0]


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32", "int64", "bool", "float16", "bfloat16"])
def test_casts_of_data_and_of_computed_values_agree_with_torch(torch, dtype):
    values = [0.0, -1.5, 2.7, 100.4, -100.4, 120.9]
    if not dtype.startswith("u"):
        values.append(-3.0)
    expected = torch.tensor(values).to(getattr(torch, dtype)).double().tolist()
    data = jtorch.tensor(values)
    assert data.to(getattr(jtorch, dtype)).double().tolist() == expected
    assert (data * 1).to(getattr(jtorch, dtype)).double().tolist() == expected


def test_narrow_integers_wrap_as_in_torch(torch):
    values = [300.0, -1.5, 65535.0, -129.0]
    for dtype in ("uint8", "int8", "int16"):
        expected = torch.tensor(values).to(getattr(torch, dtype)).tolist()
        assert jtorch.tensor(values).to(getattr(jtorch, dtype)).tolist() == expected
        assert (jtorch.tensor(values) * 1).to(getattr(jtorch, dtype)).tolist() == expected


def test_to_meta_and_back():
    x = jtorch.ones(2).to("meta")
    assert (x.device.type, x.shape, x.dtype) == ("meta", (2,), jtorch.float32)
    with pytest.raises(NotImplementedError, match="Cannot copy out of meta tensor; no data!"):
        x.to("cpu")


@pytest.mark.filterwarnings("ignore:Casting complex values to real")
@pytest.mark.parametrize("pending", [False, True])
def test_complex_numbers_written_to_bools_are_true_by_either_part(pending):
    source = jtorch.tensor([2j, 0j, 1])
    source = source * 1 if pending else source
    sliced = jtorch.zeros(4, dtype=jtorch.bool)
    sliced[1:] = source
    assert jtorch.zeros(3, dtype=jtorch.bool).copy_(source).tolist() == [True, False, True]  # PyTorch 2.13
    assert sliced.tolist() == [False, True, False, True]


def test_memory_format_of_a_copy():
    x = jtorch.arange(24.0).reshape(1, 2, 3, 4)
    y = x.to(memory_format=jtorch.channels_last)
    assert y.stride() == (24, 1, 8, 2)
    assert y.tolist() == x.tolist()
    assert y.double().stride() == y.stride()
    assert y.is_contiguous(memory_format=jtorch.channels_last)


def test_deepcopy_keeps_sharing_and_cuts_it_from_the_original():
    x = jtorch.arange(6.0)
    twin, view = copy.deepcopy([x, x[2:]])
    view[0] = 9
    assert twin.tolist() == [0.0, 1.0, 9.0, 3.0, 4.0, 5.0]
    assert x.tolist() == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    assert (view.storage_offset(), view.stride()) == (2, (1,))
    first, second = copy.deepcopy([x, x])
    assert first is second


def test_deepcopy_of_leaves_takes_gradients_along():
    x = jtorch.ones(2, requires_grad=True)
    x.grad = jtorch.tensor([1.0, 2.0])
    x.note = [1]
    twin = copy.deepcopy(x)
    twin.grad[0] = 7
    twin.note.append(2)
    assert twin.requires_grad
    assert x.grad.tolist() == [1.0, 2.0]
    assert x.note == [1]
    with pytest.raises(RuntimeError, match="Only Tensors created explicitly by the user"):
        copy.deepcopy(x * 2)


def test_shallow_copies_share_memory():
    x = jtorch.zeros(2)
    twin = copy.copy(x)
    twin[0] = 1
    assert twin is not x
    assert x.tolist() == [1.0, 0.0]


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickles(protocol):
    x = jtorch.arange(6.0).reshape(2, 3)
    x.note = "kept"
    leaf = jtorch.ones(1, requires_grad=True)
    narrow = jtorch.tensor([1.5, -2.0], dtype=jtorch.bfloat16)
    made = pickle.loads(
        pickle.dumps([x, x.t()[1:], leaf, narrow, jtorch.float32, jtorch.ones(2).to("meta")], protocol)
    )
    assert made[0].tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
    assert made[0].note == "kept"
    assert made[1].stride() == (1, 3)
    made[1][0, 0] = 8  # still a view of the first
    assert made[0][0, 1].item() == 8
    assert made[2].requires_grad
    assert repr(made[3]) == repr(narrow)
    assert made[4] is jtorch.float32
    assert made[5].device.type == "meta"


def test_pickles_and_copies_of_memory_with_gaps():
    x = jtorch.from_numpy(np.arange(12.0).reshape(3, 4)[:, ::2])
    for twin in (pickle.loads(pickle.dumps(x)), copy.deepcopy(x)):
        assert twin.tolist() == [[0.0, 2.0], [4.0, 6.0], [8.0, 10.0]]
        twin[0] = -1
    assert x[0].tolist() == [0.0, 2.0]


def test_storages():
    x = jtorch.arange(4, dtype=jtorch.int16)
    storage = x[1:].untyped_storage()
    assert (len(storage), storage.nbytes(), bytes(storage)) == (8, 8, b"\0\0\1\0\2\0\3\0")
    storage[0] = 7
    assert x.tolist() == [7, 1, 2, 3]
    assert x[1:].data_ptr() - x.data_ptr() == 2
    assert x.untyped_storage() == storage
    assert x.clone().untyped_storage() != storage
    twin = storage.clone()
    twin.fill_(0)
    assert x.tolist() == [7, 1, 2, 3]


def test_set_makes_a_tensor_a_view_of_other_memory():
    x = jtorch.zeros(0)
    source = jtorch.arange(6.0)
    x.set_(source.untyped_storage(), 1, (2, 2), (2, 1))
    x[0, 0] = 10
    assert x.tolist() == [[10.0, 2.0], [3.0, 4.0]]
    assert source[1].item() == 10
    with pytest.raises(RuntimeError, match="Could not set tensor of type int to a tensor of type float"):
        x.set_(jtorch.ones(2, dtype=jtorch.int32))


def test_reading_inside_a_transform_says_why_not():
    import jax

    with pytest.raises(Exception, match="inside a JAX transform"):
        jax.jit(lambda x: x.tolist())(jtorch.ones(2))


APPLIED = [
    "x.apply_(lambda v: v + 1)",
    "x.map_(torch.ones(4), lambda a, b: a + b)",
    "x.map_(torch.ones(3), lambda a, b: a + b)",
    "x.map2_(torch.ones(4), torch.ones(1), lambda a, b, c: a + b * c)",
    "torch.arange(3).apply_(lambda v: v * 2)",
    "torch.ones(2, requires_grad=True).apply_(lambda v: v)",
    "x.as_subclass(3)",
    "x.const_data_ptr() == x.data_ptr()",
    "x.to_dense() is x",
    "x.__cuda_array_interface__",
    "x.__nonzero__()",
]


@pytest.mark.parametrize("expression", APPLIED)
def test_python_functions_of_elements_agree_with_torch(agree, expression):
    agree(expression, "x = torch.arange(4.0)")


def test_subclasses_share_memory_and_history():
    class Mine(jtorch.Tensor):
        pass

    x = jtorch.ones(2, requires_grad=True)
    mine = (x * 2).as_subclass(Mine)
    assert type(mine) is Mine
    mine.sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]
    assert type(jtorch.Tensor._make_subclass(Mine, x, True)) is Mine


@pytest.mark.parametrize(
    "call",
    [
        "torch.cat([x, x], 1)",
        "torch.cat([x, x.contiguous()], 0)",
        "F.conv2d(x, torch.ones(2, 3, 2, 2))",
        "F.conv2d(x.contiguous(), torch.ones(2, 3, 2, 2).contiguous(memory_format=torch.channels_last))",
        "F.conv_transpose2d(x, torch.ones(3, 2, 2, 2))",
        "F.max_pool2d(x, 2)",
        "F.max_pool2d(x, 2, return_indices=True)[1]",
        "F.adaptive_avg_pool2d(x, 1)",
        "F.batch_norm(x, None, None, training=True)",
        "F.instance_norm(x)",
        "F.interpolate(x, scale_factor=2)",
        "F.pad(x, (1, 1))",
        "F.pixel_unshuffle(x, 2)",
        "F.relu(F.conv2d(x, torch.ones(2, 3, 1, 1))) + 1",
        "F.conv2d(x, torch.ones(2, 3, 1, 1)).flatten(1)",
        "F.unfold(x, 2)",
    ],
)
def test_strides_of_results_on_images_with_channels_last(call):
    torch = pytest.importorskip("torch")
    strides = []
    for package in (torch, jtorch):
        x = package.ones(2, 3, 4, 6).contiguous(memory_format=package.channels_last)
        for _ in range(5):  # jtorch takes other ways from the third call on
            result = eval(call, {"torch": package, "F": package.nn.functional, "x": x})
        strides.append(tuple(result.stride()))
    assert strides[1] == strides[0]
