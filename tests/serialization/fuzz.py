# ruff: noqa: E501  (tables)
"""Damages checkpoints at random and loads them: ``python tests/serialization/fuzz.py --count 200000``.

Every load must end in a value, ``UnpicklingError``, ``RuntimeError`` or one of the few errors that PyTorch's
texts demand, within a time and a memory limit, without any of the events in ``canary.py``.
"""

import argparse
import collections
import importlib.util
import io
import os
import pickle
import random
import resource
import signal
import sys
import time
import warnings
import zipfile
from pathlib import Path

#: What a damaged file may end in; everything else is a fault of the loader.
ALLOWED = (pickle.UnpicklingError, RuntimeError)
#: Opcodes, names and numbers that mean something to a pickle machine, to be put anywhere.
TOKENS = [
    b"(", b")", b"t", b"}", b"]", b"N", b"R", b"b", b"\x81", b"\x85", b"\x86", b"\x87", b"a", b"e", b"s", b"u",
    b"Q", b".", b"0", b"2", b"cos\nsystem\n", b"c__builtin__\neval\n", b"cbuiltins\ngetattr\n",
    b"ctorch._utils\n_rebuild_tensor_v2\n", b"ctorch._utils\n_rebuild_tensor_v3\n", b"ctorch\nTensor\n",
    b"ctorch.nn.parameter\nParameter\n", b"ctorch._tensor\n_rebuild_from_type_v2\n", b"ccollections\nOrderedDict\n",
    b"ctorch\nFloatStorage\n", b"ctorch\nfloat32\n", b"c_codecs\nencode\n", b"cbuiltins\nset\n",
    b"X\x07\0\0\0storage", b"X\x03\0\0\0cpu", b"U\x02ls", b"h\0", b"q\0", b"K\0", b"K\xff", b"M\xff\xff",
    b"J\xff\xff\xff\xff", b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f", b"\x8a\x01\xff", b"\x88", b"\x89", b"G" + b"\x7f" * 8,
    b"\x80\x04", b"\x93", b"\x94", b"\x95", b"i", b"o", b"P", b"\x82\1", b"\xff",
]  # fmt: skip
NUMBERS = [
    0,
    1,
    2,
    4,
    8,
    64,
    127,
    128,
    255,
    256,
    0x7FFF,
    0xFFFF,
    0x7FFFFFFF,
    0xFFFFFFFF,
    1 << 40,
    (1 << 63) - 1,
]


def seeds():
    """Small files of every format that ``load`` reads."""
    import jtorch

    def saved(obj, **options):
        buffer = io.BytesIO()
        jtorch.save(obj, buffer, **options)
        return buffer.getvalue()

    x = jtorch.arange(12.0).reshape(3, 4)
    layer = jtorch.nn.Linear(2, 3)
    noted = jtorch.nn.Parameter(jtorch.ones(2))
    noted.note = "x"
    half = jtorch.ones(3, dtype=jtorch.bfloat16)
    plain = [{"a": (1, 2.5, None, True, "é", b"\0", bytearray(b"xy")), "s": {1, 2}, "c": 2j, "n": -(10**30)}]
    contents = [
        x, [x, x[1], x.t()], layer.state_dict(), {"p": noted, "h": half, "u": half.view(jtorch.uint16).clone()},
        plain, {"state": {0: {"step": jtorch.tensor(1.0)}}, "size": x.size(), "dtype": x.dtype, "at": x.device},
    ]  # fmt: skip
    found = [saved(c) for c in contents]
    found += [saved(c, _use_new_zipfile_serialization=False) for c in contents]
    deflated = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(found[2])) as a,
        zipfile.ZipFile(deflated, "w", zipfile.ZIP_DEFLATED) as b,
    ):
        for name in a.namelist():
            b.writestr(name, a.read(name))
    return [*found, deflated.getvalue()]


def mutated(data, rng):
    """Bytes with one to four accidents."""
    data = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 4))):
        if not data:
            break
        at = rng.randrange(len(data))
        kind = rng.randrange(9)
        if kind == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[at] = rng.randrange(256)
        elif kind == 2:
            data[at:at] = rng.choice(TOKENS)
        elif kind == 3:
            token = rng.choice(TOKENS)
            data[at : at + len(token)] = token
        elif kind == 4:
            del data[at : at + rng.choice((1, 1, 2, 4, 16, 200))]
        elif kind == 5:
            start = rng.randrange(len(data))
            data[at:at] = data[start : start + rng.choice((1, 4, 16, 100))]
        elif kind == 6:
            size = rng.choice((1, 2, 4, 8))
            data[at : at + size] = (rng.choice(NUMBERS) & ((1 << 8 * size) - 1)).to_bytes(size, "little")
        elif kind == 7:
            del data[at:]
        else:
            data[at : at + 16] = rng.randbytes(rng.randrange(17))
    return bytes(data)


