"""What packages ask of PyTorch beside its public surface: operators of their own, lists, memory, devices."""

import ctypes

import numpy as np
import pytest

import jtorch
from jtorch._dynamo._trace_wrapped_higher_order_op import TransformGetItemToIndex


def made(library, namespace):
    @library.library.custom_op(f"{namespace}::scaled", mutates_args=())
    def scaled(x: library.Tensor, by: float) -> library.Tensor:
        return library.from_numpy(x.numpy() * np.float32(by))  # leaves the library's operations

    return scaled


def setup(ctx, inputs, output):
    ctx.by = inputs[1]


def backward(ctx, grad):
    return grad * ctx.by, None


def test_operators_of_ones_own(torch):
    for library in (jtorch, torch):
        scaled = made(library, "tests_library")
        scaled.register_fake(lambda x, by: x.new_empty(x.shape))
        x = library.ones(3, requires_grad=True)
        with pytest.raises(RuntimeError, match="no autograd formula was registered"):
            scaled(x, 2.0).sum().backward()
        library.library.register_autograd("tests_library::scaled", backward, setup_context=setup)
        library.ops.tests_library.scaled(x, 2.0).sum().backward()
        assert x.grad.tolist() == [2, 2, 2]
        assert library.ops.tests_library.scaled.default(x.detach(), by=3.0).tolist() == [3, 3, 3]
        assert scaled(library.ones(2, device="meta"), 1.0).device.type == "meta"
        assert str(library.ops.tests_library.scaled.default) == "tests_library.scaled.default"
        assert repr(scaled) == "<CustomOpDef(tests_library::scaled)>"
        with pytest.raises(AttributeError, match="'_OpNamespace' 'tests_library' object has no attribute"):
            library.ops.tests_library.nothing  # noqa: B018
        with pytest.raises(RuntimeError, match="operator tests_library::nope does not exist"):
            library.library.register_fake("tests_library::nope", lambda x: x)
        with pytest.raises(ValueError, match="Parameter x must have a type annotation"):
            library.library.custom_op("tests_library::bare", lambda x: x, mutates_args=())

        @library.library.custom_op("tests_library::inc", mutates_args=("x",))
        def inc(x: library.Tensor) -> None:
            x.add_(1)

        t = library.zeros(2)
        assert inc(t) is None
        assert t.tolist() == [1, 1]
        with pytest.raises(RuntimeError, match="Cannot register autograd formula for non-functional"):
            inc.register_autograd(lambda ctx, grad: grad)


LISTS = [
    f"_foreach_{name}"
    for name in (
        "abs", "exp", "sqrt", "neg", "add", "add_", "mul", "sub", "div", "lerp", "lerp_", "addcmul",
        "addcdiv_", "norm", "max", "pow", "maximum", "minimum_", "clamp_min", "copy_", "zero_", "clone",
    )
]  # fmt: skip


def lists(library):
    generator = library.Generator().manual_seed(0)

    def drawn():
        return [library.rand(2, generator=generator) + 0.2, library.rand(1, 3, generator=generator) + 0.2]

    a, b, c = drawn(), drawn(), drawn()
    f = {name.removeprefix("_foreach_"): getattr(library, name) for name in LISTS}
    yield from (f[name](a) for name in ("abs", "exp", "sqrt", "neg", "norm", "max", "clone"))
    for name in ("add", "mul", "sub", "div", "pow", "maximum", "clamp_min"):
        yield from (f[name](a, other) for other in (b, 0.5, [0.5, 0.7]))
    yield from (f["add"](a, b, alpha=2), f["lerp"](a, b, 0.3), f["mul"](a, library.tensor(2.0)))
    yield from (f["addcmul"](a, b, c, value=2), f["addcmul"](a, b, c, library.tensor([1.0, 2.0])))
    yield from (f["norm"](a, 1), f["norm"](a, ord=1), f["pow"](2.0, a))
    assert f["add_"](a, 1)[0] is a[0]
    yield from (f["lerp_"](a, b, weight=0.3), f["addcdiv_"](a, b, c, [1.0, 2.0]), f["minimum_"](a, b), a)
    yield from (f["copy_"](a, c), f["zero_"](b), a, b)


def test_operations_on_lists(torch):
    for one, two in zip(lists(jtorch), lists(torch), strict=True):
        assert len(one) == len(two) == 2
        for x, y in zip(one, two, strict=True):
            np.testing.assert_allclose(x.numpy(), y.numpy(), rtol=1e-6)
    for call in (
        lambda t: t._foreach_add([t.ones(1)] * 2, [t.ones(1)]),
        lambda t: t._foreach_add([], 1),
        lambda t: t._foreach_add([t.ones(1)] * 2, [1.0, 2.0, 3.0]),
        lambda t: t._foreach_mul([t.ones(1)], t.tensor([2.0])),
    ):
        texts = []
        for library in (jtorch, torch):
            with pytest.raises(RuntimeError) as raised:
                call(library)
            texts.append(str(raised.value))
        assert texts[0] == texts[1]


