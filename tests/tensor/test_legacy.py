"""Legacy constructors and type names, against torch."""

import pytest

import jtorch

EXPRESSIONS = [
    "torch.Tensor(2,3).shape",
    "torch.Tensor([2,3])",
    "torch.Tensor((2,3))",
    "torch.Tensor()",
    "torch.Tensor(3).shape",
    "torch.Tensor(torch.Size([2,3])).shape",
    "torch.Tensor([])",
    "torch.Tensor(2.5)",
    'torch.Tensor("a")',
    "torch.Tensor(np.ones(2))",
    "torch.Tensor(np.ones(2,np.float32))",
    "torch.Tensor([[1,2],[3,4]])",
    "torch.Tensor(torch.ones(2))",
    "torch.Tensor(torch.ones(2,dtype=torch.int32))",
    "torch.Tensor(torch.ones(2,dtype=torch.float64))",
    "torch.Tensor([True])",
    "torch.Tensor([1+2j])",
    "torch.Tensor(2,3,device='cpu').shape",
    "torch.Tensor(2,dtype=torch.float32)",
    "torch.Tensor(-1)",
    "torch.Tensor(np.int64(2)).shape",
    "torch.Tensor(torch.tensor(2))",
    "torch.Tensor(range(3))",
    "torch.Tensor(None)",
    "torch.Tensor([1.5], device='meta')",
    "torch.Tensor(2, requires_grad=True)",
    "torch.Tensor(True)",
    "torch.FloatTensor(2,3).shape",
    "torch.FloatTensor([1,2])",
    "torch.LongTensor([1,2])",
    "torch.LongTensor([1.7,2])",
    "torch.LongTensor(3).shape",
    "torch.LongTensor()",
    "torch.IntTensor([[1]])",
    "torch.ByteTensor([1,2])",
    "torch.ByteTensor([300])",
    "torch.BoolTensor([1,0])",
    "torch.DoubleTensor([1])",
    "torch.HalfTensor([1])",
    "torch.BFloat16Tensor([1])",
    "torch.ShortTensor([1])",
    "torch.CharTensor([1])",
    "torch.FloatTensor(torch.ones(2))",
    "torch.LongTensor(torch.ones(2))",
    "torch.FloatTensor(np.ones(2))",
    "torch.LongTensor(np.ones(2))",
    "torch.FloatTensor(np.ones(2,np.float32))",
    'torch.FloatTensor("a")',
    "torch.FloatTensor(2.5)",
    'torch.FloatTensor(2, "a")',
    "isinstance(torch.ones(2), torch.FloatTensor)",
    "isinstance(torch.ones(2), torch.LongTensor)",
    "isinstance(torch.ones(2,dtype=torch.int64), torch.LongTensor)",
    "isinstance(torch.ones(2), torch.Tensor)",
    "isinstance(3, torch.FloatTensor)",
    "torch.FloatTensor",
    "torch.FloatTensor.dtype",
    "torch.FloatTensor.__name__",
    "torch.FloatTensor.__module__",
    "torch.FloatTensor.layout",
    "torch.ones(2).new(3).shape",
    "torch.ones(2).new([1,2])",
    "torch.ones(2,dtype=torch.int64).new([1.5,2])",
    "torch.ones(2).new()",
    "torch.ones(2).new(torch.ones(1))",
    "torch.ones(2).type(torch.LongTensor)",
    "torch.ones(2).type('torch.LongTensor')",
    "torch.ones(2).type(torch.int8)",
    "torch.ones(2).type(dtype=torch.int8)",
    "torch.ones(2).type('LongTensor')",
    "torch.ones(2).type(torch.Tensor)",
    "torch.ones(2,dtype=torch.float64).type(torch.Tensor)",
    "torch.ones(2,dtype=torch.float64).type('torch.Tensor')",
    "torch.ones(2).type('torch.FooTensor')",
    "torch.ones(2).type(3)",
    "torch.ones(2).type(non_blocking=True)",
    "issubclass(torch.nn.Parameter, torch.Tensor)",
    "isinstance(torch.nn.Parameter(torch.ones(1)), torch.FloatTensor)",
    "torch.typename(torch.ones(2))",
    "torch.typename(3)",
    "torch.tensor([1.]).type() == torch.FloatTensor",
    "torch.FloatTensor == torch.FloatTensor",
    "torch.Tensor(2,3).dtype",
    "torch.FloatTensor().shape",
    "torch.Tensor(size=(2,3)).shape",
    "torch.Tensor(data=[1])",
    "torch.Tensor([1,2],[3])",
    "torch.Tensor(2,[3])",
]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_legacy_expressions_agree_with_torch(agree, expression):
    agree(expression)


def test_sizes_and_data_by_hand():
    assert jtorch.Tensor(2, 3).shape == (2, 3)
    assert jtorch.Tensor([2, 3]).tolist() == [2.0, 3.0]
    assert jtorch.LongTensor([2.7]).tolist() == [2]


def test_a_tensor_given_is_shared():
    x = jtorch.zeros(2)
    jtorch.Tensor(x)[0] = 1
    assert x.tolist() == [1.0, 0.0]


def test_isinstance_asks_for_dtype():
    x = jtorch.ones(2)
    assert isinstance(x, jtorch.FloatTensor)
    assert not isinstance(x, jtorch.LongTensor)
    assert isinstance(x.long(), jtorch.LongTensor)
    assert not isinstance(x.numpy(), jtorch.FloatTensor)


def test_subclasses_are_constructed_as_themselves():
    class Mine(jtorch.Tensor):
        pass

    assert type(Mine([1.0, 2.0])) is Mine
    assert Mine(2).shape == (2,)


def test_default_tensor_type():
    with pytest.warns(UserWarning, match="set_default_tensor_type") if not _warned() else _quiet():
        jtorch.set_default_tensor_type(jtorch.DoubleTensor)
    try:
        assert jtorch.Tensor([1]).dtype is jtorch.tensor([1.0]).dtype is jtorch.float64
    finally:
        jtorch.set_default_tensor_type("torch.FloatTensor")
    assert jtorch.get_default_dtype() is jtorch.float32
    with pytest.raises(TypeError, match="only floating-point types are supported as the default type"):
        jtorch.set_default_tensor_type(jtorch.IntTensor)


def _warned():
    from jtorch.tensor import _legacy

    return _legacy._warned


def _quiet():
    import contextlib

    return contextlib.nullcontext()
