"""What ``save`` and ``load`` promise beyond values: formats, places, files, options and error texts."""

import io
import mmap
import os
import pickle
import stat
import struct
import sys
import tarfile
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest

import jtorch
from jtorch import serialization


def saved(obj, **options):
    buffer = io.BytesIO()
    jtorch.save(obj, buffer, **options)
    buffer.seek(0)
    return buffer


def records(buffer):
    with zipfile.ZipFile(buffer) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(parts, method=zipfile.ZIP_STORED):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    made.seek(0)
    return made


# ---- archives


def test_records_are_named_stored_and_aligned(tmp_path):
    path = tmp_path / "model.pt"
    jtorch.save([jtorch.arange(3.0), jtorch.arange(5, dtype=jtorch.int8)], path)
    with zipfile.ZipFile(path) as archive:
        names = [info.filename for info in archive.infolist()]
        assert archive.testzip() is None
        data = path.read_bytes()
        for info in archive.infolist():
            assert info.compress_type == zipfile.ZIP_STORED
            name_size, extra_size = struct.unpack_from("<2H", data, info.header_offset + 26)
            assert (info.header_offset + 30 + name_size + extra_size) % 64 == 0
        assert archive.read("model/byteorder").decode() == sys.byteorder
        assert (archive.read("model/version"), archive.read("model/.format_version")) == (b"3\n", b"1")
        assert archive.read("model/.storage_alignment") == b"64"
        assert archive.read("model/data/0") == np.arange(3, dtype=np.float32).tobytes()
    # the order in which PyTorch 2.13 writes them
    assert names == [
        "model/" + n
        for n in (
            "data.pkl", ".format_version", ".storage_alignment", "byteorder", "data/0", "data/1", "version",
            ".data/serialization_id",
        )
    ]  # fmt: skip
    assert records(saved(1)).keys() >= {"archive/data.pkl"}


def test_files_beyond_four_gigabytes_use_wide_numbers(tmp_path):
    from jtorch.serialization._zip_reader import ZipReader
    from jtorch.serialization._zip_writer import ZipWriter

    size = (1 << 32) + 5
    with open(tmp_path / "big.pt", "w+b") as file:  # a hole: it takes no place on the disk
        writer = ZipWriter(file, "big")
        writer.reserve("data/0", size)
        writer.add("version", b"3\n")
        writer.finish()
        file.seek(0)
        found = ZipReader(file)
        assert (found.find("data/0").size, found.find("data/0").start % 64) == (size, 0)
        assert found.find("version").start > 1 << 32
        assert found.read("version") == b"3\n"
    with zipfile.ZipFile(tmp_path / "big.pt") as archive:
        assert archive.getinfo("big/data/0").file_size == size
        assert archive.read("big/version") == b"3\n"


def test_archives_packed_anew_are_read():
    parts = records(saved({"x": jtorch.arange(1000.0)}))
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        assert jtorch.load(packed(parts, method))["x"].sum() == 499500


def test_archive_in_the_middle_of_a_file():
    buffer = io.BytesIO(b"before")
    buffer.seek(6)
    jtorch.save(jtorch.arange(3), buffer)
    buffer.seek(6)
    assert jtorch.load(buffer).tolist() == [0, 1, 2]


@pytest.mark.parametrize("kind", [jtorch.int16, jtorch.float64, jtorch.complex64, jtorch.uint32, jtorch.bool])
def test_other_byte_order(kind):
    x = jtorch.tensor([1, 0, 3], dtype=kind)
    parts = records(saved(x))
    size = kind.itemsize // 2 if kind.is_complex else kind.itemsize
    data = np.frombuffer(parts["archive/data/0"], np.dtype(f"u{size}")).byteswap().tobytes()
    other = "big" if sys.byteorder == "little" else "little"
    parts |= {"archive/data/0": data, "archive/byteorder": other.encode()}
    assert jtorch.load(packed(parts)).tolist() == x.tolist()
    del parts["archive/byteorder"]
    before = serialization.get_default_load_endianness()
    assert before is None
    serialization.set_default_load_endianness(serialization.LoadEndianness[other.upper()])
    try:
        assert jtorch.load(packed(parts)).tolist() == x.tolist()
    finally:
        serialization.set_default_load_endianness(before)


