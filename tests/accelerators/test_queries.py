"""Queries about devices: PyTorch's answers where there is no accelerator, and switches that mean "
"something."""

import importlib

import pytest

import jtorch
from jtorch.devices import platform_available

no_gpu = pytest.mark.skipif(platform_available("cuda"), reason="these are the answers without a GPU")


def answers(t):
    """What a program may ask of a machine without an accelerator."""
    c, a, b = t.cuda, t.accelerator, t.backends
    return {
        "cuda": lambda: (c.is_available(), c.device_count(), c.memory_allocated(), c.max_memory_allocated()),
        "cuda reserved": lambda: (c.memory_reserved(), c.is_initialized(), c.get_arch_list()),
        "cuda harmless": lambda: (c.empty_cache(), c.manual_seed(0), c.manual_seed_all(0), c.seed()),
        "cuda stats": lambda: dict(c.memory_stats()),
        "cuda bf16": lambda: c.is_bf16_supported(),
        "current": lambda: c.current_device(),
        "name": lambda: c.get_device_name(),
        "capability": lambda: c.get_device_capability(),
        "properties": lambda: c.get_device_properties(0),
        "synchronize": lambda: c.synchronize(),
        "event": lambda: c.Event(enable_timing=True),
        "stream": lambda: c.Stream(),
        "current stream": lambda: c.current_stream(),
        "state": lambda: c.get_rng_state(),
        "init": lambda: c.init(),
        "memory info": lambda: c.mem_get_info(),
        "accelerator": lambda: (a.is_available(), a.device_count(), a.current_accelerator()),
        "accelerator sync": lambda: a.synchronize(),
        "accelerator index": lambda: a.current_device_index(),
        "accelerator memory": lambda: a.memory_allocated(),
        "accelerator cache": lambda: a.empty_cache(),
        "mps": lambda: (t.mps.is_available(), t.mps.device_count(), b.mps.is_available(), b.mps.is_built()),
        "mps sync": lambda: t.mps.synchronize(),
        "xpu": lambda: (t.xpu.is_available(), t.xpu.device_count()),
        "xpu sync": lambda: t.xpu.synchronize(),
        "cpu": lambda: (
            t.cpu.is_available(),
            t.cpu.device_count(),
            t.cpu.current_device(),
            t.cpu.synchronize(),
        ),
        "cudnn": lambda: (
            b.cudnn.is_available(),
            b.cudnn.version(),
            b.cudnn.benchmark,
            b.cudnn.deterministic,
        ),
        "built": lambda: (b.cuda.is_built(), b.cuda.matmul.allow_tf32, b.cudnn.enabled),
    }


def outcome(call):
    try:
        return call()
    except Exception as error:
        return type(error), str(error)


@no_gpu
@pytest.mark.parametrize("name", list(answers(jtorch)))
def test_answers_without_an_accelerator_are_pytorchs(torch, name):
    assert outcome(answers(jtorch)[name]) == outcome(answers(torch)[name])


def test_tf32_is_one_switch():
    matmul = jtorch.backends.cuda.matmul
    cudnn = importlib.import_module("jtorch.backends.cudnn")
    assert jtorch.get_float32_matmul_precision() == "highest"
    try:
        matmul.allow_tf32 = True
        assert jtorch.get_float32_matmul_precision() == "high"
        assert cudnn.allow_tf32
        assert matmul.fp32_precision == "tf32"
        cudnn.allow_tf32 = False
        assert jtorch.get_float32_matmul_precision() == "highest"
        with cudnn.flags(benchmark=True, deterministic=True, allow_tf32=True):
            assert cudnn.benchmark
            assert matmul.allow_tf32
        assert not cudnn.benchmark
        assert not matmul.allow_tf32
        matmul.fp32_precision = "bf16"
        assert jtorch.get_float32_matmul_precision() == "medium"
        with pytest.raises(RuntimeError, match="Invalid precision fast"):
            matmul.fp32_precision = "fast"
    finally:
        jtorch.set_float32_matmul_precision("highest")


@pytest.mark.gpu
@pytest.mark.skipif(not platform_available("cuda"), reason="needs a GPU")
def test_a_gpu_answers():
    c = jtorch.cuda
    x = jtorch.ones(1000, 1000, device="cuda")
    start, end = c.Event(enable_timing=True), c.Event(enable_timing=True)
    start.record()
    (x @ x).sum().item()
    end.record()
    assert start.elapsed_time(end) > 0
    assert c.memory_allocated() >= x.numel() * 4
    assert c.max_memory_allocated() >= c.memory_allocated()
    assert c.get_device_properties(0).name == c.get_device_name()
    with c.stream(c.Stream()), c.device(0):
        assert c.current_device() == 0
    assert jtorch.accelerator.current_accelerator().type == "cuda"
    assert jtorch.device("cuda").index is None
    c.manual_seed(1)
    state = c.get_rng_state()
    a = jtorch.rand(3, device="cuda")
    c.set_rng_state(state)
    assert jtorch.equal(a, jtorch.rand(3, device="cuda"))


@no_gpu
@pytest.mark.parametrize("draw", ["rand(2", "randn(2", "randint(3, (2,)", "randperm(2", "rand_like(one"])
def test_random_numbers_need_the_device_that_they_are_for(draw):
    with pytest.raises(AssertionError, match="Torch not compiled with CUDA enabled"):
        eval(f"jtorch.{draw}, device='cuda')", {"jtorch": jtorch, "one": jtorch.ones(1)})


@pytest.mark.parametrize("kind", ["xpu", "hpu", "mtia"])
def test_types_of_devices_that_jax_does_not_have_can_be_named(kind):
    assert repr(jtorch.device(f"{kind}:1")) == f"device(type='{kind}', index=1)"
    assert not jtorch.is_autocast_enabled(kind)
    with pytest.raises((AssertionError, RuntimeError), match=r"not compiled with XPU|not linked with"):
        jtorch.zeros(1, device=kind)
