"""Files both ways between jtorch and PyTorch: what one saves the other loads with ``weights_only=True``."""

import io
import pickle
import zipfile
from collections import Counter, OrderedDict

import pytest

import jtorch

ALL_DTYPES = [d.name for d in jtorch.dtypes.ALL]
LEGACY_DTYPES = [
    n for n in ALL_DTYPES if not n.startswith("float8") and n not in ("uint16", "uint32", "uint64")
]


def saved(m, obj, **options):
    buffer = io.BytesIO()
    m.save(obj, buffer, **options)
    buffer.seek(0)
    return buffer


def bytes_of(tensor):
    m = jtorch if isinstance(tensor, jtorch.Tensor) else pytest.importorskip("torch")
    return tensor.detach().contiguous().reshape(-1).view(m.uint8).numpy().tobytes()


def assert_same(a, b):
    """Equal in everything that a file keeps, whichever library each side belongs to."""
    assert type(a).__name__ == type(b).__name__
    if type(a).__name__ in ("Tensor", "Parameter"):
        assert (str(a.dtype), tuple(a.shape), a.stride(), a.storage_offset(), a.requires_grad) == (
            str(b.dtype), tuple(b.shape), b.stride(), b.storage_offset(), b.requires_grad,
        )  # fmt: skip
        assert bytes_of(a) == bytes_of(b)
        assert {k: v for k, v in vars(a).items() if k == "note"} == {
            k: v for k, v in vars(b).items() if k == "note"
        }
    elif isinstance(a, dict):
        assert list(a) == list(b)
        for key in a:
            assert_same(a[key], b[key])
        assert getattr(a, "_metadata", None) == getattr(b, "_metadata", None)
    elif isinstance(a, list | tuple):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            assert_same(x, y)
    else:
        assert str(a) == str(b)


def corpus(m):
    """One object of every kind that state dicts and checkpoints are made of."""
    x = m.arange(24.0).reshape(2, 3, 4)
    weight = m.nn.Parameter(m.arange(6.0).reshape(2, 3))
    noted = m.nn.Parameter(m.ones(2), requires_grad=False)
    noted.note = "kept"
    named = OrderedDict(weight=weight.detach(), bias=m.zeros(3))
    named._metadata = OrderedDict({"": {"version": 1}})
    layers = m.nn.Sequential(m.nn.Linear(2, 3), m.nn.BatchNorm1d(3))
    for i, p in enumerate(layers.parameters()):
        p.data.copy_(m.arange(float(p.numel())).reshape(p.shape) + i)
    return {
        "views": [x, x[1], x[:, 1:, ::2], x.transpose(0, 2), x.reshape(-1)[5:7], x[0, 0, 0]],
        "gap": m.arange(10)[2:8:3],
        "expanded": m.tensor([[1.0], [2.0]]).expand(2, 5),
        "channels_last": m.arange(24.0).reshape(1, 2, 3, 4).contiguous(memory_format=m.channels_last),
        "tied": {"a": weight, "b": weight, "part": weight.detach()[1]},
        "noted": noted,
        "leaf": m.ones(2, requires_grad=True),
        "zero_dim": m.tensor(3, dtype=m.int16),
        "empty": [m.empty(0), m.empty(0, 3, dtype=m.int64), m.empty(2, 0)],
        "complex": m.tensor([1 + 2j, -1j]),
        "state_dict": layers.state_dict(),
        "ordered": named,
        "nested": [
            {"a": (1, 2.5, None, True, "é", b"\0\xff", bytearray(b"xy"))},
            [[], {}, ()],
            1j,
            -(10**30),
        ],
        "sets": {3},
        "counter": Counter(a=2),
        "size": x.size(),
        "dtype": m.bfloat16,
        "device": m.device("cpu"),
    }