def test_checksums_can_be_left_out():
    serialization.set_crc32_options(False)
    try:
        buffer = saved(jtorch.arange(3))
    finally:
        serialization.set_crc32_options(True)
    with zipfile.ZipFile(buffer) as archive:
        assert archive.testzip() == "archive/data.pkl"
    buffer.seek(0)
    assert jtorch.load(buffer).tolist() == [0, 1, 2]
    assert serialization.get_crc32_options()


def test_skip_data_leaves_room(tmp_path):
    with serialization.skip_data():
        jtorch.save(jtorch.ones(3), tmp_path / "x.pt")
    assert jtorch.load(tmp_path / "x.pt").tolist() == [0, 0, 0]
    jtorch.save(jtorch.ones(3), tmp_path / "y.pt")
    assert (tmp_path / "y.pt").stat().st_size == (tmp_path / "x.pt").stat().st_size
    with serialization.skip_data():
        assert jtorch.load(tmp_path / "y.pt").tolist() == [0, 0, 0]
        with pytest.raises(RuntimeError, match="Cannot use skip_data=True with _use_new"):
            jtorch.save(1, tmp_path / "z.pt", _use_new_zipfile_serialization=False)


# ---- pickles


def test_protocols_and_modules():
    for protocol in (2, 3, 4, 5):
        buffer = saved({"x": jtorch.ones(2), "m": jtorch.nn.ReLU()}, pickle_protocol=protocol)
        with pytest.warns(serialization.UnsafeLoadWarning):
            assert jtorch.load(buffer, weights_only=False)["x"].tolist() == [1, 1]
    buffer = saved({"x": jtorch.ones(2)}, pickle_protocol=4)
    with (
        pytest.warns(UserWarning, match="Detected pickle protocol 4 in the checkpoint"),
        pytest.raises(pickle.UnpicklingError, match="Unsupported operand 149"),
    ):
        jtorch.load(buffer)
    with pytest.raises(ValueError, match="pickle protocol must be <= 5"):
        saved(1, pickle_protocol=9)
    with pytest.raises(RuntimeError, match="Can not safely load weights when explicit pickle_module"):
        jtorch.load(saved(1), pickle_module=pickle, weights_only=True)

    class Module:
        """Another module with the interface of pickle: the one in C."""

        __name__ = "other"
        Pickler, Unpickler = pickle.Pickler, pickle.Unpickler

    buffer = saved({"x": jtorch.ones(2)}, pickle_module=Module)
    with pytest.warns(serialization.UnsafeLoadWarning):
        assert jtorch.load(buffer, pickle_module=Module)["x"].tolist() == [1, 1]