def read(address, count):
    return np.ctypeslib.as_array((ctypes.c_float * count).from_address(address)).tolist()


def test_contents_can_be_read_at_data_ptr():
    x = jtorch.arange(6.0).reshape(2, 3) * 2
    address = x.data_ptr()
    assert read(address, 6) == [0, 2, 4, 6, 8, 10]
    assert address % 64 == 0
    x.add_(1)
    assert x.data_ptr() == address  # the place stays, what is there is new
    assert read(address, 6) == [1, 3, 5, 7, 9, 11]
    assert x[1].data_ptr() - address == 12
    assert read(x[1].data_ptr(), 3) == [7, 9, 11]
    assert x.T.data_ptr() == x.untyped_storage().data_ptr() == address
    copy = x.clone()
    assert copy.data_ptr() != address  # though nothing was copied yet
    copy.zero_()
    assert read(x.data_ptr(), 2) == [1, 3]
    assert read(x.mT.contiguous().data_ptr(), 3) == [1, 7, 3]
    array = np.zeros(2, np.float32)
    assert jtorch.from_numpy(array).data_ptr() == array.ctypes.data


def test_storages_of_files(tmp_path):
    path = tmp_path / "bytes"
    path.write_bytes(bytes(range(16)))
    storage = jtorch.UntypedStorage.from_file(str(path), False, 16)
    assert storage.nbytes() == 16
    part = storage[4:8]
    assert part.tolist() == [4, 5, 6, 7]
    assert jtorch.asarray(part).tolist() == [4, 5, 6, 7]
    assert jtorch.asarray(part, dtype=jtorch.uint8).dtype is jtorch.uint8
    with pytest.raises(RuntimeError, match="only a step of 1 is supported"):
        storage[::2]
    with pytest.raises(RuntimeError, match="is smaller than the required mapping size"):
        jtorch.UntypedStorage.from_file(str(path), False, 17)


def test_devices_that_are_not_there(torch):
    if torch.cuda.is_available() or jtorch.cuda.is_available():
        pytest.skip("there is a GPU")
    calls = [
        lambda t: t.ones(2).to("cuda"),
        lambda t: t.empty(2, device="cuda"),
        lambda t: t.nn.Linear(2, 2).cuda(),
        lambda t: t.cuda.CUDAGraph(),
        lambda t: t.cuda.graph(None),
        lambda t: t.get_device_module(3),
    ]
    for call in calls:
        found = []
        for library in (jtorch, torch):
            with pytest.raises((AssertionError, RuntimeError)) as raised:
                call(library)
            found.append((raised.type, str(raised.value)))
        assert found[0] == found[1]


def test_modules_of_devices():
    assert jtorch.get_device_module("cpu") is jtorch.cpu
    assert jtorch.get_device_module("cuda:1") is jtorch.cuda
    event = jtorch.Event(device="cpu", enable_timing=True)
    event.record()
    later = jtorch.Event(device="cpu", enable_timing=True)
    later.record()
    assert event.elapsed_time(later) >= 0
    with pytest.raises(NotImplementedError, match="interprocess"):
        jtorch.Event(interprocess=True)


def test_names_for_compilers():
    assert jtorch.fx.wrap(len) is len
    with pytest.raises(RuntimeError, match="Must be either a callable or string name"):
        jtorch.fx.wrap(3)
    with pytest.raises(NotImplementedError, match="does not trace symbolically"):
        jtorch.fx.Proxy()
    with pytest.raises(AttributeError, match="no attribute 'symbolic_trace'"):
        jtorch.fx.symbolic_trace  # noqa: B018
    x = jtorch.arange(10).reshape(2, 5)
    i, j = jtorch.tensor([0, 1]), jtorch.tensor([2, 3])
    with TransformGetItemToIndex():
        assert jtorch.vmap(lambda a, b: x[a, b])(i, j).tolist() == [2, 8]
        assert jtorch.vmap(lambda a: x[a])(i).tolist() == x.tolist()


def test_objects_are_shown_under_pytorchs_names(torch):
    class Own(jtorch.utils.data.Dataset):
        pass

    def shown(library):
        data = library.utils.data.TensorDataset(library.ones(3))
        optimizer = library.optim.SGD([library.ones(1, requires_grad=True)], lr=0.1)
        objects = [
            data,
            library.utils.data.DataLoader(data),
            library.utils.data.SequentialSampler(data),
            library.optim.lr_scheduler.StepLR(optimizer, 1),
            library.Generator(),
        ]
        return [repr(o).partition(" at 0x")[0] for o in objects]

    assert shown(jtorch) == shown(torch)
    assert repr(Own()).startswith(f"<{__name__}.")
