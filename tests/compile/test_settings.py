"""Options of ``torch.compile``, ``torch._dynamo.config`` and ``torch._inductor.config``."""

import warnings

import pytest

import jtorch
from jtorch._dynamo import config
from jtorch._inductor import config as inductor

pytestmark = pytest.mark.usefixtures("lazy")


@pytest.mark.parametrize(
    "options",
    [
        {"nope": 1}, {"max_autotune": "a"}, {"triton.cudagraphs": 1}, {"max-autotune": True},
        {"epilogue_fusion": 1}, {"trace.enabled": True}, {1: 2}, {"guard_filter_fn": print}, {"debug": None},
        {"shape_padding": True, "cpp.threads": 2.0},
    ],
)  # fmt: skip
def test_options_as_pytorch(torch, options):
    seen = []
    for library in (torch, jtorch):
        try:
            with warnings.catch_warnings():  # torch's own, of its dependencies
                warnings.simplefilter("ignore")
                library.compile(lambda x: x, options=dict(options))
            seen.append(None)
        except (RuntimeError, AttributeError) as error:
            seen.append((type(error), str(error)))
    assert seen[1] == seen[0]


def test_names_of_settings_are_those_of_pytorch(torch):
    assert jtorch._inductor.list_options() == torch._inductor.list_options()
    assert jtorch._inductor.list_mode_options() == torch._inductor.list_mode_options()
    theirs = [name for name in torch._dynamo.config._config if name[0] != "_"]
    for name in theirs:
        getattr(config, name)
    for module in ("_dynamo", "compiler"):
        public = set(getattr(torch, module).__all__)
        lacking = {name for name in public if not hasattr(getattr(jtorch, module), name)}
        assert lacking <= LACKING


LACKING = {
    "allow_c_slot", "bytecode_debugger", "disable_nested_graph_breaks", "export", "override_cudagraphs",
    "keep_portable_guards_unsafe", "keep_tensor_guards_unsafe", "load_compiled_function", "register_backend",
    "replay", "reset_recompile_user_contexts", "skip_guard_on_all_nn_modules_unsafe",
    "skip_guard_on_globals_unsafe", "skip_guard_on_inbuilt_nn_modules_unsafe",
}  # fmt: skip


def test_settings_that_do_not_exist_are_refused():
    for owner, name in (
        (config, "torch._dynamo.config.nope"),
        (inductor.triton, "torch._inductor.config.triton.nope"),
    ):
        with pytest.raises(AttributeError, match=name):
            owner.nope  # noqa: B018
        with pytest.raises(AttributeError, match=name):
            owner.nope = 1
    with pytest.raises(AttributeError), config.patch(verbose=True, nope=1):
        pass
    assert config.verbose is False


def test_settings_are_patched_and_put_back():
    with inductor.patch({"triton.cudagraphs": True}, max_autotune=True):
        assert (inductor.triton.cudagraphs, inductor.max_autotune) == (True, True)
    assert (inductor.triton.cudagraphs, inductor.max_autotune) == (False, False)
    with config.patch("cache_size_limit", 3):
        assert config.recompile_limit == 3
    assert config.cache_size_limit == 8


def test_settings_that_are_heeded():
    f = jtorch.compile(lambda x: x * 2, dynamic=False)
    f(jtorch.ones(2))
    with config.patch(error_on_recompile=True):
        f(jtorch.ones(2))
        with pytest.raises(jtorch._dynamo.exc.RecompileError, match=r"float32\[3\], was float32\[2\]"):
            f(jtorch.ones(3))
    with config.patch(disable=True):
        assert f(jtorch.ones(4)).tolist() == [2.0] * 4
    assert jtorch.compiler.explain(f).count("\n") == 0
    hit = jtorch._dynamo.exc.FailOnRecompileLimitHit
    with config.patch(recompile_limit=1, fail_on_recompile_limit_hit=True), pytest.raises(hit):
        f(jtorch.ones(5))


def test_names_that_are_accepted():
    def f(x):
        return x + 1

    x = jtorch.ones(2)
    jtorch.compiler.set_default_backend("eager")
    assert jtorch.compile(f) is f
    jtorch.compiler.set_default_backend(None)
    assert jtorch.compiler.get_default_backend() == "inductor"
    assert jtorch._dynamo.optimize("inductor", nopython=True)(f)(x).tolist() == [2.0, 2.0]
    assert jtorch.compiler.substitute_in_graph(len)(f) is f
    with jtorch.compiler.set_stance("eager_then_compile"):
        assert jtorch.compile(f)(x).tolist() == [2.0, 2.0]
    with pytest.raises(jtorch._dynamo.exc.InvalidBackend):
        jtorch._dynamo.lookup_backend("nope")
    with pytest.raises(NotImplementedError, match="fullgraph"):
        jtorch._dynamo.error_on_graph_break(True)
