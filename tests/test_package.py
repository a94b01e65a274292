"""The package as a whole: what it imports, exports and says of itself."""

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest

import jtorch
from jtorch._version import PYTORCH, VERSION

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "jtorch").rglob("*.py"))


def imported(path):
    """Top-level names of everything a file imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield (node.module or "").split(".")[0]


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_file_imports_torch(path):
    assert "torch" not in set(imported(path))


def test_version_is_that_of_the_pytorch_it_follows():
    assert jtorch.__version__ == PYTORCH == "2.13.0"
    assert re.fullmatch(r"\d+\.\d+\.\d+", VERSION)


def test_it_is_typed():
    assert (ROOT / "jtorch" / "py.typed").exists()


def test_changelog_names_the_version():
    assert f"## {VERSION}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_no_file_names_a_place_of_one_machine():
    pattern = re.compile(r"/(work|root|home/\w+)/\w")
    folders = ("jtorch", "tests", "bench", "examples", "docs")
    files = [p for f in folders for p in (ROOT / f).rglob("*") if p.suffix in (".py", ".md", ".toml")]
    files += [ROOT / "README.md", ROOT / "pyproject.toml", ROOT / ".ci" / "run"]
    files.remove(Path(__file__))
    assert not [str(p) for p in files if pattern.search(p.read_text(encoding="utf-8"))]


MODULES = ["", ".trace", ".dispatch", ".tape", ".tensor", ".nn", ".optim", ".utils.data"]


@pytest.mark.parametrize("name", MODULES)
def test_what_all_lists_exists(name):
    module = import_module("jtorch" + name)
    missing = [n for n in getattr(module, "__all__", ()) if not hasattr(module, n)]
    assert not missing
