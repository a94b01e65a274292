"""Worker processes give PyTorch's batches, and every kind of failure reaches the user."""

import gc
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

import jtorch
from jtorch.utils import data

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="worker processes need Linux"),
    pytest.mark.filterwarnings("ignore:This DataLoader will create"),
    pytest.mark.filterwarnings("ignore:.*use of fork\\(\\) may lead to deadlocks"),
    # PyTorch's own loader forks beside JAX's threads here.
    pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning"),
]


class Numbers:
    """Samples that show who made them, and with which random numbers."""

    def __init__(self, torch, info):
        self.torch, self.info = torch, info

    def __len__(self):
        return 11

    def __getitem__(self, i):
        return i, self.info().id, self.info().seed, self.torch.rand(2), random.random(), np.random.rand()


def children():
    """Process ids of the workers that have not ended."""
    return {p.pid for p in multiprocessing.active_children()}


def plain(x):
    if hasattr(x, "tolist"):
        return str(x.dtype), x.tolist()
    if isinstance(x, list | tuple):
        return [plain(v) for v in x]
    return x


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"persistent_workers": True},
        {"prefetch_factor": 1, "drop_last": True},
        {"generator": 5},
    ],
    ids=str,
)
def test_three_epochs_with_two_workers_equal_torch(torch, settings):
    def epochs(t, d):
        t.manual_seed(3)
        extra = dict(settings)
        if "generator" in extra:
            extra["generator"] = t.Generator().manual_seed(extra["generator"])
        loader = d.DataLoader(Numbers(t, d.get_worker_info), 3, shuffle=True, num_workers=2, **extra)
        found = [plain(list(loader)) for _ in range(3)]
        return found, t.rand(1).item()

    assert epochs(jtorch, data) == epochs(torch, torch.utils.data)


def test_order_is_the_same_without_workers(torch):
    def epochs(t, d, workers):
        t.manual_seed(3)
        loader = d.DataLoader(d.TensorDataset(t.arange(20)), 3, shuffle=True, num_workers=workers)
        return [plain(list(loader)) for _ in range(3)]

    theirs = epochs(torch, torch.utils.data, 2)
    assert epochs(jtorch, data, 2) == epochs(jtorch, data, 0) == theirs


class Shards(data.IterableDataset):
    def __init__(self, info):
        self.info = info

    def __iter__(self):
        worker = self.info()
        return iter(range(worker.id, 9 + worker.id * 5, worker.num_workers))


@pytest.mark.parametrize("settings", [{}, {"persistent_workers": True}, {"drop_last": True}], ids=str)
def test_iterable_shards_equal_torch(torch, settings):
    class Theirs(torch.utils.data.IterableDataset):
        __init__, __iter__ = Shards.__init__, Shards.__iter__

    def epochs(made, d):
        loader = d.DataLoader(made(d.get_worker_info), 2, num_workers=3, **settings)
        return [plain(list(loader)) for _ in range(2)]

    assert epochs(Shards, data) == epochs(Theirs, torch.utils.data)


def test_lambdas_and_local_classes_need_no_pickling():
    offset = 100

    class Local:
        __len__ = lambda self: 6  # noqa: E731
        __getitem__ = lambda self, i: (i + offset, mark[0])  # noqa: E731

    mark = [0]
    loader = data.DataLoader(
        Local(),
        2,
        num_workers=2,
        worker_init_fn=lambda i: mark.__setitem__(0, i + 1),
        collate_fn=lambda samples: samples,
    )
    assert list(loader) == [
        [(100, 1), (101, 1)],
        [(102, 2), (103, 2)],
        [(104, 1), (105, 1)],
    ]


class Squares:
    def __len__(self):
        return 4

    def __getitem__(self, i):
        return jtorch.tensor(i) ** 2


@pytest.mark.slow
def test_spawned_workers_get_a_pickled_data_set():
    loader = data.DataLoader(list(range(4)), 2, num_workers=1, multiprocessing_context="spawn")
    assert plain(list(loader)) == [("torch.int64", [0, 1]), ("torch.int64", [2, 3])]
    assert loader.multiprocessing_context.get_start_method() == "spawn"