@pytest.mark.parametrize("name", ALL_DTYPES)
def test_every_dtype_both_ways(torch, name):
    def make(m):
        kind = getattr(m, name)
        x = m.tensor([[1, 2, 4], [8, 16, 32]], dtype=kind)  # every type has these
        return [x, x.t(), m.zeros((), dtype=kind), m.empty((0, 2), dtype=kind)]

    loaded = jtorch.load(saved(torch, make(torch)))
    assert_same(loaded, make(torch))
    assert_same(torch.load(saved(jtorch, loaded), weights_only=True), make(torch))
    assert_same(torch.load(saved(jtorch, make(jtorch)), weights_only=True), make(torch))
    assert_same(jtorch.load(saved(jtorch, make(jtorch))), make(torch))
    if name in LEGACY_DTYPES:
        old = {"_use_new_zipfile_serialization": False}
        assert_same(jtorch.load(saved(torch, make(torch), **old)), make(torch))
        assert_same(torch.load(saved(jtorch, make(jtorch), **old), weights_only=True), make(torch))


@pytest.mark.parametrize("options", [{}, {"_use_new_zipfile_serialization": False}], ids=["zip", "legacy"])
def test_corpus_both_ways(torch, options):
    expected = corpus(torch)
    loaded = jtorch.load(saved(torch, expected, **options))
    assert_same(loaded, expected)
    assert_same(torch.load(saved(jtorch, loaded, **options), weights_only=True), expected)
    assert_same(torch.load(saved(jtorch, corpus(jtorch), **options), weights_only=True), expected)


@pytest.mark.parametrize("options", [{}, {"_use_new_zipfile_serialization": False}], ids=["zip", "legacy"])
def test_views_and_tied_weights_keep_sharing(options):
    loaded = jtorch.load(saved(jtorch, corpus(jtorch), **options))
    whole, row, *_, scalar = loaded["views"]
    whole[1] = -1.0
    scalar.fill_(7.0)
    assert row.eq(-1).all()
    assert whole[0, 0, 0] == 7
    assert loaded["tied"]["a"] is loaded["tied"]["b"]
    with jtorch.no_grad():
        loaded["tied"]["a"].zero_()
    assert loaded["tied"]["part"].eq(0).all()
    assert loaded["channels_last"].is_contiguous(memory_format=jtorch.channels_last)


def test_a_part_brings_its_whole_storage():
    x = jtorch.arange(100.0)
    assert jtorch.load(saved(jtorch, x[:2])).untyped_storage().nbytes() == 400
    assert jtorch.load(saved(jtorch, x[:2].clone())).untyped_storage().nbytes() == 8


def test_file_is_the_one_that_pytorch_writes(torch):
    """Byte for byte, but for the digits that identify a save."""
    for name, content in corpus(torch).items():
        if name == "state_dict":
            continue  # how often its pickle repeats a string depends on which strings Python shares
        expected = torch.load(saved(torch, content))
        theirs, mine = saved(torch, expected), saved(jtorch, jtorch.load(saved(torch, expected)))
        a, b = zipfile.ZipFile(theirs), zipfile.ZipFile(mine)
        assert [vars_of(i) for i in a.infolist()] == [vars_of(i) for i in b.infolist()]
        for record in a.namelist():
            if not record.endswith("serialization_id"):
                assert a.read(record) == b.read(record), (name, record)
        assert len(theirs.getvalue()) == len(mine.getvalue())


def vars_of(info):
    return info.filename, info.header_offset, info.file_size, info.flag_bits, info.compress_type, info.extra


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad"])
def test_optimizers_go_on_in_the_other_library(torch, name):
    options = {"lr": 0.1, "momentum": 0.9} if name == "SGD" else {"lr": 0.1}

    def make(m):
        p = m.nn.Parameter(m.tensor([1.0, -2.0, 3.0]))
        return p, getattr(m.optim, name)([p], **options)

    def step(p, optimizer):
        optimizer.zero_grad()
        (p**2).sum().backward()
        optimizer.step()

    def state(p, optimizer):
        return {"p": p.detach(), "optimizer": optimizer.state_dict()}

    def resume(m, content):
        p, optimizer = make(m)
        with m.no_grad():
            p.copy_(content["p"])
        optimizer.load_state_dict(content["optimizer"])
        return p, optimizer

    theirs = make(torch)
    step(*theirs)
    mine = resume(jtorch, jtorch.load(saved(torch, state(*theirs))))
    step(*mine)
    step(*theirs)
    back = resume(torch, torch.load(saved(jtorch, state(*mine)), weights_only=True))
    step(*back)
    step(*mine)
    step(*theirs)
    for p in (back[0], mine[0]):
        torch.testing.assert_close(torch.tensor(p.tolist()), theirs[0].detach(), rtol=1e-6, atol=1e-6)


