"""Convolutions in every geometry, with gradients and texts, compared with PyTorch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jtorch
from jtorch.ops._convolution_kernels import Geometry, direct, taps

RNG = np.random.default_rng(0)


def values(*shape):
    # Eighths, whose sums of products are exact in float32.
    return RNG.integers(-8, 9, shape).astype(np.float32) / 8


SIGNAL, IMAGE, VOLUME = values(2, 4, 7), values(2, 4, 5, 6), values(1, 2, 4, 4, 3)


def test_convolution_by_hand():
    x = jtorch.tensor([[[1.0, 2.0, 3.0, 4.0]]])
    w = jtorch.tensor([[[1.0, 10.0]]])
    # 1 * 1 + 10 * 2, ...; the kernel is not flipped
    assert jtorch.nn.functional.conv1d(x, w).tolist() == [[[21, 32, 43]]]
    # each element times the kernel, added where they overlap
    assert jtorch.nn.functional.conv_transpose1d(x, w).tolist() == [[[1, 12, 23, 34, 40]]]


@pytest.mark.parametrize(
    ("name", "x", "kernel", "options"),
    [
        ("conv1d", SIGNAL, (3, 4, 3), {"stride": 2, "padding": 1}),
        ("conv1d", SIGNAL[0], (4, 2, 3), {"groups": 2, "padding": "same"}),
        ("conv2d", IMAGE, (3, 4, 1, 1), {}),
        ("conv2d", IMAGE, (4, 1, 3, 2), {"groups": 4, "dilation": (2, 1), "padding": "valid"}),
        ("conv2d", IMAGE, (2, 4, 3, 3), {"stride": (2, 1), "padding": (1, 2)}),
        ("conv3d", VOLUME, (2, 2, 2, 3, 1), {"padding": (1, 0, 1)}),
    ],
    ids=["strided", "unbatched", "pointwise", "depthwise", "image", "volume"],
)
def test_convolutions_match_torch(compare, name, x, kernel, options):
    compare(f"nn.functional.{name}", x, values(*kernel), values(kernel[0]), **options)


@pytest.mark.parametrize(
    ("name", "x", "kernel", "options"),
    [
        ("conv_transpose1d", SIGNAL, (4, 2, 3), {"stride": 3, "padding": 1, "output_padding": 2}),
        ("conv_transpose2d", IMAGE[0], (4, 2, 3, 2), {"groups": 2, "dilation": 2}),
        ("conv_transpose2d", IMAGE, (4, 3, 2, 2), {"stride": 2}),
        ("conv_transpose3d", VOLUME, (2, 1, 2, 1, 2), {"stride": (1, 2, 1), "padding": (1, 0, 0)}),
    ],
    ids=["strided", "unbatched", "doubling", "volume"],
)
def test_transposed_convolutions_match_torch(compare, name, x, kernel, options):
    bias = values(kernel[1] * options.get("groups", 1))
    compare(f"nn.functional.{name}", x, values(*kernel), bias, **options)


def test_batches_may_be_empty_and_complex(compare):
    compare("conv2d", IMAGE[:0], values(3, 4, 2, 2))
    compare("conv1d", SIGNAL + 1j, values(2, 4, 2) - 2j)
    compare("conv1d", SIGNAL.astype(np.int64), np.ones((2, 4, 2), np.int64), grad=False)


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_errors_are_torchs(same_error, dims):
    conv, transposed = f"conv{dims}d", f"conv_transpose{dims}d"
    x, w = values(1, 2, *[4] * dims), values(2, 2, *[2] * dims)
    for wrong in ({"stride": 0}, {"padding": -1}, {"dilation": -1}, {"dilation": 0}, {"groups": 0}):
        same_error(conv, x, w, **wrong)
        same_error(transposed, x, w, **wrong)
    same_error(conv, x, w, groups=3)
    same_error(conv, x, w, stride=(1,) * (dims + 1))
    same_error(conv, x, w, padding="other")
    same_error(conv, x, w, stride=2, padding="same")
    same_error(conv, x, values(2, 2, *[5] * dims))
    same_error(conv, x, values(2, 3, *[2] * dims))
    same_error(conv, x, w, values(3))
    same_error(conv, x[0, 0], w)
    same_error(transposed, x, w, padding=9)
    same_error(transposed, x, w, padding="same")
    same_error(transposed, x, w, output_padding=1)
    same_error(transposed, x, values(3, 2, *[2] * dims))


def test_texts_about_types_depend_on_who_computes(same_error):
    """PyTorch leaves float32 batches to oneDNN, which has texts of its own."""
    w, bias = values(2, 4, 2, 2), values(2)
    for x in (IMAGE, IMAGE[:1], IMAGE.astype(np.float64), IMAGE.astype(np.int64), IMAGE.astype(np.complex64)):
        for kind in (np.float32, np.float64, np.int64):
            if x.dtype != kind:
                same_error("conv2d", x, w.astype(kind))
                same_error("conv2d", x, w.astype(x.dtype), bias.astype(kind))


def test_depthwise_kernels_have_all_derivatives():
    g = Geometry((2, 1), ((1, 1), (0, 2)), (1, 1), 3)
    rng = np.random.default_rng(1)
    x, w = jnp.array(rng.standard_normal((2, 3, 5, 4))), jnp.array(rng.standard_normal((3, 1, 3, 3)))

    def derivatives(function):
        def f(x, w):
            return jnp.tanh(function(x, w, g)).sum()

        along = jax.vmap(jax.grad(f, (0, 1)), (0, None))(jnp.stack([x, 2 * x]), w)
        return f(x, w), jax.hessian(f, (0, 1))(x, w), along

    with jax.enable_x64(True):
        mine, theirs = jax.tree.leaves(derivatives(taps)), jax.tree.leaves(derivatives(direct))
    for a, b in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