def test_batches_of_every_kind_arrive():
    big = jtorch.randn(300, 300)
    sent = {
        "big": big,
        "view": big[3:5].t(),
        "empty": jtorch.zeros(0, 3),
        "scalar": jtorch.tensor(2.5, dtype=jtorch.float64),
        "half": jtorch.arange(5).to(jtorch.bfloat16),
        "bool": jtorch.tensor([True, False]),
        "complex": jtorch.tensor([1 + 2j]),
        "grad": jtorch.ones(2, requires_grad=True),
        "array": np.arange(200_000),
        "text": "abc",
        "none": None,
    }
    (got,) = data.DataLoader([sent], batch_size=None, num_workers=1, collate_fn=lambda x: x)
    assert list(got) == list(sent)
    for name, x in sent.items():
        y = got[name]
        assert type(y) is type(x)
        if isinstance(x, jtorch.Tensor):
            assert (y.shape, y.dtype, y.requires_grad) == (x.shape, x.dtype, x.requires_grad)
            assert y.tolist() == x.tolist()
        elif isinstance(x, np.ndarray):
            np.testing.assert_array_equal(y, x)
            y[0] = 5  # a batch is the user's own
        else:
            assert y == x
    got["big"][0, 0] = 7.0
    assert got["big"][0, 0].item() == 7.0


def test_shared_memory_and_descriptors_are_given_back():
    def load():
        return list(data.DataLoader(data.TensorDataset(jtorch.zeros(40, 50_000)), 4, num_workers=2))

    load()
    gc.collect()
    names, descriptors, maps = set(os.listdir("/dev/shm")), len(os.listdir("/proc/self/fd")), mappings()
    batches = load()
    assert mappings() > maps  # not copied
    assert len(os.listdir("/proc/self/fd")) == descriptors
    assert sum(float(b[0].sum()) for b in batches) == 0
    del batches
    gc.collect()
    assert mappings() == maps
    assert set(os.listdir("/dev/shm")) == names
    assert not children()


def mappings():
    with open("/proc/self/maps") as lines:
        return sum("memfd:jtorch" in line for line in lines)


def test_a_batch_that_comes_early_waits_unless_order_does_not_matter():
    class Uneven:
        def __len__(self):
            return 6

        def __getitem__(self, i):
            if i == 0:
                time.sleep(0.5)
            return i

    in_order = [b.item() for b in data.DataLoader(Uneven(), num_workers=2)]
    assert in_order == list(range(6))
    other = [b.item() for b in data.DataLoader(Uneven(), num_workers=2, in_order=False)]
    assert sorted(other) == in_order
    assert other[0] != 0


# ---- failures


class Broken:
    """Fails at sample 5 in a way of the caller's."""

    def __init__(self, fail):
        self.fail = fail

    def __len__(self):
        return 12

    def __getitem__(self, i):
        if i == 5:
            self.fail()
        return i


def raising(error):
    def fail():
        raise error

    return fail


def test_an_exception_arrives_with_its_traceback():
    loader = data.DataLoader(Broken(raising(ValueError("no such image"))), 2, num_workers=2)
    seen = []
    with pytest.raises(
        ValueError, match=r"^Caught ValueError in DataLoader worker process 0\.\nOriginal Traceback"
    ) as e:
        seen.extend(batch.tolist() for batch in loader)
    assert seen == [[0, 1], [2, 3]]
    assert "in __getitem__\n    self.fail()" in str(e.value)
    assert str(e.value).endswith("ValueError: no such image\n")


def test_after_an_exception_the_next_batches_still_come():
    loader = iter(data.DataLoader(Broken(raising(ValueError("x"))), 4, num_workers=2))
    assert next(loader).tolist() == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="worker process 1"):
        next(loader)
    assert next(loader).tolist() == [8, 9, 10, 11]


class TwoArguments(Exception):
    def __init__(self, a, b):
        super().__init__(a, b)


@pytest.mark.parametrize(
    ("error", "kind"),
    [(KeyError("k"), KeyError), (TwoArguments(1, 2), RuntimeError), (StopIteration("s"), StopIteration)],
    ids=str,
)
def test_exceptions_keep_their_type_where_possible(error, kind):
    with pytest.raises((kind, RuntimeError)) as e:
        data.DataLoader(Broken(raising(error)), 12, num_workers=1)._get_iterator()._next_data()
    assert type(e.value) is kind
    assert f"Caught {type(error).__name__} in DataLoader worker process 0.\nOriginal Traceback" in str(
        e.value
    )


def test_an_exception_of_a_local_type_arrives_too():
    class Mine(Exception):
        pass

    with pytest.raises(RuntimeError, match="Caught Mine in DataLoader worker process 0"):
        list(data.DataLoader(Broken(raising(Mine("m"))), 12, num_workers=1))


