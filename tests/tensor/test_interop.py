"""DLPack with NumPy, JAX and torch; JAX arrays; tensors as pytrees inside JAX's transforms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jtorch


def test_dlpack_shares_memory_with_numpy():
    source = np.zeros(3)
    x = jtorch.from_dlpack(source)
    x[0] = 3
    assert source.tolist() == [3.0, 0.0, 0.0]
    target = np.from_dlpack(jtorch.arange(6).reshape(2, 3).t())
    assert target.tolist() == [[0, 3], [1, 4], [2, 5]]


def test_dlpack_shares_memory_with_torch(torch):
    x = jtorch.ones(3)
    other = torch.from_dlpack(x)
    other[0] = 9
    x[1] = 8
    assert x.tolist() == other.tolist() == [9.0, 8.0, 1.0]
    back = jtorch.from_dlpack(torch.arange(3))
    assert back.tolist() == [0, 1, 2]
    assert back.dtype is jtorch.int64


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "float16", "bfloat16", "float64", "complex64"])
def test_dlpack_of_every_kind_of_dtype(torch, dtype):
    x = torch.tensor([0.0, 1.0, 2.0]).to(getattr(torch, dtype))
    there = jtorch.from_dlpack(x)
    assert there.dtype is getattr(jtorch, dtype)
    assert there.tolist() == x.tolist()
    assert torch.equal(torch.from_dlpack(there), x)


def test_dlpack_capsules(torch):
    assert jtorch.from_dlpack(jtorch.to_dlpack(jtorch.ones(2))).tolist() == [1.0, 1.0]
    assert torch.utils.dlpack.from_dlpack(jtorch.to_dlpack(jtorch.ones(2))).tolist() == [1.0, 1.0]
    assert jtorch.from_dlpack(torch.utils.dlpack.to_dlpack(torch.ones(2))).tolist() == [1.0, 1.0]


def test_dlpack_refuses_what_torch_refuses(agree):
    agree("torch.ones(2, requires_grad=True).__dlpack__()")
    agree("torch.from_dlpack(3)")
    agree("tuple(map(int, torch.ones(2).__dlpack_device__()))")


def test_jax_arrays_do_not_change():
    x = jtorch.arange(3.0)
    array = x.jax()
    x[0] = 5
    x += 1
    assert array.tolist() == [0.0, 1.0, 2.0]
    y = jtorch.from_jax(array)
    y.mul_(2)
    assert array.tolist() == [0.0, 1.0, 2.0]
    assert y.tolist() == [0.0, 2.0, 4.0]


def test_arrays_handed_out_survive_training_steps():
    weight = jtorch.ones(3) * 2
    array = weight.jax()
    for _ in range(3):
        weight.mul_(2)
        weight.sum().item()
    assert array.tolist() == [2.0, 2.0, 2.0]


def test_from_jax_checks_its_argument():
    with pytest.raises(TypeError, match=r"must be jax.Array, not ndarray"):
        jtorch.from_jax(np.ones(2))
    assert jtorch.from_jax(jnp.ones(2, jnp.bfloat16)).dtype is jtorch.bfloat16


def test_jax_functions_take_tensors():
    x = jtorch.tensor([0.0, 1.0])
    np.testing.assert_allclose(jnp.sin(x), np.sin([0.0, 1.0]), rtol=1e-6)
    assert (jnp.ones(2) + jnp.asarray(x)).tolist() == [1.0, 2.0]


def test_jit():
    def f(x):
        x[0] = 10.0
        x[x > 5] = 11.0
        return (x[1:] * 2).sum(), x

    total, changed = jax.jit(f)(jtorch.tensor([1.0, 2.0, 3.0]))
    assert isinstance(total, jtorch.Tensor)
    assert total.item() == 10.0
    assert changed.tolist() == [11.0, 2.0, 3.0]


def test_vmap():
    x = jtorch.arange(6.0).reshape(2, 3)
    assert jax.vmap(lambda row: row.sum() * 2)(x).tolist() == [6.0, 24.0]
    summed = jax.vmap(lambda a, b: a + b, in_axes=(0, None))(x, jtorch.ones(3))
    assert summed.tolist() == [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]


def test_grad_of_a_tree_of_tensors():
    def loss(parameters):
        return (parameters["w"] ** 2 * parameters["b"]).sum().jax()

    gradients = jax.grad(loss)({"w": jtorch.tensor([1.0, 2.0]), "b": jtorch.tensor(3.0)})
    # by hand: 2 w b and the sum of w * w
    assert gradients["w"].tolist() == [6.0, 12.0]
    assert gradients["b"].item() == 5.0


def test_scan_and_cond():
    last, seen = jax.lax.scan(lambda c, x: (c + x, c), jtorch.zeros(()), jtorch.arange(3.0))
    assert last.item() == 3.0
    assert seen.tolist() == [0.0, 0.0, 1.0]
    assert jax.lax.cond(True, lambda x: x + 1, lambda x: x, jtorch.zeros(2)).tolist() == [1.0, 1.0]


def test_trees_of_tensors():
    class Mine(jtorch.Tensor):
        pass

    leaf = jtorch.ones(2, requires_grad=True)
    mapped = jax.tree.map(lambda a: a + 1, [leaf, Mine([1.0])])
    assert mapped[0].requires_grad
    assert mapped[0].is_leaf
    assert type(mapped[1]) is Mine
    assert mapped[1].tolist() == [2.0]
    assert jax.tree.structure(leaf) == jax.tree.structure(jax.tree.map(lambda a: object(), leaf))
    shape = jax.eval_shape(lambda x: x * 2, leaf)
    assert "ShapeDtypeStruct" in repr(shape)


def test_64_bit_types_stay_inside_transforms():
    assert jax.jit(lambda x: x + 1)(jtorch.arange(3)).dtype is jtorch.int64


def test_history_does_not_leave_a_transform():
    leaf = jtorch.ones(2, requires_grad=True)
    assert not jax.jit(lambda x: x * 2)(leaf).requires_grad


def test_numpy_of_a_draw_without_dimensions():
    drawn = jtorch.bernoulli(jtorch.tensor(1.0))
    assert drawn.numpy().shape == ()
    assert drawn.numpy() == 1
