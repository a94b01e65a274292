"""Profiles: tables, Chrome traces, schedules."""

import gzip
import json

import jax
import pytest

import jtorch
from jtorch import nn, profiler


def test_a_table_and_a_chrome_trace(tmp_path):
    x = jtorch.ones(8, 8)
    with profiler.profile(activities=[profiler.ProfilerActivity.CPU], record_shapes=True) as prof:
        for _ in range(3):
            with profiler.record_function("my block"):
                (x @ x).sum().item()
    table = prof.key_averages().table(sort_by="cpu_time_total", row_limit=10)
    assert "my block" in table
    assert "matmul" in table or "mm" in table
    assert "Self CPU time total" in table
    row = next(e for e in prof.key_averages() if e.key == "my block")
    assert row.count == 3
    assert row.self_cpu_time_total <= row.cpu_time_total
    prof.export_chrome_trace(str(tmp_path / "trace.json"))
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    assert sum(e["name"] == "my block" for e in events) == 3
    before = len(prof.events())
    (x + 1).sum().item()
    assert len(prof.events()) == before


def test_schedules_are_pytorchs(torch):
    for settings in (
        {"wait": 1, "warmup": 1, "active": 2},
        {"wait": 0, "warmup": 1, "active": 1, "repeat": 2, "skip_first": 3},
    ):
        mine, theirs = profiler.schedule(**settings), torch.profiler.schedule(**settings)
        assert [mine(i).name for i in range(12)] == [theirs(i).name for i in range(12)]


@pytest.mark.parametrize(
    ("settings", "cycles"),
    [
        ({"wait": 1, "warmup": 1, "active": 2, "repeat": 1}, ["23"]),
        ({"wait": 0, "warmup": 1, "active": 3}, ["123", "567"]),
    ],
    ids=str,
)
def test_each_cycle_has_its_steps_and_the_last_may_end_early(settings, cycles):
    ready = []

    def take(p):
        ready.append("".join(e.name[-1] for e in p.events() if e.name.startswith("ProfilerStep#")))

    # By hand, from the schedule: the eighth step, number 7, begins and nothing happens in it.
    with profiler.profile(schedule=profiler.schedule(**settings), on_trace_ready=take) as prof:
        for _ in range(7):
            jtorch.ones(2).sum().item()
            prof.step()
    assert ready == cycles


def test_steps_overlap_with_blocks_and_are_one_row(tmp_path):
    schedule = profiler.schedule(wait=0, warmup=0, active=3)
    with profiler.profile(schedule=schedule) as prof, profiler.record_function("all"):
        for _ in range(2):
            with profiler.record_function("one"):
                jtorch.ones(2).sum().item()
            prof.step()
    rows = {e.key: e for e in prof.key_averages()}
    assert (rows["ProfilerStep*"].count, rows["one"].count, rows["all"].count) == (3, 2, 1)
    assert rows["all"].cpu_time_total >= rows["one"].cpu_time_total
    assert rows["one"].cuda_time_total == rows["one"].device_time_total == rows["one"].cpu_time_total
    assert prof.events().self_cpu_time_total > 0
    with pytest.raises(NotImplementedError, match="memory_analysis"):
        prof.key_averages().table(sort_by="self_cpu_memory_usage")
    with pytest.raises(AttributeError, match="no attribute 'speed'"):
        prof.key_averages().table(sort_by="speed")
    with pytest.raises(TypeError, match="unexpected keyword argument 'with_shapes'"):
        profiler.profile(with_shapes=True)
    prof.add_metadata("run", "first")
    prof.add_metadata_json("sizes", "[1, 2]")
    profiler.tensorboard_trace_handler(str(tmp_path), use_gzip=True)(prof)
    (path,) = tmp_path.glob("*.pt.trace.json.gz")
    trace = json.loads(gzip.decompress(path.read_bytes()))
    assert (trace["run"], trace["sizes"]) == ("first", [1, 2])

    @profiler.record_function("named")
    def function():
        """Text."""

    assert (function.__name__, function.__doc__) == ("function", "Text.")


def test_steps_and_handlers(tmp_path):
    ready = []
    with profiler.profile(
        schedule=profiler.schedule(wait=1, warmup=1, active=2, repeat=1),
        on_trace_ready=lambda p: ready.append([e.name for e in p.events() if e.name.startswith("s")]),
    ) as prof:
        for i in range(6):
            with profiler.record_function(f"s{i}"):
                jtorch.ones(2).sum().item()
            prof.step()
    assert ready == [["s2", "s3"]]
    profiler.tensorboard_trace_handler(str(tmp_path))(prof)
    assert len(list(tmp_path.glob("*.pt.trace.json"))) == 1
    with pytest.raises(AssertionError, match="Invalid profiler schedule"):
        profiler.schedule(wait=0, warmup=0, active=0)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = nn.Linear(4, 4)
        self.body = nn.Sequential(nn.ReLU(), nn.Linear(4, 4))

    def forward(self, x):
        return self.body(self.proj(x)) + x


