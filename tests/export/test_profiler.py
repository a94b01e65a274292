"""Profiles: tables, Chrome traces, schedules."""

import json

import pytest

import jtorch
from jtorch import profiler


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
