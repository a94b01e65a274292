# ruff: noqa: E501  (one attack a line, however long)
"""Files that try to run code, to reach other memory or to exhaust the machine; each is refused, nothing runs.

The attacks are built here, byte by byte. ``canary`` listens to Python's audit events meanwhile.
"""

import io
import os
import pickle
import struct
import tracemalloc
import warnings
import zipfile
import zlib

import pytest

import jtorch
from jtorch import serialization
from jtorch.serialization import _budget

# Asked here, since the first question starts JAX's backends, which import and open things.
jtorch.devices.platform_available("cuda")
REFUSED = (pickle.UnpicklingError, RuntimeError)


def archive(data, parts=(), folder="archive"):
    """A checkpoint with this pickle, and records of four floats unless others are given."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as file:
        for name, content in {
            "data.pkl": data, "byteorder": b"little", "data/0": struct.pack("<4f", 1, 2, 3, 4), "version": b"3\n",
            **dict(parts),
        }.items():  # fmt: skip
            file.writestr(f"{folder}/{name}", content)
    return made.getvalue()


def refused(canary, data, match=None, error=REFUSED, **options):
    """The load ends in a clear error and does nothing else."""
    with warnings.catch_warnings(), canary.watched() as seen:
        warnings.simplefilter("ignore")
        with pytest.raises(error, match=match) as caught:
            jtorch.load(io.BytesIO(data), **options)
    assert seen == []
    return str(caught.value)


def bounded(canary, data, megabytes=600, **options):
    """Refused, and the allocations of the refusal stay below a bound.

    Time is bounded by the timeout of the whole suite: what these files ask for would take hours.
    """
    tracemalloc.start()
    try:
        text = refused(canary, data, **options)
        assert tracemalloc.get_traced_memory()[1] < megabytes << 20
    finally:
        tracemalloc.stop()
    return text


def string(text):
    data = text.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def number(n):
    if 0 <= n < 256:
        return b"K" + bytes([n])
    size = n.bit_length() // 8 + 1
    return b"\x8a" + bytes([size]) + n.to_bytes(size, "little", signed=True)


def tuple_of(*parts):
    return b"(" + b"".join(parts) + b"t"


def name(module, attribute):
    return f"c{module}\n{attribute}\n".encode()


def storage(kind="FloatStorage", key="0", location="cpu", count=4, module="torch"):
    place = tuple_of(string("storage"), name(module, kind), string(key), string(location), number(count))
    return place + b"Q"


def tensor(offset=0, size=(4,), stride=(1,), source=None, requires_grad=b"\x89", extra=()):
    sizes, strides = (tuple_of(*map(number, x)) for x in (size, stride))
    hooks = name("collections", "OrderedDict") + b")R"
    source = storage() if source is None else source
    parts = tuple_of(source, number(offset), sizes, strides, requires_grad, hooks, *extra)
    return name("torch._utils", "_rebuild_tensor_v2") + parts + b"R"


def test_the_pieces_make_a_file_that_loads():
    """What the attacks are made of is fine in itself, or their refusal would prove nothing."""
    assert jtorch.load(io.BytesIO(archive(b"\x80\x02" + tensor() + b"."))).tolist() == [1, 2, 3, 4]
    assert jtorch.load(io.BytesIO(archive(tensor(1, (2,), (2,)) + b"."))).tolist() == [2, 4]


# ---- code

CALLS = {
    "os.system": name("os", "system") + string("touch hacked") + b"\x85R.",
    "posix.system": name("posix", "system") + string("touch hacked") + b"\x85R.",
    "nt.system": name("nt", "system") + string("touch hacked") + b"\x85R.",
    "subprocess": name("subprocess", "Popen") + string("touch hacked") + b"\x85R.",
    "eval": name("builtins", "eval") + string("open('hacked', 'w')") + b"\x85R.",
    "exec, python 2": name("__builtin__", "eval") + string("open('hacked', 'w')") + b"\x85R.",
    "getattr": name("builtins", "getattr") + tuple_of(name("torch", "Tensor"), string("__class__")) + b"R.",
    "import": name("builtins", "__import__") + string("os") + b"\x85R.",
    "importlib": name("importlib", "import_module") + string("antigravity") + b"\x85R.",
    "open": name("io", "open") + tuple_of(string("hacked"), string("w")) + b"R.",
    "apply, python 2": name("__builtin__", "apply") + tuple_of(name("os", "system"), tuple_of(string("ls"))) + b"R.",
    "torch.hub": name("torch.hub", "load") + string("a/b") + b"\x85R.",
    "torch.load": name("torch", "load") + string("other.pt") + b"\x85R.",
    "torch.serialization.load": name("torch.serialization", "load") + string("other.pt") + b"\x85R.",
    "jtorch": name("jtorch.serialization", "load") + string("other.pt") + b"\x85R.",
    "numpy": name("numpy", "load") + string("x.npy") + b"\x85R.",
    "runpy": name("runpy", "run_path") + string("hacked.py") + b"\x85R.",
    "dotted name": name("torch", "serialization.os.system") + string("touch hacked") + b"\x85R.",
    "dotted class": name("collections", "OrderedDict.fromkeys") + string("ab") + b"\x85R.",
    "split name": name("torch", "_utils._rebuild_tensor_v2.__globals__") + b".",
    "copyreg": name("copyreg", "_reconstructor") + tuple_of(name("torch", "Tensor"), name("builtins", "object"), b"N") + b"R.",
    "method of a module": name("torch.nn", "Module") + b")R.",
    "functools": name("functools", "partial") + name("os", "system") + b"\x85R.",
    "codecs": name("_codecs", "encode") + tuple_of(string("x"), string("os.path")) + b"R.",
    "codecs decode": name("_codecs", "decode") + tuple_of(string("x"), string("hex")) + b"R.",
    "empty name": name("", "") + b")R.",
}  # fmt: skip


@pytest.mark.parametrize("attack", CALLS)
def test_calls(canary, attack, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for data in (CALLS[attack], b"\x80\x02" + CALLS[attack]):
        refused(canary, archive(data))
        refused(canary, data)  # as a file of the old format
        old = b"".join(pickle.dumps(x, 2) for x in (0x1950A86A20F9469CFC6C, 1001, {})) + data
        refused(canary, old)
    assert os.listdir(tmp_path) == []


OPCODES = {
    "INST": b"(" + string("touch hacked") + b"ios\nsystem\n.",
    "OBJ": b"(" + name("os", "system") + string("touch hacked") + b"o.",
    "OBJ of a tensor": b"(" + name("torch", "Tensor") + b"o.",
    "EXT1": b"\x82\x01.", "EXT2": b"\x83\x01\0.", "EXT4": b"\x84\x01\0\0\0.",
    "STACK_GLOBAL": string("os") + string("system") + b"\x93.",
    "NEWOBJ_EX": name("torch", "Tensor") + b")}\x92.",
    "PERSID": b"Pstorage\n.",
    "persistent id of a string": string("storage") + b"Q.",
    "persistent id of a list": b"]Q.",
    "persistent id, empty": b")Q.",
    "persistent id of a module": tuple_of(string("module"), name("torch", "Tensor"), string("a"), string("b")) + b"Q.",
    "persistent id, an int": b"K\x05Q.",
    "persistent id, short": tuple_of(string("storage"), name("torch", "FloatStorage")) + b"Q.",
    "persistent id with a class": tuple_of(string("storage"), name("torch", "Tensor"), string("0"), string("cpu"), number(4)) + b"Q.",
    "persistent id with a tensor": tuple_of(string("storage"), tensor(), string("0"), string("cpu"), number(4)) + b"Q.",
    "GET": b"g0\n.", "PUT": b"Np0\n.", "STRING": b"S'a'\n.", "POP": b"N0.", "DUP": b"N2.",
    "BINBYTES8": b"\x8e" + struct.pack("<Q", 1 << 60) + b".", "BYTEARRAY8": b"\x96" + struct.pack("<Q", 1 << 60) + b".",
    "NEXT_BUFFER": b"\x97.", "LONG4": b"\x8b\xff\xff\xff\x7f.", "FRAME": b"\x95" + struct.pack("<Q", 1 << 60) + b".",
    "unknown": b"\xff.", "zero": b"\0.",
}  # fmt: skip


@pytest.mark.parametrize("attack", OPCODES)
def test_opcodes(canary, attack, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused(canary, archive(b"\x80\x02" + OPCODES[attack]))
    refused(canary, OPCODES[attack])
    assert os.listdir(tmp_path) == []


def build(made, state):
    return made + state + b"b."


def dictionary(**entries):
    return b"}(" + b"".join(string(k) + v for k, v in entries.items()) + b"u"


BUILDS = {
    "attributes of a class": build(name("torch", "Tensor"), dictionary(__init__=name("torch", "Size"))),
    "attributes of a function": build(name("torch._utils", "_rebuild_tensor_v2"), dictionary(__code__=b"N")),
    "class of an OrderedDict": build(name("collections", "OrderedDict") + b")R", dictionary(__class__=b"N")),
    "method of an OrderedDict": build(name("collections", "OrderedDict") + b")R", dictionary(items=b"N")),
    "no dictionary": build(name("collections", "OrderedDict") + b")R", b"]"),
    "storage of a tensor": build(tensor(), dictionary(_storage=b"N")),
    "class of a tensor": build(tensor(), dictionary(__class__=b"N")),
    "method of a tensor": build(tensor(), dictionary(backward=b"N")),
    "data of a tensor": build(tensor(), dictionary(data=b"N")),
    "state of a storage": build(storage(), dictionary(array=b"N")),
    "state of a list": build(b"]", dictionary(x=b"N")),
    "setitem of a tensor": tensor() + number(0) + number(7) + b"s.",
    "setitem of a storage": storage() + number(0) + number(7) + b"s.",
    "setitem of a class": name("torch", "Tensor") + string("numpy") + b"Ns.",
    "append to a tensor": tensor() + number(1) + b"a.",
    "append to a set": name("builtins", "set") + b")R" + number(1) + b"a.",
    "reduce of a value": number(1) + b")R.",
    "reduce of a tensor": tensor() + b")R.",
    "reduce of a dtype": name("torch", "float32") + b")R.",
    "reduce of a storage type": name("torch", "FloatStorage") + number(1 << 40) + b"\x85R.",
    "reduce of a legacy type": name("torch", "FloatTensor") + number(1 << 40) + b"\x85R.",
    "tensor of a size": name("torch", "Tensor") + number(1 << 40) + b"\x85R.",
    "newobj of a tensor": name("torch", "Tensor") + number(1 << 40) + b"\x85\x81.",
    "newobj of bytearray": name("builtins", "bytearray") + number(1 << 40) + b"\x85\x81.",
    "bytearray of a size": name("builtins", "bytearray") + number(1 << 40) + b"\x85R.",
    "complex of a string": name("builtins", "complex") + string("1" * 100) + b"\x85R.",
    "arguments as a list": name("torch", "Size") + b"]R.",
    "parameter of a list": name("torch._utils", "_rebuild_parameter") + tuple_of(b"]", b"\x88", b"N") + b"R.",
    "attribute through a parameter": name("torch._utils", "_rebuild_parameter_with_state")
    + tuple_of(tensor(), b"\x88", b"N", dictionary(_storage=b"N")) + b"R.",
    "type that calls": name("torch._tensor", "_rebuild_from_type_v2")
    + tuple_of(name("builtins", "set"), name("torch", "Tensor"), b")", b"}") + b"R.",
    "type that is none": name("torch._tensor", "_rebuild_from_type_v2")
    + tuple_of(name("torch._utils", "_rebuild_tensor_v2"), name("builtins", "set"), b")", b"}") + b"R.",
    "unhashable key": b"}]Ns.", "odd items": b"}(Nu.", "stack underflow": b"R.", "marks underflow": b"t.", "no result": b".",
    "memo of nothing": b"h\x07.", "text that is none": b"X\x02\0\0\0\xff\xfe.",
}  # fmt: skip


@pytest.mark.parametrize("attack", BUILDS)
def test_builds(canary, attack):
    refused(canary, archive(BUILDS[attack]))


# ---- memory

BIG = (1 << 63) - 1
BOUNDS = {
    "offset": tensor(1),
    "offset, far": tensor(BIG),
    "size": tensor(0, (5,), (1,)),
    "stride": tensor(0, (2,), (4,)),
    "two dims": tensor(0, (2, 2), (3, 1)),
    "overflow of a product": tensor(0, (1 << 32, 1 << 32), (0, 0)),
    "overflow of a stride": tensor(0, (3,), (BIG,)),
    "overflow to zero": tensor(0, (1 << 31, 1 << 31, 4), (1, 1, 1)),
    "negative offset": tensor(-1),
    "negative size": tensor(0, (-1,), (1,)),
    "negative stride": tensor(3, (4,), (-1,)),
    "lengths": tensor(0, (2, 2), (1,)),
    "dimensions": tensor(0, (1,) * 100, (1,) * 100),
    "size as floats": name("torch._utils", "_rebuild_tensor")
    + tuple_of(storage(), number(0), tuple_of(b"G" + struct.pack(">d", 4.0)), tuple_of(number(1))) + b"R",
    "storage of none": tensor(source=b"N"),
    "storage of a tensor": tensor(source=tensor()),
    "count": tensor(source=storage(count=5)),
    "count, huge": tensor(source=storage(count=1 << 61)),
    "count, negative": tensor(source=storage(count=-1)),
    "type": tensor(source=storage("DoubleStorage")),
    "key": tensor(source=storage(key="1")),
    "key outside": tensor(source=storage(key="../data.pkl", kind="ByteStorage")),
    "key of a path": tensor(source=storage(key="/etc/passwd")),
    "key empty": tensor(source=storage(key="")),
    "location": tensor(source=storage(location="file:///etc/passwd")),
    "location long": tensor(source=storage(location="cuda:" + "9" * 5000)),
    "gradient of ints": tensor(source=storage("IntStorage"), requires_grad=b"\x88"),
    "requires_grad": tensor(requires_grad=b"N"),
    "metadata": tensor(extra=[string("conj")]),
    "metadata, other": tensor(extra=[dictionary(other=b"\x88")]),
    "wider type": name("torch._utils", "_rebuild_tensor_v3")
    + tuple_of(
        storage("UntypedStorage", count=16, module="torch.storage"), number(0), tuple_of(number(4)), tuple_of(number(1)),
        b"\x89", b"N", name("torch", "float64"),
    ) + b"R",
    "no type": name("torch._utils", "_rebuild_tensor_v3")
    + tuple_of(storage(), number(0), tuple_of(number(4)), tuple_of(number(1)), b"\x89", b"N", string("float32")) + b"R",
    "meta": name("torch._utils", "_rebuild_meta_tensor_no_storage")
    + tuple_of(name("torch", "float32"), tuple_of(number(-3)), tuple_of(number(1)), b"\x89") + b"R",
}  # fmt: skip


@pytest.mark.parametrize("attack", BOUNDS)
@pytest.mark.parametrize("weights_only", [True, False], ids=["restricted", "open"])
def test_bounds(canary, attack, weights_only):
    """Checked by the functions that rebuild tensors, so with any unpickler."""
    data = archive(BOUNDS[attack] + b".")
    if weights_only:
        refused(canary, data)
        refused(canary, data, map_location="meta" if attack in ("offset", "stride", "count") else None)
    else:
        with pytest.warns(serialization.UnsafeLoadWarning), pytest.raises((*REFUSED, TypeError)):
            jtorch.load(io.BytesIO(data), weights_only=False)


# ---- exhaustion


def nested_tuples(depth):
    """Each holds the one before twice: 2 ** depth items for whoever walks along."""
    return b")q\0" + b"".join(b"h\0h\0\x86q\0" for _ in range(depth))


MANY = 50_000
SAME_HASH = b"".join(number(i * ((1 << 61) - 1)) for i in range(1, 50_000))
SAME_HASH_PAIRS = b"".join(number(i * ((1 << 61) - 1)) + b"N\x86" for i in range(1, 50_000))
BOMBS = {
    "hash of nested tuples": b"}" + nested_tuples(60) + b"Ns.",
    "hash of deep tuples": b"}" + b")" + b"\x85" * 100_000 + b"Ns.",
    "hash in a set": name("builtins", "set") + b"]" + nested_tuples(60) + b"a\x85R.",
    "equal hashes": b"}(" + b"".join(number(i * ((1 << 61) - 1)) + b"N" for i in range(1, 20_000)) + b"u.",
    "equal hashes of complex numbers": b"}("
    + b"".join(
        name("builtins", "complex") + tuple_of(number(1_000_003 * i), number(20_000 - i)) + b"RN" for i in range(20_000)
    )
    + b"u.",
    "equal hashes in a set": name("builtins", "set") + b"](" + SAME_HASH + b"e\x85R.",
    "equal hashes in an ordered dictionary": name("collections", "OrderedDict") + b"](" + SAME_HASH_PAIRS + b"e\x85R.",
    "equal hashes in a counter": name("collections", "Counter") + b"](" + SAME_HASH_PAIRS + b"e\x85R.",
    "one long key again and again": b"(" + number(1) * 9000 + b"tq\0}(" + b"h\0N" * 10_000 + b"u.",
    "empty tensors again and again": name("torch", "Tensor") + b"q\0](" + b"h\0)R" * 100_000 + b"e.",
    "parameters again and again": tensor() + b"q\0" + name("torch.nn.parameter", "Parameter") + b"q\x01](" + b"h\x01h\0\x85\x81" * 100_000 + b"e.",
    "deep lists": b"]" * MANY + b"a" * (MANY - 1) + b".",
    "deep tuples": b")" + b"\x85" * MANY + b".",
    "deep dictionaries": b"}" * MANY + b"",
    "marks": b"(" * MANY + b".",
    "strings encoded again and again": string("x" * 500_000) + b"q\0]("
    + (name("_codecs", "encode") + b"h\0\x85R") * 100_000 + b"e.",
    "sets made again and again": b"](" + number(1) * 200_000 + b"eq\0](" + (name("builtins", "set") + b"h\0\x85R") * 10_000 + b"e.",
    "sizes made again and again": b"(" + number(1) * 200_000 + b"tq\0](" + (name("torch", "Size") + b"h\0\x85R") * 10_000 + b"e.",
    "attributes again and again": b"}(" + b"".join(string(f"k{i}") + b"N" for i in range(10_000)) + b"uq\0]("
    + (name("collections", "OrderedDict") + b")Rh\0b") * 10_000 + b"e.",
    "long line": b"c" + b"a" * 10_000_000,
    "long string": b"X\xff\xff\xff\xff" + b"a" * 1000,
}  # fmt: skip


@pytest.mark.parametrize("attack", BOMBS)
def test_bombs(canary, attack):
    bounded(canary, archive(BOMBS[attack]))


EXPANDED = (1 << 28,), (0,)
COPIES = {
    "conjugated": name("torch._utils", "_rebuild_tensor_v2")
    + tuple_of(storage("ComplexFloatStorage", count=2), number(0), tuple_of(number(1 << 28)), tuple_of(number(0)),
               b"\x89", b"N", dictionary(conj=b"\x88")) + b"R.",
    "negated": tensor(0, *EXPANDED, extra=[dictionary(neg=b"\x88")]) + b".",
    "of another device": name("torch._utils", "_rebuild_device_tensor_from_cpu_tensor")
    + tuple_of(tensor(0, *EXPANDED), name("torch", "float64"), string("cpu"), b"\x89") + b"R.",
}  # fmt: skip


@pytest.mark.parametrize("attack", COPIES)
@pytest.mark.parametrize("weights_only", [True, False], ids=["restricted", "open"])
def test_copies_of_expanded_tensors(canary, attack, weights_only):
    """One number shown 2 ** 28 times is a view; its copy would take a gigabyte and more."""
    data = archive(COPIES[attack])
    if weights_only:
        assert "too much memory" in bounded(canary, data, megabytes=50)
    else:
        with pytest.warns(serialization.UnsafeLoadWarning), pytest.raises(pickle.UnpicklingError):
            jtorch.load(io.BytesIO(data), weights_only=False)


def test_sets_count_for_what_they_take(canary, monkeypatch):
    """216 bytes for each byte of pickle."""
    monkeypatch.setattr(_budget, "_FREE_BYTES", 1 << 20)
    many = b"](" + b"\x8f" * 20_000 + b"e."
    assert "too much memory" in refused(canary, archive(many))


def test_keys_that_take_long_are_noticed(canary, monkeypatch):
    """Different hashes can meet in a table as well; that shows in the time only."""
    many = b"}(" + b"".join(number(i) + b"N" for i in range(20_000)) + b"u."
    assert len(jtorch.load(io.BytesIO(archive(many)))) == 20_000
    monkeypatch.setattr(_budget, "_FREE_SECONDS", 0)
    monkeypatch.setattr(_budget, "_SECONDS_PER_KEY", 0)
    assert "collide" in refused(canary, archive(many))


def test_pickles_of_a_file_share_what_they_may_ask_for(canary, monkeypatch):
    monkeypatch.setattr(_budget, "_FREE_BYTES", 1 << 20)
    sets = b"\x8f" * 4000
    assert jtorch.load(io.BytesIO(tar(tensors=sets + b"K\0.", whole=b"N."))) is None
    refused(canary, tar(tensors=sets + b"K\0.", whole=sets + b"N."), match="too much memory")


def test_a_list_that_holds_itself_is_fine():
    loaded = jtorch.load(io.BytesIO(archive(b"]q\0h\0a.")))
    assert loaded[0] is loaded


def test_expanded_sizes_take_no_memory(canary):
    tracemalloc.start()
    x = jtorch.load(io.BytesIO(archive(tensor(0, (1 << 40,), (0,)) + b".")))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert x.shape == (1 << 40,)
    assert peak < 50 << 20


# ---- archives


def entry(name, data, method=0, flags=0, size=None, crc=None):
    """Local header and data of a zip entry, and what its row of the table says."""
    raw = name.encode()
    size = len(data) if size is None else size
    numbers = struct.pack(
        "<HHIIII", flags, method, 0, zlib.crc32(data) if crc is None else crc, len(data), size
    )
    local = b"PK\x03\x04\x14\0" + numbers + struct.pack("<HH", len(raw), 0) + raw + data
    return local, numbers, raw


def table(rows):
    return b"".join(
        b"PK\x01\x02\x14\0\x14\0" + numbers + struct.pack("<HHHHHII", len(raw), 0, 0, 0, 0, 0, at) + raw
        for numbers, raw, at in rows
    )


def zipped(entries, rows=None, count=None, shift=0):
    """An archive of these entries; ``rows`` may list them otherwise."""
    body, found = b"", []
    for local, numbers, raw in entries:
        found.append((numbers, raw, len(body)))
        body += local
    listed = table(found if rows is None else rows(found))
    count = (len(found) if rows is None else len(rows(found))) if count is None else count
    return (
        body
        + listed
        + struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, count, count, len(listed), len(body) + shift, 0)
    )


PLAIN = [
    entry("a/data.pkl", tensor() + b"."),
    entry("a/data/0", struct.pack("<4f", 1, 2, 3, 4)),
    entry("a/version", b"3\n"),
]


def test_archives_of_the_next_test_are_fine_without_the_attack():
    assert jtorch.load(io.BytesIO(zipped(PLAIN))).tolist() == [1, 2, 3, 4]


def deflated(data):
    made = zlib.compressobj(9, zlib.DEFLATED, -15)
    return made.compress(data) + made.flush()


ARCHIVES = {
    "duplicate": zipped([*PLAIN, entry("a/data.pkl", b"N.")]),
    "two names for one entry": zipped(PLAIN, lambda rows: [*rows, (rows[0][0], b"a/data/10", rows[0][2])]),
    "row listed twice": zipped(PLAIN, lambda rows: [*rows, rows[1]]),
    "overlap": zipped(PLAIN, lambda rows: [rows[0], (rows[0][0], rows[1][1], rows[0][2] + 5), rows[2]]),
    "encrypted": zipped([entry("a/data.pkl", b"N.", flags=1), *PLAIN[1:]]),
    "strongly encrypted": zipped([entry("a/data.pkl", b"N.", flags=0x40), *PLAIN[1:]]),
    "other method": zipped([entry("a/data.pkl", b"N.", method=12), *PLAIN[1:]]),
    "path upwards": zipped([entry("../data.pkl", b"N."), *PLAIN[1:]]),
    "absolute path": zipped([entry("/data.pkl", b"N."), *PLAIN[1:]]),
    "two folders": zipped([entry("b/data.pkl", b"N."), *PLAIN[1:]]),
    "no folder": zipped([entry("data.pkl", b"N."), *PLAIN[1:]]),
    "name that differs": zipped(PLAIN, lambda rows: [(rows[0][0], b"a/data.pkm", rows[0][2]), *rows[1:]]),
    "name that is no text": zipped([(x.replace(b"a/version", b"a/\xff\xff\xff\xff\xff\xff\xff"), n, b"a/\xff\xff\xff\xff\xff\xff\xff") for x, n, _ in PLAIN[2:]] + PLAIN[:2]),
    "size beyond the file": zipped([entry("a/data.pkl", tensor() + b"."), entry("a/data/0", b"1234", size=1 << 31), PLAIN[2]]),
    "table that starts elsewhere": zipped(PLAIN, shift=4),
    "more rows than fit": zipped(PLAIN, count=60_000),
    "fewer rows than there are": zipped(PLAIN, count=1),
    "bomb of the pickle below the bound of data": zipped([entry("a/data.pkl", deflated(b"N" * (9 << 20)), 8, size=9 << 20), *PLAIN[1:]]),
    "bomb of the pickle": zipped([entry("a/data.pkl", deflated(b"N" * (80 << 20)), 8, size=80 << 20), *PLAIN[1:]]),
    "bomb that lies": zipped([entry("a/data.pkl", deflated(b"N" * (30 << 20)), 8, size=2), *PLAIN[1:]]),
    "deflated rubbish": zipped([entry("a/data.pkl", b"\xff" * 50, 8, size=60), *PLAIN[1:]]),
    "wide sizes missing": zipped([entry("a/data.pkl", b"N.", size=0xFFFFFFFF), *PLAIN[1:]]),
    "comment": zipped(PLAIN) + b"x",
    "empty archive": b"PK\x03\x04" + b"\0" * 40 + struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 0, 0, 0, 44, 0),
}  # fmt: skip


@pytest.mark.parametrize("attack", ARCHIVES)
def test_archives(canary, attack):
    text = bounded(canary, ARCHIVES[attack], error=RuntimeError)
    assert text.startswith(("PytorchStreamReader failed", "record size"))


# ---- the old formats


FOUR = struct.pack("<q4f", 4, 1, 2, 3, 4)


def old(obj, keys=b"]X\x01\0\0\x000a.", data=FOUR):
    head = b"".join(pickle.dumps(x, 2) for x in (0x1950A86A20F9469CFC6C, 1001, {}))
    return head + obj + b"." + keys + data


def old_storage(count=4, key="0", view=b"N", kind="FloatStorage"):
    return (
        tuple_of(string("storage"), name("torch", kind), string(key), string("cpu"), number(count), view)
        + b"Q"
    )


#: Bytes that are no ASCII.
LATIN = name("_codecs", "encode") + tuple_of(string("\xe9"), string("latin1")) + b"R"
LEGACY = {
    "count of the file": old(tensor(source=old_storage()), data=struct.pack("<q4f", 1 << 60, 1, 2, 3, 4)),
    "count, negative": old(tensor(source=old_storage()), data=struct.pack("<q4f", -4, 1, 2, 3, 4)),
    "count of the pickle": old(tensor(source=old_storage(1 << 40))),
    "many storages": old(b"](" + b"".join(old_storage(20, str(i)) for i in range(50)) + b"e"),
    "no key": old(tensor(source=old_storage()), keys=b"]."),
    "key twice": old(tensor(source=old_storage()), keys=b"](X\x01\0\0\x000X\x01\0\0\x000e."),
    "other key": old(tensor(source=old_storage()), keys=b"]X\x01\0\0\x001a."),
    "keys in bytes": old(tensor(source=old_storage()), keys=b"]" + LATIN + b"a."),
    "keys that are none": old(tensor(source=old_storage()), keys=b"}."),
    "view": old(tensor(source=old_storage(view=tuple_of(string("1"), number(2), number(3))))),
    "view, far": old(tensor(source=old_storage(view=tuple_of(string("1"), number(1 << 61), number(1))))),
    "view, negative": old(tensor(source=old_storage(view=tuple_of(string("1"), number(-1), number(2))))),
    "view of a string": old(tensor(source=old_storage(view=string("1")))),
    "bounds": old(tensor(1, source=old_storage())),
    "module with its source": old(tuple_of(string("module"), name("torch", "Tensor"), string("f"), string("s")) + b"Q"),
    "cut": old(tensor(source=old_storage()))[:-3],
    "no magic": b"\x80\x02K\x01." * 5,
    "huge magic": b"\x8a\xff" + b"\x7f" * 255 + b".",
}  # fmt: skip


def test_old_files_are_fine_without_the_attack():
    good = old(tensor(source=old_storage(view=tuple_of(string("9"), number(1), number(3))), size=(3,)))
    assert jtorch.load(io.BytesIO(good)).tolist() == [2, 3, 4]


@pytest.mark.parametrize("attack", LEGACY)
def test_legacy(canary, attack):
    refused(canary, LEGACY[attack])


def tar_member(name, data, kind=b"0", size=None):
    size = len(data) if size is None else size
    header = (
        name.encode().ljust(100, b"\0")
        + b"0000644\0"
        + b"0000000\0" * 2
        + b"%011o\0" % size
        + b"0" * 11
        + b"\0"
    )
    header = header + b" " * 8 + kind + b"\0" * 100 + b"ustar\x0000" + b"\0" * 247
    header = header[:148] + b"%06o\0 " % sum(header) + header[156:]
    return header[:512] + data + b"\0" * (-len(data) % 512)


def tar(storages=None, tensors=None, whole=None, extra=b""):
    kind = name("torch", "FloatStorage")
    storages = (
        b"K\x01."
        + tuple_of(number(1), string("cpu"), kind)
        + b"."
        + struct.pack("<q4f", 4, 1, 2, 3, 4)
        + b"]."
        if storages is None
        else storages
    )
    tensors = (
        b"K\x01." + tuple_of(number(2), number(1), kind) + b"." + struct.pack("<iiqqq", 1, 0, 4, 1, 0)
        if tensors is None
        else tensors
    )
    members = (
        ("storages", storages),
        ("tensors", tensors),
        ("pickle", b"K\x02Q." if whole is None else whole),
    )
    return extra + b"".join(tar_member(*m) for m in members) + b"\0" * 1024


def tar_tensor(*numbers):
    return b"K\x01." + tuple_of(number(2), number(1), name("torch", "FloatStorage")) + b"." + numbers[0]


TARS = {
    "os.system": tar(whole=CALLS["os.system"]),
    "os.system in storages": tar(storages=CALLS["os.system"]),
    "os.system in tensors": tar(tensors=CALLS["os.system"]),
    "path upwards": tar(extra=tar_member("../../pickle", b"x")) [:1536],
    "symbolic link": tar_member("storages", b"", b"2") + tar(),
    "member twice": tar(extra=tar_member("pickle", b"N.")),
    "member beyond the end": tar(extra=tar_member("pickle", b"", size=1 << 30)),
    "size of the storage": tar(
        storages=b"K\x01." + tuple_of(number(1), string("cpu"), name("torch", "FloatStorage")) + b"."
        + struct.pack("<q", 1 << 40) + b"]."
    ),
    "location in bytes": tar(storages=b"K\x01." + tuple_of(number(1), LATIN, name("torch", "FloatStorage")) + b"." + FOUR + b"]."),
    "many storages": tar(storages=b"\x8a\x05\0\0\0\0\x01."),
    "dimensions": tar(tensors=tar_tensor(struct.pack("<ii", 1 << 30, 0))),
    "bounds": tar(tensors=tar_tensor(struct.pack("<iiqqq", 1, 0, 5, 1, 0))),
    "negative": tar(tensors=tar_tensor(struct.pack("<iiqqq", 1, 0, 4, -1, 3))),
    "persistent id of a module": tar(whole=tuple_of(string("storage"), name("torch", "Tensor")) + b"Q."),
    "persistent id unknown": tar(whole=b"K\x09Q."),
}  # fmt: skip


def test_the_tar_is_fine_without_the_attack():
    assert jtorch.load(io.BytesIO(tar())).tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize("attack", TARS)
def test_tars(canary, attack, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused(canary, TARS[attack])
    assert os.listdir(tmp_path) == []


# ---- trust


class Trusted:
    """Trusted by name: its state is set, and that is all that its file may do."""

    ran: list = []  # noqa: RUF012

    def __setstate__(self, state):
        self.ran.append(state)


def test_trust_reaches_no_further_than_stated(canary):
    data = archive(name(__name__, "Trusted") + b")\x81" + dictionary(x=number(1)) + b"b.")
    refused(canary, data, match="Trusted was not an allowed global by default")
    with serialization.safe_globals([Trusted]):
        loaded = jtorch.load(io.BytesIO(data))
        assert loaded.ran == [{"x": 1}]
        refused(canary, archive(name(__name__, "Trusted.__setstate__") + b")R."))
        refused(canary, archive(name("os", "system") + string("true") + b"\x85R."))
    with serialization.safe_globals([(os.system, "os.system")]):  # PyTorch's block list holds all the same
        assert "whose module os is blocked" in refused(canary, archive(CALLS["os.system"]))
    refused(canary, data)


def test_never_falls_back(canary, monkeypatch):
    """Python's unpickler is not even called when the restricted machine gives up."""

    def fail(*args, **kwargs):
        raise AssertionError("the open unpickler was called")

    monkeypatch.setattr(pickle, "Unpickler", fail)
    monkeypatch.setattr(pickle, "load", fail)
    monkeypatch.setattr(pickle, "loads", fail)
    for data in (archive(CALLS["eval"]), CALLS["eval"], tar(whole=CALLS["eval"])):
        refused(canary, data)


def test_the_canary_sings(canary, tmp_path):
    """With weights_only=False the same file runs, and the canary notices: so silence above means something."""
    target = tmp_path / "hacked"
    attack = archive(name("os", "system") + string(f"touch {target}") + b"\x85R.")
    with canary.watched() as seen, pytest.warns(serialization.UnsafeLoadWarning):
        jtorch.load(io.BytesIO(attack), weights_only=False)
    assert target.exists()
    assert [event.split()[0] for event in seen if "import" not in event] == ["pickle.find_class", "os.system"]
