"""What ``backward``, ``grad`` and the flags of leaves take and refuse, against PyTorch."""

import pytest

import jtorch

SETUP = """
x = torch.arange(1.0, 4.0).requires_grad_()
w = torch.ones(3, requires_grad=True)
y = x * x
z = y.sum()
plain = torch.ones(3)
whole = torch.ones(3, dtype=torch.long)

def put(t, name, value):
    setattr(t, name, value)

def grads(_=None):
    return x.grad, w.grad
"""

CALLS = [
    "y.backward((torch.ones(3),)), grads()",
    "y.backward([1.0, 1.0, 1.0])",
    "z.backward(1.0)",
    "y.backward('a')",
    "y.backward(torch.ones(3, device='meta'))",
    "y.backward(torch.ones(3, dtype=torch.float64)), grads()",
    "y.backward(torch.ones(2))",
    "z.backward(inputs={'x': x}), grads()",
    "z.backward(inputs={})",
    "z.backward(inputs=[plain])",
    "z.backward(inputs=[3])",
    "z.backward(inputs='x')",
    "z.backward(inputs=[None])",
    "torch.autograd.grad(z, {'x': x})",
    "torch.autograd.grad(z, {'x': x, 'w': w}, allow_unused=True)",
    "torch.autograd.grad(z, {})",
    "torch.autograd.grad(z, __import__('types').MappingProxyType({'x': x}))",
    "torch.autograd.grad(z, [None])",
    "torch.autograd.grad([None], x)",
    "torch.autograd.grad(z, ['a'])",
    "torch.autograd.grad(z, x, [None, None])",
    "torch.autograd.grad([z, z], x, [torch.tensor(1.0)])",
    "torch.autograd.grad([z, y], x, torch.ones(3))",
    "torch.autograd.grad(y, [x, w], torch.ones(2, 3), is_grads_batched=True, materialize_grads=True)",
    "torch.autograd.backward([], [None])",
    "torch.autograd.backward([3])",
    "x.requires_grad_(1)",
    "x.requires_grad_(None)",
    "put(x, 'requires_grad', 1)",
    "put(x, 'requires_grad', None)",
    "put(y, 'requires_grad', True)",
    "put(y, 'requires_grad', False)",
    "y.requires_grad_()",
    "torch.nn.Parameter(whole)",
    "torch.nn.Parameter(whole > 0)",
    "torch.nn.Parameter(whole, requires_grad=False)",
]


@pytest.mark.parametrize("call", CALLS)
def test_calls_match_torch(agree, call):
    agree(call, SETUP)


def test_a_mask_that_was_modified_is_named_as_in_torch(agree):
    setup = SETUP + "mask = x > 1\ny = torch.where(mask, x, w).sum()\nmask.fill_(True)"
    agree("y.backward()", setup)


def test_grad_dtype_is_the_tensors_own(torch):
    def attempts(t):
        leaf = t.ones(2, requires_grad=True)
        found = [str(leaf.grad_dtype), str(t.ones(2, dtype=t.int64).grad_dtype)]
        leaf.grad_dtype = t.float32
        for x, value in ((leaf, 3), (leaf * 2, t.float32), (leaf * 2, None)):
            try:
                if value is None:
                    found.append(x.grad_dtype)
                else:
                    x.grad_dtype = value
            except RuntimeError as error:
                found.append(str(error))
        return found

    assert attempts(jtorch) == attempts(torch)
    with pytest.raises(NotImplementedError, match="grad_dtype"):
        jtorch.ones(2).grad_dtype = jtorch.float16


LAYOUTS = [
    "torch.zeros(4, 3).t()",
    "torch.zeros(2, 3, 4, 4).contiguous(memory_format=torch.channels_last)",
    "torch.zeros(4, 6)[:, ::2]",
    "torch.zeros(3).expand(2, 3)",
    "torch.zeros(1, 2).t()",
]


@pytest.mark.parametrize("leaf", LAYOUTS)
def test_gradients_have_the_memory_order_of_dense_leaves(torch, leaf):
    found = []
    for package in (torch, jtorch):
        x = eval(leaf, {"torch": package}).detach().requires_grad_()
        (x * package.ones(x.shape)).sum().backward()
        first = x.grad.stride()
        x.sum().backward()
        found.append((first, x.grad.stride()))
    assert found[0] == found[1]