def test_environment_forces_the_choice(monkeypatch):
    class Thing:
        def __reduce__(self):
            return jtorch.tensor, ([1.0],)

    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    with (
        pytest.warns(UserWarning, match="Environment variable TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD detected"),
        pytest.warns(serialization.UnsafeLoadWarning),
    ):
        assert jtorch.load(saved(Thing())).tolist() == [1.0]
    monkeypatch.setenv("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "1")
    with pytest.raises(RuntimeError, match="Only one of `TORCH_FORCE_WEIGHTS_ONLY_LOAD`"):
        jtorch.load(saved(1))
    monkeypatch.delenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD")
    with pytest.raises(pickle.UnpicklingError):
        jtorch.load(saved(Thing()), weights_only=False)


# ---- places


def test_map_location_in_all_forms():
    x = jtorch.arange(3.0)
    seen = []

    def keep(storage, location):
        seen.append((type(storage).__name__, location, storage.nbytes()))
        return storage

    for where in (
        None,
        "cpu",
        jtorch.device("cpu"),
        {"cpu": "cpu"},
        {"cuda:0": "cpu"},
        keep,
        lambda s, loc: None,
    ):
        assert jtorch.load(saved(x), map_location=where).tolist() == [0, 1, 2]
    assert seen == [("UntypedStorage", "cpu", 12)]
    for where in ("meta", jtorch.device("meta"), {"cpu": "meta"}):
        loaded = jtorch.load(saved([x, x[1:]]), map_location=where)
        assert [(t.device.type, t.shape, t.dtype) for t in loaded] == [
            ("meta", (3,), jtorch.float32), ("meta", (2,), jtorch.float32),
        ]  # fmt: skip
    copy = jtorch.load(saved([x, x[1:]]), map_location=lambda s, loc: s.clone())
    copy[0][2] = 9.0
    assert copy[1].tolist() == [1, 9]
    for old in (True, False):
        with pytest.raises(
            RuntimeError, match=r"don't know how to restore data location of torch\.storage\."
        ):
            jtorch.load(saved(x, _use_new_zipfile_serialization=old), map_location="foo")
    if not jtorch.devices.platform_available("cuda"):
        with pytest.raises(RuntimeError, match="Attempting to deserialize object on a CUDA device but torch"):
            jtorch.load(saved(x), map_location="cuda:0")


def test_registered_package_is_asked_first():
    from jtorch.serialization import _locations

    before = list(_locations._registry)
    serialization.register_package(
        5,
        lambda storage: "vault" if storage.nbytes() == 20 else None,
        lambda storage, location: storage.clone() if location == "vault" else None,
    )
    try:
        buffer = saved(jtorch.arange(5.0))
        assert b"vault" in records(buffer)["archive/data.pkl"]
        buffer.seek(0)
        assert jtorch.load(buffer).tolist() == [0, 1, 2, 3, 4]
    finally:
        _locations._registry[:] = before
    buffer.seek(0)
    with pytest.raises(RuntimeError, match=r"\(tagged with vault\)"):
        jtorch.load(buffer)


def test_mmap_reads_lazily_and_keeps_changes_to_itself(tmp_path):
    path = tmp_path / "x.pt"
    jtorch.save({"x": jtorch.arange(6.0).reshape(2, 3), "e": jtorch.empty(0)}, path)
    loaded = jtorch.load(path, mmap=True)
    assert isinstance(loaded["x"]._storage.value.host.base, np.ndarray)  # a view of the mapped file
    loaded["x"] += 1
    assert loaded["x"].tolist() == [[1, 2, 3], [4, 5, 6]]
    assert jtorch.load(path)["x"].tolist() == [[0, 1, 2], [3, 4, 5]]
    jtorch.save(loaded, path)  # onto the file that is mapped
    assert jtorch.load(path)["x"].tolist() == [[1, 2, 3], [4, 5, 6]]
    with serialization.set_default_mmap_options(mmap.MAP_SHARED):
        shared = jtorch.load(path, mmap=True)
        shared["x"].zero_()
        del shared
    assert jtorch.load(path)["x"].eq(0).all()
    assert serialization.get_default_mmap_options() == mmap.MAP_PRIVATE
    with pytest.raises(ValueError, match=r"expected mmap\.MAP_PRIVATE or mmap\.MAP_SHARED, but got 77"):
        serialization.set_default_mmap_options(77)
    with pytest.raises(ValueError, match="f must be a file path in order to use the mmap argument"):
        jtorch.load(saved(1), mmap=True)
    jtorch.save(1, path, _use_new_zipfile_serialization=False)
    with pytest.raises(RuntimeError, match="mmap can only be used with files saved with"):
        jtorch.load(path, mmap=True)


# ---- files


def test_kinds_of_files(tmp_path):
    x = jtorch.arange(3)
    for name in ("a.pt", "ü.pt"):
        for f in (tmp_path / name, str(tmp_path / name)):
            jtorch.save(x, f)
            assert jtorch.load(f).tolist() == [0, 1, 2]
    with open(tmp_path / "b.pt", "wb") as f:
        jtorch.save(x, f)
    with open(tmp_path / "b.pt", "rb") as f:
        assert jtorch.load(f).tolist() == [0, 1, 2]

    class Reader:
        """The least that ``load`` needs."""

        def __init__(self, data):
            buffer = io.BytesIO(data)
            self.read, self.readline, self.seek, self.tell = (
                buffer.read, buffer.readline, buffer.seek, buffer.tell,
            )  # fmt: skip

    for new in (True, False):
        data = saved(x, _use_new_zipfile_serialization=new).getvalue()
        assert jtorch.load(Reader(data)).tolist() == [0, 1, 2]

    class Writer:
        def __init__(self):
            self.data = b""

        def write(self, data):
            self.data += bytes(data)

    sink = Writer()
    jtorch.save(x, sink)
    assert jtorch.load(io.BytesIO(sink.data)).tolist() == [0, 1, 2]


def test_names_that_are_no_files(tmp_path):
    with pytest.raises(AttributeError, match="expected 'f' to be string, path, or a file-like object with"):
        jtorch.save(1, None)
    with pytest.raises(AttributeError, match=r"You can only torch\.load from a file that is seekable"):
        jtorch.load(None)
    with pytest.raises(RuntimeError, match=r"^Parent directory .*nodir does not exist\.$"):
        jtorch.save(1, tmp_path / "nodir" / "x.pt")
    with pytest.raises(RuntimeError, match="open file failed with strerror: Is a directory"):
        jtorch.save(1, tmp_path)
    with pytest.raises(FileNotFoundError):
        jtorch.load(tmp_path / "missing.pt")


def test_save_replaces_whole_files(tmp_path):
    path, link = tmp_path / "x.pt", tmp_path / "link.pt"
    jtorch.save(1, path)
    path.chmod(0o640)
    link.symlink_to("x.pt")
    jtorch.save(2, link)
    assert link.is_symlink()
    assert jtorch.load(path) == 2
    assert stat.S_IMODE(path.stat().st_mode) == 0o640

    class Refuses:
        def __reduce__(self):
            raise OSError("no")

    with pytest.raises(OSError, match="no"):
        jtorch.save([jtorch.ones(5), Refuses()], path)
    assert jtorch.load(path) == 2
    assert sorted(os.listdir(tmp_path)) == ["link.pt", "x.pt"]


def test_a_failing_disk_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "x.pt"
    jtorch.save(1, path)

    def full(number):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        jtorch.save(2, path)
    monkeypatch.undo()
    assert jtorch.load(path) == 1
    assert os.listdir(tmp_path) == ["x.pt"]


# ---- the tar format, which nothing writes any more


def tar_file(x):
    """A tar archive as PyTorch before 0.1.10 wrote it: one storage, a view of it, two tensors."""

    class Named:
        def __init__(self, name):
            self.name = name

    class Pickler(pickle._Pickler):
        def persistent_id(self, obj):
            return obj.key if isinstance(obj, Tensor) else None

        def reducer_override(self, obj):
            return obj.name if isinstance(obj, Named) else NotImplemented

        def save_global(self, obj, name=None):
            self.write(f"ctorch\n{name}\n".encode())
            self.memoize(obj)

    class Tensor:
        def __init__(self, key):
            self.key = key

    def dump(obj, file):
        Pickler(file, 2).dump(obj)

    data = np.asarray(x, np.float32)
    storages, tensors, whole = io.BytesIO(), io.BytesIO(), io.BytesIO()
    dump(1, storages)
    dump((11, "cpu", Named("FloatStorage")), storages)
    storages.write(struct.pack("<q", data.size) + data.tobytes())
    dump([(12, 11, 1, data.size - 1)], storages)
    dump(2, tensors)
    for key, storage, size in ((21, 11, data.size), (22, 12, data.size - 1)):
        dump((key, storage, Named("FloatTensor")), tensors)
        tensors.write(struct.pack("<iiqqq", 1, 0, size, 1, 0))
    dump({"whole": Tensor(21), "rest": Tensor(22)}, whole)
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:", format=tarfile.PAX_FORMAT) as tar:
        for name, part in (("storages", storages), ("tensors", tensors), ("pickle", whole)):
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(part.getvalue()), 1.5
            part.seek(0)
            tar.addfile(info, part)
    made.seek(0)
    return made


def test_tar_format(torch, tmp_path):
    buffer = tar_file([1, 2, 3])
    (tmp_path / "old.pt").write_bytes(buffer.getvalue())
    expected = torch.load(tmp_path / "old.pt", weights_only=False)
    for loaded in (jtorch.load(buffer), jtorch.load(tmp_path / "old.pt")):
        assert {k: v.tolist() for k, v in loaded.items()} == {k: v.tolist() for k, v in expected.items()}
        loaded["whole"][1] = 9.0
        assert loaded["rest"].tolist() == [9, 3]
    buffer.seek(0)
    with pytest.warns(serialization.UnsafeLoadWarning):
        assert jtorch.load(buffer, weights_only=False)["rest"].tolist() == [2, 3]


# ---- damage


def errors_of(m, data, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            m.load(io.BytesIO(data), **options)
        except Exception as error:
            return type(error).__name__, str(error)
    return None


def damaged():
    buffer = saved(jtorch.arange(100.0))
    data, parts = buffer.getvalue(), records(buffer)

    def without(name):
        return packed({k: v for k, v in parts.items() if k != f"archive/{name}"}).getvalue()

    def changed(name, value):
        return packed(parts | {f"archive/{name}": value}).getvalue()

    old = saved(jtorch.ones(2), _use_new_zipfile_serialization=False).getvalue()
    return {
        "half": data[: len(data) // 2], "four bytes": data[:4], "no data": without("data/0"),
        "no pickle": without("data.pkl"), "no version": without("version"),
        "short": changed("data/0", b"\0" * 100), "long": changed("data/0", b"\0" * 800),
        "byte order": changed("byteorder", b"mid"), "old, cut": old[:-4], "magic": b"\x80\x02K\x01.",
        "os": changed("data.pkl", b"cos\nsystem\n(U\x02lstR."),
        "eval": changed("data.pkl", b"c__builtin__\neval\n(U\x011tR."),
        "operand": changed("data.pkl", b"\x80\x02\x95\0\0\0\0\0\0\0\0K\x01."),
        "build": changed("data.pkl", b"\x80\x02]}b."),
        "append": changed("data.pkl", b"\x80\x02}K\x01a."),
        "newobj": changed("data.pkl", b"\x80\x02ccollections\nOrderedDict\n)\x81)R."),
    }  # fmt: skip


def test_errors_have_pytorchs_words(torch):
    for name, data in damaged().items():
        mine, theirs = errors_of(jtorch, data), errors_of(torch, data)
        assert mine is not None, name
        if name == "newobj":  # PyTorch makes one; nothing that it writes does
            continue
        assert mine == theirs, name


def test_truncated_files_end_clearly():
    for new in (True, False):
        data = saved({"x": jtorch.ones(2)}, _use_new_zipfile_serialization=new).getvalue()
        for size in range(0, len(data), 7):
            kind, text = errors_of(jtorch, data[:size])
            assert kind in ("TruncatedError", "RuntimeError", "UnpicklingError"), (size, text)
    with pytest.raises(EOFError):
        jtorch.load(io.BytesIO())


def test_torchscript_and_other_archives():
    parts = records(saved(1))
    script = packed(parts | {"archive/constants.pkl": b"."})
    with pytest.raises(RuntimeError, match="Cannot use ``weights_only=True`` with TorchScript archives"):
        jtorch.load(script)
    script.seek(0)
    with (
        pytest.raises(NotImplementedError, match="TorchScript"),
        pytest.warns(serialization.UnsafeLoadWarning),
    ):
        jtorch.load(script, weights_only=False)
    with pytest.raises(ValueError, match=r"Expected input to be a checkpoint returned by torch\.save"):
        serialization.get_unsafe_globals_in_checkpoint(io.BytesIO(b"nothing"))


def test_what_cannot_be_saved(torch):
    for m in (torch, jtorch):
        x = m.ones(2)
        with pytest.raises(
            RuntimeError, match="Cannot save multiple tensors or storages that view the same data as"
        ):
            m.save([x, x.view(m.int32)], io.BytesIO())
    buffer = io.BytesIO()
    torch.save(torch.eye(2).to_sparse(), buffer)
    buffer.seek(0)
    with pytest.raises(NotImplementedError, match="sparse tensors"):
        jtorch.load(buffer)


def test_names_of_the_namespace(torch):
    """All of PyTorch's, but for helpers of its own code."""
    missing = set(torch.serialization.__all__) - set(serialization.__all__)
    assert missing == {
        "SourceChangeWarning", "check_module_version_greater_or_equal", "mkdtemp", "normalize_storage_type",
        "storage_to_tensor_type", "validate_hpu_device",
    }  # fmt: skip


def test_nothing_is_loaded_until_it_is_asked_for():
    import subprocess

    code = "import sys, jtorch; print([m for m in sys.modules if m.startswith('jtorch.serial')])"
    environment = {**os.environ, "PYTHONPATH": str(Path(jtorch.__file__).parent.parent)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    assert done.stdout.strip() == "[]"
