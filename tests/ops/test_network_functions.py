"""Activations, embeddings, padding, resampling, attention and products of layers, compared with PyTorch."""

import numpy as np
import pytest

import jtorch

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 4)).astype(np.float32)
IMAGE = RNG.normal(size=(1, 2, 4, 5)).astype(np.float32)
GRID = RNG.uniform(-1.2, 1.2, (1, 3, 2, 2)).astype(np.float32)
TABLE, INDEX = RNG.normal(size=(5, 3)).astype(np.float32), np.array([[0, 4], [2, 2]])
HEADS = RNG.normal(size=(3, 1, 2, 4, 8)).astype(np.float32)
F = "nn.functional."

ACTIVATIONS = [
    ("celu", (0.5,)), ("elu", ()), ("gelu", ()), ("glu", ()), ("hardshrink", ()), ("hardsigmoid", ()),
    ("hardswish", ()), ("hardtanh", ()), ("leaky_relu", (0.1,)), ("logsigmoid", ()), ("mish", ()),
    ("relu6", ()), ("selu", ()), ("silu", ()), ("softplus", (0.5, 1.0)), ("softshrink", ()),
    ("softsign", ()), ("tanhshrink", ()), ("threshold", (0.1, 2.0)), ("softmin", (1,)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "args"), ACTIVATIONS, ids=[a[0] for a in ACTIVATIONS])
def test_activations_match_torch(compare, torch, name, args):
    compare(F + name, X, *args)
    half = jtorch.from_numpy(X).bfloat16(), torch.from_numpy(X).bfloat16()
    mine, theirs = (
        getattr(t.nn.functional, name)(x, *args) for t, x in zip((jtorch, torch), half, strict=True)
    )
    # one rounding to 8 bits
    np.testing.assert_allclose(mine.float().numpy(), theirs.float().numpy(), rtol=2**-7, atol=1e-3)


def test_prelu_matches_torch(compare, same_error):
    compare("prelu", IMAGE, np.array([0.1, 0.3], np.float32))
    same_error("prelu", X, X[0].astype(np.float64))
    same_error("prelu", X, X[0, :3].copy())


def test_embeddings_match_torch(compare):
    compare(F + "embedding", INDEX, TABLE, padding_idx=2)
    compare(F + "embedding", INDEX, TABLE, max_norm=1.0, grad=False)
    offsets, weights = np.array([0, 1]), np.array([0.5, 2, -1, 1], np.float32)
    compare(F + "embedding_bag", INDEX.ravel(), TABLE, offsets, mode="sum", per_sample_weights=weights)
    compare(F + "embedding_bag", INDEX, TABLE, mode="max")
    compare(F + "embedding_bag", INDEX, TABLE, padding_idx=2)
    compare(F + "one_hot", INDEX, 5, grad=False)


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
def test_padding_matches_torch(compare, same_error, mode):
    compare(F + "pad", IMAGE, (1, 2, 0, 3), mode)
    compare(F + "pad", IMAGE, (-1, 1, 2, 0), mode)
    same_error(F + "pad", IMAGE, (1, 1, 1), mode)
    if mode != "constant":
        same_error(F + "pad", IMAGE, (1, 1), mode)
        same_error(F + "pad", X[0], (1, 1), mode)
        compare(F + "pad", X, (1, 1), mode, 0)
        same_error(F + "pad", X, (1, 1), mode, 1.5)
    same_error(F + "pad", X, (1, 1), mode, 1j)
    if mode in ("reflect", "circular"):
        same_error(F + "pad", IMAGE, (9, 9, 0, 0), mode)


@pytest.mark.parametrize(
    ("mode", "options"),
    [
        ("nearest", {"size": (7, 3)}),
        ("nearest-exact", {"scale_factor": 0.6}),
        ("bilinear", {"scale_factor": 1.7, "align_corners": True}),
        ("bilinear", {"size": (2, 3), "antialias": True}),
        ("bicubic", {"scale_factor": (1.5, 0.8), "recompute_scale_factor": True}),
        ("area", {"size": 3}),
        # Factors that leave or double a size (2D, small): the elements themselves, whatever the factor is.
        ("nearest", {"scale_factor": (1.1, 2.1)}),
        ("bilinear", {"scale_factor": (1.2, 1.3), "align_corners": False}),
        # PyTorch's gradient is not that of its forward here.
        ("bilinear", {"scale_factor": (1.2, 0.7), "antialias": True, "grad": False}),
    ],
    ids=str,
)
def test_interpolation_matches_torch(compare, mode, options):
    compare(F + "interpolate", IMAGE, mode=mode, **options)