def test_init_function_and_batches_that_cannot_be_sent_fail_in_words():
    with pytest.raises(RuntimeError, match="Caught RuntimeError in DataLoader worker process 0"):
        list(data.DataLoader([1], num_workers=1, worker_init_fn=lambda i: raising(RuntimeError("init"))()))
    with pytest.raises((AttributeError, TypeError, RuntimeError), match=r"Caught .*\n(.*\n)*.*lambda"):
        list(data.DataLoader([1], num_workers=1, collate_fn=lambda x: lambda: x))
    with pytest.raises(RuntimeError, match="Cowardly refusing to serialize non-leaf tensor"):
        list(data.DataLoader([jtorch.ones(1, requires_grad=True) * 2], num_workers=1))


@pytest.mark.parametrize(
    ("fail", "reason"),
    [
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "is killed by signal: Killed. "),
        (
            lambda: os._exit(3),
            "exited unexpectedly with exit code 3. Details are lost due to multiprocessing.",
        ),
    ],
    ids=["killed", "exit"],
)
def test_a_worker_that_dies_is_noticed_at_once_and_named(fail, reason):
    loader = iter(data.DataLoader(Broken(fail), 2, num_workers=2))
    pids = [w.pid for w in loader._workers]
    started = time.monotonic()
    with pytest.raises(
        RuntimeError, match=rf"^DataLoader worker \(pid\(s\) {pids[0]}\) exited unexpectedly$"
    ) as e:
        list(loader)
    assert time.monotonic() - started < 30  # whatever is slow here, nobody waits for a time-out
    assert str(e.value.__cause__).startswith(f"DataLoader worker (pid {pids[0]}) {reason}")
    assert not children() & set(pids)


def test_an_idle_worker_killed_from_outside_is_noticed():
    loader = iter(data.DataLoader(range(100), num_workers=2))
    next(loader)
    os.kill(loader._workers[1].pid, signal.SIGKILL)
    with pytest.raises(RuntimeError, match="exited unexpectedly"):
        list(loader)


def test_a_hung_worker_ends_by_timeout():
    loader = iter(data.DataLoader(Broken(lambda: time.sleep(1000)), 3, num_workers=1, timeout=0.5))
    pid = loader._workers[0].pid
    assert next(loader).tolist() == [0, 1, 2]
    with pytest.raises(RuntimeError, match=r"^DataLoader timed out after 0\.5 seconds$"):
        next(loader)
    del loader
    assert pid not in children()


SCRIPT = """
import os, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a test run in the background ignores Ctrl-C
import jtorch as torch
from jtorch.utils.data import DataLoader

(torch.ones(3) + 1).sum().item()  # XLA's threads run

class Slow:  # no __main__ guard, a local class, a lambda
    def __len__(self): return 1000
    def __getitem__(self, i):
        if i > 20: time.sleep(1000)
        return torch.full((2,), i)

loader = iter(DataLoader(Slow(), 4, num_workers=2, collate_fn=lambda b: torch.stack(b)))
for _ in range(4):
    assert next(loader).shape == (4, 2)
print(*(w.pid for w in loader._workers), flush=True)
{end}
"""


def run_script(end):
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT.format(end=textwrap.dedent(end))],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    pids = [int(p) for p in process.stdout.readline().split()]
    assert len(pids) == 2, process.stderr.read()
    return process, pids


def gone(pids, seconds=20):
    """Whether the processes end within some time (a zombie has ended)."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not any(running(p) for p in pids):
            return True
        time.sleep(0.02)
    return False


def running(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_workers_end_with_a_killed_parent_even_in_the_middle_of_a_sample():
    process, pids = run_script("next(loader); next(loader); next(loader)")
    time.sleep(0.5)  # both workers sleep now
    process.kill()
    process.communicate()
    assert gone(pids)


def test_control_c_leaves_no_process():
    process, pids = run_script("next(loader); next(loader); next(loader)")
    time.sleep(0.5)
    os.killpg(process.pid, signal.SIGINT)  # as the terminal does
    _, errors = process.communicate(timeout=60)
    assert process.returncode in (1, -signal.SIGINT, 130)
    assert errors.rstrip().endswith("KeyboardInterrupt")
    assert errors.count("Traceback") == 1  # the workers say nothing
    assert gone(pids)


def test_a_script_may_end_with_workers_at_work():
    process, pids = run_script("print('end', file=sys.stderr)")
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "end\n")
    assert gone(pids)


@pytest.mark.slow
def test_many_loaders_come_and_go_beside_running_programs():
    script = """
    import os, threading
    import jtorch as torch
    from jtorch.utils.data import DataLoader, TensorDataset
    x = torch.randn(64, 8)
    done = False
    def busy():
        while not done:
            (torch.randn(8, 8) @ torch.randn(8, 8)).sum().item()
    thread = threading.Thread(target=busy)
    thread.start()
    for k in range(20):
        batches = iter(DataLoader(TensorDataset(x), 8, shuffle=True, num_workers=2))
        assert next(batches)[0].shape == (8, 8)
        if k % 2:
            assert len(list(batches)) == 7
        del batches
    done = True
    thread.join()
    print(len(open(f"/proc/self/task/{os.getpid()}/children").read().split()))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=300
    )
    assert (done.stdout, done.stderr) == ("0\n", "")


