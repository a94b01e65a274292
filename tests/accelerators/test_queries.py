"""Queries about devices: PyTorch's answers where there is no accelerator; switches that mean something."""

import importlib
import re

import pytest

import jtorch
from jtorch import nn
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
        "cuda nothing": lambda: (c.set_device(-1), dict(c.memory_stats_as_nested_dict())),
        "cuda fraction": lambda: c.set_per_process_memory_fraction(0.5),
        "cuda debug mode": lambda: c.get_sync_debug_mode(),
        "cuda submodules": lambda: (c.memory.memory_reserved(), c.random.manual_seed(0)),
        "cuda types": lambda: (isinstance(t.ones(1), c.FloatTensor), str(c.HalfTensor)),
        "cuda type": lambda: c.FloatTensor(2),
        "nvtx push": lambda: c.nvtx.range_push("a"),
        "nvtx pop": lambda: c.nvtx.range_pop(),
        "nvtx range": lambda: c.nvtx.range("a").__enter__(),
        "attention": lambda: (
            b.cuda.flash_sdp_enabled(),
            b.cuda.math_sdp_enabled(),
            b.cuda.mem_efficient_sdp_enabled(),
            b.cuda.cudnn_sdp_enabled(),
            b.cuda.fp16_bf16_reduction_math_sdp_allowed(),
            b.cuda.is_flash_attention_available(),
        ),
        "linalg": lambda: b.cuda.preferred_linalg_library("lapack"),
        "accelerator reserved": lambda: a.memory_reserved(),
        "accelerator most reserved": lambda: a.max_memory_reserved(),
        "accelerator accumulated": lambda: a.reset_accumulated_memory_stats(),
        "accelerator capability": lambda: a.get_device_capability(),
        "accelerator host cache": lambda: a.empty_host_cache(),
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


#: Further questions, by module, each with PyTorch's answer or error.
QUESTIONS = {
    "cuda": """current_blas_handle() current_solver_handle() cudart() get_gencode_flags()
        get_stream_from_external(0) graph_pool_handle() host_memory_stats() host_memory_stats_as_nested_dict()
        list_gpu_processes() MemPool() get_per_process_memory_fraction() default_generators has_half has_magma
        caching_allocator_alloc(8) caching_allocator_enable() utilization() temperature() memory_usage()
        power_draw() clock_rate() device_memory_used() profiler.start() profiler.stop()
        streams.Event() graphs.graph_pool_handle()""",
    "xpu": """init() is_initialized() is_bf16_supported() is_tf32_supported() current_device() set_device(0)
        get_device_name() get_device_capability() get_device_properties() current_stream() set_stream(None)
        get_stream_from_external(0) Stream() Event() MemPool() XPUGraph() graph_pool_handle() get_arch_list()
        is_current_stream_capturing() graph(None) get_gencode_flags() can_device_access_peer(0,1)
        empty_cache() memory_allocated() max_memory_allocated() memory_reserved() max_memory_reserved()
        memory_stats() memory_stats_as_nested_dict() mem_get_info() memory_snapshot() get_rng_state()
        get_per_process_memory_fraction() set_per_process_memory_fraction(0.5) get_rng_state_all()
        set_rng_state_all([]) manual_seed(0) manual_seed_all(0) seed() seed_all() initial_seed()
        default_generators""",
    "mps": """current_allocated_memory() driver_allocated_memory() recommended_max_memory() get_rng_state()
        manual_seed(0) seed() set_per_process_memory_fraction(0.5) empty_cache() synchronize()
        compile_shader('a') load_metallib('a')""",
    "mtia": """is_available() is_initialized() device_count() synchronize() current_device() empty_cache()
        memory_stats() init() manual_seed(0)""",
    "accelerator": "Graph()",
    "backends": """cuda.is_ck_sdpa_available() cuda.preferred_blas_library('x') cuda.cufft_plan_cache.size
        cuda.cufft_plan_cache.max_size cuda.cufft_plan_cache.clear() cusparselt.is_available()
        cusparselt.version() cusparselt.get_max_alg_id() kleidiai.is_available() mha.get_fastpath_enabled()
        mha.set_fastpath_enabled(True) nnpack.set_flags(True) mkldnn.enabled mkldnn.deterministic
        mps.is_macos_or_newer(14,0)""",
}


@no_gpu
@pytest.mark.parametrize("module", QUESTIONS)
def test_further_answers_are_pytorchs(torch, module):
    for question in QUESTIONS[module].split():
        mine, theirs = (
            outcome(lambda t=t, q=question: eval(f"t.{module}.{q}", {"t": t})) for t in (jtorch, torch)
        )
        assert mine == theirs, question


@pytest.mark.skipif(platform_available("mps"), reason="there is such a device")
def test_events_need_the_device():
    with pytest.raises(RuntimeError, match=r"Cannot execute acquireEvent\(\) without MPS backend"):
        jtorch.mps.Event()
    with pytest.warns(UserWarning, match="is not compiled with NCCL support"):
        assert not jtorch.cuda.nccl.is_available([])


def test_what_the_processor_can_do(torch):
    mine, theirs = jtorch.cpu.get_capabilities(), torch.cpu.get_capabilities()
    assert mine["architecture"] == theirs["architecture"]
    if mine["architecture"] == "x86_64":
        # The two look in different places, and a virtual machine may hide what the processor has from one.
        assert mine.keys() <= theirs.keys()
        assert all(mine[name] == theirs[name] for name in ("sse4_1", "avx", "avx2", "fma3", "avx512_f"))