@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
def test_grid_samples_match_torch(compare, mode):
    # Gradients of places are differences of pixels times large numbers.
    image, grid = IMAGE.astype(np.float64), GRID.astype(np.float64)
    compare(F + "grid_sample", image, grid, mode, "reflection", False)
    compare(F + "grid_sample", IMAGE, GRID, mode, "zeros", True, grad=False)


def test_affine_grid_matches_torch(compare):
    compare(F + "affine_grid", RNG.normal(size=(2, 2, 3)).astype(np.float32), (2, 1, 3, 4), False)


def test_attention_matches_torch(compare, same_error):
    query, key, value = HEADS
    compare(F + "scaled_dot_product_attention", query, key, value, is_causal=True)
    mask = np.array([[1, 0, 1, 1], [0, 0, 0, 0], [1, 1, 0, 0], [0, 0, 0, 1]], bool)
    compare(F + "scaled_dot_product_attention", query, key, value, mask, scale=0.3, grad=False)
    four = np.concatenate([query, key], 1)
    compare(F + "scaled_dot_product_attention", four, key, value, enable_gqa=True, grad=False)
    scores = RNG.normal(size=(4, 1, 4)).astype(np.float32)
    compare(F + "scaled_dot_product_attention", four, key, value, scores, enable_gqa=True, grad=False)
    compare(F + "scaled_dot_product_attention", query, key, value, mask, is_causal=True, grad=False)
    same_error(F + "scaled_dot_product_attention", query[0], key[0], value[0], mask, is_causal=True)
    nothing = query[0, ..., :0].copy()
    compare(F + "scaled_dot_product_attention", nothing, nothing, value[0])


def test_pixels_and_distances_match_torch(compare):
    compare(F + "pixel_shuffle", np.arange(48, dtype=np.float32).reshape(1, 8, 2, 3), 2)
    compare(F + "pixel_unshuffle", IMAGE[..., :4].copy(), 2)
    compare(F + "pixel_unshuffle", np.zeros((0, 4, 2, 2), np.float32), 2, grad=False)
    compare(F + "channel_shuffle", IMAGE, 2)
    compare(F + "cosine_similarity", X, X[::-1].copy(), dim=-1)
    compare(F + "pairwise_distance", X, X[::-1].copy(), 3.0, keepdim=True)
    compare(F + "pdist", X)
    compare(F + "bilinear", X, X, RNG.normal(size=(2, 4, 4)).astype(np.float32), X[0, :2].copy())


def test_dropout_of_single_samples_works_in_place():
    for p in (0.0, 0.5, 1.0):
        x = jtorch.ones(2, 3, 3, 3)
        assert jtorch.nn.functional.dropout3d(x, p, True, inplace=True) is x
        assert x.shape == (2, 3, 3, 3)


def test_errors_are_torchs(same_error):
    same_error(F + "embedding", INDEX + 2, TABLE)
    same_error(F + "embedding", INDEX, TABLE, padding_idx=9)
    same_error(F + "embedding", INDEX.astype(np.float32), TABLE)
    same_error(F + "embedding_bag", INDEX, TABLE, mode="other")
    same_error(F + "embedding_bag", INDEX.ravel(), TABLE)
    same_error(F + "one_hot", INDEX, 2)
    same_error(F + "interpolate", IMAGE, size=0)
    same_error(F + "interpolate", IMAGE[0], size=0)
    same_error(F + "interpolate", IMAGE, size=2, scale_factor=2.0)
    same_error(F + "interpolate", IMAGE[0], size=3, mode="bilinear")
    same_error(F + "grid_sample", IMAGE, GRID.repeat(2, 0))
    same_error(F + "grid_sample", IMAGE, GRID, mode="other")
    same_error(F + "glu", X[:, :3].copy())
    same_error(F + "linear", np.array(1, np.float32), X)
    same_error(F + "pixel_shuffle", IMAGE, 2)
    same_error(F + "linear", X, TABLE)
    same_error(F + "scaled_dot_product_attention", *HEADS[:2], HEADS[2].astype(np.float64))
    for name in ("dropout", "dropout2d", "alpha_dropout"):
        same_error(F + name, IMAGE, 1.5)