def test_programs_carry_the_names_of_modules(lazy):
    model = nn.Sequential(Block(), Block())
    optimizer = jtorch.optim.SGD(model.parameters(), lr=0.1)
    x = jtorch.ones(2, 4)

    def step(x):
        loss = model(x).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    lowered = jtorch.compiler.lower(step, x)
    wanted = (
        "Sequential/Block_0/proj/nn.functional.linear/dot_general",
        "Sequential/Block_1/body/Linear_1/nn.functional.linear/dot_general",
        "Sequential/Block_1/body/ReLU_0/relu/",
        "Sequential/Block_1/add/",
        "SGD.step/",
    )
    for text in (lowered.as_text(debug_info=True), lowered.compile().as_text()):
        for name in wanted:
            assert f"/{name}" in text
        assert "Sequential/SGD" not in text
        assert "Sequential/Sequential" not in text
    with profiler.program_names():
        text = jax.jit(lambda x: model(x)).lower(x).as_text(debug_info=True)
    assert "/Sequential/Block_1/body/Linear_1/" in text
    # Nothing is noted, and no hook is left, when nobody wants names.
    assert "Sequential" not in jax.jit(lambda x: model(x).jax()).lower(x).as_text(debug_info=True).replace(
        "Sequential.forward", ""
    ).replace("Sequential.__call__", "")
    with profiler.profile(with_modules=True) as prof:
        for _ in range(2):
            step(x).item()
    rows = {e.key: e.count for e in prof.key_averages()}
    assert rows["nn.Module: Sequential"] == 2
    assert rows["nn.Module: body"] == rows["nn.Module: Linear_1"] == 4
    assert any("Sequential/Block_0/proj/nn.functional.linear" in key for key in rows)
    jtorch.reset_metrics()
    step(x).item()
    assert jtorch.metrics()["programs_compiled"] == 0


def test_a_module_that_fails_closes_its_scope(lazy):
    class Fails(nn.Module):
        def forward(self, x):
            raise ValueError("no")

    with profiler.profile(with_modules=True) as prof:
        for module in (Fails(), nn.Sequential(Fails())):
            with pytest.raises(ValueError, match="no"):
                module(jtorch.ones(1))
        nn.ReLU()(jtorch.ones(1)).sum().item()
    assert {e.key for e in prof.events() if e.key.startswith("nn.Module")} >= {"nn.Module: ReLU"}


def test_the_older_interface():
    older = jtorch.autograd.profiler
    with older.profile() as prof:
        with pytest.raises(RuntimeError, match="not reentrant"), prof:
            pass
        with older.record_function("outer"), older.record_function("inner"):
            jtorch.ones(3).sum().item()
    names = [e.name for e in prof.function_events]
    assert names.count("outer") == names.count("inner") == 1
    assert names.index("inner") < names.index("outer")
    assert "outer" in prof.table(sort_by="cpu_time_total", row_limit=5)
    assert {e.key for e in prof.key_averages()} == set(names)
    assert prof.total_average().self_cpu_time_total == pytest.approx(prof.self_cpu_time_total)
    assert "inner" in str(prof)


def test_the_older_interface_switched_off(torch):
    idle = jtorch.autograd.profiler.profile(enabled=False)
    with idle as entered:
        assert entered is None
    assert str(idle) == "<unfinished torch.autograd.profile>"
    with pytest.raises(RuntimeError, match="Profiler didn't finish running"):
        idle.table()
    assert set(torch.autograd.profiler.__all__) - set(jtorch.autograd.profiler.__all__) == {
        "KinetoStepTracker",  # PyTorch's own bookkeeping
        "MemRecordsAcc",
    }


@pytest.mark.parametrize("name", ["emit_nvtx", "emit_itt"])
def test_what_is_missing_names_what_to_use(name):
    with pytest.raises(NotImplementedError, match=rf"{name}: use torch\.profiler\.profile\(log_dir"):
        getattr(jtorch.autograd.profiler, name)()


def test_keys_seen_twice(torch):
    texts = []
    for package in (jtorch, torch):
        seen = package.autograd.profiler.EnforceUnique()
        seen.see("a", 1)
        with pytest.raises(RuntimeError) as error:
            seen.see("a", 1)
        texts.append(str(error.value))
    assert texts[0] == texts[1]


def test_tables_have_pytorchs_columns(torch):
    def columns(package):
        x = package.ones(2, 3)
        with package.profiler.profile() as p, package.profiler.record_function("mine"):
            x.sum().item()
        rows = p.key_averages()
        mine = next(row for row in rows if row.key == "mine")
        assert mine.cpu_time_total_str.endswith(("us", "ms", "s"))
        events = [e for e in p.events() if e.name == "mine"]
        assert events[0].time_range.elapsed_us() == pytest.approx(events[0].cpu_time_total, abs=1)
        return [title.strip() for title in rows.table().splitlines()[1].split("  ") if title.strip()]

    assert columns(jtorch) == columns(torch)