# ---- computing in a worker


def in_worker(compute):
    """What a function gives in a worker process."""
    (found,) = data.DataLoader([0], batch_size=None, num_workers=1, collate_fn=lambda _: compute())
    return found


def test_xla_is_out_of_reach_in_a_worker():
    def attempts():
        messages = []
        for attempt in (lambda: jtorch.ones(2).jax(), lambda: jtorch.ones(2).to("cuda")):
            try:
                attempt()
            except Exception as error:
                messages.append(str(error))
        return messages

    host, cuda = in_worker(attempts)
    assert "DataLoader worker computes with NumPy" in host
    assert cuda.startswith("Cannot re-initialize CUDA in forked subprocess.")


def test_what_the_parent_computed_or_left_pending_is_there():
    computed = jtorch.arange(6.0) * 2
    assert computed.sum().item() == 30.0
    pending = computed + 1
    assert in_worker(lambda: computed + pending).tolist() == [1.0, 5.0, 9.0, 13.0, 17.0, 21.0]


def test_host_tensors_start_no_backend():
    script = """
    import jtorch as torch
    from jax._src import xla_bridge
    from jtorch.utils.data import DataLoader, TensorDataset
    x = torch.arange(60.0).reshape(10, 2, 3)
    assert x[3].shape == (2, 3) and x[3, 1, 2].item() == 23.0
    assert x[2:5, :, ::2].tolist()[0] == [[12.0, 14.0], [15.0, 17.0]]
    for workers in (0, 2):
        for a, b in DataLoader(TensorDataset(x, torch.arange(10)), 4, shuffle=True, num_workers=workers):
            assert a.shape[1:] == (2, 3)
        list(DataLoader(x, 4, num_workers=workers))
    print(xla_bridge.backends_are_initialized())
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("False\n", "")


def test_get_worker_info_and_iterators_under_their_paths():
    assert data.get_worker_info() is None
    assert data.dataloader.get_worker_info is data.get_worker_info
    assert data._utils.worker.get_worker_info is data.get_worker_info
    assert data._utils.collate.default_collate is data.default_collate
    info = in_worker(lambda: repr(data.get_worker_info()))
    assert info.startswith("WorkerInfo(id=0, num_workers=1, seed=")
    single = iter(data.DataLoader([1]))
    assert isinstance(single, data.dataloader._SingleProcessDataLoaderIter)
    assert isinstance(single, data.dataloader._BaseDataLoaderIter)
    with pytest.raises(NotImplementedError):
        single.__getstate__()


@pytest.mark.parametrize(
    "settings",
    [
        {"multiprocessing_context": "fork"},
        {"num_workers": 1, "multiprocessing_context": "nonsense"},
        {"num_workers": 1, "multiprocessing_context": 3},
        {"num_workers": 1, "prefetch_factor": -1},
    ],
    ids=str,
)
def test_refused_settings_match_torch(torch, settings):
    kinds = (ValueError, TypeError)
    with pytest.raises(kinds) as mine:
        data.DataLoader([1], **settings)
    with pytest.raises(kinds) as theirs:
        torch.utils.data.DataLoader([1], **settings)
    assert (type(mine.value), str(mine.value)) == (type(theirs.value), str(theirs.value))


@pytest.mark.filterwarnings("default")
def test_warnings_match_torch(torch):
    def warned(d):
        class Longer(d.IterableDataset):
            __repr__ = lambda self: "Longer"  # noqa: E731
            __len__ = lambda self: 1  # noqa: E731
            __iter__ = lambda self: iter([1, 2])  # noqa: E731

        def act():
            d.DataLoader([1], num_workers=500)
            loader = d.DataLoader(Longer())
            len(loader)
            list(loader)

        with pytest.warns() as found:
            act()
        return [str(w.message) for w in found]

    assert warned(data) == warned(torch.utils.data)
