"""Errors that the documents show, with PyTorch 2.13's texts."""

import pytest

import jtorch as torch
from jtorch import nn


def raises(kind, text, call):
    with pytest.raises(kind) as caught:
        call()
    assert str(caught.value) == text
    assert not any("JAX" in note for note in getattr(caught.value, "__notes__", ()))


def test_products_of_shapes_that_do_not_fit():
    a, b = torch.tensor([[1.0, 2], [3, 4], [5, 6]]), torch.tensor([[7.0, 10], [8, 11], [9, 12]])
    text = "mat1 and mat2 shapes cannot be multiplied (3x2 and 3x2)"
    raises(RuntimeError, text, lambda: torch.matmul(a, b))
    raises(RuntimeError, text, lambda: torch.mm(a, b))
    assert str(b.T) == "tensor([[ 7.,  8.,  9.],\n        [10., 11., 12.]])"
    product = "tensor([[ 27.,  30.,  33.],\n        [ 61.,  68.,  75.],\n        [ 95., 106., 117.]])"
    assert str(torch.matmul(a, b.T)) == str(torch.mm(a, b.transpose(0, 1))) == product


def test_a_flattened_picture_without_its_batch():
    classifier = nn.Sequential(nn.Flatten(), nn.Linear(2560, 3))
    text = "mat1 and mat2 shapes cannot be multiplied (10x256 and 2560x3)"
    raises(RuntimeError, text, lambda: classifier(torch.zeros(10, 16, 16)))


def test_pictures_of_bytes():
    # On CUDA the document saw "Input type (torch.cuda.ByteTensor) and weight type ..."; on the CPU PyTorch
    # 2.13 names C types.
    convolution = nn.Conv2d(3, 10, 3)
    text = "Input type (unsigned char) and bias type (float) should be the same"
    raises(RuntimeError, text, lambda: convolution(torch.zeros(3, 8, 8, dtype=torch.uint8)))


def test_convolutions_take_single_pictures_now():
    # The document's "Expected 4-dimensional input" is from before PyTorch 1.11; 2.13 takes three, too.
    convolution = nn.Conv2d(3, 10, 3)
    assert convolution(torch.zeros(3, 64, 64)).shape == (10, 62, 62)
    text = "Expected 3D (unbatched) or 4D (batched) input to conv2d, but got input of size: [64, 64]"
    raises(RuntimeError, text, lambda: convolution(torch.zeros(64, 64)))


def test_sizes_that_mean_nothing():
    b = torch.zeros(1, 32, 1, 1)
    # The document gives a size of -4; PyTorch 2.13 refuses it with these words.
    raises(RuntimeError, "numel: integer multiplication overflow", lambda: b.expand(-1, 32, -1, -4))
    text = (
        "The expanded size of the tensor (14) must match the existing size (784) at non-singleton dimension "
        "3.  Target sizes: [4, 32, 14, 14].  Tensor sizes: [4, 784]"
    )
    raises(RuntimeError, text, lambda: torch.zeros(4, 784).expand(4, 32, 14, 14))
    raises(RuntimeError, "shape '[4, 1]' is invalid for input of size 6", lambda: torch.zeros(6).view(4, 1))
    # The document permutes a list; PyTorch 2.13's text.
    text = "randperm(): argument 'n' (position 1) must be int, not list"
    raises(TypeError, text, lambda: torch.randperm([2, 3]))
    # 54 elements are needed for the document's arange(1, 19).reshape(2, 3, 3, 3); PyTorch 2.13's text.
    text = "shape '[2, 3, 3, 3]' is invalid for input of size 18"
    raises(RuntimeError, text, lambda: torch.arange(1, 19).reshape(2, 3, 3, 3))
    mean = (
        "mean(): could not infer output dtype. Input dtype must be either a floating point or complex dtype. "
        "Got: Long"
    )
    raises(RuntimeError, mean, lambda: torch.arange(3).mean())


def test_histories_are_used_once():
    x = torch.ones(3, requires_grad=True)
    y = (x * x).sum()
    y.backward()
    with pytest.raises(RuntimeError, match=r"^Trying to backward through the graph a second time"):
        y.backward()
    with pytest.raises(RuntimeError, match=r"does not require grad and does not have a grad_fn$"):
        torch.ones(1).sum().backward()
    text = "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead."
    raises(RuntimeError, text, x.numpy)