def test_switches_of_kernels_are_kept():
    backends = jtorch.backends
    with backends.mkldnn.flags(enabled=False), backends.nnpack.flags(enabled=False):
        assert not backends.mkldnn.enabled
    assert backends.mkldnn.enabled
    assert backends.nnpack.set_flags(True) == (True,)
    with backends.mkl.verbose(backends.mkl.VERBOSE_ON), backends.mkldnn.verbose(0):
        pass
    assert not backends.cuda.can_use_flash_attention(
        backends.cuda.SDPAParams(*[jtorch.ones(1, 1, 2, 2)] * 3, None, 0.0, False, False)
    )
    backends.mha.set_fastpath_enabled(False)
    assert not backends.mha.get_fastpath_enabled()
    backends.mha.set_fastpath_enabled(True)


def outcome(call):
    try:
        return call()
    except Exception as error:
        return type(error), str(error)


@no_gpu
@pytest.mark.parametrize("name", list(answers(jtorch)))
def test_answers_without_an_accelerator_are_pytorchs(torch, name):
    assert outcome(answers(jtorch)[name]) == outcome(answers(torch)[name])


@no_gpu
@pytest.mark.parametrize("name", ["memory_summary", "reset_accumulated_memory_stats"])
def test_memory_that_is_not_there(name):
    # PyTorch fails here on what its build lacks.
    with pytest.raises(AssertionError, match="Torch not compiled with CUDA enabled"):
        getattr(jtorch.cuda, name)()


def test_switches_of_attention_are_kept():
    cuda = jtorch.backends.cuda
    for name in ("flash", "mem_efficient", "math", "cudnn"):
        get, put = getattr(cuda, f"{name}_sdp_enabled"), getattr(cuda, f"enable_{name}_sdp")
        put(False)
        assert not get()
        put(True)
        assert get()
    with cuda.sdp_kernel(enable_flash=False):
        assert not cuda.flash_sdp_enabled()
    assert cuda.flash_sdp_enabled()
    assert cuda.preferred_linalg_library("magma") == cuda.preferred_linalg_library() == "magma"
    assert cuda.preferred_linalg_library("default") == "default"


def test_old_names_of_memory_say_so():
    for name, newer in (("memory_cached", "reserved"), ("max_memory_cached", "max_memory_reserved")):
        with pytest.warns(FutureWarning, match=rf"`torch.cuda.{name}` has been renamed to .*{newer}`"):
            assert isinstance(getattr(jtorch.cuda, name)(), int)


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


@pytest.mark.parametrize(("level", "word"), [("highest", "HIGHEST"), ("high", "HIGH"), ("medium", "DEFAULT")])
def test_the_level_reaches_every_product_and_its_gradients(level, word):
    model = nn.Sequential(nn.Conv1d(2, 3, 2), nn.Flatten(), nn.Linear(9, 4))
    x = jtorch.ones(2, 2, 4)

    def step(x):
        out = model(x)
        loss = (out @ out.T).sum()
        loss.backward()
        return loss

    jtorch.set_float32_matmul_precision(level)
    try:
        text = jtorch.compiler.lower(step, x).as_text()
    finally:
        jtorch.set_float32_matmul_precision("highest")
    products = [
        line for line in text.splitlines() if re.search(r"stablehlo\.(dot_general|convolution)", line)
    ]
    # Three forwards; gradients of the weights, of the linear layer's input and of both factors.
    assert len(products) >= 8
    for line in products:
        assert re.findall(r"\b(HIGHEST|HIGH|DEFAULT)\b", line) == [word] * 2, line


def test_another_level_is_another_program(lazy):
    a = jtorch.ones(7, 7)
    (a @ a).sum().item()
    jtorch.reset_metrics()
    (a @ a).sum().item()
    assert jtorch.metrics()["programs_compiled"] == 0
    jtorch.set_float32_matmul_precision("medium")
    try:
        (a @ a).sum().item()
    finally:
        jtorch.set_float32_matmul_precision("highest")
    assert jtorch.metrics()["programs_compiled"] == 1


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
    c.set_device(-1)
    assert c.current_device() == 0
    assert "Allocated memory" in c.memory_summary()
    assert jtorch.accelerator.memory_reserved() == c.memory_reserved()
    assert jtorch.float32 in jtorch.accelerator.get_device_capability()["supported_dtypes"]
    assert (c.nvtx.range_push("a"), c.nvtx.range_push("b"), c.nvtx.range_pop()) == (0, 1, 1)
    assert c.nvtx.range_pop() == 0
    assert isinstance(x, c.FloatTensor)


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


@pytest.mark.parametrize(
    ("path", "name", "same"),
    [
        ("cuda.streams", "Stream", "cuda.Stream"),
        ("cuda.graphs", "CUDAGraph", "cuda.CUDAGraph"),
        ("cuda.amp.autocast_mode", "autocast", "cuda.amp.autocast"),
        ("cuda.amp.grad_scaler", "GradScaler", "cuda.amp.GradScaler"),
        ("cuda.amp.common", "amp_definitely_not_available", "cuda.amp.amp_definitely_not_available"),
        ("cpu.amp.autocast_mode", "autocast", "cpu.amp.autocast"),
        ("cpu.amp.grad_scaler", "GradScaler", "cpu.amp.GradScaler"),
    ],
)
def test_pytorchs_paths_can_be_imported(path, name, same):
    found = jtorch
    for part in same.split("."):
        found = getattr(found, part)
    assert getattr(importlib.import_module(f"jtorch.{path}"), name) is found
