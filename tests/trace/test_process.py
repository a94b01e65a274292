"""What only a fresh process shows: imports, environment variables, the cache on disk."""

import os
import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.slow


def run(code, **environment):
    """Run code in a new interpreter; its output."""
    full = {**os.environ, **environment}
    for name in ("JTORCH_EAGER", "JTORCH_MAX_NODES", "JTORCH_VERIFY"):
        if name not in environment:
            full.pop(name, None)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], env=full, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_import_starts_no_backend_and_never_imports_torch():
    code = """
        import sys
        import jtorch
        from jax._src import xla_bridge
        x = jtorch.arange(6).reshape(2, 3).t()
        print(xla_bridge._backends == {}, "torch" in sys.modules, x.tolist() == [[0, 3], [1, 4], [2, 5]])
    """
    assert run(code) == ["True", "False", "True"]


def test_programs_are_cached_on_disk(tmp_path):
    code = """
        import jtorch
        print((jtorch.ones(17) + 1).sum().item())
    """
    folder = tmp_path / "cache"
    assert run(code, JTORCH_CACHE_DIR=str(folder)) == ["34.0"]
    files = sorted(p.name for p in folder.iterdir())
    assert files
    run(code, JTORCH_CACHE_DIR=str(folder))
    assert sorted(p.name for p in folder.iterdir() if not p.name.endswith("atime")) == [
        name for name in files if not name.endswith("atime")
    ]


@pytest.mark.parametrize("off", ["", "0"])
def test_the_cache_can_be_switched_off(off, tmp_path):
    code = """
        import jax
        import jtorch
        print(jax.config.jax_compilation_cache_dir)
    """
    assert run(code, JTORCH_CACHE_DIR=off) == ["None"]


def test_the_cache_stands_in_the_users_cache_folder(tmp_path):
    code = """
        import os
        os.environ.pop("JTORCH_CACHE_DIR", None)
        import jax
        import jtorch
        print(jax.config.jax_compilation_cache_dir)
    """
    assert run(code, XDG_CACHE_HOME=str(tmp_path)) == [str(tmp_path / "jtorch" / "xla")]


def test_a_cache_that_jax_was_given_stays(tmp_path):
    code = """
        import jax
        import jtorch
        print(jax.config.jax_compilation_cache_dir)
    """
    assert run(code, JAX_COMPILATION_CACHE_DIR=str(tmp_path)) == [str(tmp_path)]


def test_modes_by_environment():
    code = """
        import jtorch
        from jtorch.trace import settings
        print(settings.eager, settings.max_nodes, settings.verify)
    """
    assert run(code, JTORCH_EAGER="1", JTORCH_MAX_NODES="3", JTORCH_VERIFY="1") == ["True", "3", "True"]
    eager, cap, verify = run(code, JTORCH_EAGER="0")
    assert (eager, verify) == ("False", "False")
    assert int(cap) > 1000


def test_import_leaves_garbage_collection_as_it_was():
    for turn, expected in (("enable", True), ("disable", False)):
        code = f"import gc; gc.{turn}(); import jtorch; print(gc.isenabled())"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == str(expected)
