"""Orders and names of arguments that PyTorch takes besides today's, and ranges of powers: against PyTorch."""

import warnings

import numpy as np
import pytest

import jtorch
from jtorch.tensor import _old_forms


def given(library):
    x = library.tensor([[1.0, 2.0], [3.0, 4.0]])
    return {"t": library, "x": x, "v": x[0].clone(), "b": x[None] + 1, "i": library.tensor([[0, 1]])}


OLD = [
    "t.add(x, 2, x)", "x.add(2, x)", "x.add_(2, x)", "t.add(x, 1, 2)", "t.sub(x, 1, 2)", "x.sub_(2, x)",
    "t.rsub(x, 1, 2)", "t.addmm(2, x, 3, x, x)", "t.addmm(2, x, x, x)", "x.addmm(2, 3, x, x)",
    "x.addmm_(2, b[0], b[0])", "t.addmv(2, v, 3, x, v)", "v.addmv_(2, x, b[0, 0])", "t.addr(2, x, v, v)",
    "t.addbmm(2, x, 3, b, b)", "t.baddbmm(2, b, 3, b, b)", "t.addcdiv(x, 2, x, x)", "x.addcmul_(2, x, x)",
]  # fmt: skip


@pytest.mark.parametrize("call", OLD)
def test_old_orders_of_arguments(torch, call):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mine, theirs = (eval(call, given(library)) for library in (jtorch, torch))
    assert mine.tolist() == theirs.tolist()


def test_the_first_old_order_warns_once(monkeypatch):
    monkeypatch.setattr(_old_forms, "_warned", set())
    x = jtorch.ones(2)
    # PyTorch 2.13's text, without the place in its sources.
    text = (
        "This overload of add is deprecated:\n\tadd(Tensor input, Number alpha, Tensor other, *, Tensor out "
        "= None)\nConsider using one of the following signatures instead:\n\tadd(Tensor input, Tensor other, "
        "*, Number alpha = 1, Tensor out = None)"
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        jtorch.add(x, 2, x)
        jtorch.sub(x, 2, x)
    assert [str(w.message) for w in caught] == [text]
    assert caught[0].filename == __file__


NAMED = [
    "t.det(input=x)", "t.chunk(input=x, chunks=2)", "t.swapaxes(x, axis0=0, axis1=1)",
    "t.tensor_split(x, sections=2)", "x.tensor_split(indices=[1])", "t.hsplit(x, sections=2)",
    "t.rrelu(x, 0.1, 0.2, False, None)", "t.triu_indices(2, 2, requires_grad=False)",
    "t.repeat_interleave(repeats=t.tensor([1, 2]))", "t.histogramdd(x, [2, 2], None, None, False).hist",
    "t.cholesky_inverse(input=x)", "t.is_same_size(input=x, other=x)", "t.ravel(input=x)",
    "t.adjoint(input=x)", "t.detach(input=x)", "x.copy_(other=x)", "t.zero_(input=x)",
    "t.pow(self=2, exponent=x)",
    "x.scatter(0, i, value=2.0)", "t.std(x, False)", "t.unsafe_split(input=x, split_size=1)",
    "t.arange(0, end=3)", "t.arange(end=4, start=1)", "t.rand_like(x, pin_memory=False).shape",
]  # fmt: skip


@pytest.mark.parametrize("call", NAMED)
def test_names_of_arguments(torch, call):
    mine, theirs = (eval(call, given(library)) for library in (jtorch, torch))

    def plain(x):
        return [plain(y) for y in x] if isinstance(x, tuple) else x.tolist() if hasattr(x, "tolist") else x

    np.testing.assert_allclose(plain(mine), plain(theirs), 1e-6)


ENDS = [(2, 1.2, 2), (-1, 2.5, 7), (0.3, 3.7, 9), (2, 2, 1), (0, 3, 50), (1.2, 2, 2, 0.5), (1, 2, 3, -2.0)]


@pytest.mark.parametrize("dtype", ["int64", "int32", "float32", "float64", "bfloat16"])
def test_logspace_has_the_bits_of_torch(torch, dtype):
    for args in ENDS:
        mine, theirs = (
            library.logspace(*args, dtype=getattr(library, dtype)).tolist() for library in (jtorch, torch)
        )
        assert repr(mine) == repr(theirs), args


def test_from_file_maps_files(torch, tmp_path):
    path = tmp_path / "data"
    path.write_bytes(bytes(range(8)))
    for library in (jtorch, torch):
        assert library.from_file(str(path), size=2, dtype=library.int32).tolist() == [50462976, 117835012]
        private = library.from_file(str(path), False, 8, dtype=library.uint8)
        private[0] = 7
        assert path.read_bytes()[0] == 0
        shared = library.from_file(str(path), True, 8, dtype=library.uint8)
        shared[0] = 9
        assert path.read_bytes()[0] == 9
        shared[0] = 0
        for name, size in ((path, 9), (tmp_path / "none", 1)):
            with pytest.raises(
                RuntimeError, match=r"is smaller than the required|unable to open file <.*none>"
            ):
                library.from_file(str(name), False, size, dtype=library.uint8)
        assert library.from_file(str(tmp_path / f"new-{library.__name__}"), True, 3).tolist() == [0, 0, 0]


def test_resize_out_of_place_is_reshape(torch):
    for library in (jtorch, torch):
        x = library.arange(6.0)
        with pytest.warns(UserWarning, match="^non-inplace resize is deprecated$"):
            assert x.resize(2, 3).tolist() == [[0, 1, 2], [3, 4, 5]]
        with (
            pytest.warns(UserWarning, match="^non-inplace resize_as is deprecated$"),
            pytest.raises(
                RuntimeError, match=r"^requested resize to 2 \(2 elements in total\), but the given"
            ),
        ):
            x.resize_as(library.ones(2))
        assert x.module_load(library.ones(6)).data_ptr() == x.data_ptr()