def mutation(data, rng):
    """A damaged file; of an archive, often one whose records are damaged and whose frame is sound."""
    if data[:4] != b"PK\x03\x04" or rng.random() < 0.35:
        return mutated(data, rng)
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as archive, zipfile.ZipFile(made, "w") as out:
        names = archive.namelist()
        chosen = names[0] if rng.random() < 0.85 else rng.choice(names)
        for name in names:
            content = archive.read(name)
            out.writestr(name, mutated(content, rng) if name == chosen else content)
    return made.getvalue()


class Hang(BaseException):
    """A load took too long; nothing catches it on the way."""


def _alarm(number, frame):
    raise Hang


def memory_now():
    """Resident bytes of this process."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


#: How long a load may take: of the processor's time, and at all, since a busy machine may stand still.
LIMITS = ((signal.ITIMER_PROF, signal.SIGPROF, 10.0), (signal.ITIMER_REAL, signal.SIGALRM, 300.0))


def run(count, seed, canary):
    """Load ``count`` damaged files.

    Returns:
        Numbers of outcomes by kind, the faults found as ``(index, what)``, the slowest load in seconds of
        the processor.
    """
    import jtorch

    rng, sources = random.Random(seed), seeds()
    outcomes, faults, slowest = collections.Counter(), [], 0.0
    for data in sources:
        jtorch.load(io.BytesIO(data))  # whatever is imported late is imported now
    previous = [(number, signal.signal(number, _alarm)) for _, number, _ in LIMITS]
    try:
        for index in range(count):
            data = mutation(rng.choice(sources), rng)
            started = time.process_time()
            for timer, _, seconds in LIMITS:
                signal.setitimer(timer, seconds)
            try:
                with warnings.catch_warnings(), canary.watched() as seen:
                    warnings.simplefilter("ignore")
                    jtorch.load(io.BytesIO(data))
                outcome = "loaded"
            except ALLOWED as error:
                outcome = type(error).__name__
            except ValueError as error:
                outcome = "ValueError"
                if not str(error).startswith("Unknown endianness type"):  # PyTorch's error
                    faults.append((index, repr(error)))
            except Hang:
                outcome = "hang"
                faults.append((index, "hang"))
            except BaseException as error:
                outcome = type(error).__name__
                faults.append((index, repr(error)[:300]))
            finally:
                for timer, _, _ in LIMITS:
                    signal.setitimer(timer, 0)
            if seen:
                faults.append((index, f"canary: {seen[:3]}"))
            outcomes[outcome] += 1
            slowest = max(slowest, time.process_time() - started)
    finally:
        for number, handler in previous:
            signal.signal(number, handler)
    return outcomes, faults, slowest


def main():
    """Print what happened; exit with 1 if there were faults."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--memory", type=int, default=4, help="limit of the address space in GiB")
    options = parser.parse_args()
    os.environ.setdefault("JTORCH_CACHE_DIR", "0")
    spec = importlib.util.spec_from_file_location("canary", Path(__file__).parent / "canary.py")
    canary = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(canary)
    seeds()
    resource.setrlimit(resource.RLIMIT_AS, (options.memory << 30, options.memory << 30))
    total, faults, slowest, before = collections.Counter(), [], 0.0, memory_now()
    started, chunk = time.perf_counter(), max(1, options.count // 10)
    for part in range(0, options.count, chunk):
        size = min(chunk, options.count - part)
        found = run(size, options.seed + part, canary)
        total += found[0]
        faults += [(part, *fault) for fault in found[1]]
        slowest = max(slowest, found[2])
        print(f"{part + size:7} {dict(total)} {len(faults)} faults, {memory_now() >> 20} MiB", flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(
        f"{time.perf_counter() - started:.0f} s, slowest {slowest:.2f} s, {before >> 20} MiB before, peak "
        f"{peak} MiB"
    )
    for fault in faults[:20]:
        print(fault)
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