def models(m):
    layers = [
        m.nn.Conv2d(3, 4, 3), m.nn.BatchNorm2d(4), m.nn.LSTM(3, 4), m.nn.Embedding(4, 3), m.nn.ReLU(),
        m.nn.TransformerEncoderLayer(8, 2), m.nn.MultiheadAttention(8, 2),
        m.nn.ModuleDict({"a": m.nn.Dropout(0.2)}),
        m.nn.ParameterList([m.nn.Parameter(m.ones(1))]), m.nn.CrossEntropyLoss(), m.nn.Flatten(),
    ]  # fmt: skip
    return m.nn.Sequential(*layers)


def test_whole_models_both_ways(torch):
    x = torch.linspace(-1, 1, 48).reshape(3, 2, 8)
    theirs = models(torch).eval()
    with pytest.warns(jtorch.serialization.UnsafeLoadWarning, match="runs whatever code the file contains"):
        mine = jtorch.load(saved(torch, theirs), weights_only=False)
    assert str(mine) == str(theirs)
    back = torch.load(saved(jtorch, mine), weights_only=False)
    assert str(back) == str(theirs)
    assert_same(dict(back.state_dict()), dict(theirs.state_dict()))
    assert torch.equal(back[5](x), theirs[5](x))
    out = mine[5](jtorch.tensor(x.numpy())).tolist()
    torch.testing.assert_close(torch.tensor(out), theirs[5](x).detach())


def test_whole_model_with_safe_globals():
    model = jtorch.nn.Linear(2, 2)
    file = saved(jtorch, model)
    assert jtorch.serialization.get_unsafe_globals_in_checkpoint(file) == ["torch.nn.modules.linear.Linear"]
    file.seek(0)
    with pytest.raises(pickle.UnpicklingError, match=r"GLOBAL torch\.nn\.modules\.linear\.Linear was not"):
        jtorch.load(file)
    file.seek(0)
    with jtorch.serialization.safe_globals([jtorch.nn.Linear]):
        assert jtorch.serialization.get_safe_globals() == [jtorch.nn.Linear]
        loaded = jtorch.load(file)
    assert jtorch.serialization.get_safe_globals() == []
    assert_same(dict(loaded.state_dict()), dict(model.state_dict()))


class Marked(jtorch.Tensor):
    """A subclass of the user's."""


def test_subclass_with_attributes():
    x = jtorch.arange(3.0).as_subclass(Marked)
    x.unit = "cm"
    file = saved(jtorch, [x, x])
    with pytest.raises(pickle.UnpicklingError, match="Marked was not an allowed global by default"):
        jtorch.load(file)
    file.seek(0)
    with jtorch.serialization.safe_globals([Marked]):
        a, b = jtorch.load(file)
    assert a is b
    assert type(a) is Marked
    assert a.unit == "cm"
    assert a.tolist() == [0, 1, 2]


def test_conjugated_view_is_read(torch):
    # by hand: conj negates imaginary parts
    assert jtorch.load(saved(torch, torch.tensor([1 + 2j]).conj())).tolist() == [1 - 2j]
    assert jtorch.load(saved(torch, torch.tensor([1 + 2j]).conj().imag)).tolist() == [-2.0]


def test_storages_themselves():
    x = jtorch.arange(3, dtype=jtorch.int32)
    storage, view = jtorch.load(saved(jtorch, [x.untyped_storage(), jtorch.ones(2, dtype=jtorch.uint8)]))
    assert storage.tolist() == [0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0]
    assert view.tolist() == [1, 1]
