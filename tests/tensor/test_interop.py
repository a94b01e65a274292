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


def test_arrays_of_jax_beside_tensors():
    leaf, array = jtorch.tensor([1.0, 2.0], requires_grad=True), jnp.array([3.0, 4.0])
    product = leaf * array  # the left operand decides: a tensor, with its history
    product.sum().backward()
    assert leaf.grad.tolist() == [3.0, 4.0]
    assert isinstance(array * leaf.detach(), jax.Array)
    assert (jtorch.arange(2) * jnp.float32(2)).dtype is jtorch.float32
    assert (jtorch.arange(2) + jnp.int32(1)).dtype is jtorch.int64
    assert (jtorch.ones(2, 3) @ jnp.ones((3, 2))).tolist() == [[3.0, 3.0], [3.0, 3.0]]
    x = same = jtorch.ones(2)
    x += array
    assert same.tolist() == [4.0, 5.0]
    assert (x == array).tolist() == [False, False]
    assert jtorch.tensor([jnp.array(1.0), jnp.array(2.0)]).tolist() == [1.0, 2.0]


def test_indices_of_loops_are_numbers():
    total = jax.lax.fori_loop(0, 3, lambda i, c: c * 2 + i, jtorch.zeros(2))
    assert total.tolist() == [4.0, 4.0]  # by hand: (0 * 2 + 1) * 2 + 2
    assert jax.lax.fori_loop(0, 3, lambda i, c: c + i, jtorch.tensor(0)).dtype is jtorch.int64


def test_jacobians_of_tensors_are_tensors():
    x = jtorch.tensor([1.0, 2.0])
    assert jax.jacfwd(lambda a: a**2)(x).tolist() == [[2.0, 0.0], [0.0, 4.0]]
    assert jax.hessian(lambda a: (a**3).sum().jax())(x).tolist() == [[6.0, 0.0], [0.0, 12.0]]
    assert jax.tree.map(lambda a: jtorch.from_jax(a) * 2, [x])[0].tolist() == [2.0, 4.0]


def test_shapes_without_values():
    shape = jax.eval_shape(lambda x: x @ x.t(), jtorch.ones(2, 3))
    assert shape.shape == (2, 2)
    assert shape.dtype is jtorch.float32
    compiled = jax.jit(lambda x: x * 2).lower(shape).compile()
    assert compiled(jtorch.ones(2, 2)).tolist() == [[2.0, 2.0], [2.0, 2.0]]
    with pytest.raises(TypeError, match=r"holds ShapeDtypeStruct\(.*\) in the place of an array"):
        shape + 1
    with pytest.raises(TypeError, match="in the place of an array"):
        assert jax.tree.map(lambda a: "text", jtorch.ones(2)).shape


@pytest.mark.skipif(np.lib.NumpyVersion(np.__version__) < "2.4.0", reason="NumPy does not ask for the type")
def test_dtypes_are_numpys_and_jaxs():
    x = jtorch.tensor([1, 2], dtype=jtorch.int32)
    assert np.zeros(2, jtorch.float16).dtype == np.float16
    assert jax.ShapeDtypeStruct(x.shape, x.dtype).dtype == np.int32
    assert jnp.zeros_like(x).dtype == np.int32
    assert jnp.ones(2, jtorch.bfloat16).dtype == jnp.bfloat16
    assert jax.lax.cond(x.sum() > 2, lambda a: a, lambda a: -a, x).tolist() == [1, 2]
    assert jax.lax.switch(x[0], [lambda a: a, lambda a: a * 2], x).tolist() == [2, 4]


def test_memory_is_shared_and_never_written_to():
    array = jnp.arange(100_000.0)
    x = jtorch.from_jax(array)
    assert x.jax().unsafe_buffer_pointer() == array.unsafe_buffer_pointer()
    x += 1
    assert array[0] == 0
    x.numpy()[0] = 7
    assert x[0] == 7
    assert array[0] == 0
    y = jtorch.zeros(100_000)
    first = y.jax()
    assert first.unsafe_buffer_pointer() == y.jax().unsafe_buffer_pointer()
    y[0] = 5
    assert first[0] == 0
    assert y.jax()[0] == 5
    view = jtorch.arange(6.0).reshape(2, 3)[1]
    held = view.jax()
    view += 1
    assert held.tolist() == [3.0, 4.0, 5.0]


def test_data_of_jax():
    array = jnp.array([1.0, 2.0])
    made = jtorch.tensor(array, dtype=jtorch.float64, requires_grad=True)
    assert made.dtype is jtorch.float64
    assert made.requires_grad
    made = jtorch.tensor(array)
    made += 1
    assert array.tolist() == [1.0, 2.0]
    assert jtorch.as_tensor(array).jax() is array
    doubled = jax.jit(lambda a: jtorch.tensor(a) * 2 + jtorch.as_tensor(a, dtype=jtorch.float64))(array)
    assert doubled.dtype is jtorch.float64
    assert doubled.tolist() == [3.0, 6.0]
    x = jtorch.zeros(3)
    x[0] = jnp.float32(3)
    x[1:] = array
    assert x.tolist() == [3.0, 1.0, 2.0]
    leaf = jtorch.zeros(2, requires_grad=True)
    y = leaf * 1
    y[0] = array[1]
    y.sum().backward()
    assert leaf.grad.tolist() == [0.0, 1.0]
    filled = jax.jit(lambda a: jtorch.zeros(2).index_fill(0, jtorch.tensor([0]), 1.0) + a.at[0].set(0))(array)
    assert filled.tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    "call",
    [
        lambda a: jtorch.sin(a),
        lambda a: jtorch.ones(2).mul(a),
        lambda a: jtorch.clamp(jtorch.ones(2), a),
        lambda a: jtorch.nn.functional.linear(a, jtorch.ones(2, 2)),
    ],
    ids=["function", "method", "several forms", "module"],
)
def test_functions_refuse_arrays_of_jax_with_help(call):
    with pytest.raises(TypeError, match="ArrayImpl") as error:
        call(jnp.ones(2))
    assert "jtorch.from_jax(x) makes a tensor" in error.value.__notes__[0]
