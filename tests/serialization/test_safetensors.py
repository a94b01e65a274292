"""safetensors files beside the library's own functions for PyTorch; shards; names that lead elsewhere."""

import json
import os
import struct

import pytest

import jtorch

st = pytest.importorskip("safetensors")
from jtorch import safetensors  # noqa: E402

NAMES = [d.name for d in jtorch.dtypes.ALL if d.name != "complex128"]  # the format has no such type


def tensors(m):
    made = {name: m.tensor([[1, 2, 4], [8, 16, 32]], dtype=getattr(m, name)) for name in NAMES}
    return made | {"empty": m.empty(0, 3), "zero_dim": m.tensor(3.0), "part": m.arange(6)[2:4].clone()}


def test_both_ways(torch, tmp_path):
    from safetensors.torch import load_file, save_file

    theirs, mine = tmp_path / "theirs.safetensors", tmp_path / "mine.safetensors"
    save_file(tensors(torch), theirs, metadata={"a": "b"})
    loaded = safetensors.load_file(theirs)
    safetensors.save_file(loaded, mine, metadata={"a": "b"})
    assert mine.read_bytes() == theirs.read_bytes()
    assert safetensors.save(loaded, metadata={"a": "b"}) == theirs.read_bytes()
    expected = load_file(mine)
    for found in (
        loaded,
        safetensors.load(theirs.read_bytes()),
        jtorch.load(theirs),
        jtorch.load(mine, "cpu"),
    ):
        assert found.keys() == expected.keys()
        for name, x in found.items():
            assert (str(x.dtype), tuple(x.shape)) == (str(expected[name].dtype), tuple(expected[name].shape))
            assert x.tolist() == expected[name].tolist()


def test_open(tmp_path):
    path = tmp_path / "x.safetensors"
    safetensors.save_file({"b": jtorch.arange(12.0).reshape(3, 4), "a": jtorch.ones(2)}, path, {"k": "v"})
    with safetensors.safe_open(path, framework="pt", device="cpu") as file:
        assert file.keys() == ["a", "b"]
        assert file.metadata() == {"k": "v"}
        assert sorted(file.offset_keys()) == ["a", "b"]
        assert file.get_tensor("b").sum() == 66
        part = file.get_slice("b")
        assert (part.get_shape(), part.get_dtype()) == ([3, 4], "F32")
        assert part[1:, ::2].tolist() == [[4, 6], [8, 10]]
        with pytest.raises(KeyError, match="File does not contain tensor c"):
            file.get_tensor("c")
    x = safetensors.load_file(path)["b"]
    x.zero_()  # the mapped file keeps its contents
    assert safetensors.load_file(path)["b"].sum() == 66
    with pytest.raises(RuntimeError, match="with dict map_location is not supported"):
        jtorch.load(path, map_location={"cpu": "cpu"})
    with pytest.raises(RuntimeError, match="with callable map_location is not supported"):
        jtorch.load(path, map_location=lambda s, loc: s)


def test_what_cannot_be_saved(tmp_path):
    x = jtorch.arange(6.0).reshape(2, 3)
    path = tmp_path / "x.safetensors"
    with pytest.raises(RuntimeError, match="Some tensors share memory"):
        safetensors.save_file({"a": x, "b": x[1]}, path)
    safetensors.save_file({"a": x[0], "b": x[1]}, path)  # parts that do not overlap
    with pytest.raises(ValueError, match="You are trying to save a non contiguous tensor: `a`"):
        safetensors.save_file({"a": x.t()}, path)
    with pytest.raises(
        ValueError, match=r"Key `a` is invalid, expected torch\.Tensor but received <class 'int'>"
    ):
        safetensors.save_file({"a": 1}, path)
    assert safetensors.load_file(path)["b"].tolist() == [3, 4, 5]
    assert os.listdir(tmp_path) == ["x.safetensors"]


def test_models_with_tied_weights(tmp_path):
    class Tied(jtorch.nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = jtorch.nn.Linear(3, 3, bias=False), jtorch.nn.Linear(3, 3, bias=False)
            self.b.weight = self.a.weight

    path, model = tmp_path / "x.safetensors", Tied()
    safetensors.save_model(model, path)
    assert safetensors.load_file(path).keys() == {"a.weight"}
    assert safetensors.safe_open(path).metadata() == {"b.weight": "a.weight"}
    expected = model.a.weight.tolist()
    with jtorch.no_grad():
        model.a.weight.zero_()
    assert safetensors.load_model(model, path) == ([], [])
    assert model.b.weight.tolist() == expected
    with pytest.raises(RuntimeError, match=r'Missing key\(s\) in state_dict: "bias"'):
        safetensors.load_model(jtorch.nn.Linear(3, 3), path)


def test_shards(tmp_path):
    content = {f"x{i}": jtorch.full((10,), float(i)) for i in range(5)}
    safetensors.save_sharded(content, tmp_path, max_shard_size=100)
    assert sorted(os.listdir(tmp_path)) == [
        *(f"model-{i:05d}-of-00003.safetensors" for i in (1, 2, 3)), "model.safetensors.index.json",
    ]  # fmt: skip
    index = tmp_path / "model.safetensors.index.json"
    assert json.loads(index.read_text())["metadata"] == {"total_size": 200}
    for path in (tmp_path, index):
        found = safetensors.load_sharded(path)
        assert {k: v.tolist() for k, v in found.items()} == {k: v.tolist() for k, v in content.items()}
    assert safetensors.load_file(index).keys() == content.keys()


@pytest.mark.parametrize(
    "name",
    [
        "../x.safetensors", "/etc/x.safetensors", "a/x.safetensors", "a\\x.safetensors", "C:x.safetensors",
        "x.bin", "", "..", ".safetensors", "x\0.safetensors", 7,
    ],
)  # fmt: skip
def test_index_that_names_other_files(tmp_path, name):
    inner = tmp_path / "inner"
    inner.mkdir()
    safetensors.save_file({"x": jtorch.ones(1)}, tmp_path / "x.safetensors")
    index = inner / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"x": name}}))
    with pytest.raises(ValueError, match=r"is no index of shards|in the same folder"):
        safetensors.load_sharded(inner)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"weight_map": []}', "[" * 100_000, "\xff", "NaN"])
def test_damaged_index(tmp_path, text):
    (tmp_path / "model.safetensors.index.json").write_text(text, encoding="latin1")
    with pytest.raises(ValueError, match="is no index of shards"):
        safetensors.load_sharded(tmp_path)


def test_damaged_files(tmp_path, canary):
    """The library's checks, seen through jtorch: every cut and every lie about sizes is noticed."""
    path = tmp_path / "x.safetensors"
    safetensors.save_file({"x": jtorch.ones(4), "y": jtorch.ones(4)}, path)
    data = path.read_bytes()
    head = struct.unpack("<Q", data[:8])[0]
    lies = [
        data[:-1], data + b"x", data[:4], struct.pack("<Q", 1 << 40) + data[8:],
        data.replace(b'"shape":[4]', b'"shape":[5]', 1), data.replace(b"[16,32]", b"[8,24] "),
        data.replace(b'"F32"', b'"F64"', 1), data[: 8 + head // 2],
    ]  # fmt: skip
    for lie in lies:
        path.write_bytes(lie)
        with canary.watched() as seen, pytest.raises(st.SafetensorError):
            safetensors.load_file(path)
        assert seen == []
